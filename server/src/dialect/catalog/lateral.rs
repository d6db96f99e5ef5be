//! `CROSS JOIN LATERAL (SELECT f(t.a)) AS o(n)`: a name for an expression over the row, which the engine cannot join. Where `o.n` stands the
//! expression itself says the same; pgbench looks for its tables so.

use std::ops::ControlFlow;

use sluice_sql::ast::{
    Expr, GroupByExpr, Ident, JoinOperator, Query, Select, SelectItem, SetExpr, Statement,
    TableFactor, VisitMut, VisitorMut, visit_expressions,
};

use super::rules::is_aggregate;

/// Puts expressions where their names stand.
pub(super) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut Lateral);
}

struct Lateral;

impl VisitorMut for Lateral {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let SetExpr::Select(select) = query.body.as_mut() else {
            return ControlFlow::Continue(());
        };
        let mut named = Vec::new();
        for from in &mut select.from {
            from.joins.retain(|join| {
                let cross = matches!(join.join_operator, JoinOperator::CrossJoin(_));
                match names_of(&join.relation).filter(|_| cross) {
                    Some(names) => {
                        named.extend(names);
                        false
                    }
                    None => true,
                }
            });
        }
        if named.is_empty() {
            return ControlFlow::Continue(());
        }
        for item in &mut select.projection {
            // The column keeps its name.
            if let SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) = item
                && let [_, column] = parts.as_slice()
            {
                *item = SelectItem::ExprWithAlias {
                    alias: column.clone(),
                    expr: Expr::CompoundIdentifier(parts.clone()),
                };
            }
        }
        query.visit(&mut Names(named))
    }
}

/// A name as `(o, n)`, and what it stands for.
type Named = (Ident, Ident, Expr);

/// What such a subquery names; `None` for any other relation.
fn names_of(relation: &TableFactor) -> Option<Vec<Named>> {
    let TableFactor::Derived {
        lateral: true,
        subquery,
        alias: Some(alias),
        sample: None,
    } = relation
    else {
        return None;
    };
    if subquery.with.is_some() || subquery.limit_clause.is_some() || subquery.fetch.is_some() {
        return None;
    }
    let SetExpr::Select(select) = subquery.body.as_ref() else {
        return None;
    };
    if !is_one_row(select) || select.projection.len() != alias.columns.len() {
        return None;
    }
    let pairs = alias.columns.iter().zip(&select.projection);
    pairs
        .map(|(column, item)| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }
                if !makes_other_rows(expr) =>
            {
                Some((alias.name.clone(), column.name.clone(), expr.clone()))
            }
            _ => None,
        })
        .collect()
}

/// Whether it gives exactly one row, of expressions over the row around it.
fn is_one_row(select: &Select) -> bool {
    let grouped = match &select.group_by {
        GroupByExpr::Expressions(by, _) => !by.is_empty(),
        GroupByExpr::All(_) => true,
    };
    select.from.is_empty()
        && select.selection.is_none()
        && select.having.is_none()
        && select.distinct.is_none()
        && !grouped
}

/// Whether a value is of several rows, or several values are of one.
fn makes_other_rows(expr: &Expr) -> bool {
    let found = visit_expressions(expr, |expr| match expr {
        Expr::Function(call) if call.over.is_some() || is_set(&call.name.to_string()) => {
            ControlFlow::Break(())
        }
        expr if is_aggregate(expr) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

fn is_set(name: &str) -> bool {
    let name = name.rsplit('.').next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    name.starts_with("generate_") || name.contains("unnest") || name.ends_with("explode")
}

struct Names(Vec<Named>);

impl VisitorMut for Names {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [relation, column] = parts.as_slice()
            && let Some((_, _, named)) = self.0.iter().find(|(o, n, _)| {
                o.value.eq_ignore_ascii_case(&relation.value)
                    && n.value.eq_ignore_ascii_case(&column.value)
            })
        {
            *expr = Expr::Nested(Box::new(named.clone()));
        }
        ControlFlow::Continue(())
    }
}
