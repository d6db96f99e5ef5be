//! The one error people see: what happened, where, what to do, and whose fault it is.
//!
//! Every door (Postgres wire, Flight SQL, HTTP, the command line) maps this one type; nothing else may invent an error text for a user.

use std::fmt;

use sluice_sql::Parsed;

#[cfg(test)]
mod tests;

/// Result of a server call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose fault an error is: it decides the exit code and what is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The statement, option or configuration (exit code 1).
    User,
    /// The broker, store, port or disk (exit code 3).
    Outside,
    /// A defect of ours (exit code 4).
    Internal,
}

/// Condition codes we use, by PostgreSQL's names (Appendix A of its manual).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlState {
    /// 01000
    Warning,
    /// 42601
    SyntaxError,
    /// 42P01
    UndefinedTable,
    /// 42703
    UndefinedColumn,
    /// 42702
    AmbiguousColumn,
    /// 42701
    DuplicateColumn,
    /// 42883
    UndefinedFunction,
    /// 42P07
    DuplicateTable,
    /// 42P06
    DuplicateSchema,
    /// 3F000
    InvalidSchemaName,
    /// 42809
    WrongObjectType,
    /// 42804
    DatatypeMismatch,
    /// 42P10
    InvalidColumnReference,
    /// 42P16
    InvalidTableDefinition,
    /// 42P17
    InvalidObjectDefinition,
    /// 42602
    InvalidName,
    /// 42939
    ReservedName,
    /// 22023
    InvalidParameterValue,
    /// 42803
    GroupingError,
    /// 21000
    CardinalityViolation,
    /// 22007
    InvalidDatetimeFormat,
    /// 22008
    DatetimeFieldOverflow,
    /// 22011
    SubstringError,
    /// 2201B
    InvalidRegularExpression,
    /// 2201E
    InvalidArgumentForLogarithm,
    /// 2201F
    InvalidArgumentForPower,
    /// 42725
    AmbiguousFunction,
    /// 42P20
    WindowingError,
    /// 2201W
    InvalidRowCountInLimit,
    /// 2201X
    InvalidRowCountInOffset,
    /// 22P02
    InvalidTextRepresentation,
    /// 22001
    StringDataRightTruncation,
    /// 22003
    NumericValueOutOfRange,
    /// 23502
    NotNullViolation,
    /// 22P04
    BadCopyFileFormat,
    /// 22P03
    InvalidBinaryRepresentation,
    /// 22021
    CharacterNotInRepertoire,
    /// 40001
    SerializationFailure,
    /// 40P01
    DeadlockDetected,
    /// 55P03
    LockNotAvailable,
    /// 08007
    TransactionResolutionUnknown,
    /// 22012
    DivisionByZero,
    /// 22000
    DataException,
    /// 0A000
    FeatureNotSupported,
    /// 42704
    UndefinedObject,
    /// 42P02
    UndefinedParameter,
    /// 55P02
    CantChangeRuntimeParam,
    /// 2BP01
    DependentObjectsStillExist,
    /// 55000
    ObjectNotInPrerequisiteState,
    /// 55006
    ObjectInUse,
    /// 57014
    QueryCanceled,
    /// 57P01
    AdminShutdown,
    /// 57P03
    CannotConnectNow,
    /// 53100
    DiskFull,
    /// 53200
    OutOfMemory,
    /// 54001
    StatementTooComplex,
    /// 54000
    ProgramLimitExceeded,
    /// 58030
    IoError,
    /// 08001
    ConnectionFailure,
    /// 26000
    InvalidSqlStatementName,
    /// 34000
    InvalidCursorName,
    /// 25P02
    InFailedSqlTransaction,
    /// 25001
    ActiveSqlTransaction,
    /// 25006
    ReadOnlySqlTransaction,
    /// 25P01
    NoActiveSqlTransaction,
    /// 28000
    InvalidAuthorization,
    /// 3D000
    InvalidCatalogName,
    /// 42501
    InsufficientPrivilege,
    /// 28P01
    InvalidPassword,
    /// 42710
    DuplicateObject,
    /// 0LP01
    InvalidGrantOperation,
    /// 53300
    TooManyConnections,
    /// XX000
    InternalError,
    /// XX001
    DataCorrupted,
}

