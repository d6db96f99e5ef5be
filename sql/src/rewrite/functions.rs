//! Functions under other names, and fields of what a function returned.
//!
//! Only calls whose meaning is the same are rewritten. Percentiles have a file of their own.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    AccessExpr, CaseWhen, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, ObjectName, Spanned, Value, ValueWithSpan,
};

use super::idents::{self, arguments, call, function_name, text};
use super::{percentiles, spark_window};
use crate::error::ParseError;
use crate::interval;
use crate::spark_schema::parse_spark_schema;

/// Rewrites one expression whose insides are canonical already.
pub(super) fn rewrite(expr: &mut Expr) -> Result<(), ParseError> {
    match expr {
        Expr::Function(function) => {
            if let Some(rewritten) = rewrite_call(function)? {
                *expr = rewritten;
            }
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            if let Some(rewritten) = field_access(root, access_chain) {
                *expr = rewritten;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Changes a call in place, or returns what is to stand instead of it.
fn rewrite_call(function: &mut Function) -> Result<Option<Expr>, ParseError> {
    let Some(name) = function_name(&function.name) else {
        return Ok(None);
    };
    if percentiles::rewrite(function, &name)? {
        return Ok(None);
    }
    match name.as_str() {
        "approx_count_distinct" => {
            rename(function, "approx_distinct");
            keep_arguments(function, 1);
        }
        "time_bucket" => time_bucket(function),
        "from_json" => check_schema(function)?,
        _ => return Ok(scalar(&name, function)),
    }
    Ok(None)
}

/// Spark's scalar functions that have another name, or none, here.
fn scalar(name: &str, function: &Function) -> Option<Expr> {
    let arguments = arguments(function)?;
    match (name, arguments.as_slice()) {
        ("year" | "quarter" | "month" | "day" | "hour" | "minute" | "second", [of]) => {
            Some(part(name, of))
        }
        ("dayofmonth", [of]) => Some(part("day", of)),
        ("dayofyear", [of]) => Some(part("doy", of)),
        ("weekofyear", [of]) => Some(part("week", of)),
        ("if", [condition, then, otherwise]) => Some(Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen {
                condition: (*condition).clone(),
                result: (*then).clone(),
            }],
            else_result: Some(Box::new((*otherwise).clone())),
        }),
        ("date_format", [of, pattern]) => {
            let Expr::Value(ValueWithSpan {
                value: Value::SingleQuotedString(pattern),
                ..
            }) = pattern
            else {
                return None;
            };
            Some(call(
                "to_char",
                vec![(*of).clone(), text(&strftime(pattern)?)],
            ))
        }
        _ => None,
    }
}

fn part(name: &str, of: &Expr) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(call("date_part", vec![text(name), of.clone()])),
        data_type: DataType::Int(None),
        array: false,
        format: None,
    }
}

/// A Java date pattern as the engine's; `None` where a letter of it is not known.
fn strftime(pattern: &str) -> Option<String> {
    const LETTERS: [(&str, &str); 9] = [
        ("yyyy", "%Y"),
        ("yy", "%y"),
        ("MM", "%m"),
        ("dd", "%d"),
        ("HH", "%H"),
        ("mm", "%M"),
        ("ss", "%S"),
        ("SSS", "%3f"),
        ("'T'", "T"),
    ];
    let mut rest = pattern;
    let mut out = String::new();
    while let Some(first) = rest.chars().next() {
        let run = rest.find(|c| c != first).unwrap_or(rest.len());
        let known = LETTERS
            .iter()
            .find(|(java, _)| rest.starts_with(java) && (first == '\'' || java.len() == run));
        if let Some((java, ours)) = known {
            out.push_str(ours);
            rest = rest.get(java.len()..)?;
        } else if first.is_alphabetic() || matches!(first, '\'' | '%') {
            return None;
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..)?;
        }
    }
    Some(out)
}

pub(super) fn rename(function: &mut Function, name: &str) {
    let at = function.name.span();
    function.name = ObjectName::from(vec![Ident::with_span(at, name)]);
}

/// `time_bucket('5 minutes', ts)` → `date_bin(INTERVAL '5 minutes', ts)`.
fn time_bucket(function: &mut Function) {
    rename(function, "date_bin");
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(size))) = list.args.first_mut()
        && let Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text),
            span,
        }) = size
        && let Some(text) = interval::canonical(text)
    {
        *size = interval::literal(text, *span);
    }
}

fn keep_arguments(function: &mut Function, count: usize) {
    if let FunctionArguments::List(list) = &mut function.args {
        list.args.truncate(count);
    }
}

/// The literal schema of a `from_json`, where there is one.
pub(super) fn schema_of(function: &Function) -> Option<&ValueWithSpan> {
    if function_name(&function.name).as_deref() != Some("from_json") {
        return None;
    }
    match arguments(function)?.get(1) {
        Some(Expr::Value(value)) => {
            matches!(value.value, Value::SingleQuotedString(_)).then_some(value)
        }
        _ => None,
    }
}

/// A schema that does not parse is refused here, where its place is known.
fn check_schema(function: &Function) -> Result<(), ParseError> {
    let Some(ValueWithSpan {
        value: Value::SingleQuotedString(schema),
        span,
    }) = schema_of(function)
    else {
        return Ok(());
    };
    parse_spark_schema(schema).map(|_| ()).map_err(|inner| {
        let mut error = ParseError::new(
            inner.kind,
            format!("schema of from_json: {}", inner.message),
            span.start,
        );
        error.near = inner.near;
        error.hint = inner.hint;
        error
    })
}

/// Fields of what is no column: `(e).a` (PostgreSQL) → `e.a`, `f(x).a` → `get_field(f(x), 'a')`.
fn field_access(root: &Expr, chain: &[AccessExpr]) -> Option<Expr> {
    if spark_window::is_call(root) {
        return None;
    }
    let names: Option<Vec<Ident>> = chain.iter().map(field).collect();
    if let Expr::Nested(inner) = root
        && let Some(names) = &names
        && names.last().is_some_and(|last| last.value != "*")
        && let Some(mut path) = column_path(inner)
    {
        path.extend(names.iter().cloned());
        return Some(Expr::CompoundIdentifier(path));
    }
    let names = names?;
    if matches!(root, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        || names.iter().any(|name| name.value == "*")
    {
        return None;
    }
    Some(names.iter().fold(root.clone(), |of, name| {
        get_field(of, &idents::folded(name))
    }))
}

/// `get_field(of, 'name')`.
pub(super) fn get_field(of: Expr, name: &str) -> Expr {
    call("get_field", vec![of, text(name)])
}

/// The name of a field that is accessed with a dot.
pub(super) fn field(access: &AccessExpr) -> Option<Ident> {
    match access {
        AccessExpr::Dot(Expr::Identifier(name)) => Some(name.clone()),
        _ => None,
    }
}

/// The parts of a column's name.
pub(super) fn column_path(expr: &Expr) -> Option<Vec<Ident>> {
    match expr {
        Expr::Identifier(name) => Some(vec![name.clone()]),
        Expr::CompoundIdentifier(names) => Some(names.clone()),
        _ => None,
    }
}
