//! Disks that fail in one way only: what is written cannot be synced; the scratch folder is full. A disk that fails in every way is in
//! `places.rs`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use sluice_tests::{delta_log::DeltaLog, pg::Pg, server::Server, wait::wait_for};
use tempfile::TempDir;

use crate::{
    bad_luck::{self, status, wait_commits},
    places::preloaded,
    support::SOON,
};

const LONG: Duration = Duration::from_secs(180);

/// A server on a disk whose syncs fail as a flag file says, with a table `gold.t` that is committed all the time.
struct Unsyncable {
    server: Server,
    flag: PathBuf,
    log: PathBuf,
    _dir: TempDir,
}

impl Unsyncable {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (flag, log) = (dir.path().join("flag"), dir.path().join("syncs"));
        let mut server = Server::idle();
        let root = server.root().to_owned();
        server.set_env("LD_PRELOAD", preloaded("fsync.c", dir.path()));
        server.set_env("FSYNC_FLAG", &flag);
        server.set_env("FSYNC_LOG", &log);
        server.set_env("FSYNC_BELOW", &root);
        server.up();
        bad_luck::start(&server, &["t"]);
        Self {
            server,
            flag,
            log,
            _dir: dir,
        }
    }

    /// Paths that were synced, and those that could not be, each in order.
    fn syncs(&self) -> (Vec<String>, Vec<String>) {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let of = |what: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(what));
            lines.map(str::to_owned).collect()
        };
        (of("synced "), of("failed "))
    }
}

/// Every window is there once and whole; of the first one the beginning may be missing.
fn check_windows(pg: &Pg) {
    let rows = pg.run("SELECT count(*), count(DISTINCT window_start), min(n), max(n) FROM gold.t WHERE window_start > (SELECT min(window_start) FROM gold.t)");
    assert_eq!(rows[0][0], rows[0][1], "{rows:?}");
    assert_eq!(
        (rows[0][2].as_deref(), rows[0][3].as_deref()),
        (Some("60"), Some("60"))
    );
}

/// fsync reports an error once: a second one of the same file would say that all is well.
#[test]
fn a_file_that_could_not_be_synced_is_written_anew_and_never_synced_again() {
    let mut it = Unsyncable::start();
    let (synced, _) = it.syncs();
    for place in [".parquet", "/_delta_log/", "/manifests/", "/state/"] {
        assert!(
            synced.iter().any(|path| path.contains(place)),
            "nothing of {place} was ever synced"
        );
        let failed = |it: &Unsyncable| {
            let (_, failed) = it.syncs();
            failed.iter().filter(|path| path.contains(place)).count()
        };
        fs::write(&it.flag, format!("f{place}")).unwrap();
        it.server
            .wait(&format!("two failed syncs in {place}"), SOON, || {
                (failed(&it) >= 2).then_some(())
            });
        it.server.wait("system.queries to say so", SOON, || {
            let error = status(&it.server, "t", "last_error");
            error.contains("input/output error").then_some(())
        });
        assert_eq!(status(&it.server, "t", "state"), "running");
        fs::remove_file(&it.flag).unwrap();
        wait_commits(&it.server, "t", 2);
        assert_eq!(status(&it.server, "t", "last_error"), "", "after {place}");
    }
    let (synced, failed) = it.syncs();
    let synced: BTreeSet<&String> = synced.iter().collect();
    let mut once = BTreeSet::new();
    for path in &failed {
        assert!(!synced.contains(path), "{path} was synced again");
        assert!(once.insert(path), "{path} was synced again, in vain");
        assert!(!Path::new(path).exists(), "{path} was left");
    }
    check_windows(&it.server.connect());
    let log = DeltaLog::read(&it.server.table_dir("gold", "t")).unwrap();
    log.check_txns().unwrap();
    log.check_adds(&[], &["window_start"]).unwrap();
    it.server.kill_and_restart();
    wait_commits(&it.server, "t", 2);
    check_windows(&it.server.connect());
}

/// The name was given and may be lost with the next loss of power: what is there cannot be trusted until it was read anew.
#[test]
fn a_folder_that_could_not_be_synced_ends_all_writing_until_a_restart() {
    let mut it = Unsyncable::start();
    fs::write(&it.flag, "d/_delta_log").unwrap();
    let says = "no more writes are taken until the server is restarted";
    it.server.wait("system.queries to say so", SOON, || {
        let error = status(&it.server, "t", "last_error");
        error.contains(says).then_some(())
    });
    fs::remove_file(&it.flag).unwrap();
    let pg = it.server.connect();
    pg.refused("CREATE VIEW v AS SELECT 1", "58030", &[says]);
    assert_eq!(pg.number("SELECT 1"), 1);
    assert!(pg.number("SELECT count(*) FROM gold.t") > 0);
    it.server.kill_and_restart();
    wait_commits(&it.server, "t", 3);
    check_windows(&it.server.connect());
    it.server.connect().run("CREATE VIEW v AS SELECT 1");
}

