//! Calls of functions that the engine has otherwise or not at all: JSON aggregates, templates, parts of times.

use std::ops::ControlFlow;

use sluice_sql::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    TableFactor, Value, Visit, Visitor,
};

use super::{expression, name_of, text, text_of};
use crate::{arithmetic::ROUND_EVEN, dialect::catalog::AT_TIME_ZONE};

/// What stands for a call; `None` where it may stand as it is.
pub(super) fn other(name: &str, function: &Function, arguments: &[String]) -> Option<Expr> {
    if let Some(aggregate) = json_aggregate(name, function) {
        return Some(aggregate);
    }
    if name == "percentile_disc" {
        return percentile_disc(function, arguments);
    }
    if name == "mode" {
        return mode(function);
    }
    if name == "make_interval" {
        return make_interval(function);
    }
    if let Some(call) = super::regex::call(name, arguments) {
        return expression(&call);
    }
    let same = match (name, arguments) {
        ("timezone", [zone, time]) => format!("{AT_TIME_ZONE}({zone}, {time})"),
        ("date_trunc", [part, time, zone]) => {
            format!("{AT_TIME_ZONE}({zone}, date_trunc({part}, {AT_TIME_ZONE}({zone}, {time})))")
        }
        ("date_trunc", [part, time]) => match years(part, time) {
            Some(years) => years,
            None => format!("date_trunc({}, {time})", one_of(part)?),
        },
        ("concat" | "concat_ws" | "format", _) => shown(name, arguments)?,
        ("array_to_string", _) => {
            format!("sluice_array_to_string({})", arguments.join(", "))
        }
        ("array_to_json", [list]) => format!("to_json({list})"),
        ("date_part", [part, time]) => fraction(part.trim_matches('\''), time)?,
        // The engine's of this name end at the first.
        ("array_remove", _) => format!("array_remove_all({})", arguments.join(", ")),
        ("array_replace", _) => format!("array_replace_all({})", arguments.join(", ")),
        ("encode", [bytes, form]) if form.to_lowercase() != "'hex'" => {
            format!("sluice_encode({bytes}, {form})")
        }
        ("decode", [text, form]) => format!("sluice_decode({text}, {form})"),
        ("chr", [number]) => format!("sluice_chr({number})"),
        ("round", [number]) if is_double(number) => format!("{ROUND_EVEN}({number})"),
        ("to_char", [value, pattern]) => format!("sluice_to_char({value}, {pattern})"),
        ("to_timestamp", [value]) => format!("sluice_to_timestamp({value})"),
        ("to_timestamp", [text, pattern]) => format!("sluice_to_timestamp({text}, {pattern})"),
        ("to_date", [text, pattern]) => format!("sluice_to_date({text}, {pattern})"),
        ("to_number", [text, pattern]) => format!("sluice_to_number({text}, {pattern})"),
        ("generate_series", [from, to, _]) => {
            let step = interval(function)?;
            format!("unnest(generate_series({from}, {to}, {step}))")
        }
        _ => return None,
    };
    expression(&same)
}

/// Whether a cast to `double precision` stands in it, and none to another type around that: what the engine casts by itself cannot be told
/// from it later.
fn is_double(number: &str) -> bool {
    struct Casts {
        /// Casts to other types that are open.
        others: usize,
    }
    impl Visitor for Casts {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match cast_to(expr) {
                Some(data_type) if is_floating(data_type) && self.others == 0 => {
                    return ControlFlow::Break(());
                }
                Some(data_type) if !is_floating(data_type) => self.others += 1,
                _ => {}
            }
            ControlFlow::Continue(())
        }

        fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if cast_to(expr).is_some_and(|data_type| !is_floating(data_type)) {
                self.others -= 1;
            }
            ControlFlow::Continue(())
        }
    }
    let mut casts = Casts { others: 0 };
    expression(number).is_some_and(|number| number.visit(&mut casts).is_break())
}

fn cast_to(expr: &Expr) -> Option<&DataType> {
    match expr {
        Expr::Cast { data_type, .. } => Some(data_type),
        Expr::TypedString(typed) => Some(&typed.data_type),
        _ => None,
    }
}

