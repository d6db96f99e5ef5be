//! Starting, stopping, pausing, dropping: what is durable, and what the doors say meanwhile.

use std::{
    fs,
    time::{Duration, Instant},
};

use sluice_tests::{
    job,
    load::Shape,
    parts::{kafka::Broker, producer::Producer},
    pg::block_on,
    server::Server,
};

use crate::support::{SOON, Watched, check_conservation};

const GOLD: &str = "gold.real_time_metrics";

#[test]
fn serve_prints_a_line_per_door_and_ready() {
    let server = Server::start();
    let text = server.log_text();
    for port in [server.pg_port(), server.flight_port(), server.http_port()] {
        let lines = text
            .lines()
            .filter(|line| line.contains(&format!("127.0.0.1:{port}")));
        assert!(lines.count() >= 1, "no line for port {port} in\n{text}");
    }
    assert!(
        text.lines().any(|line| line.trim_end().ends_with("ready")),
        "{text}"
    );
}

#[test]
fn a_damaged_object_keeps_nothing_else_from_running() {
    let mut server = Server::start();
    let pg = server.connect();
    for sql in [
        "CREATE TABLE base (a INTEGER)",
        "INSERT INTO base VALUES (1), (2)",
        "CREATE VIEW damaged AS SELECT a FROM base",
        "CREATE VIEW above AS SELECT a FROM damaged",
        "CREATE VIEW whole AS SELECT a FROM base",
        "CREATE STREAM s (ts TIMESTAMPTZ, WATERMARK FOR ts AS ts) WITH (connector = 'generator', rows = '10', seed = '1')",
        "CREATE TABLE hours AS SELECT window_start, count(*) AS n FROM TUMBLE(s, ts, INTERVAL '1 hour') GROUP BY window_start",
    ] {
        pg.run(sql);
    }
    drop(pg);
    let folder = server.root().join("catalog/objects/public");
    let view = folder.join("damaged.view.sql");
    let kept = fs::read(&view).unwrap();
    fs::write(&view, "-- nothing of ours").unwrap();
    // Not even a text.
    fs::write(folder.join("s.stream.sql"), [0xff, 0xfe, 0x00]).unwrap();
    server.kill_and_restart();
    let pg = server.connect();
    assert_eq!(pg.number("SELECT sum(a) FROM whole"), 3);
    pg.run("INSERT INTO base VALUES (3)");
    for sql in [
        "SELECT * FROM damaged",
        "SELECT * FROM above",
        "DROP VIEW damaged",
        "DROP VIEW IF EXISTS damaged",
        "CREATE VIEW damaged AS SELECT 1 AS a",
        "CREATE OR REPLACE VIEW damaged AS SELECT 1 AS a",
    ] {
        pg.refused(sql, "XX001", &["view \"damaged\" is damaged"]);
    }
    pg.refused("SELECT * FROM s", "XX001", &["stream \"s\" is damaged"]);
    pg.refused(
        "SELECT * FROM hours",
        "XX001",
        &["could not be opened", "stream \"s\" is damaged"],
    );
    let told =
        "SELECT string_agg(kind || ' ' || name, ', ' ORDER BY name) FROM system.broken_objects";
    assert_eq!(pg.value(told), "view damaged, stream s");
    let told = "SELECT count(*) FROM system.events WHERE severity = 'error' AND subject = 'hours'";
    assert!(pg.number(told) >= 1);
    let told = "SELECT state || ': ' || last_error FROM system.queries WHERE name = 'hours'";
    let told = pg.value(told);
    let failed = "failed: stream \"s\" is damaged";
    assert!(told.starts_with(failed), "{told}");
    // A folder of a new table is nobody else's.
    pg.run("CREATE TABLE anew (a INTEGER)");
    pg.run("INSERT INTO anew VALUES (7)");
    assert_eq!(pg.number("SELECT a FROM anew"), 7);
    drop(pg);
    fs::write(&view, kept).unwrap();
    server.kill_and_restart();
    let pg = server.connect();
    assert_eq!(pg.number("SELECT sum(a) FROM above"), 6);
    assert_eq!(pg.number("SELECT a FROM anew"), 7);
    pg.run("DROP VIEW damaged CASCADE");
}

