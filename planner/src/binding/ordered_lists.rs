//! Lists that are made of a subquery with an order have that order: `SELECT array_agg(a) FROM (SELECT a FROM t ORDER BY b) AS s`.
//!
//! PostgreSQL aggregates rows as they come; the engine shares them out among threads, so the order becomes the aggregate's own. It is carried up
//! to it through projections, filters and limits, as a column more where nobody selected what it is by. Beside an aggregate with an order of
//! its own nothing is done: the engine refuses two orders that differ.

use std::{collections::BTreeSet, sync::Arc};

use datafusion::{
    common::{
        Column, Result,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::{
        Aggregate, Expr, LogicalPlan, Projection, SortExpr, SubqueryAlias, expr::AggregateFunction,
        expr_rewriter::NamePreserver,
    },
    optimizer::AnalyzerRule,
};

/// Aggregates whose result is another one in another order.
const LISTS: [&str; 2] = ["array_agg", "string_agg"];
/// What a column is called that carries an order, before its number.
const CARRIED: &str = "__sluice_order_";

/// The rule.
#[derive(Debug)]
pub(super) struct OrderedLists;

impl AnalyzerRule for OrderedLists {
    fn name(&self) -> &str {
        "ordered_lists"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(in_order)?.data)
    }
}

fn in_order(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Aggregate(aggregate) = &plan else {
        return Ok(Transformed::no(plan));
    };
    let called = || aggregate.aggr_expr.iter().filter_map(function_of);
    let has_order = called().any(|function| !function.params.order_by.is_empty());
    if has_order || !called().any(is_list) {
        return Ok(Transformed::no(plan));
    }
    let Some((input, order)) = carried(&aggregate.input)? else {
        return Ok(Transformed::no(plan));
    };
    let names = NamePreserver::new(&plan);
    let listed = aggregate.aggr_expr.iter().map(|expr| {
        let name = names.save(expr);
        name.restore(ordered(expr.clone(), &order))
    });
    let listed = listed.collect();
    let aggregate = Aggregate::try_new(Arc::new(input), aggregate.group_expr.clone(), listed)?;
    Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
}

fn function_of(expr: &Expr) -> Option<&AggregateFunction> {
    match expr {
        Expr::AggregateFunction(function) => Some(function),
        Expr::Alias(alias) => function_of(&alias.expr),
        _ => None,
    }
}

fn is_list(function: &AggregateFunction) -> bool {
    LISTS.contains(&function.func.name()) && !function.params.distinct
}

fn ordered(expr: Expr, order: &[SortExpr]) -> Expr {
    match expr {
        Expr::AggregateFunction(mut function) if is_list(&function) => {
            function.params.order_by = order.to_vec();
            Expr::AggregateFunction(function)
        }
        Expr::Alias(mut alias) => {
            *alias.expr = ordered(alias.expr.as_ref().clone(), order);
            Expr::Alias(alias)
        }
        other => other,
    }
}

/// The plan with the columns that its rows are ordered by, and the order; `None` where they have none that can be carried.
fn carried(plan: &LogicalPlan) -> Result<Option<(LogicalPlan, Vec<SortExpr>)>> {
    match plan {
        LogicalPlan::Sort(sort) => {
            let plain = sort.expr.iter().all(|by| !has_subquery(&by.expr));
            Ok(plain.then(|| (plan.clone(), sort.expr.clone())))
        }
        LogicalPlan::Limit(_) | LogicalPlan::Filter(_) => {
            let [input] = plan.inputs()[..] else {
                return Ok(None);
            };
            let Some((input, order)) = carried(input)? else {
                return Ok(None);
            };
            let plan = plan.with_new_exprs(plan.expressions(), vec![input])?;
            Ok(Some((plan, order)))
        }
        LogicalPlan::Projection(projection) => through(projection),
        LogicalPlan::SubqueryAlias(alias) => renamed(alias),
        _ => Ok(None),
    }
}

fn through(projection: &Projection) -> Result<Option<(LogicalPlan, Vec<SortExpr>)>> {
    let Some((input, order)) = carried(&projection.input)? else {
        return Ok(None);
    };
    let own = projection.schema.columns();
    let mut exprs = projection.expr.clone();
    let mut outer = Vec::with_capacity(order.len());
    for (at, by) in order.into_iter().enumerate() {
        let selected = projection.expr.iter().zip(&own);
        let mut selected = selected.filter(|(expr, _)| without_alias(expr) == &by.expr);
        let column = if let Some((_, column)) = selected.next() {
            column.clone()
        } else {
            let name = format!("{CARRIED}{at}");
            exprs.push(by.expr.clone().alias(name.clone()));
            Column::from_name(name)
        };
        let expr = Expr::Column(column);
        outer.push(SortExpr { expr, ..by });
    }
    let projection = Projection::try_new(exprs, Arc::new(input))?;
    Ok(Some((LogicalPlan::Projection(projection), outer)))
}

fn renamed(alias: &SubqueryAlias) -> Result<Option<(LogicalPlan, Vec<SortExpr>)>> {
    let Some((input, order)) = carried(&alias.input)? else {
        return Ok(None);
    };
    let fields = input.schema().fields();
    let names: BTreeSet<&String> = fields.iter().map(|field| field.name()).collect();
    if names.len() < fields.len() {
        return Ok(None);
    }
    let mut outer = Vec::with_capacity(order.len());
    for by in order {
        let expr = by.expr.transform(|expr| {
            Ok(match expr {
                Expr::Column(column) => {
                    let relation = Some(alias.alias.clone());
                    Transformed::yes(Expr::Column(Column::new(relation, column.name)))
                }
                other => Transformed::no(other),
            })
        })?;
        outer.push(SortExpr::new(expr.data, by.asc, by.nulls_first));
    }
    let renamed = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
    Ok(Some((LogicalPlan::SubqueryAlias(renamed), outer)))
}

fn without_alias(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => without_alias(&alias.expr),
        other => other,
    }
}

/// Whether it asks for rows of another plan, or of the one around.
fn has_subquery(expr: &Expr) -> bool {
    let found = expr.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
        ))
    });
    found.unwrap_or(true)
}
