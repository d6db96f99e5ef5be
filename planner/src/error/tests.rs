//! Real queries with real slips, and what their writer reads.
#![expect(clippy::unwrap_used, reason = "tests")]

use datafusion::{error::DataFusionError, prelude::SessionContext};

use super::*;

#[tokio::test]
async fn a_slip_is_told_in_postgresqls_words() {
    let context = SessionContext::new();
    context
        .sql("CREATE TABLE t AS VALUES (1, 'a'), (2, 'b')")
        .await
        .unwrap();
    for (text, message) in [
        (
            "SELECT column1 FROM t ORDER BY 5",
            "ORDER BY position 5 is not in select list",
        ),
        (
            "SELECT column1 FROM t GROUP BY 5",
            "GROUP BY position 5 is not in select list",
        ),
        (
            "SELECT count(*) FROM t WHERE count(*) > 1",
            "aggregate functions are not allowed in WHERE",
        ),
        (
            "SELECT sum(count(*)) FROM t",
            "aggregate function calls cannot be nested",
        ),
        (
            "SELECT column1 FROM t UNION SELECT 1, 2",
            "each UNION query must have the same number of columns",
        ),
        (
            "SELECT column1 FROM t LIMIT -1",
            "LIMIT must not be negative",
        ),
        (
            "SELECT column1 FROM t OFFSET -1",
            "OFFSET must not be negative",
        ),
        (
            "SELECT column1 FROM t WHERE column1",
            "argument of WHERE must be type boolean, not type bigint",
        ),
        (
            "SELECT NOT column1 FROM t",
            "argument of NOT must be type boolean, not type bigint",
        ),
        (
            "SELECT upper(1, 2, 3)",
            "function upper(bigint, bigint, bigint) does not exist",
        ),
        (
            "SELECT (SELECT column1 FROM t)",
            "more than one row returned by a subquery used as an expression",
        ),
        (
            "SELECT column2 ~ '(' FROM t",
            "invalid regular expression: parentheses () not balanced",
        ),
    ] {
        let error = match context.sql(text).await {
            Ok(rows) => rows.collect().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(PlanError::from(error).message, message, "{text}");
    }
}

#[test]
fn the_engines_texts_are_postgresqls() {
    for (text, message) in [
        (
            "Cannot coerce arithmetic expression Int64 + Utf8 to valid types",
            "operator does not exist: bigint + text",
        ),
        (
            "Cannot coerce arithmetic expression Timestamp(ns, \"UTC\") + Int64 to valid types",
            "operator does not exist: timestamp with time zone + bigint",
        ),
        (
            "Cannot coerce arithmetic expression Decimal128(5, 2) - List(Int32) to valid types",
            "operator does not exist: numeric - integer[]",
        ),
        (
            "Cannot get result type for temporal operation Date32 + Date32: Invalid argument error: no",
            "operator does not exist: date + date",
        ),
        (
            "Cannot infer common argument type for comparison operation Int64 = Boolean",
            "operator does not exist: bigint = boolean",
        ),
        (
            "Cannot infer common argument type for comparison operation Utf8 IS DISTINCT FROM Boolean",
            "operator does not exist: text = boolean",
        ),
        (
            "Cannot infer common argument type for logical boolean operation Boolean AND Int64",
            "argument of AND must be type boolean, not type bigint",
        ),
        (
            "There isn't a common type to coerce Int64 and Utf8 in LIKE expression",
            "operator does not exist: bigint ~~ text",
        ),
        (
            "Cannot create filter with non-boolean predicate 'Int64(1)' returning Int64",
            "argument of WHERE must be type boolean, not type bigint",
        ),
        (
            "Cannot create filter with non-boolean predicate 'count(Int64(1))' returning Int64",
            "argument of HAVING must be type boolean, not type bigint",
        ),
        (
            "Unsupported SQL type NoType",
            "type \"notype\" does not exist",
        ),
        (
            "Order by index starts at 1 for column indexes",
            "ORDER BY position 0 is not in select list",
        ),
        (
            "INTERSECT queries have different number of columns",
            "each INTERSECT query must have the same number of columns",
        ),
        (
            "negative count not allowed: -1",
            "negative substring length not allowed",
        ),
        (
            "Date part 'foo' not supported",
            "unit \"foo\" not recognized",
        ),
    ] {
        let said = reworded(text).unwrap();
        assert_eq!((said.message.as_str(), said.detail), (message, None));
    }
    for text in [
        "Unsupported SQL type TIME WITH TIME ZONE",
        "Unsupported SQL type (precision/scale not supported) DOUBLE(1)",
        "division by zero",
        "",
    ] {
        assert_eq!(reworded(text), None, "{text}");
    }
}

#[test]
fn what_a_message_has_no_place_for_is_its_detail() {
    let said = reworded(
        "Aggregate function calls cannot be nested: 'count(Int64(1))' is nested inside 'sum(count(Int64(1)) AS count(*))'",
    )
    .unwrap();
    assert_eq!(said.message, "aggregate function calls cannot be nested");
    assert_eq!(said.detail.unwrap(), "count() is within sum()");
    let said = reworded(
        "Unsupported date_trunc granularity: 'foo'. Supported values are: microsecond, millisecond",
    )
    .unwrap();
    assert_eq!(said.message, "unit \"foo\" not recognized");
    assert_eq!(
        said.detail.unwrap(),
        "supported values are: microsecond, millisecond"
    );
}

#[test]
fn names_and_types_are_spelled_as_postgresql_spells_them() {
    let told = |text: &str| PlanError::from(DataFusionError::Plan(text.to_owned()));
    for (text, message) in [
        (
            "Function 'upper' requires String, but received Int64 (DataType: Int64).. No function matches the given name and argument types 'upper(Int64)'. You might need to add explicit type casts.",
            "function upper(bigint) does not exist",
        ),
        (
            "No function matches the given name and argument types 'f(List(Int64, field: 'x'), Timestamp(ns, \"UTC\"), Null)'. You might need to add explicit type casts.",
            "function f(bigint[], timestamp with time zone, unknown) does not exist",
        ),
        (
            "Function 'sum' user-defined coercion failed with: Error during planning: function sum(text) does not exist. No function matches the given name and argument types 'sum(Utf8)'.",
            "function sum(text) does not exist",
        ),
        (
            "Column in SELECT must be in GROUP BY or an aggregate function: column \"gold.orders.customer\" must appear in the GROUP BY clause or be used in an aggregate function",
            "column \"orders.customer\" must appear in the GROUP BY clause or be used in an aggregate function",
        ),
    ] {
        assert_eq!(told(text).message, message);
    }
}
