//! Tables with sketches: what columns they get, and that a stream's merged sketches answer as a batch run over all its rows.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::DataType};
use datafusion::{catalog::MemTable, prelude::SessionContext};

use crate::{
    PlanErrorKind, Sketches, TargetDefinition, binding::*, error::Result, keep_sketches, testing::*,
};

fn keeping() -> TargetDefinition {
    TargetDefinition {
        sketches: Sketches::Kept,
        ..target()
    }
}

/// Names and types of the table's columns.
async fn columns(sql: &str) -> Result<Vec<String>> {
    let plan = plan_into(sql, &keeping()).await?;
    let fields = plan.output_schema.fields().iter();
    Ok(fields
        .map(|field| match field.data_type() {
            DataType::Binary => format!("{} BYTEA", field.name()),
            _ => field.name().clone(),
        })
        .collect())
}

const ONE: &str =
    "FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start";

#[tokio::test]
async fn every_column_told_from_a_sketch_brings_it_along() {
    for (select, expected) in [
        (
            format!("SELECT window_start, count(*) AS n, approx_percentile(value, 0.95) AS p95, approx_distinct(kind) AS kinds {ONE}"),
            "window_start n p95 kinds p95__sketch BYTEA kinds__sketch BYTEA",
        ),
        // One sketch for all percentiles of the same values; of other rows, values or accuracy it is another.
        (
            format!("SELECT window_start, approx_percentile(value, 0.5) AS p50, approx_percentile(value, 0.95) AS p95,
                approx_percentile(value, 0.5) FILTER (WHERE value > 3) AS big, approx_percentile(value + 1, 0.5) AS next,
                approx_percentile(value, 0.5, 1000) AS fine {ONE}"),
            "window_start p50 p95 big next fine p50__sketch BYTEA big__sketch BYTEA next__sketch BYTEA fine__sketch BYTEA",
        ),
        // Computed from it, under other names, filtered by it, in a subquery.
        (
            format!("SELECT s.w AS window_start, round(s.p) AS p95 FROM (SELECT window_start AS w, approx_percentile(value, 0.95) AS p, avg(value) AS a {ONE} HAVING approx_percentile(value, 0.95) > 2) AS s WHERE s.a > 0"),
            "window_start p95 p95__sketch BYTEA",
        ),
        // Told from sketches that came in, and kept on.
        (
            "SELECT window_start, approx_percentile_merge(s, 0.5) AS p50, approx_distinct_merge(d) AS kinds FROM TUMBLE((
               SELECT window_time, approx_percentile_sketch(value) AS s, approx_distinct_sketch(kind) AS d FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_time
             ), window_time, INTERVAL '1 hour') GROUP BY window_start".to_owned(),
            "window_start p50 kinds p50__sketch BYTEA kinds__sketch BYTEA",
        ),
        (
            "SELECT window_start, window_end, kind, approx_percentile(value, 0.5) AS p50 FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, window_end, kind".to_owned(),
            "window_start window_end kind p50 p50__sketch BYTEA",
        ),
        (
            "SELECT window_start, window_end, approx_distinct(kind) AS kinds FROM HOP((SELECT * FROM events), ts, INTERVAL '1 minute', INTERVAL '5 minutes') GROUP BY window_start, window_end".to_owned(),
            "window_start window_end kinds kinds__sketch BYTEA",
        ),
        (
            format!("SELECT window_start, kind, approx_percentile(value, 0.5) AS p50 {ONE}, ROLLUP (kind)"),
            "window_start kind p50 p50__sketch BYTEA",
        ),
    ] {
        assert_eq!(columns(&select).await.unwrap().join(" "), expected, "{select}");
    }
}

#[tokio::test]
async fn what_has_no_sketch_to_keep_is_refused() {
    for (select, message) in [
        (
            format!("SELECT window_start, count(*) AS n, median(value) AS m {ONE}"),
            "no column of the query has a sketch",
        ),
        (
            "SELECT ts, value FROM events".to_owned(),
            "no column of the query has a sketch",
        ),
        (
            format!(
                "SELECT window_start, count(*) AS n {ONE} HAVING approx_percentile(value, 0.5) > 1"
            ),
            "no column of the query has a sketch",
        ),
        (
            format!(
                "SELECT window_start, approx_percentile(value, 0.5) / approx_distinct(kind) AS r {ONE}"
            ),
            "\"r\" is computed from several sketches",
        ),
        (
            format!(
                "SELECT window_start, approx_percentile(value, 0.5) AS p, count(*) AS p__sketch {ONE}"
            ),
            "\"p__sketch\" is selected",
        ),
        (
            format!("SELECT window_start, approx_percentile(value, 0.5) {ONE}"),
            "has no name",
        ),
    ] {
        let error = columns(&select).await.unwrap_err();
        assert!(
            error.message.contains(message),
            "{select}: {}",
            error.message
        );
        assert_ne!(error.kind, PlanErrorKind::Internal);
        assert!(error.hint.is_some(), "{select}");
    }
}

#[tokio::test]
async fn the_plan_is_another_with_sketches() {
    let sql = format!("SELECT window_start, approx_percentile(value, 0.5) AS p50 {ONE}");
    let without = plan(&sql).await.unwrap().fingerprint;
    let with = plan_into(&sql, &keeping()).await.unwrap().fingerprint;
    assert_ne!(with, without);
}

