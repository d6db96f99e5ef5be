//! Other writers, hands in our folders, clocks that jump: what the query does about each is a rule (docs/reliability.md).

use std::{
    fs,
    path::{Path, PathBuf},
};

use sluice_tests::{delta_log::DeltaLog, parts::python, pg::Pg, server::Server, wait::wait_for};

use crate::{places::preloaded, support::SOON};

const STREAM: &str = "CREATE STREAM e (ts TIMESTAMPTZ, event_type TEXT, value DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '2 seconds')
  WITH (connector = 'generator', rows_per_second = '400', splits = '1', out_of_order = '0 seconds', event_interval = '1 second', start_time = '2020-01-01T00:00:00Z')";

/// A table that gets a few windows a second and commits them.
fn create_table(name: &str) -> String {
    format!(
        "CREATE TABLE gold.{name} WITH (commit_interval = '300 milliseconds') AS
         SELECT window_start, count(*) AS n FROM TUMBLE(e, ts, INTERVAL '1 minute') GROUP BY window_start"
    )
}

fn started(tables: &[&str]) -> (Server, Pg) {
    let server = Server::start();
    let pg = start(&server, tables);
    (server, pg)
}

/// Makes the stream and these tables, and waits until each has been committed a few times.
pub(crate) fn start(server: &Server, tables: &[&str]) -> Pg {
    let pg = server.connect();
    pg.run(STREAM);
    for table in tables {
        pg.run(&create_table(table));
    }
    for table in tables {
        wait_commits(server, table, 4);
    }
    pg
}

pub(crate) fn status(server: &Server, table: &str, column: &str) -> String {
    server.connect().value(&format!(
        "SELECT coalesce({column}, '') FROM system.queries WHERE name = 'gold.{table}'"
    ))
}

fn version(server: &Server, table: &str) -> i64 {
    server.connect().number(&format!(
        "SELECT coalesce(last_commit_version, 0) FROM system.queries WHERE name = 'gold.{table}'"
    ))
}

pub(crate) fn wait_commits(server: &Server, table: &str, more: i64) {
    let before = version(server, table);
    server.wait(&format!("{more} commits of {table}"), SOON, || {
        (version(server, table) >= before + more).then_some(())
    });
}

fn wait_failed(server: &Server, table: &str, says: &[&str]) {
    server.wait(&format!("the query of {table} to stop"), SOON, || {
        (status(server, table, "state") == "failed").then_some(())
    });
    let error = status(server, table, "last_error");
    for said in says {
        assert!(error.contains(said), "should say {said:?}: {error}");
    }
}

fn foreign(server: &Server, table: &str, what: &str) {
    let folder = server.table_dir("gold", table);
    // Two writers at once: the other one may have to try again.
    let answer = python::run("foreign_writer.py", &[what, folder.to_str().unwrap()]);
    assert!(answer["version"].as_i64().is_some(), "{answer}");
}

#[test]
fn a_foreign_writer_that_appends_deletes_or_compacts_is_lived_with() {
    let (server, pg) = started(&["t"]);
    for what in ["append", "delete", "compact"] {
        foreign(&server, "t", what);
        wait_commits(&server, "t", 3);
        assert_eq!(status(&server, "t", "state"), "running", "after {what}");
    }
    DeltaLog::read(&server.table_dir("gold", "t"))
        .unwrap()
        .check_txns()
        .unwrap();
    // Of our own rows the window that was deleted is missing, and one is there twice, by the other's doing.
    let windows = pg.number("SELECT count(DISTINCT window_start) FROM gold.t");
    assert!(windows > 5, "{windows}");
}

#[test]
fn a_foreign_writer_that_changes_the_definition_stops_the_query_until_it_is_resumed() {
    let (server, pg) = started(&["t"]);
    foreign(&server, "t", "property");
    let says = [
        "another writer changed the table's definition",
        "resume the query",
    ];
    wait_failed(&server, "t", &says);
    // The table still takes our rows: told to, the query goes on.
    pg.run("RESUME QUERY gold.t");
    wait_commits(&server, "t", 3);
    assert_eq!(status(&server, "t", "state"), "running");

    foreign(&server, "t", "column");
    wait_failed(
        &server,
        "t",
        &["another writer changed the table's definition"],
    );
    pg.run("RESUME QUERY gold.t");
    wait_failed(&server, "t", &["do not fit a table of 3"]);
}

