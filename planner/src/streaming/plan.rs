//! A continuous query, planned: the one place where the parts of the rewrite come together.

use std::{fmt, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::{
    common::tree_node::{TreeNode, TreeNodeRecursion},
    execution::SessionState,
    logical_expr::LogicalPlan,
};
use sluice_sql::{
    FillWith,
    ast::{Query, Statement},
};

use super::{
    branches::branches,
    carry::{carry_copy, carry_windows},
    distinct::group_distinct,
    event_order::order_by_event_time,
    explain::explain,
    fill::{Filling, no_windows},
    fingerprint::fingerprint,
    glance::Glance,
    output::{OutputShape, TimeColumn, check_names},
    partition::Derived,
    physical::{lower, lower_copy, streaming_session},
    program::{Intake, PARALLEL_ROWS, Post, Program, RejectShape, Stage},
    recognise::recognise,
    refuse::{census, reads_stream, refuse, refuse_distinct, stream_of},
    sealing::{Sealing, earliest_start, grouped_columns},
    sessions::check_partitioned,
    stages::{Chain, leaf_schema, stages},
    watermark::{declare_watermark, watermarked_column},
};
use crate::{
    ContinuousQuery, Sketches, StateFile, StateSnapshot, StreamDefinition, TargetDefinition,
    binding::{keep_sketches, logical_plan},
    error::{PlanError, Result},
    logical::{WINDOW_START, lower_windows},
    operators::WINDOW_COLUMN,
    windows::Windows,
};

/// A stream that a query reads.
#[derive(Clone, Debug)]
pub struct StreamRead {
    /// The stream.
    pub definition: Arc<StreamDefinition>,
    /// Columns to ask its source for, in this order; the rows of an epoch have exactly these.
    pub columns: Vec<String>,
}

/// A continuous query, planned: built once, run in every epoch.
#[derive(Clone)]
pub struct ContinuousPlan {
    /// The streams it reads, in the order of the splits' [`stream`](sluice_connectors::source::SplitId::stream).
    pub streams: Vec<StreamRead>,
    /// Schema of final rows: the query's columns, then derived partition columns.
    pub output_schema: SchemaRef,
    /// Schema of late rows.
    pub late_schema: SchemaRef,
    /// Schema of rows without usable time.
    pub dead_letter_schema: SchemaRef,
    /// Names of the partition columns that are derived from the window, with how: `date = CAST(window_start AS DATE)`.
    pub derived_partitions: Vec<String>,
    /// When a partition gets no more rows, and the order of rows in its files.
    pub sealing: Sealing,
    /// A stable hash of the plan and the shape of its state: state of another fingerprint cannot be restored.
    pub fingerprint: String,
    logical: Arc<LogicalPlan>,
    program: Arc<Program>,
}

impl fmt::Debug for ContinuousPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContinuousPlan")
            .field("fingerprint", &self.fingerprint)
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}

impl ContinuousPlan {
    /// What EXPLAIN shows: the logical plan and how it runs as a stream.
    pub fn explain(&self) -> String {
        explain(self, &self.program, &self.logical)
    }

    /// The earliest start of a window that is still to come, given the state between two epochs, in microseconds; `None` while it is not known.
    pub fn earliest_start_us(&self, state: &StateSnapshot) -> Option<i64> {
        earliest_start(&self.program.stages, state)
    }

    /// Whether the open windows can be made again from the rows since the oldest of them began and the query's watermark alone: which
    /// windows a row is in does not depend on other rows, and nothing is kept beyond them.
    pub fn reopens(&self) -> bool {
        let plain = match self.program.stages.as_slice() {
            [] => true,
            [stage] => !matches!(stage.windows, Windows::Session { .. }),
            _ => false,
        };
        plain && self.program.fill.is_none()
    }

    /// Whether it only passes rows on, without windows.
    pub fn is_copy(&self) -> bool {
        self.program.stages.is_empty()
    }

    /// A file of state with this content, which [`StateFile::content`] gave once.
    pub fn state_file(&self, content: &[u8]) -> Result<Arc<StateFile>> {
        let file = StateFile::of(&self.program.runtime.disk_manager, content)?;
        Ok(Arc::new(file))
    }

    /// A query in its first epoch, or going on from a snapshot of the same fingerprint.
    pub fn start(&self, restored: Option<StateSnapshot>) -> Result<ContinuousQuery> {
        self.start_within(restored, usize::MAX)
    }

    /// The same, with so many bytes of memory for its state: above half of it, panes go to disk.
    pub fn start_within(
        &self,
        restored: Option<StateSnapshot>,
        state_memory: usize,
    ) -> Result<ContinuousQuery> {
        ContinuousQuery::start(Arc::clone(&self.program), restored, state_memory)
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
        return match target.emit.fill() {
            Some(_) => Err(no_windows(false)),
            None => Ok(None),
        };
    }
    refuse_distinct(&written)?;
    let mut written = recognise(group_distinct(written)?)?;
    let counted = census(&written)?;
    refuse(&written, &counted)?;
    if target.sketches == Sketches::Kept {
        if target
            .emit
            .fill()
            .is_some_and(|fill| fill.with == FillWith::Zero)
        {
            return Err(PlanError::unsupported(
                "FILL 0 is not supported for a table with sketches",
            )
            .detail("percentiles of a window without rows would be told from a sketch, and there is none of 0")
            .hint("write FILL NULL, or leave sketches = true out"));
        }
        check_names(&written)?;
        written = keep_sketches(&written)?;
    }
    let filters = check_partitioned(&written)?;
    let session = streaming_session(state, filters)?;
    let is_copy = counted.aggregates == 0;
    if is_copy && target.emit.fill().is_some() {
        return Err(no_windows(true));
    }
    let has_time = counted
        .streams
        .iter()
        .any(|stream| stream.watermark.is_some());
    let mut watermarked = match counted.watermarks {
        0 if is_copy && !has_time => written.clone(),
        0 => declare_watermark(&session, written.clone())?,
        _ => written.clone(),
    };
    watermarked = match is_copy {
        true => lower_windows(watermarked)?,
        false => order_by_event_time(watermarked)?,
    };
    let logical = session.optimize(&watermarked)?;
    let parts = match is_copy {
        true => copy(&session, &written, &logical, target).await?,
        false => aggregation(&session, &written, &logical, &counted.streams, target).await?,
    };
    build(&session, logical, parts).map(Some)
}

