//! Runs the plans of a query: the rows of an epoch to partial states, closed panes to rows.
//!
//! Small epochs run all their splits through one pass, in split order; large ones run a pass per split at the same time and gather the
//! results in split order. Which of the two it is follows from the epoch's rows alone, so the same epoch always gives the same bits.
//!
//! A row that an expression cannot take (division by zero, a text that is no number) fails the run of its whole batch. It must not fail
//! the query for ever: it is found, put aside with the reason, and the run is made again without it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::SchemaRef,
    util::display::{ArrayFormatter, FormatOptions},
};
use datafusion::{
    common::runtime::SpawnedTask,
    execution::TaskContext,
    physical_plan::{
        ExecutionPlan, common::collect, displayable, execution_plan::reset_plan_states,
    },
};

use crate::{
    OperatorFigures, SplitInput,
    error::{PlanError, PlanErrorKind, Result},
    operators::{DeadReason, EpochRun, Feed, RowRef, RunBatch, WINDOW_COLUMN},
    streaming::Program,
};

/// Runs after which a plan's metrics are thrown away: the engine adds some kilobytes for every run and never forgets one.
const RUNS_PER_RESET: usize = 32;

/// A plan that is run often; never the plan it was made of, which others hold for longer, but one of its own.
#[derive(Debug)]
pub(crate) struct Runner {
    plan: Arc<dyn ExecutionPlan>,
    runs: usize,
    /// What the plans that were thrown away have taken, by operator.
    taken: Vec<Taken>,
}

/// Rows that an operator gave out, and the time it computed.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    rows: u64,
    compute: Duration,
}

impl Runner {
    pub(crate) fn new(plan: &Arc<dyn ExecutionPlan>) -> Self {
        Self {
            plan: Arc::clone(plan),
            runs: RUNS_PER_RESET,
            taken: Vec::new(),
        }
    }

    /// The plan for `runs` more runs.
    fn next(&mut self, runs: usize) -> Result<Arc<dyn ExecutionPlan>> {
        self.runs += runs;
        if self.runs > RUNS_PER_RESET {
            self.taken = self.figures().iter().map(Taken::of).collect();
            self.plan = reset_plan_states(Arc::clone(&self.plan))?;
            self.runs = runs;
        }
        Ok(Arc::clone(&self.plan))
    }

    /// What each operator has taken since the start, from the top down.
    pub(crate) fn figures(&self) -> Vec<OperatorFigures> {
        let mut figures = Vec::new();
        operators(&self.plan, 0, &mut figures);
        for (now, before) in figures.iter_mut().zip(&self.taken) {
            now.rows += before.rows;
            now.compute += before.compute;
        }
        figures
    }

    /// Rows of closed windows to what the plan makes of them.
    pub(crate) async fn over_windows(
        &mut self,
        program: &Program,
        rows: Vec<RecordBatch>,
    ) -> Result<Made> {
        let context = |rows: Vec<RecordBatch>| {
            let config = program.config.clone().with_extension(Arc::new(Feed(rows)));
            self::context(program, config)
        };
        let error = match self.run(context(rows.clone())).await {
            Ok(rows) => return Ok(Made::of(rows)),
            Err(error) => error,
        };
        let failing = self.failing(&rows, error, context).await?;
        let failed = failing
            .iter()
            .map(|failing| failing.in_result(&rows))
            .collect::<Result<_>>()?;
        let rows = self.run(context(without(&rows, &failing)?)).await?;
        Ok(Made { rows, failed })
    }

    /// One run of the plan.
    async fn run(&mut self, context: Arc<TaskContext>) -> Result<Vec<RecordBatch>> {
        Ok(collect(self.next(1)?.execute(0, context)?).await?)
    }

