//! What the engine says in words of its own, in PostgreSQL's.
//!
//! Types have PostgreSQL's names here. What the engine leaves out of its text, such as the type that a unit of time was asked of, is left
//! out here too. The texts are of the pinned version; the tests beside this file have them all.

use arrow::datatypes::DataType;

use super::engine::lower_first;
use crate::binding::sql_type;

/// A message of PostgreSQL's, and more about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reworded {
    /// The message.
    pub message: String,
    /// More about it, as a clause.
    pub detail: Option<String>,
}

impl Reworded {
    fn message(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            detail: None,
        }
    }
}

/// A text of the engine's as PostgreSQL says it; `None` where it stays as it is.
#[must_use]
pub fn reworded(text: &str) -> Option<Reworded> {
    let text = lower_first(text);
    of_clauses(&text)
        .or_else(|| nested(&text))
        .or_else(|| of_types(&text))
        .or_else(|| of_values(&text))
}

/// A clause that has what it may not have.
fn of_clauses(text: &str) -> Option<Reworded> {
    if text.starts_with("aggregate functions are not allowed in the WHERE clause") {
        let message = "aggregate functions are not allowed in WHERE";
        return Some(Reworded::message(message));
    }
    let position = |clause: &str, position: &str| {
        let message = format!("{clause} position {position} is not in select list");
        Some(Reworded::message(message))
    };
    if text == "order by index starts at 1 for column indexes" {
        return position("ORDER BY", "0");
    }
    if let Some(rest) = text.strip_prefix("order by column out of bounds, specified: ") {
        return position("ORDER BY", rest.split(',').next()?);
    }
    if let Some(rest) = text.strip_prefix("cannot find column with position ") {
        return position("GROUP BY", rest.split_once(" in SELECT clause")?.0);
    }
    for operation in ["UNION", "INTERSECT", "EXCEPT"] {
        let rest = text.strip_prefix(operation);
        if rest.is_some_and(|rest| rest.starts_with(" queries have different number of columns")) {
            return Some(Reworded::message(format!(
                "each {operation} query must have the same number of columns"
            )));
        }
    }
    for clause in ["LIMIT", "OFFSET"] {
        let rest = text.strip_prefix(clause);
        if rest.is_some_and(|rest| rest.starts_with(" must be >")) {
            return Some(Reworded::message(format!("{clause} must not be negative")));
        }
    }
    None
}

/// A call within another's. Which ones is the detail: PostgreSQL shows the place.
fn nested(text: &str) -> Option<Reworded> {
    const HEADS: [&str; 3] = [
        "aggregate function calls cannot be nested",
        "aggregate function calls cannot contain window function calls",
        "window function calls cannot be nested",
    ];
    let (head, calls) = text.split_once(": '")?;
    if !HEADS.contains(&head) {
        return None;
    }
    let name = |call: &str| call.split('(').next().unwrap_or(call).to_owned();
    let detail = calls
        .split_once("' is nested inside '")
        .map(|(inner, outer)| format!("{}() is within {}()", name(inner), name(outer)));
    Some(Reworded {
        message: head.to_owned(),
        detail,
    })
}

/// A type that does not fit, or that is none.
fn of_types(text: &str) -> Option<Reworded> {
    if let Some(rest) = text.strip_prefix("cannot coerce arithmetic expression ") {
        return no_operator(rest.split_once(" to valid types")?.0);
    }
    if let Some(rest) = text.strip_prefix("cannot get result type for temporal operation ") {
        return no_operator(rest.split_once(": ")?.0);
    }
    if let Some(rest) = text.strip_prefix("cannot infer common argument type for ") {
        let (kind, operands) = rest.split_once("operation ")?;
        return match kind.trim() {
            "logical boolean" => no_condition(operands),
            _ => no_operator(operands),
        };
    }
    if let Some(rest) = text.strip_prefix("there isn't a common type to coerce ") {
        let (operands, operator) = rest.split_once(" in ")?;
        let (left, right) = operands.split_once(" and ")?;
        let operator = operator.strip_suffix(" expression")?;
        return no_operator(&format!("{left} {operator} {right}"));
    }
    if let Some(rest) = text.strip_prefix("cannot create filter with non-boolean predicate '") {
        let (predicate, given) = rest.rsplit_once("' returning ")?;
        // It is said of both clauses, and only one of them has aggregates.
        let aggregate = ["count(", "sum(", "avg(", "min(", "max("]
            .iter()
            .any(|call| predicate.contains(call));
        let clause = if aggregate { "HAVING" } else { "WHERE" };
        return Some(not_boolean(clause, given));
    }
    if let Some(given) =
        text.strip_prefix("unary operator 'NOT' requires a boolean expression, got ")
    {
        return Some(not_boolean("NOT", given));
    }
    let written = text.strip_prefix("unsupported SQL type ")?;
    let name = written.split(['(', '[']).next()?;
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    (!name.is_empty() && name.chars().all(is_name)).then(|| {
        let name = name.to_lowercase();
        Reworded::message(format!("type \"{name}\" does not exist"))
    })
}

