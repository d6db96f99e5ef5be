//! The value that comes most often, at once and in parts.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array},
    datatypes::DataType,
};
use datafusion::{logical_expr::Accumulator, scalar::ScalarValue};

use super::{Counts, Tie};

fn counts(tie: Tie, values: &[Option<i64>]) -> Counts {
    let mut counts = Counts::new(tie, DataType::Int64).unwrap();
    let values: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    counts.update_batch(&[values]).unwrap();
    counts
}

#[test]
fn of_several_it_is_the_first_or_the_last() {
    let values = [
        Some(3),
        None,
        Some(-1),
        Some(3),
        None,
        None,
        Some(-1),
        Some(2),
    ];
    let first = counts(Tie::First, &values).evaluate().unwrap();
    assert_eq!(first, ScalarValue::Int64(Some(-1)));
    let last = counts(Tie::Last, &values).evaluate().unwrap();
    assert_eq!(last, ScalarValue::Int64(Some(3)));
    let none = counts(Tie::First, &[None]).evaluate().unwrap();
    assert_eq!(none, ScalarValue::Int64(None));
}

#[test]
fn parts_are_put_together() {
    let mut all = Counts::new(Tie::First, DataType::Int64).unwrap();
    for part in [
        &[Some(1), Some(1)][..],
        &[Some(2), None],
        &[Some(2), Some(2)],
        &[],
    ] {
        let state = counts(Tie::First, part).state().unwrap();
        let state: Vec<ArrayRef> = state
            .iter()
            .map(|value| value.to_array().unwrap())
            .collect();
        all.merge_batch(&state).unwrap();
    }
    assert_eq!(all.evaluate().unwrap(), ScalarValue::Int64(Some(2)));
}
