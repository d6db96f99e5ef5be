//! A continuous query, planned: the one place where the parts of the rewrite come together.

use std::{fmt, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::{
    common::tree_node::{TreeNode, TreeNodeRecursion},
    execution::SessionState,
    logical_expr::{Aggregate, Expr, Extension, LogicalPlan},
};
use sluice_sql::ast::{Query, Statement};

use super::{
    carry::{carry_panes, carry_rows},
    explain::explain,
    fingerprint::fingerprint,
    glance::Glance,
    lineage::{Origin, origin, plain_column},
    output::OutputShape,
    partition::Derived,
    physical::{lower, lower_rows, streaming_session},
    program::{PARALLEL_ROWS, Program, RejectShape, WindowKey},
    refuse::{census, refuse},
    watermark::{declare_watermark, event_time_name, watermarked_column},
};
use crate::{
    ContinuousQuery, StateSnapshot, StreamDefinition, TargetDefinition,
    binding::logical_plan,
    error::{PlanError, Result},
    logical::TumbleNode,
    operators::WINDOW_COLUMN,
};

/// Aggregates whose state, saved and loaded into an empty accumulator, is the same to the bit: counters, extremes, sums, and lists.
/// (Variance, for one, divides by the count when it loads.)
const EXACT_STATE: [&str; 19] = [
    "approx_distinct",
    "approx_percentile",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "count",
    "first_value",
    "last_value",
    "max",
    "median",
    "min",
    "percentile_cont",
    "string_agg",
    "sum",
    "quantile_cont",
];

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
    /// Size of the window in microseconds.
    pub window_us: i64,
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
    let counted = census(&written)?;
    if counted.streams.is_empty() {
        return Ok(None);
    }
    refuse(&written, &counted)?;
    let session = streaming_session(state);
    let watermarked = match counted.watermarks {
        0 => declare_watermark(&session, written.clone())?,
        _ => written.clone(),
    };
    let logical = session.optimize(&watermarked)?;
    build(&session, &written, logical, counted.streams, target)
        .await
        .map(Some)
}

