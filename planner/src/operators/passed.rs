//! Counts the rows of an epoch that came through a plan without windows.

use std::{fmt, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
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
use futures::StreamExt;

use super::run::{EpochRun, Repeats, RowOrigin};
use crate::error::PlanError;

/// Lets everything pass and notes how many rows of the run it came from: one row may have become several on its way.
#[derive(Debug)]
pub(crate) struct PassedExec {
    input: Arc<dyn ExecutionPlan>,
    origin: RowOrigin,
}

impl PassedExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, origin: RowOrigin) -> Self {
        Self { input, origin }
    }

    fn over(&self, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.into_iter().next() {
            Some(input) => Ok(Arc::new(Self::new(input, self.origin))),
            None => Err(PlanError::internal("counting needs rows").into_engine()),
        }
    }
}

impl DisplayAs for PassedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassedExec")
    }
}

impl ExecutionPlan for PassedExec {
    fn name(&self) -> &str {
        "PassedExec"
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
        let schema: SchemaRef = self.schema();
        let input = self.input.execute(partition, context)?;
        let origin = self.origin;
        let mut repeats = Repeats::default();
        let output = input.map(move |batch| {
            let batch: RecordBatch = batch?;
            run.found().aggregated += origin.count(&batch, &mut repeats)?;
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, output)))
    }
}
