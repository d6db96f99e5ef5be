//! A continuous query, planned: the one place where the parts of the rewrite come together.

use std::{fmt, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::{
    common::tree_node::{TreeNode, TreeNodeRecursion},
    execution::SessionState,
    logical_expr::LogicalPlan,
    physical_plan::ExecutionPlan,
};
use sluice_sql::ast::{Query, Statement};

use super::{
    carry::{carry_copy, carry_windows},
    distinct::group_distinct,
    explain::explain,
    fingerprint::fingerprint,
    glance::Glance,
    output::{OutputShape, TimeColumn},
    partition::Derived,
    physical::{lower, lower_copy, streaming_session},
    program::{PARALLEL_ROWS, Program, RejectShape, Stage},
    recognise::recognise,
    refuse::{census, reads_stream, refuse, refuse_distinct},
    stages::{leaf_schema, stages},
    watermark::{declare_watermark, watermarked_column},
};
use crate::{
    ContinuousQuery, StateSnapshot, StreamDefinition, TargetDefinition,
    binding::logical_plan,
    error::{PlanError, Result},
    logical::{WINDOW_START, lower_windows},
    operators::WINDOW_COLUMN,
};

/// A continuous query, planned: built once, run in every epoch.
#[derive(Clone)]
pub struct ContinuousPlan {
    /// The streams it reads (one, for now).
    pub streams: Vec<Arc<StreamDefinition>>,
    /// Columns to ask the source for, in this order; the rows of an epoch have exactly these.
    pub columns_to_read: Vec<String>,
    /// Schema of final rows: the query's columns, then derived partition columns.
    pub output_schema: SchemaRef,
    /// Schema of late rows.
    pub late_schema: SchemaRef,
    /// Schema of rows without usable time.
    pub dead_letter_schema: SchemaRef,
    /// Names of the partition columns that are derived from the window, with how: `date = CAST(window_start AS DATE)`.
    pub derived_partitions: Vec<String>,
    /// A stable hash of the plan and the shape of its state: state of another fingerprint cannot be restored.
    pub fingerprint: String,
    logical: Arc<LogicalPlan>,
    program: Arc<Program>,
}

impl fmt::Debug for ContinuousPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContinuousPlan")
            .field("fingerprint", &self.fingerprint)
            .field("columns_to_read", &self.columns_to_read)
            .finish_non_exhaustive()
    }
}

impl ContinuousPlan {
    /// What EXPLAIN shows: the logical plan and how it runs as a stream.
    pub fn explain(&self) -> String {
        explain(self, &self.program, &self.logical)
    }

    /// A query in its first epoch, or going on from a snapshot of the same fingerprint.
    pub fn start(&self, restored: Option<StateSnapshot>) -> Result<ContinuousQuery> {
        ContinuousQuery::start(Arc::clone(&self.program), restored)
    }
}

#[cfg(test)]
impl ContinuousPlan {
    /// The plan with another limit between small and large epochs.
    pub(crate) fn with_parallel_rows(mut self, rows: usize) -> Self {
        if let Some(program) = Arc::get_mut(&mut self.program) {
            program.parallel_rows = rows;
        }
        self
    }
}

/// Plans `query` as a continuous query that feeds `target`; `None` when it reads no stream.
pub async fn plan_continuous(
    state: &SessionState,
    query: &Query,
    target: &TargetDefinition,
) -> Result<Option<ContinuousPlan>> {
    let statement = Statement::Query(Box::new(query.clone()));
    let written = logical_plan(state, &statement).await?;
    if !reads_stream(&written)? {
        return Ok(None);
    }
    refuse_distinct(&written)?;
    let written = recognise(group_distinct(written)?)?;
    let counted = census(&written)?;
    refuse(&written, &counted)?;
    let session = streaming_session(state);
    let is_copy = counted.aggregates == 0;
    let has_time = counted
        .streams
        .iter()
        .any(|stream| stream.watermark.is_some());
    let mut watermarked = match counted.watermarks {
        0 if is_copy && !has_time => written.clone(),
        0 => declare_watermark(&session, written.clone())?,
        _ => written.clone(),
    };
    if is_copy {
        watermarked = lower_windows(watermarked)?;
    }
    let logical = session.optimize(&watermarked)?;
    let parts = match is_copy {
        true => copy(&session, &written, &logical, target).await?,
        false => aggregation(&session, &written, &logical, &counted.streams, target).await?,
    };
    build(&session, logical, parts, counted.streams).map(Some)
}

