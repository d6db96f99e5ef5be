//! Bad statements: each refused with its SQLSTATE, a message that names what is wrong, and nothing half done.

use std::time::{Duration, Instant};

use sluice_tests::{job, load::Shape, parts::kafka::Broker, pg::Pg, ports, server::Server};

use crate::support::{SOON, Watched};

/// A server with the stream `events` of an existing topic, and a table fed from it.
fn with_stream(stem: &str) -> (Server, Pg) {
    let broker = Broker::shared();
    let topic = broker.fresh_topic(stem, 1);
    let server = Server::start();
    let pg = server.connect();
    pg.run(&job::script(&broker.bootstrap(), &topic));
    (server, pg)
}

#[test]
fn a_broker_that_cannot_be_reached_is_refused_in_time_with_librdkafkas_reason() {
    let server = Server::start();
    let pg = server.connect();
    let nobody = format!("127.0.0.1:{}", ports::free());
    let start = Instant::now();
    pg.refused(
        &job::create_stream("events", &nobody, "events"),
        "08001",
        &[&nobody, "refused"],
    );
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    assert!(
        pg.run("SHOW STREAMS").is_empty(),
        "a refused stream is there"
    );
    pg.run("SELECT 1"); // and the connection goes on
}

#[test]
fn a_missing_topic_is_refused_by_name_and_not_made() {
    let broker = Broker::shared();
    let server = Server::start();
    let pg = server.connect();
    pg.refused(
        &job::create_stream("events", &broker.bootstrap(), "no-such-topic"),
        "42P01",
        &["topic", "no-such-topic", "does not exist"],
    );
    assert_eq!(broker.partitions("no-such-topic"), None);
    assert!(pg.run("SHOW STREAMS").is_empty());
}

#[test]
fn options_are_checked_by_name_and_value() {
    let broker = Broker::shared();
    let topic = broker.fresh_topic("options", 1);
    let server = Server::start();
    let pg = server.connect();
    let good = job::create_stream("events", &broker.bootstrap(), &topic);
    let with = |from: &str, to: &str| {
        assert!(good.contains(from));
        good.replace(from, to)
    };
    for (sql, says) in [
        (with("topic =", "topik ="), vec!["topik", "topic"]),
        (
            with("format = 'json'", "format = 'jason'"),
            vec!["jason", "json"],
        ),
        (with("'kafka'", "'kafak'"), vec!["kafak", "kafka"]),
        (with("connector = 'kafka', ", ""), vec!["connector"]),
        (with(&format!("topic = '{topic}', "), ""), vec!["topic"]),
        (
            with("format = 'json'", "format = 'json', startup = 'sometime'"),
            vec!["startup", "sometime"],
        ),
        (
            with("format = 'json'", "format = 'json', idle_timeout = 'soon'"),
            vec!["idle_timeout", "soon"],
        ),
        (
            with("format = 'json'", "format = 'json', on_error = 'cry'"),
            vec!["on_error", "cry", "dead_letter"],
        ),
        (
            with(
                "format = 'json'",
                "format = 'json', \"kafka.no.such.thing\" = '1'",
            ),
            vec!["no.such.thing"],
        ),
    ] {
        let refusal = pg.refused(&sql, "22023", &says);
        assert!(!refusal.hint.is_empty(), "no hint: {refusal}");
    }
    pg.refused(
        &with("format = 'json'", "format = 'json', format = 'json'"),
        "42601",
        &["format"],
    );
    assert!(pg.run("SHOW STREAMS").is_empty());
    pg.run(&good);
    pg.run(job::CREATE_VIEW);
    let refusal = pg.refused(
        &job::create_table("commit_intervall = '10 seconds'"),
        "22023",
        &["commit_intervall", "commit_interval"],
    );
    assert!(!refusal.hint.is_empty());
    pg.refused(
        &job::create_table("commit_interval = 'often'"),
        "22023",
        &["often"],
    );
    assert!(pg.run("SHOW TABLES").is_empty());
}

