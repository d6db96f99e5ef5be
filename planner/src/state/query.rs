//! A running continuous query: epochs in, rows out, panes in between.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;
use sluice_connectors::source::SplitId;

use super::{
    fill::Filled,
    memory::StateMemory,
    rejects::{dead_rows, failed_results, late_rows},
    run::{Made, Runner},
    stage::{StageState, WindowRows},
    watermark::query_watermark,
};
use crate::{
    EpochInput, EpochOutput, EpochTook, PlanFigures, RowCounts, SplitInput, StateSnapshot,
    error::{PlanError, Result},
    operators::{EpochRun, WindowColumn},
    streaming::{Intake, Program, Stage},
};

/// Rows of a batch of results.
const BATCH_ROWS: usize = 1 << 15;

/// A running continuous query: the state between epochs.
///
/// # Contract
/// * After an error of [`ContinuousQuery::run_epoch`] (or a call that was dropped half-way) the state is void: every further call fails.
/// * [`ContinuousQuery::snapshot`] and [`ContinuousQuery::live`] change no later result, not by a bit.
pub struct ContinuousQuery {
    pub(super) program: Arc<Program>,
    /// The plan of each stream's rows.
    intakes: Vec<Runner>,
    /// What each stage keeps, with the plan that feeds it from the one below.
    pub(super) stages: Vec<(Option<Runner>, StageState)>,
    pub(super) memory: StateMemory,
    /// The keys that windows of the last stage are filled with.
    pub(super) fill: Filled,
    post: Option<Runner>,
    pub(super) split_watermarks_us: BTreeMap<SplitId, i64>,
    pub(super) watermark_us: Option<i64>,
    pub(super) void: bool,
    /// Of the last epoch.
    took: EpochTook,
}

impl fmt::Debug for ContinuousQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContinuousQuery")
            .field("watermark_us", &self.watermark_us)
            .field("panes", &self.open_panes())
            .finish_non_exhaustive()
    }
}

impl ContinuousQuery {
    pub(crate) fn start(
        program: Arc<Program>,
        restored: Option<StateSnapshot>,
        state_memory: usize,
    ) -> Result<Self> {
        let restored = restored.unwrap_or_default();
        let mut stages = Vec::with_capacity(program.stages.len());
        for stage in &program.stages {
            let below = stage.between.as_ref();
            let below = below.map(|between| Runner::new(&between.plan));
            stages.push((below, StageState::new(stage)?));
        }
        let mut fill = Filled::new(&program)?;
        let memory = StateMemory::new(&program, state_memory);
        for state in &restored.spilled {
            let (stage, kept) = of_stage(&program, &mut stages, state.stage)?;
            kept.restore_spilled(stage, state, &memory.scratch)?;
        }
        for (_, kept) in &stages {
            if let StageState::Sessions(sessions) = kept {
                sessions.check_restored()?;
            }
        }
        for state in &restored.panes {
            if fill.restore(&program, state)? {
                continue;
            }
            let (stage, kept) = of_stage(&program, &mut stages, state.stage)?;
            kept.restore(stage, state)?;
        }
        Ok(Self {
            memory,
            intakes: program
                .intakes
                .iter()
                .map(|intake| Runner::new(&intake.plan))
                .collect(),
            stages,
            fill,
            post: program.post.as_ref().map(|post| Runner::new(&post.plan)),
            split_watermarks_us: restored.split_watermarks_us,
            watermark_us: restored.watermark_us,
            void: false,
            took: EpochTook::default(),
            program,
        })
    }

    /// Runs one epoch.
    pub async fn run_epoch(&mut self, input: EpochInput) -> Result<EpochOutput> {
        self.check()?;
        // Until the epoch is through, the state is neither the old nor the new one.
        self.void = true;
        self.took = EpochTook::default();
        let output = self.epoch(input).await?;
        let begun = Instant::now();
        self.fit()?;
        self.took.spilled = begun.elapsed();
        self.void = false;
        Ok(output)
    }

