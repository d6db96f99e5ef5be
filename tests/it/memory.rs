//! More state than memory, more result than memory: nothing is lost, and nobody else notices.

use std::{fs, time::Duration};

use sluice_tests::server::Server;

use crate::support::setting;

const LONG: Duration = Duration::from_secs(120);

#[test]
fn more_groups_than_memory_give_the_same_table_through_a_kill() {
    let mut server = Server::start();
    let mut pg = server.connect();
    pg.run(
        "CREATE STREAM events (ts TIMESTAMPTZ, row_number BIGINT, value DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '2 seconds')
         WITH (connector = 'generator', rows = '400000', rows_per_second = '30000', splits = '2', event_interval = '5 milliseconds',
               start_time = '2026-03-28T22:05:00Z', out_of_order = '0 seconds')",
    );
    let table = |name: &str, options: &str| {
        format!(
            "CREATE TABLE gold.{name} WITH (commit_interval = '500 milliseconds'{options}) AS
             SELECT window_start, row_number % 150000 AS k, count(*) AS n, sum(value) AS total, min(ts) AS first
             FROM TUMBLE(events, ts, INTERVAL '1 hour') GROUP BY window_start, row_number % 150000"
        )
    };
    pg.run(&table("little", ", state_memory = '4 MB'"));
    pg.run(&table("much", ""));
    let status = |pg: &sluice_tests::pg::Pg, name: &str, column: &str| {
        pg.value(&format!(
            "SELECT {column}::text FROM system.queries WHERE name = 'gold.{name}'"
        ))
    };
    server.wait("state on disk", LONG, || {
        let half = status(&pg, "little", "rows_in").parse::<u64>().ok()? > 150_000;
        let spilled = status(&pg, "little", "spilled_bytes").parse::<u64>().ok()?;
        (half && spilled > 1_000_000).then_some(())
    });
    let in_memory: usize = status(&pg, "little", "state_bytes").parse().unwrap();
    assert!(in_memory <= 4 << 20, "{in_memory} bytes");
    assert_eq!(status(&pg, "little", "state_memory"), "4194304");
    assert_eq!(status(&pg, "much", "spilled_bytes"), "0");
    server.wait("a checkpoint to name state on disk", LONG, || {
        names_state_on_disk(&server).then_some(())
    });
    server.kill_and_restart();
    pg = server.connect();
    for name in ["little", "much"] {
        server.wait("the end of the stream", LONG, || {
            (status(&pg, name, "state") == "finished").then_some(())
        });
    }
    assert_eq!(pg.number("SELECT count(*) FROM gold.little"), 150_000);
    assert_eq!(pg.number("SELECT sum(n) FROM gold.little"), 400_000);
    for (one, other) in [("little", "much"), ("much", "little")] {
        let differ = format!(
            "SELECT count(*) FROM (SELECT k, n, first, round(total * 1000) FROM gold.{one}
             EXCEPT SELECT k, n, first, round(total * 1000) FROM gold.{other}) AS d"
        );
        assert_eq!(pg.number(&differ), 0, "in {one} and not in {other}");
    }
}

