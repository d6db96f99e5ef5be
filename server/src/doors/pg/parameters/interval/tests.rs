//! Intervals that PostgreSQL reads, and what it makes of them.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::{Fields, parse, plain, restricted};

#[test]
fn postgresqls_own_forms_are_read_back() {
    for (text, same) in [
        (
            "1 year 2 mons 3 days 04:05:06.789",
            "14 months 3 days 14706.789000 seconds",
        ),
        ("1-2", "14 months 0 days 0.000000 seconds"),
        ("-1-2", "-14 months 0 days 0.000000 seconds"),
        ("1-2 3 4:05:06", "14 months 3 days 14706.000000 seconds"),
        ("P1Y2M3DT4H5M6S", "14 months 3 days 14706.000000 seconds"),
        ("1d2h3m4s", "0 months 1 days 7384.000000 seconds"),
        ("1 day ago", "0 months -1 days 0.000000 seconds"),
        ("-03:00", "0 months 0 days -10800.000000 seconds"),
        ("1 2:03:04", "0 months 1 days 7384.000000 seconds"),
        ("04:05.5", "0 months 0 days 245.500000 seconds"),
        ("5", "0 months 0 days 5.000000 seconds"),
        ("@ 2 centuries", "2400 months 0 days 0.000000 seconds"),
    ] {
        assert_eq!(plain(parse(text).unwrap()), same, "{text}");
    }
    for wrong in ["", "1 parsec", "1e", "1:2:3:4"] {
        assert!(parse(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn a_restricted_type_cuts_off_what_is_smaller() {
    for (text, first, last, precision, same) in [
        (
            "1-2",
            "YEAR",
            Some("MONTH"),
            None,
            "14 months 0 days 0.000000 seconds",
        ),
        (
            "3 4",
            "DAY",
            Some("HOUR"),
            None,
            "0 months 3 days 14400.000000 seconds",
        ),
        (
            "1:02",
            "HOUR",
            Some("MINUTE"),
            None,
            "0 months 0 days 3720.000000 seconds",
        ),
        (
            "4:05",
            "MINUTE",
            Some("SECOND"),
            None,
            "0 months 0 days 245.000000 seconds",
        ),
        (
            "1 day 2 hours",
            "DAY",
            None,
            None,
            "0 months 1 days 0.000000 seconds",
        ),
        ("7", "MONTH", None, None, "7 months 0 days 0.000000 seconds"),
        (
            "1.23456",
            "SECOND",
            None,
            Some(3),
            "0 months 0 days 1.235000 seconds",
        ),
        (
            "-1.23456",
            "SECOND",
            None,
            Some(3),
            "0 months 0 days -1.235000 seconds",
        ),
    ] {
        let fields = Fields {
            first: Some(first),
            last,
            precision,
        };
        assert_eq!(plain(restricted(text, fields).unwrap()), same, "{text}");
    }
}

#[test]
fn more_hours_than_there_are_seconds_to_count_is_none() {
    assert!(parse("18446744073709551615:00").is_none());
    assert!(parse("0:18446744073709551615:00").is_none());
    assert_eq!(
        plain(parse("2500000:47:00").unwrap()),
        "0 months 0 days 9000002820.000000 seconds"
    );
}