    async fn epoch(&mut self, input: EpochInput) -> Result<EpochOutput> {
        let mut splits = input.splits;
        splits.sort_by(|a, b| a.split.cmp(&b.split));
        let names: Vec<SplitId> = splits.iter().map(|input| input.split.clone()).collect();
        let program = Arc::clone(&self.program);
        let closed = self.watermark_us;
        let mut output = EpochOutput::default();
        for (number, intake) in program.intakes.iter().enumerate() {
            let (of_stream, others) = splits
                .into_iter()
                .partition(|input: &SplitInput| usize::from(input.split.stream) == number);
            splits = others;
            self.take_in(number, intake, of_stream, input.now_us, &mut output)
                .await?;
        }
        if !splits.is_empty() {
            return Err(PlanError::internal("a split is of no stream of the query"));
        }
        let begun = Instant::now();
        self.settle(0, closed)?;
        self.took.merged += begun.elapsed();
        let mut known = input.known;
        known.extend(names);
        if all_streams(&program, &known) {
            self.watermark_us = query_watermark(
                self.watermark_us,
                &known,
                &input.excluded,
                &input.finished,
                &self.split_watermarks_us,
            );
        }
        output.watermark_us = self.watermark_us;
        let begun = Instant::now();
        let closed = self.close(closed).await?;
        self.took.closed = begun.elapsed();
        output.rows.extend(closed.rows);
        if let Some(intake) = program.intakes.first() {
            let failed = failed_results(&closed.failed, &intake.dead)?;
            output.dead.extend(failed);
        }
        Ok(output)
    }

    /// Takes in the rows of one stream: into the panes of the first stage, or out as they are in a query without aggregation.
    async fn take_in(
        &mut self,
        number: usize,
        intake: &Intake,
        splits: Vec<SplitInput>,
        now_us: i64,
        output: &mut EpochOutput,
    ) -> Result<()> {
        let program = Arc::clone(&self.program);
        let names: Vec<SplitId> = splits.iter().map(|input| input.split.clone()).collect();
        let latest_us = match intake.time.max_future_skew_us {
            Some(skew) => now_us.saturating_add(skew),
            None => i64::MAX,
        };
        let closed = match program.stages.is_empty() {
            true => None,
            false => self.watermark_us,
        };
        let Some(runner) = self.intakes.get_mut(number) else {
            return Err(PlanError::internal("a stream is missing"));
        };
        let schema = &intake.feed_schema;
        let mut begun = Instant::now();
        let runs = runner
            .over_rows(&program, schema, splits, latest_us, closed)
            .await?;
        self.took.states += lap(&mut begun);
        for (run, made) in &runs {
            self.count(run, &names, intake, output)?;
            for batch in made {
                if !program.stages.is_empty() {
                    self.merge(0, batch)?;
                } else if batch.num_rows() > 0 {
                    output.rows.push(program.output.apply(batch)?);
                }
            }
        }
        self.took.merged += lap(&mut begun);
        Ok(())
    }

    /// Takes over what a run found: where its rows went, and how far its splits are.
    fn count(
        &mut self,
        run: &EpochRun,
        splits: &[SplitId],
        intake: &Intake,
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
        let late = late_rows(run, &found.late, self.watermark_us, &intake.late)?;
        let dead = dead_rows(run, &found.dead, &intake.dead)?;
        output.late.extend(late);
        output.dead.extend(dead);
        let read: usize = run
            .batches
            .iter()
            .map(|batch| batch.batch.rows.num_rows())
            .sum();
        let read = read as u64;
        let gone = found.aggregated + found.missed_all + found.dead.len() as u64;
        let filtered = read
            .checked_sub(gone)
            .ok_or_else(|| PlanError::internal("an epoch gave more rows than it read"))?;
        let counts: &mut RowCounts = &mut output.counts;
        counts.read += read;
        counts.aggregated += found.aggregated;
        counts.late += found.missed_all;
        counts.dead += found.dead.len() as u64;
        counts.filtered += filtered;
        Ok(())
    }

    /// Merges partial states into the panes of a stage.
    fn merge(&mut self, number: usize, states: &RecordBatch) -> Result<()> {
        let stage = self.program.stages.get(number);
        match stage.zip(self.stages.get_mut(number)) {
            Some((stage, (_, kept))) => kept.merge(stage, states),
            None => Err(PlanError::internal("a stage is missing")),
        }
    }

