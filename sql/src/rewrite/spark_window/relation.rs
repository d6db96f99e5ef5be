//! The relation a window belongs to, and the window table function put around it.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, TableAlias,
    TableFactor, Visit, Visitor,
};

use super::call::Window;
use crate::error::ParseError;
use crate::rewrite::idents::select_all;
use crate::rewrite::{same_name, window_tvf};

/// The relations of a FROM, joined ones included.
pub(super) fn relations(select: &Select) -> Vec<&TableFactor> {
    let factors = select.from.iter().flat_map(|from| {
        std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
    });
    factors.collect()
}

/// The name under which a relation's columns are qualified.
pub(super) fn exposed(factor: &TableFactor) -> Option<&Ident> {
    match factor {
        TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        }
        | TableFactor::Function {
            alias: Some(alias), ..
        } => Some(&alias.name),
        TableFactor::Table {
            name, args: None, ..
        } => name.0.last().and_then(|part| part.as_ident()),
        _ => None,
    }
}

/// Puts the window function around the relation the time column belongs to.
pub(super) fn wrap(select: &mut Select, mut window: Window) -> Result<(), ParseError> {
    let at = window.at;
    let wrong =
        |what: &str, hint: &str| Err(ParseError::invalid(what, at).offending("window").hint(hint));
    let Some(column) = window.time.pop() else {
        return wrong(
            "a window needs a time column",
            "write window(ts, '1 minute')",
        );
    };
    let qualifier = window.time.pop();
    let factors = relations(select);
    let found = match (&qualifier, factors.as_slice()) {
        (_, []) => return wrong("a window needs a relation", "write FROM relation"),
        (_, [_]) => Some(0),
        (None, _) => None,
        (Some(qualifier), factors) => factors
            .iter()
            .position(|factor| exposed(factor).is_some_and(|name| same_name(name, qualifier))),
    };
    let Some(found) = found else {
        return wrong(
            "it is not clear which relation the window's time column belongs to",
            "qualify the column: window(e.ts, '1 minute'), or group a subquery",
        );
    };
    let qualified = factors
        .get(found)
        .and_then(|factor| exposed(factor))
        .is_some_and(|name| is_qualifier(select, name));
    let factor = select
        .from
        .iter_mut()
        .flat_map(|from| {
            std::iter::once(&mut from.relation)
                .chain(from.joins.iter_mut().map(|join| &mut join.relation))
        })
        .nth(found);
    let Some(factor) = factor else { return Ok(()) };
    if window_tvf::is_window(factor) {
        return wrong(
            "the relation is windowed already",
            "group by window_start, window_end, or take the window function out of FROM",
        );
    }
    let (relation, alias) = unalias(factor.clone(), qualified);
    let mut windowed = window_tvf::build(window.tvf, relation, column, window.durations);
    if let TableFactor::Table { alias: outer, .. } = &mut windowed {
        *outer = alias;
    }
    *factor = windowed;
    Ok(())
}

/// A relation as a query, and the alias that moves to the function around it.
fn unalias(mut factor: TableFactor, qualified: bool) -> (Query, Option<TableAlias>) {
    let named = exposed(&factor).cloned();
    let taken = match &mut factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::Function { alias, .. } => {
            // Renamed columns stay inside, under the same alias.
            let keep_inside = alias
                .as_ref()
                .is_some_and(|alias| !alias.columns.is_empty());
            if keep_inside {
                alias.clone()
            } else {
                alias.take()
            }
        }
        _ => None,
    };
    let outer = match (taken, named) {
        (Some(alias), _) => Some(alias.name),
        (None, Some(name)) if qualified => Some(name),
        _ => None,
    };
    let alias = outer.map(|name| TableAlias {
        explicit: true,
        name,
        columns: Vec::new(),
        at: None,
    });
    match factor {
        TableFactor::Derived {
            lateral: false,
            subquery,
            alias: None,
            sample: None,
        } => (*subquery, alias),
        factor => (select_all(factor), alias),
    }
}

/// Whether a SELECT qualifies a column with a name.
fn is_qualifier(select: &Select, name: &Ident) -> bool {
    let star = select.projection.iter().any(|item| match item {
        SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(qualifier),
            _,
        ) => qualifier
            .0
            .last()
            .and_then(|part| part.as_ident())
            .is_some_and(|ident| same_name(ident, name)),
        _ => false,
    });
    star || select.visit(&mut Qualified(name)).is_break()
}

struct Qualified<'a>(&'a Ident);

impl Visitor for Qualified<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::CompoundIdentifier(names)
                if names.first().is_some_and(|first| same_name(first, self.0)) =>
            {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}