#[test]
fn names_that_do_not_exist_or_exist_already() {
    let (server, pg) = with_stream("names");
    pg.refused(
        "SELECT nope FROM events LIMIT 1",
        "42703",
        &["column \"nope\" does not exist"],
    );
    pg.refused(
        "CREATE TABLE gold.x AS SELECT window_start, nope, count(*) FROM TUMBLE(events, \"timestamp\", INTERVAL '1 minute') GROUP BY window_start, nope",
        "42703",
        &["column \"nope\" does not exist"],
    );
    pg.refused(
        "SELECT * FROM gold.nope",
        "42P01",
        &["relation \"gold.nope\" does not exist"],
    );
    let near = pg.refused(
        "SELECT * FROM gold.real_time_metric",
        "42P01",
        &["does not exist"],
    );
    assert!(near.hint.contains("gold.real_time_metrics"), "{near}");
    pg.refused("SELECT nope(1)", "42883", &["nope", "does not exist"]);
    pg.refused(
        "CREATE VIEW nope.v AS SELECT 1",
        "3F000",
        &["schema \"nope\" does not exist"],
    );
    pg.refused(
        &job::create_table(""),
        "42P07",
        &["relation \"gold.real_time_metrics\" already exists"],
    );
    pg.refused(
        job::CREATE_VIEW,
        "42P07",
        &["streaming_metrics", "already exists"],
    );
    pg.refused(
        "CREATE SCHEMA gold",
        "42P06",
        &["schema \"gold\" already exists"],
    );
    pg.refused(
        "CREATE VIEW x__late AS SELECT 1",
        "42939",
        &["x__late", "__late"],
    );
    pg.refused("CREATE VIEW system.x AS SELECT 1", "42939", &["system"]);
    pg.refused(
        "DROP TABLE gold.nope",
        "42P01",
        &["gold.nope", "does not exist"],
    );
    pg.refused("DROP VIEW events", "42809", &["events", "not a view"]);
    let refusal = pg.refused("DROP STREAM events", "2BP01", &["events", "depend"]);
    assert!(refusal.detail.contains("streaming_metrics"), "{refusal}");
    pg.refused("PAUSE QUERY gold.nope", "42P01", &["gold.nope"]);
    // IF [NOT] EXISTS says so in a notice instead
    pg.take_notices();
    pg.run("DROP TABLE IF EXISTS gold.nope; CREATE SCHEMA IF NOT EXISTS gold;");
    pg.run(&job::create_table("").replace("TABLE gold", "TABLE IF NOT EXISTS gold"));
    let notices = pg.take_notices();
    assert_eq!(notices.len(), 3, "{notices:?}");
    assert!(
        notices.iter().all(|n| n.message.contains("skipping")),
        "{notices:?}"
    );
    // the same again is a no-op, another plan is refused
    let replace = job::create_table("").replace("CREATE TABLE", "CREATE OR REPLACE TABLE");
    pg.run(&replace);
    let other = replace.replace(
        "SELECT * FROM streaming_metrics",
        "SELECT * FROM streaming_metrics WHERE event_count > 1",
    );
    let refusal = pg.refused(&other, "0A000", &["gold.real_time_metrics"]);
    assert!(!refusal.hint.is_empty(), "{refusal}");
    drop(server);
}