    /// After an epoch's last merge into a stage, given the stage's watermark before it.
    fn settle(&mut self, number: usize, closed: Option<i64>) -> Result<()> {
        let stage = self.program.stages.get(number);
        match stage.zip(self.stages.get_mut(number)) {
            Some((stage, (_, kept))) => kept.settle(stage, closed),
            None => Ok(()),
        }
    }

    /// The rows of every window that the watermark has reached since it was at `closed`, in the order of the windows.
    async fn close(&mut self, closed: Option<i64>) -> Result<Made> {
        let Some(watermark) = self.watermark_us else {
            return Ok(Made::default());
        };
        if closed == Some(watermark) {
            return Ok(Made::default());
        }
        let program = Arc::clone(&self.program);
        let (mut closed, mut watermark) = (closed, watermark);
        // At the end of everything windows are filled as far as time has been seen to go, not for ever.
        let mut filled = match watermark {
            i64::MAX => {
                let seen = self.split_watermarks_us.values();
                seen.copied().max().unwrap_or(i64::MIN)
            }
            watermark => watermark,
        };
        let mut rows = Vec::new();
        let mut failed = Vec::new();
        for (number, stage) in program.stages.iter().enumerate() {
            if let Some(column) = stage.time() {
                let below = self.feed(number, rows).await?;
                failed.extend(below.failed);
                for states in &below.rows {
                    self.merge(number, states)?;
                }
                filled = above(&program, number, column, None, filled).1;
                (closed, watermark) = above(&program, number, column, closed, watermark);
                self.settle(number, closed)?;
            }
            let Some((_, kept)) = self.stages.get_mut(number) else {
                return Err(PlanError::internal("a stage is missing"));
            };
            rows = kept.close(stage, closed, watermark)?;
        }
        rows = self.fill.close(&program, rows, filled)?;
        if self.watermark_us == Some(i64::MAX) {
            self.fill = Filled::new(&program)?;
        }
        let mut made = self.finish(rows).await?;
        made.failed.splice(0..0, failed);
        Ok(made)
    }

    /// Partial states of stage `number` over the windows of the one below.
    pub(super) async fn feed(&mut self, number: usize, rows: Vec<WindowRows>) -> Result<Made> {
        let rows: Vec<RecordBatch> = rows.into_iter().map(|window| window.rows).collect();
        let program = Arc::clone(&self.program);
        match self.stages.get_mut(number) {
            _ if rows.iter().all(|rows| rows.num_rows() == 0) => Ok(Made::default()),
            Some((Some(runner), _)) => runner.over_windows(&program, rows).await,
            _ => Err(PlanError::internal("a stage is missing")),
        }
    }

