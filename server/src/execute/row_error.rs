//! What went wrong while rows were made: the one table from the engine's errors to it, for every door.

use arrow::error::ArrowError;
use datafusion::{common::SchemaError, error::DataFusionError};
use sluice_planner::PlanError;

use super::{conditions, engine_error, find_ours, plan_error, scratch_error};
use crate::{
    error::{Error, Fault, SqlState},
    write::cast_error,
};

/// What a result stream's error means to a person. An [`Error`] of ours that travelled through the engine comes out as it went in.
pub(crate) fn row_error(error: &DataFusionError) -> Error {
    cast_error(conditioned(in_words(from_engine(error))))
}

/// In PostgreSQL's words, as the planner's table of errors has them.
fn in_words(error: Error) -> Error {
    let Some(said) = sluice_planner::reworded(&error.message) else {
        return error;
    };
    let error = Error {
        message: said.message,
        ..error
    };
    match said.detail {
        Some(detail) => error.with_detail(detail),
        None => error,
    }
}

/// With the code that its words mean, where they mean one: a value that cannot be cast is nobody's input or output, whatever was read.
fn conditioned(error: Error) -> Error {
    match conditions::of_message(&error.message) {
        Some(state) if error.state != SqlState::OutOfMemory => Error {
            fault: Fault::User,
            state,
            ..error
        },
        _ => error,
    }
}

fn from_engine(error: &DataFusionError) -> Error {
    if let Some(ours) = find_ours(error) {
        return ours;
    }
    let root = error.find_root();
    let text = root.strip_backtrace();
    // A value that cannot be read is quoted in Arrow's errors, and may say anything.
    if !matches!(root, DataFusionError::ArrowError(..))
        && let Some(error) = too_large(&text)
    {
        return error;
    }
    match root {
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => match inner.downcast_ref::<PlanError>() {
                Some(planners) => plan_error(planners.clone()),
                None => Error::internal(inner.to_string()),
            },
        },
        DataFusionError::ArrowError(inner, _) => from_arrow(inner),
        DataFusionError::ResourcesExhausted(text) => {
            engine_error(DataFusionError::ResourcesExhausted(text.clone()))
        }
        DataFusionError::NotImplemented(_) => Error::user(SqlState::FeatureNotSupported, text),
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound { .. } => Error::user(SqlState::UndefinedColumn, text),
            _ => Error::user(SqlState::SyntaxError, text),
        },
        DataFusionError::SQL(..) | DataFusionError::Plan(_) => {
            Error::user(SqlState::SyntaxError, text)
        }
        DataFusionError::Execution(message) => {
            Error::user(SqlState::DataException, message.clone())
        }
        DataFusionError::IoError(error) => scratch_error(error),
        DataFusionError::ObjectStore(_) | DataFusionError::ParquetError(_) => {
            Error::outside(SqlState::IoError, text)
        }
        _ => Error::internal(text),
    }
}

fn from_arrow(error: &ArrowError) -> Error {
    let text = error.to_string();
    match error {
        ArrowError::DivideByZero => Error::user(SqlState::DivisionByZero, "division by zero"),
        ArrowError::ArithmeticOverflow(_) => Error::user(SqlState::NumericValueOutOfRange, text),
        ArrowError::CastError(message) | ArrowError::ParseError(message) => {
            Error::user(SqlState::InvalidTextRepresentation, message.clone())
        }
        ArrowError::ComputeError(message) | ArrowError::InvalidArgumentError(message) => {
            Error::user(SqlState::DataException, message.clone())
        }
        ArrowError::NotYetImplemented(_) => Error::user(SqlState::FeatureNotSupported, text),
        ArrowError::IoError(_, error) => scratch_error(error),
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => match inner.downcast_ref::<DataFusionError>() {
                Some(engine) => from_engine(engine),
                None => {
                    let text = inner.to_string();
                    too_large(&text).unwrap_or_else(|| Error::internal(text))
                }
            },
        },
        _ => too_large(&text).unwrap_or_else(|| Error::internal(text)),
    }
}

/// What is said where an array would be larger than its offsets can tell, of the array or of the task that made it; the planner's table of
/// errors has the words.
fn too_large(text: &str) -> Option<Error> {
    let is_overflow = text.to_ascii_lowercase().contains("offset overflow");
    is_overflow.then(|| engine_error(DataFusionError::Execution(text.to_owned())))
}

#[cfg(test)]
mod tests;
