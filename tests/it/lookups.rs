//! Prepared lookups, and tables that are read as a whole again and again: they give what they give when they are planned and read anew,
//! whatever happens to the table meanwhile.

use std::{fs, path::PathBuf, time::SystemTime};

use sluice_tests::{
    pg::{Pg, block_on},
    server::Server,
};
use tokio_postgres::{Row, Statement, types::ToSql};

type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

fn prepared(pg: &Pg, sql: &str) -> Statement {
    block_on(pg.client().prepare(sql)).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

fn ask(pg: &Pg, statement: &Statement, values: Values<'_>) -> Vec<Row> {
    block_on(pg.client().query(statement, values)).unwrap_or_else(|e| panic!("{e:?}"))
}

fn numbers(pg: &Pg, statement: &Statement, values: Values<'_>) -> Vec<i64> {
    let rows = ask(pg, statement, values);
    rows.iter().map(|row| row.get(0)).collect()
}

const TABLE: &str = "CREATE TABLE gold.t (n BIGINT, name TEXT, at TIMESTAMPTZ, part INT) PARTITIONED BY (part);
    INSERT INTO gold.t SELECT n, 'name ' || n::text, TIMESTAMPTZ '2026-01-01 00:00:00+00', (n / 100)::int FROM generate_series(0, 999) AS g(n)";

#[test]
fn a_lookup_sees_what_is_written_removed_and_altered() {
    let server = Server::start();
    let (pg, other) = (server.connect(), server.connect());
    pg.run(TABLE);
    let one = prepared(&pg, "SELECT n FROM gold.t WHERE n = $1");
    let named = prepared(
        &pg,
        "SELECT n, name FROM gold.t WHERE name = $1 AND part = $2",
    );
    for n in [0_i64, 5, 250, 999] {
        for _ in 0..3 {
            assert_eq!(numbers(&pg, &one, &[&n]), [n]);
            let (name, part) = (format!("name {n}"), (n / 100) as i32);
            assert_eq!(numbers(&pg, &named, &[&name, &part]), [n]);
            assert!(numbers(&pg, &named, &[&name, &(part + 1)]).is_empty());
        }
    }
    assert!(numbers(&pg, &one, &[&1000_i64]).is_empty());
    assert!(numbers(&pg, &one, &[&None::<i64>]).is_empty());
    other.run("INSERT INTO gold.t (n, part) VALUES (1000, 10), (5, 0)");
    assert_eq!(numbers(&pg, &one, &[&1000_i64]), [1000]);
    assert_eq!(numbers(&pg, &one, &[&5_i64]), [5, 5]);
    other.run("DELETE FROM gold.t WHERE n = 250");
    assert!(numbers(&pg, &one, &[&250_i64]).is_empty());
    other.run("UPDATE gold.t SET n = 2000 WHERE n = 999");
    assert_eq!(numbers(&pg, &one, &[&2000_i64]), [2000]);
    other.run("ALTER TABLE gold.t ADD COLUMN note TEXT");
    other.run("INSERT INTO gold.t (n, part, note) VALUES (3000, 10, 'new')");
    let fresh = prepared(
        &pg,
        "SELECT n FROM gold.t WHERE n = $1 AND note IS NOT DISTINCT FROM $2",
    );
    for _ in 0..3 {
        assert_eq!(numbers(&pg, &fresh, &[&3000_i64, &"new"]), [3000]);
        assert_eq!(numbers(&pg, &fresh, &[&7_i64, &None::<&str>]), [7]);
    }
    other.run("TRUNCATE gold.t");
    assert!(numbers(&pg, &fresh, &[&3000_i64, &"new"]).is_empty());
}

#[test]
fn aggregates_sorts_and_limits_run_again_and_again() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(TABLE);
    let top = prepared(
        &pg,
        "SELECT n FROM gold.t WHERE n < $1 ORDER BY n DESC LIMIT 3",
    );
    let sums = prepared(
        &pg,
        "SELECT sum(n)::bigint, part FROM gold.t WHERE part <= $1 GROUP BY part ORDER BY part",
    );
    let counted = prepared(&pg, "SELECT count(*) FROM gold.t WHERE at >= $1");
    let shown = prepared(&pg, "SELECT $1::bigint + n FROM gold.t WHERE n = 7");
    for n in [100_i64, 3, 0, 500] {
        let expected: Vec<i64> = (0..n).rev().take(3).collect();
        assert_eq!(numbers(&pg, &top, &[&n]), expected);
        let part = (n / 100) as i32;
        let expected: Vec<i64> = (0..=i64::from(part))
            .map(|part| (part * 100..part * 100 + 100).sum())
            .collect();
        assert_eq!(numbers(&pg, &sums, &[&part]), expected);
        assert_eq!(numbers(&pg, &counted, &[&SystemTime::UNIX_EPOCH]), [1000]);
        assert!(numbers(&pg, &counted, &[&SystemTime::now()]) == [0]);
        assert_eq!(numbers(&pg, &shown, &[&n]), [n + 7]);
    }
}

