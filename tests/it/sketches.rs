//! Minutes that keep their sketches, read by the hour: the answer of all the rows, by SQL over the wire and from the folder of the table.

use sluice_tests::{parts::python, pg::Pg, server::Server};

use crate::support::{DRAIN, SOON};

const EVENTS: i64 = 60_000;

const TABLES: &str = "
CREATE STREAM events (ts TIMESTAMPTZ, event_type TEXT, user_id BIGINT, value DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '10 seconds')
WITH (connector = 'generator', rows = '60000', splits = '2', event_interval = '120 milliseconds', start_time = '2026-03-01T10:00:00Z', out_of_order = '3 seconds');
CREATE TABLE bronze.events WITH (commit_interval = '1 second') AS SELECT ts, event_type, user_id, value FROM events;
CREATE TABLE gold.minutes PARTITIONED BY (date DATE) WITH (sketches = true, commit_interval = '1 second') AS
SELECT window_start, event_type, count(*) AS n, approx_percentile(value, 0.5) AS p50, approx_percentile(value, 0.95) AS p95, approx_distinct(user_id) AS users
FROM TUMBLE(events, ts, INTERVAL '1 minute') GROUP BY window_start, event_type;
CREATE TABLE gold.halves WITH (sketches = true, commit_interval = '1 second') AS
SELECT window_start, window_end, count(*) AS n, approx_percentile(value, 0.95, 10000) AS fine, approx_distinct(event_type) AS kinds
FROM TUMBLE(events, ts, INTERVAL '30 minutes') GROUP BY window_start, window_end;
";

fn drained(server: &Server, pg: &Pg) {
    server.wait("all events in every table", DRAIN, || {
        let there = |sql: &str| pg.value(sql) == EVENTS.to_string();
        let all = there("SELECT count(*) FROM bronze.events")
            && there("SELECT coalesce(sum(n), 0) FROM gold.minutes")
            && there("SELECT coalesce(sum(n), 0) FROM gold.halves");
        all.then_some(())
    });
}

#[test]
fn minutes_with_sketches_zoom_to_what_all_their_rows_say() {
    let mut server = Server::start();
    server.connect().run(TABLES);
    server.kill_and_restart();
    let pg = server.connect();
    drained(&server, &pg);

    for zoom in ["1 minute", "10 minutes", "1 hour", "1 day"] {
        let merged = pg.run(&format!(
            "SELECT date_bin(INTERVAL '{zoom}', window_start) AS w, approx_percentile_merge(p50__sketch, 0.5), approx_percentile_merge(p50__sketch, 0.95),
               approx_percentile_estimate(sketch_merge(p50__sketch), 0.99), approx_distinct_merge(users__sketch)
             FROM gold.minutes GROUP BY 1 ORDER BY 1"
        ));
        let direct = pg.run(&format!(
            "SELECT date_bin(INTERVAL '{zoom}', ts) AS w, approx_percentile(value, 0.5), approx_percentile(value, 0.95),
               approx_percentile(value, 0.99), approx_distinct(user_id)
             FROM bronze.events GROUP BY 1 ORDER BY 1"
        ));
        assert_eq!(merged, direct, "by {zoom}");
        assert!(!merged.is_empty());
    }
    let merged = pg.run("SELECT approx_percentile_merge(fine__sketch, 0.95), approx_distinct_merge(kinds__sketch) FROM gold.halves");
    let direct = pg.run("SELECT approx_percentile(value, 0.95, 10000), approx_distinct(event_type) FROM bronze.events");
    assert_eq!(merged, direct);
    // The results are those of a table without sketches.
    let told =
        pg.run("SELECT window_start, event_type, p50, p95, users FROM gold.minutes ORDER BY 1, 2");
    let direct = pg.run("SELECT date_bin(INTERVAL '1 minute', ts), event_type, approx_percentile(value, 0.5), approx_percentile(value, 0.95), approx_distinct(user_id) FROM bronze.events GROUP BY 1, 2 ORDER BY 1, 2");
    assert_eq!(told, direct);

    pg.refused(
        "SELECT approx_percentile_merge(users__sketch, 0.5) FROM gold.minutes",
        "22000",
        &["a sketch of approx_distinct is not one of approx_percentile"],
    );
    pg.refused(
        "SELECT sketch_merge(s) FROM (SELECT p50__sketch AS s FROM gold.minutes UNION ALL SELECT fine__sketch FROM gold.halves)",
        "22000",
        &["sketches of different accuracy cannot be merged"],
    );

    // Another reader of the folder finds bytes, as they are written down.
    let folder = server.table_dir("gold", "minutes");
    let folder = folder.to_str().unwrap();
    let expected = pg.number("SELECT count(*) FROM gold.minutes");
    let rows = server.wait("every minute committed", SOON, || {
        let delta = python::run("read_delta.py", &[folder]);
        let rows = delta["rows"].as_array().unwrap().clone();
        (rows.len() as i64 == expected).then_some(rows)
    });
    for row in rows {
        let sketch = row["p50__sketch"].as_str().unwrap();
        assert!(sketch.contains("SK\\x01\\x01\\x01"), "{sketch}");
        let sketch = row["users__sketch"].as_str().unwrap();
        assert!(sketch.contains("SK\\x01\\x02\\x04"), "{sketch}");
    }
}
