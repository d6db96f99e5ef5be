//! Sums of each type, through SQL.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;

use crate::binding::{new_session_state, session_config};

/// Cells of the one row that a query gives, with the types of its columns.
async fn row(sql: &str) -> String {
    let state = new_session_state(session_config(), Default::default(), None).unwrap();
    let batches = SessionContext::new_with_state(state)
        .sql(sql)
        .await
        .unwrap();
    let batches = batches.collect().await.unwrap();
    let types: Vec<String> = batches[0]
        .schema()
        .fields()
        .iter()
        .map(|field| field.data_type().to_string())
        .collect();
    let shown = pretty_format_batches(&batches).unwrap().to_string();
    let cells = shown.lines().nth(3).unwrap().trim_matches('|');
    let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
    format!("{} | {}", cells.join(" "), types.join(" "))
}

#[tokio::test]
async fn bigint_sums_do_not_wrap() {
    let sql = "SELECT sum(x), sum(DISTINCT x), sum(x + 0) FILTER (WHERE x > 0) \
               FROM (VALUES (9223372036854775807::bigint), (9223372036854775807), (1)) AS t(x)";
    assert_eq!(
        row(sql).await,
        "18446744073709551615 9223372036854775808 18446744073709551615 | \
         Decimal128(30, 0) Decimal128(30, 0) Decimal128(30, 0)"
    );
}

#[tokio::test]
async fn each_type_has_its_sum() {
    for (argument, expected) in [
        ("x::smallint", "42 | Int64"),
        ("x::int", "42 | Int64"),
        ("x::bigint", "42 | Decimal128(30, 0)"),
        ("x::real", "42.0 | Float64"),
        ("x::numeric(10,2)", "42.00 | Decimal128(20, 2)"),
        ("CAST(NULL AS bigint)", " | Decimal128(30, 0)"),
    ] {
        let sql = format!("SELECT sum({argument}) AS s FROM (VALUES (2), (40)) AS t(x)");
        assert_eq!(row(&sql).await, expected, "{argument}");
    }
    let sql = "SELECT sum(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s \
               FROM (VALUES (9223372036854775807::bigint), (9223372036854775807)) AS t(x) ORDER BY s DESC LIMIT 1";
    assert_eq!(row(sql).await, "18446744073709551614 | Decimal128(30, 0)");
    // Many rows, several partitions: partial states and their merge.
    let sql = "SELECT sum(value + 9223372036854675807) FROM generate_series(1, 100000)";
    assert_eq!(
        row(sql).await,
        "922337203685472580750000 | Decimal128(30, 0)"
    );
}