#[test]
fn two_portals_of_a_statement_have_their_own_values() {
    let server = Server::start();
    server.connect().run(TABLE);
    let mut client = server.connect().into_client();
    block_on(async {
        let statement = client
            .prepare("SELECT n FROM gold.t WHERE n >= $1")
            .await
            .unwrap();
        for _ in 0..3 {
            client.query(&statement, &[&990_i64]).await.unwrap();
        }
        let block = client.transaction().await.unwrap();
        let (few, many) = (
            block.bind(&statement, &[&998_i64]).await.unwrap(),
            block.bind(&statement, &[&990_i64]).await.unwrap(),
        );
        let first = |rows: &[Row]| rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>();
        assert_eq!(first(&block.query_portal(&many, 1).await.unwrap()).len(), 1);
        assert_eq!(first(&block.query_portal(&few, 1).await.unwrap()).len(), 1);
        let mut rest = first(&block.query_portal(&few, 0).await.unwrap());
        rest.sort_unstable();
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert_eq!(block.query_portal(&many, 0).await.unwrap().len(), 9);
    });
}

#[test]
fn a_lookup_is_refused_once_its_right_is_taken_and_follows_settings() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(TABLE);
    pg.run(
        "CREATE ROLE ann LOGIN; GRANT USAGE ON SCHEMA gold TO ann; GRANT SELECT ON gold.t TO ann",
    );
    let ann = Pg::connect_as(server.pg_port(), "ann", "sluice").unwrap();
    let one = prepared(
        &ann,
        "SELECT n, date_trunc('day', at)::text FROM gold.t WHERE n = $1",
    );
    let day = |pg: &Pg| -> String { ask(pg, &one, &[&1_i64])[0].get(1) };
    let utc = day(&ann);
    assert_eq!((day(&ann), day(&ann)), (utc.clone(), utc.clone()));
    ann.run("SET timezone = 'America/New_York'");
    assert_ne!(day(&ann), utc);
    assert_eq!(day(&ann), day(&ann));
    // Another change of the catalog takes nothing away.
    pg.run("CREATE TABLE gold.other (a INT)");
    assert_eq!(numbers(&ann, &one, &[&3_i64]), [3]);
    pg.run("REVOKE SELECT ON gold.t FROM ann");
    let refused = block_on(ann.client().query(&one, &[&1_i64])).unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().code().code(), "42501");
    pg.run("GRANT SELECT ON gold.t TO ann");
    assert_eq!(numbers(&ann, &one, &[&3_i64]), [3]);
}

#[test]
fn a_filter_on_the_window_passes_by_files_of_other_partitions() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE gold.hours (window_start TIMESTAMPTZ, n INT, date DATE, hour INT) PARTITIONED BY (date, hour)");
    pg.run(
        "INSERT INTO gold.hours SELECT t AS a, 1 AS b, CAST(t AS DATE) AS c, CAST(date_part('hour', t) AS INT) AS d
         FROM (SELECT to_timestamp(1767227400 + n * 3600) AS t FROM generate_series(0, 71) AS g(n)) x",
    );
    assert_eq!(pg.value("SELECT count(*) FROM gold.hours__files"), "72");
    for (filter, files) in [
        ("window_start >= TIMESTAMPTZ '2026-01-03 20:00:00Z'", 4),
        ("window_start = TIMESTAMPTZ '2026-01-02 05:30:00Z'", 1),
        ("date = '2026-01-02'", 24),
    ] {
        let plan = pg.run(&format!(
            "EXPLAIN ANALYZE SELECT sum(n) FROM gold.hours WHERE {filter}"
        ));
        let plan = format!("{plan:?}");
        let scanned = format!("count_files_scanned={files}");
        assert!(plan.contains(&scanned), "{filter}: {plan}");
    }
}

