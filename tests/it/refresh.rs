//! Readers do not wait while the log of a table is looked at again, however long the store takes: they read what was known, and the final
//! rows that are not committed.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{
    pg::{Pg, block_on},
    server::Server,
    wait::wait_for,
};
use tokio_postgres::{Row, Statement};

use crate::support::SOON;

/// How long a look at the log is held.
const HELD: Duration = Duration::from_secs(2);

/// A store that does not answer: where the log's note of its newest checkpoint would be is a pipe, and opening that takes until somebody
/// writes to it. Every look at the log begins with the note.
struct Held {
    note: PathBuf,
    away: PathBuf,
}

impl Held {
    /// From now on no look at the log of `gold.<table>` ends.
    fn log_of(server: &Server, table: &str) -> Self {
        let note = server
            .table_dir("gold", table)
            .join("_delta_log/_last_checkpoint");
        let made = Command::new("mkfifo").arg(&note).status().unwrap();
        assert!(made.success(), "mkfifo {}", note.display());
        let away = server.folder().join("pipe");
        Self { note, away }
    }

    /// The look that waits goes on, and there is no note; an error where none waits.
    fn release(self) {
        fs::rename(&self.note, &self.away).unwrap();
        let mut writer = OpenOptions::new();
        writer.write(true).custom_flags(libc::O_NONBLOCK);
        // Without somebody who waits to read the pipe cannot be opened like this.
        let opened = wait_for("a look at the log to be held", SOON, || {
            writer.open(&self.away).ok()
        });
        opened.unwrap();
    }
}

/// One answer, which must not wait for what is held.
fn answer(pg: &Pg, statement: &Statement, value: i64) -> Vec<Row> {
    let asked = async { tokio::time::timeout(HELD, pg.client().query(statement, &[&value])).await };
    let answered = block_on(asked).expect("an answer while a look at the log is held");
    answered.unwrap_or_else(|e| panic!("{e:?}"))
}

fn prepared(pg: &Pg, sql: &str) -> Statement {
    block_on(pg.client().prepare(sql)).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// Asks all the time while the log is held; half of the answers come within a tenth of it.
fn ask_meanwhile(mut ask: impl FnMut()) {
    let begun = Instant::now();
    let mut times = Vec::new();
    while begun.elapsed() < HELD {
        let asked = Instant::now();
        ask();
        times.push(asked.elapsed());
    }
    times.sort_unstable();
    let median = times[times.len() / 2];
    assert!(median < HELD / 10, "{median:?} of {} answers", times.len());
}

/// In another session: what is committed, once more than `known` rows are.
fn more_committed(server: &Server, table: &str, known: i64) -> thread::JoinHandle<i64> {
    let pg = server.connect();
    let sql = format!("SELECT count(*) FROM gold.{table}");
    thread::spawn(move || {
        pg.run("SET freshness = 'committed'");
        let more = || Some(pg.number(&sql)).filter(|rows| *rows > known);
        wait_for("more to be committed", SOON, more).unwrap()
    })
}

#[test]
fn lookups_are_answered_while_a_statement_looks_at_the_log() {
    let server = Server::start();
    let (pg, writer) = (server.connect(), server.connect());
    pg.run("CREATE TABLE gold.t (n BIGINT, part INT) PARTITIONED BY (part)");
    pg.run("INSERT INTO gold.t SELECT n, (n / 100)::int FROM generate_series(0, 999) AS g(n)");
    let one = prepared(&pg, "SELECT n FROM gold.t WHERE n = $1");
    assert_eq!(answer(&pg, &one, 5).len(), 1);

    let held = Held::log_of(&server, "t");
    let writer = thread::spawn(move || writer.run("INSERT INTO gold.t VALUES (5, 0), (1000, 10)"));
    // Who asks for what is committed waits for the look.
    let committed = more_committed(&server, "t", 1000);
    ask_meanwhile(|| {
        assert_eq!(answer(&pg, &one, 5).len(), 1);
        assert!(answer(&pg, &one, 1000).is_empty());
    });
    // And so do those who have just come, and statements that are planned anew.
    let count = "SELECT count(*) FROM gold.t";
    let counted = server.connect().try_run_within(count, HELD).unwrap();
    assert_eq!(counted[0][0].as_deref(), Some("1000"));
    assert!(!writer.is_finished() && !committed.is_finished());

    held.release();
    writer.join().unwrap();
    assert_eq!(answer(&pg, &one, 5).len(), 2);
    assert_eq!(answer(&pg, &one, 1000).len(), 1);
    assert_eq!(committed.join().unwrap(), 1002);
}

#[test]
fn final_rows_go_on_being_shown_while_a_query_looks_at_the_log() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(
        "CREATE STREAM ticks (ts TIMESTAMPTZ, row_number BIGINT, WATERMARK FOR ts AS ts)
           WITH (connector = 'generator', rows_per_second = '200', splits = '1', out_of_order = '0 seconds')",
    );
    // Nothing else writes a note of a checkpoint.
    pg.run(
        "CREATE TABLE gold.ticks WITH (commit_interval = '200 milliseconds', maintenance = 'off') AS
           SELECT ts, row_number FROM ticks",
    );
    let files = "SELECT count(*) FROM gold.ticks__files";
    server.wait("a commit", SOON, || (pg.number(files) > 0).then_some(()));
    let counts = prepared(
        &pg,
        "SELECT count(*), count(DISTINCT row_number) FROM gold.ticks WHERE row_number >= $1",
    );
    let count = |pg: &Pg| {
        let rows = answer(pg, &counts, 0);
        let (all, distinct): (i64, i64) = (rows[0].get(0), rows[0].get(1));
        assert_eq!(all, distinct, "a row is shown twice");
        all
    };

    let held = Held::log_of(&server, "ticks");
    // A look that had read the note before is over by then.
    thread::sleep(HELD / 4);
    let first = count(&pg);
    // Makes a look at the log begin now.
    let committed = more_committed(&server, "ticks", first);
    let mut last = first;
    ask_meanwhile(|| {
        let now = count(&pg);
        assert!(now >= last, "{now} rows after {last}");
        last = now;
    });
    assert!(last > first, "no row in {HELD:?} after {first}");
    assert!(!committed.is_finished());

    held.release();
    assert!(committed.join().unwrap() > first);
    let more = || (count(&pg) > last).then_some(());
    server.wait("more rows", SOON, more);
}
