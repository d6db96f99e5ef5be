//! The epochs since the last checkpoint, run again decision for decision.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use sluice_connectors::source::{SourceEvent, SplitId};
use sluice_planner::api::SplitInput;

use super::{
    super::super::commit::{lost_rows_hint, pass},
    ASK_ENDS, Running, Uncommitted, reader_ended,
};
use crate::{
    catalog::QualifiedName,
    error::{Error, Result, SqlState},
};

/// How long a log must end before what had been read of it: a broker that has just started may not know all of it yet.
const CUT_BACK: Duration = Duration::from_secs(30);

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
    ///
    /// A log that ends before and stays so was cut back: that is said, for nothing will come.
    async fn wait_for(&mut self, ends: &BTreeMap<SplitId, i64>) -> Result<()> {
        let mut short: BTreeMap<SplitId, (i64, Instant)> = BTreeMap::new();
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
            let event = tokio::time::timeout(ASK_ENDS, self.readers.next()).await;
            let Ok(event) = event else {
                self.readers.ask_ends();
                continue;
            };
            let event = event.ok_or_else(reader_ended)?;
            if let SourceEvent::EndOffset { split, end_offset } = &event {
                match ends.get(split) {
                    Some(wanted) if end_offset < wanted => {
                        let since = short.entry(split.clone());
                        let (_, since) = since.or_insert((*end_offset, Instant::now()));
                        if since.elapsed() >= CUT_BACK {
                            return Err(cut_back(&self.parts.name, split, *end_offset, *wanted));
                        }
                    }
                    _ => drop(short.remove(split)),
                }
            }
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

fn cut_back(query: &QualifiedName, split: &SplitId, end: i64, wanted: i64) -> Error {
    Error::outside(
        SqlState::DataCorrupted,
        format!(
            "topic '{}' partition {} ends at offset {end}, before {wanted}, up to which it had been read",
            split.topic, split.partition
        ),
    )
    .with_detail("The broker's log was cut back; rows that were shown and not committed cannot be made again as they were.")
    .with_hint(lost_rows_hint(query))
}
