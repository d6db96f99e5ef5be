//! Sketches through SQL: merged, they answer as the rows would.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;

use proptest::prelude::*;

use super::sealed::{Kind, open, seal};
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
    assert_eq!(
        row("SELECT approx_percentile_estimate(NULL::bytea, 0.5) IS NULL, approx_distinct_estimate(NULL::bytea) IS NULL, sketch_merge(NULL::bytea) IS NULL, approx_percentile_merge(NULL::bytea, ARRAY[0.5]) IS NULL").await.unwrap(),
        "true true true true"
    );
    // Whatever the sketches of other groups are.
    assert_eq!(
        row("SELECT sketch_merge(d) IS NULL, approx_distinct_estimate(sketch_merge(d)) IS NULL FROM (
             SELECT 1 AS g, CAST(NULL AS bytea) AS d UNION ALL SELECT 2, approx_distinct_sketch(value) FROM generate_series(1, 10)) GROUP BY g ORDER BY g LIMIT 1").await.unwrap(),
        "true true"
    );
    for (sql, words) in [
        ("SELECT approx_percentile_merge('a', 0.5)", "takes a sketch"),
        (
            "SELECT approx_percentile_merge(CAST('a' AS bytea), 1.5)",
            "between 0 and 1",
        ),
        (
            "SELECT approx_percentile_sketch('a')",
            "takes a number, and perhaps an accuracy",
        ),
        ("SELECT approx_distinct_merge(1)", "takes a sketch"),
        ("SELECT sketch_merge('a')", "takes a sketch"),
        (
            "SELECT approx_percentile_estimate('a', 0.5)",
            "takes a sketch",
        ),
        (
            "SELECT approx_percentile_merge(CAST('xyz' AS bytea), 0.5)",
            "not a sketch",
        ),
        ("SELECT sketch_merge(CAST('' AS bytea))", "not a sketch"),
        (
            "SELECT approx_percentile_merge(s, 0.5) FROM (SELECT approx_distinct_sketch(v) AS s FROM generate_series(1, 3) AS t(v))",
            "a sketch of approx_distinct is not one of approx_percentile",
        ),
        (
            "SELECT approx_distinct_estimate(s) FROM (SELECT approx_percentile_sketch(v) AS s FROM generate_series(1, 3) AS t(v))",
            "a sketch of approx_percentile is not one of approx_distinct",
        ),
        (
            "SELECT sketch_merge(s) FROM (SELECT approx_percentile_sketch(v) AS s FROM generate_series(1, 3) AS t(v) UNION ALL SELECT approx_distinct_sketch(v) FROM generate_series(1, 3) AS t(v))",
            "is not one of",
        ),
        (
            "SELECT approx_percentile_merge(s, 0.5) FROM (SELECT approx_percentile_sketch(v) AS s FROM generate_series(1, 3) AS t(v) UNION ALL SELECT approx_percentile_sketch(v, 1000) FROM generate_series(1, 3) AS t(v))",
            "different accuracy",
        ),
        (
            "SELECT approx_distinct_merge(s) FROM (SELECT approx_distinct_sketch(v) AS s FROM generate_series(1, 3) AS t(v) UNION ALL SELECT approx_distinct_sketch(CAST(v AS TEXT)) FROM generate_series(1, 3) AS t(v))",
            "cannot be merged: equal values would count twice",
        ),
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

/// What a sketch looks like is what tables hold: it must read and be written alike for ever.
#[tokio::test]
async fn the_format_is_the_one_that_is_written_down() {
    for (sketch, hex) in [
        (
            "approx_percentile_sketch(v) FROM (VALUES (1), (2)) AS t(v)",
            "534b010101000000000000f0bf00000000000000c0849f7621",
        ),
        (
            "approx_percentile_sketch(v, 1000) FROM (VALUES (1)) AS t(v)",
            "534b01010309000000000000f0bfde684882",
        ),
        (
            "approx_percentile_sketch(1) FROM generate_series(1, 1025)",
            "534b010102000000000000f0bf000000000000f0bf80ff1781089f1b3f46",
        ),
        (
            "approx_distinct_sketch(v) FROM (VALUES (CAST(1 AS BIGINT))) AS t(v)",
            "534b0102045a46e909866d155802590c67",
        ),
        (
            "approx_distinct_sketch(v) FROM (VALUES (CAST(1 AS INT))) AS t(v)",
            "534b0102035a46e909866d1558cb346d03",
        ),
        (
            "approx_distinct_sketch(v) FROM (VALUES ('sluice'), (NULL)) AS t(v)",
            "534b010201c45f29e3f32b47752660ff73",
        ),
        (
            "approx_distinct_sketch(v) FROM (VALUES (TIMESTAMP '2026-03-01 10:00:00')) AS t(v)",
            "534b0102081037c433fa39fb5a653f7647",
        ),
    ] {
        let found =
            row(&format!("SELECT encode({sketch}").replacen(" FROM", ", 'hex') FROM", 1)).await;
        assert_eq!(found.unwrap(), hex, "{sketch}");
    }
}

#[tokio::test]
async fn merges_in_any_order_and_steps_are_the_same_bytes() {
    let whole = row("SELECT encode(approx_percentile_sketch(value), 'hex'), encode(approx_distinct_sketch(value % 3000), 'hex') FROM generate_series(1, 20000)").await.unwrap();
    for sql in [
        "SELECT sketch_merge(p) AS p, sketch_merge(d) AS d FROM minutes",
        "SELECT sketch_merge(p) AS p, sketch_merge(d) AS d FROM (SELECT * FROM minutes ORDER BY m DESC)",
        "SELECT sketch_merge(p) AS p, sketch_merge(d) AS d FROM (SELECT sketch_merge(p) AS p, sketch_merge(d) AS d FROM minutes GROUP BY m % 7)",
        "SELECT approx_percentile_combine(p) AS p, hll_combine(d) AS d FROM minutes",
    ] {
        let merged = row(&format!(
            "{MINUTES} SELECT encode(p, 'hex'), encode(d, 'hex') FROM ({sql})"
        ))
        .await;
        assert_eq!(merged.unwrap(), whole, "{sql}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_sketch_or_an_error(kind in 0..4_u8, body in prop::collection::vec(any::<u8>(), 0..200), flip in any::<(u8, usize)>()) {
        let _anything = open(&body);
        // With a right head and checksum, and a body that is as it comes.
        let mut sketch = vec![b'S', b'K', 1, kind];
        sketch.extend(&body);
        sketch.extend(crc32fast::hash(&sketch).to_le_bytes());
        let _anything = open(&sketch);
        // One that is right, then not.
        let key = 0xbff0_0000_0000_0000_u64.to_le_bytes();
        let state = [[1].as_slice(), &key, &key].concat();
        seal(Kind::Percentile, 0, &state, &mut sketch);
        prop_assert_eq!(open(&sketch).unwrap().state, &state);
        let (by, at) = flip;
        let at = at % sketch.len();
        sketch[at] ^= by;
        prop_assert_eq!(open(&sketch).is_ok(), by == 0);
    }

    #[test]
    fn any_registers_are_told_or_refused(registers in prop::collection::vec(any::<u8>(), 20), large in any::<bool>()) {
        let most: u8 = if large { 254 } else { 51 };
        let state: Vec<u8> = registers.iter().cycle().take(1 << 14).map(|register| register % (most + 1)).collect();
        let mut sketch = vec![];
        seal(Kind::Distinct, 4, &state, &mut sketch);
        let fits = state.iter().all(|register| *register <= 51);
        prop_assert_eq!(open(&sketch).is_ok(), fits);
    }
}
