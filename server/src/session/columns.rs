//! The columns of a query's rows, told before it runs.
//!
//! What queries that are set together (UNION) have in common is settled by the engine's analysis alone: as planned, their columns have the
//! types of the first. A client that was told these would read other values.

use arrow::datatypes::SchemaRef;
use datafusion::{common::tree_node::TreeNode, logical_expr::LogicalPlan};

use super::Session;
use crate::dialect;

impl Session {
    /// The columns, under the names that people see.
    pub(super) fn columns_of(&self, plan: &LogicalPlan) -> SchemaRef {
        let as_planned = plan.schema().inner();
        let united = plan.exists(|node| Ok(matches!(node, LogicalPlan::Union(_))));
        if !united.unwrap_or(false) {
            return dialect::shown(as_planned);
        }
        let state = self.context().state();
        let analyzer = state.analyzer();
        let analyzed = analyzer.execute_and_check(plan.clone(), state.config_options(), |_, _| {});
        match analyzed {
            Ok(analyzed) => dialect::shown(analyzed.schema().inner()),
            // A parameter without a type, say: whoever runs it says what is wrong.
            Err(_) => dialect::shown(as_planned),
        }
    }
}
