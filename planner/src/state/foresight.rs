//! Whether rows that wait would close a window, told without running them.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use sluice_connectors::source::SplitId;

use super::{
    query::{ContinuousQuery, above},
    watermark::query_watermark,
};

impl ContinuousQuery {
    /// Whether an epoch over these rows might close a window; `false` only when it would not.
    ///
    /// For whoever collects rows and may let them wait. The splits are those of the newest epoch.
    pub fn may_close<'a>(
        &self,
        rows: impl IntoIterator<Item = (&'a SplitId, &'a RecordBatch)>,
        known: &BTreeSet<SplitId>,
        excluded: &BTreeSet<SplitId>,
    ) -> bool {
        let mut watermarks = self.split_watermarks_us.clone();
        let (mut known, mut still) = (known.clone(), excluded.clone());
        let mut earliest = i64::MAX;
        for (split, rows) in rows {
            let intake = self.program.intakes.get(usize::from(split.stream));
            let Some(glance) = intake.and_then(|intake| intake.glance) else {
                return true;
            };
            let Some((first, seen)) = glance.at(rows) else {
                continue;
            };
            earliest = earliest.min(first);
            known.insert(split.clone());
            still.remove(split);
            let watermark = watermarks.entry(split.clone()).or_insert(seen);
            *watermark = (*watermark).max(seen);
        }
        // A split that was left out may count again with its rows, or be left out once more.
        let reached = [excluded, &still]
            .into_iter()
            .filter_map(|excluded| {
                let finished = BTreeSet::new();
                query_watermark(self.watermark_us, &known, excluded, &finished, &watermarks)
            })
            .max();
        let Some(reached) = reached else {
            return false;
        };
        // A window ends after every row in it, so one that these rows open can close with them only if it reaches beyond the earliest.
        earliest < reached || self.closes_at(reached)
    }

    /// Whether a window of the panes there are would close at this watermark.
    fn closes_at(&self, reached: i64) -> bool {
        let (mut closed, mut reached) = (self.watermark_us, reached);
        let stages = self.program.stages.iter().zip(&self.stages);
        for (number, (stage, (_, kept))) in stages.enumerate() {
            if let Some(column) = stage.time() {
                (closed, reached) = above(&self.program, number, column, closed, reached);
            }
            let next = kept.next_end(stage, closed);
            if next.is_some_and(|end| end <= reached) {
                return true;
            }
        }
        let next = self.fill.next_end(&self.program);
        next.is_some_and(|end| end <= reached)
    }
}
