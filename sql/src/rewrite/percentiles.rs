//! Percentiles under other names: everything approximate goes to `approx_percentile(x, fraction [, accuracy])`, with weights to
//! `approx_percentile_cont_with_weight(x, weight, fraction)`.
//!
//! What the engine calls so itself (`approx_median`, `approx_percentile_cont`) are t-digests, whose answer depends on the order of rows:
//! no query may have them, so each is rewritten, or refused with its place. `ORDER BY x DESC` asks for 1 - fraction, as the engine has it;
//! of a literal that is told in decimals, for 1 - 0.95 in binary is not 0.05.

use sqlparser::ast::{
    Array, BinaryOperator, Expr, Function, FunctionArguments, ObjectName, Spanned, UnaryOperator,
    Value, ValueWithSpan,
};

use super::functions::rename;
use super::idents::{self, arguments, function_name};
use crate::error::ParseError;

const PERCENTILE: &str = "approx_percentile";
const PERCENTILE_SHAPE: &str = "write approx_percentile(expression, 0.95)";
const WEIGHTED: &str = "approx_percentile_cont_with_weight";
const WEIGHTED_SHAPE: &str = "write approx_percentile_cont_with_weight(expression, weight, 0.95)";

/// Changes a call in place, if it is one of a percentile.
pub(super) fn rewrite(function: &mut Function, name: &str) -> Result<bool, ParseError> {
    match name {
        "approx_percentile"
        | "percentile_approx"
        | "approx_percentile_cont"
        | "approx_quantile"
        | "quantile"
        | "percentile" => percentile(function, name)?,
        WEIGHTED => weighted(function)?,
        "approx_median" => {
            if !with_fraction(function, "0.5") {
                return Err(
                    wrong(&function.name, "takes one expression", PERCENTILE_SHAPE).hint(
                        "write approx_median(expression), or approx_percentile(expression, 0.5)",
                    ),
                );
            }
        }
        "p50" => _ = with_fraction(function, "0.5"),
        "p75" => _ = with_fraction(function, "0.75"),
        "p90" => _ = with_fraction(function, "0.9"),
        "p95" => _ = with_fraction(function, "0.95"),
        "p99" => _ = with_fraction(function, "0.99"),
        "p999" => _ = with_fraction(function, "0.999"),
        _ => return Ok(false),
    }
    Ok(true)
}

fn wrong(name: &ObjectName, what: &str, shape: &str) -> ParseError {
    ParseError::invalid(format!("{name}: {what}"), name.span())
        .offending(name.to_string())
        .hint(shape)
}

/// `f(x)` → `approx_percentile(x, fraction)`; says whether it was one.
fn with_fraction(function: &mut Function, fraction: &str) -> bool {
    let one = arguments(function).is_some_and(|arguments| arguments.len() == 1);
    if let FunctionArguments::List(list) = &mut function.args
        && one
    {
        list.args.push(idents::argument(Expr::Value(
            Value::Number(fraction.to_owned(), false).into(),
        )));
        rename(function, PERCENTILE);
    }
    one
}

/// The value of `f(x, …)` or `f(…) WITHIN GROUP (ORDER BY x)`, the arguments beside it, and whether the order is descending; `None` where
/// it is neither.
fn parts(function: &Function) -> Option<(Expr, Vec<Expr>, bool)> {
    let given: Vec<Expr> = arguments(function)?.into_iter().cloned().collect();
    match function.within_group.as_slice() {
        [] => {
            let (of, rest) = given.split_first()?;
            Some((of.clone(), rest.to_vec(), false))
        }
        [order] => Some((order.expr.clone(), given, order.options.asc == Some(false))),
        _ => None,
    }
}

/// `f(x, fraction [, accuracy])` and `f(fraction [, accuracy]) WITHIN GROUP (ORDER BY x)`.
fn percentile(function: &mut Function, called: &str) -> Result<(), ParseError> {
    let name = function.name.to_string();
    let wrong = |what: &str| wrong(&function.name, what, PERCENTILE_SHAPE);
    let Some((of, rest, descending)) = parts(function) else {
        return Err(wrong("takes an expression and a fraction"));
    };
    let (mut fraction, third) = match rest.as_slice() {
        [fraction] => (fraction.clone(), None),
        [fraction, third] => (fraction.clone(), Some(third.clone())),
        _ => return Err(wrong("takes an expression and a fraction")),
    };
    let accuracy = match (called, third) {
        ("approx_percentile_cont", Some(centroids)) => {
            check_centroids(&name, &centroids)?;
            None
        }
        ("percentile" | "quantile", Some(_)) => {
            return Err(wrong(
                "takes an expression and a fraction, and no frequency",
            ));
        }
        (_, accuracy) => accuracy,
    };
    check_fractions(&name, &mut fraction, PERCENTILE_SHAPE)?;
    if let Some(accuracy) = &accuracy {
        check_accuracy(&name, accuracy)?;
    }
    if descending {
        turn_round(&mut fraction);
    }
    become_call(function, PERCENTILE, [Some(of), Some(fraction), accuracy]);
    Ok(())
}

