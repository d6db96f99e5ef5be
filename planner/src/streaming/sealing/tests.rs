//! Which partitions are sealed, by hand and by chance: no window that is still to come starts in one.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use proptest::prelude::*;

use super::Sealing;
use crate::streaming::partition::Derived;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

fn by(columns: &[&str]) -> Sealing {
    let derived = columns.iter().map(|name| {
        let data_type = match *name {
            "date" => DataType::Date32,
            _ => DataType::Int32,
        };
        Derived::new(name, Some(&data_type), "window_start").unwrap()
    });
    Sealing::new(&derived.collect::<Vec<_>>(), Vec::new())
}

fn partition(values: &[(&str, &str)]) -> BTreeMap<String, Option<String>> {
    let values = values.iter();
    values
        .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
        .collect()
}

#[test]
fn an_hour_is_sealed_when_nothing_to_come_starts_in_it() {
    let sealing = by(&["date", "hour"]);
    let start = 20_000 * DAY_US + 5 * HOUR_US;
    let of = |date: &str, hour: &str| partition(&[("date", date), ("hour", hour)]);
    assert!(sealing.is_sealed(&of("2024-10-04", "4"), start));
    assert!(!sealing.is_sealed(&of("2024-10-04", "5"), start));
    assert!(!sealing.is_sealed(&of("2024-10-04", "6"), start));
    assert!(sealing.is_sealed(&of("2024-10-03", "23"), start));
    assert!(!sealing.is_sealed(&of("2024-10-05", "0"), start));
    assert!(sealing.is_sealed(&of("2024-10-05", "0"), i64::MAX));
}

#[test]
fn what_does_not_follow_time_seals_nothing() {
    let start = 20_000 * DAY_US;
    assert!(!by(&["hour"]).is_sealed(&partition(&[("hour", "0")]), start + 5 * HOUR_US));
    assert!(!by(&[]).is_sealed(&partition(&[("country", "es")]), start));
    let dated = by(&["date"]);
    let no_date = BTreeMap::from([("date".to_owned(), None)]);
    assert!(!dated.is_sealed(&no_date, start));
    assert!(!dated.is_sealed(&partition(&[("date", "yesterday")]), start));
}

#[test]
fn columns_beside_those_of_time_do_not_matter() {
    let sealing = by(&["date"]);
    let of = |country: &str| partition(&[("country", country), ("date", "2024-10-03")]);
    assert!(sealing.is_sealed(&of("es"), 20_000 * DAY_US));
    // an hour without a date comes every day
    let by_year = by(&["year", "hour"]);
    let old = partition(&[("year", "2023"), ("hour", "3")]);
    assert!(by_year.is_sealed(&old, 20_000 * DAY_US));
    let current = partition(&[("year", "2024"), ("hour", "3")]);
    assert!(!by_year.is_sealed(&current, 20_000 * DAY_US));
}

proptest! {
    /// The partition of a time is sealed for a later start exactly when they are not in the same one.
    #[test]
    fn the_partition_of_a_time_is_open_until_time_has_left_it(
        time in 0..4_000_000_000_000_000_i64,
        after in 0..40 * DAY_US,
        columns in prop::sample::select(vec![
            vec!["date"],
            vec!["date", "hour"],
            vec!["date", "hour", "minute"],
            vec!["year", "month"],
            vec!["year", "month", "day", "hour"],
        ]),
    ) {
        let sealing = by(&columns);
        let values = |us: i64| -> BTreeMap<String, Option<String>> {
            let values = sealing.chain.iter().map(|column| {
                let number = column.number_at(us).unwrap();
                let text = match column.name.as_str() {
                    "date" => (chrono::NaiveDate::default() + chrono::Days::new(number as u64)).to_string(),
                    _ => number.to_string(),
                };
                (column.name.clone(), Some(text))
            });
            values.collect()
        };
        prop_assert!(!sealing.is_sealed(&values(time + after), time));
        prop_assert_eq!(
            sealing.is_sealed(&values(time), time + after),
            values(time) != values(time + after)
        );
    }
}