/// What a query over tables of these names gives.
async fn over(tables: &[(&str, Vec<RecordBatch>)], sql: &str) -> Vec<String> {
    let state = new_session_state(session_config(), Default::default(), None).unwrap();
    let context = SessionContext::new_with_state(state);
    for (name, batches) in tables {
        let table = MemTable::try_new(batches[0].schema(), vec![batches.clone()]).unwrap();
        context.register_table(*name, Arc::new(table)).unwrap();
    }
    let plan = logical_plan(&context.state(), &parse(sql)).await.unwrap();
    let frame = context.execute_logical_plan(plan).await.unwrap();
    lines(&frame.collect().await.unwrap())
}

/// Two hours of events, an epoch every few minutes, restarted in the middle.
async fn streamed(sql: &str, events: &[Event]) -> Vec<RecordBatch> {
    let plan = plan_into(sql, &keeping()).await.unwrap();
    let columns = plan.streams[0].columns.clone();
    let mut query = plan.start(None).unwrap();
    let mut rows = Vec::new();
    let mut offset = 0;
    for (number, chunk) in events.chunks(1_500).enumerate() {
        let mut input = epoch(&columns, &[(0, &[])]);
        input.now_us = MORNING + 180 * MINUTE;
        input.splits[0].batches = vec![batch(&columns, 0, offset, chunk)];
        offset += chunk.len() as i64;
        rows.extend(query.run_epoch(input).await.unwrap().rows);
        if number == 3 {
            let state = query.snapshot().unwrap();
            query = plan.start(Some(state)).unwrap();
        }
    }
    rows.extend(query.run_epoch(the_end(&[0])).await.unwrap().rows);
    rows
}

fn events() -> Vec<Event> {
    const KINDS: [&str; 3] = ["a", "b", "c"];
    (0..12_000_i64)
        .map(|n| Event {
            ts: Some(MORNING + n * 600_000),
            kind: Some(KINDS[(n * n % 7 % 3) as usize]),
            value: Some(((n * 7919) % 4001) as f64 / 8.0 - 100.0),
        })
        .collect()
}

#[tokio::test]
async fn merged_minutes_answer_as_all_their_rows_do() {
    let events = events();
    let names: Vec<String> = ["ts", "kind", "value"].map(str::to_owned).to_vec();
    let raw = vec![rows(&names, &events)];
    for (window, group) in [
        (
            "TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute')",
            "window_start",
        ),
        (
            "HOP((SELECT * FROM events), ts, INTERVAL '1 minute', INTERVAL '1 minute')",
            "window_start, window_end",
        ),
    ] {
        let minutes = streamed(
            &format!("SELECT {group}, kind, approx_percentile(value, 0.95) AS p95, approx_percentile(value, 0.5, 10000) AS p50, approx_distinct(value) AS many FROM {window} GROUP BY {group}, kind")
                .replace("approx_distinct(value)", "approx_distinct(CAST(value AS BIGINT))"),
            &events,
        )
        .await;
        let tables = [("minutes", minutes), ("events", raw.clone())];
        for zoom in ["10 minutes", "1 hour", "1 day"] {
            let merged = over(&tables, &format!(
                "SELECT date_bin(INTERVAL '{zoom}', window_start) AS w, approx_percentile_merge(p95__sketch, 0.95), approx_percentile_merge(p50__sketch, 0.5),
                   approx_percentile_estimate(sketch_merge(p95__sketch), ARRAY[0.01, 0.99]), approx_distinct_merge(many__sketch),
                   approx_distinct_estimate(sketch_merge(many__sketch)) FROM minutes GROUP BY 1 ORDER BY 1"
            )).await;
            let direct = over(&tables, &format!(
                "SELECT date_bin(INTERVAL '{zoom}', ts) AS w, approx_percentile(value, 0.95), approx_percentile(value, 0.5, 10000),
                   approx_percentile(value, ARRAY[0.01, 0.99]), approx_distinct(CAST(value AS BIGINT)) AS a, approx_distinct(CAST(value AS BIGINT)) AS b FROM events GROUP BY 1 ORDER BY 1"
            )).await;
            assert_eq!(merged, direct, "{window} by {zoom}");
            assert!(!merged.is_empty());
        }
        // The results themselves are what they are without sketches.
        let told = over(
            &tables,
            "SELECT window_start, kind, p95, p50, many FROM minutes ORDER BY 1, 2",
        )
        .await;
        let direct = over(&tables, "SELECT date_bin(INTERVAL '1 minute', ts) AS w, kind, approx_percentile(value, 0.95), approx_percentile(value, 0.5, 10000), approx_distinct(CAST(value AS BIGINT)) FROM events GROUP BY 1, 2 ORDER BY 1, 2").await;
        assert_eq!(told, direct);
    }
}

#[tokio::test]
async fn a_table_made_once_keeps_them_too() {
    let state = new_session_state(session_config(), Default::default(), None).unwrap();
    let context = SessionContext::new_with_state(state);
    let sql = "SELECT v % 2 AS k, approx_percentile(v, 0.5) AS p50, approx_distinct(CAST(v AS SMALLINT)) AS n FROM generate_series(1, 50) AS t(v) GROUP BY 1 ORDER BY 1 LIMIT 5";
    let plan = logical_plan(&context.state(), &parse(sql)).await.unwrap();
    let plan = keep_sketches(&plan).unwrap();
    let frame = context.execute_logical_plan(plan).await.unwrap();
    let batches = frame.collect().await.unwrap();
    let names: Vec<String> = batches[0]
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    assert_eq!(names, ["k", "p50", "n", "p50__sketch", "n__sketch"]);
    let told = over(
        &[("t", batches)],
        "SELECT k, p50, n, approx_percentile_estimate(p50__sketch, 0.5), approx_distinct_estimate(n__sketch) FROM t",
    )
    .await;
    assert_eq!(
        told,
        ["0 | 26.0 | 25 | 26.0 | 25", "1 | 25.0 | 25 | 25.0 | 25"]
    );
}