fn of_query(pg: &Pg, table: &str, column: &str) -> String {
    pg.value(&format!(
        "SELECT coalesce({column}::text, '') FROM system.queries WHERE name = 'gold.{table}'"
    ))
}

/// State that memory does not hold has nowhere to go for a while: its query waits and says so, and nobody else is any the worse.
#[test]
fn a_full_scratch_folder_is_waited_out() {
    let dir = tempfile::tempdir().unwrap();
    let flag = dir.path().join("full");
    let mut server = Server::idle();
    let scratch = server.root().join("scratch");
    server.set_env("LD_PRELOAD", preloaded("enospc.c", dir.path()));
    server.set_env("ENOSPC_FLAG", &flag);
    server.set_env("ENOSPC_BELOW", &scratch);
    server.add_args(&["--query-memory", "32 MB"]);
    server.up();
    let mut pg = server.connect();
    pg.run(
        "CREATE STREAM events (ts TIMESTAMPTZ, row_number BIGINT, value DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '2 seconds')
         WITH (connector = 'generator', rows = '240000', rows_per_second = '10000', splits = '2', event_interval = '5 milliseconds',
               start_time = '2026-03-28T22:05:00Z', out_of_order = '0 seconds')",
    );
    for (name, options) in [("little", ", state_memory = '4 MB'"), ("much", "")] {
        pg.run(&format!(
            "CREATE TABLE gold.{name} WITH (commit_interval = '500 milliseconds'{options}) AS
             SELECT window_start, row_number % 80000 AS k, count(*) AS n, sum(value) AS total, min(ts) AS first
             FROM TUMBLE(events, ts, INTERVAL '1 hour') GROUP BY window_start, row_number % 80000"
        ));
    }
    let rows_in = |pg: &Pg| of_query(pg, "much", "rows_in").parse::<u64>().unwrap();
    server.wait("state on disk", LONG, || {
        let bytes = of_query(&pg, "little", "spilled_bytes")
            .parse::<u64>()
            .ok()?;
        (bytes > 1_000_000).then_some(())
    });
    fs::write(&flag, "").unwrap();
    let waits = |server: &Server, pg: &Pg| {
        server.wait("the query to wait for room", LONG, || {
            let error = of_query(pg, "little", "last_error");
            let told = error.contains("scratch folder") && error.contains("No space left");
            (told && of_query(pg, "little", "state") == "retrying").then_some(())
        });
    };
    waits(&server, &pg);
    // Who asks for more than memory is refused.
    let sorted = "SELECT count(*) FROM (SELECT value, row_number() OVER (ORDER BY -value) AS place FROM generate_series(1, 3000000) AS t(value)) AS s WHERE place + value = 3000001";
    let before = rows_in(&pg);
    let refusal = pg.refused(sorted, "53100", &["scratch folder", "No space left"]);
    assert!(refusal.to_string().contains("--query-memory"), "{refusal}");
    // The query beside them goes on.
    server.wait("the other query to go on", LONG, || {
        (rows_in(&pg) > before || of_query(&pg, "much", "state") == "finished").then_some(())
    });
    assert_eq!(of_query(&pg, "much", "last_error"), "");
    assert!(server.is_running());
    fs::remove_file(&flag).unwrap();
    server.wait("the query to go on", LONG, || {
        let state = of_query(&pg, "little", "state");
        ["running", "finished"]
            .contains(&state.as_str())
            .then_some(())
    });
    assert_eq!(of_query(&pg, "little", "last_error"), "");

    // A server that is started meanwhile waits for room as well, and is there as soon as there is.
    server.kill();
    fs::write(&flag, "").unwrap();
    server.launch();
    wait_for("the server to wait for room", SOON, || {
        let said = server.log_text();
        said.contains("waiting for room: the scratch folder")
            .then_some(())
    })
    .unwrap();
    assert!(server.is_running());
    fs::remove_file(&flag).unwrap();
    server.wait_ready();
    pg = server.connect();
    for name in ["little", "much"] {
        server.wait("the end of the stream", LONG, || {
            (of_query(&pg, name, "state") == "finished").then_some(())
        });
    }
    assert_eq!(pg.number(sorted), 3_000_000);
    assert_eq!(pg.number("SELECT count(*) FROM gold.little"), 80_000);
    assert_eq!(pg.number("SELECT sum(n) FROM gold.little"), 240_000);
    let differ = "SELECT count(*) FROM (SELECT k, n, first, round(total * 1000) FROM gold.little EXCEPT SELECT k, n, first, round(total * 1000) FROM gold.much) AS d";
    assert_eq!(pg.number(differ), 0);
}
