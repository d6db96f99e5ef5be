//! A running continuous query: epochs in, rows out, panes in between.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt,
    sync::Arc,
};

use arrow::{
    array::{Array, AsArray, RecordBatch, UInt32Array},
    compute::take_record_batch,
    datatypes::TimestampMicrosecondType,
};
use sluice_connectors::source::SplitId;

use super::{
    pane::Pane,
    rejects::{dead_rows, late_rows},
    run::Runner,
    watermark::query_watermark,
};
use crate::{
    EpochInput, EpochOutput, RowCounts, StateSnapshot,
    error::{PlanError, Result},
    operators::EpochRun,
    streaming::Program,
};

/// A running continuous query: the state between epochs.
///
/// # Contract
/// * After an error of [`ContinuousQuery::run_epoch`] (or a call that was dropped half-way) the state is void: every further call fails.
/// * [`ContinuousQuery::snapshot`] and [`ContinuousQuery::live`] change no later result, not by a bit.
pub struct ContinuousQuery {
    program: Arc<Program>,
    rows: Runner,
    post: Runner,
    /// Open panes by (end, start): the order in which they close.
    panes: BTreeMap<(i64, i64), Pane>,
    split_watermarks_us: BTreeMap<SplitId, i64>,
    watermark_us: Option<i64>,
    void: bool,
}

impl fmt::Debug for ContinuousQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContinuousQuery")
            .field("watermark_us", &self.watermark_us)
            .field("panes", &self.panes.len())
            .finish_non_exhaustive()
    }
}

impl ContinuousQuery {
    pub(crate) fn start(program: Arc<Program>, restored: Option<StateSnapshot>) -> Result<Self> {
        let restored = restored.unwrap_or_default();
        let mut panes = BTreeMap::new();
        for state in &restored.panes {
            let fits = state.state.num_columns() == program.state_schema.fields().len()
                && state
                    .state
                    .schema()
                    .fields()
                    .iter()
                    .zip(program.state_schema.fields())
                    .all(|(saved, ours)| saved.data_type() == ours.data_type());
            if !fits {
                return Err(PlanError::invalid("the saved state is of another query")
                    .detail("its columns are not those of this query's state"));
            }
            panes.insert(
                (state.end_us, state.start_us),
                Pane::restore(&program, state)?,
            );
        }
        Ok(Self {
            rows: Runner::new(&program.partial),
            post: Runner::new(&program.post),
            panes,
            split_watermarks_us: restored.split_watermarks_us,
            watermark_us: restored.watermark_us,
            void: false,
            program,
        })
    }

    /// Runs one epoch.
    pub async fn run_epoch(&mut self, input: EpochInput) -> Result<EpochOutput> {
        self.check()?;
        // Until the epoch is through, the state is neither the old nor the new one.
        self.void = true;
        let output = self.epoch(input).await?;
        self.void = false;
        Ok(output)
    }

    async fn epoch(&mut self, input: EpochInput) -> Result<EpochOutput> {
        let mut splits = input.splits;
        splits.sort_by(|a, b| a.split.cmp(&b.split));
        let names: Vec<SplitId> = splits.iter().map(|input| input.split.clone()).collect();
        let latest_us = match self.program.time.max_future_skew_us {
            Some(skew) => input.now_us.saturating_add(skew),
            None => i64::MAX,
        };
        let program = Arc::clone(&self.program);
        let runs = self
            .rows
            .over_rows(&program, splits, latest_us, self.watermark_us)
            .await?;
        let mut output = EpochOutput::default();
        for (run, states) in &runs {
            self.count(run, &names, &mut output)?;
            for batch in states {
                self.merge(batch)?;
            }
        }
        if !program.exact_state {
            for pane in self.panes.values_mut() {
                pane.save(&program)?;
            }
        }
        let mut known = input.known;
        known.extend(names);
        self.watermark_us = query_watermark(
            self.watermark_us,
            &known,
            &input.excluded,
            &input.finished,
            &self.split_watermarks_us,
        );
        output.watermark_us = self.watermark_us;
        output.rows = self.close().await?;
        Ok(output)
    }

