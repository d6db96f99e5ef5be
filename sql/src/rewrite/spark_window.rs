//! Spark's `window(ts, '1 minute')` as a grouping expression, and Flink's older `TUMBLE(ts, size)` in the same place.
//!
//! `SELECT window.start, count(*) FROM events GROUP BY window(ts, '1 minute')` becomes
//! `SELECT window_start AS start, count(*) FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY
//! window_start, window_end`. The function wraps the one relation the time column belongs to and takes over its alias,
//! so `e.value` goes on meaning what it meant and joins stay outside. A selected window as a whole becomes
//! `named_struct('start', window_start, 'end', window_end)`. What is hard: the window may be named by an alias
//! (`window(…) AS w … w.end`), by an ordinal, or by its own name, and all windows of a SELECT must be the same one.

use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, Expr, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, Value,
    ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};

use super::idents::{self, call as call_of, exact, function_name, text};
use super::window_tvf::SESSION;
use super::{is_named, same_name, selects_mut};
use crate::error::ParseError;

mod call;
mod relation;

use call::{Asked, Window, read};
use relation::{exposed, relations, wrap};

pub(super) use call::is_call;

const START: &str = "window_start";
const END: &str = "window_end";

/// Rewrites the SELECTs of a query, and its ORDER BY where it is one SELECT.
pub(super) fn rewrite(query: &mut Query) -> Result<(), ParseError> {
    let Query { body, order_by, .. } = query;
    let mut nothing = Vec::new();
    let order_by = match order_by.as_mut().map(|order_by| &mut order_by.kind) {
        Some(OrderByKind::Expressions(exprs)) if matches!(body.as_ref(), SetExpr::Select(_)) => {
            exprs
        }
        _ => &mut nothing,
    };
    let mut sorted: Vec<&mut Expr> = order_by.iter_mut().map(|order| &mut order.expr).collect();
    for select in selects_mut(body) {
        rewrite_select(select, &mut sorted)?;
    }
    Ok(())
}

fn rewrite_select(select: &mut Select, sorted: &mut [&mut Expr]) -> Result<(), ParseError> {
    let Some(window) = find(select)? else {
        return Ok(());
    };
    let names = names(select, &window);
    let replacer = Replacer { names };
    let ordinals = ordinals(select, &replacer);
    group(select, &replacer, &ordinals);
    for item in &mut select.projection {
        project(item, &replacer);
    }
    for expr in [
        &mut select.selection,
        &mut select.having,
        &mut select.qualify,
    ]
    .into_iter()
    .flatten()
    {
        replacer.replace(expr);
    }
    for expr in sorted {
        match replacer.asked(expr) {
            Some(asked) => {
                **expr = Expr::Identifier(Ident::new(if asked == Asked::End { END } else { START }))
            }
            None => replacer.replace(expr),
        }
    }
    wrap(select, window)
}

/// The window of a SELECT.
fn find(select: &Select) -> Result<Option<Window>, ParseError> {
    let mut finder = Finder {
        windows: Vec::new(),
    };
    let mut visit = |expr: &Expr| match expr.visit(&mut finder) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    };
    if let GroupByExpr::Expressions(exprs, _) = &select.group_by {
        exprs.iter().try_for_each(&mut visit)?;
    }
    for item in &select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            visit(expr)?;
        }
    }
    let mut windows = finder.windows.into_iter();
    let Some(first) = windows.next() else {
        return Ok(None);
    };
    match windows.find(|other| *other != first) {
        Some(other) => Err(
            ParseError::invalid("a query groups by one window", other.at)
                .offending("window")
                .hint("use the same window(…) everywhere in the SELECT, or write a query for each"),
        ),
        None => Ok(Some(first)),
    }
}

struct Finder {
    windows: Vec<Window>,
}

impl Visitor for Finder {
    type Break = Box<ParseError>;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        match read(expr) {
            Some(Ok((window, _))) => {
                self.windows.push(window);
                ControlFlow::Continue(())
            }
            Some(Err(error)) => ControlFlow::Break(Box::new(error)),
            None => ControlFlow::Continue(()),
        }
    }
}

/// The names under which the SELECT speaks of its window.
fn names(select: &Select, window: &Window) -> Vec<Ident> {
    let own = if window.tvf.name == SESSION.name {
        "session_window"
    } else {
        "window"
    };
    let taken = relations(select)
        .iter()
        .any(|factor| exposed(factor).is_some_and(|name| is_named(name, own)));
    let mut names = if taken {
        Vec::new()
    } else {
        vec![Ident::new(own)]
    };
    for item in &select.projection {
        if let SelectItem::ExprWithAlias { expr, alias } = item
            && matches!(read(expr), Some(Ok((_, Asked::Whole))))
        {
            names.push(alias.clone());
        }
    }
    names
}

