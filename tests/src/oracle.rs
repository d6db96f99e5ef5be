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

/// The values of each row of gold, sorted.
pub type Groups = BTreeMap<Key, Vec<f64>>;

/// Gold of the windows that start before `before_ms`.
pub fn gold(produced: &Produced, late: &BTreeSet<Place>, before_ms: i64) -> Gold {
    let groups = groups(produced, late, before_ms).into_iter();
    groups
        .map(|(key, values)| (key, measure(&values)))
        .collect()
}

/// What gold is made of, in the windows that start before `before_ms`.
pub fn groups(produced: &Produced, late: &BTreeSet<Place>, before_ms: i64) -> Groups {
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
    let groups = groups.into_iter();
    groups
        .map(|((start, event_type, segment), mut values)| {
            values.sort_by(f64::total_cmp);
            // one that was sent without a segment has NULL there, which reads as an empty text
            let segment = SEGMENTS.get(usize::from(segment)).copied();
            let key = Key {
                window_start_ms: start,
                event_type: EVENT_TYPES[usize::from(event_type)].to_owned(),
                user_segment: segment.unwrap_or_default().to_owned(),
            };
            (key, values)
        })
        .collect()
}

fn window_start(event: &Event) -> i64 {
    event.ts_ms - event.ts_ms.rem_euclid(60_000)
}

/// Of sorted values.
fn measure(values: &[f64]) -> Measures {
    let count = values.len();
    Measures {
        count: count as u64,
        avg: exact_sum(values) / count as f64,
        p95: values[nearest_rank(count) - 1],
    }
}

/// The smallest value with at least 95 % of all values at or below it, counted from 1.
fn nearest_rank(count: usize) -> usize {
    (count * 95).div_ceil(100)
}

/// What an engine's 95th percentile promises to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percentile {
    /// Ours: the value of the nearest rank, exactly up to [`EXACT_ROWS`] rows and within [`P95_TOLERANCE`] beyond.
    Sketch,
    /// A value of the rows whose rank is off by at most their number over this (and one, as ranks are defined in several ways).
    Rank {
        /// `accuracy` of `percentile_approx`.
        accuracy: usize,
    },
    /// Exactly, interpolated between the two neighbouring values.
    Interpolated,
}

impl Percentile {
    fn allows(self, values: &[f64], found: f64) -> bool {
        let count = values.len();
        match self {
            Self::Sketch => {
                let exact = count as u64 <= EXACT_ROWS;
                let tolerance = if exact { 0.0 } else { P95_TOLERANCE };
                close(values[nearest_rank(count) - 1], found, tolerance)
            }
            Self::Rank { accuracy } => {
                let (rank, off) = (nearest_rank(count) - 1, count.div_ceil(accuracy) + 1);
                let low = values[rank.saturating_sub(off)];
                let high = values[(rank + off).min(count - 1)];
                (low..=high).contains(&found)
            }
            Self::Interpolated => {
                let at = (count - 1) as f64 * 0.95;
                let low = values[at.floor() as usize];
                let high = values[at.ceil() as usize];
                close(low + (high - low) * at.fract(), found, AVG_TOLERANCE)
            }
        }
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
    compare_by(
        expected,
        actual,
        |measures| *measures,
        |measures, found| {
            let tolerance = if measures.count <= EXACT_ROWS {
                0.0
            } else {
                P95_TOLERANCE
            };
            close(measures.p95, found, tolerance)
        },
    )
}

/// As [`compare`], with the percentile as an engine promises it.
pub fn compare_groups(
    expected: &Groups,
    actual: &Gold,
    percentile: Percentile,
) -> Result<(), String> {
    compare_by(
        expected,
        actual,
        |values| measure(values),
        |values, found| percentile.allows(values, found),
    )
}

fn compare_by<T>(
    expected: &BTreeMap<Key, T>,
    actual: &Gold,
    measures_of: impl Fn(&T) -> Measures,
    is_p95: impl Fn(&T, f64) -> bool,
) -> Result<(), String> {
    let mut wrong = Vec::new();
    for (key, of) in expected {
        let measures = measures_of(of);
        match actual.get(key) {
            None => wrong.push(format!("missing   {key:?} {measures:?}")),
            Some(found) => {
                if let Some(what) = differ(&measures, found, is_p95(of, found.p95)) {
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

fn differ(expected: &Measures, found: &Measures, is_p95: bool) -> Option<&'static str> {
    if expected.count != found.count {
        return Some("count");
    }
    if !close(expected.avg, found.avg, AVG_TOLERANCE) {
        return Some("avg");
    }
    (!is_p95).then_some("p95")
}

fn close(expected: f64, found: f64, tolerance: f64) -> bool {
    // the floor keeps an average that happens to cancel out near zero from needing more digits than a sum of doubles has
    (expected - found).abs() <= tolerance * expected.abs().max(1e-3)
}

#[cfg(test)]
mod tests;
