//! The node that says which column is event time and how the watermark follows from it.
//!
//! It stands right above a stream's scan when the stream declares the watermark, and where the query put it when the query does. Nothing
//! may be pushed through it: a row that WHERE drops still moves the watermark.

use std::{cmp::Ordering, fmt};

use datafusion::{
    common::DFSchemaRef,
    error::Result,
    logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore},
};

use crate::error::PlanError;

/// Rows pass through unchanged; those without usable time do not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WatermarkNode {
    /// What the rows come from.
    pub input: LogicalPlan,
    /// The event-time column.
    pub time: Expr,
    /// The watermark of a row.
    pub watermark: Expr,
}

impl PartialOrd for WatermarkNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for WatermarkNode {
    fn name(&self) -> &str {
        "Watermark"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.time.clone(), self.watermark.clone()]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watermark: {} AS {}", self.time, self.watermark)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut exprs = exprs.into_iter();
        let mut inputs = inputs.into_iter();
        match (inputs.next(), exprs.next(), exprs.next()) {
            (Some(input), Some(time), Some(watermark)) => Ok(Self {
                input,
                time,
                watermark,
            }),
            _ => Err(PlanError::internal("a watermark node lost a part").into_engine()),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let schema = self.input.schema();
        let mut needed = output_columns.to_vec();
        for expr in [&self.time, &self.watermark] {
            for column in expr.column_refs() {
                needed.push(schema.maybe_index_of_column(column)?);
            }
        }
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}
