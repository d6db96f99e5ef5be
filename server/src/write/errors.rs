//! What PostgreSQL says when a value does not fit a column, told from what the engine and Arrow say.

use arrow::datatypes::DataType;
use sluice_connectors::error::ConnectorError;

use crate::{
    catalog::QualifiedName,
    error::{Error, SqlState},
    execute::sql_type,
    root::storage_error,
};

#[cfg(test)]
mod tests;

/// The same error, or PostgreSQL's for a value that cannot be converted.
pub(crate) fn value_error(error: Error) -> Error {
    match told(&error.message) {
        Some((state, message)) => Error {
            state,
            message,
            detail: widest(&error.message).or(error.detail),
            ..error
        },
        None => error,
    }
}

/// The same error, or PostgreSQL's for a value that is none of another type.
pub(crate) fn cast_error(error: Error) -> Error {
    let lower = error.message.to_ascii_lowercase();
    let cast = [
        "cannot cast string '",
        "cannot cast value '",
        "can't cast value ",
    ]
    .iter()
    .any(|start| lower.starts_with(start));
    match cast || widest(&error.message).is_some() {
        true => value_error(error),
        false => error,
    }
}

/// What a NUMERIC takes, of a number that it does not: Arrow names the largest, PostgreSQL the digits.
fn widest(message: &str) -> Option<String> {
    let (number, rest) = message.split_once(" to store in a Decimal")?;
    if !number.ends_with(" is too large") && !number.ends_with(" is too small") {
        return None;
    }
    let (_, rest) = rest.split_once(" of precision ")?;
    let (precision, rest) = rest.split_once(". ")?;
    let (_, bound) = rest.split_once(" is ")?;
    let scale = bound.split_once('.').map_or(0, |(_, digits)| digits.len());
    let whole = precision.parse::<usize>().ok()?.checked_sub(scale)?;
    let bound = match whole {
        0 => "1".to_owned(),
        digits => format!("10^{digits}"),
    };
    Some(format!(
        "A field with precision {precision}, scale {scale} must round to an absolute value less than {bound}."
    ))
}

/// The texts are of the pinned versions of Arrow and DataFusion; the tests beside this file make them say these.
fn told(message: &str) -> Option<(SqlState, String)> {
    let text = message
        .split_once("ast error: ")
        .map_or(message, |(_, text)| text);
    let lower = text.to_ascii_lowercase();
    if lower.contains("division by zero") || lower.contains("divide by zero") {
        return Some((SqlState::DivisionByZero, "division by zero".into()));
    }
    if lower.starts_with("cannot cast string '") || lower.starts_with("cannot cast value '") {
        let (_, quoted) = text.split_once('\'')?;
        let (value, rest) = quoted.rsplit_once("' to value of ")?;
        let data_type = rest.split(" type").next().unwrap_or(rest);
        let integer = data_type.starts_with("Int");
        let digits = value.trim().trim_start_matches(['-', '+']);
        if integer && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some((
                SqlState::NumericValueOutOfRange,
                format!(
                    "value \"{value}\" is out of range for type {}",
                    arrow_name(data_type)
                ),
            ));
        }
        return Some(invalid(&arrow_name(data_type), value));
    }
    if lower.starts_with("error parsing timestamp from '") {
        let value = text.split('\'').nth(1)?;
        return Some((
            SqlState::InvalidDatetimeFormat,
            format!("invalid input syntax for type timestamp: \"{value}\""),
        ));
    }
    if lower.starts_with("can't cast value ") {
        let data_type = text.rsplit_once(" to type ")?.1;
        return Some((
            SqlState::NumericValueOutOfRange,
            format!("{} out of range", arrow_name(data_type)),
        ));
    }
    let decimal = lower.contains("is too large to store in a decimal")
        || lower.contains("is too small to store in a decimal")
        || (lower.contains("cannot cast to decimal") && lower.contains("overflow"));
    if decimal {
        return Some((
            SqlState::NumericValueOutOfRange,
            "numeric field overflow".into(),
        ));
    }
    if lower.starts_with("cannot parse decimal") || lower.contains("string to decimal") {
        return Some((
            SqlState::InvalidTextRepresentation,
            "invalid input syntax for type numeric".into(),
        ));
    }
    let overflow = lower.contains("overflow") && !lower.contains("memory");
    overflow.then(|| (SqlState::NumericValueOutOfRange, text.to_owned()))
}

fn invalid(type_name: &str, value: &str) -> (SqlState, String) {
    let state = match type_name {
        "date" | "timestamp" | "time" => SqlState::InvalidDatetimeFormat,
        _ => SqlState::InvalidTextRepresentation,
    };
    (
        state,
        format!("invalid input syntax for type {type_name}: \"{value}\""),
    )
}

/// PostgreSQL's name of a type that Arrow names in a message.
fn arrow_name(name: &str) -> String {
    let known = match name.split('(').next().unwrap_or(name) {
        "Boolean" => DataType::Boolean,
        "Int8" | "Int16" => DataType::Int16,
        "Int32" => DataType::Int32,
        "Int64" => DataType::Int64,
        "Float32" => DataType::Float32,
        "Float64" => DataType::Float64,
        "Date32" => DataType::Date32,
        "Decimal128" | "Decimal256" => return "numeric".into(),
        "Timestamp" => return "timestamp".into(),
        "Time64" | "Time32" => return "time".into(),
        other => return other.to_lowercase(),
    };
    sql_type(&known)
}

/// `column "a" is of type integer but expression is of type text`.
pub(crate) fn column_error(column: &str, wanted: &DataType, given: &DataType) -> Error {
    Error::user(
        SqlState::DatatypeMismatch,
        format!(
            "column \"{column}\" is of type {} but expression is of type {}",
            sql_type(wanted),
            sql_type(given)
        ),
    )
    .with_hint("You will need to rewrite or cast the expression.")
}

/// What came of a commit that failed. Whether it is there after all is not always known.
pub(crate) fn commit_error(name: &QualifiedName, error: ConnectorError) -> Error {
    if let ConnectorError::Conflict { message, .. } = &error {
        return Error::user(
            SqlState::SerializationFailure,
            format!("could not write to \"{name}\": {message}"),
        )
        .with_hint("Nothing was written; run the statement again.");
    }
    let open = error.is_transient();
    let told = storage_error(error);
    match open {
        false => told,
        true => Error::outside(SqlState::TransactionResolutionUnknown, told.message)
            .with_detail("Whether the statement took effect is not known: the store did not say.")
            .with_hint(format!(
                "SELECT * FROM {name}__history ORDER BY version DESC LIMIT 1 says so when the store answers again."
            )),
    }
}
