//! What is split, and where.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn a_text_is_split_as_postgres_splits_it() {
    for (text, pattern, parts) in [
        ("a1b2c", r"\d", &["a", "b", "c"] as &[&str]),
        ("abc", "", &["a", "b", "c"]),
        ("", ",", &[""]),
        ("", "", &[""]),
        (",a,", ",", &["", "a", ""]),
        ("the  fox", r"\s*", &["t", "h", "e", "f", "o", "x"]),
    ] {
        let (regex, _) = compiled("f", pattern, "").unwrap();
        assert_eq!(split(&regex, text), parts, "{text} by {pattern}");
    }
}

#[test]
fn wrong_patterns_and_flags_are_told() {
    assert!(compiled("f", "a", "gi").unwrap().1);
    for (pattern, flags) in [("(", ""), ("a", "z")] {
        assert!(compiled("f", pattern, flags).is_err(), "{pattern} {flags}");
    }
}