#[test]
fn the_http_door_tells_health_readiness_and_metrics() {
    let broker = Broker::shared();
    let shape = Shape::of(2_000, 71);
    let mut it = Watched::start(broker, "http", 1);
    it.producer.send_all(&shape);
    it.producer.close_windows(shape.closing_ms());
    it.pg.run(&job::script(&broker.bootstrap(), &it.topic));
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, SOON);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(it.server.get(path).unwrap().0, 200, "{path}");
    }
    assert_eq!(it.server.get("/nothing-here").unwrap().0, 404);
    let (status, body) = it.server.get("/metrics").unwrap();
    assert_eq!(status, 200);
    assert!(body.contains(GOLD), "no metrics of the query:\n{body}");
    assert!(
        body.trim_end().ends_with("# EOF"),
        "not OpenMetrics:\n{body}"
    );
    let rows_in = body
        .lines()
        .find(|line| line.contains("rows_in") && line.contains(GOLD) && !line.starts_with('#'));
    let rows_in = rows_in.unwrap_or_else(|| panic!("no rows_in in\n{body}"));
    let value: f64 = rows_in.rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(value as usize, it.producer.produced.total(), "{rows_in}");
}

#[test]
fn sigterm_commits_what_is_final_and_leaves_with_zero_in_time() {
    let broker = Broker::shared();
    let shape = Shape::of(5_000, 72);
    let mut it = Watched::start(broker, "sigterm", 2);
    it.producer.send_all(&shape);
    it.producer.close_windows(shape.closing_ms());
    // a commit would not come by itself
    it.pg.run(&job::script_with(
        &broker.bootstrap(),
        &it.topic,
        "commit_interval = '1 hour'",
    ));
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, SOON);
    let before = job::read_gold(&it.pg, GOLD);
    let start = Instant::now();
    let status = it.server.terminate();
    assert!(
        status.success(),
        "left with {status}\n{}",
        it.server.log_tail()
    );
    assert!(start.elapsed() < Duration::from_secs(10));

    it.server.up();
    let pg = it.server.connect();
    let rows = pg.run(&format!(
        "SET freshness = 'committed'; SELECT {} FROM {GOLD}",
        job::COLUMNS
    ));
    assert_eq!(
        job::gold_of(&rows).unwrap(),
        before,
        "final rows were not committed"
    );
    it.pg = pg;
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, SOON);
    it.check_gold(GOLD, shape.closing_ms());
    check_conservation(&it.server, &it.pg, &it.producer, GOLD, "events");
}

#[test]
fn a_paused_query_reads_nothing_and_a_resumed_one_goes_on_where_it_was() {
    let broker = Broker::shared();
    let shape = Shape::of(5_000, 73);
    let mut it = Watched::start(broker, "pause", 2);
    it.producer.send_all(&shape);
    it.producer.flush();
    it.pg.run(&job::script(&broker.bootstrap(), &it.topic));
    let total = it.producer.produced.total().to_string();
    it.server.wait("the load to be read", SOON, || {
        (it.query_status(GOLD, "rows_in") == total).then_some(())
    });
    it.pg.run("PAUSE QUERY gold.real_time_metrics");
    it.server.wait("the query to be paused", SOON, || {
        (it.query_status(GOLD, "state") == "paused").then_some(())
    });
    it.producer.close_windows(shape.closing_ms());
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(
        it.query_status(GOLD, "rows_in"),
        total,
        "a paused query read"
    );
    // paused it stays, over a restart
    it.server.kill_and_restart();
    it.pg = it.server.connect();
    it.server
        .wait("the query to be paused after the restart", SOON, || {
            (it.query_status(GOLD, "state") == "paused").then_some(())
        });
    it.pg.run("RESUME QUERY gold.real_time_metrics");
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, SOON);
    it.check_gold(GOLD, shape.closing_ms());
    check_conservation(&it.server, &it.pg, &it.producer, GOLD, "events");
}