    /// The rows that fail by themselves, after a run of all of them failed with `error`; the error again, if it is not about rows.
    ///
    /// Found by halving: one bad row among thousands costs a dozen runs.
    async fn failing(
        &mut self,
        batches: &[RecordBatch],
        error: PlanError,
        context: impl Fn(Vec<RecordBatch>) -> Arc<TaskContext>,
    ) -> Result<Vec<Failing>> {
        if error.kind != PlanErrorKind::Data {
            return Err(error);
        }
        let mut failing = Vec::new();
        for (batch, rows) in batches.iter().enumerate() {
            // What is still to be looked at, the first rows last.
            let mut ranges = Vec::new();
            ranges.push(0..rows.num_rows());
            while let Some(range) = ranges.pop() {
                if range.is_empty() {
                    continue;
                }
                let slice = rows.slice(range.start, range.len());
                match self.run(context(vec![slice])).await {
                    Ok(_) => {}
                    Err(error) if error.kind != PlanErrorKind::Data => return Err(error),
                    Err(error) if range.len() == 1 => failing.push(Failing {
                        batch,
                        row: range.start,
                        error: error.message,
                    }),
                    Err(_) => {
                        let middle = range.start + range.len() / 2;
                        ranges.push(middle..range.end);
                        ranges.push(range.start..middle);
                    }
                }
            }
        }
        match failing.is_empty() {
            true => Err(error),
            false => Ok(failing),
        }
    }

    /// The run of an epoch again without the rows that made it fail; these are dead.
    async fn again(
        &mut self,
        program: &Program,
        schema: &SchemaRef,
        run: &EpochRun,
        error: PlanError,
    ) -> Result<(Arc<EpochRun>, Vec<RecordBatch>)> {
        let rows = feed(schema, &run.batches)?;
        let probe = |rows| run_context(program, &Arc::new(run.again()), rows);
        let failing = self.failing(&rows, error, probe).await?;
        let run = Arc::new(run.again());
        for failing in &failing {
            // It fails above the place where time moves on, and must not hold time back.
            if let Some(rows) = rows.get(failing.batch) {
                let alone = Arc::new(run.again());
                let rows = vec![rows.slice(failing.row, 1)];
                let _fails = self.run(run_context(program, &alone, rows)).await;
                run.found().advance(&alone.found());
            }
            let row = RowRef::at(failing.batch, failing.row);
            let reason = DeadReason::Failed(failing.error.clone());
            run.found().dead.push((row, reason));
        }
        let rows = without(&rows, &failing)?;
        let made = self.run(run_context(program, &run, rows)).await?;
        Ok((run, made))
    }

    /// The runs of an epoch with what each gave, in split order. `splits[i]` is split number `i`, its rows are of `schema`.
    pub(crate) async fn over_rows(
        &mut self,
        program: &Program,
        schema: &SchemaRef,
        splits: Vec<SplitInput>,
        latest_us: i64,
        closed_to_us: Option<i64>,
    ) -> Result<Vec<(Arc<EpochRun>, Vec<RecordBatch>)>> {
        let mut parts: Vec<Vec<RunBatch>> = Vec::new();
        let count = splits.len();
        let mut rows = 0;
        for (split, input) in splits.into_iter().enumerate() {
            let batches: Vec<RunBatch> = input
                .batches
                .into_iter()
                .filter(|batch| batch.rows.num_rows() > 0)
                .map(|batch| RunBatch { split, batch })
                .collect();
            rows += batches
                .iter()
                .map(|batch| batch.batch.rows.num_rows())
                .sum::<usize>();
            if !batches.is_empty() {
                parts.push(batches);
            }
        }
        if rows <= program.parallel_rows {
            parts = match parts.is_empty() {
                true => Vec::new(),
                false => vec![parts.into_iter().flatten().collect()],
            };
        }
        let plan = self.next(parts.len())?;
        let mut runs = Vec::with_capacity(parts.len());
        let mut tasks = Vec::with_capacity(parts.len());
        let mut gathered = Vec::with_capacity(parts.len());
        let alone = parts.len() == 1;
        for part in parts {
            let rows = feed(schema, &part)?;
            let run = Arc::new(EpochRun::new(part, count, latest_us, closed_to_us));
            let stream = plan.execute(0, run_context(program, &run, rows))?;
            match alone {
                true => gathered.push((run, collect(stream).await.map_err(PlanError::from))),
                false => {
                    runs.push(run);
                    tasks.push(SpawnedTask::spawn(collect(stream)));
                }
            }
        }
        for (run, task) in runs.into_iter().zip(tasks) {
            let made = task.join().await.map_err(|error| {
                PlanError::internal(format!("a run of an epoch ended: {error}"))
            })?;
            gathered.push((run, made.map_err(PlanError::from)));
        }
        let mut made = Vec::with_capacity(gathered.len());
        for (run, states) in gathered {
            made.push(match states {
                Ok(states) => (run, states),
                Err(error) => self.again(program, schema, &run, error).await?,
            });
        }
        Ok(made)
    }
}

