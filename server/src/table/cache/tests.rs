//! Zone maps: batches are passed by only where no row of them can match.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::HashMap, sync::Arc};

use arrow::array::{Float64Array, Int64Array, StringArray};

use super::*;

fn rows(batches: Vec<RecordBatch>) -> CachedRows {
    let columns = batches[0].num_columns();
    CachedRows {
        files: HashMap::new(),
        rows: 0,
        bytes: 0,
        zones: (0..columns).map(|_| OnceLock::new()).collect(),
        batches,
    }
}

fn batch(numbers: &[Option<i64>]) -> RecordBatch {
    let texts = numbers.iter().map(|n| n.map(|n| format!("t{n}")));
    let fractions = numbers.iter().map(|n| n.map(|n| n as f64));
    RecordBatch::try_from_iter([
        (
            "n",
            Arc::new(numbers.iter().copied().collect::<Int64Array>()) as ArrayRef,
        ),
        ("t", Arc::new(texts.collect::<StringArray>())),
        ("f", Arc::new(fractions.collect::<Float64Array>())),
    ])
    .unwrap()
}

fn found(rows: &CachedRows, all: &[Comparison]) -> Vec<usize> {
    let matching = rows.matching(all).unwrap();
    let place = |batch: &RecordBatch| rows.batches.iter().position(|other| other == batch);
    matching.into_iter().filter_map(place).collect()
}

#[test]
fn a_lookup_reads_the_batches_that_may_have_it() {
    let rows = rows(vec![
        batch(&[Some(1), Some(5)]),
        batch(&[Some(5), None, Some(9)]),
        batch(&[None, None]),
        batch(&[Some(20)]),
    ]);
    let number = |operator, n| vec![(0, operator, ScalarValue::Int64(Some(n)))];
    assert_eq!(found(&rows, &[]), [0, 1, 2, 3]);
    assert_eq!(found(&rows, &number(Operator::Eq, 5)), [0, 1]);
    assert_eq!(found(&rows, &number(Operator::Eq, 10)), [0; 0]);
    assert_eq!(found(&rows, &number(Operator::Lt, 5)), [0]);
    assert_eq!(found(&rows, &number(Operator::LtEq, 5)), [0, 1]);
    assert_eq!(found(&rows, &number(Operator::Gt, 9)), [3]);
    assert_eq!(found(&rows, &number(Operator::GtEq, 9)), [1, 3]);
    let both = [number(Operator::GtEq, 5), number(Operator::Lt, 6)].concat();
    assert_eq!(found(&rows, &both), [0, 1]);
    let text = ScalarValue::Utf8(Some("t9".into()));
    assert_eq!(found(&rows, &[(1, Operator::Eq, text)]), [1]);
}

#[test]
fn what_cannot_be_told_by_zones_is_read() {
    let rows = rows(vec![batch(&[Some(1)]), batch(&[Some(2)])]);
    let fraction = ScalarValue::Float64(Some(f64::NAN));
    assert_eq!(found(&rows, &[(2, Operator::Eq, fraction)]), [0, 1]);
    let other_type = ScalarValue::Int32(Some(1));
    assert_eq!(found(&rows, &[(0, Operator::Eq, other_type)]), [0, 1]);
    let unequal = ScalarValue::Int64(Some(1));
    assert_eq!(found(&rows, &[(0, Operator::NotEq, unequal)]), [0, 1]);
    // NULL compares with nothing.
    assert_eq!(
        found(&rows, &[(0, Operator::Eq, ScalarValue::Int64(None))]),
        [0; 0]
    );
}
