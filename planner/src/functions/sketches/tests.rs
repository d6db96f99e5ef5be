//! Sketches through SQL: merged, they answer as the rows would.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;

use crate::binding::{new_session_state, session_config};

/// Cells of the one row that a query gives.
async fn row(sql: &str) -> Result<String, String> {
    let state = new_session_state(session_config(), Default::default(), None).unwrap();
    let frame = SessionContext::new_with_state(state).sql(sql).await;
    let batches = match frame {
        Ok(frame) => frame.collect().await,
        Err(error) => Err(error),
    }
    .map_err(|error| error.strip_backtrace())?;
    let shown = pretty_format_batches(&batches).unwrap().to_string();
    let cells = shown.lines().nth(3).unwrap().trim_matches('|');
    let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
    Ok(cells.join(" "))
}

const MINUTES: &str = "WITH minutes AS (SELECT value / 100 AS m, approx_percentile_sketch(value) AS p, approx_distinct_sketch(value % 3000) AS d
    FROM generate_series(1, 20000) GROUP BY 1)";

#[tokio::test]
async fn merged_sketches_answer_as_all_the_rows_would() {
    let merged = row(&format!(
        "{MINUTES} SELECT approx_percentile_merge(p, 0.95), approx_distinct_merge(d) FROM minutes"
    ))
    .await;
    let whole = row("SELECT approx_percentile(value, 0.95), approx_distinct(value % 3000) FROM generate_series(1, 20000)").await;
    assert_eq!(merged, whole);
    let by_hour = row(&format!(
        "{MINUTES} SELECT m / 50 AS h, approx_percentile_merge(p, 0.5) FILTER (WHERE m % 2 = 0) AS p, approx_distinct_merge(d) AS d FROM minutes GROUP BY 1 ORDER BY 1 LIMIT 1"
    ))
    .await;
    let whole = row("SELECT value / 5000 AS h, approx_percentile(value, 0.5) FILTER (WHERE value / 100 % 2 = 0) AS p, approx_distinct(value % 3000) AS d FROM generate_series(1, 20000) GROUP BY 1 ORDER BY 1 LIMIT 1").await;
    assert_eq!(by_hour, whole);
}

#[tokio::test]
async fn nothing_is_null_and_other_bytes_are_an_error() {
    assert_eq!(
        row("SELECT approx_percentile_merge(p, 0.5) IS NULL FROM (SELECT approx_percentile_sketch(value) AS p FROM generate_series(1, 10) WHERE value > 100)").await.unwrap(),
        "true"
    );
    assert_eq!(
        row("SELECT approx_distinct_merge(d) FROM (SELECT approx_distinct_sketch(value) AS d FROM generate_series(1, 10) WHERE value > 100)").await.unwrap(),
        "0"
    );
    let error = row("SELECT approx_percentile_merge(CAST('xyz' AS bytea), 0.5)").await;
    assert!(
        error.clone().unwrap_err().contains("corrupt state"),
        "{error:?}"
    );
    for (sql, words) in [
        ("SELECT approx_percentile_merge('a', 0.5)", "takes a sketch"),
        (
            "SELECT approx_percentile_merge(CAST('a' AS bytea), 1.5)",
            "between 0 and 1",
        ),
        (
            "SELECT approx_percentile_sketch('a')",
            "takes one argument, a number",
        ),
        ("SELECT approx_distinct_merge(1)", "takes a sketch"),
    ] {
        let error = row(sql).await.unwrap_err();
        assert!(error.contains(words), "{sql}: {error}");
    }
}

#[tokio::test]
async fn over_asks_again_and_again() {
    assert_eq!(
        row("SELECT approx_percentile_merge(p, 0.5) OVER (ORDER BY m ROWS UNBOUNDED PRECEDING) FROM (SELECT m, approx_percentile_sketch(v) AS p FROM (VALUES (1, 5), (2, 7), (2, 9)) AS t(m, v) GROUP BY m) ORDER BY m DESC LIMIT 1").await.unwrap(),
        "7.0"
    );
}
