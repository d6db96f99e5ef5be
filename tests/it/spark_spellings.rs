//! The same query as Spark users write it gives the same table.

use sluice_tests::{job, load::Shape, parts::kafka::Broker};

use crate::support::{DRAIN, Watched, check_gold};

const SCHEMA: &str = "timestamp TIMESTAMP, event_type STRING, user_segment STRING, value DOUBLE";

#[test]
fn window_in_group_by_and_percentile_approx_give_the_same_table() {
    let broker = Broker::shared();
    let shape = Shape::of(20_000, 21);
    let mut it = Watched::start(broker, "spark", 2);
    it.producer.send_all(&shape);
    it.producer.close_windows(shape.closing_ms());
    it.pg.run(&job::create_stream(
        "events",
        &broker.bootstrap(),
        &it.topic,
    ));
    it.pg.run(
        "CREATE TABLE gold.w PARTITIONED BY (date DATE, hour INT) AS
         SELECT window.start AS window_start, window.end AS window_end, event_type, user_segment,
                count(*) AS event_count, avg(value) AS avg_value, percentile_approx(value, 0.95) AS p95_value
         FROM events GROUP BY window(\"timestamp\", '1 minute'), event_type, user_segment;
         CREATE OR REFRESH STREAMING TABLE gold.aliased PARTITIONED BY (date DATE, hour INT) AS
         SELECT w.start AS window_start, w.end AS window_end, event_type, user_segment, event_count, avg_value, p95_value
         FROM (SELECT window(\"timestamp\", '1 minute') AS w, event_type, user_segment,
                      count(*) AS event_count, avg(value) AS avg_value, approx_percentile(value, 0.95) AS p95_value
               FROM STREAM events GROUP BY window(\"timestamp\", '1 minute'), event_type, user_segment);",
    );
    for table in ["gold.w", "gold.aliased"] {
        job::wait_drained(&it.server, &it.pg, table, &shape, DRAIN);
        it.check_gold(table, shape.closing_ms());
    }
    // SHOW CREATE prints the canonical form, and that form makes the same table again
    let statement = it
        .pg
        .run("SHOW CREATE TABLE gold.w")
        .pop()
        .and_then(|mut row| row.pop().flatten())
        .unwrap();
    for said in [
        "TUMBLE(events, ",
        "approx_percentile(",
        "PARTITIONED BY (date DATE, hour INT)",
    ] {
        assert!(statement.contains(said), "{said} is not in {statement}");
    }
    assert!(!statement.contains("window("), "{statement}");
    it.pg.run(&statement.replacen("gold.w", "gold.again", 1));
    job::wait_drained(&it.server, &it.pg, "gold.again", &shape, DRAIN);
    it.check_gold("gold.again", shape.closing_ms());
}

#[test]
fn from_json_over_a_raw_stream_gives_the_same_table() {
    let broker = Broker::shared();
    let shape = Shape::of(20_000, 22);
    let mut it = Watched::start(broker, "raw", 2);
    it.producer.send_all(&shape);
    it.producer.close_windows(shape.closing_ms());
    it.pg.run(&format!(
        "CREATE STREAM messages (value BYTEA)
         WITH (connector = 'kafka', bootstrap_servers = '{}', topic = '{}', format = 'raw');
         CREATE VIEW parsed AS
         SELECT data.timestamp AS ts, data.event_type AS event_type, data.user_segment AS user_segment, data.value AS value
         FROM (SELECT from_json(CAST(value AS STRING), '{SCHEMA}') AS data FROM messages);
         CREATE STREAMING TABLE gold.raw PARTITIONED BY (date DATE, hour INT) AS
         SELECT window.start AS window_start, window.end AS window_end, event_type, user_segment,
                count(*) AS event_count, avg(value) AS avg_value, percentile_approx(value, 0.95) AS p95_value
         FROM parsed WATERMARK ts DELAY OF INTERVAL 10 SECONDS
         WHERE value IS NOT NULL AND event_type IS NOT NULL AND user_segment IS NOT NULL
         GROUP BY window(ts, '1 minute'), event_type, user_segment;",
        broker.bootstrap(),
        it.topic
    ));
    job::wait_drained(&it.server, &it.pg, "gold.raw", &shape, DRAIN);
    check_gold(
        &it.server,
        &it.pg,
        &it.producer,
        "gold.raw",
        shape.closing_ms(),
    );
}
