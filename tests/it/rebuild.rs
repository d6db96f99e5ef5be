//! What is left when state, checkpoints or messages are lost: an error that says how to go on, and a way that does.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{
    delta_log::DeltaLog,
    job,
    load::{Messages, Shape},
    oracle,
    parts::{kafka::Broker, producer::Producer},
    server::Server,
};

use crate::{
    support::{DRAIN, SOON, Watched, check_conservation, check_gold},
    under_load::{GOLD, PARTITIONS, Shown, Stop, finish, gold_log, load, produce, rows_everywhere},
};

const OPTIONS: &str = "commit_interval = '300 milliseconds'";

#[test]
fn a_query_whose_checkpoints_are_deleted_under_load_is_rebuilt_from_its_last_commit() {
    let broker = Broker::shared();
    let topic = broker.fresh_topic("rebuilt", PARTITIONS as i32);
    let mut server = Server::start();
    let stop = Arc::new(AtomicBool::new(false));
    let shape = load(600, 71);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        let producing = scope.spawn(|| produce(broker, &topic, &shape, &stop));
        rows_everywhere(broker, &topic, PARTITIONS);
        server
            .connect()
            .run(&job::script_with(&broker.bootstrap(), &topic, OPTIONS));
        let mut shown = Shown::default();
        server.wait("rows", SOON, || {
            (shown.look(&server, 0) && shown.rows.len() > 300).then_some(())
        });

        // A process that goes on writes a new checkpoint, which may well be whole: so it is held, and killed.
        server.signal(libc::SIGSTOP);
        fs::remove_dir_all(server.root().join("checkpoints")).unwrap();
        server.kill_and_restart();
        wait_stopped(
            &server,
            &["is lost", "REBUILD QUERY gold.real_time_metrics"],
        );
        // What is committed is still readable, and a restart says the same.
        let committed = "SET freshness = 'committed'; SELECT count(*) FROM gold.real_time_metrics";
        assert!(server.connect().number(committed) > 100);
        server.kill_and_restart();
        wait_stopped(
            &server,
            &["is lost", "REBUILD QUERY gold.real_time_metrics"],
        );

        server.connect().run("REBUILD QUERY gold.real_time_metrics");
        wait_state(&server, "running");
        // From here on final rows stay again what they are, through a crash as well.
        let mut shown = Shown::default();
        for life in 1..4 {
            let end = Instant::now() + Duration::from_millis(1_500);
            while Instant::now() < end {
                shown.look(&server, life);
                thread::sleep(Duration::from_millis(50));
            }
            server.kill_and_restart();
        }
        stop.store(true, Ordering::Relaxed);
        let mut producer = producing.join().unwrap();
        finish(&server, &mut producer, &shape, &mut shown, 5, gold_log);

        // And once more from the start of the topic, into the emptied table.
        let pg = server.connect();
        pg.run("REBUILD QUERY gold.real_time_metrics FROM BEGINNING");
        job::wait_drained(&server, &pg, GOLD, &shape, DRAIN);
        check_gold(&server, &pg, &producer, GOLD, shape.closing_ms());
        check_conservation(&server, &pg, &producer, GOLD, "events");
        let log = DeltaLog::read(&server.table_dir("gold", "real_time_metrics")).unwrap();
        log.check_txns().unwrap();
    });
}

/// The query has failed, and its error says each of these.
fn wait_stopped(server: &Server, says: &[&str]) {
    wait_state(server, "failed");
    let error = status(server, "last_error");
    for said in says {
        assert!(error.contains(said), "should say {said:?}: {error}");
    }
}

fn wait_state(server: &Server, state: &str) {
    server.wait(&format!("the query to be {state}"), SOON, || {
        (status(server, "state") == state).then_some(())
    });
}

fn status(server: &Server, column: &str) -> String {
    server.connect().value(&format!(
        "SELECT coalesce({column}, '') FROM system.queries WHERE name = '{GOLD}'"
    ))
}

