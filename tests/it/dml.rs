//! Rows that people write: there at once and for everybody, all of a statement or nothing, whatever dies when.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use sluice_tests::{parts::python, pg::Pg, server::Server};

use crate::support::{SOON, setting};

/// Names of the data files in a table's folder.
fn data_files(server: &Server, table: &str) -> Vec<String> {
    let folder = server.table_dir("public", table);
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".parquet"))
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_written_is_there_at_once_for_others_and_for_delta_rs() {
    let server = Server::start();
    let (pg, other) = (server.connect(), server.connect());
    pg.run(
        "CREATE TABLE gold.prices (day DATE, item TEXT, price NUMERIC(8, 2)) PARTITIONED BY (day)",
    );
    pg.run("INSERT INTO gold.prices VALUES ('2026-11-26', 'apple', 1.25), ('2026-11-27', 'pear', 0.75), ('2026-11-27', 'fig', 3)");
    assert_eq!(other.number("SELECT count(*) FROM gold.prices"), 3);
    other.run("UPDATE gold.prices SET price = price + 1 WHERE item = 'pear'");
    assert_eq!(
        pg.value("SELECT price FROM gold.prices WHERE item = 'pear'"),
        "1.75"
    );
    pg.run("DELETE FROM gold.prices WHERE day = '2026-11-26'");
    pg.run("ALTER TABLE gold.prices ADD COLUMN note TEXT");
    pg.run("MERGE INTO gold.prices AS p USING (VALUES ('fig', 'ripe'), ('kiwi', 'new')) AS s(item, note) ON p.item = s.item \
            WHEN MATCHED THEN UPDATE SET note = s.note \
            WHEN NOT MATCHED THEN INSERT (item, note) VALUES (s.item, s.note)");
    pg.run("COMMENT ON TABLE gold.prices IS 'what things cost'");
    let folder = server.table_dir("gold", "prices");
    let read = python::run("read_delta.py", &[folder.to_str().unwrap()]);
    let mut rows = read["rows"].as_array().unwrap().clone();
    rows.sort_by_key(|row| row["item"].to_string());
    assert_eq!(
        rows,
        [
            json!({ "day": "2026-11-27", "item": "fig", "price": "3.00", "note": "ripe" }),
            json!({ "day": null, "item": "kiwi", "price": null, "note": "new" }),
            json!({ "day": "2026-11-27", "item": "pear", "price": "1.75", "note": null }),
        ]
    );
    assert_eq!(read["partition_columns"], json!(["day"]));
    // What was is still there to be read, and upkeep by hand works.
    assert_eq!(
        pg.number("SELECT count(*) FROM gold.prices VERSION AS OF 1"),
        3
    );
    pg.run("INSERT INTO gold.prices (day, item) VALUES ('2026-11-27', 'plum')");
    pg.run("OPTIMIZE gold.prices");
    pg.run("VACUUM gold.prices RETAIN 0 HOURS");
    assert_eq!(pg.number("SELECT count(*) FROM gold.prices"), 4);
    // And all of it after a restart.
    let mut server = server;
    server.kill_and_restart();
    let pg = server.connect();
    assert_eq!(pg.number("SELECT count(*) FROM gold.prices"), 4);
    pg.run("INSERT INTO gold.prices (item, note) VALUES ('nut', 'after')");
    assert_eq!(pg.number("SELECT count(note) FROM gold.prices"), 3);
}

#[test]
fn a_foreign_writer_and_ours_take_turns() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE shared (id BIGINT, value DOUBLE PRECISION)");
    pg.run("INSERT INTO shared VALUES (1, 1), (2, 2)");
    let folder = server.table_dir("public", "shared");
    // delta-rs appends and deletes behind our back; the next statement works on what is there then.
    python::run("foreign_changes.py", &[folder.to_str().unwrap()]);
    pg.run("UPDATE shared SET value = value + 100");
    assert_eq!(
        pg.run("SELECT id, value FROM shared ORDER BY id")
            .iter()
            .map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap()))
            .collect::<Vec<_>>(),
        [("2", "102"), ("3", "103"), ("4", "104")].map(|(id, value)| (id.into(), value.into()))
    );
}

