//! Numbers and panes beside the table that looks all of a row up.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray},
    compute::take,
    datatypes::{Field, Schema},
};

use super::{Numbered, Pairs, words};

fn texts(rows: usize, kinds: usize) -> ArrayRef {
    let text = |row: usize| (row % 7 != 3).then(|| format!("kind {}", row * row % kinds));
    Arc::new((0..rows).map(text).collect::<StringArray>())
}

/// The groups that a table of all columns gives.
fn looked_up(columns: &[ArrayRef]) -> Vec<usize> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|column| Field::new("key", column.data_type().clone(), true))
        .collect();
    let mut table = words::group_values(&Arc::new(Schema::new(fields))).unwrap();
    let mut groups = Vec::new();
    table.intern(columns, &mut groups).unwrap();
    groups
}

fn of_rows(pairs: &Pairs) -> Vec<usize> {
    pairs.of_rows.iter().map(|pair| *pair as usize).collect()
}

#[test]
fn pairs_are_the_groups_that_a_table_of_all_columns_gives() {
    let rows = 1000;
    let numbers: ArrayRef = Arc::new((0..rows as i64).map(|row| row % 3).collect::<Int64Array>());
    let keys = [texts(rows, 5), numbers];
    let numbered = Numbered::of(&keys).unwrap();
    let pairs = numbered.pairs(None).unwrap();
    assert_eq!(of_rows(&pairs), looked_up(&keys));

    // Panes that come back, as those of several splits do.
    let panes: TimestampMicrosecondArray = (0..rows as i64).map(|row| Some(row / 90 % 4)).collect();
    let by_pane = numbered.pairs(Some(&panes)).unwrap();
    let columns = [
        Arc::new(panes) as ArrayRef,
        keys[0].clone(),
        keys[1].clone(),
    ];
    assert_eq!(of_rows(&by_pane), looked_up(&columns));
    assert!(by_pane.firsts.len() > pairs.firsts.len());
    let taken: Vec<ArrayRef> = columns
        .iter()
        .map(|column| take(column, &by_pane.firsts, None).unwrap())
        .collect();
    assert_eq!(
        looked_up(&taken),
        (0..by_pane.firsts.len()).collect::<Vec<usize>>()
    );
}

#[test]
fn queries_with_the_same_panes_find_the_pairs_of_the_first() {
    let rows = 1000;
    let keys = [texts(rows, 5)];
    let numbered = Numbered::of(&keys).unwrap();
    let panes = |width: i64| -> TimestampMicrosecondArray {
        (0..rows as i64).map(|row| Some(row / width)).collect()
    };
    let first = numbered.pairs(Some(&panes(100))).unwrap();
    // Others, more of them than are kept, do not stand in between.
    for width in [150, 200, 250, 300, 350] {
        let columns = [Arc::new(panes(width)) as ArrayRef, keys[0].clone()];
        let pairs = numbered.pairs(Some(&panes(width))).unwrap();
        assert_eq!(of_rows(&pairs), looked_up(&columns));
    }
    assert!(Arc::ptr_eq(
        &first,
        &numbered.pairs(Some(&panes(100))).unwrap()
    ));
    assert!(!Arc::ptr_eq(&first, &numbered.pairs(None).unwrap()));
}

#[test]
fn what_is_not_worth_it_is_left_to_the_table() {
    assert!(Numbered::of(&[texts(1000, 1_000_003)]).is_none());
    assert!(Numbered::of(&[texts(0, 1)]).is_some());

    let numbered = Numbered::of(&[texts(1000, 2)]).unwrap();
    let alternating: TimestampMicrosecondArray = (0..1000).map(|row| Some(row % 2)).collect();
    assert!(numbered.pairs(Some(&alternating)).is_none());
    let many: TimestampMicrosecondArray = (0..1000).map(|row| Some(row / 20)).collect();
    assert!(numbered.pairs(Some(&many)).is_none());
    let gaps: TimestampMicrosecondArray = (0..1000).map(|row| (row > 0).then_some(7)).collect();
    assert!(numbered.pairs(Some(&gaps)).is_none());
}
