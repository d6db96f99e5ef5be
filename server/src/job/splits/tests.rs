//! Idle is silence plus a fresh end; an empty split holds nothing back; a pause proves nothing.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(60);

fn split(partition: i32) -> SplitId {
    SplitId {
        stream: 0,
        topic: "t".into(),
        partition,
    }
}

fn at(partition: i32, next_offset: i64) -> SplitPosition {
    SplitPosition {
        split: split(partition),
        next_offset,
        topic_id: None,
        leader_epoch: None,
    }
}

#[test]
fn an_empty_split_is_excluded_until_its_first_row() {
    let now = Instant::now();
    let mut splits = Splits::new(vec![TIMEOUT]);
    splits.found(at(0, 5), 5, now);
    assert!(splits.excluded(|_| false).contains(&split(0)));
    splits.advanced(&split(0), 6, None, now, 0);
    assert!(!splits.excluded(|_| true).contains(&split(0)));
}

#[test]
fn a_split_with_unread_rows_counts_before_its_first_row() {
    let now = Instant::now();
    let mut splits = Splits::new(vec![TIMEOUT]);
    splits.found(at(0, 0), 5, now);
    assert!(splits.excluded(|_| false).is_empty());
}

#[test]
fn silence_alone_is_not_idleness() {
    let start = Instant::now();
    let mut splits = Splits::new(vec![TIMEOUT]);
    splits.found(at(0, 5), 5, start);
    splits.end_is(&split(0), 5);
    let later = start + TIMEOUT * 2;
    assert!(splits.wants_ends(later));
    assert!(splits.excluded(|_| true).is_empty());
    splits.asking(later);
    assert!(splits.excluded(|_| true).is_empty(), "asked, not answered");
    splits.end_is(&split(0), 5);
    assert!(splits.excluded(|_| true).contains(&split(0)));
}

#[test]
fn a_silent_split_with_rows_waiting_is_not_idle() {
    let start = Instant::now();
    let mut splits = Splits::new(vec![TIMEOUT]);
    splits.found(at(0, 5), 5, start);
    let later = start + TIMEOUT * 2;
    splits.asking(later);
    splits.end_is(&split(0), 9);
    assert!(splits.excluded(|_| true).is_empty());
    assert_eq!(splits.lag_rows(), 4);
}

#[test]
fn an_end_asked_before_the_silence_does_not_count() {
    let start = Instant::now();
    let mut splits = Splits::new(vec![TIMEOUT]);
    splits.found(at(0, 5), 5, start);
    splits.asking(start + TIMEOUT / 2);
    splits.end_is(&split(0), 5);
    assert!(splits.excluded(|_| true).is_empty());
}

#[test]
fn a_pause_restarts_the_silence() {
    let start = Instant::now();
    let mut splits = Splits::new(vec![TIMEOUT]);
    splits.found(at(0, 5), 5, start);
    let later = start + TIMEOUT * 2;
    splits.paused(later);
    assert!(!splits.wants_ends(later));
    splits.asking(later);
    splits.end_is(&split(0), 5);
    assert!(splits.excluded(|_| true).is_empty());
}

#[test]
fn a_query_is_not_at_its_end_before_all_its_streams_have_begun() {
    let now = Instant::now();
    let mut splits = Splits::new(vec![TIMEOUT, TIMEOUT]);
    assert!(!splits.all_finished());
    splits.found(at(0, 0), 5, now);
    splits.finished(&split(0));
    assert!(
        !splits.all_finished(),
        "the second has not told its splits yet"
    );
    let mut second = at(0, 0);
    second.split.stream = 1;
    splits.found(second.clone(), 5, now);
    assert!(!splits.all_finished());
    splits.finished(&second.split);
    assert!(splits.all_finished());
}
