//! Rewrites of ours, beside upstream's: subqueries that the engine takes only as aggregates.
//!
//! They touch nothing but questions about the catalog: where a user's own subquery gives two rows, that is an error and has to stay one.

use std::ops::ControlFlow;

use sluice_sql::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, LimitClause, ObjectName,
    ObjectNamePart, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, Statement,
    TableFactor, Value, VisitMut, VisitorMut,
};

use super::{answer::only_catalog, functions::SESSION_USER, roles};
use crate::catalog::fold;

/// Before upstream's rules.
pub(super) fn before(mut statement: Statement) -> Statement {
    let _ = statement.visit(&mut SessionUser);
    let _ = statement.visit(&mut Qualified);
    if only_catalog(&statement) {
        let _ = statement.visit(&mut SearchPath);
        let _ = statement.visit(&mut Aggregate);
    }
    statement
}

/// Relations of ours in `pg_catalog`, which is searched before everything else; upstream qualifies those it knows.
struct Qualified;

impl VisitorMut for Qualified {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<()> {
        if let [ObjectNamePart::Identifier(only)] = name.0.as_slice()
            && roles::ADDED.contains(&fold(only).as_str())
        {
            let catalog = ObjectNamePart::Identifier(Ident::new("pg_catalog"));
            name.0.insert(0, catalog);
        }
        ControlFlow::Continue(())
    }
}

/// `session_user` under a name of its own: upstream makes `current_user` of both.
struct SessionUser;

impl VisitorMut for SessionUser {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && matches!(function.args, FunctionArguments::None)
            && function
                .name
                .to_string()
                .eq_ignore_ascii_case("session_user")
            && let Some(same) = only_column(&format!("SELECT {SESSION_USER}()"))
        {
            *expr = same;
        }
        ControlFlow::Continue(())
    }
}

/// `x IN (SELECT … FROM generate_series(…), string_to_array(current_setting('search_path'), ','))`, by which Grafana takes the search
/// path apart: the engine has no functions of computed values in FROM, and a function of PostgreSQL's says the same.
struct SearchPath;

impl VisitorMut for SearchPath {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::InSubquery {
            expr: name,
            subquery,
            negated,
        } = expr
        {
            let text = subquery.to_string();
            if text.contains("current_setting('search_path')") && text.contains("generate_series(")
            {
                let not = if *negated { "NOT " } else { "" };
                let same = format!("SELECT {not}array_has(current_schemas(false), {name})");
                if let Some(same) = only_column(&same) {
                    *expr = same;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// The one expression of a query of our own words.
fn only_column(text: &str) -> Option<Expr> {
    let sluice_sql::Statement::Sql(statement) = sluice_sql::parse(text).ok()?.pop()?.statement
    else {
        return None;
    };
    let Statement::Query(query) = *statement else {
        return None;
    };
    match *query.body {
        SetExpr::Select(mut select) => match select.projection.pop()? {
            SelectItem::UnnamedExpr(expr) => Some(expr),
            _ => None,
        },
        _ => None,
    }
}

/// After them: they limit every subquery to a row, which an aggregate needs not and the engine cannot decorrelate.
pub(super) fn after(mut statement: Statement) -> Statement {
    let _ = statement.visit(&mut Unlimit);
    statement
}

struct Aggregate;

impl VisitorMut for Aggregate {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) if is_array(&function.name) => {
                let FunctionArguments::Subquery(query) = &mut function.args else {
                    return ControlFlow::Continue(());
                };
                *expr = match array_of(query) {
                    Some(()) => Expr::Subquery(query.clone()),
                    None => null_array(),
                };
            }
            Expr::Subquery(query) if is_correlated(query) => {
                if let Some((select, _)) = plain_select(query)
                    && let [item] = select.projection.as_mut_slice()
                {
                    wrap(item, "first_value", Vec::new());
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn is_array(name: &ObjectName) -> bool {
    matches!(name.0.as_slice(), [ObjectNamePart::Identifier(name)] if name.value.eq_ignore_ascii_case("array"))
}

/// `ARRAY(SELECT x FROM …)` as `(SELECT array_agg(x) FROM …)`; `None` where the rows come from a function of an outer column, which the
/// engine cannot run (and which are of arrays that are always NULL here).
fn array_of(query: &mut Query) -> Option<()> {
    let (select, order_by) = plain_select(query)?;
    let functions = select.from.iter().any(|from| {
        matches!(
            &from.relation,
            TableFactor::Function { .. }
                | TableFactor::UNNEST { .. }
                | TableFactor::Table { args: Some(_), .. }
        )
    });
    let [item] = select.projection.as_mut_slice() else {
        return None;
    };
    if functions {
        return None;
    }
    // By position means by the one column there is.
    let order_by = order_by.into_iter().map(|mut by| {
        if matches!(by.expr, Expr::Value(_))
            && let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = &*item
        {
            by.expr = expr.clone();
        }
        by
    });
    let order_by = order_by.collect();
    wrap(item, "array_agg", order_by);
    Some(())
}

/// The select of a query that has no more than an order beside it, and its order, which is taken out.
fn plain_select(query: &mut Query) -> Option<(&mut Select, Vec<OrderByExpr>)> {
    if query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let grouped = match &select.group_by {
        GroupByExpr::Expressions(by, modifiers) => !by.is_empty() || !modifiers.is_empty(),
        GroupByExpr::All(_) => true,
    };
    let aggregated = select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            is_aggregate(expr)
        }
        _ => true,
    });
    if grouped || aggregated || select.distinct.is_some() || select.having.is_some() {
        return None;
    }
    let order_by = match query.order_by.take().map(|order| order.kind) {
        Some(OrderByKind::Expressions(by)) => by,
        _ => Vec::new(),
    };
    Some((select, order_by))
}

fn wrap(item: &mut SelectItem, name: &str, order_by: Vec<OrderByExpr>) {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
        return;
    };
    let argument = FunctionArg::Unnamed(FunctionArgExpr::Expr(expr.clone()));
    let clauses = match order_by.is_empty() {
        true => Vec::new(),
        false => vec![FunctionArgumentClause::OrderBy(order_by)],
    };
    *expr = Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![argument],
            clauses,
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    });
}

