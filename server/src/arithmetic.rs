//! Arithmetic as PostgreSQL has it, for queries that people ask: what leaves its type is an error, and what becomes a whole number is
//! rounded. Parts of a moment are read on the clock of the session's time zone, and what becomes a text is written as PostgreSQL writes it.
//!
//! The engine's own wraps a sum around, gives infinity for a division by zero and cuts fractions off. A rule puts functions of ours in the
//! place of such operators once the types are known. An error comes only where PostgreSQL would have one: what a condition sorts out does not fail
//! in the next, which is the planner's doing (`ConditionsInOrder`).
//!
//! It must never be part of a continuous query: there a bad row is NULL or a dead letter, not the end ([`without`]).

mod cast;
mod clock;
mod dates;
mod domain;
mod halves;
mod json;
mod lists;
mod marked;
mod operator;
mod span;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        DFSchema, DataFusionError, Result,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode},
    },
    execution::SessionStateBuilder,
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable, LogicalPlan,
        expr::{GroupingSet, ScalarFunction},
        expr_rewriter::NamePreserver,
        utils::merge_schema,
    },
    optimizer::AnalyzerRule,
    prelude::SessionContext,
    scalar::ScalarValue,
};

pub(crate) use halves::{ROUND_EVEN, round_even};
pub(crate) use lists::of as reader_of_lists;
use sluice_planner::functions::CountedValues;

use crate::{
    error::{Error, SqlState},
    table::external,
};

/// What the rule is called.
const NAME: &str = "checked_arithmetic";

/// The rule.
#[derive(Debug)]
pub(crate) struct CheckedArithmetic;

/// The same context for rows without end: one of them must not end it.
pub(crate) fn without(context: &SessionContext) -> SessionContext {
    let state = context.state();
    let rules = state.analyzer().rules.iter();
    let of_people = [NAME, CountedValues::NAME];
    let kept = rules
        .filter(|rule| !of_people.contains(&rule.name()))
        .cloned()
        .collect();
    let state = SessionStateBuilder::new_from_existing(state.clone())
        .with_analyzer_rules(kept)
        .build();
    SessionContext::new_with_state(state)
}

impl AnalyzerRule for CheckedArithmetic {
    fn name(&self) -> &str {
        NAME
    }

    fn analyze(&self, plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
        let zone = clock::of_session(options);
        let plan = plan.transform_up_with_subqueries(|plan| checked(plan, zone))?;
        Ok(plan.data)
    }
}

fn checked(plan: LogicalPlan, zone: Option<&str>) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        let table =
            DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
        schema.merge(&table);
    }
    if let LogicalPlan::Filter(filter) = &plan
        && has_window(&filter.predicate)
    {
        return Err(external(
            Error::user(
                SqlState::WindowingError,
                "window functions are not allowed in WHERE",
            )
            .with_hint("Compute it in a subquery, and filter that."),
        ));
    }
    let names = NamePreserver::new(&plan);
    let below = halves::below(&plan)?;
    let in_order = matches!(plan, LogicalPlan::Sort(_));
    let mut changed = false;
    let plan = plan.map_expressions(|expr| {
        let mut one = |expr: Expr| -> Result<Transformed<Expr>> {
            let name = names.save(&expr);
            let mut expr = expr.transform_up(|expr| replaced(expr, &schema, zone, &below))?;
            if in_order {
                let (ordered, keyed) = json::ordered(expr.data, &schema);
                expr = Transformed::new(ordered, expr.transformed || keyed, expr.tnr);
            }
            changed |= expr.transformed;
            Ok(expr.update_data(|expr| name.restore(expr)))
        };
        match expr {
            Expr::GroupingSet(sets) => in_sets(sets, one),
            expr => one(expr),
        }
    })?;
    if !changed {
        return Ok(plan);
    }
    Ok(Transformed::yes(plan.data.recompute_schema()?))
}

