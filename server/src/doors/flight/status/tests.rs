//! The table of codes, and texts that must fit a header.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn each_class_has_its_code() {
    for (state, expected) in [
        (SqlState::UndefinedTable, Code::NotFound),
        (SqlState::UndefinedColumn, Code::NotFound),
        (SqlState::DuplicateTable, Code::AlreadyExists),
        (SqlState::SyntaxError, Code::InvalidArgument),
        (SqlState::DivisionByZero, Code::InvalidArgument),
        (SqlState::StatementTooComplex, Code::InvalidArgument),
        (SqlState::FeatureNotSupported, Code::Unimplemented),
        (SqlState::ObjectInUse, Code::FailedPrecondition),
        (SqlState::InvalidAuthorization, Code::Unauthenticated),
        (SqlState::OutOfMemory, Code::ResourceExhausted),
        (SqlState::ProgramLimitExceeded, Code::ResourceExhausted),
        (SqlState::QueryCanceled, Code::Cancelled),
        (SqlState::CannotConnectNow, Code::Unavailable),
        (SqlState::ConnectionFailure, Code::Unavailable),
        (SqlState::InternalError, Code::Internal),
    ] {
        assert_eq!(code(state), expected, "{state:?}");
    }
}

#[test]
fn text_has_message_detail_hint_and_sqlstate() {
    let status = Status::from(
        Error::user(
            SqlState::UndefinedTable,
            "relation \"evnts\" does not exist",
        )
        .with_detail("Looked in public.")
        .with_hint("Did you mean \"events\"?")
        .at(15),
    );
    assert_eq!(
        status.message(),
        "relation \"evnts\" does not exist\nDETAIL:  Looked in public.\nHINT:  Did you mean \"events\"?\n\
         POSITION:  15\nSQLSTATE:  42P01"
    );
    assert_eq!(status.metadata().get("sqlstate").unwrap(), "42P01");
}

#[test]
fn a_huge_message_still_fits_a_header() {
    for text in [
        "x".repeat(1 << 20),
        "ß".repeat(1 << 20),
        "%".repeat(1 << 20),
    ] {
        let status = Status::from(Error::user(SqlState::SyntaxError, text));
        let header = status.into_http::<()>().headers()["grpc-message"].len();
        assert!(header > 4_000 && header < 7_000, "{header}");
    }
}