impl SqlState {
    /// The five characters.
    pub fn code(self) -> &'static str {
        match self {
            Self::Warning => "01000",
            Self::SyntaxError => "42601",
            Self::UndefinedTable => "42P01",
            Self::UndefinedColumn => "42703",
            Self::AmbiguousColumn => "42702",
            Self::DuplicateColumn => "42701",
            Self::UndefinedFunction => "42883",
            Self::GroupingError => "42803",
            Self::CardinalityViolation => "21000",
            Self::InvalidDatetimeFormat => "22007",
            Self::DatetimeFieldOverflow => "22008",
            Self::SubstringError => "22011",
            Self::InvalidRegularExpression => "2201B",
            Self::InvalidArgumentForLogarithm => "2201E",
            Self::InvalidArgumentForPower => "2201F",
            Self::AmbiguousFunction => "42725",
            Self::WindowingError => "42P20",
            Self::InvalidRowCountInLimit => "2201W",
            Self::InvalidRowCountInOffset => "2201X",
            Self::DuplicateTable => "42P07",
            Self::DuplicateSchema => "42P06",
            Self::InvalidSchemaName => "3F000",
            Self::WrongObjectType => "42809",
            Self::DatatypeMismatch => "42804",
            Self::InvalidColumnReference => "42P10",
            Self::InvalidTableDefinition => "42P16",
            Self::InvalidObjectDefinition => "42P17",
            Self::InvalidName => "42602",
            Self::ReservedName => "42939",
            Self::InvalidParameterValue => "22023",
            Self::InvalidTextRepresentation => "22P02",
            Self::StringDataRightTruncation => "22001",
            Self::NumericValueOutOfRange => "22003",
            Self::NotNullViolation => "23502",
            Self::BadCopyFileFormat => "22P04",
            Self::InvalidBinaryRepresentation => "22P03",
            Self::CharacterNotInRepertoire => "22021",
            Self::SerializationFailure => "40001",
            Self::DeadlockDetected => "40P01",
            Self::LockNotAvailable => "55P03",
            Self::TransactionResolutionUnknown => "08007",
            Self::DivisionByZero => "22012",
            Self::DataException => "22000",
            Self::FeatureNotSupported => "0A000",
            Self::UndefinedObject => "42704",
            Self::UndefinedParameter => "42P02",
            Self::CantChangeRuntimeParam => "55P02",
            Self::DependentObjectsStillExist => "2BP01",
            Self::ObjectNotInPrerequisiteState => "55000",
            Self::ObjectInUse => "55006",
            Self::QueryCanceled => "57014",
            Self::AdminShutdown => "57P01",
            Self::CannotConnectNow => "57P03",
            Self::DiskFull => "53100",
            Self::OutOfMemory => "53200",
            Self::StatementTooComplex => "54001",
            Self::ProgramLimitExceeded => "54000",
            Self::IoError => "58030",
            Self::ConnectionFailure => "08001",
            Self::InvalidSqlStatementName => "26000",
            Self::InvalidCursorName => "34000",
            Self::InFailedSqlTransaction => "25P02",
            Self::ActiveSqlTransaction => "25001",
            Self::ReadOnlySqlTransaction => "25006",
            Self::NoActiveSqlTransaction => "25P01",
            Self::InvalidAuthorization => "28000",
            Self::InvalidCatalogName => "3D000",
            Self::InsufficientPrivilege => "42501",
            Self::InvalidPassword => "28P01",
            Self::DuplicateObject => "42710",
            Self::InvalidGrantOperation => "0LP01",
            Self::TooManyConnections => "53300",
            Self::InternalError => "XX000",
            Self::DataCorrupted => "XX001",
        }
    }
}

/// What a user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Primary message: lower case, no full stop.
    pub message: String,
    /// More facts, full sentences.
    pub detail: Option<String>,
    /// What to do, full sentences.
    pub hint: Option<String>,
    /// Where in the text that was parsed, as a count of characters from 1.
    pub position: Option<usize>,
    /// PostgreSQL's condition code.
    pub state: SqlState,
    /// Whose fault it is.
    pub fault: Fault,
}

impl Error {
    /// An error of the user's input.
    pub fn user(state: SqlState, message: impl Into<String>) -> Self {
        Self::new(Fault::User, state, message)
    }

    /// An error of the world around us.
    pub fn outside(state: SqlState, message: impl Into<String>) -> Self {
        Self::new(Fault::Outside, state, message)
    }

