//! What becomes of a position, case by case.

use super::*;

fn position(next_offset: i64, topic_id: Option<&str>) -> SplitPosition {
    SplitPosition {
        split: SplitId {
            stream: 0,
            topic: "t".into(),
            partition: 3,
        },
        next_offset,
        topic_id: topic_id.map(str::to_owned),
        leader_epoch: Some(4),
    }
}

fn now(first_offset: i64, end_offset: i64, topic_id: Option<&str>) -> SplitInfo {
    SplitInfo {
        split: position(0, None).split,
        first_offset,
        end_offset,
        topic_id: topic_id.map(str::to_owned),
    }
}

#[test]
fn positions_move_only_where_they_must_and_each_says_what_is_lost() {
    let anew = Step::Anew {
        to: 2,
        topic_id: Some("b".into()),
    };
    let cases = [
        (
            position(10, Some("a")),
            Some(now(10, 10, Some("a"))),
            Step::Stay,
            "",
        ),
        (
            position(10, None),
            Some(now(0, 50, Some("a"))),
            Step::Stay,
            "",
        ),
        (
            position(10, Some("a")),
            Some(now(15, 50, Some("a"))),
            Step::Forward { to: 15 },
            "offsets 10 to 14 are lost, 5 in all",
        ),
        (
            position(10, Some("a")),
            Some(now(0, 7, Some("a"))),
            Step::Back { to: 7 },
            "the log ends at 7, before 10",
        ),
        (
            position(10, Some("a")),
            Some(now(2, 50, Some("b"))),
            anew,
            "made anew",
        ),
        (
            position(10, Some("a")),
            None,
            Step::Gone,
            "no such partition",
        ),
    ];
    for (position, now, expected, says) in cases {
        let step = step(&position, now.as_ref());
        assert_eq!(step, expected, "{position:?} {now:?}");
        let told = step.told(&position).unwrap_or_default();
        assert!(told.contains(says), "{told}");
        assert_eq!(told.is_empty(), expected == Step::Stay, "{told}");
    }
}

#[test]
fn older_positions_of_a_split_move_no_further_than_needed() {
    let mut older = position(3, Some("a"));
    assert!(Step::Forward { to: 15 }.apply(&mut older));
    assert_eq!((older.next_offset, older.leader_epoch), (15, None));
    let mut older = position(3, Some("a"));
    assert!(Step::Back { to: 7 }.apply(&mut older));
    assert_eq!(older.next_offset, 3);
    assert!(!Step::Gone.apply(&mut older));
}
