//! What the rule makes of queries.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use datafusion::prelude::SessionContext;

use super::{CheckedArithmetic, without};
use crate::execute::engine_error;

fn context() -> SessionContext {
    let state =
        sluice_planner::new_session_state(sluice_planner::session_config(), Arc::default(), None)
            .unwrap();
    let context = SessionContext::new_with_state(state);
    context.add_analyzer_rule(Arc::new(CheckedArithmetic));
    context
}

/// The one value of a query as text, or the code of its error.
async fn answer(context: &SessionContext, query: &str) -> String {
    let rows = async { context.sql(query).await?.collect().await };
    match rows.await {
        Ok(batches) => {
            let column = batches.first().unwrap().column(0);
            arrow::util::display::array_value_to_string(column, 0).unwrap()
        }
        Err(error) => engine_error(error).state.code().to_owned(),
    }
}

#[tokio::test]
async fn what_leaves_its_type_is_an_error() {
    let context = context();
    for (query, expected) in [
        ("SELECT 9223372036854775807 + 1", "22003"),
        ("SELECT -9223372036854775807 - 2", "22003"),
        (
            "SELECT x * 2 FROM (VALUES (9223372036854775807)) AS t (x)",
            "22003",
        ),
        ("SELECT CAST(1e300 AS BIGINT)", "22003"),
        ("SELECT CAST(40000 AS SMALLINT)", "22003"),
        ("SELECT CAST('NaN' AS DOUBLE)::int", "22003"),
        ("SELECT 1e308 * 10.0", "22003"),
        ("SELECT power(10, 400)", "22003"),
        (
            "SELECT power(x, 400) FROM (VALUES (1), (10)) AS t (x)",
            "22003",
        ),
        ("SELECT exp(1000)", "22003"),
        ("SELECT exp(CAST('Infinity' AS DOUBLE))", "inf"),
        ("SELECT power(10, 2)", "100.0"),
        ("SELECT 1.5 / 0", "22012"),
        ("SELECT 1 / 0", "22012"),
        ("SELECT ln(0.0)", "2201E"),
        ("SELECT sqrt(-1.0)", "2201F"),
        ("SELECT '2026-13-01'::date", "22008"),
        ("SELECT 1 + 1", "2"),
        ("SELECT x / 2.0 FROM (VALUES (0.0)) AS t (x)", "0.0"),
        ("SELECT CAST(2.5 AS INT)", "2"),
        ("SELECT CAST(3.5 AS INT)", "4"),
        ("SELECT CAST(CAST(2.5 AS NUMERIC(5, 1)) AS INT)", "3"),
        ("SELECT CAST(CAST(-2.5 AS NUMERIC(5, 1)) AS INT)", "-3"),
        ("SELECT 'Jan 2, 2026'::date", "2026-01-02"),
        ("SELECT CAST(CAST(2 AS DOUBLE) AS TEXT)", "2"),
        (
            "SELECT 'x' || TIMESTAMP '2026-01-01 10:00:00'",
            "x2026-01-01 10:00:00",
        ),
        ("SELECT CAST(INTERVAL '1 day' AS TEXT)", "1 day"),
        ("SELECT INTERVAL '25 hours' > INTERVAL '1 day'", "true"),
        ("SELECT INTERVAL '24 hours' = INTERVAL '1 day'", "true"),
        (
            "SELECT TIMESTAMP '2026-01-03 06:00:00' - TIMESTAMP '2026-01-02 00:00:00' > INTERVAL '1 day'",
            "true",
        ),
        (
            "SELECT x FROM (VALUES (1)) AS t (x) WHERE row_number() OVER () = 1",
            "42P20",
        ),
        ("SELECT '12:99'::time", "22008"),
        ("SELECT round(2.5)", "3.0"),
        ("SELECT round(-2.5)", "-3.0"),
        ("SELECT round(CAST(2.5 AS DOUBLE))", "2.0"),
        ("SELECT round(CAST('-0.5' AS REAL))", "-0.0"),
        (
            "SELECT sum(round(x)) FROM (VALUES (CAST(0.5 AS DOUBLE)), (CAST(1.5 AS DOUBLE)), (CAST(2.5 AS DOUBLE))) AS t (x)",
            "4.0",
        ),
        (
            "SELECT sum(round(x)) FROM (VALUES (0.5), (1.5), (2.5)) AS t (x)",
            "6.0",
        ),
        (
            "SELECT round(avg(x)) FROM (VALUES (2), (3)) AS t (x)",
            "3.0",
        ),
        (
            "SELECT round(a) FROM (SELECT max(x) AS a FROM (VALUES (CAST(2.5 AS DOUBLE))) AS t (x) GROUP BY x / 2) AS u",
            "2.0",
        ),
        (
            "SELECT array_element(CAST(x AS INT[]), 2) FROM (VALUES ('{1,2}')) AS t (x)",
            "2",
        ),
        (
            "SELECT CAST(x AS INT[]) FROM (VALUES ('1')) AS t (x)",
            "22P02",
        ),
        (
            "SELECT CAST(x AS INT[]) FROM (VALUES ('{{1}}')) AS t (x)",
            "0A000",
        ),
    ] {
        assert_eq!(answer(&context, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_condition_guards_what_stands_after_it() {
    let context = context();
    let query =
        "SELECT count(*) FROM (VALUES (0.0), (2.0), (4.0)) AS t (x) WHERE x <> 0 AND 8.0 / x > 1";
    assert_eq!(answer(&context, query).await, "2");
    let query =
        "SELECT sum(CASE WHEN x <> 0 THEN 8.0 / x ELSE 0 END) FROM (VALUES (0.0), (2.0)) AS t (x)";
    assert_eq!(answer(&context, query).await, "4.0");
}

#[tokio::test]
async fn rows_without_end_keep_the_engines_arithmetic() {
    let plain = without(&context());
    assert_eq!(answer(&plain, "SELECT 1.5 / 0").await, "inf");
}

#[tokio::test]
async fn names_and_groups_stay() {
    let context = context();
    let query = "SELECT x + 1, sum(x * 2) FROM (VALUES (1), (1)) AS t (x) GROUP BY x + 1 HAVING sum(x * 2) > 3 ORDER BY x + 1";
    let frame = context.sql(query).await.unwrap();
    let batches = frame.collect().await.unwrap();
    let schema = batches.first().unwrap().schema();
    assert_eq!(schema.field(0).name(), "t.x + Int64(1)");
    assert_eq!(answer(&context, query).await, "2");
}
