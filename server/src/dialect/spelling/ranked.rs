//! `LATERAL (SELECT … WHERE t.a = k.a ORDER BY b LIMIT n)`: the first rows of each, which the engine cannot limit for each row beside.
//!
//! They are ranked within the columns that are compared with the row beside, and joined to it. Done where the row beside is compared by `=`
//! alone and the list names its columns; other forms are refused by the planner.

use std::ops::ControlFlow;

use sluice_sql::ast::{
    BinaryOperator, Expr, GroupByExpr, Join, JoinConstraint, JoinOperator, LimitClause,
    OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableFactor, Value, Visit,
    VisitMut, Visitor, VisitorMut,
};

use super::{lateral::relation_name, statement_of};

/// Rewrites the limited laterals of a statement.
pub(super) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut Limited);
}

struct Limited;

impl VisitorMut for Limited {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let names_columns = select.projection.iter().all(|item| {
            matches!(
                item,
                SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
            )
        });
        if names_columns {
            joined(select);
        }
        ControlFlow::Continue(())
    }
}

fn joined(select: &mut Select) {
    for from in &mut select.from {
        for join in &mut from.joins {
            let Some(word) = word_of(&join.join_operator) else {
                continue;
            };
            if let Some(ranked) = ranked(&join.relation, word) {
                *join = ranked;
            }
        }
    }
    // `FROM k, LATERAL (…)` is a join with what stands before it.
    let mut at = 1;
    while let Some(from) = select.from.get(at) {
        match ranked(&from.relation, "JOIN") {
            Some(join) => {
                let mut after = select.from.remove(at).joins;
                if let Some(before) = select.from.get_mut(at - 1) {
                    before.joins.push(join);
                    before.joins.append(&mut after);
                }
            }
            None => at += 1,
        }
    }
}

/// The word for a join that is told nothing but to be one.
fn word_of(operator: &JoinOperator) -> Option<&'static str> {
    let always = |constraint: &JoinConstraint| match constraint {
        JoinConstraint::None => true,
        JoinConstraint::On(Expr::Value(value)) => value.value == Value::Boolean(true),
        _ => false,
    };
    match operator {
        JoinOperator::CrossJoin(_) => Some("JOIN"),
        JoinOperator::Join(on) | JoinOperator::Inner(on) if always(on) => Some("JOIN"),
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) if always(on) => Some("LEFT JOIN"),
        _ => None,
    }
}

fn ranked(factor: &TableFactor, word: &str) -> Option<Join> {
    let TableFactor::Derived {
        lateral: true,
        subquery,
        alias: Some(alias),
        ..
    } = factor
    else {
        return None;
    };
    if !alias.columns.is_empty() || subquery.with.is_some() {
        return None;
    }
    let limit = limit_of(subquery)?;
    let SetExpr::Select(select) = subquery.body.as_ref() else {
        return None;
    };
    let plain = select.distinct.is_none()
        && select.having.is_none()
        && matches!(&select.group_by, GroupByExpr::Expressions(by, more) if by.is_empty() && more.is_empty());
    if !plain {
        return None;
    }
    let compared = Compared::of(select)?;
    let order_by = match subquery.order_by.as_ref().map(|order| &order.kind) {
        None => String::new(),
        Some(OrderByKind::Expressions(by)) => {
            // By position, and by a name of the list, is by something else inside of a window.
            if by.iter().any(|by| !is_own(&by.expr, select)) {
                return None;
            }
            let by: Vec<String> = by.iter().map(ToString::to_string).collect();
            format!("ORDER BY {}", by.join(", "))
        }
        Some(_) => return None,
    };
    let items: Vec<String> = select.projection.iter().map(ToString::to_string).collect();
    let keys = compared.keys.iter().enumerate();
    let keys: Vec<String> = keys
        .map(|(at, (own, _))| format!("{own} AS sluice_key_{at}"))
        .collect();
    let own: Vec<String> = compared
        .keys
        .iter()
        .map(|(own, _)| own.to_string())
        .collect();
    let from: Vec<String> = select.from.iter().map(ToString::to_string).collect();
    let condition = match compared.rest.is_empty() {
        true => String::new(),
        false => format!("WHERE {}", compared.rest.join(" AND ")),
    };
    let on = compared.keys.iter().enumerate();
    let on: Vec<String> = on
        .map(|(at, (_, other))| format!("{}.sluice_key_{at} = {other}", alias.name))
        .collect();
    let text = format!(
        "SELECT 1 FROM sluice_left {word} (SELECT * FROM (SELECT {}, {}, row_number() OVER (PARTITION BY {} {order_by}) AS sluice_row \
         FROM {} {condition}) AS sluice_ranked WHERE sluice_row <= {limit}) AS {} ON {}",
        items.join(", "),
        keys.join(", "),
        own.join(", "),
        from.join(", "),
        alias.name,
        on.join(" AND "),
    );
    let Statement::Query(query) = statement_of(&text)? else {
        return None;
    };
    match *query.body {
        SetExpr::Select(mut select) => select.from.first_mut()?.joins.pop(),
        _ => None,
    }
}

