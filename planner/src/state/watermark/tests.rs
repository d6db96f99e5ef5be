//! Each rule of the table, and that nothing makes the watermark regress.

use proptest::prelude::*;

use super::*;

fn split(partition: i32) -> SplitId {
    SplitId {
        stream: 0,
        topic: "t".to_owned(),
        partition,
    }
}

fn set(partitions: &[i32]) -> BTreeSet<SplitId> {
    partitions.iter().copied().map(split).collect()
}

fn of(
    current: Option<i64>,
    known: &[i32],
    excluded: &[i32],
    finished: &[i32],
    watermarks: &[(i32, i64)],
) -> Option<i64> {
    let watermarks = watermarks
        .iter()
        .map(|(partition, watermark)| (split(*partition), *watermark))
        .collect();
    query_watermark(
        current,
        &set(known),
        &set(excluded),
        &set(finished),
        &watermarks,
    )
}

#[test]
fn the_slowest_split_that_counts_decides() {
    assert_eq!(of(None, &[0, 1], &[], &[], &[(0, 5), (1, 3)]), Some(3));
    assert_eq!(of(None, &[0, 1], &[1], &[], &[(0, 5), (1, 3)]), Some(5));
}

#[test]
fn a_split_that_counts_and_has_no_row_holds_everything_back() {
    assert_eq!(of(None, &[0, 1], &[], &[], &[(0, 5)]), None);
    assert_eq!(of(Some(2), &[0, 1], &[], &[], &[(0, 5)]), Some(2));
    assert_eq!(of(None, &[0, 1], &[1], &[], &[(0, 5)]), Some(5));
}

#[test]
fn when_no_split_counts_the_watermark_holds() {
    assert_eq!(
        of(Some(4), &[0, 1], &[0, 1], &[], &[(0, 9), (1, 9)]),
        Some(4)
    );
    assert_eq!(of(None, &[], &[], &[], &[]), None);
}

#[test]
fn the_end_of_all_splits_is_the_end_of_time() {
    assert_eq!(
        of(Some(4), &[0, 1], &[], &[0, 1], &[(0, 9)]),
        Some(END_OF_TIME)
    );
    // A split that is only idle may still bring rows: they must not all be late.
    assert_eq!(of(Some(4), &[0, 1], &[1], &[0], &[(0, 9)]), Some(4));
    assert_eq!(of(Some(4), &[0, 1], &[], &[0], &[(0, 9), (1, 7)]), Some(7));
}

proptest! {
    #[test]
    fn it_never_regresses(
        current in proptest::option::of(-100i64..100),
        known in proptest::collection::vec(0i32..4, 0..4),
        excluded in proptest::collection::vec(0i32..4, 0..4),
        finished in proptest::collection::vec(0i32..4, 0..4),
        watermarks in proptest::collection::vec((0i32..4, -100i64..100), 0..4),
    ) {
        prop_assert!(of(current, &known, &excluded, &finished, &watermarks) >= current);
    }
}