fn is_floating(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Double(_)
            | DataType::DoublePrecision
            | DataType::Float(_)
            | DataType::Float4
            | DataType::Float8
            | DataType::Real
    )
}

/// A step that is the text of an interval, as one.
fn interval(function: &Function) -> Option<String> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) = list.args.last()
    else {
        return None;
    };
    text_of(&value.value).map(|text| format!("INTERVAL '{}'", text.replace('\'', "''")))
}

/// `generate_series(…, '12 hours')` in FROM: the step is an interval, whatever it is written as.
pub(super) fn step_of_series(factor: &mut TableFactor) {
    let (name, arguments) = match factor {
        TableFactor::Table {
            name,
            args: Some(arguments),
            ..
        } => (name, &mut arguments.args),
        TableFactor::Function { name, args, .. } => (name, args),
        _ => return,
    };
    if name_of(name).as_deref() != Some("generate_series") {
        return;
    }
    // The engine's series of times is of its own times, of nanoseconds.
    for argument in arguments.iter_mut().take(2) {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Cast { data_type, .. })) = argument
            && let DataType::Timestamp(Some(6), zone) = data_type
        {
            *data_type = DataType::Timestamp(None, *zone);
        }
    }
    if let [_, _, FunctionArg::Unnamed(FunctionArgExpr::Expr(step))] = arguments.as_mut_slice()
        && let Expr::Value(value) = &*step
        && let Some(written) = text_of(&value.value)
        && let Some(interval) = expression(&format!("INTERVAL {}", text(&written)))
    {
        *step = interval;
    }
}

/// A call whose arguments are written as PostgreSQL shows them; `None` where they all are.
fn shown(name: &str, arguments: &[String]) -> Option<String> {
    let all: Vec<String> = arguments
        .iter()
        .map(|argument| match expression(argument) {
            Some(Expr::Value(value)) => match value.value {
                Value::Boolean(true) => "'t'".to_owned(),
                Value::Boolean(false) => "'f'".to_owned(),
                _ => argument.clone(),
            },
            None => argument.clone(),
            Some(_) => format!("sluice_shown({argument})"),
        })
        .collect();
    (all != arguments).then(|| format!("{name}({})", all.join(", ")))
}

/// `'hours'` is an hour; `None` where it is one already.
fn one_of(part: &str) -> Option<String> {
    let name = part.strip_prefix('\'')?.strip_suffix('\'')?.to_lowercase();
    let one = name.strip_suffix('s')?;
    let known = [
        "microsecond",
        "millisecond",
        "second",
        "minute",
        "hour",
        "day",
        "week",
        "month",
        "quarter",
        "year",
    ];
    known.contains(&one).then(|| format!("'{one}'"))
}

/// Whether an expression looks like that of an interval; no column is one.
fn may_be_interval(time: &str) -> bool {
    let time = time.to_lowercase();
    ["interval", "age(", "justify_", "sluice_years"]
        .iter()
        .any(|word| time.contains(word))
}

/// Seconds and milliseconds with their fraction, which the engine cuts off.
pub(super) fn fraction(part: &str, time: &str) -> Option<String> {
    let parts = match part.to_lowercase().as_str() {
        "second" | "seconds" | "sec" | "secs" => "1000000.0",
        "millisecond" | "milliseconds" | "msec" | "msecs" | "ms" => "1000.0",
        // Of what may be an interval, in which a year has a quarter of a day more than its months.
        "epoch" if may_be_interval(time) => return Some(format!("sluice_epoch({time})")),
        _ => return None,
    };
    Some(format!(
        "(CAST(date_part('microsecond', {time}) AS DOUBLE) / CAST({parts} AS DOUBLE))"
    ))
}

/// The years that the engine's `date_trunc` does not count.
fn years(part: &str, time: &str) -> Option<String> {
    let (from, length) = match part.trim_matches('\'').to_lowercase().as_str() {
        "decade" => (0, 10),
        "century" => (1, 100),
        "millennium" => (1, 1000),
        _ => return None,
    };
    Some(format!(
        "(date_trunc('year', {time}) - sluice_years((date_part('year', {time}) - {from}) % {length}))"
    ))
}