fn null_array() -> Expr {
    let null = Expr::Value(Value::Null.into());
    let texts = sluice_sql::ast::ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None);
    Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(null),
        data_type: DataType::Array(texts),
        array: false,
        format: None,
    }
}

/// Whether a condition of the subquery names a relation that it does not have.
fn is_correlated(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let own: Vec<&str> = select
        .from
        .iter()
        .flat_map(|from| {
            std::iter::once(&from.relation).chain(from.joins.iter().map(|j| &j.relation))
        })
        .filter_map(name_of)
        .collect();
    let mut foreign = Foreign { own, found: false };
    if let Some(selection) = &select.selection {
        let _ = sluice_sql::ast::Visit::visit(selection, &mut foreign);
    }
    foreign.found
}

fn name_of(factor: &TableFactor) -> Option<&str> {
    match factor {
        TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        } => Some(&alias.name.value),
        TableFactor::Table { name, .. } => {
            name.0.last()?.as_ident().map(|ident| ident.value.as_str())
        }
        _ => None,
    }
}

struct Foreign<'a> {
    own: Vec<&'a str>,
    found: bool,
}

impl sluice_sql::ast::Visitor for Foreign<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(idents) = expr
            && let [relation, _] = idents.as_slice()
            && !self.own.contains(&relation.value.as_str())
        {
            self.found = true;
        }
        ControlFlow::Continue(())
    }
}

struct Unlimit;

impl VisitorMut for Unlimit {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Subquery(query) = expr
            && let SetExpr::Select(select) = query.body.as_ref()
            && let [SelectItem::UnnamedExpr(only) | SelectItem::ExprWithAlias { expr: only, .. }] =
                select.projection.as_slice()
            && is_aggregate(only)
            && matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
            && matches!(
                &query.limit_clause,
                Some(LimitClause::LimitOffset { offset: None, .. })
            )
        {
            query.limit_clause = None;
        }
        ControlFlow::Continue(())
    }
}

fn is_aggregate(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else {
        return false;
    };
    let name = function.name.0.last().and_then(|part| part.as_ident());
    name.is_some_and(|name| {
        [
            "array_agg",
            "first_value",
            "string_agg",
            "count",
            "max",
            "min",
            "sum",
            "bool_or",
        ]
        .contains(&name.value.to_ascii_lowercase().as_str())
    })
}
