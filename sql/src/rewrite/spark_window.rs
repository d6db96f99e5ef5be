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
    AccessExpr, Expr, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Spanned, TableAlias, TableFactor, Value,
    ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};
use sqlparser::tokenizer::Span;

use super::idents::{self, arguments, call, exact, function_name, select_all, text};
use super::window_tvf::{self, HOP, SESSION, TUMBLE, Tvf};
use super::{is_named, same_name, selects_mut};
use crate::error::ParseError;

const START: &str = "window_start";
const END: &str = "window_end";

/// What an expression asks of a window.
#[derive(Clone, Copy, PartialEq)]
enum Asked {
    Whole,
    Start,
    End,
}

/// A call of a window function with a time column.
struct Window {
    tvf: &'static Tvf,
    /// The time column, with its qualifier.
    time: Vec<Ident>,
    durations: Vec<Expr>,
    at: Span,
}

impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        self.tvf.name == other.tvf.name
            && self.time == other.time
            && self.durations == other.durations
    }
}

/// Whether an expression is `window(…)` or `session_window(…)`.
pub(super) fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function)
        if matches!(function_name(&function.name).as_deref(), Some("window" | "session_window")))
}

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

/// Reads a call of a grouping window function; `None` where the expression is none.
fn read(expr: &Expr) -> Option<Result<(Window, Asked), ParseError>> {
    let Expr::Function(function) = expr else {
        return None;
    };
    if function.over.is_some() {
        return None;
    }
    let name = function_name(&function.name)?;
    let (tvf, asked, spark) = match name.as_str() {
        "window" => (&TUMBLE, Asked::Whole, true),
        "session_window" => (&SESSION, Asked::Whole, true),
        "tumble" => (&TUMBLE, Asked::Whole, false),
        "tumble_start" => (&TUMBLE, Asked::Start, false),
        "tumble_end" => (&TUMBLE, Asked::End, false),
        "hop" => (&HOP, Asked::Whole, false),
        "hop_start" => (&HOP, Asked::Start, false),
        "hop_end" => (&HOP, Asked::End, false),
        "session" => (&SESSION, Asked::Whole, false),
        "session_start" => (&SESSION, Asked::Start, false),
        "session_end" => (&SESSION, Asked::End, false),
        _ => return None,
    };
    let arguments = arguments(function)?;
    let at = function.name.span();
    let (time, durations) = arguments.split_first()?;
    Some(window(tvf, spark, time, durations, at).map(|window| (window, asked)))
}

fn window(
    tvf: &'static Tvf,
    spark: bool,
    time: &Expr,
    durations: &[&Expr],
    at: Span,
) -> Result<Window, ParseError> {
    const SPARK: &str = "write window(ts, '1 minute') or window(ts, size, slide)";
    let wrong = |what: &str, at: Span| {
        ParseError::invalid(what, at)
            .offending("window")
            .hint(SPARK)
    };
    let Some(time) = super::functions::column_path(time) else {
        return Err(wrong("the time argument of a window must be a column", time.span())
            .hint("compute it in a subquery: FROM (SELECT *, expression AS ts FROM …) GROUP BY window(ts, '1 minute')"));
    };
    let duration =
        |tvf: &Tvf, name: &str, expr: &Expr| window_tvf::duration(tvf, name, expr.clone(), at);
    let (tvf, durations) = match (tvf.name, spark, durations) {
        ("SESSION", _, [gap]) => (tvf, vec![duration(tvf, "gap", gap)?]),
        ("TUMBLE", _, [size]) => (&TUMBLE, vec![duration(&TUMBLE, "size", size)?]),
        // Spark names the size first, everybody else the slide.
        ("TUMBLE", true, [size, slide]) | ("HOP", false, [slide, size]) => (
            &HOP,
            vec![
                duration(&HOP, "slide", slide)?,
                duration(&HOP, "size", size)?,
            ],
        ),
        ("TUMBLE", true, [size, slide, offset]) => {
            let (size, slide) = (
                duration(&HOP, "size", size)?,
                duration(&HOP, "slide", slide)?,
            );
            let offset = duration(&HOP, "offset", offset)?;
            if size == slide {
                (&TUMBLE, vec![size, offset])
            } else {
                (&HOP, vec![slide, size, offset])
            }
        }
        _ => return Err(wrong("wrong number of arguments of a window", at)),
    };
    // A hop of its own size is a tumble.
    if tvf.name == HOP.name
        && let [slide, size] = durations.as_slice()
        && slide == size
    {
        return Ok(Window {
            tvf: &TUMBLE,
            time,
            durations: vec![size.clone()],
            at,
        });
    }
    Ok(Window {
        tvf,
        time,
        durations,
        at,
    })
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
            Asked::Whole => call(
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

/// The relations of a FROM, joined ones included.
fn relations(select: &Select) -> Vec<&TableFactor> {
    let factors = select.from.iter().flat_map(|from| {
        std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
    });
    factors.collect()
}

/// The name under which a relation's columns are qualified.
fn exposed(factor: &TableFactor) -> Option<&Ident> {
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
fn wrap(select: &mut Select, mut window: Window) -> Result<(), ParseError> {
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
