//! What a client is told when something goes wrong.
//!
//! The protocol has conditions of its own (a portal that does not exist, a message too long) that no statement can cause, so their codes
//! live here and not in [`crate::error::SqlState`]. A text must never carry a NUL byte out: it would end the field early and take the
//! client out of step.

use std::io;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use sluice_sql::Parsed;

use crate::{
    error::{Error, place_of_literal},
    execute::row_error,
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
        if error.is_warning() {
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
        row_error(&error).into()
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        row_error(&error.into()).into()
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

impl Trouble {
    /// With the place of the literal that was found to be wrong when rows were made of this statement, which the client sent.
    pub(super) fn placed(mut self, parsed: &Parsed) -> Self {
        if let Self::Told(failure) = &mut self
            && failure.position.is_none()
        {
            failure.position = place_of_literal(failure.code, &failure.message, parsed);
        }
        self
    }
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
