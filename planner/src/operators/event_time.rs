//! Where a stream's rows get their time: the watermark moves, and rows without usable time leave.
//!
//! Stands where the watermark was declared, below every WHERE of the query, so that a row WHERE drops still moves time on. A row without
//! usable time must neither move the watermark nor go on: one clock set to the year 2100 would close every window for good.

use std::{fmt, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray, UInt64Array,
    },
    compute::{filter_record_batch, max},
    datatypes::{SchemaRef, TimestampMicrosecondType},
};
use datafusion::{
    common::tree_node::TreeNodeRecursion,
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::PhysicalExpr,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
        metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, future::ready};

use super::run::{DeadReason, EpochRun, RowRef, row_refs};
use crate::{bounds::bounds_of, error::PlanError};

/// 0001-01-01T00:00:00Z, the first instant that Delta tables and their readers agree on.
const FIRST_US: i64 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999Z, the last one.
const LAST_US: i64 = 253_402_300_799_999_999;

/// Whether tables and their readers agree on what instant this is.
pub(crate) fn is_storable(time_us: i64) -> bool {
    (FIRST_US..=LAST_US).contains(&time_us)
}

/// How the watermark of a row follows from it.
#[derive(Clone, Debug)]
pub(crate) enum WatermarkRule {
    /// Event time less a constant: by far the commonest, and then only the largest time of a batch is looked at.
    Delay(i64),
    /// Any expression, evaluated for every row.
    Expr(Arc<dyn PhysicalExpr>),
}

/// Takes out rows without usable time and notes the largest watermark per split.
#[derive(Debug)]
pub(crate) struct EventTimeExec {
    input: Arc<dyn ExecutionPlan>,
    time: Arc<dyn PhysicalExpr>,
    rule: WatermarkRule,
    row_column: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl EventTimeExec {
    pub(crate) fn new(
        input: Arc<dyn ExecutionPlan>,
        time: Arc<dyn PhysicalExpr>,
        rule: WatermarkRule,
        row_column: usize,
    ) -> Self {
        Self {
            input,
            time,
            rule,
            row_column,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl EventTimeExec {
    /// What it looks at, how, and where the rows come from.
    pub(crate) fn parts(
        &self,
    ) -> (
        &Arc<dyn PhysicalExpr>,
        &WatermarkRule,
        &Arc<dyn ExecutionPlan>,
    ) {
        (&self.time, &self.rule, &self.input)
    }
}

impl DisplayAs for EventTimeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            WatermarkRule::Delay(delay) => {
                write!(
                    f,
                    "EventTimeExec: {}, watermark {delay} us behind",
                    self.time
                )
            }
            WatermarkRule::Expr(expr) => {
                write!(f, "EventTimeExec: {}, watermark {expr}", self.time)
            }
        }
    }
}

impl ExecutionPlan for EventTimeExec {
    fn name(&self) -> &str {
        "EventTimeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        f(&self.time)?;
        match &self.rule {
            WatermarkRule::Delay(_) => Ok(TreeNodeRecursion::Continue),
            WatermarkRule::Expr(expr) => f(expr),
        }
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.with_new_children_of(children)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.with_new_children_of(children)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let step = Step {
            run: EpochRun::of(&context)?,
            time: Arc::clone(&self.time),
            rule: self.rule.clone(),
            row_column: self.row_column,
        };
        let schema: SchemaRef = self.schema();
        let input = self.input.execute(partition, context)?;
        let taken = BaselineMetrics::new(&self.metrics, partition);
        let output = input.filter_map(move |batch| {
            let _timer = taken.elapsed_compute().timer();
            let passed = batch.and_then(|batch| step.pass(batch));
            if let Ok(Some(passed)) = &passed {
                taken.record_output(passed.num_rows());
            }
            ready(passed.transpose())
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, output)))
    }
}

impl EventTimeExec {
    fn with_new_children_of(
        &self,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.into_iter().next() else {
            return Err(PlanError::internal("event time needs rows").into_engine());
        };
        Ok(Arc::new(Self::new(
            input,
            Arc::clone(&self.time),
            self.rule.clone(),
            self.row_column,
        )))
    }
}

struct Step {
    run: Arc<EpochRun>,
    time: Arc<dyn PhysicalExpr>,
    rule: WatermarkRule,
    row_column: usize,
}

