//! The epochs since the last checkpoint, run again decision for decision.

use std::collections::{BTreeMap, VecDeque};

use sluice_connectors::source::SplitId;
use sluice_planner::api::SplitInput;

use super::{super::super::commit::pass, Running, Uncommitted, reader_ended};
use crate::error::Result;

impl Running<'_> {
    /// Runs the epochs again that readers may have seen, decision for decision.
    pub(in super::super) async fn replay(&mut self) -> Result<()> {
        if let Some(discard) = self.reread.take() {
            self.reread(&discard).await?;
        }
        let records = std::mem::take(&mut self.to_replay);
        let count = records.len();
        for record in records {
            let ends: BTreeMap<SplitId, i64> = record.ends.iter().cloned().collect();
            self.wait_for(&ends).await?;
            let inputs = self.take_until(&ends);
            let sets = record.sets.unwrap_or_default();
            pass("replay.epoch")?;
            self.run_epoch(record.epoch, record.now_us, inputs, sets)
                .await?;
            if record.epoch <= self.hidden_until {
                self.throw_away();
            }
        }
        if count > 0 {
            self.journal.rotate(self.epoch);
            self.parts
                .events
                .info(&self.parts.name, format!("{count} epochs replayed"));
        }
        let tables = &self.parts.tables;
        for table in [&tables.table, &tables.late, &tables.dead] {
            table.restored();
        }
        self.publish_status();
        Ok(())
    }

    /// The tables have these rows already.
    pub(super) fn throw_away(&mut self) {
        let tables = &self.parts.tables;
        for table in [&tables.table, &tables.late, &tables.dead] {
            table.clear_tail(true);
        }
        // Dead letters of the stream are kept apart by their offsets, however often they come.
        let bad = std::mem::take(&mut self.uncommitted.bad);
        self.uncommitted = Uncommitted {
            bad,
            ..Uncommitted::default()
        };
        self.first_commit_due = true;
    }

    /// Reads until every split's pending rows reach their end, for as long as it takes: computing these epochs anew while the broker is
    /// away would change rows that were read.
    async fn wait_for(&mut self, ends: &BTreeMap<SplitId, i64>) -> Result<()> {
        loop {
            let reached = ends.iter().all(|(split, end)| {
                let next = self
                    .pending
                    .get(split)
                    .and_then(VecDeque::back)
                    .map(|batch| batch.range.end)
                    .or_else(|| {
                        let state = self.splits.iter().find(|(known, _)| *known == split);
                        state.map(|(_, state)| state.position.next_offset)
                    });
                next.is_some_and(|next| next >= *end)
            });
            if reached {
                return Ok(());
            }
            let event = self.readers.next().await.ok_or_else(reader_ended)?;
            self.on_event(event)?;
            // Batches held for later epochs must not fill the inbox while we wait for another split.
            self.give_back_held();
        }
    }

    fn give_back_held(&mut self) {
        // The inbox is a bound on what the reader runs ahead; during a replay what runs ahead is wanted at once.
        for batch in self.pending.values().filter_map(VecDeque::back) {
            self.readers.release(batch);
        }
    }

    /// Takes pending rows up to these ends; what lies behind them stays.
    fn take_until(&mut self, ends: &BTreeMap<SplitId, i64>) -> Vec<SplitInput> {
        let mut inputs = Vec::new();
        for (split, end) in ends {
            let Some(queue) = self.pending.get_mut(split) else {
                continue;
            };
            let mut batches = Vec::new();
            while let Some(batch) = queue.pop_front() {
                if batch.range.end <= *end {
                    batches.push(batch);
                    continue;
                }
                batches.extend(batch.slice(i64::MIN, *end));
                queue.extend(batch.slice(*end, i64::MAX));
                // A later batch would now stand before the cut one's rest.
                queue.rotate_right(1);
                break;
            }
            if queue.is_empty() {
                self.pending.remove(split);
            }
            inputs.push(SplitInput {
                split: split.clone(),
                batches,
            });
        }
        self.pending_rows = self
            .pending
            .values()
            .flatten()
            .map(|batch| batch.rows.num_rows() + batch.bad.len())
            .sum();
        inputs
    }
}
