//! What gold must be, computed from the produced messages in plain Rust: no engine, no shared code with the server.
//!
//! One-minute tumbling windows by (event_type, user_segment): count, average, and the exact 95th percentile by nearest rank.
//! Which rows were late is the server's decision (it depends on where epochs ended), so those are taken out by their partition and
//! offset, after checking that they were allowed to be late.

use std::collections::{BTreeMap, BTreeSet};

use crate::load::{EVENT_TYPES, Event, Message, Produced, SEGMENTS};

/// Up to this many rows in a group a percentile is exact.
pub const EXACT_ROWS: u64 = 1024;
/// Beyond, it may be off by this much, relatively.
pub const P95_TOLERANCE: f64 = 0.008;
/// Averages agree to this, relatively: sums are taken in another order.
pub const AVG_TOLERANCE: f64 = 1e-9;

/// Which row of gold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Start of the window, milliseconds since the epoch.
    pub window_start_ms: i64,
    /// Event type.
    pub event_type: String,
    /// User segment.
    pub user_segment: String,
}

/// What a row of gold says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measures {
    /// `count(*)`.
    pub count: u64,
    /// `avg(value)`.
    pub avg: f64,
    /// `approx_percentile(value, 0.95)`.
    pub p95: f64,
}

/// Gold, as computed here or as read from somewhere.
pub type Gold = BTreeMap<Key, Measures>;

/// Partition and offset of a message.
pub type Place = (i32, i64);

/// Gold of the windows that start before `before_ms`.
pub fn gold(produced: &Produced, late: &BTreeSet<Place>, before_ms: i64) -> Gold {
    let mut groups: BTreeMap<(i64, u8, u8), Vec<f64>> = BTreeMap::new();
    for (partition, offset, message) in produced.iter() {
        let (Message::Event(event) | Message::Behind(event)) = message else {
            continue;
        };
        let start = window_start(&event);
        if start < before_ms && !late.contains(&(partition, offset)) {
            groups
                .entry((start, event.event_type, event.segment))
                .or_default()
                .push(event.value);
        }
    }
    groups
        .into_iter()
        .map(|((start, event_type, segment), mut values)| {
            let key = Key {
                window_start_ms: start,
                event_type: EVENT_TYPES[usize::from(event_type)].to_owned(),
                user_segment: SEGMENTS[usize::from(segment)].to_owned(),
            };
            (key, measure(&mut values))
        })
        .collect()
}

fn window_start(event: &Event) -> i64 {
    event.ts_ms - event.ts_ms.rem_euclid(60_000)
}

fn measure(values: &mut [f64]) -> Measures {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    // nearest rank: the smallest value with at least 95 % of all values at or below it
    let rank = (count * 95).div_ceil(100);
    Measures {
        count: count as u64,
        avg: exact_sum(values) / count as f64,
        p95: values[rank - 1],
    }
}

/// Neumaier's compensated sum.
fn exact_sum(values: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() {
            (sum - next) + value
        } else {
            (value - next) + sum
        };
        sum = next;
    }
    sum + lost
}

/// Late rows are each late once and only where the load allows it.
pub fn check_late(produced: &Produced, late: &[Place]) -> Result<BTreeSet<Place>, String> {
    let set: BTreeSet<Place> = late.iter().copied().collect();
    if set.len() != late.len() {
        return Err(format!(
            "{} late rows, but only {} different ones",
            late.len(),
            set.len()
        ));
    }
    for (partition, offset) in &set {
        match produced.get(*partition, *offset) {
            Some(Message::Behind(_)) => {}
            other => {
                return Err(format!(
                    "partition {partition} offset {offset} was called late and is {other:?}"
                ));
            }
        }
    }
    Ok(set)
}

/// Compares: keys and counts exactly, averages and percentiles within tolerance. The error lists the first differences.
pub fn compare(expected: &Gold, actual: &Gold) -> Result<(), String> {
    let mut wrong = Vec::new();
    for (key, measures) in expected {
        match actual.get(key) {
            None => wrong.push(format!("missing   {key:?} {measures:?}")),
            Some(found) => {
                if let Some(what) = differ(measures, found) {
                    wrong.push(format!(
                        "{what}   {key:?}\n          expected {measures:?}\n          found    {found:?}"
                    ));
                }
            }
        }
    }
    for (key, measures) in actual {
        if !expected.contains_key(key) {
            wrong.push(format!("surplus   {key:?} {measures:?}"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let shown = wrong.iter().take(8).cloned().collect::<Vec<_>>().join("\n");
    Err(format!(
        "gold has {} rows, expected {}; {} differ:\n{shown}",
        actual.len(),
        expected.len(),
        wrong.len()
    ))
}

fn differ(expected: &Measures, found: &Measures) -> Option<&'static str> {
    if expected.count != found.count {
        return Some("count");
    }
    if !close(expected.avg, found.avg, AVG_TOLERANCE) {
        return Some("avg");
    }
    let tolerance = if expected.count <= EXACT_ROWS {
        0.0
    } else {
        P95_TOLERANCE
    };
    (!close(expected.p95, found.p95, tolerance)).then_some("p95")
}

fn close(expected: f64, found: f64, tolerance: f64) -> bool {
    // the floor keeps an average that happens to cancel out near zero from needing more digits than a sum of doubles has
    (expected - found).abs() <= tolerance * expected.abs().max(1e-3)
}

#[cfg(test)]
mod tests;