#[test]
fn a_query_is_rebuilt_from_a_time() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "since", 2);
    let shape = Shape::of(6_000, 72);
    it.producer.send_all(&shape);
    it.producer.flush();
    it.pg
        .run(&job::script_with(&broker.bootstrap(), &it.topic, OPTIONS));
    it.server.wait("a commit", SOON, || {
        (it.query_status(GOLD, "coalesce(last_commit_version, 0)") != "0").then_some(())
    });
    it.server.kill();
    fs::remove_dir_all(it.server.root().join("checkpoints")).unwrap();
    it.server.up();
    it.pg = it.server.connect();
    wait_stopped(&it.server, &["REBUILD QUERY"]);
    // Commits of builds that did not say where windows began, or a bound that retention has passed: a time does as well.
    it.pg
        .run("REBUILD QUERY gold.real_time_metrics FROM TIMESTAMP '2020-01-01 00:00:00'");
    it.producer.close_windows(shape.closing_ms());
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, DRAIN);
    it.check_gold(GOLD, shape.closing_ms());
    let events = it
        .pg
        .run("SELECT message FROM system.events WHERE message LIKE '%messages since 2020-01-01%'");
    assert_eq!(events.len(), 1, "{}", it.server.system_tables());
}

#[test]
fn a_crash_in_the_middle_of_a_rebuild_is_a_crash_like_any_other() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "halfway", 2);
    let shape = Shape::of(6_000, 79);
    it.producer.send_all(&shape);
    it.producer.flush();
    it.pg
        .run(&job::script_with(&broker.bootstrap(), &it.topic, OPTIONS));
    for place in ["rebuild.journal", "rebuild.manifest", "reread.epoch"] {
        it.server.wait("a commit", SOON, || {
            let pg = it.server.connect();
            let sql = "SELECT count(*) FROM gold.real_time_metrics__history";
            (pg.number(sql) > 1).then_some(())
        });
        it.server.kill();
        fs::remove_dir_all(it.server.root().join("checkpoints")).unwrap();
        it.server
            .set_env("SLUICE_FAILPOINTS", format!("{place}=kill"));
        it.server.up();
        wait_stopped(&it.server, &["REBUILD QUERY"]);
        let pg = it.server.connect();
        // The answer may come before the end.
        let answer = pg.try_run("REBUILD QUERY gold.real_time_metrics");
        assert!(
            answer.is_ok() || answer.unwrap_err().state.is_empty(),
            "{place}"
        );
        it.server.wait(&format!("{place} to be reached"), SOON, || {
            (it.server
                .log_text()
                .contains(&format!("failpoint {place}:")))
            .then_some(())
        });
        it.server.set_env("SLUICE_FAILPOINTS", "");
        it.server.kill_and_restart();
        if place == "rebuild.journal" {
            wait_stopped(&it.server, &["REBUILD QUERY"]);
            it.server
                .connect()
                .run("REBUILD QUERY gold.real_time_metrics");
        }
        wait_state(&it.server, "running");
    }
    it.pg = it.server.connect();
    it.producer.close_windows(shape.closing_ms());
    job::wait_drained(&it.server, &it.pg, GOLD, &shape, DRAIN);
    it.check_gold(GOLD, shape.closing_ms());
    check_conservation(&it.server, &it.pg, &it.producer, GOLD, "events");
}

