//! One row, none and two.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use datafusion::{logical_expr::Accumulator, scalar::ScalarValue};

use super::Only;

fn only() -> Only {
    Only {
        value: ScalarValue::Int64(None),
        rows: 0,
    }
}

fn column(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

#[test]
fn two_rows_are_one_too_many() {
    let mut one = only();
    one.update_batch(&[column(&[])]).unwrap();
    assert_eq!(one.evaluate().unwrap(), ScalarValue::Int64(None));
    one.update_batch(&[column(&[7])]).unwrap();
    assert_eq!(one.evaluate().unwrap(), ScalarValue::Int64(Some(7)));
    assert!(one.update_batch(&[column(&[7])]).is_err());
    assert!(only().update_batch(&[column(&[1, 2])]).is_err());
}

#[test]
fn parts_are_put_together() {
    let mut whole = only();
    whole
        .merge_batch(&[column(&[0, 5]), column(&[0, 1])])
        .unwrap();
    assert_eq!(whole.evaluate().unwrap(), ScalarValue::Int64(Some(5)));
    assert!(whole.merge_batch(&[column(&[5]), column(&[1])]).is_err());
}
