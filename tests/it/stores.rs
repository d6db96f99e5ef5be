//! The root on an object store: the whole job on real servers, kills under load, faults on the way, two servers on one root.
//!
//! Ignored in `make test`, for the stores need Go and npm to be had: `make test-stores` installs and runs them.

mod faults;
mod fencing;
mod refused;

use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::Value;
use sluice_tests::{
    delta_log::DeltaLog,
    job::{self, COLUMNS},
    load::Shape,
    oracle,
    parts::{
        kafka::Broker,
        producer::Producer,
        python,
        stores::{AZURE_ACCOUNT, AZURE_KEY, BUCKET, Kind, S3_KEY, S3_SECRET, Store},
    },
    server::{self, Server},
};

use crate::{
    kills,
    support::{DRAIN, SOON, check_conservation, check_gold, rows_of_json, setting},
    under_load::{self, GOLD, PARTITIONS, Shown, rows_everywhere},
};

fn start(kind: Kind) -> Store {
    Store::start(kind).unwrap_or_else(|e| panic!("no {kind:?} store: {e}"))
}

/// The gold table as Python's delta-rs reads it from the store.
fn read_delta(store: &Store, root: &str) -> Value {
    let url = store.url(&format!("{root}/tables/gold/real_time_metrics"));
    python::run(
        "read_delta.py",
        &[&url, &store.python_options().to_string()],
    )
}

/// Its log. Where the store keeps plain files, these are looked at too.
fn read_log(store: &Store, root: &str) -> DeltaLog {
    if store.kind == Kind::S3 {
        let table = store.on_disk(&format!("{root}/tables/gold/real_time_metrics"));
        return DeltaLog::read(&table).unwrap();
    }
    let texts: BTreeMap<u64, String> = read_delta(store, root)["log"]
        .as_object()
        .expect("the log's entries")
        .iter()
        .map(|(version, text)| (version.parse().unwrap(), text.as_str().unwrap().to_owned()))
        .collect();
    DeltaLog::of_texts(&texts).unwrap()
}

/// Does `work` while a producer feeds a topic, then checks that gold is what it must be.
fn under_load(
    store: &Store,
    root: &str,
    mut server: Server,
    start: impl FnOnce(&mut Server, &str),
    work: impl FnOnce(Server, &mut Shown) -> Server,
) {
    let broker = Broker::shared();
    let topic = broker.fresh_topic("stores", PARTITIONS as i32);
    let stop = Arc::new(AtomicBool::new(false));
    let shape = under_load::load(20 * 30, 20_261_127);
    thread::scope(|scope| {
        let _stop = under_load::Stop(&stop);
        let producing = scope.spawn(|| under_load::produce(broker, &topic, &shape, &stop));
        rows_everywhere(broker, &topic, PARTITIONS);
        start(
            &mut server,
            &job::script_with(
                &broker.bootstrap(),
                &topic,
                "commit_interval = '300 milliseconds'",
            ),
        );
        let mut shown = Shown::default();
        let server = work(server, &mut shown);
        stop.store(true, Ordering::Relaxed);
        let mut producer = producing.join().unwrap();
        under_load::finish(&server, &mut producer, &shape, &mut shown, 1, |_| {
            read_log(store, root)
        });
    });
}

/// The asked-for job from Kafka to gold on a store, read by everybody, stopped and started again.
fn the_main_job(kind: Kind) {
    let store = start(kind);
    let broker = Broker::shared();
    let shape = Shape::of(setting("SLUICE_TEST_EVENTS", 50_000), 42);
    let topic = broker.fresh_topic("store", 4);
    let mut producer = Producer::new(broker, &topic, 4);
    producer.send_all(&shape);
    producer.close_windows(shape.closing_ms());

    let mut server = Server::idle_at(&store.url("the main/job"), &store.environment(store.port));
    server.up();
    let pg = server.connect();
    pg.run(&job::script_with(
        &broker.bootstrap(),
        &topic,
        "commit_interval = '1 second'",
    ));
    job::wait_drained(&server, &pg, GOLD, &shape, DRAIN);
    check_gold(&server, &pg, &producer, GOLD, shape.closing_ms());
    check_conservation(&server, &pg, &producer, GOLD, "events");
    job::wait_committed(&server, &pg, GOLD, SOON);

    let expected = job::read_gold(&pg, GOLD);
    let delta = read_delta(&store, "the main/job");
    let gold = job::gold_of(&rows_of_json(&delta["rows"], COLUMNS)).unwrap();
    oracle::compare(&expected, &gold).unwrap_or_else(|e| panic!("delta-rs reads other rows: {e}"));
    let log = read_log(&store, "the main/job");
    log.check_txns().unwrap();
    log.check_adds(&["date", "hour"], &["window_start", "event_count"])
        .unwrap();
    let once = format!(
        "CREATE TABLE once AS SELECT event_type, sum(event_count) AS n FROM {GOLD} GROUP BY event_type"
    );
    pg.run(&once);
    assert!(pg.number("SELECT count(*) FROM once") > 0);

    check_nothing_shows_a_secret(&store, &server);

    drop(pg);
    assert!(server.terminate().success(), "{}", server.log_tail());
    server.up();
    let pg = server.connect();
    job::wait_drained(&server, &pg, GOLD, &shape, SOON);
    assert_eq!(job::read_gold(&pg, GOLD), expected);
    assert!(pg.number("SELECT count(*) FROM once") > 0);
    pg.run(&format!("DROP TABLE once; DROP TABLE {GOLD}"));
    pg.run("DROP VIEW streaming_metrics; DROP STREAM events");
}