/// What is different in a query with and without aggregation.
struct Parts {
    chains: Vec<Chain>,
    stages: Vec<Stage>,
    fill: Option<Filling>,
    post: Option<Post>,
    output: OutputShape,
}

/// A query without aggregation: its rows go to the table as they come.
async fn copy(
    session: &SessionState,
    written: &LogicalPlan,
    logical: &LogicalPlan,
    target: &TargetDefinition,
) -> Result<Parts> {
    let name = watermarked_column(logical).unwrap_or_default();
    let mut chains = Vec::new();
    let mut time = None;
    for branch in branches(logical)? {
        let rows = carry_copy(&branch)?;
        time = rows.index_of(WINDOW_COLUMN).ok().map(|index| TimeColumn {
            name: &name,
            index,
            zone: None,
        });
        chains.push(Chain {
            plan: lower_copy(session, &rows).await?,
            logical: branch,
        });
    }
    Ok(Parts {
        chains,
        stages: Vec::new(),
        fill: None,
        post: None,
        output: OutputShape::new(written, logical, target, time)?,
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
    let (chains, mut stages) = stages(session, logical, stream).await?;
    let windows = carry_windows(logical)?;
    let time = TimeColumn {
        name: WINDOW_START,
        index: windows.index_of(WINDOW_COLUMN)?,
        zone: stages.last().and_then(|stage| stage.windows.zone()),
    };
    let output = OutputShape::new(written, logical, target, Some(time))?;
    let plan = lower(session, &windows.plan).await?;
    let post = Post {
        feed_schema: leaf_schema(&plan),
        plan,
    };
    let mut fill = None;
    if let Some(last) = stages.last_mut() {
        last.result_schema = without_last(&post.feed_schema);
        if let Some(asked) = target.emit.fill() {
            fill = Some(Filling::new(asked, logical, last)?);
        }
    }
    Ok(Parts {
        chains,
        stages,
        fill,
        post: Some(post),
        output,
    })
}

fn build(session: &SessionState, logical: LogicalPlan, parts: Parts) -> Result<ContinuousPlan> {
    let Parts {
        chains,
        stages,
        fill,
        post,
        output,
    } = parts;
    let plan_text = logical.display_indent_schema().to_string();
    let state_text: String = stages
        .iter()
        .map(|stage| schema_text(&stage.state_schema))
        .collect();
    let fill_text = fill.as_ref().map(Filling::to_string);
    let output_text = schema_text(output.schema());
    let texts = [plan_text.as_str(), &state_text, &output_text];
    // Nothing is added where nothing is filled: the state of such a query is what it always was.
    let fingerprint = fingerprint(texts.into_iter().chain(fill_text.as_deref()));
    let mut reads = Vec::with_capacity(chains.len());
    for chain in &chains {
        reads.push(read(&chain.logical)?);
    }
    let shapes: Vec<(&str, &Schema)> = reads
        .iter()
        .map(|(stream, read)| (stream.name.as_str(), read))
        .collect();
    let rejects = RejectShape::late(&shapes)
        .into_iter()
        .zip(RejectShape::dead(&shapes));
    let mut intakes = Vec::with_capacity(chains.len());
    for ((chain, (stream, _)), (late, dead)) in chains.into_iter().zip(&reads).zip(rejects) {
        intakes.push(Intake {
            time: stream.time.clone(),
            feed_schema: leaf_schema(&chain.plan),
            // A row of a query without windows is awaited.
            glance: post.as_ref().and_then(|_| Glance::of(&chain.plan)),
            plan: chain.plan,
            late,
            dead,
        });
    }
    let first = intakes
        .first()
        .ok_or_else(|| PlanError::internal("a continuous query lost its stream"))?;
    Ok(ContinuousPlan {
        output_schema: Arc::clone(output.schema()),
        late_schema: Arc::clone(&first.late.schema),
        dead_letter_schema: Arc::clone(&first.dead.schema),
        sealing: Sealing::new(output.derived(), grouped_columns(&logical)),
        derived_partitions: output.derived().iter().map(Derived::describe).collect(),
        fingerprint,
        streams: reads
            .into_iter()
            .map(|(definition, read)| StreamRead {
                definition,
                columns: read
                    .fields()
                    .iter()
                    .map(|field| field.name().clone())
                    .collect(),
            })
            .collect(),
        logical: Arc::new(logical),
        program: Arc::new(Program {
            intakes,
            stages,
            fill,
            post,
            output,
            parallel_rows: PARALLEL_ROWS,
            config: session.config().clone(),
            runtime: Arc::clone(session.runtime_env()),
        }),
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

/// The stream that a chain is over, and the columns that it reads of it.
fn read(chain: &LogicalPlan) -> Result<(Arc<StreamDefinition>, Schema)> {
    let mut read = None;
    chain.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(stream) = stream_of(node)
        {
            read = Some((stream, scan.projected_schema.as_arrow().clone()));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    read.ok_or_else(|| {
        PlanError::internal(format!(
            "the scan of a continuous query was optimised away: {}",
            chain.display_indent()
        ))
    })
}
