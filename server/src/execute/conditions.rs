//! Conditions that the engine tells apart by its words alone, and PostgreSQL by a code.
//!
//! A client decides by the code: whether to ask again, whom to blame. The words are the engine's of one version, so a test has them all; one
//! that is not found here keeps the code of its kind.

use crate::error::SqlState;

/// Part of a message, and the condition it means. The first that fits counts.
const MEANT: [(&str, SqlState); 37] = [
    ("permission denied for ", SqlState::InsufficientPrivilege),
    (
        "must appear in the GROUP BY clause",
        SqlState::GroupingError,
    ),
    (
        "aggregate functions are not allowed in",
        SqlState::GroupingError,
    ),
    (
        "aggregate function calls cannot be nested",
        SqlState::GroupingError,
    ),
    ("bytes at once", SqlState::ProgramLimitExceeded),
    ("division by zero", SqlState::DivisionByZero),
    ("overflow happened on", SqlState::NumericValueOutOfRange),
    ("can't cast value", SqlState::NumericValueOutOfRange),
    ("is too large to store in", SqlState::NumericValueOutOfRange),
    ("to value of Date32 type", SqlState::InvalidDatetimeFormat),
    ("to value of Time64", SqlState::InvalidDatetimeFormat),
    ("to value of Timestamp", SqlState::InvalidDatetimeFormat),
    ("parsing timestamp from", SqlState::InvalidDatetimeFormat),
    ("parsing date from", SqlState::InvalidDatetimeFormat),
    (
        "invalid input syntax for type interval",
        SqlState::InvalidDatetimeFormat,
    ),
    ("cannot cast string", SqlState::InvalidTextRepresentation),
    ("cannot cast value", SqlState::InvalidTextRepresentation),
    ("Cannot parse", SqlState::InvalidTextRepresentation),
    (
        "square root of a negative",
        SqlState::InvalidArgumentForPower,
    ),
    ("date part '", SqlState::InvalidParameterValue),
    ("date_trunc granularity", SqlState::InvalidParameterValue),
    ("invalid timezone", SqlState::InvalidParameterValue),
    (
        "inconsistent data length across values list",
        SqlState::SyntaxError,
    ),
    ("unsupported SQL type", SqlState::UndefinedObject),
    (
        "unary operator '-' only supports",
        SqlState::AmbiguousFunction,
    ),
    (
        "No function matches the given name",
        SqlState::UndefinedFunction,
    ),
    (
        "cannot coerce arithmetic expression",
        SqlState::UndefinedFunction,
    ),
    ("for temporal operation", SqlState::UndefinedFunction),
    // As the planner's table of errors says them.
    ("is not in select list", SqlState::InvalidColumnReference),
    (
        "query must have the same number of columns",
        SqlState::SyntaxError,
    ),
    (
        "LIMIT must not be negative",
        SqlState::InvalidRowCountInLimit,
    ),
    (
        "OFFSET must not be negative",
        SqlState::InvalidRowCountInOffset,
    ),
    ("operator does not exist", SqlState::UndefinedFunction),
    ("must be type boolean, not type", SqlState::DatatypeMismatch),
    (
        "more than one row returned by a subquery",
        SqlState::CardinalityViolation,
    ),
    (
        "negative substring length not allowed",
        SqlState::SubstringError,
    ),
    (
        "invalid regular expression",
        SqlState::InvalidRegularExpression,
    ),
];

/// The condition a message speaks of.
pub(crate) fn of_message(message: &str) -> Option<SqlState> {
    if message.starts_with("function ") && message.ends_with(" does not exist") {
        return Some(SqlState::UndefinedFunction);
    }
    if message.starts_with("type \"") && message.ends_with(" does not exist") {
        return Some(SqlState::UndefinedObject);
    }
    if message.starts_with("unit \"") && message.ends_with(" not recognized") {
        return Some(SqlState::InvalidParameterValue);
    }
    let message = message.to_lowercase();
    let found = MEANT
        .iter()
        .find(|(part, _)| message.contains(&part.to_lowercase()));
    found.map(|(_, state)| *state)
}

#[cfg(test)]
mod tests;
