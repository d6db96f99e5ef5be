//! `TIME ZONE 'Europe/Madrid'` as an argument of a window table function: the zone whose days and months its windows are.
//!
//! In the tree it is a typed string, the last argument, which prints as it was written.

use sqlparser::ast::{
    DataType, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, TypedString, Value,
    ValueWithSpan,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

use super::is_named;

/// What the typed string says its type is.
const TYPE: &str = "TIME ZONE";

/// `TIME ZONE 'name'` where an expression may stand; `None` leaves TIME to the parser.
pub(crate) fn parse_prefix(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let is_zone = matches!(&parser.peek_nth_token_ref(1).token, Token::Word(word) if word.keyword == Keyword::ZONE);
    let Token::SingleQuotedString(_) = &parser.peek_nth_token_ref(2).token else {
        return None;
    };
    if !is_zone {
        return None;
    }
    parser.advance_token();
    parser.advance_token();
    let found = parser.next_token();
    let Token::SingleQuotedString(name) = found.token else {
        return None;
    };
    Some(Ok(literal(name, found.span)))
}

fn literal(name: String, span: Span) -> Expr {
    Expr::TypedString(TypedString {
        data_type: DataType::Custom(ObjectName::from(vec![Ident::new(TYPE)]), Vec::new()),
        value: ValueWithSpan {
            value: Value::SingleQuotedString(name),
            span,
        },
        uses_odbc_syntax: false,
    })
}

/// The zone that an expression names, if it is a zone.
pub fn time_zone(expr: &Expr) -> Option<&str> {
    let Expr::TypedString(TypedString {
        data_type: DataType::Custom(name, _),
        value,
        ..
    }) = expr
    else {
        return None;
    };
    match (name.0.as_slice(), &value.value) {
        ([part], Value::SingleQuotedString(zone))
            if part.as_ident().is_some_and(|ident| ident.value == TYPE) =>
        {
            Some(zone)
        }
        _ => None,
    }
}

/// Takes the zone out of a call's arguments: `TIME ZONE 'name'` or `time_zone => 'name'`.
pub(super) fn take(arguments: &mut Vec<FunctionArg>) -> Option<Expr> {
    let at = arguments
        .iter()
        .position(|argument| as_zone(argument).is_some())?;
    as_zone(&arguments.remove(at))
}

fn as_zone(argument: &FunctionArg) -> Option<Expr> {
    let is_zone_name = |name: &Ident| is_named(name, "time_zone") || is_named(name, "timezone");
    let (named, expr) = match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => (false, expr),
        FunctionArg::Named {
            name,
            arg: FunctionArgExpr::Expr(expr),
            ..
        } => (is_zone_name(name), expr),
        FunctionArg::ExprNamed {
            name: Expr::Identifier(name),
            arg: FunctionArgExpr::Expr(expr),
            ..
        } => (is_zone_name(name), expr),
        _ => return None,
    };
    match expr {
        expr if time_zone(expr).is_some() => Some(expr.clone()),
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(name),
            span,
        }) if named => Some(literal(name.clone(), *span)),
        _ => None,
    }
}
