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
