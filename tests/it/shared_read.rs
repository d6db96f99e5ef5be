//! Queries over one stream read it through one reader: whatever they want of it, whenever they begin, pause, end or die, each has every row once.

use std::time::Duration;

use sluice_tests::{
    job,
    load::Shape,
    parts::{kafka::Broker, producer::Producer},
    pg::Pg,
    server::Server,
    wait::wait_for,
};

use crate::support::SOON;

const PARTITIONS: usize = 3;

/// Tables that want different columns, windows and no windows.
const TABLES: [(&str, &str); 4] = [
    (
        "counts",
        "SELECT window_start, event_type, count(*) AS n FROM TUMBLE(events, \"timestamp\", INTERVAL '1 minute') GROUP BY window_start, event_type",
    ),
    (
        "sums",
        "SELECT window_start, user_segment, count(*) AS n, sum(value::NUMERIC(20, 4)) AS total FROM TUMBLE(events, \"timestamp\", INTERVAL '2 minutes') GROUP BY window_start, user_segment",
    ),
    (
        "gliding",
        "SELECT window_start, max(value) AS largest, count(*) AS n FROM HOP(events, \"timestamp\", INTERVAL '1 minute', INTERVAL '2 minutes') GROUP BY window_start",
    ),
    (
        "bronze",
        "SELECT \"timestamp\", user_segment, event_type, value, _partition, _offset FROM events",
    ),
];

/// What each has once everything up to `ms` is final, told by the bronze copy.
const AGREE: &str = "SELECT
  (SELECT count(*) FROM (SELECT date_trunc('minute', \"timestamp\") w, event_type, count(*) n FROM gold.bronze WHERE \"timestamp\" < TIMESTAMPTZ 'END' GROUP BY 1, 2
     EXCEPT SELECT window_start, event_type, n FROM gold.counts)) AS counts,
  (SELECT count(*) FROM (SELECT date_bin(INTERVAL '2 minutes', \"timestamp\", TIMESTAMPTZ '1970-01-01T00:00:00Z') w, user_segment, count(*) n, sum(value::NUMERIC(20, 4)) total FROM gold.bronze WHERE \"timestamp\" < TIMESTAMPTZ 'END' GROUP BY 1, 2
     EXCEPT SELECT window_start, user_segment, n, total FROM gold.sums)) AS sums,
  (SELECT count(*) FROM gold.bronze) - (SELECT count(DISTINCT (_partition, _offset)) FROM gold.bronze) AS twice";

#[test]
fn queries_over_one_stream_share_its_reader_and_miss_nothing() {
    let broker = Broker::shared();
    let topic = broker.fresh_topic("shared", PARTITIONS as i32);
    let mut producer = Producer::with_linger(broker, &topic, PARTITIONS, 0);
    let mut shape = Shape {
        span_ms: 4 * 60_000,
        ..Shape::of(20_000, 8).clean()
    };
    let mut sent = 0;
    let mut produce = |producer: &mut Producer<'_>, shape: &mut Shape| {
        producer.send_all(shape);
        producer.flush();
        shape.from_ms += shape.span_ms;
        shape.seed += 1;
        sent += shape.messages;
        sent
    };
    produce(&mut producer, &mut shape);
    let mut server = Server::start();
    let pg = server.connect();
    pg.run(&job::create_stream("events", &broker.bootstrap(), &topic));
    for (name, query) in TABLES {
        pg.run(&format!(
            "CREATE TABLE gold.{name} WITH (commit_interval = '300 milliseconds') AS {query}"
        ));
    }
    share_one_reader(&pg);
    let sent = produce(&mut producer, &mut shape);
    all_read(&pg, sent);

    // A query that paused is behind when it comes back, and catches up with the others.
    pg.run("PAUSE QUERY gold.sums");
    produce(&mut producer, &mut shape);
    pg.run("RESUME QUERY gold.sums");
    share_one_reader(&pg);

    // Who began the reader goes; the reader does not.
    pg.run("DROP TABLE gold.gliding");
    let sent = produce(&mut producer, &mut shape);
    all_read(&pg, sent);

    server.kill();
    let sent = produce(&mut producer, &mut shape) + PARTITIONS;
    producer.close_windows(shape.closing_ms());
    server.up();
    let pg = server.connect();
    all_read(&pg, sent);
    share_one_reader(&pg);
    let end = chrono::DateTime::from_timestamp_millis(shape.from_ms / 120_000 * 120_000).unwrap();
    let agree = AGREE.replace("END", &end.to_rfc3339());
    wait_for("the tables to agree with the copy", SOON, || {
        (pg.run(&agree) == [["0", "0", "0"].map(|n| Some(n.to_owned())).to_vec()]).then_some(())
    })
    .unwrap_or_else(|_| panic!("{:?}", pg.run(&agree)));
    assert_eq!(
        pg.value("SELECT count(*) FROM gold.bronze"),
        sent.to_string()
    );
    for table in ["counts", "sums"] {
        assert_eq!(
            pg.value(&format!(
                "SELECT sum(n) FROM gold.{table} WHERE window_start < TIMESTAMPTZ '{end}'"
            )),
            pg.value(&format!(
                "SELECT count(*) FROM gold.bronze WHERE \"timestamp\" < TIMESTAMPTZ '{end}'"
            )),
            "{table}"
        );
    }
}

fn share_one_reader(pg: &Pg) {
    let readers = "SELECT readers FROM system.streams WHERE name = 'events'";
    wait_for("one reader", SOON, || {
        (pg.value(readers) == "1").then_some(())
    })
    .unwrap_or_else(|_| panic!("{} readers", pg.value(readers)));
}

/// Every query has read so many rows and shown them.
fn all_read(pg: &Pg, rows: usize) {
    let behind =
        format!("SELECT count(*) FROM system.queries WHERE rows_in <> {rows} OR lag_rows > 0");
    wait_for(
        "every query to have every row",
        Duration::from_secs(60),
        || (pg.value(&behind) == "0").then_some(()),
    )
    .unwrap_or_else(|_| {
        panic!(
            "{rows}: {:?}",
            pg.run("SELECT name, rows_in, lag_rows, state, last_error FROM system.queries")
        )
    });
}
