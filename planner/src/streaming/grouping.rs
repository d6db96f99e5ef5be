//! What an aggregation groups by: expressions, and with GROUPING SETS, ROLLUP and CUBE which of them count in which set.

use datafusion::{
    common::{Column, DFSchema, ScalarValue},
    logical_expr::{Aggregate, Expr, ExprSchemable, GroupingSet, utils::grouping_set_to_exprlist},
    physical_expr::create_physical_expr,
    physical_plan::aggregates::PhysicalGroupBy,
};
use datafusion::{
    execution::context::ExecutionProps,
    logical_expr::physical_planning_context::PhysicalPlanningContext,
};

use crate::error::{PlanError, Result};

/// The expressions of GROUP BY, each once, in the order of the aggregation's columns.
pub(crate) fn group_exprs(aggregate: &Aggregate) -> Vec<&Expr> {
    match grouping_set_to_exprlist(&aggregate.group_expr) {
        Ok(exprs) => exprs,
        // Sets beside plain expressions: the engine has put them together before.
        Err(_) => aggregate.group_expr.iter().collect(),
    }
}

/// The grouping sets; none where everything is grouped by every expression.
pub(crate) fn grouping_sets(aggregate: &Aggregate) -> Result<Vec<Vec<&Expr>>> {
    match aggregate.group_expr.as_slice() {
        [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] => {
            Ok(sets.iter().map(|set| set.iter().collect()).collect())
        }
        // Alone they have a set of nothing, in which there is no window.
        [Expr::GroupingSet(GroupingSet::Rollup(_) | GroupingSet::Cube(_))] => Err(no_window()),
        _ => Ok(Vec::new()),
    }
}

/// A set without the window would be a group that never ends.
pub(crate) fn no_window() -> PlanError {
    PlanError::unsupported("a grouping set without the window needs unbounded state").hint(
        "keep the window out of ROLLUP and CUBE: GROUP BY window_start, window_end, ROLLUP (…)",
    )
}

/// The same for the engine, and by `hidden` columns before the others; with how many columns its groups have.
pub(super) fn physical_groups(
    aggregate: &Aggregate,
    hidden: &[Column],
    input: &DFSchema,
    props: &ExecutionProps,
) -> Result<(PhysicalGroupBy, usize)> {
    let context = PhysicalPlanningContext::default();
    let exprs = group_exprs(aggregate);
    let sets = grouping_sets(aggregate)?;
    let hidden: Vec<Expr> = hidden.iter().cloned().map(Expr::Column).collect();
    let names = aggregate.schema.fields().iter().map(|field| field.name());
    let of_query = exprs.iter().copied().zip(names.cloned());
    let of_ours = hidden
        .iter()
        .map(|expr| (expr, expr.schema_name().to_string()));
    let (mut groups, mut nulls) = (Vec::new(), Vec::new());
    for (expr, name) in of_ours.chain(of_query) {
        groups.push((
            create_physical_expr(expr, input, props, &context)?,
            name.clone(),
        ));
        let null = ScalarValue::try_from(&expr.get_type(input)?)?;
        let null = create_physical_expr(&Expr::Literal(null, None), input, props, &context)?;
        nulls.push((null, name));
    }
    let count = groups.len();
    if sets.is_empty() {
        return Ok((PhysicalGroupBy::new_single(groups), count));
    }
    let masks = sets
        .iter()
        .map(|set| {
            let left_out = exprs.iter().map(|expr| !set.contains(expr));
            hidden.iter().map(|_| false).chain(left_out).collect()
        })
        .collect();
    // The engine adds a column that says which set it is.
    Ok((PhysicalGroupBy::new(groups, nulls, masks, true), count + 1))
}
