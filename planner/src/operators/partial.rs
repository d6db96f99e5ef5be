//! The partial aggregation of a run: its rows to one state for each group.
//!
//! Does what the engine's partial `AggregateExec` does, with the same accumulators, for a single set of groups and aggregates that ask for
//! no order. What it does not do is what the time went into: groups are looked up in a table of words, and the columns of a row's window,
//! which follow from its pane, are not computed for every row to tell groups apart by, but once for each group
//! (docs/decisions/023-groups-as-words.md).

use std::{fmt, ops::Range, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray},
    compute::take,
    datatypes::{Field, Schema, SchemaRef, TimestampMicrosecondType},
};
use datafusion::{
    common::tree_node::TreeNodeRecursion,
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{EmitTo, GroupsAccumulator},
    physical_expr::{
        EquivalenceProperties, GroupsAccumulatorAdapter, PhysicalExpr,
        aggregate::AggregateFunctionExpr,
    },
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
        ReplaceChildrenOptions,
        aggregates::group_values::GroupValues,
        execution_plan::{Boundedness, EmissionType},
        metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, TryStreamExt};

use super::{WindowColumn, run::EpochRun};
use crate::{error::PlanError, windows::Windows};

mod arguments;
mod numbered;
mod words;

use arguments::{Accumulated, Arguments};
use numbered::{Numbered, Pairs};

/// A column of the groups.
#[derive(Clone, Debug)]
pub(crate) enum GroupColumn {
    /// What an expression says of a row.
    Expr(Arc<dyn PhysicalExpr>, String),
    /// A column of the window that the row's pane is.
    Window(WindowColumn, Field),
}

/// An aggregate, and the FILTER of its rows.
#[derive(Clone, Debug)]
pub(crate) struct Filtered {
    pub(crate) aggregate: Arc<AggregateFunctionExpr>,
    pub(crate) filter: Option<Arc<dyn PhysicalExpr>>,
}

/// What is aggregated, and by what.
#[derive(Clone, Debug)]
pub(crate) struct Partial {
    /// In the order of the states' columns.
    pub(crate) groups: Vec<GroupColumn>,
    pub(crate) aggregates: Vec<Filtered>,
    pub(crate) windows: Windows,
    /// The input's column with the start of the row's pane.
    pub(crate) pane_column: usize,
}

/// Rows to partial states: group columns ++ state columns.
#[derive(Debug)]
pub(crate) struct PartialAggregateExec {
    input: Arc<dyn ExecutionPlan>,
    partial: Partial,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl PartialAggregateExec {
    pub(crate) fn try_new(input: Arc<dyn ExecutionPlan>, partial: Partial) -> Result<Self> {
        let below = input.schema();
        let mut fields = Vec::new();
        for group in &partial.groups {
            fields.push(match group {
                GroupColumn::Expr(expr, name) => {
                    let field = expr.return_field(&below)?;
                    Arc::new(field.as_ref().clone().with_name(name))
                }
                GroupColumn::Window(_, field) => Arc::new(field.clone()),
            });
        }
        for filtered in &partial.aggregates {
            fields.extend(filtered.aggregate.state_fields()?);
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(Self {
            input,
            partial,
            properties: Arc::new(PlanProperties::new(
                EquivalenceProperties::new(schema),
                Partitioning::UnknownPartitioning(1),
                EmissionType::Final,
                Boundedness::Bounded,
            )),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    fn over(&self, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.into_iter().next() else {
            return Err(PlanError::internal("an aggregation needs rows").into_engine());
        };
        Ok(Arc::new(Self::try_new(input, self.partial.clone())?))
    }
}

impl DisplayAs for PartialAggregateExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.partial.groups.iter().map(|group| match group {
            GroupColumn::Expr(expr, name) if expr.to_string() == *name => name.clone(),
            GroupColumn::Expr(expr, name) => format!("{expr} as {name}"),
            GroupColumn::Window(_, field) => field.name().clone(),
        });
        let aggregates = self.partial.aggregates.iter();
        write!(
            f,
            "PartialAggregateExec: gby=[{}], aggr=[{}]",
            groups.collect::<Vec<_>>().join(", "),
            aggregates
                .map(|filtered| filtered.aggregate.name().to_owned())
                .collect::<Vec<_>>()
                .join(", ")
        )
    }
}

impl ExecutionPlan for PartialAggregateExec {
    fn name(&self) -> &str {
        "PartialAggregateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let mut all = Vec::new();
        for group in &self.partial.groups {
            if let GroupColumn::Expr(expr, _) = group {
                all.push(Arc::clone(expr));
            }
        }
        for filtered in &self.partial.aggregates {
            all.extend(filtered.aggregate.expressions());
            all.extend(filtered.filter.clone());
        }
        for expr in &all {
            if f(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let options = &context.session_config().options().execution;
        let mut groups = Groups::new(
            &self.partial,
            &self.schema(),
            EpochRun::of(&context).ok(),
            Probe {
                rows: options.skip_partial_aggregation_probe_rows_threshold,
                ratio: options.skip_partial_aggregation_probe_ratio_threshold,
            },
        )?;
        let size = context.session_config().batch_size();
        let mut input = self.input.execute(partition, context)?;
        let taken = BaselineMetrics::new(&self.metrics, partition);
        let states = async move {
            let mut states = Vec::new();
            while let Some(batch) = input.next().await {
                let batch = batch?;
                let _timer = taken.elapsed_compute().timer();
                groups.add(&batch, &mut states)?;
            }
            let _timer = taken.elapsed_compute().timer();
            groups.give(&mut states)?;
            let slices = states.iter().flat_map(|states| slices(states, size));
            let slices: Vec<Result<RecordBatch>> = slices.map(Ok).collect();
            taken.record_output(states.iter().map(RecordBatch::num_rows).sum());
            taken.done();
            Ok::<_, DataFusionError>(futures::stream::iter(slices))
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            futures::stream::once(states).try_flatten(),
        )))
    }
}

/// A batch in slices of at most so many rows: whoever takes them in must not hold a thread for long.
fn slices(batch: &RecordBatch, size: usize) -> impl Iterator<Item = RecordBatch> + '_ {
    let size = size.max(1);
    let starts = (0..batch.num_rows()).step_by(size);
    starts.map(move |start| batch.slice(start, size.min(batch.num_rows() - start)))
}

/// The aggregate's own accumulator over groups, or the engine's adapter around one per group.
pub(crate) fn accumulator(
    aggregate: &Arc<AggregateFunctionExpr>,
) -> Result<Box<dyn GroupsAccumulator>> {
    if aggregate.groups_accumulator_supported() {
        return aggregate.create_groups_accumulator();
    }
    let aggregate = Arc::clone(aggregate);
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || {
        aggregate.create_accumulator()
    })))
}

