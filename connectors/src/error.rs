//! What goes wrong at the edge of the process, told so that a person can act on it.
//!
//! Every error says whose fault it is: the user's input, the outside (broker, store, network) or a defect of ours. The server
//! turns that into a SQLSTATE, an exit code and the decision to try again; nothing here decides that by itself.

use std::sync::Arc;

use arrow::error::ArrowError;
use thiserror::Error;

/// Result of a connector call.
pub type Result<T, E = ConnectorError> = std::result::Result<T, E>;

/// What went wrong outside, and what to do about it.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectorError {
    /// An option is unknown, missing or has a value that cannot be used.
    #[error("{message}")]
    Option {
        /// What is wrong with which option.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// The broker or store cannot be reached or does not answer in time; trying again later may help.
    #[error("{message}")]
    Unreachable {
        /// Who did not answer, and the reason the client library gives.
        message: String,
        /// What to look at.
        hint: Option<String>,
    },
    /// The outside answers, and refuses us: credentials, permissions.
    #[error("{message}")]
    Denied {
        /// Who refused what, and the reason given.
        message: String,
        /// What to look at.
        hint: Option<String>,
    },
    /// The topic, table or folder is not there.
    #[error("{message}")]
    NotFound {
        /// What is missing, and where.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Rows that were to be read are gone (expired offsets, a topic made anew): going on would lose data silently.
    #[error("{message}")]
    DataLost {
        /// What was lost, as far as it can be known.
        message: String,
        /// How to go on.
        hint: Option<String>,
    },
    /// The place is taken by something that is not ours.
    #[error("{message}")]
    Conflict {
        /// Who or what is in the way.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The store refused or failed a read or write.
    #[error("{message}")]
    Storage {
        /// What was being read or written, and what the store said.
        message: String,
        /// Whether the same call may succeed later.
        retry: bool,
    },
    /// Data that we wrote, or that a peer sent, cannot be understood.
    #[error("{message}")]
    Corrupt {
        /// What, where, and why.
        message: String,
    },
    /// Arrow refused an operation that should not have been refused.
    #[error("arrow: {0}")]
    Arrow(Arc<ArrowError>),
}

impl From<ArrowError> for ConnectorError {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(Arc::new(error))
    }
}

impl ConnectorError {
    /// What a user can do about it, where there is something.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Option { hint, .. }
            | Self::Unreachable { hint, .. }
            | Self::Denied { hint, .. }
            | Self::NotFound { hint, .. }
            | Self::DataLost { hint, .. }
            | Self::Conflict { hint, .. } => hint.as_deref(),
            Self::Storage { .. } | Self::Corrupt { .. } | Self::Arrow(_) => None,
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Storage { retry: true, .. }
        )
    }
}
