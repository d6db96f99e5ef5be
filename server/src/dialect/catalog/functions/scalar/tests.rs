//! Values as PostgreSQL gives them.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::{age, formatted, justified, like_escape, literal};
use crate::dialect::catalog::rows::Value;
use arrow::datatypes::IntervalMonthDayNano;
use datafusion::scalar::ScalarValue;

fn parts(value: &Value) -> (i32, i32, i64) {
    let Value::Ready(ScalarValue::IntervalMonthDayNano(Some(value))) = value else {
        unreachable!("an interval: {value:?}");
    };
    (value.months, value.days, value.nanoseconds / 1_000_000_000)
}

fn time(text: &str) -> ScalarValue {
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
    ScalarValue::TimestampMicrosecond(Some(time.and_utc().timestamp_micros()), None)
}

#[test]
fn an_age_is_months_days_and_time() {
    for (end, start, expected) in [
        ("2026-03-15 00:00", "2025-01-31 00:00", (13, 15, 0)),
        ("2026-01-01 10:00", "2026-01-01 08:30", (0, 0, 5400)),
        ("2026-03-01 00:00", "2026-02-28 00:00", (0, 1, 0)),
        ("2026-01-01 00:00", "2026-01-02 00:00", (0, -1, 0)),
    ] {
        assert_eq!(
            parts(&age(&[time(end), time(start)])),
            expected,
            "{end} {start}"
        );
    }
}

#[test]
fn intervals_are_justified() {
    let interval = |months, days, hours: i64| {
        let value = IntervalMonthDayNano::new(months, days, hours * 3_600_000_000_000);
        [ScalarValue::IntervalMonthDayNano(Some(value))]
    };
    assert_eq!(
        parts(&justified(&interval(0, 0, 27), true, false)),
        (0, 1, 10_800)
    );
    assert_eq!(
        parts(&justified(&interval(0, 35, 0), false, true)),
        (1, 5, 0)
    );
    assert_eq!(
        parts(&justified(&interval(1, 0, -1), true, true)),
        (0, 29, 82_800)
    );
}

#[test]
fn texts_are_quoted_and_escaped() {
    assert_eq!(literal("it's"), "'it''s'");
    assert_eq!(literal("a\\b"), "E'a\\\\b'");
    assert_eq!(like_escape("pg/_%", Some('/')), "pg\\_%");
    assert_eq!(like_escape("a\\b", Some('/')), "a\\\\b");
    let arguments = ["%s-%I-%L%%", "a", "B c", "d"].map(ScalarValue::from);
    let Value::Text(text) = formatted(&arguments).unwrap() else {
        unreachable!("a text");
    };
    assert_eq!(text, "a-\"B c\"-'d'%");
}
