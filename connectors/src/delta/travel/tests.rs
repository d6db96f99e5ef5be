//! Which versions can be read, and which one a time means.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use super::{At, Versions};
use crate::error::ConnectorError;

fn versions(entries: &[(i64, i64)], checkpoints: &[i64]) -> Versions {
    Versions::readable(entries.to_vec(), &checkpoints.iter().copied().collect())
}

fn numbers(versions: &Versions) -> Vec<i64> {
    versions
        .times_ms
        .iter()
        .map(|(version, _)| *version)
        .collect()
}

#[test]
fn a_whole_log_can_be_read_from_its_first_version() {
    let whole = versions(&[(1, 20), (0, 10), (2, 30)], &[2]);
    assert_eq!(numbers(&whole), [0, 1, 2]);
}

#[test]
fn a_log_that_was_cleaned_up_can_be_read_from_its_first_checkpoint() {
    let cleaned = versions(&[(8, 1), (9, 2), (10, 3), (11, 4)], &[10]);
    assert_eq!(numbers(&cleaned), [10, 11]);
    let at_its_start = versions(&[(10, 3), (11, 4)], &[9]);
    assert_eq!(numbers(&at_its_start), [10, 11]);
    assert_eq!(versions(&[(10, 3)], &[]), Versions::default());
}

#[test]
fn nothing_before_a_gap_can_be_read() {
    let gap = versions(&[(0, 1), (1, 2), (5, 3), (6, 4)], &[5]);
    assert_eq!(numbers(&gap), [5, 6]);
}

#[test]
fn a_clock_that_went_back_does_not_turn_the_order_round() {
    let back = versions(&[(0, 100), (1, 50), (2, 60)], &[]);
    assert_eq!(back.times_ms, [(0, 100), (1, 101), (2, 102)]);
}

#[test]
fn a_time_means_the_newest_version_then() {
    let three = versions(&[(0, 100), (1, 200), (2, 300)], &[]);
    let find = |us| three.find("t", At::Time(us), 1_000_000).unwrap();
    assert_eq!(find(100_000), 0);
    assert_eq!(find(199_999), 0);
    assert_eq!(find(200_000), 1);
    assert_eq!(find(1_000_000), 2);
}

#[test]
fn what_cannot_be_read_is_refused_with_what_can() {
    let some = versions(&[(3, 100), (4, 200)], &[3]);
    for (at, says) in [
        (At::Version(5), "no version 5 yet"),
        (
            At::Version(2),
            "version 2 of table \"t\" is not there any more",
        ),
        (At::Version(-1), "not there any more"),
        (At::Time(99_999), "before its oldest version"),
        (At::Time(1_000_001), "in the future"),
    ] {
        let error = some.find("t", at, 1_000_000).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        let ConnectorError::Option { hint, .. } = error else {
            panic!("{error:?}");
        };
        assert!(
            hint.unwrap()
                .starts_with("Versions 3 (of 1970-01-01T00:00:00.100Z) to 4")
        );
    }
    let none = Versions::readable(vec![], &BTreeSet::new());
    assert!(matches!(
        none.find("t", At::Version(0), 0),
        Err(ConnectorError::NotFound { .. })
    ));
}
