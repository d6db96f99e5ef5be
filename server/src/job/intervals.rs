//! Sets of offsets as sorted, disjoint half-open intervals.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A set of offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intervals(Vec<Range<i64>>);

impl Intervals {
    /// Whether an offset is in the set.
    pub fn contains(&self, offset: i64) -> bool {
        let after = self.0.partition_point(|range| range.start <= offset);
        after
            .checked_sub(1)
            .and_then(|index| self.0.get(index))
            .is_some_and(|range| range.contains(&offset))
    }

    /// Adds a range, merging what it touches.
    pub fn insert(&mut self, added: Range<i64>) {
        if added.is_empty() {
            return;
        }
        let first = self.0.partition_point(|range| range.end < added.start);
        let last = self.0.partition_point(|range| range.start <= added.end);
        let merged = self
            .0
            .get(first..last)
            .unwrap_or_default()
            .iter()
            .fold(added, |merged, range| {
                merged.start.min(range.start)..merged.end.max(range.end)
            });
        self.0.splice(first..last, [merged]);
    }
}

#[cfg(test)]
mod tests;
