//! Every combination of manifest and table.

use super::*;

#[test]
fn every_combination() {
    use Decision::{Begin, CommitThenRestore, ReplayTo, Restore};
    let cases = [
        (None, None, Begin),
        (None, Some(3), ReplayTo { epoch: 3 }),
        (Some((5, false)), None, Restore),
        (Some((5, false)), Some(3), Restore),
        (Some((5, true)), None, CommitThenRestore),
        (Some((5, true)), Some(3), CommitThenRestore),
        (Some((5, true)), Some(5), Restore),
        (Some((5, false)), Some(5), Restore),
        (Some((5, true)), Some(6), ReplayTo { epoch: 6 }),
        (Some((5, false)), Some(6), ReplayTo { epoch: 6 }),
    ];
    for (manifest, txn, expected) in cases {
        assert_eq!(decide(manifest, txn), expected, "{manifest:?} {txn:?}");
    }
}

#[test]
fn epochs_that_the_table_has_come_again_from_the_journal_where_it_has_them() {
    use Hidden::{Lost, Replay, Reread};
    let cases = [
        // journal, rebuilding, checkpointed, reopens
        (Some(7), false, true, true, Replay),
        (Some(9), false, false, false, Replay),
        (Some(6), false, true, true, Reread),
        (None, false, true, true, Reread),
        (Some(6), false, true, false, Lost),
        (None, false, false, true, Lost),
        (Some(9), true, true, true, Reread),
    ];
    for (journal, rebuilding, checkpointed, reopens, expected) in cases {
        assert_eq!(
            hidden(7, journal, rebuilding, checkpointed, reopens),
            expected,
            "{journal:?} {rebuilding} {checkpointed} {reopens}"
        );
    }
}
