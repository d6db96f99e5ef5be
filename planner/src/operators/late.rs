//! Takes out rows whose windows had all closed when the epoch began, and notes those that missed some.
//!
//! Stands right below the aggregation, above every WHERE: a row that WHERE drops is not late. The decision looks at the watermark as it
//! was when the epoch began, never at the rows of the epoch itself, so it does not depend on the order they came in.

use std::{fmt, sync::Arc};

use arrow::{
    array::{Array, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray},
    compute::{filter_record_batch, min},
    datatypes::TimestampMicrosecondType,
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

use super::run::{EpochRun, LateRow, Repeats, RowOrigin, RowRef, row_refs};
use crate::{error::PlanError, windows::Windows};

/// Lets rows of open windows pass and notes what missed windows.
#[derive(Debug)]
pub(crate) struct LateExec {
    input: Arc<dyn ExecutionPlan>,
    origin: RowOrigin,
    pane_column: usize,
    windows: Windows,
    metrics: ExecutionPlanMetricsSet,
}

impl LateExec {
    pub(crate) fn new(
        input: Arc<dyn ExecutionPlan>,
        origin: RowOrigin,
        pane_column: usize,
        windows: Windows,
    ) -> Self {
        Self {
            input,
            origin,
            pane_column,
            windows,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn over(&self, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.into_iter().next() else {
            return Err(PlanError::internal("lateness needs rows").into_engine());
        };
        Ok(Arc::new(Self::new(
            input,
            self.origin,
            self.pane_column,
            self.windows.clone(),
        )))
    }
}

impl DisplayAs for LateExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LateExec: {}", self.windows)
    }
}

impl ExecutionPlan for LateExec {
    fn name(&self) -> &str {
        "LateExec"
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
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
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
        let run = EpochRun::of(&context)?;
        let schema = self.schema();
        let input = self.input.execute(partition, context)?;
        let step = Step {
            run,
            origin: self.origin,
            pane_column: self.pane_column,
            windows: self.windows.clone(),
        };
        let mut seen = Seen::default();
        let taken = BaselineMetrics::new(&self.metrics, partition);
        let output = input.filter_map(move |batch| {
            let _timer = taken.elapsed_compute().timer();
            let passed = batch.and_then(|batch| step.pass(batch, &mut seen));
            if let Ok(Some(passed)) = &passed {
                taken.record_output(passed.num_rows());
            }
            ready(passed.transpose())
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, output)))
    }
}

/// The last row that passed, and the last that was late: with `unnest` below, a row comes several times.
#[derive(Default)]
struct Seen {
    passed: Repeats,
    late: Repeats,
}

struct Step {
    run: Arc<EpochRun>,
    origin: RowOrigin,
    pane_column: usize,
    windows: Windows,
}

impl Step {
    /// The rows of which a window is open; `None` when there are none.
    fn pass(&self, batch: RecordBatch, seen: &mut Seen) -> Result<Option<RecordBatch>> {
        let panes = batch
            .columns()
            .get(self.pane_column)
            .and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>())
            .ok_or_else(|| {
                PlanError::internal("a row lost its window on its way through a plan").into_engine()
            })?;
        // Later panes are in later windows: when the first has missed nothing, none has.
        let earliest = least(panes).and_then(|pane| self.windows.windows_of(pane).next());
        let batch = match (self.run.closed_to_us, earliest) {
            (Some(closed), Some(window)) if window.end <= closed => {
                self.open_rows(&batch, panes, closed, seen)?
            }
            _ => batch,
        };
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let passed = self.origin.count(&batch, &mut seen.passed)?;
        self.run.found().aggregated += passed;
        Ok(Some(batch))
    }

    /// Notes the rows that missed windows; gives those that did not miss all.
    fn open_rows(
        &self,
        batch: &RecordBatch,
        panes: &TimestampMicrosecondArray,
        closed: i64,
        seen: &mut Seen,
    ) -> Result<RecordBatch> {
        let rows = row_refs(batch, self.origin.column)?;
        let mut found = self.run.found();
        let (mut last, mut missed, mut total) = (None, 0, 0);
        let open: BooleanArray = panes
            .values()
            .iter()
            .zip(rows.values())
            .map(|(pane, row)| {
                if last != Some(*pane) {
                    last = Some(*pane);
                    (missed, total) = (0, 0);
                    for window in self.windows.windows_of(*pane) {
                        total += 1;
                        missed += i32::from(window.end <= closed);
                    }
                }
                if missed > 0 && seen.late.is_new(*row) {
                    let row = RowRef::new(*row);
                    found.late.push(LateRow { row, missed, total });
                    found.missed_all += u64::from(missed == total);
                }
                Some(missed < total)
            })
            .collect();
        drop(found);
        Ok(filter_record_batch(batch, &open)?)
    }
}

/// The earliest pane. Neighbours are mostly of one pane: whether some rows are all of the earliest so far is seen without comparing them.
fn least(panes: &TimestampMicrosecondArray) -> Option<i64> {
    const TOGETHER: usize = 64;
    if panes.null_count() > 0 {
        return min(panes);
    }
    let mut least = *panes.values().first()?;
    for some in panes.values().chunks(TOGETHER) {
        let others = some.iter().fold(0, |bits, pane| bits | (pane ^ least));
        if others != 0 {
            least = some.iter().copied().fold(least, i64::min);
        }
    }
    Some(least)
}

#[cfg(test)]
mod tests {
    //! The earliest pane beside the engine's kernel.

    use arrow::{array::TimestampMicrosecondArray, compute::min};

    use super::least;

    #[test]
    fn the_earliest_pane_is_found_wherever_it_stands() {
        for length in [0, 1, 63, 64, 65, 200] {
            for at in 0..length {
                let mut panes = vec![60_i64; length];
                panes[at] = if at % 2 == 0 { 0 } else { 120 };
                let panes = TimestampMicrosecondArray::from(panes);
                assert_eq!(least(&panes), min(&panes), "{at} of {length}");
            }
        }
        let gaps = TimestampMicrosecondArray::from(vec![None, Some(3), Some(2), None]);
        assert_eq!(least(&gaps), Some(2));
        assert_eq!(
            least(&TimestampMicrosecondArray::from(Vec::<i64>::new())),
            None
        );
    }
}