#[test]
fn open_sessions_give_the_same_table_from_disk_through_a_kill() {
    let sessions = setting("SLUICE_TEST_SESSIONS", 150_000);
    let mut server = Server::start();
    let mut pg = server.connect();
    // Every user comes twice, ten minutes apart: all sessions are open from the tenth minute to the end.
    pg.run(&format!(
        "CREATE STREAM visits (ts TIMESTAMPTZ, row_number BIGINT, WATERMARK FOR ts AS ts - INTERVAL '2 seconds')
         WITH (connector = 'generator', rows = '{}', rows_per_second = '{}', splits = '2', event_interval = '{} microseconds',
               start_time = '2026-03-28T22:05:00Z', out_of_order = '0 seconds')",
        2 * sessions,
        sessions / 8,
        600_000_000 / sessions
    ));
    let memory = sessions / 2_500;
    pg.run(&format!(
        "CREATE TABLE gold.sessions WITH (commit_interval = '1 second', state_memory = '{memory} MB') AS
         SELECT window_start, window_end, row_number % {sessions} AS user_id, count(*) AS n, min(row_number) AS first, max(row_number) AS last,
           min('the first page that a visitor saw was page ' || CAST(row_number AS TEXT)) AS page
         FROM SESSION(visits, ts, INTERVAL '15 minutes') GROUP BY window_start, window_end, row_number % {sessions}"
    ));
    let status = |pg: &sluice_tests::pg::Pg, column: &str| {
        pg.value(&format!(
            "SELECT {column}::text FROM system.queries WHERE name = 'gold.sessions'"
        ))
    };
    server.wait("all sessions, some of them on disk", 2 * LONG, || {
        let open = status(&pg, "open_windows").parse::<usize>().ok()? >= sessions;
        let spilled = status(&pg, "spilled_bytes").parse::<usize>().ok()?;
        (open && spilled > 20 * sessions).then_some(())
    });
    let in_memory: usize = status(&pg, "state_bytes").parse().unwrap();
    assert!(in_memory <= memory << 20, "{in_memory} bytes");
    server.wait("a checkpoint to name state on disk", LONG, || {
        names_state_on_disk(&server).then_some(())
    });
    server.kill_and_restart();
    pg = server.connect();
    server.wait("the end of the stream", 3 * LONG, || {
        (status(&pg, "state") == "finished").then_some(())
    });
    let right = format!(
        "SELECT count(*) FROM gold.sessions WHERE n = 2 AND first = user_id AND last = user_id + {sessions}
        AND date_part('epoch', window_end) - date_part('epoch', window_start) = 1500 AND page IN
        ('the first page that a visitor saw was page ' || user_id, 'the first page that a visitor saw was page ' || (user_id + {sessions}))"
    );
    assert_eq!(
        pg.number("SELECT count(*) FROM gold.sessions"),
        sessions as i64
    );
    assert_eq!(pg.number(&right), sessions as i64);
}

/// Whether a manifest of this root names a file of a pane on disk.
fn names_state_on_disk(server: &Server) -> bool {
    let folders = fs::read_dir(server.root().join("checkpoints")).unwrap();
    let manifests = folders.flat_map(|folder| {
        let files = fs::read_dir(folder.unwrap().path().join("manifests"));
        files.into_iter().flatten()
    });
    let mut texts = manifests.map(|file| fs::read_to_string(file.unwrap().path()));
    texts.any(|text| text.is_ok_and(|text| text.contains("\"spilled\":true")))
}

#[test]
fn a_query_beyond_its_memory_spills_or_fails_and_the_server_goes_on() {
    let server = Server::start_with(&["--query-memory", "32 MB"]);
    let pg = server.connect();
    // Exact medians hold every value, and there is nowhere to put them.
    pg.refused(
        "SELECT median(value) FROM generate_series(1, 20000000) AS t(value)",
        "53200",
        &["memory"],
    );
    // Sorting goes to disk.
    let sorted = "SELECT count(*) FROM (SELECT value, row_number() OVER (ORDER BY -value) AS place FROM generate_series(1, 3000000) AS t(value)) AS s WHERE place + value = 3000001";
    assert_eq!(pg.number(sorted), 3_000_000);
    assert!(server.memory_mib("VmHWM") < 1024.0);
    assert_eq!(pg.number("SELECT 1"), 1);
}

#[test]
fn an_amount_of_memory_that_is_none_is_refused() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(
        "CREATE STREAM s (ts TIMESTAMPTZ, WATERMARK FOR ts AS ts) WITH (connector = 'generator', rows = '1')",
    );
    pg.refused(
        "CREATE TABLE gold.t WITH (state_memory = 'plenty') AS SELECT window_start, count(*) AS n FROM TUMBLE(s, ts, INTERVAL '1 hour') GROUP BY window_start",
        "22023",
        &["state_memory", "plenty"],
    );
}
