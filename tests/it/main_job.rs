//! The asked-for job, end to end: the script in psql, a real broker, every reader.

use std::{collections::BTreeSet, io::Write, process::Stdio, time::Duration};

use sluice_tests::{
    delta_log::DeltaLog,
    job::{self, COLUMNS},
    load::{Event, Message, Shape},
    oracle,
    parts::{kafka::Broker, producer::Producer, psql, python},
    pg::Pg,
    server::Server,
};

use crate::support::{DRAIN, SOON, Watched, check_conservation, rows_of_json, setting};

const GOLD: &str = "gold.real_time_metrics";
/// Events sent after their windows have closed: late beyond doubt.
const SURELY_LATE: usize = 100;

#[test]
fn the_script_in_psql_gives_the_gold_the_oracle_gives_to_every_reader() {
    let broker = Broker::shared();
    let shape = Shape::of(setting("SLUICE_TEST_EVENTS", 100_000), 42);
    let mut it = Watched::start(broker, "main", 4);
    it.producer.send_all(&shape);
    it.producer.close_windows(shape.closing_ms());
    let produced = it.producer.produced.clone();
    assert!(produced.malformed() > shape.messages / 50);

    paste_into_psql(&it.server, &job::script(&broker.bootstrap(), &it.topic));
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, DRAIN);

    send_late(&mut it.producer, &shape);
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, SOON);
    let produced = it.producer.produced.clone();

    let late = it.check_gold(GOLD, shape.closing_ms());
    assert!(late >= SURELY_LATE, "only {late} rows were late");
    check_the_counts(&it, late);
    check_dead_letters(&it, &produced);

    job::wait_committed(&it.server, &it.pg, GOLD, SOON);
    check_delta(&it.server);
    check_readers(&it.server, &it.pg);
}

/// Statements as a person pastes them: psql sends them one by one.
fn paste_into_psql(server: &Server, script: &str) {
    let mut child = psql::command(server.pg_port())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(script.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "psql left with {}:\n{out}{err}\n{}",
        output.status,
        server.log_tail()
    );
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        ["CREATE STREAM", "CREATE VIEW", "CREATE TABLE"]
    );
    // three in a hundred do not decode, and CREATE STREAM says so at once
    assert!(
        err.contains("NOTICE") && err.contains("dead letter"),
        "no notice of bad messages in:\n{err}"
    );
}

fn send_late(producer: &mut Producer<'_>, shape: &Shape) {
    for n in 0..SURELY_LATE {
        let event = Event {
            ts_ms: shape.from_ms + 60_000 + n as i64,
            event_type: 1,
            segment: 1,
            value: n as f64,
        };
        producer.send(n % 4, Message::Behind(event));
    }
    producer.flush();
}

fn check_the_counts(it: &Watched<'_>, late: usize) {
    check_conservation(&it.server, &it.pg, &it.producer, GOLD, "events");
    let produced = &it.producer.produced;
    for (column, expected) in [
        ("rows_in", produced.total()),
        ("late_rows", late),
        ("dead_letter_rows", produced.malformed()),
        ("lag_rows", 0),
    ] {
        assert_eq!(
            it.query_status(GOLD, column),
            expected.to_string(),
            "system.queries.{column}"
        );
    }
    let ends: Vec<_> = it
        .pg
        .run(&format!(
            "SELECT partition, position, end_position, lag FROM system.splits WHERE query = '{GOLD}' ORDER BY partition"
        ))
        .into_iter()
        .map(|row| row.into_iter().map(Option::unwrap).collect::<Vec<_>>().join(" "))
        .collect();
    let expected: Vec<_> = produced
        .partitions
        .iter()
        .enumerate()
        .map(|(p, messages)| format!("{p} {0} {0} 0", messages.len()))
        .collect();
    assert_eq!(ends, expected, "system.splits");
}

fn check_dead_letters(it: &Watched<'_>, produced: &sluice_tests::load::Produced) {
    let expected: Vec<_> = produced
        .iter()
        .filter(|(_, _, message)| *message == Message::Malformed)
        .map(|(partition, offset, _)| (partition, offset))
        .collect();
    assert_eq!(
        job::read_dead_letters(&it.server, &it.pg, "events", expected.len()),
        expected
    );
    let without_reason = it.pg.number(
        "SELECT count(*) FROM events__dead_letter WHERE coalesce(error, '') = '' OR seen_at IS NULL OR _topic IS NULL",
    );
    assert_eq!(without_reason, 0, "dead letters without a reason");
}

fn check_delta(server: &Server) {
    let log = DeltaLog::read(&server.table_dir("gold", "real_time_metrics")).unwrap();
    assert_eq!(log.partition_columns(), ["date", "hour"]);
    log.check_txns().unwrap();
    log.check_adds(
        &["date", "hour"],
        &["window_start", "event_type", "event_count", "p95_value"],
    )
    .unwrap();
}

