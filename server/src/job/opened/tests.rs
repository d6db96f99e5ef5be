//! The bound is never behind a row that is needed, and moves on.

use sluice_connectors::source::SplitId;

use super::*;

fn at(offsets: &[(i32, i64)]) -> Vec<SplitPosition> {
    let position = |(partition, next_offset): &(i32, i64)| SplitPosition {
        split: SplitId {
            stream: 0,
            topic: "t".into(),
            partition: *partition,
        },
        next_offset: *next_offset,
        topic_id: None,
        leader_epoch: None,
    };
    offsets.iter().map(position).collect()
}

fn open(panes: &[i64]) -> BTreeSet<i64> {
    panes.iter().copied().collect()
}

#[test]
fn the_oldest_open_pane_decides_and_lets_go_when_it_closes() {
    let first = follow(&[], &at(&[(0, 0)]), &open(&[0, 60]));
    assert_eq!(reread_from(&first, &at(&[(0, 10)])), at(&[(0, 0)]));
    let second = follow(&first, &at(&[(0, 10)]), &open(&[60, 120]));
    assert_eq!(reread_from(&second, &at(&[(0, 20)])), at(&[(0, 0)]));
    let third = follow(&second, &at(&[(0, 20)]), &open(&[120]));
    assert_eq!(reread_from(&third, &at(&[(0, 30)])), at(&[(0, 10)]));
    let fourth = follow(&third, &at(&[(0, 30)]), &open(&[]));
    assert_eq!(reread_from(&fourth, &at(&[(0, 40)])), at(&[(0, 40)]));
}

#[test]
fn a_split_found_later_is_read_from_where_it_was_found() {
    let first = follow(&[], &at(&[(0, 5)]), &open(&[0]));
    let stood = stood(&at(&[(0, 9)]), &at(&[(0, 5), (1, 2)]));
    assert_eq!(stood, at(&[(0, 9), (1, 2)]));
    let second = follow(&first, &stood, &open(&[0]));
    assert_eq!(reread_from(&second, &[]), at(&[(0, 5), (1, 2)]));
}

#[test]
fn many_groups_are_joined_and_the_bound_stays_safe() {
    let (mut groups, mut panes) = (Vec::new(), BTreeSet::new());
    for pane in 0..1_000 {
        panes.insert(pane);
        groups = follow(&groups, &at(&[(0, pane)]), &panes);
        assert!(groups.len() <= GROUPS);
        assert_eq!(reread_from(&groups, &[]), at(&[(0, 0)]));
    }
    // Joined groups let go together: at the latest when the youngest of them closes.
    panes.retain(|pane| *pane >= 990);
    let kept = follow(&groups, &at(&[(0, 1_000)]), &panes);
    let from = reread_from(&kept, &[])[0].next_offset;
    assert!((900..=990).contains(&from), "{from}");
}