    /// Takes over what a run found: where its rows went, and how far its splits are.
    fn count(
        &mut self,
        run: &EpochRun,
        splits: &[SplitId],
        output: &mut EpochOutput,
    ) -> Result<()> {
        let found = run.found();
        for (split, watermark) in splits.iter().zip(&found.watermarks_us) {
            let Some(watermark) = *watermark else {
                continue;
            };
            match self.split_watermarks_us.entry(split.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(watermark);
                }
                Entry::Occupied(mut entry) => {
                    let known = entry.get_mut();
                    *known = (*known).max(watermark);
                }
            }
        }
        let late = late_rows(run, &found.late, self.watermark_us, &self.program.late)?;
        let dead = dead_rows(run, &found.dead, &self.program.dead)?;
        output.late.extend(late);
        output.dead.extend(dead);
        let read: usize = run
            .batches
            .iter()
            .map(|batch| batch.batch.rows.num_rows())
            .sum();
        let read = read as u64;
        let gone = found.aggregated + found.late.len() as u64 + found.dead.len() as u64;
        let filtered = read
            .checked_sub(gone)
            .ok_or_else(|| PlanError::internal("an epoch gave more rows than it read"))?;
        let counts: &mut RowCounts = &mut output.counts;
        counts.read += read;
        counts.aggregated += found.aggregated;
        counts.late += found.late.len() as u64;
        counts.dead += found.dead.len() as u64;
        counts.filtered += filtered;
        Ok(())
    }

    /// Merges partial states into their panes.
    fn merge(&mut self, states: &RecordBatch) -> Result<()> {
        let program = Arc::clone(&self.program);
        let bounds = states
            .column(program.window_key.column)
            .as_primitive_opt::<TimestampMicrosecondType>()
            .filter(|bounds| bounds.null_count() == 0)
            .ok_or_else(|| PlanError::internal("a group has no window"))?;
        let values = bounds.values();
        let Some(first) = values.first() else {
            return Ok(());
        };
        if values.iter().all(|bound| bound == first) {
            return self.pane(*first)?.merge(&program, states.columns());
        }
        let mut by_window: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (row, bound) in (0u32..).zip(values) {
            by_window.entry(*bound).or_default().push(row);
        }
        for (bound, rows) in by_window {
            let part = take_record_batch(states, &UInt32Array::from(rows))?;
            self.pane(bound)?.merge(&program, part.columns())?;
        }
        Ok(())
    }

    /// The pane of a window bound, as the group columns have it.
    fn pane(&mut self, bound: i64) -> Result<&mut Pane> {
        let start = match self.program.window_key.is_end {
            true => bound.saturating_sub(self.program.window_us),
            false => bound,
        };
        let end = start.saturating_add(self.program.window_us);
        match self.panes.entry((end, start)) {
            Entry::Occupied(pane) => Ok(pane.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(Pane::new(&self.program, start..end)?)),
        }
    }

    /// Whether an epoch over these rows might close a window; `false` only when it would not.
    ///
    /// For whoever collects rows and may let them wait. The splits are those of the newest epoch.
    pub fn may_close<'a>(
        &self,
        rows: impl IntoIterator<Item = (&'a SplitId, &'a RecordBatch)>,
        known: &BTreeSet<SplitId>,
        excluded: &BTreeSet<SplitId>,
    ) -> bool {
        let Some(glance) = self.program.glance else {
            return true;
        };
        let mut watermarks = self.split_watermarks_us.clone();
        let (mut known, mut still) = (known.clone(), excluded.clone());
        let mut earliest = i64::MAX;
        for (split, rows) in rows {
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
        let open = self.panes.first_key_value().map(|((end, _), _)| *end);
        // A window ends after every row in it, so one that these rows open can close with them only if it reaches beyond the earliest.
        reached.is_some_and(|reached| open.is_some_and(|end| end <= reached) || earliest < reached)
    }

    /// The rows of every pane that the watermark has reached, in the order of their windows.
    async fn close(&mut self) -> Result<Vec<RecordBatch>> {
        let Some(watermark) = self.watermark_us else {
            return Ok(Vec::new());
        };
        let program = Arc::clone(&self.program);
        let mut closed = Vec::new();
        while let Some(entry) = self.panes.first_entry() {
            let (end, _) = *entry.key();
            if end > watermark {
                break;
            }
            closed.push(entry.remove().close(&program)?);
        }
        match closed.is_empty() {
            true => Ok(Vec::new()),
            false => self.post.over_panes(&program, closed).await,
        }
    }

    /// The state as it is between two epochs.
    pub fn snapshot(&mut self) -> Result<StateSnapshot> {
        self.check()?;
        let mut panes = Vec::with_capacity(self.panes.len());
        for pane in self.panes.values_mut() {
            match pane.snapshot(&self.program) {
                Ok(state) => panes.push(state),
                Err(error) => {
                    // The pane may have been emptied and not filled again.
                    self.void = true;
                    return Err(error);
                }
            }
        }
        Ok(StateSnapshot {
            split_watermarks_us: self.split_watermarks_us.clone(),
            watermark_us: self.watermark_us,
            panes,
        })
    }

    /// Rows of the open windows as they would be if they closed now, in the output schema, in the order of the windows.
    pub async fn live(&mut self) -> Result<Vec<RecordBatch>> {
        self.check()?;
        self.void = true;
        let program = Arc::clone(&self.program);
        let mut rows = Vec::new();
        for pane in self.panes.values_mut() {
            let live = match &pane.live {
                Some(live) => live.clone(),
                None => {
                    let peek = pane.peek(&program)?;
                    let live = self.post.over_panes(&program, vec![peek]).await?;
                    pane.live = Some(live.clone());
                    live
                }
            };
            rows.extend(live);
        }
        self.void = false;
        Ok(rows)
    }

    /// How many panes are open.
    pub fn open_panes(&self) -> usize {
        self.panes.len()
    }

    /// Bytes of state held, copies for snapshots and live rows included.
    pub fn state_bytes(&self) -> usize {
        self.panes.values().map(Pane::bytes).sum()
    }

    /// The query's watermark, microseconds; [`i64::MAX`] when every split has ended.
    pub fn watermark_us(&self) -> Option<i64> {
        self.watermark_us
    }

    /// Largest watermark seen per split, microseconds.
    pub fn split_watermarks_us(&self) -> &BTreeMap<SplitId, i64> {
        &self.split_watermarks_us
    }

    fn check(&self) -> Result<()> {
        match self.void {
            true => Err(PlanError::internal(
                "the query's state is void after an error and must be restored",
            )),
            false => Ok(()),
        }
    }
}
