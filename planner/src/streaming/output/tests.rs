//! Derived partition columns against the calendar.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::array::TimestampMicrosecondArray;

use super::*;

fn derived(name: &str, data_type: DataType, at: &str) -> String {
    let us = chrono::DateTime::parse_from_rfc3339(at)
        .unwrap()
        .timestamp_micros();
    let column = Derived::new(name, Some(&data_type), "window_start").unwrap();
    let array = column
        .evaluate(&TimestampMicrosecondArray::from(vec![us]))
        .unwrap();
    assert_eq!(array.data_type(), &data_type);
    arrow::util::display::array_value_to_string(&array, 0).unwrap()
}

#[test]
fn parts_are_of_utc_and_right_before_1970() {
    let at = "2024-02-29T23:59:00Z";
    assert_eq!(derived("date", DataType::Date32, at), "2024-02-29");
    assert_eq!(derived("dt", DataType::Date32, at), "2024-02-29");
    assert_eq!(derived("day", DataType::Date32, at), "2024-02-29");
    assert_eq!(derived("day", DataType::Int32, at), "29");
    assert_eq!(derived("hour", DataType::Int32, at), "23");
    assert_eq!(derived("hh", DataType::Int64, at), "23");
    assert_eq!(derived("minute", DataType::Int16, at), "59");
    assert_eq!(derived("month", DataType::Int32, at), "2");
    assert_eq!(derived("year", DataType::Int32, at), "2024");
    let before = "1969-12-31T23:00:00Z";
    assert_eq!(derived("date", DataType::Date32, before), "1969-12-31");
    assert_eq!(derived("hour", DataType::Int32, before), "23");
}

#[test]
fn what_does_not_follow_from_the_window_is_refused() {
    let error = Derived::new("region", Some(&DataType::Utf8), "window_start").unwrap_err();
    assert_eq!(
        error.message,
        "partition column \"region\" cannot be derived"
    );
    let error = Derived::new("hours", Some(&DataType::Int32), "window_start").unwrap_err();
    assert_eq!(error.hint.unwrap(), "did you mean \"hour\"?");
    let error = Derived::new("hour", Some(&DataType::Utf8), "window_start").unwrap_err();
    assert_eq!(error.hint.unwrap(), "write hour INT");
    assert!(
        Derived::new("date", None, "window_start")
            .unwrap_err()
            .hint
            .is_some()
    );
}

#[test]
fn types_that_tables_cannot_store_are_changed_or_refused() {
    assert_eq!(storable("x", &DataType::UInt64).unwrap(), DataType::Int64);
    assert_eq!(
        storable("x", &DataType::Timestamp(TimeUnit::Nanosecond, None)).unwrap(),
        DataType::Timestamp(TimeUnit::Microsecond, None)
    );
    assert!(storable("x", &DataType::Duration(TimeUnit::Second)).is_err());
    assert_eq!(
        storable("x", &DataType::Null).unwrap_err().message,
        "column \"x\" is NULL without a type"
    );
}
