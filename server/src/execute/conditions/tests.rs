//! The engine's own words, out of the engine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use datafusion::prelude::SessionContext;

use crate::{error::SqlState, execute::engine_error};

#[tokio::test]
async fn what_the_engine_says_has_postgresqls_code() {
    let context = SessionContext::new();
    context
        .sql("CREATE TABLE t AS VALUES (1, 'a'), (2, 'b')")
        .await
        .unwrap();
    for (text, state) in [
        ("SELECT column2, count(*) FROM t", SqlState::GroupingError),
        (
            "SELECT count(*) FROM t WHERE count(*) > 1",
            SqlState::GroupingError,
        ),
        ("SELECT sum(count(*)) FROM t", SqlState::GroupingError),
        ("SELECT now() + now()", SqlState::UndefinedFunction),
        (
            "SELECT column1 FROM t ORDER BY 5",
            SqlState::InvalidColumnReference,
        ),
        ("SELECT column1 / 0 FROM t", SqlState::DivisionByZero),
        (
            "SELECT arrow_cast(column1 * 100000, 'Int16') FROM t",
            SqlState::NumericValueOutOfRange,
        ),
        (
            "SELECT CAST(column2 AS DATE) FROM t",
            SqlState::InvalidDatetimeFormat,
        ),
        (
            "SELECT CAST(column2 AS TIMESTAMP) FROM t",
            SqlState::InvalidDatetimeFormat,
        ),
        (
            "SELECT CAST(column2 AS INT) FROM t",
            SqlState::InvalidTextRepresentation,
        ),
        (
            "SELECT CAST(column2 AS BOOLEAN) FROM t WHERE column2 <> 't'",
            SqlState::InvalidTextRepresentation,
        ),
        (
            "SELECT (SELECT column1 FROM t)",
            SqlState::CardinalityViolation,
        ),
        (
            "SELECT column2 ~ '(' FROM t",
            SqlState::InvalidRegularExpression,
        ),
        (
            "SELECT column1 FROM t LIMIT -1",
            SqlState::InvalidRowCountInLimit,
        ),
        (
            "SELECT column1 FROM t OFFSET -1",
            SqlState::InvalidRowCountInOffset,
        ),
        (
            "SELECT date_trunc('foo', now())",
            SqlState::InvalidParameterValue,
        ),
        (
            "SELECT column1 FROM t UNION SELECT 1, 2",
            SqlState::SyntaxError,
        ),
        (
            "SELECT column1 FROM t WHERE column1",
            SqlState::DatatypeMismatch,
        ),
        (
            "SELECT column1 + column2 FROM t",
            SqlState::UndefinedFunction,
        ),
    ] {
        let error = match context.sql(text).await {
            Ok(rows) => match rows.collect().await {
                Ok(rows) => panic!("{text}: {rows:?}"),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let shown = error.to_string();
        assert_eq!(engine_error(error).state, state, "{text}: {shown}");
    }
}

#[test]
fn postgresqls_own_words_have_its_code() {
    for (message, state) in [
        ("type \"notype\" does not exist", SqlState::UndefinedObject),
        (
            "unit \"foo\" not recognized",
            SqlState::InvalidParameterValue,
        ),
        (
            "operator does not exist: bigint + text",
            SqlState::UndefinedFunction,
        ),
        (
            "function upper(bigint) does not exist",
            SqlState::UndefinedFunction,
        ),
        (
            "negative substring length not allowed",
            SqlState::SubstringError,
        ),
        (
            "argument of NOT must be type boolean, not type bigint",
            SqlState::DatatypeMismatch,
        ),
    ] {
        assert_eq!(super::of_message(message), Some(state), "{message}");
    }
}
