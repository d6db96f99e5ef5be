//! Tests of sizes: see the module beside for what is promised.

use super::{bytes_of, pretty};

/// What PostgreSQL 15 prints.
#[test]
fn sizes_read_as_in_postgres() {
    let known = [
        (0, "0 bytes"),
        (10_239, "10239 bytes"),
        (10_240, "10 kB"),
        (10_485_247, "10239 kB"),
        (10_485_248, "10 MB"),
        (1_000_000_000, "954 MB"),
        (-1_000_000_000, "-954 MB"),
        (1_000_000_000_000, "931 GB"),
    ];
    for (size, text) in known {
        assert_eq!(pretty(size), text, "{size}");
    }
}

#[test]
fn a_size_is_read_back() {
    for (text, bytes) in [
        ("1 GB", Some(1 << 30)),
        ("1.5kB", Some(1536)),
        ("7", Some(7)),
        ("10 bytes", Some(10)),
        ("-2 MB", Some(-2 << 20)),
        ("1 AB", None),
        ("", None),
    ] {
        assert_eq!(bytes_of(text), bytes, "{text}");
    }
}
