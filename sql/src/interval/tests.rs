//! Tests of interval: see the module beside for what is promised.

use super::{canonical, is_positive};

#[test]
fn texts() {
    for (text, expected) in [
        ("10 seconds", Some("10 seconds")),
        (" 10s ", Some("10 seconds")),
        ("1 hours", Some("1 hour")),
        ("1h30m", Some("1 hour 30 minutes")),
        ("+1 day", Some("1 day")),
        ("-1 day", Some("-1 day")),
        ("2 century", Some("2 centuries")),
        ("1 quarter", Some("3 months")),
        ("-2 Quarters", Some("-6 months")),
        ("0.5 quarters", Some("1.5 months")),
        ("10", Some("10 seconds")),
        ("1 fortnight", None),
        ("P1D", None),
        ("01:00:00", None),
        ("1 02:00:00", None),
        ("--1 day", None),
        ("1..5 days", None),
        (". days", None),
        ("", None),
        ("day", None),
    ] {
        assert_eq!(canonical(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn signs() {
    for (text, expected) in [
        ("1 second", Some(true)),
        ("0.001 seconds", Some(true)),
        ("0 seconds", Some(false)),
        ("0.0 seconds 0 hours", Some(false)),
        ("1 hour -1 minute", Some(false)),
        ("P1D", None),
    ] {
        assert_eq!(is_positive(text), expected, "{text}");
    }
}
