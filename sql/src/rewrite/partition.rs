//! `SESSION(events PARTITION BY user_id, ts, gap)`: the columns whose rows make a session.
//!
//! The parser has no grammar for PARTITION BY after a relation that is an argument. Before it sees the tokens, the columns go to the end of
//! the call, `SESSION(events, ts, gap, PARTITION_BY(user_id))`, which is also their form in the tree. Without parentheses the list ends
//! where the time column stands: `PARTITION BY a, b, ts, INTERVAL …` has two columns.

use std::collections::BTreeMap;

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, Ident};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::idents::{arguments, call, function_name};
use super::tokens::{is_any, matching_close};
use super::window_tvf::{SESSION, Tvf, place, wrong};
use crate::error::ParseError;

/// What the columns are wrapped in.
const WRAPPED: &str = "partition_by";

/// Calls in which PARTITION BY is looked for; that some of them do not take it is said by the tree.
const CALLS: [&str; 4] = ["SESSION", "TUMBLE", "HOP", "CUMULATE"];

/// Moves the columns of every PARTITION BY to the end of its call.
pub(super) fn to_the_end(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let calls = (0..tokens.len()).filter(|call| is_any(tokens.get(*call), &CALLS));
    let clauses: Vec<Clause> = calls.filter_map(|call| find(&tokens, call + 1)).collect();
    if clauses.is_empty() {
        return tokens;
    }
    let cuts: BTreeMap<usize, usize> = clauses
        .iter()
        .map(|clause| (clause.start, clause.rest))
        .collect();
    let ends: BTreeMap<usize, &Clause> = clauses
        .iter()
        .map(|clause| (clause.close, clause))
        .collect();
    let mut out = Vec::with_capacity(tokens.len() + 2 * clauses.len());
    let mut next = 0;
    for (at, token) in tokens.iter().enumerate() {
        if let Some(rest) = cuts.get(&at) {
            next = *rest;
        }
        if at < next {
            continue;
        }
        if let Some(clause) = ends.get(&at) {
            let span = tokens
                .get(clause.start)
                .map_or(token.span, |word| word.span);
            let own = |token: Token| TokenWithSpan::new(token, span);
            out.extend([
                own(Token::Comma),
                own(Token::make_word(WRAPPED, None)),
                own(Token::LParen),
            ]);
            out.extend_from_slice(tokens.get(clause.columns.clone()).unwrap_or_default());
            out.push(own(Token::RParen));
        }
        out.push(token.clone());
    }
    out
}

/// A PARTITION BY among the tokens: where its first word stands, its columns, what follows them, and the end of the call.
struct Clause {
    start: usize,
    columns: std::ops::Range<usize>,
    rest: usize,
    close: usize,
}

fn find(tokens: &[TokenWithSpan], open: usize) -> Option<Clause> {
    if tokens.get(open)?.token != Token::LParen {
        return None;
    }
    let close = matching_close(tokens, open)?;
    let start = at_level(tokens, open + 1, close).find(|at| {
        is_any(tokens.get(*at), &["PARTITION"]) && is_any(tokens.get(at + 1), &["BY"])
    })?;
    let first = start + 2;
    if tokens.get(first)?.token == Token::LParen {
        let end = matching_close(tokens, first)?;
        return Some(Clause {
            start,
            columns: first + 1..end,
            rest: end + 1,
            close,
        });
    }
    let mut items = vec![first];
    items.extend(
        at_level(tokens, first, close)
            .filter(|at| {
                tokens
                    .get(*at)
                    .is_some_and(|token| token.token == Token::Comma)
            })
            .map(|comma| comma + 1),
    );
    items.push(close + 1);
    let item = |number: usize| {
        let (from, to) = (items.get(number)?, items.get(number + 1)?);
        tokens.get(*from..to.checked_sub(1)?)
    };
    let time_is_named = (1..items.len()).filter_map(item).any(is_named_time);
    let mut columns = 1;
    while let Some(one) = item(columns)
        && is_column(one)
        && (time_is_named || item(columns + 1).is_some_and(may_be_time))
    {
        columns += 1;
    }
    let rest = items.get(columns)?.checked_sub(1)?;
    Some(Clause {
        start,
        columns: first..rest,
        rest,
        close,
    })
}