/// Python's delta-rs on the folder, psql, psycopg and ADBC Flight SQL: each reads the very rows that SQL reads.
fn check_readers(server: &Server, pg: &Pg) {
    let expected = job::read_gold(pg, GOLD);
    let folder = server.table_dir("gold", "real_time_metrics");
    let delta = python::run("read_delta.py", &[folder.to_str().unwrap()]);
    assert_eq!(
        delta["partition_columns"],
        serde_json::json!(["date", "hour"])
    );
    let same = |who: &str, rows| {
        let gold = job::gold_of(&rows).unwrap_or_else(|e| panic!("{who}: {e}"));
        assert!(
            oracle::compare(&expected, &gold).is_ok(),
            "{who} reads other rows: {:?}",
            oracle::compare(&expected, &gold)
        );
    };
    same("delta-rs", rows_of_json(&delta["rows"], COLUMNS));
    let records: i64 = delta["files"]["num_records"]
        .as_array()
        .expect("num_records")
        .iter()
        .map(|n| n.as_i64().expect("numRecords in every file"))
        .sum();
    assert_eq!(records as usize, expected.len());

    let sql = format!("SELECT {COLUMNS} FROM {GOLD}");
    let text = psql::print(server.pg_port(), &["-A", "-t", "-c", &sql]);
    let rows = text
        .lines()
        .map(|line| line.split('|').map(|cell| Some(cell.to_owned())).collect())
        .collect();
    same("psql", rows);
    let port = server.pg_port().to_string();
    same(
        "psycopg",
        rows_of_json(&python::run("read_psycopg.py", &[&port, &sql]), COLUMNS),
    );
    let port = server.flight_port().to_string();
    let flight = python::run("read_flight.py", &[&port, &sql]);
    same("ADBC", rows_of_json(&flight["rows"], COLUMNS));
    let tables: BTreeSet<&str> = flight["tables"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    for name in [GOLD, "public.streaming_metrics", "public.events"] {
        assert!(tables.contains(name), "{name} is not among {tables:?}");
    }
}

#[test]
fn open_windows_are_in_live_and_not_in_gold() {
    let broker = Broker::shared();
    let shape = Shape::of(2_000, 7).clean();
    let mut it = Watched::start(broker, "live", 2);
    it.producer.send_all(&shape);
    it.producer.flush();
    // the whole script as one message
    it.pg.run(&job::script(&broker.bootstrap(), &it.topic));
    let total = it.producer.produced.total() as i64;
    it.server.wait("all events in live", SOON, || {
        let sum = it
            .pg
            .value(&format!("SELECT sum(event_count) FROM {GOLD}__live"));
        (sum == total.to_string()).then_some(())
    });
    let newest = "SELECT max(window_start)::text FROM";
    let (gold, live) = (
        it.pg.value(&format!("{newest} {GOLD}")),
        it.pg.value(&format!("{newest} {GOLD}__live")),
    );
    assert!(gold < live, "gold {gold} should end before live {live}");
    assert_eq!(
        it.pg.number(&format!("SELECT count(*) FROM {GOLD}__late")),
        0
    );
}

#[test]
fn an_empty_partition_holds_nothing_back_and_a_new_one_is_read() {
    let broker = Broker::shared();
    let shape = Shape::of(4_000, 11).clean();
    let topic = broker.fresh_topic("grow", 3);
    let mut producer = Producer::new(broker, &topic, 2); // the third stays empty
    producer.send_all(&shape);
    producer.close_windows(shape.closing_ms());
    let server = Server::start();
    let pg = server.connect();
    pg.run(&job::script(&broker.bootstrap(), &topic));
    job::wait_drained(&server, &pg, GOLD, &shape, SOON);
    crate::support::check_gold(&server, &pg, &producer, GOLD, shape.closing_ms());

    broker.add_partitions(&topic, 4);
    server.wait(
        "the new partition to be found",
        Duration::from_secs(120),
        || {
            let found = pg.number(&format!(
                "SELECT count(*) FROM system.splits WHERE query = '{GOLD}'"
            ));
            (found == 4).then_some(())
        },
    );
    // later windows, now over all four partitions (a new producer: the old one learns of partitions in its own time)
    let mut produced = std::mem::take(&mut producer.produced);
    produced.partitions.resize(4, Vec::new());
    let mut producer = Producer::new(broker, &topic, 4);
    producer.produced = produced;
    let later = Shape {
        from_ms: shape.closing_ms() + 60_000,
        seed: 12,
        ..shape
    };
    // A partition counts from its first row on: until each has had one, those that come later may be late.
    for partition in 0..4 {
        let event = Event {
            ts_ms: later.from_ms,
            event_type: 0,
            segment: 0,
            value: 1.0,
        };
        producer.send(partition, Message::Event(event));
    }
    producer.flush();
    server.wait("every partition to have had a row", SOON, || {
        let counting = pg.number(&format!(
            "SELECT count(*) FROM system.splits WHERE query = '{GOLD}' AND watermark IS NOT NULL"
        ));
        (counting == 4).then_some(())
    });
    producer.send_all(&later);
    producer.close_windows(later.closing_ms());
    job::wait_drained(&server, &pg, GOLD, &later, SOON);
    crate::support::check_gold(&server, &pg, &producer, GOLD, later.closing_ms());
    check_conservation(&server, &pg, &producer, GOLD, "events");
}

#[test]
fn a_query_says_which_split_holds_it_back() {
    let broker = Broker::shared();
    let shape = Shape::of(1_000, 3).clean();
    let mut it = Watched::start(broker, "held", 2);
    it.producer.send_all(&shape);
    it.producer.flush();
    it.pg.run(&job::script(&broker.bootstrap(), &it.topic));
    // only partition 0 goes on: the watermark stays where partition 1 is
    it.producer.send(
        0,
        Message::Event(Event {
            ts_ms: shape.closing_ms(),
            event_type: 0,
            segment: 0,
            value: 0.0,
        }),
    );
    it.producer.flush();
    it.server.wait("held_by to name partition 1", SOON, || {
        let held = it.query_status(GOLD, "coalesce(held_by, '')");
        (it.query_status(GOLD, "lag_rows") == "0" && held.contains(&it.topic) && held.contains('1'))
            .then_some(())
    });
}