#[test]
fn a_foreign_upgrade_of_the_protocol_stops_the_query_and_nothing_is_written_to_it() {
    let (server, pg) = started(&["t"]);
    foreign(&server, "t", "protocol");
    wait_failed(
        &server,
        "t",
        &["another writer changed the table's definition"],
    );
    pg.run("RESUME QUERY gold.t");
    wait_failed(&server, "t", &["cannot write to the Delta table"]);
    let log = DeltaLog::read(&server.table_dir("gold", "t")).unwrap();
    let last = log.versions.values().next_back().unwrap();
    assert!(
        last.iter().any(|action| action.get("protocol").is_some()),
        "{last:?}"
    );
}

#[test]
fn a_foreign_restore_stops_the_query_and_a_rebuild_makes_the_rows_again() {
    let (server, pg) = started(&["t"]);
    foreign(&server, "t", "restore");
    wait_failed(
        &server,
        "t",
        &["another writer changed the table's definition"],
    );
    // RESUME would go on behind it, without the rows that were taken out.
    pg.run("REBUILD QUERY gold.t FROM BEGINNING");
    wait_commits(&server, "t", 3);
    // A table that was emptied has its first rows again when they are read again.
    wait_for("rows after the rebuild", SOON, || {
        (pg.number("SELECT count(*) FROM gold.t") > 1).then_some(())
    })
    .unwrap();
    let rows = pg.run("SELECT count(*), count(DISTINCT window_start), min(n) FROM gold.t WHERE window_start > (SELECT min(window_start) FROM gold.t)");
    assert_eq!(rows[0][0], rows[0][1], "{rows:?}");
    assert_eq!(rows[0][2].as_deref(), Some("60"), "{rows:?}");
}

/// Removes a folder that somebody is writing to meanwhile.
fn remove_all(folder: &Path) {
    wait_for("the folder to be gone", SOON, || {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => None,
            _ => Some(()),
        }
    })
    .unwrap();
}

#[test]
fn one_query_of_eight_whose_folder_is_removed_stops_and_the_seven_go_on() {
    let names = ["a", "b", "c", "d", "e8", "f", "g", "h"];
    let (mut server, _) = started(&names);
    remove_all(&server.table_dir("gold", "c"));
    wait_failed(&server, "c", &["tables/gold/c"]);
    for table in names.iter().filter(|name| **name != "c") {
        wait_commits(&server, table, 2);
    }
    server.kill_and_restart();
    for table in names.iter().filter(|name| **name != "c") {
        wait_commits(&server, table, 2);
        assert_eq!(status(&server, table, "state"), "running");
    }
    let pg = server.connect();
    let told = pg.number(
        "SELECT count(*) FROM system.events WHERE subject = 'gold.c' AND severity = 'error'",
    );
    assert!(told > 0, "{}", server.system_tables());
}

#[test]
fn an_entry_of_the_log_that_is_gone_is_said_and_the_rest_goes_on() {
    let (mut server, _) = started(&["t", "other"]);
    server.kill();
    let log = server.table_dir("gold", "t").join("_delta_log");
    let entry = log.join(format!("{:020}.json", 2));
    let kept = fs::read(&entry).unwrap();
    fs::remove_file(&entry).unwrap();
    // A hint that cannot be read is no hint.
    let hint = server
        .table_dir("gold", "other")
        .join("_delta_log/_last_checkpoint");
    fs::write(&hint, "{\"version\": 7").unwrap();
    server.up();
    wait_commits(&server, "other", 2);
    let pg = server.connect();
    let told = "SELECT count(*) FROM system.events WHERE subject = 'gold.t' AND severity = 'error'";
    server.wait("the damage to be told", SOON, || {
        (pg.number(told) > 0).then_some(())
    });
    server.kill();
    fs::write(&entry, kept).unwrap();
    server.up();
    wait_commits(&server, "t", 2);
}

type Damage = fn(&[u8]) -> Vec<u8>;

