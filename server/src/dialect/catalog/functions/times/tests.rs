//! Times made and intervals multiplied.
#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::datatypes::IntervalMonthDayNano;
use datafusion::scalar::ScalarValue;

use super::{made, multiplied};

#[test]
fn intervals_are_multiplied_part_by_part() {
    const HOUR: i64 = 3_600_000_000_000;
    for ((months, days, nanos), factor, expected) in [
        ((0, 0, HOUR), 2.0, (0, 0, 2 * HOUR)),
        ((0, 0, 3 * HOUR), 0.5, (0, 0, 3 * HOUR / 2)),
        ((0, 1, 0), 1.5, (0, 1, 12 * HOUR)),
        ((1, 0, 0), 0.5, (0, 15, 0)),
    ] {
        let interval = IntervalMonthDayNano::new(months, days, nanos);
        let (months, days, nanos) = expected;
        let expected = IntervalMonthDayNano::new(months, days, nanos);
        assert_eq!(multiplied(&interval, factor).unwrap(), expected);
    }
    assert!(multiplied(&IntervalMonthDayNano::new(1, 0, 0), 1e12).is_err());
}

#[test]
fn a_time_that_does_not_exist_is_not_made() {
    let parts = |day: i64, second: f64| {
        let mut parts: Vec<ScalarValue> = [2026, 2, day, 3, 4].map(ScalarValue::from).to_vec();
        parts.push(second.into());
        parts
    };
    assert_eq!(
        made(&parts(3, 5.5)).unwrap().to_string(),
        "2026-02-03 03:04:05.500"
    );
    assert!(made(&parts(30, 0.0)).is_err());
    assert!(made(&parts(1, 60.0)).is_err());
}