    /// A defect of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Fault::Internal, SqlState::InternalError, message)
    }

    /// With what the lower crates say beside their message: clauses there, sentences here.
    #[must_use]
    pub(crate) fn explained(mut self, detail: Option<String>, hint: Option<String>) -> Self {
        self.detail = detail.map(sentence);
        self.hint = hint.map(sentence);
        self
    }

    pub(crate) fn new(fault: Fault, state: SqlState, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            state,
            fault,
        }
    }

    /// Whether, as a notice, it is of something that was probably not meant.
    pub(crate) fn is_warning(&self) -> bool {
        matches!(
            self.state,
            SqlState::Warning | SqlState::NoActiveSqlTransaction
        )
    }

    /// With more facts.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(sentence(detail.into()));
        self
    }

    /// With what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(sentence(hint.into()));
        self
    }

    /// With a place in the text that was parsed (characters from 1).
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    /// With the place of what the message speaks of, when what was written is at fault and the place is not known yet.
    #[must_use]
    pub(crate) fn placed(self, parsed: &Parsed) -> Self {
        if self.position.is_some() {
            return self;
        }
        if let Some(place) = place_of_literal(self.state.code(), &self.message, parsed) {
            return self.at(place);
        }
        // Whom a privilege is missing is no place in the text.
        let written = self.state.code().starts_with("42")
            && self.state != SqlState::InsufficientPrivilege
            || matches!(
                self.state,
                SqlState::FeatureNotSupported | SqlState::InvalidParameterValue
            );
        if !written || self.is_of_no_place(&parsed.text) {
            return self;
        }
        let nested = self.message.contains(" function calls cannot ");
        let said = match &self.detail {
            // Which call it is.
            Some(detail) if nested => detail,
            _ => &self.message,
        };
        match sluice_sql::place_of(&parsed.text, said) {
            Some(before) => self.at(parsed.offset + before + 1),
            None => self,
        }
    }

    /// Whether it is found while a definition, a DROP, a setting or a query is carried out: PostgreSQL has forgotten the text by then.
    fn is_of_no_place(&self, text: &str) -> bool {
        let says = |start: &str| self.message.starts_with(start);
        match self.state {
            SqlState::DuplicateTable | SqlState::InvalidTableDefinition => true,
            // `"t" is not a view`
            SqlState::WrongObjectType => says("\""),
            SqlState::DuplicateColumn => {
                let first = text.split_whitespace().next().unwrap_or_default();
                ["CREATE", "ALTER"]
                    .iter()
                    .any(|word| first.eq_ignore_ascii_case(word))
            }
            SqlState::SyntaxError => says("CREATE VIEW specifies"),
            SqlState::UndefinedObject => says("unrecognized configuration parameter"),
            SqlState::InvalidParameterValue => {
                // A unit of time that is none is met when the query runs.
                says("invalid value for parameter") || says("unit \"")
            }
            _ => false,
        }
    }
}

/// Where the literal stands that an error of this code and message speaks of, in characters from 1: one that cannot be read, or that names what
/// is not there. Unlike other places it may be known only when rows are made.
pub(crate) fn place_of_literal(code: &str, message: &str, parsed: &Parsed) -> Option<usize> {
    let is_value = matches!(code, "22P02" | "22007" | "22008" | "22003")
        || code == "22023" && message.starts_with("invalid hexadecimal data");
    let is_name = matches!(code, "42P01" | "42704" | "42883" | "3F000");
    let before = if is_value {
        sluice_sql::place_of_literal(&parsed.text, message)?
    } else if is_name {
        sluice_sql::place_of_named(&parsed.text, message)?
    } else {
        return None;
    };
    Some(parsed.offset + before + 1)
}

/// A clause as a sentence: `write X` becomes `Write X.`; what is one already stays.
fn sentence(mut text: String) -> String {
    let word = text.split([' ', ':']).next().unwrap_or_default();
    if word
        .chars()
        .all(|letter| letter.is_ascii_lowercase() || letter == '\'')
    {
        let first = word.len().min(1);
        text.get_mut(..first).map(str::make_ascii_uppercase);
    }
    if !text.ends_with(['.', '?', '!', ';', ':']) {
        text.push('.');
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, "\nDETAIL:  {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nHINT:  {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
