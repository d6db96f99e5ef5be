//! The watermark of a query: one rule, pure, and the table of design "Time" in code.

use std::collections::{BTreeMap, BTreeSet};

use sluice_connectors::source::SplitId;

#[cfg(test)]
mod tests;

/// The watermark that closes every window.
pub(crate) const END_OF_TIME: i64 = i64::MAX;

/// The query's watermark after an epoch: the minimum over the splits that count, and never lower than `current`.
///
/// * A finished split holds nothing back; when all are finished, so is time.
/// * An excluded split does not count; when none counts, the watermark holds (nothing becomes late because a producer paused).
/// * A split that counts and has no watermark yet holds everything back.
pub(crate) fn query_watermark(
    current: Option<i64>,
    known: &BTreeSet<SplitId>,
    excluded: &BTreeSet<SplitId>,
    finished: &BTreeSet<SplitId>,
    watermarks: &BTreeMap<SplitId, i64>,
) -> Option<i64> {
    let mut unfinished = known
        .iter()
        .filter(|split| !finished.contains(*split))
        .peekable();
    if unfinished.peek().is_none() {
        return match known.is_empty() {
            true => current,
            false => Some(END_OF_TIME),
        };
    }
    let mut lowest: Option<i64> = None;
    for split in unfinished.filter(|split| !excluded.contains(*split)) {
        match watermarks.get(split) {
            None => return current,
            Some(watermark) => lowest = Some(lowest.map_or(*watermark, |low| low.min(*watermark))),
        }
    }
    lowest.max(current)
}
