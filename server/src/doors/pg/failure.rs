//! What a client is told when something goes wrong, and the one table from engine errors to it.
//!
//! The protocol has conditions of its own (a portal that does not exist, a message too long) that no statement can cause, so their codes
//! live here and not in [`crate::error::SqlState`]. A text must never carry a NUL byte out: it would end the field early and take the
//! client out of step.

use std::io;

use arrow::error::ArrowError;
use datafusion::{common::SchemaError, error::DataFusionError};
use pgwire::messages::response::{ErrorResponse, NoticeResponse};

use crate::{
    error::{Error, Fault, SqlState},
    execute::{condition_of, engine_error, scratch_error},
};

/// How bad it is: what PostgreSQL calls the severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// The statement is over, the connection goes on.
    Error,
    /// The connection is over.
    Fatal,
    /// Something the client should know.
    Warning,
    /// Something the client may like to know.
    Notice,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
        }
    }
}

/// One ErrorResponse or NoticeResponse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) severity: Severity,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) detail: Option<String>,
    pub(super) hint: Option<String>,
    /// Where in what the client sent, in words.
    pub(super) context: Option<String>,
    /// In characters from 1, in the text the client sent.
    pub(super) position: Option<usize>,
}

impl Failure {
    pub(super) fn new(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            message: message.into(),
            detail: None,
            hint: None,
            context: None,
            position: None,
        }
    }

    pub(super) fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    pub(super) fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Fatal, code, message)
    }

    pub(super) fn protocol(message: impl Into<String>) -> Self {
        Self::error("08P01", message)
    }

    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn with_context(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    pub(super) fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Counts the position from the start of the text that the client sent, of which so many characters were left out.
    pub(super) fn after(mut self, skipped: usize) -> Self {
        self.position = self.position.map(|at| at + skipped);
        self
    }

    /// A notice of the session's. Its code says what a driver should think of it: nothing went wrong, unless it is a warning.
    pub(super) fn notice(error: Error) -> Self {
        if error.state == SqlState::Warning {
            return Self::from(error).with_severity(Severity::Warning);
        }
        Self {
            code: "00000",
            ..Self::from(error)
        }
        .with_severity(Severity::Notice)
    }

    fn fields(&self) -> Vec<(u8, String)> {
        let mut fields = vec![
            (b'S', self.severity.word().to_owned()),
            (b'V', self.severity.word().to_owned()),
            (b'C', self.code.to_owned()),
            (b'M', without_nul(&self.message)),
        ];
        for (key, value) in [
            (b'D', &self.detail),
            (b'H', &self.hint),
            (b'W', &self.context),
        ] {
            if let Some(value) = value {
                fields.push((key, without_nul(value)));
            }
        }
        if let Some(position) = self.position {
            fields.push((b'P', position.to_string()));
        }
        fields
    }

    pub(super) fn error_response(&self) -> ErrorResponse {
        ErrorResponse::new(self.fields())
    }

    pub(super) fn notice_response(&self) -> NoticeResponse {
        NoticeResponse::new(self.fields())
    }
}

/// A text that can stand in a NUL-terminated field.
pub(super) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            severity: Severity::Error,
            code: error.state.code(),
            message: error.message,
            detail: error.detail,
            hint: error.hint,
            context: None,
            position: error.position,
        }
    }
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        conditioned(from_engine(&error)).into()
    }
}

/// With the code that its words mean, where they mean one: a value that cannot be cast is nobody's input or output, whatever was read.
fn conditioned(error: Error) -> Error {
    match condition_of(&error.message) {
        Some(state) if error.state != SqlState::OutOfMemory => Error {
            fault: Fault::User,
            state,
            ..error
        },
        _ => error,
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        from_arrow(&error).into()
    }
}

/// What a result stream's error means to a person. An [`Error`] of ours that travelled through the engine comes out as it went in.
fn from_engine(error: &DataFusionError) -> Error {
    let root = error.find_root();
    let text = root.strip_backtrace();
    match root {
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::internal(inner.to_string()),
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
                None => Error::internal(inner.to_string()),
            },
        },
        _ => Error::internal(text),
    }
}

/// Why a step of the conversation ended early.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The client is to be told; the conversation goes on unless it is fatal.
    Told(Box<Failure>),
    /// There is nobody left to tell.
    Lost(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Told(Box::new(failure))
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<DataFusionError> for Trouble {
    fn from(error: DataFusionError) -> Self {
        Failure::from(error).into()
    }
}