    /// The query's rows out of windows of the last stage.
    pub(super) async fn finish(&mut self, windows: Vec<WindowRows>) -> Result<Made> {
        let program = Arc::clone(&self.program);
        let Some((post, runner)) = program.post.as_ref().zip(self.post.as_mut()) else {
            return Ok(Made::default());
        };
        let mut rows = Vec::with_capacity(windows.len());
        for window in windows
            .into_iter()
            .filter(|window| window.rows.num_rows() > 0)
        {
            let mut columns = window.rows.columns().to_vec();
            columns.push(window.starts);
            let batch = RecordBatch::try_new(Arc::clone(&post.feed_schema), columns)?;
            // Large batches would keep the runtime's thread for as long as each step of the plan takes over all of them.
            for start in (0..batch.num_rows()).step_by(BATCH_ROWS) {
                rows.push(batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start)));
            }
        }
        if rows.is_empty() {
            return Ok(Made::default());
        }
        let mut made = runner.over_windows(&program, rows).await?;
        made.rows = made
            .rows
            .iter()
            .filter(|batch| batch.num_rows() > 0)
            .map(|batch| program.output.apply(batch))
            .collect::<Result<_>>()?;
        Ok(made)
    }

    /// The state as it is between two epochs.
    pub fn snapshot(&mut self) -> Result<StateSnapshot> {
        self.check()?;
        // A pane that fails to be saved is neither the old nor the new one.
        self.void = true;
        let mut snapshot = StateSnapshot {
            split_watermarks_us: self.split_watermarks_us.clone(),
            watermark_us: self.watermark_us,
            ..StateSnapshot::default()
        };
        for (number, (stage, (_, kept))) in
            self.program.stages.iter().zip(&mut self.stages).enumerate()
        {
            kept.snapshot(number, stage, &self.memory.scratch, &mut snapshot)?;
        }
        let filled = self.fill.snapshot(&self.program)?;
        snapshot.panes.extend(filled);
        self.void = false;
        Ok(snapshot)
    }

    /// How many panes are open.
    pub fn open_panes(&self) -> usize {
        self.stages.iter().map(|(_, kept)| kept.len()).sum()
    }

    /// How long the steps of the last epoch took.
    pub fn took(&self) -> EpochTook {
        self.took
    }

    /// What the operators of its plans have taken since it started.
    pub fn figures(&self) -> Vec<PlanFigures> {
        let of = |when: &'static str, runner: &Runner| PlanFigures {
            when,
            operators: runner.figures(),
        };
        let intakes = self.intakes.iter();
        let intakes = intakes.map(|runner| of("rows of a stream, in every epoch", runner));
        let between = self.stages.iter().filter_map(|(runner, _)| {
            Some(of(
                "windows of one aggregation to the next",
                runner.as_ref()?,
            ))
        });
        let post = self
            .post
            .iter()
            .map(|runner| of("windows that closed", runner));
        intakes.chain(between).chain(post).collect()
    }

    /// Bytes of state held, copies for snapshots and live rows included.
    pub fn state_bytes(&self) -> usize {
        let panes: usize = self.stages.iter().map(|(_, kept)| kept.bytes()).sum();
        panes + self.fill.bytes()
    }

    /// Bytes of state in the scratch folder.
    pub fn spilled_bytes(&self) -> u64 {
        self.stages.iter().map(|(_, kept)| kept.disk_bytes()).sum()
    }

    /// The query's watermark, microseconds; [`i64::MAX`] when every split has ended.
    pub fn watermark_us(&self) -> Option<i64> {
        self.watermark_us
    }

    /// Largest watermark seen per split, microseconds.
    pub fn split_watermarks_us(&self) -> &BTreeMap<SplitId, i64> {
        &self.split_watermarks_us
    }

    pub(super) fn check(&self) -> Result<()> {
        match self.void {
            true => Err(PlanError::internal(
                "the query's state is void after an error and must be restored",
            )),
            false => Ok(()),
        }
    }
}

/// The time since then, which becomes now.
fn lap(begun: &mut Instant) -> Duration {
    let before = std::mem::replace(begun, Instant::now());
    begun.duration_since(before)
}

/// A stage and what is kept of it, by the number that a snapshot has.
fn of_stage<'a>(
    program: &'a Program,
    kept: &'a mut [(Option<Runner>, StageState)],
    number: usize,
) -> Result<(&'a Stage, &'a mut StageState)> {
    let stage = program.stages.get(number).zip(kept.get_mut(number));
    match stage {
        Some((stage, (_, kept))) => Ok((stage, kept)),
        None => Err(PlanError::invalid("the saved state is of another query")
            .detail("it is of more aggregations than this query has")),
    }
}

/// Whether a split of each stream is known: the time of a stream that has not been heard of is open.
fn all_streams(program: &Program, known: &BTreeSet<SplitId>) -> bool {
    let is_known = |number| {
        let mut streams = known.iter().map(|split| usize::from(split.stream));
        streams.any(|stream| stream == number)
    };
    (0..program.intakes.len()).all(is_known)
}

/// The watermarks of stage `number`, out of those of the stage below: what was closed there, and what is now.
pub(super) fn above(
    program: &Program,
    number: usize,
    column: WindowColumn,
    closed: Option<i64>,
    watermark: i64,
) -> (Option<i64>, i64) {
    let below = number
        .checked_sub(1)
        .and_then(|number| program.stages.get(number));
    match below {
        Some(below) => (
            closed.map(|closed| below.windows.watermark_of(column, closed)),
            below.windows.watermark_of(column, watermark),
        ),
        None => (closed, watermark),
    }
}
