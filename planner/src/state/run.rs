//! Runs the plans of a query: the rows of an epoch to partial states, closed panes to rows.
//!
//! Small epochs run all their splits through one pass, in split order; large ones run a pass per split at the same time and gather the
//! results in split order. Which of the two it is follows from the epoch's rows alone, so the same epoch always gives the same bits.

use std::{collections::HashMap, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    common::runtime::SpawnedTask,
    execution::TaskContext,
    physical_plan::{ExecutionPlan, common::collect, execution_plan::reset_plan_states},
};

use crate::{
    SplitInput,
    error::{PlanError, Result},
    operators::{EpochRun, Feed, RowRef, RunBatch},
    streaming::Program,
};

/// Runs after which a plan's metrics are thrown away: the engine adds some for every run and never forgets one.
const RUNS_PER_RESET: usize = 256;

/// A plan that is run often.
#[derive(Debug)]
pub(crate) struct Runner {
    plan: Arc<dyn ExecutionPlan>,
    runs: usize,
}

impl Runner {
    pub(crate) fn new(plan: &Arc<dyn ExecutionPlan>) -> Self {
        Self {
            plan: Arc::clone(plan),
            runs: 0,
        }
    }

    /// The plan for `runs` more runs.
    fn next(&mut self, runs: usize) -> Result<Arc<dyn ExecutionPlan>> {
        self.runs += runs;
        if self.runs > RUNS_PER_RESET {
            self.plan = reset_plan_states(Arc::clone(&self.plan))?;
            self.runs = 0;
        }
        Ok(Arc::clone(&self.plan))
    }

    /// Rows of closed windows to what the plan makes of them.
    pub(crate) async fn over_windows(
        &mut self,
        program: &Program,
        rows: Vec<RecordBatch>,
    ) -> Result<Vec<RecordBatch>> {
        let config = program.config.clone().with_extension(Arc::new(Feed(rows)));
        let plan = self.next(1)?;
        Ok(collect(plan.execute(0, context(program, config))?).await?)
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
        let alone = parts.len() == 1;
        for part in parts {
            let feed = Feed(feed(schema, &part)?);
            let run = Arc::new(EpochRun::new(part, count, latest_us, closed_to_us));
            let config = program
                .config
                .clone()
                .with_extension(Arc::new(feed))
                .with_extension(Arc::clone(&run));
            let stream = plan.execute(0, context(program, config))?;
            if alone {
                let states = collect(stream).await?;
                return Ok(vec![(run, states)]);
            }
            runs.push(run);
            tasks.push(SpawnedTask::spawn(collect(stream)));
        }
        let mut gathered = Vec::with_capacity(runs.len());
        for (run, task) in runs.into_iter().zip(tasks) {
            let states = task.join().await.map_err(|error| {
                PlanError::internal(format!("a run of an epoch ended: {error}"))
            })??;
            gathered.push((run, states));
        }
        Ok(gathered)
    }
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
