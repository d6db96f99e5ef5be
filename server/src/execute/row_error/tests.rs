//! Errors of ours inside the engine's, and the engine's own.

use super::*;

#[test]
fn our_error_is_found_inside_the_engines() {
    let ours = Error::user(
        SqlState::QueryCanceled,
        "canceling statement due to user request",
    );
    let wrapped = DataFusionError::Context(
        "outer".into(),
        Box::new(DataFusionError::External(Box::new(ours.clone()))),
    );
    assert_eq!(row_error(&wrapped), ours);
    let through_arrow = DataFusionError::ArrowError(
        Box::new(ArrowError::ExternalError(Box::new(
            DataFusionError::External(Box::new(ours.clone())),
        ))),
        None,
    );
    assert_eq!(row_error(&through_arrow), ours);
}

#[test]
fn division_by_zero_is_the_users() {
    let error = row_error(&DataFusionError::ArrowError(
        Box::new(ArrowError::DivideByZero),
        None,
    ));
    assert_eq!(error.state, SqlState::DivisionByZero);
}

#[test]
fn words_that_mean_a_condition_have_its_code_whatever_carried_them() {
    let message = "repeat would make 2000000000 bytes at once, more than 1048576";
    for error in [
        DataFusionError::Execution(message.into()),
        DataFusionError::ArrowError(
            Box::new(ArrowError::ExternalError(Box::new(
                DataFusionError::Execution(message.into()),
            ))),
            None,
        ),
        DataFusionError::External(message.into()),
    ] {
        let told = row_error(&error);
        assert_eq!(told.state, SqlState::ProgramLimitExceeded, "{told}");
        assert_eq!(told.message, message);
    }
}

#[test]
fn an_array_that_would_be_too_large_is_beyond_a_limit_whatever_says_so() {
    let message = "task 5 panicked with message \"offset overflow\"";
    for error in [
        DataFusionError::Execution("offset overflow".into()),
        DataFusionError::External(message.into()),
        DataFusionError::Internal(message.into()),
        DataFusionError::ArrowError(Box::new(ArrowError::OffsetOverflowError(1 << 31)), None),
    ] {
        let told = row_error(&error);
        assert_eq!(told.state, SqlState::ProgramLimitExceeded, "{told}");
        assert!(told.hint.is_some(), "{told}");
    }
}

#[test]
fn a_value_that_says_so_is_a_value() {
    let message = "Cannot cast string 'offset overflow' to value of Int32 type";
    let error = ArrowError::CastError(message.into());
    let told = row_error(&DataFusionError::ArrowError(Box::new(error), None));
    assert_eq!(told.state, SqlState::InvalidTextRepresentation, "{told}");
}

#[test]
fn what_the_engine_says_of_rows_is_said_in_postgresqls_words() {
    let rows = "Scalar subquery returned more than one row";
    let told = row_error(&DataFusionError::Execution(rows.into()));
    assert_eq!(told.state, SqlState::CardinalityViolation, "{told}");
    assert_eq!(
        told.message,
        "more than one row returned by a subquery used as an expression"
    );
    let cast = ArrowError::CastError("Cannot cast string 'ada' to value of Int64 type".into());
    let told = row_error(&DataFusionError::ArrowError(Box::new(cast), None));
    assert_eq!(told.state, SqlState::InvalidTextRepresentation, "{told}");
    assert_eq!(
        told.message,
        "invalid input syntax for type bigint: \"ada\""
    );
}
