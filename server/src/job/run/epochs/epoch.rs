//! One epoch: pending rows in, rows that can be read out.

use std::time::Instant;

use arrow::array::RecordBatch;
use sluice_connectors::source::{SplitBatch, SplitId};
use sluice_planner::api::{EpochInput, EpochOutput, SplitInput};

use super::{
    super::super::{BadRange, OnError, commit::pass, journal::SplitSets, profile::Step},
    Running, journal_error,
};
use crate::{
    error::{Error, Result, SqlState},
    execute::plan_error,
};

impl Running<'_> {
    /// What the watermark of an epoch that begins now depends on.
    pub(super) fn sets_now(&mut self) -> SplitSets {
        let watermarks = self.query.split_watermarks_us();
        SplitSets {
            known: self.splits.known(),
            excluded: self.splits.excluded(|split| watermarks.contains_key(split)),
            finished: self.splits.finished_set(),
        }
    }

    /// Runs an epoch over what is pending, or an empty one when what holds the watermark back has changed.
    pub(super) async fn next_epoch(&mut self) -> Result<()> {
        let sets = self.sets_now();
        if self.pending.is_empty() && sets == self.sets {
            return Ok(());
        }
        let inputs: Vec<SplitInput> = std::mem::take(&mut self.pending)
            .into_iter()
            .map(|(split, batches)| SplitInput {
                split,
                batches: batches.into(),
            })
            .collect();
        self.pending_rows = 0;
        self.urgent = false;
        self.last_epoch = Instant::now();
        let epoch = self.epoch + 1;
        let now_us = self.parts.clock.now_us();
        let ends = ends(&inputs);
        self.journal
            .append(epoch, now_us, ends, sets.clone())
            .map_err(journal_error)?;
        self.profile.took(Step::Journal, self.last_epoch.elapsed());
        self.run_epoch(epoch, now_us, inputs, sets).await?;
        if self.readers.is_empty() {
            self.publish_status();
        }
        Ok(())
    }

    pub(super) async fn run_epoch(
        &mut self,
        epoch: i64,
        now_us: i64,
        inputs: Vec<SplitInput>,
        sets: SplitSets,
    ) -> Result<()> {
        self.count_bad(&inputs)?;
        let mut input = EpochInput {
            now_us,
            splits: inputs,
            known: sets.known.clone(),
            excluded: sets.excluded.clone(),
            finished: sets.finished.clone(),
        };
        let now = Instant::now();
        for split in &input.splits {
            for batch in &split.batches {
                self.splits.advanced(
                    &split.split,
                    batch.range.end,
                    batch.leader_epoch,
                    now,
                    now_us,
                );
                self.readers.release(batch);
            }
        }
        // Only now: what a batch gives back to the readers is reckoned with them.
        self.take_bad(&mut input.splits);
        let output = self.query.run_epoch(input).await.map_err(plan_error)?;
        self.parts
            .metrics
            .epoch_seconds
            .observe(now.elapsed().as_secs_f64());
        let ran = Instant::now();
        self.sets = sets;
        self.epoch = epoch;
        self.shown
            .keep(epoch, [&output.rows, &output.late, &output.dead])
            .map_err(journal_error)?;
        self.profile.rows += output.counts.read;
        self.keep(output, now_us);
        let took = self.query.took();
        self.profile.all(&[
            (Step::Epoch, now.elapsed()),
            (Step::States, took.states),
            (Step::Panes, took.merged),
            (Step::Windows, took.closed),
            (Step::Spill, took.spilled),
            (Step::Shown, ran.elapsed()),
        ]);
        pass("epoch.shown")
    }

    /// Undecodable messages of an epoch are counted, or the query ends.
    fn count_bad(&mut self, inputs: &[SplitInput]) -> Result<()> {
        for input in inputs {
            let on_error = self.on_error(&input.split);
            for batch in input.batches.iter().filter(|batch| !batch.bad.is_empty()) {
                self.totals.undecodable += batch.bad.len() as u64;
                if on_error == OnError::Fail {
                    return Err(undecodable(batch));
                }
            }
        }
        Ok(())
    }

    /// And kept, where the stream says so.
    fn take_bad(&mut self, inputs: &mut [SplitInput]) {
        for input in inputs {
            if self.on_error(&input.split) != OnError::DeadLetter {
                continue;
            }
            let batches = input.batches.iter_mut();
            for batch in batches.filter(|batch| !batch.bad.is_empty()) {
                let rows = std::mem::take(&mut batch.bad);
                self.uncommitted.bad_bytes += rows
                    .iter()
                    .map(|row| row.payload.as_ref().map_or(0, |payload| payload.len()) + 64)
                    .sum::<usize>();
                self.uncommitted.bad.push(BadRange {
                    split: input.split.clone(),
                    topic_id: self.topic_id(&input.split),
                    range: batch.range.clone(),
                    rows,
                });
            }
        }
    }

    fn on_error(&self, split: &SplitId) -> OnError {
        let stream = self.parts.streams.get(usize::from(split.stream));
        stream.map_or(OnError::DeadLetter, |stream| stream.on_error)
    }

    fn topic_id(&self, split: &SplitId) -> Option<String> {
        self.splits
            .iter()
            .find(|(known, _)| *known == split)
            .and_then(|(_, state)| state.position.topic_id.clone())
    }

    fn keep(&mut self, output: EpochOutput, now_us: i64) {
        self.account(&output);
        let tables = &self.parts.tables;
        tables.late.push(self.epoch, &output.late);
        tables.dead.push(self.epoch, &output.dead);
        tables.table.push(self.epoch, &output.rows);
        for table in [&tables.table, &tables.late, &tables.dead] {
            table.end_epoch(self.epoch);
        }
        let has_rows = output.rows.iter().any(|rows| rows.num_rows() > 0);
        let watermark_us = output.watermark_us;
        self.await_commit(output);
        if has_rows {
            self.status.update(|status| {
                status.last_row_us = Some(now_us);
                status.watermark_us = watermark_us;
            });
        }
    }

    /// The rows of an epoch go with the next commit.
    pub(super) fn await_commit(&mut self, output: EpochOutput) {
        let epoch = self.epoch;
        let of_epoch = |rows: Vec<RecordBatch>| rows.into_iter().map(move |batch| (epoch, batch));
        self.uncommitted.rows.extend(of_epoch(output.rows));
        self.uncommitted.late.extend(of_epoch(output.late));
        self.uncommitted.dead.extend(of_epoch(output.dead));
    }

    /// Counts where the rows of an epoch went.
    pub(super) fn account(&mut self, output: &EpochOutput) {
        let counts = output.counts;
        let totals = &mut self.totals;
        totals.rows.read += counts.read;
        totals.rows.aggregated += counts.aggregated;
        totals.rows.late += counts.late;
        totals.rows.dead += counts.dead;
        totals.rows.filtered += counts.filtered;
        if counts.read != counts.aggregated + counts.late + counts.dead + counts.filtered {
            self.parts.events.error(
                &self.parts.name,
                format!(
                    "epoch {} does not account for all its rows: {counts:?}",
                    self.epoch
                ),
            );
        }
        let out: usize = output.rows.iter().map(RecordBatch::num_rows).sum();
        totals.rows_out += out as u64;
    }
}

fn ends(inputs: &[SplitInput]) -> Vec<(SplitId, i64)> {
    inputs
        .iter()
        .filter_map(|input| {
            let last = input.batches.last()?;
            Some((input.split.clone(), last.range.end))
        })
        .collect()
}

fn undecodable(batch: &SplitBatch) -> Error {
    let first = batch.bad.first();
    let (offset, why) = first.map_or((batch.range.start, "unknown"), |row| {
        (row.offset, row.error.as_str())
    });
    Error::outside(
        SqlState::DataException,
        format!(
            "a message does not decode: {}[{}] offset {offset}: {why}",
            batch.split.topic, batch.split.partition
        ),
    )
    .with_hint("The stream says on_error = 'fail'. With 'dead_letter' such messages are kept in its dead-letter table and reading goes on.")
}