#[test]
fn what_cannot_be_rebuilt_is_refused_with_what_can() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(
        "CREATE STREAM e (ts TIMESTAMPTZ, user_segment TEXT, value DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '1 second')
           WITH (connector = 'generator', rows = '2000', event_interval = '1 second');
         CREATE TABLE gold.sessions AS SELECT window_start, window_end, user_segment, count(*) AS n FROM SESSION(e PARTITION BY user_segment, ts, INTERVAL '3 seconds') GROUP BY window_start, window_end, user_segment;
         CREATE TABLE gold.minutes AS SELECT window_start, window_end, count(*) AS n FROM TUMBLE(e, ts, INTERVAL '1 minute') GROUP BY window_start, window_end;
         CREATE VIEW by_minute AS SELECT window_time, count(*) AS n FROM TUMBLE(e, ts, INTERVAL '1 minute') GROUP BY window_start, window_end, window_time;
         CREATE TABLE gold.hours AS SELECT window_start, window_end, max(n) AS n FROM TUMBLE(by_minute, window_time, INTERVAL '10 minutes') GROUP BY window_start, window_end;
         CREATE TABLE gold.filled AS SELECT window_start, window_end, user_segment, count(*) AS n
           FROM TUMBLE(e, ts, INTERVAL '1 minute') GROUP BY window_start, window_end, user_segment EMIT ON WINDOW CLOSE FILL 0 FOR 3 WINDOWS;
         CREATE TABLE plain (a INT)",
    );
    for table in ["sessions", "minutes", "hours", "filled"] {
        server.wait("every row to be read", SOON, || {
            let sql = format!("SELECT state FROM system.queries WHERE name = 'gold.{table}'");
            (pg.value(&sql) == "finished").then_some(())
        });
    }
    pg.refused("REBUILD QUERY nothing", "42P01", &["nothing"]);
    pg.refused("REBUILD QUERY plain", "42809", &["no query feeds"]);
    pg.refused("RESUME QUERY plain SKIP LOST", "42809", &["no query feeds"]);
    pg.refused(
        "REBUILD QUERY gold.minutes FROM TIMESTAMP 'noon'",
        "22P02",
        &["noon"],
    );
    // Their windows are not made of the rows since they began alone.
    for table in ["sessions", "hours", "filled"] {
        for from in [
            "",
            " FROM LAST COMMIT",
            " FROM TIMESTAMP '2020-01-01 00:00:00'",
        ] {
            let hint = format!("REBUILD QUERY gold.{table} FROM BEGINNING");
            pg.refused(
                &format!("REBUILD QUERY gold.{table}{from}"),
                "0A000",
                &["cannot be made again", &hint],
            );
        }
    }
    // A refusal leaves the query and its table as they were.
    let rows = pg.number("SELECT count(*) FROM gold.minutes");
    let others = ["sessions", "hours", "filled"].map(|table| {
        let sql = format!("SELECT * FROM gold.{table} ORDER BY 1, 2, 3");
        let rows = pg.run(&sql);
        assert!(!rows.is_empty(), "{table}");
        (sql, rows)
    });
    assert!(rows > 30, "{rows}");
    pg.run("RESUME QUERY gold.minutes SKIP LOST");
    let notices = pg.take_notices();
    assert!(
        notices
            .iter()
            .any(|notice| notice.message.contains("nothing")),
        "{notices:?}"
    );
    for (statement, table) in [
        ("REBUILD QUERY gold.minutes FROM BEGINNING", "minutes"),
        ("REBUILD QUERY gold.minutes FROM LAST COMMIT", "minutes"),
        ("REBUILD QUERY gold.sessions FROM BEGINNING", "sessions"),
        ("REBUILD QUERY gold.hours FROM BEGINNING", "hours"),
        ("REBUILD QUERY gold.filled FROM BEGINNING", "filled"),
    ] {
        pg.run(statement);
        server.wait(&format!("{statement} to be through"), SOON, || {
            let sql = format!("SELECT state FROM system.queries WHERE name = 'gold.{table}'");
            (pg.value(&sql) == "finished").then_some(())
        });
    }
    assert_eq!(pg.number("SELECT count(*) FROM gold.minutes"), rows);
    for (sql, rows) in others {
        assert_eq!(pg.run(&sql), rows, "{sql}");
    }
}

