//! Window table functions in FROM, whatever their dialect, in one positional form.
//!
//! `TUMBLE(events, ts, INTERVAL '1 minute')` (RisingWave), `TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1'
//! MINUTE))` (Flink) and named arguments become `TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute')`: the relation
//! is a subquery because the engine looks for relations in queries, never in the arguments of a function.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, Query, Spanned, TableFactor, TableFunctionArgs, Value, ValueWithSpan, VisitMut,
    VisitorMut,
};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

use super::idents::{self, argument, select_all, selected_from, table};
use super::{is_named, partition, time_zone};
use crate::error::ParseError;
use crate::interval;

/// One window table function: its name and its arguments after the relation.
pub(super) struct Tvf {
    pub(super) name: &'static str,
    /// Names of the arguments, the relation first; the last `optional` may be missing.
    parameters: &'static [&'static str],
    optional: usize,
    shape: &'static str,
}

pub(super) const TUMBLE: Tvf = Tvf {
    name: "TUMBLE",
    parameters: &["data", "timecol", "size", "offset"],
    optional: 1,
    shape: "write TUMBLE(relation, time column, INTERVAL '1 minute' [, offset] [, TIME ZONE 'name'])",
};
pub(super) const HOP: Tvf = Tvf {
    name: "HOP",
    parameters: &["data", "timecol", "slide", "size", "offset"],
    optional: 1,
    shape: "write HOP(relation, time column, slide INTERVAL, size INTERVAL [, offset]): the slide comes first",
};
pub(super) const SESSION: Tvf = Tvf {
    name: "SESSION",
    parameters: &["data", "timecol", "gap", "max_length"],
    optional: 1,
    shape: "write SESSION(relation [PARTITION BY columns], time column, gap INTERVAL [, max_length INTERVAL])",
};
const CUMULATE: Tvf = Tvf {
    name: "CUMULATE",
    parameters: &["data", "timecol", "step", "size", "offset"],
    optional: 1,
    shape: "write CUMULATE(relation, time column, step INTERVAL, size INTERVAL [, offset])",
};
const WATERMARK: Tvf = Tvf {
    name: "WATERMARK",
    parameters: &["data", "timecol", "delay"],
    optional: 0,
    shape: "write FROM relation WATERMARK ts DELAY OF INTERVAL '10 seconds'",
};

const ALL: [&Tvf; 5] = [&TUMBLE, &HOP, &SESSION, &CUMULATE, &WATERMARK];

fn named(name: &ObjectName) -> Option<&'static Tvf> {
    let [part] = name.0.as_slice() else {
        return None;
    };
    let ident = part.as_ident()?;
    ALL.into_iter()
        .find(|tvf| is_named(ident, &tvf.name.to_lowercase()))
}

/// `TABLE events` as an argument; `None` leaves TABLE to the parser.
pub(crate) fn parse_table_argument(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    if !matches!(parser.peek_nth_token_ref(1).token, Token::Word(_)) {
        return None;
    }
    parser.advance_token();
    Some(
        parser
            .parse_object_name(false)
            .map(|name| Expr::Subquery(Box::new(select_all(table(name))))),
    )
}

/// Rewrites a table factor that calls a window table function.
pub(super) fn rewrite(factor: &mut TableFactor) -> Result<(), ParseError> {
    unwrap_table(factor);
    let span = factor.span();
    let TableFactor::Table {
        name,
        args: Some(TableFunctionArgs {
            args,
            settings: None,
        }),
        ..
    } = factor
    else {
        return Ok(());
    };
    let Some(tvf) = named(name) else {
        return Ok(());
    };
    let at = name.span();
    let at = if at == Span::empty() { span } else { at };
    let zone = time_zone::take(args);
    if let Some(zone) = &zone
        && tvf.name != TUMBLE.name
    {
        return Err(wrong(
            tvf,
            "takes no TIME ZONE",
            place(zone, at),
        )
        .hint("TUMBLE does: TUMBLE(relation, time column, INTERVAL '1 day', TIME ZONE 'Europe/Madrid')"));
    }
    let partition = match partition::take(args) {
        Some(list) => Some(partition::columns(tvf, &list, at)?),
        None => None,
    };
    let mut canonical = canonical_arguments(tvf, std::mem::take(args), at)?;
    canonical.extend(zone);
    canonical.extend(partition);
    *args = canonical.into_iter().map(argument).collect();
    *name = ObjectName::from(vec![Ident::with_span(at, tvf.name)]);
    Ok(())
}

/// `TABLE(TUMBLE(…))` → `TUMBLE(…)`, for any function.
fn unwrap_table(factor: &mut TableFactor) {
    let TableFactor::TableFunction {
        expr: Expr::Function(function),
        alias,
    } = factor
    else {
        return;
    };
    let FunctionArguments::List(list) = &function.args else {
        return;
    };
    let mut called = table(function.name.clone());
    if let TableFactor::Table {
        args,
        alias: called_alias,
        ..
    } = &mut called
    {
        *args = Some(TableFunctionArgs {
            args: list.args.clone(),
            settings: None,
        });
        *called_alias = alias.take();
    }
    *factor = called;
}

