//! `first_value`, `last_value` and `nth_value` without ORDER BY go by event time.
//!
//! In the order that rows happen to come in, over partitions and restarts, no two runs would agree, nor a stream with a batch. So the order
//! is written into the plan, by the event time of the rows (by the window, where they are results of windows), under the name that the
//! aggregate has without it. Where a subquery left that column out there is nothing to go by, and the order stays as rows come.

use std::sync::Arc;

use datafusion::{
    common::{Column, tree_node::Transformed},
    logical_expr::{Aggregate, Expr, LogicalPlan, expr::Sort},
};

use super::lineage::{Origin, origin};
use crate::{error::Result, operators::WindowColumn};

/// Aggregates whose answer is one row's, whichever comes first.
const BY_EVENT_TIME: [&str; 3] = ["first_value", "last_value", "nth_value"];

/// The plan with an order for every such aggregate.
pub(crate) fn order_by_event_time(plan: LogicalPlan) -> Result<LogicalPlan> {
    let ordered = plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::Aggregate(aggregate) = &plan else {
            return Ok(Transformed::no(plan));
        };
        let Some(time) = time_of(&aggregate.input) else {
            return Ok(Transformed::no(plan));
        };
        let exprs = aggregate.aggr_expr.iter();
        let ordered: Vec<Option<Expr>> = exprs.map(|expr| in_order(expr, &time)).collect();
        if ordered.iter().all(Option::is_none) {
            return Ok(Transformed::no(plan));
        }
        let exprs = ordered.into_iter().zip(&aggregate.aggr_expr);
        let aggregate = Aggregate::try_new_with_schema(
            Arc::clone(&aggregate.input),
            aggregate.group_expr.clone(),
            exprs
                .map(|(new, old)| new.unwrap_or_else(|| old.clone()))
                .collect(),
            Arc::clone(&aggregate.schema),
        )?;
        Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
    })?;
    Ok(ordered.data)
}

/// The column of a plan that says when its rows happened.
fn time_of(plan: &LogicalPlan) -> Option<Column> {
    plan.schema().columns().into_iter().find(|column| {
        matches!(
            origin(plan, column),
            Some(Origin::EventTime | Origin::Window(1, WindowColumn::Time | WindowColumn::End))
        )
    })
}

fn in_order(expr: &Expr, time: &Column) -> Option<Expr> {
    let mut ordered = expr.clone().unalias();
    let Expr::AggregateFunction(call) = &mut ordered else {
        return None;
    };
    if !call.params.order_by.is_empty() || !BY_EVENT_TIME.contains(&call.func.name()) {
        return None;
    }
    call.params.order_by = vec![Sort::new(Expr::Column(time.clone()), true, false)];
    Some(ordered.alias(expr.schema_name().to_string()))
}