#[test]
fn a_torn_checkpoint_is_passed_over_for_the_one_before_and_final_rows_stay() {
    let broker = Broker::shared();
    let topic = broker.fresh_topic("torn", PARTITIONS as i32);
    let mut server = Server::start();
    let stop = Arc::new(AtomicBool::new(false));
    let shape = load(600, 73);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        let producing = scope.spawn(|| produce(broker, &topic, &shape, &stop));
        rows_everywhere(broker, &topic, PARTITIONS);
        server
            .connect()
            .run(&job::script_with(&broker.bootstrap(), &topic, OPTIONS));
        let mut shown = Shown::default();
        let blows: [fn(&Path); 5] = [
            |query| cut(&newest(query, "manifests")),
            |query| flip(&newest(query, "manifests")),
            |query| fs::write(newest(query, "manifests"), "").unwrap(),
            |query| flip(&newest(query, "state")),
            |query| fs::remove_file(newest(query, "state")).unwrap(),
        ];
        for (life, blow) in blows.into_iter().enumerate() {
            let before = checkpoint_epoch(&server);
            server.wait("three checkpoints more", SOON, || {
                shown.look(&server, life);
                (checkpoint_epoch(&server) > before + 3).then_some(())
            });
            server.kill();
            blow(&query_folder(&server));
            server.up();
            server.wait("final rows to be as they were", SOON, || {
                shown.look(&server, life).then_some(())
            });
            // Rows are read before the state is, so it may be said a moment later.
            server.wait("it to be said", SOON, || {
                let said = server.connect().number(
                    "SELECT count(*) FROM system.events WHERE message LIKE '%skipped for the one before it%'",
                );
                (said >= 1).then_some(())
            });
        }
        stop.store(true, Ordering::Relaxed);
        let mut producer = producing.join().unwrap();
        finish(&server, &mut producer, &shape, &mut shown, 5, gold_log);
    });
}

fn checkpoint_epoch(server: &Server) -> i64 {
    server
        .connect()
        .number("SELECT coalesce(max(number), 0) FROM gold.real_time_metrics__checkpoints")
}

/// The checkpoints of the only query: the folder that has state.
fn query_folder(server: &Server) -> PathBuf {
    fs::read_dir(server.root().join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("state").is_dir())
        .expect("a query's checkpoints")
}