/// Checks and orders the arguments of a call.
fn canonical_arguments(
    tvf: &Tvf,
    written: Vec<FunctionArg>,
    at: Span,
) -> Result<Vec<Expr>, ParseError> {
    let mut exprs: Vec<Option<Expr>> = vec![None; tvf.parameters.len()];
    let count = written.len();
    for (position, argument) in written.into_iter().enumerate() {
        let (index, value) = match argument {
            FunctionArg::Unnamed(value) => (position, value),
            FunctionArg::Named { name, arg, .. } => (parameter(tvf, &name)?, arg),
            FunctionArg::ExprNamed { name, arg, .. } => match name {
                Expr::Identifier(name) => (parameter(tvf, &name)?, arg),
                other => {
                    return Err(wrong(
                        tvf,
                        "an argument's name must be a word",
                        other.span(),
                    ));
                }
            },
        };
        let FunctionArgExpr::Expr(expr) = value else {
            return Err(wrong(tvf, "* is not an argument", at));
        };
        match exprs.get_mut(index) {
            Some(slot) if slot.is_none() => *slot = Some(expr),
            Some(_) => {
                return Err(wrong(
                    tvf,
                    "an argument is given more than once",
                    expr.span(),
                ));
            }
            None => {
                return Err(wrong(
                    tvf,
                    &format!("takes {}, not {count}", arity(tvf)),
                    at,
                ));
            }
        }
    }
    let least = tvf.parameters.len() - tvf.optional;
    let given = exprs
        .iter()
        .rposition(Option::is_some)
        .map_or(0, |last| last + 1);
    if given < least || exprs.iter().take(given).any(Option::is_none) {
        let missing = exprs
            .iter()
            .zip(tvf.parameters)
            .find(|(expr, _)| expr.is_none());
        let name = missing.map_or("", |(_, name)| *name);
        return Err(wrong(
            tvf,
            &format!("takes {}; \"{name}\" is missing", arity(tvf)),
            at,
        ));
    }
    let mut canonical = Vec::with_capacity(given);
    for (index, expr) in exprs.into_iter().flatten().enumerate() {
        canonical.push(match index {
            0 => relation(tvf, expr, at)?,
            1 => time_column(tvf, expr, at)?,
            _ => duration(
                tvf,
                tvf.parameters.get(index).copied().unwrap_or_default(),
                expr,
                at,
            )?,
        });
    }
    Ok(canonical)
}

fn arity(tvf: &Tvf) -> String {
    let most = tvf.parameters.len();
    match tvf.optional {
        0 => format!("{most} arguments"),
        optional => format!("{} to {most} arguments", most - optional),
    }
}

fn parameter(tvf: &Tvf, name: &Ident) -> Result<usize, ParseError> {
    tvf.parameters
        .iter()
        .position(|parameter| is_named(name, parameter))
        .ok_or_else(|| {
            wrong(
                tvf,
                &format!("has no argument \"{}\"", name.value),
                name.span,
            )
            .offending(name.value.clone())
            .hint(format!("its arguments are {}", tvf.parameters.join(", ")))
        })
}

pub(super) fn wrong(tvf: &Tvf, what: &str, at: Span) -> ParseError {
    ParseError::invalid(format!("{}: {what}", tvf.name), at)
        .offending(tvf.name)
        .hint(tvf.shape)
}

/// `expr`'s place, or the call's where a rewrite made it.
pub(super) fn place(expr: &Expr, call: Span) -> Span {
    let span = expr.span();
    if span == Span::empty() { call } else { span }
}

/// A relation as a subquery.
fn relation(tvf: &Tvf, expr: Expr, call: Span) -> Result<Expr, ParseError> {
    let at = place(&expr, call);
    let factor = match expr {
        Expr::Subquery(query) => return Ok(Expr::Subquery(query)),
        Expr::Identifier(name) => table(ObjectName::from(vec![name])),
        Expr::CompoundIdentifier(names) => table(ObjectName::from(names)),
        Expr::Function(function) if is_table_call(&function) => called(function),
        _ => {
            return Err(wrong(
                tvf,
                "the first argument must be a relation or a subquery",
                at,
            ));
        }
    };
    let mut factor = factor;
    rewrite(&mut factor)?;
    Ok(Expr::Subquery(Box::new(select_all(factor))))
}

fn is_table_call(function: &Function) -> bool {
    function.over.is_none() && function.filter.is_none() && function.within_group.is_empty()
}

fn called(function: Function) -> TableFactor {
    let arguments = match function.args {
        FunctionArguments::List(list) => list.args,
        FunctionArguments::None | FunctionArguments::Subquery(_) => Vec::new(),
    };
    let mut factor = table(function.name);
    if let TableFactor::Table { args, .. } = &mut factor {
        *args = Some(TableFunctionArgs {
            args: arguments,
            settings: None,
        });
    }
    factor
}

