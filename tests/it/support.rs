//! What several modules need.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;
use sluice_tests::{
    job, oracle,
    parts::{kafka::Broker, producer::Producer},
    pg::{Pg, Rows},
    server::Server,
    wait::wait_for,
};

/// Time for anything that is done as soon as a machine this small can.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// Time for draining a load.
pub(crate) const DRAIN: Duration = Duration::from_secs(240);

/// A number from the environment, for longer runs by hand.
pub(crate) fn setting(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text
            .replace('_', "")
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text:?}")),
        Err(_) => default,
    }
}

/// Objects as rows of text, in the order of `columns`.
pub(crate) fn rows_of_json(values: &Value, columns: &str) -> Rows {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    values
        .as_array()
        .expect("a list of rows")
        .iter()
        .map(|row| {
            columns
                .split(", ")
                .map(|column| text(&row[column]))
                .collect()
        })
        .collect()
}

/// A connection beside a producer, for tests that watch one query.
pub(crate) struct Watched<'a> {
    pub(crate) server: Server,
    pub(crate) pg: Pg,
    pub(crate) producer: Producer<'a>,
    pub(crate) topic: String,
}

impl<'a> Watched<'a> {
    /// A server and an empty topic of `partitions`.
    pub(crate) fn start(broker: &'a Broker, stem: &str, partitions: usize) -> Self {
        let topic = broker.fresh_topic(stem, i32::try_from(partitions).unwrap());
        let producer = Producer::new(broker, &topic, partitions);
        let server = Server::start();
        let pg = server.connect();
        Self {
            server,
            pg,
            producer,
            topic,
        }
    }

    /// A column of `system.queries` of one query.
    pub(crate) fn query_status(&self, query: &str, column: &str) -> String {
        self.pg.value(&format!(
            "SELECT {column} FROM system.queries WHERE name = '{query}'"
        ))
    }

    /// Gold is what the oracle says of everything produced, less what the server calls late; returns how many were late.
    pub(crate) fn check_gold(&self, table: &str, before_ms: i64) -> usize {
        check_gold(&self.server, &self.pg, &self.producer, table, before_ms)
    }
}

/// As [`Watched::check_gold`].
pub(crate) fn check_gold(
    server: &Server,
    pg: &Pg,
    producer: &Producer<'_>,
    table: &str,
    before_ms: i64,
) -> usize {
    let late = oracle::check_late(&producer.produced, &job::read_late(pg, table))
        .unwrap_or_else(|e| panic!("{e}\n{}", server.system_tables()));
    let expected = oracle::gold(&producer.produced, &late, before_ms);
    assert!(!expected.is_empty(), "the oracle expects no gold at all");
    let mut actual = job::read_gold(pg, table);
    actual.retain(|key, _| key.window_start_ms < before_ms);
    oracle::compare(&expected, &actual)
        .unwrap_or_else(|e| panic!("{table}: {e}\n{}", server.system_tables()));
    late.len()
}

/// Rows aggregated (final and open windows), late, and dead letters of one query and its stream make up everything produced.
pub(crate) fn check_conservation(
    server: &Server,
    pg: &Pg,
    producer: &Producer<'_>,
    table: &str,
    stream: &str,
) {
    let count = |relation: String| pg.number(&format!("SELECT count(*) FROM {relation}"));
    let produced = producer.produced.total() as i64;
    // a stream's dead letters are read from what is committed
    let mut found = String::new();
    let balanced = wait_for("the rows to balance", SOON, || {
        let aggregated = pg.number(&format!("SELECT sum(event_count) FROM {table}__live"));
        let late = count(format!("{table}__late"));
        let dead = count(format!("{stream}__dead_letter")) + count(format!("{table}__dead_letter"));
        found = format!("aggregated {aggregated} + late {late} + dead letters {dead}");
        (aggregated + late + dead == produced).then_some(())
    });
    assert!(
        balanced.is_ok(),
        "{found} is not produced {produced}\n{}",
        server.system_tables()
    );
}

/// What a test says of a client, for the table of `clients/README.md`.
pub(crate) struct Exercised<'a> {
    /// The test's own name: it is the row's, and a row without a test is refused.
    pub(crate) test: &'a str,
    pub(crate) client: &'a str,
    pub(crate) version: &'a str,
    pub(crate) what: &'a str,
    /// What does not work, in a few words; empty where all that was tried does.
    pub(crate) but: &'a str,
}

/// Where rows of the table of clients wait until it is written: a file for each test that has passed.
pub(crate) fn exercised_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients")
}

/// Keeps a row of the table. Called last: a test that fails has none.
pub(crate) fn exercised(row: &Exercised<'_>) {
    let verdict = if row.but.is_empty() {
        "works".to_owned()
    } else {
        format!("works, but {}", row.but)
    };
    let line = format!(
        "| {} | {} | {} | {verdict} | `{}` |\n",
        row.client, row.version, row.what, row.test
    );
    let folder = exercised_folder();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(row.test), line).unwrap();
}

/// The version of a package of Python.
pub(crate) fn python_version(interpreter: &Path, package: &str) -> String {
    let script = format!("from importlib.metadata import version; print(version('{package}'))");
    said(Command::new(interpreter).args(["-c", &script]))
}

/// Runs a program that must leave well; the last line that it printed.
pub(crate) fn said(command: &mut Command) -> String {
    let output = command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{command:?} left with {}:\n{out}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    out.trim_end().lines().last().unwrap_or_default().to_owned()
}
