//! Subqueries where the engine takes none: EXISTS and ARRAY(SELECT …) in a select list, one that names the row around it and is no
//! aggregate, and `= ANY (SELECT …)`.
//!
//! Questions about the catalog have rules of their own (`catalog/rules.rs`).

use std::ops::ControlFlow;

use sluice_sql::ast::{
    BinaryOperator, Expr, FunctionArguments, LimitClause, Query, Select, SelectItem, Statement,
    Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::{expression, name_of};
use crate::dialect::{
    catalog::{is_correlated, plain_select, wrap},
    single,
};

/// Rewrites the subqueries of a statement.
pub(super) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut Subqueries);
}

struct Subqueries;

impl VisitorMut for Subqueries {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                // In a condition EXISTS is a join of the engine's; in a list it has none.
                let _ = VisitMut::visit(expr, &mut Listed { depth: 0 });
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let other = match expr {
            Expr::Function(function) if name_of(&function.name).as_deref() == Some("array") => {
                match &mut function.args {
                    FunctionArguments::Subquery(query) => list_of(query),
                    _ => None,
                }
            }
            Expr::Subquery(query) => {
                only_row(query);
                None
            }
            Expr::AnyOp {
                left,
                compare_op: BinaryOperator::Eq,
                right,
                ..
            } => in_subquery(left, right, false),
            Expr::AllOp {
                left,
                compare_op: BinaryOperator::NotEq,
                right,
            } => in_subquery(left, right, true),
            _ => None,
        };
        if let Some(other) = other {
            *expr = other;
        }
        ControlFlow::Continue(())
    }
}

/// EXISTS of a select list, but not of the subqueries in it.
struct Listed {
    depth: usize,
}

impl VisitorMut for Listed {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Exists { subquery, negated } = expr
            && let Some(same) = counted(subquery, *negated)
        {
            *expr = same;
        }
        ControlFlow::Continue(())
    }
}

/// `EXISTS (SELECT … FROM t WHERE …)` as `(SELECT count(*) > 0 FROM t WHERE …)`.
fn counted(query: &Query, negated: bool) -> Option<Expr> {
    let count = expression(if negated {
        "count(*) = 0"
    } else {
        "count(*) > 0"
    })?;
    let mut counted = query.clone();
    let plain = plain_select(&mut counted).filter(|(select, _)| !aggregates(select));
    match plain {
        Some((select, _)) => {
            select.projection = vec![SelectItem::UnnamedExpr(count)];
            counted.order_by = None;
            Some(Expr::Subquery(Box::new(counted)))
        }
        None => expression(&format!("(SELECT {count} FROM ({query}) AS sluice_rows)")),
    }
}

/// `ARRAY(SELECT x FROM t ORDER BY y)` as the aggregate of a subquery; of no rows it is a list of none.
fn list_of(query: &Query) -> Option<Expr> {
    let mut listed = query.clone();
    let plain = plain_select(&mut listed).filter(|(select, _)| !aggregates(select));
    let subquery = match plain {
        Some((select, order_by)) => {
            let [item] = select.projection.as_mut_slice() else {
                return None;
            };
            // By position means by the one column there is.
            let written = match &*item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    expr.clone()
                }
                _ => return None,
            };
            let order_by = order_by.into_iter().map(|mut by| {
                if matches!(by.expr, Expr::Value(_)) {
                    by.expr = written.clone();
                }
                by
            });
            let order_by = order_by.collect();
            wrap(item, "array_agg", order_by);
            listed.order_by = None;
            format!("({listed})")
        }
        None => format!(
            "(SELECT array_agg(sluice_rows.sluice_value) FROM ({query}) AS sluice_rows (sluice_value))"
        ),
    };
    expression(&format!("sluice_or_empty({subquery})"))
}

/// A subquery that names the row around it: the engine takes aggregates alone. One without a limit may have one row.
fn only_row(query: &mut Query) {
    if !is_correlated(query) {
        return;
    }
    let mut only = query.clone();
    let first = is_first(&only);
    if first {
        only.limit_clause = None;
        only.fetch = None;
    }
    let Some((select, order_by)) = plain_select(&mut only) else {
        return;
    };
    if aggregates(select) {
        return;
    }
    let [item] = select.projection.as_mut_slice() else {
        return;
    };
    match first {
        true => wrap(item, "first_value", order_by),
        false => wrap(item, single::NAME, Vec::new()),
    }
    only.order_by = None;
    *query = only;
}

fn is_first(query: &Query) -> bool {
    match &query.limit_clause {
        Some(LimitClause::LimitOffset {
            limit: Some(Expr::Value(value)),
            offset: None,
            ..
        }) => matches!(&value.value, Value::Number(number, _) if number == "1"),
        _ => false,
    }
}

fn in_subquery(left: &Expr, right: &Expr, negated: bool) -> Option<Expr> {
    let Expr::Subquery(query) = right else {
        return None;
    };
    Some(Expr::InSubquery {
        expr: Box::new(left.clone()),
        subquery: query.clone(),
        negated,
    })
}

/// Functions of many rows; a select list with one of them gives one row already.
const AGGREGATES: [&str; 33] = [
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "array_agg",
    "string_agg",
    "json_agg",
    "jsonb_agg",
    "json_object_agg",
    "jsonb_object_agg",
    "bool_and",
    "bool_or",
    "every",
    "bit_and",
    "bit_or",
    "bit_xor",
    "first_value",
    "last_value",
    "nth_value",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "variance",
    "var_pop",
    "var_samp",
    "corr",
    "median",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "approx_percentile",
    single::NAME,
];

fn aggregates(select: &Select) -> bool {
    struct Found(bool);
    impl Visitor for Found {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Function(function) = expr
                && function.over.is_none()
                && let Some(name) = name_of(&function.name)
            {
                self.0 |= AGGREGATES.contains(&name.as_str()) || name.starts_with("approx_");
            }
            ControlFlow::Continue(())
        }
    }
    let mut found = Found(false);
    for item in &select.projection {
        let _ = item.visit(&mut found);
    }
    found.0
}