/// When grouping is left to those who take the states in: after so many rows, if more than this share of them are groups of their own.
#[derive(Clone, Copy)]
struct Probe {
    rows: usize,
    ratio: f64,
}

/// The groups of a run.
struct Groups {
    partial: Partial,
    /// Where the batches come from, and what other queries have worked out of them.
    run: Option<Arc<EpochRun>>,
    /// Of the states.
    schema: SchemaRef,
    /// By the row's pane, if a column of its window is asked for, and by the expressions.
    table: Box<dyn GroupValues>,
    accumulators: Vec<Accumulated>,
    indices: Vec<usize>,
    probe: Probe,
    /// Rows that came.
    rows: usize,
    /// Whether states are made of single rows by now.
    ungrouped: bool,
}

impl Groups {
    fn new(
        partial: &Partial,
        schema: &SchemaRef,
        run: Option<Arc<EpochRun>>,
        probe: Probe,
    ) -> Result<Self> {
        let (mut pane, mut columns) = (None, Vec::new());
        for (group, field) in partial.groups.iter().zip(schema.fields()) {
            match group {
                GroupColumn::Expr(..) => columns.push(Arc::clone(field)),
                GroupColumn::Window(..) => pane = Some(Arc::clone(field)),
            }
        }
        columns.splice(0..0, pane);
        let accumulators = partial.aggregates.iter().map(Accumulated::new);
        Ok(Self {
            partial: partial.clone(),
            run,
            schema: Arc::clone(schema),
            table: words::group_values(&Arc::new(Schema::new(columns)))?,
            accumulators: accumulators.collect::<Result<_>>()?,
            indices: Vec::new(),
            probe,
            rows: 0,
            ungrouped: false,
        })
    }

    /// Takes the rows of a batch in; where grouping them is not worth it, their states go to `states` at once.
    fn add(&mut self, batch: &RecordBatch, states: &mut Vec<RecordBatch>) -> Result<()> {
        let columns = self.columns(batch)?;
        let arguments = self
            .accumulators
            .iter_mut()
            .map(|accumulated| accumulated.arguments(batch))
            .collect::<Result<Vec<Arguments>>>()?;
        if self.ungrouped {
            let mut columns = self.group_columns(columns)?;
            for (accumulated, arguments) in self.accumulators.iter().zip(&arguments) {
                let filter = arguments.filter();
                let accumulator = &accumulated.accumulator;
                columns.extend(accumulator.convert_to_state(&arguments.values, filter)?);
            }
            states.push(RecordBatch::try_new(Arc::clone(&self.schema), columns)?);
            return Ok(());
        }
        self.look_up(&columns)?;
        let groups = self.table.len();
        for (accumulated, arguments) in self.accumulators.iter_mut().zip(&arguments) {
            let filter = arguments.filter();
            let accumulator = &mut accumulated.accumulator;
            accumulator.update_batch(&arguments.values, &self.indices, filter, groups)?;
        }
        self.rows += batch.num_rows();
        if self.rows >= self.probe.rows && groups as f64 / self.rows as f64 > self.probe.ratio {
            self.give(states)?;
            self.ungrouped = true;
        }
        Ok(())
    }