#[test]
fn a_dropped_table_is_hidden_at_once_and_its_name_can_be_used_again() {
    let broker = Broker::shared();
    let shape = Shape::of(3_000, 74);
    let mut it = Watched::start(broker, "drop", 1);
    it.producer.send_all(&shape);
    it.producer.close_windows(shape.closing_ms());
    it.pg.run(&job::script(&broker.bootstrap(), &it.topic));
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, SOON);
    job::wait_committed(&it.server, &it.pg, GOLD, SOON);
    it.pg.run("DROP TABLE gold.real_time_metrics");
    it.pg.refused(
        &format!("SELECT * FROM {GOLD}"),
        "42P01",
        &["does not exist"],
    );
    assert!(it.pg.run("SHOW QUERIES").is_empty());
    let folder = it.server.table_dir("gold", "real_time_metrics");
    assert!(
        folder.join("_delta_log").is_dir(),
        "the folder has a week of grace"
    );

    it.pg.run(&job::create_table(""));
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, SOON);
    it.check_gold(GOLD, shape.closing_ms());
    it.server.kill_and_restart();
    it.pg = it.server.connect();
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, SOON);
    it.check_gold(GOLD, shape.closing_ms());
    // a whole tree at once
    it.pg.run("DROP STREAM events CASCADE");
    for list in ["SHOW STREAMS", "SHOW VIEWS", "SHOW TABLES", "SHOW QUERIES"] {
        assert!(it.pg.run(list).is_empty(), "{list}");
    }
}

#[test]
fn definitions_survive_a_restart_word_for_word() {
    let broker = Broker::shared();
    let topic = broker.fresh_topic("restart", 1);
    let mut server = Server::start();
    let pg = server.connect();
    pg.run("CREATE SCHEMA \"My_Schema\"");
    pg.run(&job::script(&broker.bootstrap(), &topic));
    pg.run("CREATE VIEW \"My_Schema\".\"Odd name\" AS SELECT 1 AS \"Ä\"");
    pg.run("CREATE VIEW signs AS SELECT 1 - -1 AS a, - - 1 AS b, @ -5 AS c, ~ ~5 AS d, 1 << - -1 AS e, - -2 ^ 2 AS f");
    // In parentheses it is deeper than a statement may be.
    let deep = "- ".repeat(300);
    for create in ["VIEW", "TABLE"] {
        pg.refused(
            &format!("CREATE {create} deep AS SELECT {deep}1 AS a"),
            "0A000",
            &["\"deep\" cannot be kept"],
        );
    }
    let statements = |server: &Server| {
        let pg = server.connect();
        [
            "STREAM events",
            "VIEW streaming_metrics",
            "TABLE gold.real_time_metrics",
            "VIEW \"My_Schema\".\"Odd name\"",
            "VIEW signs",
        ]
        .map(|what| pg.run(&format!("SHOW CREATE {what}")))
    };
    let before = statements(&server);
    server.kill_and_restart();
    assert_eq!(statements(&server), before);
    let pg = server.connect();
    assert_eq!(
        pg.value("SELECT \"Ä\" FROM \"My_Schema\".\"Odd name\""),
        "1"
    );
    assert_eq!(
        pg.value(
            "SELECT a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f::bigint FROM signs"
        ),
        "425512"
    );
}

#[test]
fn two_queries_over_one_stream_agree_and_bad_messages_are_kept_once() {
    let broker = Broker::shared();
    let shape = Shape::of(20_000, 75);
    let topic = broker.fresh_topic("twice", 2);
    let mut producer = Producer::new(broker, &topic, 2);
    producer.send_all(&shape);
    producer.close_windows(shape.closing_ms());
    let server = Server::start();
    let pg = server.connect();
    pg.run(&job::script(&broker.bootstrap(), &topic));
    pg.run(&job::create_table("").replace(GOLD, "gold.second"));
    for table in [GOLD, "gold.second"] {
        job::wait_drained(&server, &pg, table, &shape, SOON);
        crate::support::check_gold(&server, &pg, &producer, table, shape.closing_ms());
    }
    job::wait_committed(&server, &pg, GOLD, SOON);
    job::wait_committed(&server, &pg, "gold.second", SOON);
    let letters = job::read_dead_letters(&server, &pg, "events", producer.produced.malformed());
    assert_eq!(letters.len(), producer.produced.malformed());
}