impl Step {
    /// The rows with usable time; `None` when there are none.
    fn pass(&self, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let times = [micros(&self.time, &batch)?];
        let reach = match self.run.once(&times, || reach_of(&times)) {
            Some(reach) => *reach,
            None => reach_of(&times),
        };
        let [times] = &times;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let latest = reach.map(|(_, latest)| latest);
        let batch = match self.dead_mask(&batch, times, reach)? {
            None => {
                self.note_watermarks(&batch, latest)?;
                return Ok(Some(batch));
            }
            Some(usable) => filter_record_batch(&batch, &usable)?,
        };
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let times = micros(&self.time, &batch)?;
        let reach = reach_of(&[times]);
        let latest = reach.map(|(_, latest)| latest);
        self.note_watermarks(&batch, latest)?;
        Ok(Some(batch))
    }

    /// Which rows are usable, the others noted; `None` when all are. `reach` are the least and the greatest of the times.
    fn dead_mask(
        &self,
        batch: &RecordBatch,
        times: &TimestampMicrosecondArray,
        reach: Option<(i64, i64)>,
    ) -> Result<Option<BooleanArray>> {
        let latest = self.run.latest_us.min(LAST_US);
        let clean = times.null_count() == 0
            && reach.is_none_or(|(first, last)| first >= FIRST_US && last <= latest);
        if clean {
            return Ok(None);
        }
        let rows = row_refs(batch, self.row_column)?;
        let mut found = self.run.found();
        let usable = times
            .iter()
            .zip(rows.values())
            .map(|(time, row)| {
                let reason = match time {
                    None => DeadReason::Null,
                    Some(time) if !is_storable(time) => DeadReason::OutOfRange(time),
                    Some(time) if time > latest => DeadReason::Future,
                    Some(_) => return true,
                };
                found.dead.push((RowRef::new(*row), reason));
                false
            })
            .collect::<Vec<bool>>();
        Ok(Some(BooleanArray::from(usable)))
    }

    /// Notes how far the splits of some rows are, of which `newest` is the largest time.
    fn note_watermarks(&self, batch: &RecordBatch, newest: Option<i64>) -> Result<()> {
        let (values, delay_us, newest) = match &self.rule {
            WatermarkRule::Delay(delay_us) => (micros(&self.time, batch)?, *delay_us, newest),
            WatermarkRule::Expr(expr) => {
                let values = micros(expr, batch)?;
                let newest = max(values.as_primitive::<TimestampMicrosecondType>());
                (values, 0, newest)
            }
        };
        let values = values.as_primitive::<TimestampMicrosecondType>();
        let rows = row_refs(batch, self.row_column)?;
        let mut found = self.run.found();
        for (split, from, to) in self.spans(rows)? {
            let largest = if from == 0 && to == values.len() {
                newest
            } else {
                max(&values.slice(from, to - from))
            };
            let largest = largest.map(|time| time.saturating_sub(delay_us));
            if let Some(known) = found.watermarks_us.get_mut(split) {
                *known = (*known).max(largest);
            }
        }
        Ok(())
    }

    /// The batch in spans of one split each: rows come in the order of their splits.
    fn spans(&self, rows: &UInt64Array) -> Result<Vec<(usize, usize, usize)>> {
        let split_at = |index: usize| {
            rows.values()
                .get(index)
                .and_then(|row| self.run.split_of(RowRef::new(*row)))
                .ok_or_else(|| PlanError::internal("a row comes from no split").into_engine())
        };
        let mut spans = Vec::new();
        let mut from = 0;
        while from < rows.len() {
            let split = split_at(from)?;
            let to = if split_at(rows.len() - 1)? == split {
                rows.len()
            } else {
                let mut to = from + 1;
                while split_at(to)? == split {
                    to += 1;
                }
                to
            };
            spans.push((split, from, to));
            from = to;
        }
        Ok(spans)
    }
}

/// The least and the greatest of some times.
fn reach_of([times]: &[ArrayRef; 1]) -> Option<(i64, i64)> {
    bounds_of(times.as_primitive::<TimestampMicrosecondType>())
}

fn micros(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<Arc<dyn Array>> {
    let array = expr.evaluate(batch)?.into_array(batch.num_rows())?;
    match array.as_any().downcast_ref::<TimestampMicrosecondArray>() {
        Some(_) => Ok(array),
        None => Err(PlanError::internal(format!(
            "event time is of type {}, not a timestamp in microseconds",
            array.data_type()
        ))
        .into_engine()),
    }
}
