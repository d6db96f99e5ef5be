//! What a query may do with the results of a window before they are rows of its table: aggregate them again, and rank or add them up by
//! OVER.
//!
//! All results of a window come at the same time, when it closes, so nothing has to be remembered for this, as long as the window is among
//! what is grouped or partitioned by.

use datafusion::logical_expr::{Aggregate, Expr, Extension, LogicalPlan, Window};

use super::{
    grouping::{group_exprs, grouping_sets, no_window},
    lineage::{Origin, origin, plain_column},
};
use crate::{
    error::{PlanError, Result},
    logical::WindowNode,
    operators::WindowColumn,
    windows::Windows,
};

/// Whether a plan's rows are results of an aggregation and not yet in another window.
pub(crate) fn over_results(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(_) => true,
        _ if window_node(plan).is_some() => false,
        _ => match plan.inputs().as_slice() {
            [input] => over_results(input),
            _ => false,
        },
    }
}

/// Refuses groups of results that are not within one window.
pub(crate) fn check_aggregate(aggregate: &Aggregate) -> Result<()> {
    let exprs = group_exprs(aggregate);
    let sets = grouping_sets(aggregate)?;
    if sets.is_empty() {
        return match is_window(&aggregate.input, exprs) {
            true => Ok(()),
            false => Err(no_window_between()),
        };
    }
    match sets.into_iter().all(|set| is_window(&aggregate.input, set)) {
        true => Ok(()),
        false => Err(no_window()),
    }
}

/// Refuses OVER that looks at results of other windows.
pub(crate) fn check_over(window: &Window) -> Result<()> {
    for expr in &window.window_expr {
        let Expr::WindowFunction(function) = expr.clone().unalias() else {
            continue;
        };
        if !is_window(&window.input, &function.params.partition_by) {
            return Err(PlanError::unsupported(format!(
                "{}() OVER looks at results of several windows",
                function.fun.name()
            ))
            .detail("a continuous query adds the results of a window when it closes, and knows of no others then")
            .hint("write OVER (PARTITION BY window_start, window_end, …), or apply it when reading the table"));
        }
    }
    Ok(())
}

/// Whether rows that agree in these expressions are of one window.
fn is_window<'a>(input: &LogicalPlan, exprs: impl IntoIterator<Item = &'a Expr>) -> bool {
    exprs.into_iter().any(|expr| {
        let column = plain_column(expr).and_then(|column| origin(input, column));
        match column {
            Some(Origin::Window(0, WindowColumn::End | WindowColumn::Time)) => true,
            // Windows that begin together may end apart.
            Some(Origin::Window(0, WindowColumn::Start)) => {
                nearest_window(input).is_some_and(|window| {
                    !matches!(
                        window.windows,
                        Windows::Cumulate { .. } | Windows::Session { .. }
                    )
                })
            }
            _ => false,
        }
    })
}

fn nearest_window(plan: &LogicalPlan) -> Option<&WindowNode> {
    match window_node(plan) {
        Some(window) => Some(window),
        None => match plan.inputs().as_slice() {
            [input] => nearest_window(input),
            _ => None,
        },
    }
}

fn window_node(plan: &LogicalPlan) -> Option<&WindowNode> {
    match plan {
        LogicalPlan::Extension(Extension { node }) => node.as_any().downcast_ref::<WindowNode>(),
        _ => None,
    }
}

pub(crate) fn no_window_between() -> PlanError {
    PlanError::unsupported("an aggregate over an aggregate needs the window among its groups, or a window of its own")
        .hint("add window_start, window_end to the outer GROUP BY; or give it a window of its own, FROM TUMBLE((SELECT window_time, … GROUP BY window_start, window_end, window_time, …), window_time, INTERVAL '1 hour'); or aggregate again when reading the table")
}