async fn build(
    session: &SessionState,
    written: &LogicalPlan,
    logical: LogicalPlan,
    streams: Vec<Arc<StreamDefinition>>,
    target: &TargetDefinition,
) -> Result<ContinuousPlan> {
    let Parts {
        aggregate,
        tumble,
        read,
    } = parts(&logical)?;
    let stream = streams
        .first()
        .ok_or_else(|| PlanError::internal("a continuous query lost its stream"))?;
    check_time(&tumble, &aggregate, stream)?;
    let window_key = window_key(&aggregate, stream)?;

    let rows = carry_rows(&aggregate.input)?;
    let lowered = lower_rows(session, &rows, &aggregate, tumble.size_us).await?;
    let panes = carry_panes(&logical)?;
    let output = OutputShape::new(written, &logical, target, panes.index_of(WINDOW_COLUMN)?)?;
    let post = lower(session, &panes.plan).await?;

    let state_schema = lowered.partial.schema();
    let group_schema = Schema::new(
        state_schema
            .fields()
            .iter()
            .take(lowered.group_columns)
            .cloned()
            .collect::<Vec<_>>(),
    );
    let (feed_schema, pane_schema) = (leaf_schema(&lowered.partial), leaf_schema(&post));
    let late = RejectShape::late(&read);
    let dead = RejectShape::dead(&read);
    let exact_state = lowered.aggregates.iter().all(|aggregate| {
        // A user may have defined a function of the same name; ours and the engine's are what the list speaks of.
        EXACT_STATE.contains(&aggregate.fun().name())
    });
    let plan_text = logical.display_indent_schema().to_string();
    let program = Program {
        time: stream.time.clone(),
        window_us: tumble.size_us,
        window_key,
        feed_schema,
        glance: Glance::of(&lowered.partial),
        partial: lowered.partial,
        aggregates: lowered.aggregates,
        state_schema,
        group_schema: Arc::new(group_schema),
        pane_schema,
        post,
        output,
        late,
        dead,
        exact_state,
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
        window_us: program.window_us,
        fingerprint: fingerprint([
            plan_text.as_str(),
            &schema_text(&program.state_schema),
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

/// The schema of a plan's one leaf.
fn leaf_schema(plan: &Arc<dyn datafusion::physical_plan::ExecutionPlan>) -> SchemaRef {
    let mut leaf = plan;
    while let Some(below) = leaf.children().first() {
        leaf = below;
    }
    leaf.schema()
}

/// The parts of an optimised plan that the rewrite speaks of.
struct Parts {
    aggregate: Aggregate,
    tumble: TumbleNode,
    /// Columns read from the stream.
    read: Schema,
}

fn parts(logical: &LogicalPlan) -> Result<Parts> {
    let (mut aggregate, mut tumble, mut read) = (None, None, None);
    logical.apply(|node| {
        match node {
            LogicalPlan::Aggregate(found) => aggregate = Some(found.clone()),
            LogicalPlan::Extension(Extension { node }) => {
                if let Some(found) = node.as_any().downcast_ref::<TumbleNode>() {
                    tumble = Some(found.clone());
                }
            }
            LogicalPlan::TableScan(scan) => {
                read = Some(scan.projected_schema.as_arrow().clone());
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    match (aggregate, tumble, read) {
        (Some(aggregate), Some(tumble), Some(read)) => Ok(Parts {
            aggregate,
            tumble,
            read,
        }),
        _ => Err(PlanError::internal(format!(
            "a part of a continuous query was optimised away: {}",
            logical.display_indent()
        ))),
    }
}

/// The window's time must be the column that the watermark speaks of.
fn check_time(tumble: &TumbleNode, aggregate: &Aggregate, stream: &StreamDefinition) -> Result<()> {
    let time = match &tumble.time {
        Expr::Cast(cast) => plain_column(&cast.expr),
        other => plain_column(other),
    };
    let found = time.and_then(|column| origin(&tumble.input, column));
    if found == Some(Origin::EventTime) {
        return Ok(());
    }
    let written = time.map_or_else(|| tumble.time.to_string(), |column| column.name.clone());
    let watermarked = watermarked_column(&aggregate.input)
        .or_else(|| {
            stream
                .watermark
                .as_ref()
                .map(|watermark| event_time_name(&watermark.column))
        })
        .unwrap_or_default();
    let error = PlanError::invalid(format!("column \"{written}\" has no watermark"))
        .hint(format!("write TUMBLE(…, \"{watermarked}\", …)"));
    Err(match found {
        Some(Origin::Stream(_)) => error.detail(format!(
            "the watermark of stream \"{}\" is of \"{watermarked}\"",
            stream.name
        )),
        _ => error.detail(format!(
            "it is computed in the query, and the watermark is of \"{watermarked}\"; a query can declare one itself: WATERMARK((SELECT …), {written}, INTERVAL '10 seconds')"
        )),
    })
}

/// Which group column is the window.
fn window_key(aggregate: &Aggregate, stream: &StreamDefinition) -> Result<WindowKey> {
    let found = |wanted: Origin| {
        aggregate.group_expr.iter().position(|expr| {
            plain_column(expr)
                .and_then(|column| origin(&aggregate.input, column))
                .is_some_and(|origin| origin == wanted)
        })
    };
    if let Some(column) = found(Origin::WindowStart) {
        return Ok(WindowKey {
            column,
            is_end: false,
        });
    }
    if let Some(column) = found(Origin::WindowEnd) {
        return Ok(WindowKey {
            column,
            is_end: true,
        });
    }
    Err(PlanError::unsupported(
        "GROUP BY over a stream without window_start or window_end needs unbounded state",
    )
    .detail(format!(
        "stream \"{}\" is read through TUMBLE, but the groups are not per window",
        stream.name
    ))
    .hint("add window_start, window_end to GROUP BY"))
}