#[test]
fn queries_that_cannot_be_continuous_say_why() {
    let broker = Broker::shared();
    let topic = broker.fresh_topic("plans", 1);
    let (_server, pg) = with_stream("plans-main");
    pg.run(&format!(
        "CREATE STREAM plain (\"timestamp\" TIMESTAMPTZ, k TEXT, value DOUBLE)
         WITH (connector = 'kafka', bootstrap_servers = '{}', topic = '{topic}', format = 'json')",
        broker.bootstrap()
    ));
    let tumble = |table: &str, partitions: &str, from: &str| {
        format!(
            "CREATE TABLE gold.{table} {partitions} AS SELECT window_start, count(*) AS n
             FROM TUMBLE({from}, \"timestamp\", INTERVAL '1 minute') GROUP BY window_start"
        )
    };
    let refusal = pg.refused(&tumble("a", "", "plain"), "42P17", &["watermark", "plain"]);
    assert!(refusal.hint.contains("WATERMARK FOR"), "{refusal}");
    let refusal = pg.refused(
        "CREATE TABLE gold.b AS SELECT event_type, count(*) AS n FROM events GROUP BY event_type",
        "0A000",
        &["window"],
    );
    assert!(refusal.hint.contains("TUMBLE"), "{refusal}");
    pg.refused(
        &tumble("c", "PARTITIONED BY (region TEXT)", "events"),
        "42703",
        &["partition column \"region\" cannot be derived"],
    );
    pg.refused(
        &tumble("d", "PARTITIONED BY (n)", "nothing"),
        "42P01",
        &["relation \"nothing\" does not exist"],
    );
    pg.refused(
        "CREATE TABLE gold.e AS SELECT window_start, count(*) AS n FROM TUMBLE(events, event_type, INTERVAL '1 minute') GROUP BY window_start",
        "42804",
        &["event_type"],
    );
    pg.refused(
        "CREATE TABLE gold.f AS SELECT window_start, count(*) AS n FROM TUMBLE(events, \"timestamp\", INTERVAL '0 minutes') GROUP BY window_start",
        "42601",
        &["TUMBLE"],
    );
    let tables = pg.run("SHOW TABLES FROM gold");
    assert_eq!(tables.len(), 1, "refused tables are there: {tables:?}");
}

#[test]
fn a_folder_with_somebody_elses_delta_table_is_left_alone() {
    let (server, pg) = with_stream("foreign");
    let folder = server.table_dir("gold", "theirs");
    let log = folder.join("_delta_log");
    std::fs::create_dir_all(&log).unwrap();
    let theirs = concat!(
        r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#,
        "\n",
        r#"{"metaData":{"id":"11111111-1111-1111-1111-111111111111","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"integer\",\"nullable\":true,\"metadata\":{}}]}","partitionColumns":[],"configuration":{},"createdTime":1700000000000}}"#,
        "\n",
    );
    let file = log.join("00000000000000000000.json");
    std::fs::write(&file, theirs).unwrap();
    let sql = job::create_table("").replace("gold.real_time_metrics", "gold.theirs");
    let refusal = pg.refused(&sql, "55000", &["theirs", "not ours"]);
    assert!(!refusal.hint.is_empty(), "{refusal}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), theirs);
    assert_eq!(std::fs::read_dir(&log).unwrap().count(), 1);
    pg.refused("SELECT * FROM gold.theirs", "42P01", &["does not exist"]);
}

#[test]
fn huge_and_deep_sql_is_answered_and_the_server_lives() {
    let mut server = Server::start();
    let pg = server.connect();
    // a megabyte of SQL that means something
    let long = format!("SELECT length('{}') AS n", "x".repeat(1 << 20));
    assert_eq!(pg.value(&long), (1 << 20).to_string());
    let list = (0..150_000)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(",");
    assert_eq!(
        pg.value(&format!(
            "SELECT count(*) FROM (SELECT 7 AS x) t WHERE x IN ({list})"
        )),
        "1"
    );
    let deep = |open: &str, close: &str| {
        format!("SELECT {}1{}", open.repeat(10_000), close.repeat(10_000))
    };
    for sql in [
        deep("(", ")"),
        deep("- ", ""),
        deep("NOT ", ""),
        deep("(SELECT ", ")"),
        deep("CASE WHEN true THEN ", " END"),
        deep("ARRAY[", "]"),
        format!("SELECT 1{}", " + 1".repeat(10_000)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(10_000)),
    ] {
        match pg.try_run_within(&sql, SOON) {
            Ok(rows) => assert!(!rows.is_empty(), "{}…", &sql[..60]),
            Err(refusal) => assert_eq!(refusal.state, "54001", "{}… {refusal}", &sql[..60]),
        }
    }
    pg.refused(&deep("(", ")"), "54001", &["deep"]);
    pg.refused("SELECT 'unfinished", "42601", &["unterminated"]);
    pg.refused("SELEC 1", "42601", &["syntax error at or near \"SELEC\""]);
    pg.refused("SELECT 1 FROM", "42601", &["syntax error at end of input"]);
    let third = pg.refused(
        "SELECT 1;\nSELECT 2;\nSELECT 3 FRO M x",
        "42601",
        &["syntax error"],
    );
    assert!(third.position.is_some_and(|at| at > 20), "{third:?}");
    pg.run("");
    pg.run("-- ping");
    pg.run(";;");
    assert!(server.is_running());
}

#[test]
fn a_client_that_vanishes_in_the_middle_leaves_nothing_running() {
    let mut server = Server::start();
    let pg = server.connect();
    let busy = "SELECT count(*) FROM generate_series(1, 3000000) a, generate_series(1, 3000000) b";
    let streaming =
        "SELECT a.value, repeat('x', 100) FROM generate_series(1, 100000000) AS a(value)";
    for sql in [busy, streaming] {
        let mut child = sluice_tests::parts::psql::command(server.pg_port())
            .args(["-c", sql])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        assert!(
            child.try_wait().unwrap().is_none(),
            "{sql} was over too soon"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        server.wait(
            "the processor to be quiet again",
            Duration::from_secs(20),
            || {
                let before = server.cpu_seconds();
                std::thread::sleep(Duration::from_millis(500));
                (server.cpu_seconds() - before < 0.15).then_some(())
            },
        );
    }
    assert_eq!(pg.value("SELECT 41 + 1"), "42");
    assert!(server.is_running());
}

#[test]
fn a_peek_is_bounded_and_a_stream_without_limit_is_too() {
    let broker = Broker::shared();
    let shape = Shape::of(2_000, 31).clean();
    let mut it = Watched::start(broker, "peek", 2);
    it.producer.send_all(&shape);
    it.producer.flush();
    it.pg.run(&job::create_stream(
        "events",
        &broker.bootstrap(),
        &it.topic,
    ));
    assert_eq!(it.pg.run("SELECT * FROM events LIMIT 10").len(), 10);
    assert_eq!(
        it.pg
            .number("SELECT count(*) FROM (SELECT value FROM events LIMIT 5000) t"),
        2_000
    );
    let meta = it.pg.run(
        "SELECT _topic, _partition, _offset, event_type FROM events WHERE _partition = 1 LIMIT 3",
    );
    assert!(
        meta.iter()
            .all(|row| row[0].as_deref() == Some(it.topic.as_str())
                && row[1].as_deref() == Some("1")),
        "{meta:?}"
    );
}