/// A column's name, out of `ts`, `events.ts` or `DESCRIPTOR(ts)`.
fn time_column(tvf: &Tvf, expr: Expr, call: Span) -> Result<Expr, ParseError> {
    let at = place(&expr, call);
    match expr {
        Expr::Identifier(_) => Ok(expr),
        Expr::CompoundIdentifier(mut names) => match names.pop() {
            Some(name) => Ok(Expr::Identifier(name)),
            None => Err(wrong(tvf, "the time column is missing", at)),
        },
        Expr::Function(function) if idents::function_name(&function.name).as_deref() == Some("descriptor") => {
            match idents::arguments(&function).as_deref() {
                Some([column]) => time_column(tvf, (*column).clone(), call),
                _ => Err(wrong(tvf, "DESCRIPTOR takes one column", at)),
            }
        }
        _ => Err(wrong(tvf, "the time argument must be a column", at).hint(format!(
            "{}; compute the time in a subquery: {}((SELECT *, expression AS ts FROM …), ts, …)",
            tvf.shape, tvf.name
        ))),
    }
}

/// An interval literal, out of `INTERVAL '1 minute'` or `'1 minute'`.
pub(super) fn duration(tvf: &Tvf, name: &str, expr: Expr, call: Span) -> Result<Expr, ParseError> {
    let at = place(&expr, call);
    let text = match &expr {
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text),
            ..
        }) => interval::canonical(text),
        other => interval::text_of(other).map(|(text, _)| text.to_owned()),
    };
    let Some(text) = text else {
        return Err(wrong(
            tvf,
            &format!("{name} must be a literal interval"),
            at,
        ));
    };
    // An offset may point back.
    if name != "offset"
        && interval::is_positive(&text) == Some(false)
        && (name != "delay" || text.contains('-'))
    {
        return Err(wrong(
            tvf,
            &format!("{name} must be longer than nothing"),
            at,
        ));
    }
    Ok(interval::literal(text, at))
}

/// Builds a canonical call in place of a relation.
pub(super) fn build(tvf: &Tvf, relation: Query, time: Ident, durations: Vec<Expr>) -> TableFactor {
    let mut arguments = vec![Expr::Subquery(Box::new(relation)), Expr::Identifier(time)];
    arguments.extend(durations);
    let mut factor = table(ObjectName::from(vec![Ident::new(tvf.name)]));
    if let TableFactor::Table { args, .. } = &mut factor {
        *args = Some(TableFunctionArgs {
            args: arguments.into_iter().map(argument).collect(),
            settings: None,
        });
    }
    factor
}

/// Whether a table factor calls a window function (a watermark is none).
pub(super) fn is_window(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Table {
            name,
            args: Some(_),
            ..
        } => named(name).is_some_and(|tvf| tvf.name != WATERMARK.name),
        _ => false,
    }
}

/// Makes a tree fit to be printed: the short form for people, `TUMBLE(events, …)`, and quotes doubled.
pub(crate) fn printable(tree: &mut impl VisitMut) {
    let _: ControlFlow<()> = tree.visit(&mut Printable);
}

struct Printable;

impl VisitorMut for Printable {
    type Break = ();

    /// `Display` of a literal leaves a quote alone that follows a backslash or a quote, for it may be escaped already.
    /// Doubled here, every quote is, and what is printed is what was meant.
    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if let Value::SingleQuotedString(text) = &mut value.value
            && text.contains('\'')
        {
            *text = text.replace('\'', "''");
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        super::time_travel::printable(factor);
        let TableFactor::Table {
            name,
            args: Some(TableFunctionArgs { args, .. }),
            ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        if named(name).is_none() {
            return ControlFlow::Continue(());
        }
        if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = args.first_mut()
            && let Expr::Subquery(query) = first
            && let Some(name) = selected_from(query).and_then(short_relation)
        {
            *first = name;
        }
        if let [
            FunctionArg::Unnamed(FunctionArgExpr::Expr(first)),
            ..,
            FunctionArg::Unnamed(FunctionArgExpr::Expr(last)),
        ] = args.as_mut_slice()
            && let Some(columns) = partition::partition_by(last)
        {
            *first = partition::printed(first, &columns);
            args.pop();
        }
        ControlFlow::Continue(())
    }
}

/// A bare name, or the call of another of these functions, as an argument.
fn short_relation(factor: &TableFactor) -> Option<Expr> {
    let TableFactor::Table {
        name,
        args,
        alias: None,
        ..
    } = factor
    else {
        return None;
    };
    match args {
        None if *factor == table(name.clone()) => {
            let mut names: Vec<Ident> = name
                .0
                .iter()
                .filter_map(ObjectNamePart::as_ident)
                .cloned()
                .collect();
            match names.len() {
                1 => names.pop().map(Expr::Identifier),
                _ => Some(Expr::CompoundIdentifier(names)),
            }
        }
        Some(TableFunctionArgs {
            args,
            settings: None,
        }) if named(name).is_some() => {
            let mut call = idents::call("", Vec::new());
            if let Expr::Function(function) = &mut call {
                function.name = name.clone();
                if let FunctionArguments::List(list) = &mut function.args {
                    list.args.clone_from(args);
                }
            }
            Some(call)
        }
        _ => None,
    }
}
