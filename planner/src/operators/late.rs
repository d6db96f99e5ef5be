//! Takes out rows whose window had closed when the epoch began.
//!
//! Stands right below the aggregation, above every WHERE: a row that WHERE drops is not late. The decision looks at the watermark as it
//! was when the epoch began, never at the rows of the epoch itself, so it does not depend on the order they came in.

use std::{fmt, sync::Arc};

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
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
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, future::ready};

use super::run::{EpochRun, RowRef, row_refs};
use crate::error::PlanError;

/// Lets rows of open windows pass and notes the others.
#[derive(Debug)]
pub(crate) struct LateExec {
    input: Arc<dyn ExecutionPlan>,
    row_column: usize,
    window_column: usize,
    size_us: i64,
}

impl LateExec {
    pub(crate) fn new(
        input: Arc<dyn ExecutionPlan>,
        row_column: usize,
        window_column: usize,
        size_us: i64,
    ) -> Self {
        Self {
            input,
            row_column,
            window_column,
            size_us,
        }
    }

    fn over(&self, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.into_iter().next() else {
            return Err(PlanError::internal("lateness needs rows").into_engine());
        };
        Ok(Arc::new(Self::new(
            input,
            self.row_column,
            self.window_column,
            self.size_us,
        )))
    }
}

impl DisplayAs for LateExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LateExec: window of {} us", self.size_us)
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
        let (row_column, window_column, size_us) =
            (self.row_column, self.window_column, self.size_us);
        let output = input.filter_map(move |batch| {
            let passed =
                batch.and_then(|batch| pass(&run, batch, row_column, window_column, size_us));
            ready(passed.transpose())
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, output)))
    }
}

/// The rows of open windows; `None` when there are none.
fn pass(
    run: &EpochRun,
    batch: RecordBatch,
    row_column: usize,
    window_column: usize,
    size_us: i64,
) -> Result<Option<RecordBatch>> {
    let starts = batch
        .columns()
        .get(window_column)
        .and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>())
        .ok_or_else(|| {
            PlanError::internal("a row lost its window on its way through a plan").into_engine()
        })?;
    // A window that starts at or before this has ended.
    let closed = run
        .closed_to_us
        .map(|watermark| watermark.saturating_sub(size_us));
    let batch = match (closed, min(starts)) {
        (Some(closed), Some(first)) if first <= closed => {
            let rows = row_refs(&batch, row_column)?;
            let mut found = run.found();
            let open: BooleanArray = starts
                .values()
                .iter()
                .zip(rows.values())
                .map(|(start, row)| {
                    let open = *start > closed;
                    if !open {
                        found.late.push(RowRef::new(*row));
                    }
                    Some(open)
                })
                .collect();
            drop(found);
            filter_record_batch(&batch, &open)?
        }
        _ => batch,
    };
    if batch.num_rows() == 0 {
        return Ok(None);
    }
    run.found().aggregated += batch.num_rows() as u64;
    Ok(Some(batch))
}