impl Taken {
    fn of(figures: &OperatorFigures) -> Self {
        Self {
            rows: figures.rows,
            compute: figures.compute,
        }
    }
}

/// The operators from here down, with what the engine has counted of them.
fn operators(plan: &Arc<dyn ExecutionPlan>, depth: usize, found: &mut Vec<OperatorFigures>) {
    let metrics = plan.metrics().unwrap_or_default();
    found.push(OperatorFigures {
        depth,
        name: displayable(plan.as_ref())
            .one_line()
            .to_string()
            .trim()
            .to_owned(),
        rows: metrics.output_rows().unwrap_or_default() as u64,
        compute: Duration::from_nanos(metrics.elapsed_compute().unwrap_or_default() as u64),
    });
    for child in plan.children() {
        operators(child, depth + 1, found);
    }
}

/// What a plan made of the rows of windows.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) rows: Vec<RecordBatch>,
    /// Of each row that it could not take: why, and what the row is.
    pub(crate) failed: Vec<String>,
}

impl Made {
    fn of(rows: Vec<RecordBatch>) -> Self {
        Self {
            rows,
            failed: Vec::new(),
        }
    }
}

/// A row that an expression cannot take.
struct Failing {
    batch: usize,
    row: usize,
    error: String,
}

impl Failing {
    /// What happened, for a row that is not one of the stream's.
    fn in_result(&self, batches: &[RecordBatch]) -> Result<String> {
        let mut text = format!("{}, in the result", self.error);
        let Some(batch) = batches.get(self.batch) else {
            return Ok(text);
        };
        let options = FormatOptions::default().with_null("NULL");
        let schema = batch.schema();
        for (index, (field, column)) in schema.fields().iter().zip(batch.columns()).enumerate() {
            if field.name() == WINDOW_COLUMN {
                continue;
            }
            let value = ArrayFormatter::try_new(column, &options)?;
            let before = if index == 0 { " " } else { ", " };
            text.push_str(&format!(
                "{before}{} = {}",
                field.name(),
                value.value(self.row)
            ));
        }
        Ok(text)
    }
}

/// The batches without the rows that fail.
fn without(batches: &[RecordBatch], failing: &[Failing]) -> Result<Vec<RecordBatch>> {
    let bad: BTreeSet<(usize, usize)> = failing.iter().map(|row| (row.batch, row.row)).collect();
    let kept = batches.iter().enumerate().map(|(batch, rows)| {
        let kept = (0..rows.num_rows()).map(|row| Some(!bad.contains(&(batch, row))));
        Ok(filter_record_batch(rows, &kept.collect::<BooleanArray>())?)
    });
    kept.collect()
}

/// The context of a run over rows of the stream.
fn run_context(program: &Program, run: &Arc<EpochRun>, rows: Vec<RecordBatch>) -> Arc<TaskContext> {
    let config = program
        .config
        .clone()
        .with_extension(Arc::new(Feed(rows)))
        .with_extension(Arc::clone(run));
    context(program, config)
}

/// A context for one run. Its functions are in the plan already; the engine's default context would make a world of its own each time.
fn context(
    program: &Program,
    config: datafusion::execution::context::SessionConfig,
) -> Arc<TaskContext> {
    Arc::new(TaskContext::new(
        None,
        String::new(),
        config,
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        Arc::clone(&program.runtime),
    ))
}

/// The batches with the hidden column that says where each row comes from.
fn feed(schema: &SchemaRef, batches: &[RunBatch]) -> Result<Vec<RecordBatch>> {
    batches
        .iter()
        .enumerate()
        .map(|(index, batch)| {
            let rows = &batch.batch.rows;
            if batch.batch.offsets.len() != rows.num_rows()
                || batch.batch.timestamps_ms.len() != rows.num_rows()
            {
                return Err(PlanError::internal("a batch has rows without an offset"));
            }
            let mut columns = rows.columns().to_vec();
            columns.push(RowRef::column(index, rows.num_rows()));
            RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| {
                PlanError::internal(format!(
                    "split {}/{} gave rows that are not of the stream's schema: {error}",
                    batch.batch.split.topic, batch.batch.split.partition
                ))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