/// More rows than are looked at where a connection is served.
const BIG: &str = "CREATE TABLE gold.big (n BIGINT, name TEXT);
    INSERT INTO gold.big SELECT n, 'name ' || n::text FROM generate_series(1, 300000) AS g(n)";
const ALL: &str = "SELECT sum(n)::bigint, count(name), max(length(name)) FROM gold.big";

fn read(pg: &Pg) -> String {
    let rows = pg.run(ALL);
    let cells = rows[0].iter().map(|cell| cell.clone().unwrap());
    cells.collect::<Vec<_>>().join(" ")
}

fn from_memory(pg: &Pg) -> bool {
    let plan = pg.run(&format!("EXPLAIN {ALL}"));
    let mut lines = plan.iter().flatten().flatten();
    !lines.any(|line| line.contains("DeltaScan"))
}

#[test]
fn a_table_without_room_in_memory_is_read_from_its_files() {
    let server = Server::start_with(&["--query-memory", "32MB"]);
    let pg = server.connect();
    pg.run(BIG);
    for _ in 0..4 {
        assert_eq!(read(&pg), "45000150000 300000 11");
        assert!(!from_memory(&pg));
    }
}

#[test]
fn a_table_that_is_read_whole_again_is_kept_and_stays_right() {
    let server = Server::start();
    let (pg, other) = (server.connect(), server.connect());
    pg.run(BIG);
    let from_memory = || from_memory(&pg);
    assert!(!from_memory());
    for _ in 0..3 {
        assert_eq!(read(&pg), "45000150000 300000 11");
    }
    assert!(from_memory());
    other.run("BEGIN");
    assert_eq!(read(&other), "45000150000 300000 11");
    pg.run("INSERT INTO gold.big VALUES (0, 'a longer name than all of the others')");
    assert_eq!(read(&pg), "45000150000 300001 36");
    assert_eq!(read(&other), "45000150000 300000 11");
    pg.run("DELETE FROM gold.big WHERE n > 299000");
    let sum = 299_000_i64 * 299_001 / 2;
    assert_eq!(read(&pg), format!("{sum} 299001 36"));
    pg.run("UPDATE gold.big SET n = 1000000 WHERE n = 1");
    let sum = 299_000_i64 * 299_001 / 2 + 999_999;
    assert_eq!(read(&pg), format!("{sum} 299001 36"));
    assert_eq!(read(&other), "45000150000 300000 11");
    other.run("COMMIT");
    assert_eq!(read(&other), format!("{sum} 299001 36"));
    assert!(from_memory());
    pg.run(
        "ALTER TABLE gold.big ADD COLUMN note TEXT; INSERT INTO gold.big VALUES (1, NULL, 'new')",
    );
    let noted = "SELECT count(*), count(name), count(note) FROM gold.big";
    for _ in 0..3 {
        let rows = pg.run(noted);
        let cells: Vec<_> = rows[0]
            .iter()
            .map(|cell| cell.as_deref().unwrap())
            .collect();
        assert_eq!(cells, ["299002", "299001", "1"]);
    }
    pg.run("TRUNCATE gold.big");
    assert_eq!(pg.number("SELECT count(name) FROM gold.big"), 0);
}

#[test]
fn rows_are_counted_by_the_log_alone() {
    let mut server = Server::start_with(&["--query-memory", "32MB"]);
    let mut pg = server.connect();
    pg.run(BIG);
    // Nothing is known but what the log says.
    server.kill_and_restart();
    pg = server.connect();
    let paths = pg.run("SELECT path FROM gold.big__files");
    let folder = server.table_dir("gold", "big");
    let files: Vec<PathBuf> = paths
        .iter()
        .map(|row| folder.join(row[0].as_deref().unwrap()))
        .collect();
    assert!(!files.is_empty());
    let away = |file: &PathBuf| file.with_extension("away");
    for file in &files {
        fs::rename(file, away(file)).unwrap();
    }
    for count in ["count(*)", "count(1)"] {
        let sql = format!("SELECT {count} FROM gold.big");
        assert_eq!(pg.number(&sql), 300_000);
        let plan = format!("{:?}", pg.run(&format!("EXPLAIN {sql}")));
        assert!(!plan.contains("DeltaScan"), "{plan}");
    }
    // The files are what anything else is read from.
    let refused = pg.try_run(ALL).unwrap_err();
    assert!(!refused.state.is_empty(), "{refused}");
    for file in &files {
        fs::rename(away(file), file).unwrap();
    }
    assert_eq!(read(&pg), "45000150000 300000 11");
}