fn limit_of(query: &Query) -> Option<u64> {
    match (&query.limit_clause, &query.fetch) {
        (
            Some(LimitClause::LimitOffset {
                limit: Some(Expr::Value(value)),
                offset: None,
                ..
            }),
            None,
        ) => match &value.value {
            Value::Number(number, _) => number.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an order is by a column of FROM.
fn is_own(expr: &Expr, select: &Select) -> bool {
    let aliases = select.projection.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(&alias.value),
        _ => None,
    });
    match expr {
        Expr::Value(_) => false,
        Expr::Identifier(name) => !aliases.into_iter().any(|alias| *alias == name.value),
        _ => true,
    }
}

/// The conditions of a select: those that compare a column with the row beside, and the others.
struct Compared {
    keys: Vec<(Expr, Expr)>,
    rest: Vec<String>,
}

impl Compared {
    fn of(select: &Select) -> Option<Self> {
        let own: Vec<String> = select
            .from
            .iter()
            .flat_map(|from| {
                std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
            })
            .map(|factor| relation_name(factor).map(|name| name.value))
            .collect::<Option<_>>()?;
        let mut compared = Self {
            keys: Vec::new(),
            rest: Vec::new(),
        };
        let mut open: Vec<&Expr> = select.selection.iter().collect();
        while let Some(condition) = open.pop() {
            if let Expr::BinaryOp {
                left,
                op: BinaryOperator::And,
                right,
            } = condition
            {
                open.extend([left.as_ref(), right.as_ref()]);
                continue;
            }
            if !is_foreign(condition, &own) {
                compared.rest.push(format!("({condition})"));
                continue;
            }
            let Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq,
                right,
            } = condition
            else {
                return None;
            };
            let key = match (is_foreign(left, &own), is_foreign(right, &own)) {
                (false, true) => (left.as_ref().clone(), right.as_ref().clone()),
                (true, false) => (right.as_ref().clone(), left.as_ref().clone()),
                _ => return None,
            };
            compared.keys.push(key);
        }
        (!compared.keys.is_empty()).then_some(compared)
    }
}

/// Whether an expression names a relation that is not one of these.
fn is_foreign(expr: &Expr, own: &[String]) -> bool {
    struct Found<'a> {
        own: &'a [String],
        foreign: bool,
    }
    impl Visitor for Found<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::CompoundIdentifier(names) = expr
                && let [.., relation, _] = names.as_slice()
            {
                self.foreign |= !self.own.contains(&relation.value);
            }
            ControlFlow::Continue(())
        }
    }
    let mut found = Found {
        own,
        foreign: false,
    };
    let _ = expr.visit(&mut found);
    found.foreign
}