/// What is different in a query with and without aggregation.
struct Parts {
    stages: Vec<Stage>,
    post: Arc<dyn ExecutionPlan>,
    output: OutputShape,
}

/// A query without aggregation: its rows go to the table as they come.
async fn copy(
    session: &SessionState,
    written: &LogicalPlan,
    logical: &LogicalPlan,
    target: &TargetDefinition,
) -> Result<Parts> {
    let rows = carry_copy(logical)?;
    let name = watermarked_column(logical).unwrap_or_default();
    let time = rows.index_of(WINDOW_COLUMN).ok();
    let time = time.map(|index| TimeColumn {
        name: &name,
        index,
        zone: None,
    });
    Ok(Parts {
        stages: Vec::new(),
        output: OutputShape::new(written, logical, target, time)?,
        post: lower_copy(session, &rows).await?,
    })
}

/// A query with aggregations over windows: rows go to the table when the windows of the last one close.
async fn aggregation(
    session: &SessionState,
    written: &LogicalPlan,
    logical: &LogicalPlan,
    streams: &[Arc<StreamDefinition>],
    target: &TargetDefinition,
) -> Result<Parts> {
    let stream = streams
        .first()
        .ok_or_else(|| PlanError::internal("a continuous query lost its stream"))?;
    let mut stages = stages(session, logical, stream).await?;
    let windows = carry_windows(logical)?;
    let time = TimeColumn {
        name: WINDOW_START,
        index: windows.index_of(WINDOW_COLUMN)?,
        zone: stages.last().and_then(|stage| stage.windows.zone()),
    };
    let output = OutputShape::new(written, logical, target, Some(time))?;
    let post = lower(session, &windows.plan).await?;
    if let Some(last) = stages.last_mut() {
        last.result_schema = without_last(&leaf_schema(&post));
    }
    Ok(Parts {
        stages,
        post,
        output,
    })
}

fn build(
    session: &SessionState,
    logical: LogicalPlan,
    parts: Parts,
    streams: Vec<Arc<StreamDefinition>>,
) -> Result<ContinuousPlan> {
    let stream = streams
        .first()
        .ok_or_else(|| PlanError::internal("a continuous query lost its stream"))?;
    let Parts {
        stages,
        post,
        output,
    } = parts;
    let read = columns_read(&logical)?;
    let plan_text = logical.display_indent_schema().to_string();
    let state_text: String = stages
        .iter()
        .map(|stage| schema_text(&stage.state_schema))
        .collect();
    let program = Program {
        time: stream.time.clone(),
        glance: stages.first().and_then(|stage| Glance::of(&stage.partial)),
        stages,
        post_schema: leaf_schema(&post),
        post,
        output,
        late: RejectShape::late(&read),
        dead: RejectShape::dead(&read),
        parallel_rows: PARALLEL_ROWS,
        config: session.config().clone(),
        runtime: Arc::clone(session.runtime_env()),
    };
    Ok(ContinuousPlan {
        columns_to_read: read
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect(),
        output_schema: Arc::clone(program.output.schema()),
        late_schema: Arc::clone(&program.late.schema),
        dead_letter_schema: Arc::clone(&program.dead.schema),
        derived_partitions: program
            .output
            .derived()
            .iter()
            .map(Derived::describe)
            .collect(),
        fingerprint: fingerprint([
            plan_text.as_str(),
            &state_text,
            &schema_text(program.output.schema()),
        ]),
        streams,
        logical: Arc::new(logical),
        program: Arc::new(program),
    })
}

/// Names and types, without what the engine's versions print differently.
fn schema_text(schema: &Schema) -> String {
    schema
        .fields()
        .iter()
        .map(|field| format!("{} {}\n", field.name(), field.data_type()))
        .collect()
}

fn without_last(schema: &Schema) -> SchemaRef {
    let kept = schema.fields().len().saturating_sub(1);
    let fields: Vec<_> = schema.fields().iter().take(kept).cloned().collect();
    Arc::new(Schema::new(fields))
}

/// The columns that a plan reads from its stream.
fn columns_read(logical: &LogicalPlan) -> Result<Schema> {
    let mut read = None;
    logical.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            read = Some(scan.projected_schema.as_arrow().clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    read.ok_or_else(|| {
        PlanError::internal(format!(
            "the scan of a continuous query was optimised away: {}",
            logical.display_indent()
        ))
    })
}
