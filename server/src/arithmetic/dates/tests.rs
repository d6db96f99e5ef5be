//! Dates that people write.
#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::datatypes::{DataType, TimeUnit};

use super::literal;
use crate::execute::engine_error;

#[test]
fn dates_are_brought_to_one_form() {
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
    for (written, expected) in [
        ("Jan 2, 2026", "2026-01-02 00:00:00"),
        ("2 January 2026 10:00 pm", "2026-01-02 22:00:00"),
        ("1/2/2026 10:00", "2026-01-02 10:00:00"),
        ("20260102", "2026-01-02 00:00:00"),
        ("2026-Jan-02 10:00:05.5", "2026-01-02 10:00:05.5"),
        ("Fri, 2 Jan 2026 12:30am", "2026-01-02 00:30:00"),
        ("2026-01-02T10:00:00Z", "2026-01-02 10:00:00Z"),
        ("2026-01-02 10:00+02", "2026-01-02 10:00:00+02"),
        ("2026-12-31 24:00", "2027-01-01 00:00:00"),
        ("2026-12-31 23:59:60", "2027-01-01 00:00:00"),
        ("2026-01-02 10:00:60.5", "2026-01-02 10:01:00.5"),
        ("2026-01-02 10:00:00 AD", "2026-01-02 10:00:00"),
        (
            "2026-01-02 10:00:00 America/New_York",
            "2026-01-02 10:00:00 America/New_York",
        ),
    ] {
        let read = literal(written, &timestamp, None).unwrap();
        assert_eq!(read.as_deref().unwrap_or(written), expected, "{written}");
    }
    let date = literal("Jan 2, 2026", &DataType::Date32, None).unwrap();
    assert_eq!(date.as_deref(), Some("2026-01-02"));
}

#[test]
fn what_does_not_exist_is_refused_and_what_is_none_is_left() {
    assert!(literal("2026-13-01", &DataType::Date32, None).is_err());
    assert!(literal("2026-02-30", &DataType::Date32, None).is_err());
    assert!(literal("0000-01-01", &DataType::Date32, None).is_err());
    for left in ["x", "", "2026-01", "12", "now", "Jan Feb 2026", "5 days"] {
        assert_eq!(
            literal(left, &DataType::Date32, None).unwrap(),
            None,
            "{left}"
        );
    }
    assert_eq!(literal("Jan 2, 2026", &DataType::Utf8, None).unwrap(), None);
}

#[test]
fn what_no_column_can_hold_is_refused_with_the_reason() {
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
    let time = DataType::Time64(TimeUnit::Microsecond);
    for (text, to) in [
        ("infinity", &timestamp),
        (" -Infinity", &timestamp),
        ("infinity", &DataType::Date32),
        ("0044-03-15 BC", &DataType::Date32),
        ("0044-03-15 10:00:00 BC", &timestamp),
        ("24:00", &time),
        ("23:59:60", &time),
    ] {
        let error = literal(text, to, None).unwrap_err();
        assert_eq!(engine_error(error).state.code(), "0A000", "{text}");
    }
    for (text, code) in [
        ("24:00:01", "22008"),
        ("10:60", "22008"),
        ("10:00:61", "22008"),
    ] {
        let error = literal(text, &time, None).unwrap_err();
        assert_eq!(engine_error(error).state.code(), code, "{text}");
    }
    let leap = literal("10:00:60", &time, None).unwrap();
    assert_eq!(leap.as_deref(), Some("10:01:00"));
}