#[test]
fn statements_of_several_sessions_at_once_all_take_effect() {
    let server = Server::start();
    server
        .connect()
        .run("CREATE TABLE tally (session INT, n INT)");
    const SESSIONS: i64 = 4;
    const TURNS: i64 = 12;
    thread::scope(|scope| {
        for session in 0..SESSIONS {
            let server = &server;
            scope.spawn(move || {
                let pg = server.connect();
                for n in 0..TURNS {
                    pg.run(&format!(
                        "INSERT INTO tally VALUES ({session}, {n}), ({session}, -1)"
                    ));
                    // Changes of rows that nobody else changes.
                    pg.run(&format!(
                        "UPDATE tally SET n = n + 1000 WHERE session = {session} AND n = {n}"
                    ));
                    pg.run(&format!(
                        "DELETE FROM tally WHERE session = {session} AND n = -1"
                    ));
                }
            });
        }
    });
    let pg = server.connect();
    assert_eq!(pg.number("SELECT count(*) FROM tally"), SESSIONS * TURNS);
    assert_eq!(
        pg.number("SELECT sum(n) FROM tally"),
        SESSIONS * (TURNS * 1000 + TURNS * (TURNS - 1) / 2)
    );
}

#[test]
fn a_kill_in_the_middle_leaves_all_of_a_statement_or_nothing() {
    let kills = setting("SLUICE_TEST_KILLS", 6);
    let seed = setting("SLUICE_TEST_SEED", 20_261_127) as u64;
    eprintln!("{kills} kills, seed {seed} (SLUICE_TEST_KILLS, SLUICE_TEST_SEED)");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut server = Server::start();
    const ROWS: i64 = 5_000;
    server
        .connect()
        .run("CREATE TABLE big (batch BIGINT, n BIGINT, twice BIGINT)");
    // Batches that were acknowledged, and the one that may be there or not.
    let mut done = 0;
    for _ in 0..kills {
        let port = server.pg_port();
        let writer = thread::spawn(move || {
            let mut done = done;
            let Ok(pg) = Pg::connect(port) else {
                return done;
            };
            loop {
                let insert = format!(
                    "INSERT INTO big SELECT {done}, s.n, 0 FROM generate_series(1, {ROWS}) AS s(n)"
                );
                let update = format!("UPDATE big SET twice = 2 * n WHERE batch = {done}");
                if pg.try_run(&insert).is_err() || pg.try_run(&update).is_err() {
                    return done;
                }
                done += 1;
            }
        });
        thread::sleep(Duration::from_millis(rng.random_range(100..1_200)));
        server.kill();
        done = writer.join().unwrap();
        server.up();
        let pg = server.connect();
        let batches =
            pg.run("SELECT batch, count(*), sum(twice) FROM big GROUP BY batch ORDER BY batch");
        let updated = (ROWS * (ROWS + 1)).to_string();
        for (number, row) in batches.iter().enumerate() {
            let [batch, rows, twice] = row.as_slice() else {
                panic!("{row:?}")
            };
            let number = number as i64;
            assert_eq!(batch.as_deref(), Some(number.to_string().as_str()));
            assert_eq!(
                rows.as_deref(),
                Some(ROWS.to_string().as_str()),
                "batch {number} is torn"
            );
            let twice = twice.as_deref().unwrap();
            // Only the last may lack its second statement, and only where that was not acknowledged.
            assert!(
                twice == updated || (twice == "0" && number == done),
                "batch {number}: {twice}"
            );
        }
        let there = batches.len() as i64;
        assert!(
            there == done || there == done + 1,
            "{there} batches, {done} were acknowledged"
        );
        pg.run(&format!("DELETE FROM big WHERE batch >= {done}"));
    }
    assert!(done > 0, "no statement was acknowledged in {kills} lives");
}

