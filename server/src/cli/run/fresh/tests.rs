#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;

use super::*;

fn batch(values: &[i64]) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    RecordBatch::try_from_iter([("n", column)]).unwrap()
}

fn new(printed: &mut Printed, content: &[RecordBatch]) -> Vec<i64> {
    let rows = printed.take_new(content).unwrap();
    let values = rows
        .iter()
        .flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec());
    values.collect()
}

#[test]
fn rows_are_printed_once_however_they_are_cut_and_ordered() {
    let mut printed = Printed::default();
    assert!(new(&mut printed, &[]).is_empty());
    assert_eq!(new(&mut printed, &[batch(&[1, 2, 2])]), [1, 2, 2]);
    assert!(new(&mut printed, &[batch(&[2]), batch(&[]), batch(&[1, 2])]).is_empty());
    assert_eq!(
        new(&mut printed, &[batch(&[3, 2, 2]), batch(&[2, 1])]),
        [3, 2]
    );
}
