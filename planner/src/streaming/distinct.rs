//! SELECT DISTINCT is GROUP BY every column: within a window its state is bounded like that of any aggregation.

use std::sync::Arc;

use datafusion::{
    common::tree_node::Transformed,
    logical_expr::{Aggregate, Distinct, Expr, LogicalPlan},
};

use crate::error::Result;

/// The plan with an aggregation for every SELECT DISTINCT.
pub(crate) fn group_distinct(plan: LogicalPlan) -> Result<LogicalPlan> {
    let grouped = plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::Distinct(Distinct::All(input)) = &plan else {
            return Ok(Transformed::no(plan));
        };
        let columns = input.schema().columns().into_iter().map(Expr::Column);
        let aggregate = Aggregate::try_new(Arc::clone(input), columns.collect(), Vec::new())?;
        Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
    })?;
    Ok(grouped.data)
}
