//! What a subscriber is told of the tail.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use arrow::{
    array::Int64Array,
    datatypes::{DataType, Field, Schema},
};
use sluice_connectors::store::open_local;

use super::*;
use crate::catalog::QualifiedName;

const LINEAGE: u64 = 7;

fn at(epoch: i64) -> Mark {
    Mark {
        epoch,
        lineage: LINEAGE,
    }
}

/// A table whose tail has epochs of so many rows, in two batches each.
fn table(folder: &std::path::Path, epochs: &[(i64, usize)]) -> TableState {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    let root = open_local(folder.to_str().unwrap()).unwrap();
    let name = QualifiedName::new("gold", "t");
    let table = TableState::new(
        name,
        Arc::clone(&schema),
        root,
        "tables/gold/t".into(),
        Some("q".into()),
    );
    table.set_lineage(LINEAGE);
    for (epoch, rows) in epochs {
        let half = |rows: usize| {
            let values = Int64Array::from(vec![*epoch; rows]);
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(values)]).unwrap()
        };
        table.push(*epoch, &[half(rows / 2), half(rows - rows / 2)]);
        table.end_epoch(*epoch);
    }
    table
}

fn tail(since: Since) -> (Vec<(i64, usize)>, Mark) {
    let Since::Tail(epochs, until) = since else {
        panic!("{since:?}");
    };
    let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum();
    let epochs = epochs.iter();
    (
        epochs
            .map(|(epoch, batches)| (*epoch, rows(batches)))
            .collect(),
        until,
    )
}

#[test]
fn few_rows_come_together() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), &[(1, 10), (3, 5), (4, 1)]);
    table.end_epoch(6);
    let (epochs, until) = tail(table.since(at(0)));
    assert_eq!(epochs, [(1, 10), (3, 5), (4, 1)]);
    assert_eq!(until, at(6));
    assert_eq!(tail(table.since(at(3))), (vec![(4, 1)], at(6)));
    assert_eq!(tail(table.since(at(6))), (vec![], at(6)));
}

#[test]
fn many_rows_come_a_few_epochs_at_a_time_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let all = [(2, 40_000), (3, 40_000), (5, 200_000), (6, 10), (7, 1)];
    let table = table(folder.path(), &all);
    table.end_epoch(8);
    let (mut mark, mut had) = (at(0), Vec::new());
    let mut rounds = Vec::new();
    while mark != at(8) {
        let (epochs, until) = tail(table.since(mark));
        assert!(until.epoch > mark.epoch);
        rounds.push(epochs.len());
        had.extend(epochs);
        mark = until;
    }
    assert_eq!(had, all);
    assert_eq!(rounds, [2, 1, 2]);
}
