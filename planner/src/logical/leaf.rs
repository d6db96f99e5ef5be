//! A leaf with any schema: where the streaming rewrite cuts a plan, this takes the place of what was below.

use std::{cmp::Ordering, fmt};

use datafusion::{
    common::DFSchemaRef,
    error::Result,
    logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore},
};

/// The rows of an epoch, or the rows of closed panes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LeafNode {
    /// What it stands for, shown by EXPLAIN.
    pub(crate) label: String,
    /// Its columns, with the qualifiers that the plan above refers to.
    pub(crate) schema: DFSchemaRef,
}

impl PartialOrd for LeafNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for LeafNode {
    fn name(&self) -> &str {
        "Leaf"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, _inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(self.clone())
    }
}