#[test]
fn a_torn_or_flipped_entry_of_the_log_is_said_and_nothing_is_written_behind_it() {
    let (mut server, _) = started(&["t", "other"]);
    let log = server.table_dir("gold", "t").join("_delta_log");
    let damages: [Damage; 2] = [
        |entry| entry[..entry.len() / 2].to_vec(),
        |entry| {
            let mut entry = entry.to_vec();
            entry[0] ^= 0x10;
            entry
        },
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        server.kill();
        let entry = newest_entry(&log);
        let kept = fs::read(&entry).unwrap();
        fs::write(&entry, damage(&kept)).unwrap();
        server.up();
        wait_commits(&server, "other", 2);
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        let version = name.trim_start_matches('0').trim_end_matches(".json");
        let pg = server.connect();
        let told =
            "SELECT message FROM system.events WHERE subject = 'gold.t' AND severity = 'error'";
        let says = server.wait(&format!("damage {number} to be told"), SOON, || {
            let rows = pg.run(told);
            rows.first()?[0].clone()
        });
        assert!(says.contains(version), "damage {number}, {name}: {says}");
        assert_eq!(newest_entry(&log), entry, "damage {number}");
        server.kill();
        fs::write(&entry, kept).unwrap();
        server.up();
        wait_commits(&server, "t", 2);
    }
    DeltaLog::read(&server.table_dir("gold", "t"))
        .unwrap()
        .check_txns()
        .unwrap();
}

/// What some file systems leave of a file after a loss of power. It is a valid entry, of a commit that did nothing.
#[test]
fn a_newest_entry_of_the_log_that_lost_its_content_is_committed_anew() {
    let (mut server, _) = started(&["t"]);
    let log = server.table_dir("gold", "t").join("_delta_log");
    server.kill();
    fs::write(newest_entry(&log), "").unwrap();
    server.up();
    wait_commits(&server, "t", 3);
    let pg = server.connect();
    let rows = pg.run("SELECT count(*), count(DISTINCT window_start), min(n), max(n) FROM gold.t WHERE window_start > (SELECT min(window_start) FROM gold.t)");
    assert_eq!(rows[0][0], rows[0][1], "{rows:?}");
    assert_eq!(
        (rows[0][2].as_deref(), rows[0][3].as_deref()),
        (Some("60"), Some("60"))
    );
    let gaps = "SELECT count(*) FROM gold.t AS a LEFT JOIN gold.t AS b ON b.window_start = a.window_start + INTERVAL '1 minute' WHERE b.window_start IS NULL";
    assert_eq!(
        pg.number(gaps),
        1,
        "only the last window is followed by none"
    );
}

fn newest_entry(log: &Path) -> PathBuf {
    let entries = fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|name| name == "json"))
        .max()
        .unwrap()
}

#[test]
fn a_clock_that_jumps_an_hour_changes_no_result() {
    let dir = tempfile::tempdir().unwrap();
    let offset: PathBuf = dir.path().join("offset");
    let mut server = Server::idle();
    server.set_env("LD_PRELOAD", preloaded("clock.c", dir.path()));
    server.set_env("CLOCK_OFFSET", &offset);
    server.up();
    let pg = server.connect();
    pg.run(STREAM);
    pg.run(&create_table("t"));
    wait_commits(&server, "t", 2);
    for seconds in ["3600", "-3600", "0"] {
        fs::write(&offset, seconds).unwrap();
        wait_commits(&server, "t", 3);
        server.kill_and_restart();
        wait_commits(&server, "t", 3);
    }
    let pg = server.connect();
    let first = "(SELECT min(window_start) FROM gold.t)";
    let rows = pg.run(&format!(
        "SELECT count(*), count(DISTINCT window_start), min(n), max(n) FROM gold.t WHERE window_start > {first}"
    ));
    assert_eq!(rows[0][0], rows[0][1], "{rows:?}");
    assert_eq!(
        (rows[0][2].as_deref(), rows[0][3].as_deref()),
        (Some("60"), Some("60"))
    );
    assert_eq!(pg.number("SELECT count(*) FROM gold.t__late"), 0);
    assert_eq!(pg.number("SELECT count(*) FROM gold.t__dead_letter"), 0);
}