fn newest(query: &Path, kind: &str) -> PathBuf {
    let files = fs::read_dir(query.join(kind)).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| !path.to_string_lossy().contains('#'));
    files.sort();
    files.pop().expect("a file")
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn expired_offsets_stop_the_query_and_are_skipped_only_when_told() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "expired", 1);
    let first = Shape::of(3_000, 74).clean();
    it.producer.send_all(&first);
    it.producer.flush();
    it.pg
        .run(&job::script_with(&broker.bootstrap(), &it.topic, OPTIONS));
    it.server.wait("the first load to be read", SOON, || {
        (it.query_status(GOLD, "rows_in") == "3000").then_some(())
    });
    let pg = it.server.connect();
    job::wait_committed(&it.server, &pg, GOLD, SOON);
    it.server
        .wait("everything to be in a checkpoint", SOON, || {
            (it.query_status(GOLD, "epoch") == it.query_status(GOLD, "checkpoint_epoch"))
                .then_some(())
        });
    it.server.kill();
    let second = Shape {
        from_ms: first.from_ms + first.span_ms,
        ..Shape::of(2_000, 75).clean()
    };
    it.producer.send_all(&second);
    it.producer.flush();
    broker.delete_before(&it.topic, 0, 3_250);

    it.server.up();
    it.pg = it.server.connect();
    wait_stopped(
        &it.server,
        &[
            "offset 3000",
            &it.topic,
            "partition 0",
            "250 offsets are lost",
            "RESUME QUERY gold.real_time_metrics SKIP LOST",
            "REBUILD QUERY",
        ],
    );
    // RESUME alone changes nothing.
    it.pg.run("RESUME QUERY gold.real_time_metrics");
    wait_stopped(&it.server, &["250 offsets are lost"]);

    it.pg.take_notices();
    it.pg.run("RESUME QUERY gold.real_time_metrics SKIP LOST");
    let notices = it.pg.take_notices();
    assert!(
        notices.iter().any(|notice| notice
            .message
            .contains("offsets 3000 to 3249 are lost, 250 in all")),
        "{notices:?}"
    );
    it.producer.close_windows(second.closing_ms());
    job::wait_drained(&it.server, &it.pg, GOLD, &second, DRAIN);
    let lost: BTreeSet<oracle::Place> = (3_000..3_250).map(|offset| (0, offset)).collect();
    let expected = oracle::gold(&it.producer.produced, &lost, second.closing_ms());
    let mut actual = job::read_gold(&it.pg, GOLD);
    actual.retain(|key, _| key.window_start_ms < second.closing_ms());
    oracle::compare(&expected, &actual).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_topic_made_anew_is_read_when_told() {
    let broker = Broker::shared();
    let mut it = Watched::start(broker, "renewed", 1);
    let first = Shape::of(2_000, 76).clean();
    it.producer.send_all(&first);
    it.producer.close_windows(first.closing_ms());
    it.pg
        .run(&job::script_with(&broker.bootstrap(), &it.topic, OPTIONS));
    job::wait_drained(&it.server, &it.pg, GOLD, &first, DRAIN);
    job::wait_committed(&it.server, &it.pg, GOLD, SOON);
    let before = job::read_gold(&it.pg, GOLD);
    it.server.kill();
    broker.delete_topic(&it.topic);
    broker.create_topic(&it.topic, 1);
    let second = Shape {
        from_ms: first.closing_ms() + 600_000,
        ..Shape::of(2_000, 77).clean()
    };
    let mut producer = Producer::new(broker, &it.topic, 1);
    producer.send_all(&second);
    producer.close_windows(second.closing_ms());
    it.server.up();
    it.pg = it.server.connect();
    wait_stopped(&it.server, &["made anew", "SKIP LOST"]);
    it.pg.run("RESUME QUERY gold.real_time_metrics SKIP LOST");
    job::wait_drained(&it.server, &it.pg, GOLD, &second, DRAIN);
    let mut expected = oracle::gold(&producer.produced, &BTreeSet::new(), second.closing_ms());
    expected.extend(before);
    let mut actual = job::read_gold(&it.pg, GOLD);
    actual.retain(|key, _| key.window_start_ms < second.closing_ms());
    // The event that closed the first load's windows was in a window of its own, which closes now.
    let own = oracle::gold(&it.producer.produced, &BTreeSet::new(), i64::MAX);
    expected.extend(
        own.into_iter()
            .filter(|(key, _)| key.window_start_ms >= first.closing_ms()),
    );
    oracle::compare(&expected, &actual).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_log_cut_back_behind_the_position_stops_the_query() {
    let mut broker = Broker::start().unwrap();
    broker.create_topic("shrunk", 1);
    let first = Shape::of(2_000, 78).clean();
    let mut producer = Producer::new(&broker, "shrunk", 1);
    for (n, message) in Messages::new(first).enumerate() {
        producer.send(0, message);
        // Some batches stay whole when the log is cut.
        if n % 200 == 0 {
            producer.flush();
        }
    }
    producer.flush();
    drop(producer);
    let server = Server::start();
    let pg = server.connect();
    pg.run(&job::script_with(&broker.bootstrap(), "shrunk", OPTIONS));
    server.wait("the load to be read", SOON, || {
        let read = status(&server, "rows_in::text") == "2000";
        let kept = status(&server, "epoch::text") == status(&server, "checkpoint_epoch::text");
        (read && kept).then_some(())
    });
    broker.kill();
    broker.cut_log("shrunk", 0, |len| len / 2);
    broker.up().unwrap();
    let end = broker.offsets("shrunk", 0).1;
    assert!(end < 2_000, "the log was not cut: {end}");
    wait_stopped(&server, &["offset 2000", "beyond its end", "SKIP LOST"]);
    pg.run("RESUME QUERY gold.real_time_metrics SKIP LOST");
    wait_state(&server, "running");
    let notices = pg.take_notices();
    assert!(
        notices.iter().any(|notice| notice
            .message
            .contains(&format!("the log ends at {end}, before 2000"))),
        "{notices:?}"
    );
}
