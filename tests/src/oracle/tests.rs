//! The oracle itself: by hand on a small case, and it sees every kind of difference.

use super::*;
use crate::load::{Messages, Shape};

fn event(ts_ms: i64, value: f64) -> Message {
    Message::Event(Event {
        ts_ms,
        event_type: 0,
        segment: 0,
        value,
    })
}

fn key(window_start_ms: i64) -> Key {
    Key {
        window_start_ms,
        event_type: "page_view".into(),
        user_segment: "free".into(),
    }
}

fn loaded() -> Produced {
    let mut produced = Produced::new(2);
    for (n, message) in Messages::new(Shape::of(20_000, 5)).enumerate() {
        produced.partitions[n % 2].push(message);
    }
    produced
}

#[test]
fn a_small_case_by_hand() {
    let mut produced = Produced::new(1);
    produced.partitions[0].extend((1..=20).map(|n| event(60_000 + n, n as f64)));
    produced.partitions[0].push(event(119_999, 100.0));
    produced.partitions[0].push(event(120_000, 7.0));
    produced.partitions[0].push(Message::Malformed);
    produced.partitions[0].push(event(600_000, 1.0));

    let all = gold(&produced, &BTreeSet::new(), 600_000);
    assert_eq!(all.len(), 2);
    let first = all[&key(60_000)];
    assert_eq!(first.count, 21);
    assert_eq!(first.avg, 310.0 / 21.0);
    assert_eq!(first.p95, 20.0); // rank 20 of 21
    assert_eq!(all[&key(120_000)].p95, 7.0);

    let less = gold(&produced, &BTreeSet::from([(0, 20)]), 600_000);
    assert_eq!(less[&key(60_000)].count, 20);
    assert_eq!(less[&key(60_000)].p95, 19.0);
}

#[test]
fn every_difference_is_seen() {
    let expected = gold(&loaded(), &BTreeSet::new(), i64::MAX);
    assert_eq!(compare(&expected, &expected), Ok(()));
    let some = expected.keys().nth(17).unwrap().clone();
    let big = expected
        .iter()
        .find(|(_, m)| m.count > 100)
        .map(|(k, _)| k.clone())
        .unwrap();
    let spoil = |change: &dyn Fn(&mut Gold)| {
        let mut other = expected.clone();
        change(&mut other);
        compare(&expected, &other).expect_err("a difference")
    };
    assert!(
        spoil(&|g| {
            g.remove(&some);
        })
        .contains("missing")
    );
    assert!(spoil(&|g| g.get_mut(&some).unwrap().count += 1).contains("count"));
    assert!(spoil(&|g| g.get_mut(&some).unwrap().avg += 1e-6).contains("avg"));
    assert!(spoil(&|g| g.get_mut(&big).unwrap().p95 += 1e-9).contains("p95"));
    assert!(
        spoil(&|g| {
            let mut moved = some.clone();
            moved.window_start_ms += 60_000 * 100;
            let row = g[&some];
            g.insert(moved, row);
        })
        .contains("surplus")
    );
    assert!(spoil(&|g| g.get_mut(&some).unwrap().avg = f64::NAN).contains("avg"));
}

#[test]
fn late_rows_must_be_allowed_and_come_once() {
    let produced = loaded();
    let place_of = |wanted: fn(&Message) -> bool| {
        produced
            .iter()
            .find(|(_, _, m)| wanted(m))
            .map(|(p, o, _)| (p, o))
            .unwrap()
    };
    let behind = place_of(|m| matches!(m, Message::Behind(_)));
    let on_time = place_of(|m| matches!(m, Message::Event(_)));
    assert!(check_late(&produced, &[behind]).is_ok());
    assert!(check_late(&produced, &[behind, behind]).is_err());
    assert!(check_late(&produced, &[on_time]).is_err());
    assert!(check_late(&produced, &[(0, 1_000_000)]).is_err());
}

#[test]
fn a_percentile_is_what_its_engine_promises() {
    let values: Vec<f64> = (1..=2000).map(f64::from).collect();
    let expected = Groups::from([(key(0), values)]);
    let check = |percentile: Percentile, p95: f64| {
        let found = Measures {
            count: 2000,
            avg: 1000.5,
            p95,
        };
        compare_groups(&expected, &Gold::from([(key(0), found)]), percentile).is_ok()
    };
    assert!(check(Percentile::Sketch, 1900.0) && check(Percentile::Sketch, 1910.0));
    assert!(!check(Percentile::Sketch, 1920.0));
    let rank = Percentile::Rank { accuracy: 1000 };
    assert!(check(rank, 1897.0) && check(rank, 1903.0));
    assert!(!check(rank, 1904.0) && !check(rank, f64::NAN));
    // position 0.95 × 1999 = 1899.05, counted from the first value
    assert!(check(Percentile::Interpolated, 1900.05));
    assert!(!check(Percentile::Interpolated, 1900.0));
}

#[test]
fn an_event_without_a_segment_is_in_a_group_of_its_own() {
    let mut produced = Produced::new(1);
    produced.partitions[0].push(Message::Event(Event {
        ts_ms: 0,
        event_type: 1,
        segment: crate::load::NO_SEGMENT,
        value: 2.0,
    }));
    let all = gold(&produced, &BTreeSet::new(), 60_000);
    let key = all.keys().next().unwrap();
    assert_eq!(
        (key.event_type.as_str(), key.user_segment.as_str()),
        ("click", "")
    );
}