/// A value that is refused when rows are made.
fn of_values(text: &str) -> Option<Reworded> {
    if text == "scalar subquery returned more than one row" {
        let message = "more than one row returned by a subquery used as an expression";
        return Some(Reworded::message(message));
    }
    if text.starts_with("negative count not allowed") {
        let message = "negative substring length not allowed";
        return Some(Reworded::message(message));
    }
    if text.starts_with("regex parse error:") {
        let (_, why) = text.rsplit_once("error: ")?;
        let why = match why.trim() {
            "unclosed group" | "unopened group" => "parentheses () not balanced",
            "unclosed character class" => "brackets [] not balanced",
            "repetition operator missing expression" => "quantifier operand invalid",
            other => other,
        };
        return Some(Reworded::message(format!(
            "invalid regular expression: {why}"
        )));
    }
    let unknown = |unit: &str| format!("unit \"{unit}\" not recognized");
    if let Some(rest) = text.strip_prefix("date part '") {
        let unit = rest.strip_suffix("' not supported")?;
        return Some(Reworded::message(unknown(unit)));
    }
    let rest = text.strip_prefix("unsupported date_trunc granularity: '")?;
    let (unit, more) = rest.split_once("'. ")?;
    Some(Reworded {
        message: unknown(unit),
        detail: Some(lower_first(more)),
    })
}

/// `upper(Int64, Utf8)` as `upper(bigint, text)`.
pub(super) fn call(text: &str) -> Option<String> {
    let (name, arguments) = text.split_once('(')?;
    let arguments = arguments.strip_suffix(')')?;
    let types: Vec<String> = apart(arguments, ',').into_iter().map(named).collect();
    Some(format!("{name}({})", types.join(", ")))
}

/// `Int64 + Utf8`: there is no such operator.
fn no_operator(operands: &str) -> Option<Reworded> {
    let (left, operator, right) = sides(operands)?;
    let operator = match operator.as_str() {
        "!=" => "<>",
        "LIKE" => "~~",
        "NOT LIKE" => "!~~",
        "ILIKE" => "~~*",
        "NOT ILIKE" => "!~~*",
        "IS DISTINCT FROM" | "IS NOT DISTINCT FROM" => "=",
        other => other,
    };
    let (left, right) = (named(left), named(right));
    Some(Reworded::message(format!(
        "operator does not exist: {left} {operator} {right}"
    )))
}

/// `Int64 AND Boolean`: one side is no condition.
fn no_condition(operands: &str) -> Option<Reworded> {
    let (left, operator, right) = sides(operands)?;
    let given = if left == "Boolean" { right } else { left };
    Some(not_boolean(&operator, given))
}

fn not_boolean(clause: &str, given: &str) -> Reworded {
    Reworded::message(format!(
        "argument of {clause} must be type boolean, not type {}",
        named(given)
    ))
}

/// The types on both sides of an operator, which may have several words.
fn sides(operands: &str) -> Option<(&str, String, &str)> {
    let words = apart(operands, ' ');
    match words.as_slice() {
        [left, operator @ .., right] if !operator.is_empty() => {
            Some((*left, operator.join(" "), *right))
        }
        _ => None,
    }
}

/// The parts of a text between separators that stand in no parentheses.
fn apart(text: &str, separator: char) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == separator && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}

/// PostgreSQL's name of a type that the engine names, without its length.
fn named(name: &str) -> String {
    match name.trim().parse::<DataType>() {
        Ok(data_type) => short(&data_type),
        Err(_) => name.trim().to_lowercase(),
    }
}

fn short(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "unknown".to_owned(),
        DataType::UInt64 => "numeric".to_owned(),
        other if other.is_decimal() => "numeric".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("{}[]", short(item.data_type()))
        }
        DataType::Dictionary(_, values) => short(values),
        other => sql_type(other),
    }
}