/// `percentile_disc(f) WITHIN GROUP (ORDER BY x)`: of all values in order, the first that has so great a part of them up to it.
fn percentile_disc(function: &Function, arguments: &[String]) -> Option<Expr> {
    let ([fraction], [by]) = (arguments, function.within_group.as_slice()) else {
        return None;
    };
    let literal: Option<f64> = fraction.parse().ok();
    if literal.is_some_and(|fraction| !(0.0..=1.0).contains(&fraction)) {
        return None;
    }
    let value = &by.expr;
    let filter = match &function.filter {
        Some(filter) => format!("FILTER (WHERE ({value}) IS NOT NULL AND ({filter}))"),
        None => format!("FILTER (WHERE ({value}) IS NOT NULL)"),
    };
    // Not by brackets: of an aggregate the engine takes them for `nth_value`, which takes a number that is written out.
    expression(&format!(
        "array_element(array_agg({value} ORDER BY {by}) {filter}, greatest(1, CAST(ceil(({fraction}) * (count({value}) {filter})) AS BIGINT)))"
    ))
}

/// `mode() WITHIN GROUP (ORDER BY x)`: the value that comes most often; of several the first in that order.
fn mode(function: &Function) -> Option<Expr> {
    let [by] = function.within_group.as_slice() else {
        return None;
    };
    let aggregate = match by.options.asc {
        Some(false) => "sluice_mode_last",
        _ => "sluice_mode",
    };
    let filter = function.filter.as_ref();
    let filter = filter.map_or_else(String::new, |filter| format!(" FILTER (WHERE {filter})"));
    expression(&format!("{aggregate}({}){filter}", by.expr))
}

/// `make_interval(days => 10)`: its parts in their order, those that are not named are none.
fn make_interval(function: &Function) -> Option<Expr> {
    const PARTS: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let mut parts = PARTS.map(|_| "0".to_owned());
    for (at, argument) in list.args.iter().enumerate() {
        let (at, value) = match argument {
            FunctionArg::Named { name, arg, .. } => {
                let name = name.value.to_lowercase();
                (PARTS.iter().position(|part| **part == *name)?, arg)
            }
            FunctionArg::Unnamed(value) => (at, value),
            FunctionArg::ExprNamed { .. } => return None,
        };
        *parts.get_mut(at)? = value.to_string();
    }
    expression(&format!("sluice_make_interval({})", parts.join(", ")))
}

/// `json_agg(x ORDER BY y)` as a list of texts that is put together afterwards; so DISTINCT, ORDER BY, FILTER and OVER are the engine's.
fn json_aggregate(name: &str, function: &Function) -> Option<Expr> {
    let (each, whole, is_jsonb) = match name {
        "json_agg" => ("sluice_json_value", "sluice_json_list", false),
        "jsonb_agg" => ("sluice_json_value", "sluice_json_list", true),
        "json_object_agg" => ("sluice_json_member", "sluice_json_members", false),
        "jsonb_object_agg" => ("sluice_json_member", "sluice_json_members", true),
        _ => return None,
    };
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let arguments: Vec<String> = list.args.iter().map(ToString::to_string).collect();
    let element = expression(&format!("{each}({})", arguments.join(", ")))?;
    let mut aggregate = function.clone();
    aggregate.name = ObjectName::from(vec![Ident::new("array_agg")]);
    if let FunctionArguments::List(list) = &mut aggregate.args {
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(element))];
    }
    let whole = format!("{whole}({aggregate})");
    match is_jsonb {
        true => expression(&format!("sluice_jsonb({whole})")),
        false => expression(&whole),
    }
}

/// A fraction, as it is written, that becomes a whole number: it is a `numeric` there, whose half is rounded away from zero.
pub(super) fn rounded(literal: &Value) -> Option<Expr> {
    let Value::Number(number, _) = literal else {
        return None;
    };
    let (whole, fraction) = number.split_once('.')?;
    if number.contains(['e', 'E']) || whole.len() > 18 {
        return None;
    }
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let up = fraction.bytes().next().is_some_and(|digit| digit >= b'5');
    let number = whole + i64::from(up);
    Some(Expr::Value(Value::Number(number.to_string(), false).into()))
}