/// Puts the window's columns in place of what names them.
struct Replacer {
    names: Vec<Ident>,
}

impl Replacer {
    fn is_name(&self, ident: &Ident) -> bool {
        self.names.iter().any(|name| same_name(name, ident))
    }

    /// What an expression asks of the window, where it is nothing but that.
    fn asked(&self, expr: &Expr) -> Option<Asked> {
        let edge = |field: &Ident| match idents::folded(field).as_str() {
            "start" => Some(Asked::Start),
            "end" => Some(Asked::End),
            _ => None,
        };
        match expr {
            Expr::Identifier(name) => self.is_name(name).then_some(Asked::Whole),
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [name, field] if self.is_name(name) => edge(field),
                _ => None,
            },
            Expr::CompoundFieldAccess { root, access_chain } => {
                let [AccessExpr::Dot(Expr::Identifier(field))] = access_chain.as_slice() else {
                    return None;
                };
                read(root).and_then(|_| edge(field))
            }
            _ => read(expr).and_then(Result::ok).map(|(_, asked)| asked),
        }
    }

    fn column(asked: Asked) -> Expr {
        match asked {
            Asked::Start => Expr::Identifier(Ident::new(START)),
            Asked::End => Expr::Identifier(Ident::new(END)),
            Asked::Whole => call_of(
                "named_struct",
                vec![
                    text("start"),
                    Expr::Identifier(Ident::new(START)),
                    text("end"),
                    Expr::Identifier(Ident::new(END)),
                ],
            ),
        }
    }

    fn replace(&self, expr: &mut Expr) {
        let _: ControlFlow<()> = expr.visit(&mut Replacing(self));
    }
}

struct Replacing<'a>(&'a Replacer);

impl VisitorMut for Replacing<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(asked) = self.0.asked(expr) {
            *expr = Replacer::column(asked);
        }
        ControlFlow::Continue(())
    }
}

/// What the items of the projection ask of the window, by position.
fn ordinals(select: &Select, replacer: &Replacer) -> Vec<Option<Asked>> {
    let asked = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            replacer.asked(expr)
        }
        _ => None,
    };
    select.projection.iter().map(asked).collect()
}

/// Groups by `window_start, window_end` where it grouped by the window.
fn group(select: &mut Select, replacer: &Replacer, ordinals: &[Option<Asked>]) {
    let GroupByExpr::Expressions(exprs, _) = &mut select.group_by else {
        return;
    };
    let mut grouped: Vec<Expr> = Vec::with_capacity(exprs.len() + 1);
    let mut has_window = false;
    for mut expr in std::mem::take(exprs) {
        let asked = match ordinal(&expr) {
            Some(position) => ordinals.get(position).copied().flatten(),
            None => replacer.asked(&expr),
        };
        if asked.is_none() {
            replacer.replace(&mut expr);
            grouped.push(expr);
        } else if !has_window {
            has_window = true;
            grouped.extend([Replacer::column(Asked::Start), Replacer::column(Asked::End)]);
        }
    }
    *exprs = grouped;
}

/// The position in the projection that a number in GROUP BY stands for.
fn ordinal(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(ValueWithSpan {
            value: Value::Number(number, _),
            ..
        }) => number
            .parse::<usize>()
            .ok()
            .and_then(|position| position.checked_sub(1)),
        _ => None,
    }
}

fn project(item: &mut SelectItem, replacer: &Replacer) {
    match item {
        SelectItem::UnnamedExpr(expr) => {
            let legacy = matches!(read(expr), Some(Ok((_, Asked::Start | Asked::End))));
            match replacer.asked(expr) {
                Some(asked) if legacy => *expr = Replacer::column(asked),
                Some(asked) => {
                    let name = match (asked, &*expr) {
                        (Asked::Start, _) => exact("start"),
                        (Asked::End, _) => exact("end"),
                        (Asked::Whole, Expr::Identifier(name)) => name.clone(),
                        (Asked::Whole, Expr::Function(function)) => {
                            exact(&function_name(&function.name).unwrap_or_default())
                        }
                        (Asked::Whole, _) => exact("window"),
                    };
                    *item = SelectItem::ExprWithAlias {
                        expr: Replacer::column(asked),
                        alias: name,
                    };
                }
                None => replacer.replace(expr),
            }
        }
        SelectItem::ExprWithAlias { expr, alias } => match replacer.asked(expr) {
            Some(Asked::Start) if is_named(alias, START) => {
                *item = SelectItem::UnnamedExpr(Replacer::column(Asked::Start))
            }
            Some(Asked::End) if is_named(alias, END) => {
                *item = SelectItem::UnnamedExpr(Replacer::column(Asked::End))
            }
            Some(asked) => *expr = Replacer::column(asked),
            None => replacer.replace(expr),
        },
        _ => {}
    }
}
