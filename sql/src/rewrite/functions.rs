//! Functions under other names, and fields of what a function returned.
//!
//! Only calls whose meaning is the same are rewritten. Everything approximate about percentiles goes to the one
//! `approx_percentile(x, fraction [, accuracy])`.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    AccessExpr, Array, CaseWhen, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, ObjectName, Spanned, UnaryOperator, Value, ValueWithSpan,
};

use super::idents::{self, arguments, call, function_name, text};
use super::spark_window;
use crate::error::ParseError;
use crate::interval;
use crate::spark_schema::parse_spark_schema;

const PERCENTILE: &str = "approx_percentile";
const PERCENTILE_SHAPE: &str = "write approx_percentile(expression, 0.95)";

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
    match name.as_str() {
        "approx_percentile"
        | "percentile_approx"
        | "approx_percentile_cont"
        | "approx_quantile"
        | "quantile"
        | "percentile" => percentile(function, &name)?,
        "approx_median" => with_fraction(function, "0.5"),
        "p50" => with_fraction(function, "0.5"),
        "p75" => with_fraction(function, "0.75"),
        "p90" => with_fraction(function, "0.9"),
        "p95" => with_fraction(function, "0.95"),
        "p99" => with_fraction(function, "0.99"),
        "p999" => with_fraction(function, "0.999"),
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

fn rename(function: &mut Function, name: &str) {
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

fn with_fraction(function: &mut Function, fraction: &str) {
    let one = arguments(function).is_some_and(|arguments| arguments.len() == 1);
    if let FunctionArguments::List(list) = &mut function.args
        && one
    {
        list.args.push(idents::argument(Expr::Value(
            Value::Number(fraction.to_owned(), false).into(),
        )));
        rename(function, PERCENTILE);
    }
}

/// `f(x, fraction [, accuracy])` and `f(fraction [, accuracy]) WITHIN GROUP (ORDER BY x)`.
fn percentile(function: &mut Function, called: &str) -> Result<(), ParseError> {
    let at = function.name.span();
    let name = function.name.to_string();
    let wrong = |what: &str| {
        ParseError::invalid(format!("{name}: {what}"), at)
            .offending(name.clone())
            .hint(PERCENTILE_SHAPE)
    };
    let Some(given) = arguments(function) else {
        return Err(wrong("takes an expression and a fraction"));
    };
    let (of, rest) = match (function.within_group.as_slice(), given.as_slice()) {
        ([], [of, rest @ ..]) => ((*of).clone(), rest),
        ([order], rest) => {
            if order.options.asc == Some(false) {
                return Err(wrong("ORDER BY … DESC is not supported")
                    .hint("turn the fraction round: 1 - 0.95 for 0.95"));
            }
            (order.expr.clone(), rest)
        }
        _ => return Err(wrong("takes an expression and a fraction")),
    };
    let (mut fraction, accuracy) = match rest {
        [fraction] => ((*fraction).clone(), None),
        [fraction, third] => ((*fraction).clone(), Some((*third).clone())),
        _ => return Err(wrong("takes an expression and a fraction")),
    };
    let accuracy = match (called, accuracy) {
        // How many centroids a t-digest has says nothing about ours.
        ("approx_percentile_cont", _) => None,
        ("percentile" | "quantile", Some(_)) => {
            return Err(wrong(
                "takes an expression and a fraction, and no frequency",
            ));
        }
        (_, accuracy) => accuracy,
    };
    check_fractions(&name, &mut fraction)?;
    if let Some(accuracy) = &accuracy {
        check_accuracy(&name, accuracy)?;
    }
    function.within_group = Vec::new();
    if let FunctionArguments::List(list) = &mut function.args {
        list.args = [Some(of), Some(fraction), accuracy]
            .into_iter()
            .flatten()
            .map(idents::argument)
            .collect();
    }
    rename(function, PERCENTILE);
    Ok(())
}

/// Looks at literal fractions: one, or an array of them, which Spark writes `array(0.5, 0.95)`.
fn check_fractions(name: &str, fraction: &mut Expr) -> Result<(), ParseError> {
    if let Expr::Function(array) = fraction
        && function_name(&array.name).as_deref() == Some("make_array")
        && let Some(elements) = arguments(array)
    {
        *fraction = Expr::Array(Array {
            elem: elements.into_iter().cloned().collect(),
            named: true,
        });
    }
    if let Expr::Array(array) = fraction {
        return array
            .elem
            .iter_mut()
            .try_for_each(|element| check_fractions(name, element));
    }
    if let Expr::Value(ValueWithSpan {
        value: Value::Number(number, _),
        span,
    }) = fraction
        && !number
            .parse::<f64>()
            .is_ok_and(|number| (0.0..=1.0).contains(&number))
    {
        return Err(ParseError::invalid(
            format!("{name}: the fraction must be between 0 and 1"),
            *span,
        )
        .offending(number.clone())
        .hint(PERCENTILE_SHAPE));
    }
    Ok(())
}

/// Looks at a literal accuracy. What has to be computed first is looked at when the query is planned.
fn check_accuracy(name: &str, accuracy: &Expr) -> Result<(), ParseError> {
    const SHAPE: &str = "write a whole number for one part in so many, approx_percentile(expression, 0.95, 1000), or the part itself, 0.001";
    let wrong = |what: &str| {
        ParseError::invalid(format!("{name}: the accuracy {what}"), accuracy.span())
            .offending(accuracy.to_string())
            .hint(SHAPE)
    };
    match accuracy {
        Expr::Value(ValueWithSpan {
            value: Value::Number(number, _),
            ..
        }) => match number.parse::<f64>() {
            Ok(parts) if parts >= 1.0 && parts.fract() != 0.0 => Err(wrong("must be a whole number, or less than 1")),
            Ok(number) if number > 100_000.0 || (number > 0.0 && number < 0.000_01) => Err(wrong(
                "cannot be finer than one part in 100000",
            )
            .hint("ask for 100000 at most (0.001 %); percentile_cont(0.95) WITHIN GROUP (ORDER BY expression) is exact, and keeps every value")),
            Ok(number) if number > 0.0 => Ok(()),
            _ => Err(wrong("must be greater than 0")),
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            ..
        } => Err(wrong("must be greater than 0")),
        Expr::Value(ValueWithSpan {
            value: Value::Null, ..
        }) => Err(wrong("must not be null")),
        Expr::Value(ValueWithSpan {
            value: Value::Placeholder(_),
            ..
        }) => Ok(()),
        Expr::Value(_) => Err(wrong("must be a number")),
        _ => Ok(()),
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
