//! Dates that people write.
#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::datatypes::{DataType, TimeUnit};

use super::literal;

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
    for left in ["x", "", "2026-01", "12", "now", "Jan Feb 2026", "5 days"] {
        assert_eq!(
            literal(left, &DataType::Date32, None).unwrap(),
            None,
            "{left}"
        );
    }
    assert_eq!(literal("Jan 2, 2026", &DataType::Utf8, None).unwrap(), None);
}
