//! `FETCH FIRST n ROWS WITH TIES`: the first rows in an order, and all that are equal to the last of them.
//!
//! Rows are ranked in that order, and those of the first n ranks are given. Done for a plain SELECT with an order; other forms are refused by
//! the planner.

use std::ops::ControlFlow;

use sluice_sql::ast::{
    Expr, Ident, LimitClause, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr,
    Statement, Value, VisitMut, VisitorMut,
};

use super::{expression, statement_of};

/// Columns of the inner query that nobody asked for.
const RANK: &str = "sluice_rank";
const ROW: &str = "sluice_row";

/// Rewrites the queries of a statement.
pub(super) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut Ties);
}

struct Ties;

impl VisitorMut for Ties {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(ranked) = ranked(query) {
            *query = ranked;
        }
        ControlFlow::Continue(())
    }
}

fn ranked(query: &Query) -> Option<Query> {
    let fetch = query.fetch.as_ref()?;
    if !fetch.with_ties || fetch.percent {
        return None;
    }
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let offset = match &query.limit_clause {
        None => None,
        Some(LimitClause::LimitOffset {
            limit: None,
            offset,
            limit_by,
        }) if limit_by.is_empty() => offset.as_ref().map(|offset| offset.value.to_string()),
        Some(_) => return None,
    };
    let OrderByKind::Expressions(by) = &query.order_by.as_ref()?.kind else {
        return None;
    };
    if select.distinct.is_some() {
        return None;
    }
    let by: Option<Vec<String>> = by.iter().map(|by| in_window(by, select)).collect();
    let by = by?.join(", ");
    let mut inner = select.as_ref().clone();
    for (call, name) in [("rank()", RANK), ("row_number()", ROW)] {
        inner.projection.push(SelectItem::ExprWithAlias {
            expr: expression(&format!("{call} OVER (ORDER BY {by})"))?,
            alias: Ident::new(name),
        });
    }
    let rows = fetch.quantity.as_ref();
    let rows = rows.map_or_else(|| "1".to_owned(), ToString::to_string);
    let (last, passed) = match offset {
        None => (format!("CAST({rows} AS BIGINT)"), String::new()),
        Some(offset) => (
            format!("CAST({rows} AS BIGINT) + CAST({offset} AS BIGINT)"),
            format!(" AND {ROW} > CAST({offset} AS BIGINT)"),
        ),
    };
    let text = format!(
        "SELECT * EXCEPT ({RANK}, {ROW}) FROM ({inner}) AS sluice_ranked WHERE {RANK} <= {last}{passed} ORDER BY {ROW}"
    );
    match statement_of(&text)? {
        Statement::Query(outer) => Some(Query {
            with: query.with.clone(),
            ..*outer
        }),
        _ => None,
    }
}

/// An order as a window has it, which knows neither places nor names of the list.
fn in_window(by: &OrderByExpr, select: &Select) -> Option<String> {
    let of_item = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            Some(expr.clone())
        }
        _ => None,
    };
    let expr = match &by.expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => {
                let place: usize = number.parse().ok()?;
                of_item(select.projection.get(place.checked_sub(1)?)?)?
            }
            _ => return None,
        },
        Expr::Identifier(name) => {
            let named = select.projection.iter().find_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } if alias.value == name.value => {
                    Some(expr.clone())
                }
                _ => None,
            });
            named.unwrap_or_else(|| by.expr.clone())
        }
        other => other.clone(),
    };
    let by = OrderByExpr { expr, ..by.clone() };
    Some(by.to_string())
}