/// `f(x, weight, fraction [, centroids])` and `f(weight, fraction [, centroids]) WITHIN GROUP (ORDER BY x)`.
fn weighted(function: &mut Function) -> Result<(), ParseError> {
    let name = function.name.to_string();
    let wrong = || {
        let what = "takes an expression, a weight and a fraction";
        wrong(&function.name, what, WEIGHTED_SHAPE)
    };
    let (of, rest, descending) = parts(function).ok_or_else(wrong)?;
    let (weight, mut fraction) = match rest.as_slice() {
        [weight, fraction] => (weight.clone(), fraction.clone()),
        [weight, fraction, centroids] => {
            check_centroids(&name, centroids)?;
            (weight.clone(), fraction.clone())
        }
        _ => return Err(wrong()),
    };
    check_fractions(&name, &mut fraction, WEIGHTED_SHAPE)?;
    if descending {
        turn_round(&mut fraction);
    }
    become_call(function, WEIGHTED, [Some(of), Some(weight), Some(fraction)]);
    Ok(())
}

fn become_call(function: &mut Function, name: &str, given: [Option<Expr>; 3]) {
    function.within_group = Vec::new();
    if let FunctionArguments::List(list) = &mut function.args {
        list.args = given.into_iter().flatten().map(idents::argument).collect();
    }
    rename(function, name);
}

/// Looks at the number of a t-digest's centroids, which says nothing about ours: it is left out, and so must be a plain number.
fn check_centroids(name: &str, centroids: &Expr) -> Result<(), ParseError> {
    let is_whole = match centroids {
        Expr::Value(ValueWithSpan {
            value: Value::Number(number, _),
            ..
        }) => number.parse::<u64>().is_ok_and(|number| number > 0),
        _ => false,
    };
    match is_whole {
        true => Ok(()),
        false => Err(ParseError::invalid(
            format!("{name}: the number of centroids must be a whole number above 0"),
            centroids.span(),
        )
        .offending(centroids.to_string())
        .hint("leave it out: it says nothing here; approx_percentile(expression, 0.95, 1000) is at most one part in 1000 off")),
    }
}

/// A fraction, or each of an array of them, from the other end.
fn turn_round(fraction: &mut Expr) {
    if let Expr::Array(array) = fraction {
        array.elem.iter_mut().for_each(turn_round);
        return;
    }
    let literal = match fraction {
        Expr::Value(ValueWithSpan {
            value: Value::Number(number, _),
            ..
        }) => one_less(number),
        _ => None,
    };
    let number = |text: String| Expr::Value(Value::Number(text, false).into());
    *fraction = match literal {
        Some(turned) => number(turned),
        None => Expr::BinaryOp {
            left: Box::new(number("1".to_owned())),
            op: BinaryOperator::Minus,
            right: Box::new(Expr::Nested(Box::new(fraction.clone()))),
        },
    };
}

/// 1 less this decimal between 0 and 1, digit by digit; `None` where it is not plain digits.
fn one_less(number: &str) -> Option<String> {
    let (whole, digits) = number.split_once('.').unwrap_or((number, ""));
    let places = u32::try_from(digits.len()).ok()?;
    let one = 10_u128.checked_pow(places)?;
    let given: u128 = format!("{whole}{digits}").parse().ok()?;
    let left = one.checked_sub(given)?;
    if left == 0 || left == one {
        return Some(u128::from(left == one).to_string());
    }
    let digits = format!("{left:0>width$}", width = digits.len());
    Some(format!("0.{}", digits.trim_end_matches('0')))
}

/// Looks at literal fractions: one, or an array of them, which Spark writes `array(0.5, 0.95)`.
fn check_fractions(name: &str, fraction: &mut Expr, shape: &str) -> Result<(), ParseError> {
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
            .try_for_each(|element| check_fractions(name, element, shape));
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
        .hint(shape));
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