    /// Finds the groups of rows, given what tells them apart.
    fn look_up(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let Some(pairs) = self.pairs(columns) else {
            return self.table.intern(columns, &mut self.indices);
        };
        let columns = columns
            .iter()
            .map(|column| take(column, &pairs.firsts, None));
        let columns: Vec<ArrayRef> = columns.collect::<std::result::Result<_, _>>()?;
        let mut groups = Vec::new();
        self.table.intern(&columns, &mut groups)?;
        self.indices.clear();
        self.indices.reserve(pairs.of_rows.len());
        for pair in &pairs.of_rows {
            let group = groups.get(*pair as usize).copied();
            self.indices.push(group.ok_or_else(lost_pane)?);
        }
        Ok(())
    }

    /// Where queries share a batch: which of its rows are of one group, told once for all that ask for the same.
    fn pairs(&self, columns: &[ArrayRef]) -> Option<Arc<Pairs>> {
        let has_pane = self.partial.groups.iter().any(GroupColumn::is_window);
        let (pane, keys) = match columns {
            [pane, keys @ ..] if has_pane => (Some(pane), keys),
            keys => (None, keys),
        };
        if keys.is_empty() {
            return None;
        }
        let numbered = self.run.as_ref()?.once(keys, || Numbered::of(keys))?;
        let panes = match pane {
            Some(pane) => Some(pane.as_primitive_opt::<TimestampMicrosecondType>()?),
            None => None,
        };
        numbered.as_ref().as_ref()?.pairs(panes)
    }

    /// The states of all groups.
    fn give(&mut self, states: &mut Vec<RecordBatch>) -> Result<()> {
        if self.table.is_empty() {
            return Ok(());
        }
        let columns = self.table.emit(EmitTo::All)?;
        let mut columns = self.group_columns(columns)?;
        for accumulated in &mut self.accumulators {
            columns.extend(accumulated.accumulator.state(EmitTo::All)?);
        }
        states.push(RecordBatch::try_new(Arc::clone(&self.schema), columns)?);
        Ok(())
    }

    /// What tells the groups of a batch's rows apart.
    fn columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let groups = &self.partial.groups;
        let mut columns = Vec::with_capacity(groups.len());
        if groups.iter().any(GroupColumn::is_window) {
            let pane = batch.columns().get(self.partial.pane_column);
            columns.push(Arc::clone(pane.ok_or_else(lost_pane)?));
        }
        for group in groups {
            if let GroupColumn::Expr(expr, _) = group {
                columns.push(expr.evaluate(batch)?.into_array(batch.num_rows())?);
            }
        }
        Ok(columns)
    }

    /// The groups' columns, given what tells groups apart.
    fn group_columns(&self, columns: Vec<ArrayRef>) -> Result<Vec<ArrayRef>> {
        let groups = &self.partial.groups;
        let mut columns = columns.into_iter();
        let pane = match groups.iter().any(GroupColumn::is_window) {
            true => columns.next(),
            false => None,
        };
        let of_group = groups.iter().map(|group| match group {
            GroupColumn::Expr(..) => columns.next().ok_or_else(lost_pane),
            GroupColumn::Window(column, _) => {
                let pane = pane.as_ref().ok_or_else(lost_pane)?;
                of_panes(pane, &self.partial.windows, *column)
            }
        });
        of_group.collect()
    }
}

impl GroupColumn {
    fn is_window(&self) -> bool {
        matches!(self, Self::Window(..))
    }
}

fn lost_pane() -> DataFusionError {
    PlanError::internal("a row lost its window on its way through a plan").into_engine()
}

/// The column of the window that each of some panes is; the pane itself, where it is of several windows.
fn of_panes(panes: &ArrayRef, windows: &Windows, column: WindowColumn) -> Result<ArrayRef> {
    if !windows.is_single() || column == WindowColumn::Start {
        return Ok(Arc::clone(panes));
    }
    let panes = panes
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(lost_pane)?;
    let (mut last, mut value) = (None, None);
    let values = panes.iter().map(|pane| {
        if last != Some(pane) {
            last = Some(pane);
            value = pane
                .and_then(|pane| windows.windows_of(pane).next())
                .map(|window: Range<i64>| column.of(&window));
        }
        value
    });
    let values = TimestampMicrosecondArray::from_iter(values);
    Ok(Arc::new(values.with_data_type(panes.data_type().clone())))
}
