//! Names of columns below the top: those of subqueries in FROM and of WITH, which the query around them asks for by PostgreSQL's names.
//!
//! Inside, such a query has marked names as the top has, so that its own GROUP BY and ORDER BY take none of them for a column of a table.
//! Outside, names stand beside the alias: `(SELECT count(*) AS "count…" FROM t) AS s ("count")`. Two of one name keep their marks: whoever
//! asks for the name means neither, and `*` shows both. A query whose columns all have names of their own is left as it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use sluice_sql::ast::{
    Expr, Ident, Query, SelectItem, SetExpr, Statement, TableAlias, TableAliasColumnDef,
    TableFactor, Visit, VisitMut, Visitor, VisitorMut,
};

use super::{MARK, fold, name_columns, shown, unique};

/// Names the columns of all queries below the top.
pub(in crate::dialect::catalog) fn name_below(statement: &mut Statement) {
    let _ = statement.visit(&mut Below);
}

struct Below;

impl VisitorMut for Below {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let Some(with) = &mut query.with else {
            return ControlFlow::Continue(());
        };
        let recursive = with.recursive;
        for given in &mut with.cte_tables {
            // What a query that names itself calls its columns, its second arm may use.
            let names_itself =
                recursive && matches!(given.query.body.as_ref(), SetExpr::SetOperation { .. });
            if !names_itself {
                beside(&mut given.query, &mut given.alias);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Derived {
            lateral,
            subquery,
            alias,
            ..
        } = factor
        {
            match alias {
                Some(alias) if !*lateral => beside(subquery, alias),
                _ => inside(subquery),
            }
        }
        ControlFlow::Continue(())
    }
}

/// Puts the names beside the alias, after those that are there.
fn beside(query: &mut Query, alias: &mut TableAlias) {
    name_columns(query);
    let Some(inner) = names(&query.body) else {
        inside(query);
        return;
    };
    let given = alias.columns.len();
    let outer = inner.iter().enumerate().map(|(at, name)| {
        let given = alias.columns.get(at);
        given.map_or_else(|| shown(name).to_owned(), |given| fold(&given.name))
    });
    let outer: Vec<String> = outer.collect();
    let counts = counted(&outer);
    if given >= inner.len() || (given == 0 && outer == inner && counts.values().all(|n| *n == 1)) {
        return;
    }
    for (at, name) in outer.iter().enumerate().skip(given) {
        let name = match counts.get(name.as_str()) {
            Some(1) => name.clone(),
            _ => unique(name, at),
        };
        alias.columns.push(TableAliasColumnDef {
            name: Ident::with_quote('"', name),
            data_type: None,
        });
    }
}

/// Where columns cannot be counted, or a list of names would be in the way: a function has its name in the query itself, unless something
/// there could mean the name.
fn inside(query: &mut Query) {
    name_columns(query);
    let mut mentioned = Mentioned::default();
    let _ = Visit::visit(&*query, &mut mentioned);
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    let known: Vec<String> = select.projection.iter().filter_map(name_of).collect();
    let known: Vec<String> = known.iter().map(|name| shown(name).to_owned()).collect();
    let counts = counted(&known);
    for item in &mut select.projection {
        if let SelectItem::ExprWithAlias {
            expr: Expr::Function(_),
            alias,
        } = item
            && alias.value.contains(MARK)
        {
            let name = shown(&alias.value).to_owned();
            if counts.get(name.as_str()) == Some(&1) && !mentioned.0.contains(&name) {
                alias.value = name;
            }
        }
    }
}

/// What the columns of a query are called in it; `None` where they cannot be counted.
fn names(body: &SetExpr) -> Option<Vec<String>> {
    match body {
        SetExpr::Select(select) => select.projection.iter().map(name_of).collect(),
        SetExpr::SetOperation { left, .. } => names(left),
        SetExpr::Query(query) => names(&query.body),
        _ => None,
    }
}

fn name_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(fold(name)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => names.last().map(fold),
        _ => None,
    }
}

/// How often each name is there.
fn counted(names: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name.as_str()).or_insert(0) += 1;
    }
    counts
}

/// Names of columns that are asked for.
#[derive(Default)]
struct Mentioned(BTreeSet<String>);

impl Visitor for Mentioned {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => _ = self.0.insert(fold(name)),
            Expr::CompoundIdentifier(names) => self.0.extend(names.last().map(fold)),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
