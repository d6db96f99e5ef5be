//! A table as it was: `t VERSION AS OF n` and `t TIMESTAMP AS OF time`, and the other spellings of these.
//!
//! `FOR SYSTEM_TIME AS OF` (Flink, BigQuery, SQL:2011), `FOR TIMESTAMP AS OF`, `FOR VERSION AS OF`, `FOR SYSTEM_VERSION AS OF` (Spark) become
//! these two. The parser knows some of them, and no version in quotes; so they are brought together in the tokens.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, ObjectNamePart, Spanned, TableFactor, TableVersion, Value, visit_expressions,
};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{can_be_alias, is_any};
use crate::error::ParseError;

const SHAPE: &str = "write FROM t VERSION AS OF 12, or FROM t TIMESTAMP AS OF '2026-11-27 10:00'";

/// Brings the spellings to the two that the parser knows.
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_any(Some(token), &["OF"])) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let start = at + usize::from(is_any(Some(token), &["FOR"]));
        let follows_a_relation = out.last().is_some_and(can_be_alias);
        if let Some(kind) = clause(&tokens, start)
            && follows_a_relation
            && let Some(found) = tokens.get(start..start + 3)
        {
            let mut found = found.to_vec();
            if let Some(first) = found.first_mut() {
                first.token = Token::make_keyword(kind);
            }
            out.extend(found);
            at = start + 3;
            // Spark takes the number in quotes too.
            if let Some(TokenWithSpan {
                token: Token::SingleQuotedString(text),
                span,
            }) = tokens.get(at)
                && kind == "VERSION"
                && !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_digit())
            {
                out.push(TokenWithSpan::new(
                    Token::Number(text.clone(), false),
                    *span,
                ));
                at += 1;
            }
            continue;
        }
        out.push(token.clone());
        at += 1;
    }
    out
}

/// Which of the two stands here.
fn clause(tokens: &[TokenWithSpan], at: usize) -> Option<&'static str> {
    let next = |ahead: usize, words: &[&str]| is_any(tokens.get(at + ahead), words);
    if !next(1, &["AS"]) || !next(2, &["OF"]) {
        return None;
    }
    if next(0, &["VERSION", "SYSTEM_VERSION"]) {
        return Some("VERSION");
    }
    next(0, &["TIMESTAMP", "SYSTEM_TIME"]).then_some("TIMESTAMP")
}

/// Refuses what no time is, and one that differs from row to row.
pub(super) fn check(factor: &mut TableFactor) -> Result<(), ParseError> {
    let TableFactor::Table {
        name,
        version: Some(version),
        args,
        ..
    } = factor
    else {
        return Ok(());
    };
    let name = &*name;
    let wrong = |message: String| {
        ParseError::invalid(message, name.span())
            .offending(name.to_string())
            .hint(SHAPE)
    };
    if args.is_some() {
        return Err(wrong(format!("{name}(…) has no versions")));
    }
    if let TableVersion::ForSystemTimeAsOf(time) = version {
        *version = TableVersion::TimestampAsOf(time.clone());
    }
    match version {
        TableVersion::VersionAsOf(Expr::Value(value)) => match &value.value {
            Value::Number(number, _) if number.to_string().parse::<i64>().is_ok() => Ok(()),
            other => Err(wrong(format!("{other} is no version of a table"))),
        },
        TableVersion::TimestampAsOf(time) => match row_by_row(time) {
            Some(found) => Err(wrong(format!(
                "TIMESTAMP AS OF takes one time for the whole statement, and {found} has many"
            ))),
            None => Ok(()),
        },
        other => Err(ParseError::unsupported(
            format!("{} is not supported", kind_of(other)),
            name.span(),
        )
        .offending(name.to_string())
        .hint(SHAPE)),
    }
}

/// `Display` puts the version behind the alias, where nobody reads it; for printing alone it becomes part of the name.
pub(super) fn printable(factor: &mut TableFactor) {
    if let TableFactor::Table {
        name,
        alias: Some(_),
        version,
        ..
    } = factor
        && let Some(ObjectNamePart::Identifier(table)) = name.0.last_mut()
        && let Some(version) = version.take()
    {
        *table = Ident::new(format!("{table} {version}"));
    }
}

fn kind_of(version: &TableVersion) -> &'static str {
    match version {
        TableVersion::Changes { .. } => "CHANGES",
        TableVersion::Function(_) => "AT or BEFORE after a table",
        _ => "this version of a table",
    }
}

/// What of an expression is a column or a query.
fn row_by_row(expr: &Expr) -> Option<String> {
    let found = visit_expressions(expr, |expr| match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(expr.to_string()),
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
            ControlFlow::Break("a query".to_owned())
        }
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Break(found) => Some(found),
        ControlFlow::Continue(()) => None,
    }
}