/// A driver prepares what it asks often: a panel of Grafana's, a loop that waits.
#[test]
fn a_prepared_statement_about_the_server_tells_what_is_when_it_runs() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE STREAM a (ts TIMESTAMPTZ, WATERMARK FOR ts AS ts) WITH (connector = 'generator', rows_per_second = '200', splits = '1')");
    pg.run("CREATE TABLE gold.t WITH (commit_interval = '100 milliseconds') AS SELECT ts FROM a");
    let client = pg.client();
    let asked = [
        "SELECT count(*) FROM system.streams",
        "SELECT count(*) FROM gold.t__files",
        "SELECT count(*) FROM gold.t__history",
        "SELECT max(number) FROM gold.t__checkpoints",
        "SELECT sum(rows_in)::bigint FROM system.queries",
    ];
    let asked = asked.map(|sql| {
        let statement = block_on(client.prepare(sql)).unwrap();
        let first: Option<i64> = block_on(client.query_one(&statement, &[])).unwrap().get(0);
        (statement, first)
    });
    pg.run("CREATE STREAM b (ts TIMESTAMPTZ) WITH (connector = 'generator', rows = '1')");
    for (statement, first) in &asked {
        server.wait("a prepared statement to tell what is", SOON, || {
            let now: Option<i64> = block_on(client.query_one(statement, &[])).unwrap().get(0);
            (now > *first).then_some(())
        });
    }
    // And yet a statement sees one moment.
    let newest = "SELECT count(*) FROM system.queries WHERE lag_seconds = (SELECT max(lag_seconds) FROM system.queries)";
    assert_eq!(pg.number(newest), 1);
}

/// `__checkpoints` tells what a checkpoint consists of: every file that it names is there, and is what it says.
#[test]
fn a_checkpoint_can_be_looked_at_down_to_its_files() {
    let broker = Broker::shared();
    let shape = Shape::of(5_000, 78);
    let topic = broker.fresh_topic("looked-at", 2);
    let mut producer = Producer::new(broker, &topic, 2);
    producer.send_all(&shape);
    producer.flush();
    let server = Server::start();
    let pg = server.connect();
    let options = "commit_interval = '200 milliseconds'";
    pg.run(&job::script_with(&broker.bootstrap(), &topic, options));
    let newest = format!(
        "SELECT splits, segments, paths, format::text, fingerprint, written_by, rebuild FROM {GOLD}__checkpoints WHERE files > 0 AND open_windows > 0 ORDER BY number DESC LIMIT 1"
    );
    let row = server.wait("a checkpoint with state and files", SOON, || {
        pg.run(&newest).pop()
    });
    let json = |column: usize| -> Vec<serde_json::Value> {
        serde_json::from_str(row[column].as_deref().unwrap()).unwrap()
    };
    let splits = json(0);
    assert_eq!(splits.len(), 2, "{splits:?}");
    for split in &splits {
        assert_eq!(split["topic"], topic.as_str());
        assert!(split["next_offset"].as_i64().unwrap() > 0, "{split}");
        assert!(split["topic_id"].is_string(), "{split}");
        assert!(split["leader_epoch"].is_i64(), "{split}");
        let watermark = split["watermark"].as_str().unwrap();
        assert!(watermark.starts_with("2026-03-01T2"), "{split}");
    }
    let segments = json(1);
    assert!(!segments.is_empty());
    let checkpoints = server.root().join("checkpoints");
    for segment in &segments {
        let file = segment["file"].as_str().unwrap();
        let mut folders = std::fs::read_dir(&checkpoints).unwrap().flatten();
        let path = folders.find_map(|folder| {
            let path = folder.path().join(file);
            path.is_file().then_some(path)
        });
        let bytes = std::fs::read(path.unwrap_or_else(|| panic!("{file} is not there"))).unwrap();
        assert_eq!(segment["crc32"], format!("{:08x}", crc32(&bytes)), "{file}");
        assert!(segment["panes"].as_i64().unwrap() > 0, "{segment}");
        assert_eq!(segment["spilled"], false);
    }
    let paths = json(2);
    assert!(!paths.is_empty());
    for file in &paths {
        let (table, path) = (
            file["table"].as_str().unwrap(),
            file["path"].as_str().unwrap(),
        );
        let bytes = std::fs::metadata(server.root().join(table).join(path))
            .unwrap()
            .len();
        assert_eq!(file["bytes"], bytes, "{file}");
        assert!(file["rows"].as_i64().unwrap() > 0, "{file}");
    }
    assert!(row[3].as_deref().unwrap().parse::<u32>().unwrap() >= 1);
    assert!(row[4].as_deref().unwrap().len() > 8, "{row:?}");
    assert!(!row[5].as_deref().unwrap().is_empty());
    assert_eq!(row[6], None);
}

/// CRC-32 as zlib has it, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let whole = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    });
    !whole
}
