//! The planner's one error: what is wrong with a query, said as PostgreSQL says it (message in lower case, then detail, then hint).
//!
//! Errors of the engine underneath are translated here and nowhere else, so that no user reads the name of a Rust type. What must never
//! happen: an error without a kind of its own (there is no `Other`), or one that blames the user for a defect of ours.

use std::fmt;

mod engine;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use engine::nearest;
pub use words::{Reworded, reworded};

/// Result of a planner call.
pub type Result<T, E = PlanError> = std::result::Result<T, E>;

/// What kind of error it is: one kind, one SQLSTATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanErrorKind {
    /// A relation that does not exist (42P01).
    UndefinedTable,
    /// A column that does not exist (42703).
    UndefinedColumn,
    /// A column name that could mean several (42702).
    AmbiguousColumn,
    /// Two output columns of one name (42701).
    DuplicateColumn,
    /// A function that does not exist, or not for these arguments (42883).
    UndefinedFunction,
    /// Types that do not fit (42804).
    DatatypeMismatch,
    /// Understood, but not offered (0A000).
    Unsupported,
    /// Contradicts itself or the rules, such as a window without a watermark (42P17).
    Invalid,
    /// A value in a row that an expression cannot take, met while running (22000).
    Data,
    /// Out of memory or of a limit (53200).
    Resources,
    /// Too large to be planned (54001).
    TooComplex,
    /// The scratch folder cannot be used, or is full (53100).
    Scratch,
    /// A defect of ours (XX000).
    Internal,
}

/// An error of planning or running a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PlanError {
    /// What kind of error it is.
    pub kind: PlanErrorKind,
    /// What is wrong, in one lower-case sentence without a full stop.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What to do or to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl PlanError {
    /// An error of a kind.
    pub fn new(kind: PlanErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// Something understood but not offered.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(PlanErrorKind::Unsupported, message)
    }

    /// Something that contradicts itself or the rules.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(PlanErrorKind::Invalid, message)
    }

    /// A defect of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(PlanErrorKind::Internal, message)
    }

    /// With a detail.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Wraps the error for a trip through the engine; [`PlanError::from`] takes it out again unchanged.
    pub fn into_engine(self) -> datafusion::error::DataFusionError {
        datafusion::error::DataFusionError::External(Box::new(self))
    }
}
