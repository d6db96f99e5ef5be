//! Templates, with answers of PostgreSQL's.
#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::NaiveDateTime;

use super::{
    moment::{Shown, Wrong, parse},
    number,
};

fn moment(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap()
}

#[test]
fn moments_by_template() {
    for (at, template, expected) in [
        (
            "2026-01-02 03:04:05.678",
            "YYYY-MM-DD HH24:MI:SS.MS",
            "2026-01-02 03:04:05.678",
        ),
        ("2026-01-02 00:00:00", "Mon DD, YYYY", "Jan 02, 2026"),
        ("2026-01-02 15:04:05", "HH12:MI AM", "03:04 PM"),
        (
            "2026-01-02 00:00:00",
            "Day, FMMonth FMDD",
            "Friday   , January 2",
        ),
        ("2026-01-02 00:00:00", "IYYY-IW", "2026-01"),
        ("2026-01-02 00:00:00", "Q J D", "1 2461043 6"),
        (
            "2026-01-02 00:00:00",
            "FMDDth \"of\" month",
            "2nd of january  ",
        ),
        ("2026-11-22 00:00:00", "DDD WW W CC", "326 47 4 21"),
        ("2026-01-02 00:05:00", "hh:mi am", "12:05 am"),
    ] {
        assert_eq!(
            Shown::moment(moment(at), Some(0)).written(template),
            expected,
            "{template}"
        );
    }
}

#[test]
fn texts_by_template() {
    for (text, template, expected) in [
        ("2026-01-02", "YYYY-MM-DD", "2026-01-02 00:00:00"),
        (
            "2026-01-02 03:04",
            "YYYY-MM-DD HH24:MI",
            "2026-01-02 03:04:00",
        ),
        ("02 Jan 2026", "DD Mon YYYY", "2026-01-02 00:00:00"),
        ("20260102", "YYYYMMDD", "2026-01-02 00:00:00"),
        (
            "1/2/26 11:30 pm",
            "MM/DD/YY HH12:MI am",
            "2026-01-02 23:30:00",
        ),
        ("2026.5", "YYYY.DDD", "2026-01-05 00:00:00"),
    ] {
        assert_eq!(parse(text, template), Ok(moment(expected)), "{text}");
    }
    assert_eq!(parse("2026-13-01", "YYYY-MM-DD"), Err(Wrong::Range));
    assert_eq!(parse("abc", "YYYY"), Err(Wrong::Text("YYYY".into())));
}

#[test]
fn numbers_by_template() {
    for (value, template, expected) in [
        ("1234.5", "9,999.99", " 1,234.50"),
        ("12", "000", " 012"),
        ("-5", "999", "  -5"),
        ("0.5", "FM0.00", "0.50"),
        ("1234567", "9G999G999", " 1,234,567"),
        ("12345", "999", " ###"),
        ("0.1", "9.99", "  .10"),
        ("-12.5", "S99.9", "-12.5"),
        ("12.345", "FM999.99", "12.35"),
        ("99.995", "999.99", " 100.00"),
        ("485", "999MI", "485 "),
        ("-485", "999PR", "<485>"),
    ] {
        assert_eq!(
            number::written(value, template),
            expected,
            "{value} {template}"
        );
    }
    assert_eq!(number::parse("1,234.5", "9,999.9"), Some(1234.5));
}

#[test]
fn roman_numbers_and_moved_points() {
    for (number, template, expected) in [
        ("12.5", "RN", "           XIII"),
        ("4", "FMRN", "IV"),
        ("1994", "FMrn", "mcmxciv"),
        ("4000", "FMRN", "###############"),
        ("42", "FM999V99", "4200"),
        ("12.4", "99V999", " 12400"),
        ("1", "9th", " 1st"),
        ("12", "FM99TH", "12TH"),
        ("5", "", ""),
    ] {
        assert_eq!(
            number::shown(number, template).unwrap(),
            expected,
            "{template}"
        );
    }
    assert!(number::shown("12.3", "9.9EEEE").is_none());
    assert!(number::shown("5", "\"x\"9").is_none());
}