/// The same of what GROUPING SETS, ROLLUP and CUBE group by: each keeps its own name, for the columns above are found by that.
fn in_sets(
    sets: GroupingSet,
    mut one: impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<Expr>> {
    let mut any = false;
    let mut each = |exprs: Vec<Expr>| -> Result<Vec<Expr>> {
        let exprs = exprs.into_iter().map(|expr| {
            let expr = one(expr)?;
            any |= expr.transformed;
            Ok(expr.data)
        });
        exprs.collect()
    };
    let sets = match sets {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(each(exprs)?),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(each(exprs)?),
        GroupingSet::GroupingSets(lists) => {
            let lists = lists.into_iter().map(each);
            GroupingSet::GroupingSets(lists.collect::<Result<_>>()?)
        }
    };
    let sets = Expr::GroupingSet(sets);
    Ok(match any {
        true => Transformed::yes(sets),
        false => Transformed::no(sets),
    })
}

/// An expression in the place of one that the engine would answer wrongly.
fn replaced(
    expr: Expr,
    schema: &DFSchema,
    zone: Option<&str>,
    below: &[LogicalPlan],
) -> Result<Transformed<Expr>> {
    let literal = marked::compared(&expr, schema)?;
    if let Some(keyed) = json::compared(literal.as_ref().unwrap_or(&expr), schema) {
        return Ok(Transformed::yes(keyed));
    }
    if let Some(compared) = literal {
        return Ok(Transformed::yes(compared));
    }
    let function = match &expr {
        Expr::BinaryExpr(binary) => {
            let BinaryExpr { left, op, right } = binary;
            let (Ok(one), Ok(other)) = (left.get_type(schema), right.get_type(schema)) else {
                // What has no type yet is none of ours.
                return Ok(Transformed::no(expr));
            };
            if let Some(compared) = span::compared(binary, &one, &other) {
                return Ok(Transformed::yes(compared));
            }
            let function = (one == other).then(|| operator::of(*op, &one)).flatten();
            function.map(|function| {
                (
                    function,
                    vec![left.as_ref().clone(), right.as_ref().clone()],
                )
            })
        }
        Expr::Cast(written) => {
            if let Expr::Literal(ScalarValue::Utf8(Some(text)), metadata) = written.expr.as_ref() {
                let Some(other) = dates::literal(text, written.field.data_type(), zone)? else {
                    return Ok(Transformed::no(expr));
                };
                let mut cast = written.clone();
                cast.expr = Box::new(Expr::Literal(
                    ScalarValue::Utf8(Some(other)),
                    metadata.clone(),
                ));
                return Ok(Transformed::yes(Expr::Cast(cast)));
            }
            match written.expr.get_type(schema) {
                Ok(from) => {
                    if let Some(dated) = clock::dated(written, &from, zone) {
                        return Ok(Transformed::yes(dated));
                    }
                    cast::of(&from, written.field.data_type(), zone)
                }
                Err(_) => None,
            }
            .map(|function| (function, vec![written.expr.as_ref().clone()]))
        }
        Expr::ScalarFunction(call) => {
            if let Some(zone) = zone
                && let Some(read) = clock::read(call, schema, zone)
            {
                return Ok(Transformed::yes(read));
            }
            if let Some(even) = halves::of(&expr, schema, below) {
                return Ok(Transformed::yes(even));
            }
            return domain::guarded(call, schema, expr.clone());
        }
        _ => None,
    };
    Ok(match function {
        Some((function, arguments)) => Transformed::yes(Expr::ScalarFunction(
            ScalarFunction::new_udf(Arc::new(function), arguments),
        )),
        None => Transformed::no(expr),
    })
}

fn has_window(expr: &Expr) -> bool {
    let found = expr.exists(|expr| Ok(matches!(expr, Expr::WindowFunction(_))));
    found.unwrap_or(false)
}

/// `bigint out of range`.
fn out_of_range(data_type: &DataType) -> DataFusionError {
    let name = match data_type {
        DataType::Int8 | DataType::Int16 => "smallint",
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        _ => "value",
    };
    external(Error::user(
        SqlState::NumericValueOutOfRange,
        format!("{name} out of range"),
    ))
}

#[cfg(test)]
mod tests;