/// The keys are in no answer, no log, and no file that the server wrote, here or there.
fn check_nothing_shows_a_secret(store: &Store, server: &Server) {
    let pg = server.connect();
    let mut said = server.log_text();
    for sql in [
        "SELECT * FROM system.queries",
        "SELECT * FROM system.streams",
        "SELECT * FROM system.events",
        "SHOW CREATE TABLE gold.real_time_metrics",
        "SHOW CREATE STREAM events",
        "SHOW ALL",
        "DESCRIBE gold.real_time_metrics",
        "EXPLAIN SELECT * FROM gold.real_time_metrics",
        "EXPLAIN VERBOSE SELECT * FROM gold.real_time_metrics",
        "SELECT 1/0 FROM gold.real_time_metrics",
    ] {
        match pg.try_run(sql) {
            Ok(rows) => said += &format!("{rows:?}"),
            Err(refusal) => said += &format!("{refusal:?}"),
        }
    }
    let (_, metrics) = server.get("/metrics").unwrap();
    said += &metrics;
    assert!(
        said.contains("real_time_metrics"),
        "nothing was said:\n{said}"
    );
    let mut files = store.files();
    files.extend(files_below(server.folder()));
    assert!(files.len() > 10, "{files:?}");
    let secrets = match store.kind {
        Kind::S3 => [S3_KEY, S3_SECRET],
        Kind::Azure => [AZURE_KEY, AZURE_KEY],
    };
    for secret in secrets {
        assert!(!said.contains(secret), "{secret} is in:\n{said}");
        for file in &files {
            let bytes = fs::read(file).unwrap_or_default();
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", file.display());
        }
    }
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
#[ignore = "needs versitygw (built with Go): make test-stores"]
fn the_main_job_on_s3() {
    the_main_job(Kind::S3);
}

#[test]
#[ignore = "needs Azurite (from npm): make test-stores"]
fn the_main_job_on_azure() {
    the_main_job(Kind::Azure);
}

fn kills_lose_nothing(kind: Kind) {
    let store = start(kind);
    let mut server = Server::idle_at(&store.url("kills"), &store.environment(store.port));
    server.up();
    let kills = setting("SLUICE_TEST_KILLS", 10);
    kills::under_load(server, kills, |_| read_log(&store, "kills"));
}

#[test]
#[ignore = "needs versitygw (built with Go): make test-stores"]
fn kills_under_load_lose_nothing_on_s3() {
    kills_lose_nothing(Kind::S3);
}

#[test]
#[ignore = "needs Azurite (from npm): make test-stores"]
fn kills_under_load_lose_nothing_on_azure() {
    kills_lose_nothing(Kind::Azure);
}

/// Runs a command of the binary with the store's environment to its end.
fn ends(store: &Store, port: u16, args: &[&str], folder: &std::path::Path) -> std::process::Output {
    let mut command: Command = server::command();
    for (name, value) in store.environment(port) {
        command.env(name, value);
    }
    command.args(args).current_dir(folder).output().unwrap()
}

#[test]
#[ignore = "needs versitygw and Azurite: make test-stores"]
fn run_and_demo_take_a_root_on_a_store() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [Kind::S3, Kind::Azure] {
        let store = start(kind);
        let root = store.url("run");
        let script = folder.path().join("job.sql");
        fs::write(
            &script,
            "CREATE STREAM s (ts TIMESTAMPTZ, event_type TEXT, WATERMARK FOR ts AS ts - INTERVAL '1 second')
               WITH (connector = 'generator', rows = '5000', seed = '1');
             CREATE TABLE counts AS SELECT window_start, window_end, count(*) AS n
               FROM TUMBLE(s, ts, INTERVAL '1 second') GROUP BY window_start, window_end;",
        )
        .unwrap();
        let path = script.to_str().unwrap();
        let done = ends(
            &store,
            store.port,
            &["run", path, "--root", &root],
            folder.path(),
        );
        let (out, err) = (
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
        );
        assert!(done.status.success(), "{out}{err}");
        let total: u64 = out
            .lines()
            .filter_map(|line| line.rsplit(',').next()?.parse::<u64>().ok())
            .sum();
        assert_eq!(total, 5_000, "{out}{err}");
        // what one process left the next one reads
        fs::write(&script, "SELECT sum(n) AS all_of_them FROM counts;").unwrap();
        // by the other way to write it, where there is one
        let root = match kind {
            Kind::S3 => root,
            Kind::Azure => format!("abfss://{BUCKET}@{AZURE_ACCOUNT}.dfs.core.windows.net/run"),
        };
        let done = ends(
            &store,
            store.port,
            &["run", path, "--root", &root],
            folder.path(),
        );
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            out.contains("5000"),
            "{out}{}",
            String::from_utf8_lossy(&done.stderr)
        );

        let root = store.url("demo");
        let args = ["demo", "--seconds", "3", "--plain", "--root", &root];
        let done = ends(&store, store.port, &args, folder.path());
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            done.status.success(),
            "{out}{}",
            String::from_utf8_lossy(&done.stderr)
        );
        assert!(out.contains(BUCKET), "{out}");
    }
}
