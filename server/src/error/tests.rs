//! Tests of errors: see the module beside for what is promised.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

/// The place of an error in a statement that stands after another, in characters of its own text from 1.
fn place(state: SqlState, message: &str, sql: &str) -> Option<usize> {
    let before = "SELECT 'größer'; ";
    let mut parsed = sluice_sql::parse(&format!("{before}{sql}")).unwrap();
    let error = Error::user(state, message).placed(&parsed.pop().unwrap());
    error.position.map(|at| at - before.chars().count())
}

#[test]
fn an_error_has_the_place_of_what_it_speaks_of() {
    let place_of = |state, message: &str, sql: &str| place(state, message, sql).unwrap();
    let none = "relation \"none\" does not exist";
    let sql = "SELECT * FROM none";
    assert_eq!(place_of(SqlState::UndefinedTable, none, sql), 15);
    let sql = "SELECT 'none'::regclass";
    assert_eq!(place_of(SqlState::UndefinedTable, none, sql), 8);
    let schema = "schema \"none\" does not exist";
    let sql = "SELECT 'none'::regnamespace";
    assert_eq!(place_of(SqlState::InvalidSchemaName, schema, sql), 8);
    let uuid = "invalid input syntax for type uuid: \"none\"";
    let sql = "SELECT 'none'::uuid";
    assert_eq!(place_of(SqlState::InvalidTextRepresentation, uuid, sql), 8);
}

#[test]
fn what_is_found_while_it_is_carried_out_has_no_place() {
    for (state, message, sql) in [
        (
            SqlState::DuplicateTable,
            "relation \"v\" already exists",
            "CREATE TEMP VIEW v AS SELECT 1",
        ),
        (
            SqlState::WrongObjectType,
            "\"t\" is not a view",
            "DROP VIEW t",
        ),
        (
            SqlState::DuplicateColumn,
            "column \"a\" specified more than once",
            "CREATE TEMP TABLE t (LIKE gold.s, a INT)",
        ),
        (
            SqlState::UndefinedObject,
            "unrecognized configuration parameter \"nothing\"",
            "SET nothing = 1",
        ),
        (
            SqlState::InvalidParameterValue,
            "invalid value for parameter \"TimeZone\": \"Nowhere\"",
            "SET TimeZone = 'Nowhere'",
        ),
        (SqlState::DivisionByZero, "division by zero", "SELECT 1 / 0"),
    ] {
        assert_eq!(place(state, message, sql), None, "{sql}");
    }
    let twice = "column \"a\" specified more than once";
    let sql = "INSERT INTO t (a, a) VALUES (1, 2)";
    assert!(place(SqlState::DuplicateColumn, twice, sql).is_some());
}