#[test]
fn a_statement_that_is_stopped_leaves_nothing() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE endless (n BIGINT, text TEXT)");
    pg.run("INSERT INTO endless VALUES (1, 'first')");
    let before = data_files(&server, "endless");
    pg.run("SET statement_timeout = '1500 ms'");
    let began = Instant::now();
    let refused = pg
        .try_run("INSERT INTO endless SELECT s.n, repeat('x', 200) || s.n::TEXT FROM generate_series(1, 1000000000) AS s(n)")
        .unwrap_err();
    assert_eq!(refused.state, "57014", "{refused}");
    assert!(began.elapsed() < Duration::from_secs(20));
    let refused = pg
        .try_run("UPDATE endless SET n = s.m FROM generate_series(1, 1000000000) AS s(m) WHERE s.m % 7 = endless.n")
        .unwrap_err();
    assert_eq!(refused.state, "57014", "{refused}");
    pg.run("RESET statement_timeout");
    assert_eq!(pg.number("SELECT count(*) FROM endless"), 1);
    // The files it had written are nobody's: a vacuum removes what is left of them.
    server.wait("the files of stopped statements to go", SOON, || {
        pg.run("VACUUM endless RETAIN 0 HOURS");
        (data_files(&server, "endless") == before).then_some(())
    });
    // A failure in the middle of the rows is the same.
    let refused = pg
        .try_run("INSERT INTO endless SELECT 10 / (s.n - 900000), 'x' FROM generate_series(1, 1000000) AS s(n)")
        .unwrap_err();
    assert_eq!(refused.state, "22012", "{refused}");
    assert_eq!(pg.number("SELECT count(*) FROM endless"), 1);
}

#[test]
fn rows_deleted_from_a_table_that_a_query_feeds_stay_deleted() {
    let mut server = Server::start();
    let pg = server.connect();
    pg.run(
        "CREATE STREAM events (ts TIMESTAMPTZ, event_type TEXT, value DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '1 second') \
         WITH (connector = 'generator', rows = '60000', seed = '7', splits = '1', out_of_order = '0 seconds', late_fraction = '0', start_time = '2026-01-01T00:00:00Z', event_interval = '100 ms', rows_per_second = '4000', max_future_skew = 'off')",
    );
    pg.run(
        "CREATE TABLE gold.counts WITH (commit_interval = '300 milliseconds') AS \
         SELECT window_start, event_type, count(*) AS n FROM TUMBLE(events, ts, INTERVAL '1 minute') GROUP BY window_start, event_type",
    );
    server.wait("some windows", SOON, || {
        (pg.number("SELECT count(DISTINCT window_start) FROM gold.counts") > 8).then_some(())
    });
    // In the middle of the stream: whatever has been shown may be asked to go.
    let victim = pg.value("SELECT event_type FROM gold.counts ORDER BY n DESC, event_type LIMIT 1");
    let first = pg.value("SELECT min(window_start) FROM gold.counts");
    let last = pg.value("SELECT max(window_start) FROM gold.counts");
    let there = pg.number(&format!("SELECT count(*) FROM gold.counts WHERE event_type = '{victim}' AND window_start <= '{last}'"));
    assert!(there > 0);
    pg.run(&format!(
        "DELETE FROM gold.counts WHERE event_type = '{victim}' AND window_start <= '{last}'"
    ));
    let gone = format!(
        "SELECT count(*) FROM gold.counts WHERE event_type = '{victim}' AND window_start <= '{last}'"
    );
    assert_eq!(pg.number(&gone), 0);
    server.kill_and_restart();
    let pg = server.connect();
    assert_eq!(pg.number(&gone), 0, "deleted rows came back after a kill");
    server.wait("the end of the stream", SOON, || {
        (pg.value("SELECT state FROM system.queries") == "finished").then_some(())
    });
    assert_eq!(pg.number(&gone), 0, "deleted rows came back");
    // Nothing else is missing or twice: all other rows are those of a batch run over the same events.
    pg.run(
        "CREATE TABLE gold.again AS \
         SELECT window_start, event_type, count(*) AS n FROM TUMBLE(events, ts, INTERVAL '1 minute') GROUP BY window_start, event_type",
    );
    server.wait("the same once more", SOON, || {
        let state = pg.value("SELECT state FROM system.queries WHERE name = 'gold.again'");
        (state == "finished").then_some(())
    });
    let rest = |table: &str| {
        pg.run(&format!(
            "SELECT window_start, event_type, n FROM gold.{table} WHERE NOT (event_type = '{victim}' AND window_start <= '{last}') ORDER BY 1, 2"
        ))
    };
    assert_eq!(rest("counts"), rest("again"));
    assert!(
        pg.number(&format!(
            "SELECT count(*) FROM gold.again WHERE window_start >= '{first}'"
        )) > 0
    );
}