/// The places from `from` to `to` that are in no parentheses of their own.
fn at_level(tokens: &[TokenWithSpan], from: usize, to: usize) -> impl Iterator<Item = usize> {
    let mut depth = 0_usize;
    let places = tokens.iter().enumerate().take(to).skip(from);
    places.filter_map(move |(at, token)| {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => return (depth == 0).then_some(at),
        }
        None
    })
}

/// `name` or `relation.name`.
fn is_column(item: &[TokenWithSpan]) -> bool {
    item.len() % 2 == 1
        && !is_any(item.first(), &["INTERVAL"])
        && item
            .iter()
            .enumerate()
            .all(|(place, token)| match place % 2 {
                0 => matches!(token.token, Token::Word(_)),
                _ => token.token == Token::Period,
            })
}

/// Whether an argument may be the time column.
fn may_be_time(item: &[TokenWithSpan]) -> bool {
    is_column(item) || is_any(item.first(), &["DESCRIPTOR"])
}

/// `timecol => …`
fn is_named_time(item: &[TokenWithSpan]) -> bool {
    let is_arrow = |token: &TokenWithSpan| matches!(token.token, Token::RArrow | Token::Assignment);
    is_any(item.first(), &["TIMECOL"]) && item.get(1).is_some_and(is_arrow)
}

/// The columns that an argument of a window table function says sessions are made by, if it is their list.
pub fn partition_by(argument: &Expr) -> Option<Vec<&Expr>> {
    match argument {
        Expr::Function(function) if function_name(&function.name).as_deref() == Some(WRAPPED) => {
            Some(arguments(function).unwrap_or_default())
        }
        _ => None,
    }
}

/// Takes the list of columns out of a call's arguments.
pub(super) fn take(arguments: &mut Vec<FunctionArg>) -> Option<Expr> {
    let wrapped = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
            partition_by(expr).map(|_| expr.clone())
        }
        _ => None,
    };
    let at = arguments
        .iter()
        .position(|argument| wrapped(argument).is_some())?;
    wrapped(&arguments.remove(at))
}

/// The list of PARTITION BY with the bare names of its columns.
pub(super) fn columns(tvf: &Tvf, list: &Expr, at_call: Span) -> Result<Expr, ParseError> {
    let columns = partition_by(list).unwrap_or_default();
    let at = columns
        .first()
        .map_or(at_call, |column| place(column, at_call));
    if tvf.name != SESSION.name {
        return Err(wrong(tvf, "takes no PARTITION BY", at)
            .hint("group by the columns; only SESSION, whose windows are made of rows, takes PARTITION BY"));
    }
    if columns.is_empty() {
        return Err(wrong(tvf, "PARTITION BY needs a column", at));
    }
    let mut names = Vec::with_capacity(columns.len());
    for column in columns {
        let at = place(column, at_call);
        match column {
            Expr::Identifier(_) => names.push(column.clone()),
            Expr::CompoundIdentifier(path) => {
                names.extend(path.last().cloned().map(Expr::Identifier))
            }
            _ => {
                return Err(wrong(tvf, "PARTITION BY takes columns alone", at).hint(
                    "compute it in a subquery: SESSION((SELECT *, expression AS name FROM …) PARTITION BY name, …)",
                ));
            }
        }
    }
    Ok(call("PARTITION_BY", names))
}

/// A relation with its list as one expression that prints `relation PARTITION BY columns`; for printing alone.
pub(super) fn printed(relation: &Expr, columns: &[&Expr]) -> Expr {
    let names: Vec<String> = columns.iter().map(ToString::to_string).collect();
    let names = match names.as_slice() {
        [name] => name.clone(),
        _ => format!("({})", names.join(", ")),
    };
    Expr::Identifier(Ident::new(format!("{relation} PARTITION BY {names}")))
}
