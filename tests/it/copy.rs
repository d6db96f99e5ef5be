//! COPY as clients do it: psql's \copy, psycopg, asyncpg's binary records, tokio-postgres' extended protocol; and bulk ingest over Flight SQL.

use std::{
    fs,
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use futures::{SinkExt, TryStreamExt, pin_mut};
use serde_json::json;
use sluice_tests::{
    parts::{psql, python},
    pg::{Pg, Refusal, block_on},
    server::Server,
};

use crate::support::{Exercised, exercised, python_version};

const TABLE: &str = "CREATE TABLE t (id INT NOT NULL, name TEXT, price NUMERIC(10, 2), seen TIMESTAMPTZ, raw BYTEA)";

/// Sends data in pieces and gives the server's refusal, or the number of rows.
fn copy_in(pg: &Pg, statement: &str, pieces: &[&[u8]]) -> Result<u64, tokio_postgres::Error> {
    block_on(async {
        let sink = pg.client().copy_in(statement).await?;
        pin_mut!(sink);
        for piece in pieces {
            sink.send(bytes::Bytes::copy_from_slice(piece)).await?;
        }
        sink.finish().await
    })
}

fn copy_out(pg: &Pg, statement: &str) -> Vec<u8> {
    block_on(async {
        let stream = pg.client().copy_out(statement).await.unwrap();
        let pieces: Vec<bytes::Bytes> = stream.try_collect().await.unwrap();
        pieces.concat()
    })
}

/// The refusal and where it says that things went wrong.
fn refused(pg: &Pg, statement: &str, pieces: &[&[u8]]) -> (Refusal, String) {
    let error = copy_in(pg, statement, pieces).unwrap_err();
    let error = error.as_db_error().expect("an answer of the server");
    (
        Refusal::from(error),
        error.where_().unwrap_or_default().to_owned(),
    )
}

#[test]
fn every_format_brings_back_what_went_out() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(TABLE);
    pg.run(
        r#"INSERT INTO t VALUES (1, 'plain', 1.5, '2026-11-27 10:00:00.25+00', '\xdeadbeef'), (2, '', NULL, NULL, ''),
          (3, 'tab	and "quotes", comma', -0.01, NULL, NULL), (4, E'line\nbreak \\N \\.', 0, NULL, NULL), (5, NULL, 99999999.99, '1969-12-31', NULL)"#,
    );
    let before = pg.run("SELECT * FROM t ORDER BY id");
    for (number, options) in [
        "",
        "WITH (FORMAT csv)",
        "WITH (FORMAT csv, HEADER, DELIMITER ';', NULL 'null', QUOTE '''', FORCE_QUOTE *)",
        "WITH (DELIMITER '|', NULL '')",
        "WITH (FORMAT binary)",
        "CSV HEADER",
    ]
    .into_iter()
    .enumerate()
    {
        let data = copy_out(&pg, &format!("COPY t TO STDOUT {options}"));
        // In text a null that looks like a text cannot be told from one.
        let lossy = options.contains("NULL ''");
        let table = format!("back{number}");
        pg.run(&TABLE.replace(" t ", &format!(" {table} ")));
        let pieces: Vec<&[u8]> = data.chunks(7).collect();
        let rows = copy_in(&pg, &format!("COPY {table} FROM STDIN {options}"), &pieces).unwrap();
        assert_eq!(rows, 5, "{options}");
        let after = pg.run(&format!("SELECT * FROM {table} ORDER BY id"));
        match lossy {
            true => assert_eq!(after[0], before[0]),
            false => assert_eq!(after, before, "{options}"),
        }
        // One commit, however the data came.
        assert_eq!(
            pg.number(&format!("SELECT max(version) FROM {table}__history")),
            1
        );
    }
    let some = copy_out(&pg, "COPY t (name, id) TO STDOUT CSV");
    assert_eq!(
        some.split(|byte| *byte == b'\n').next().unwrap(),
        b"plain,1"
    );
    let query = copy_out(
        &pg,
        "COPY (SELECT id, upper(name) FROM t WHERE id = 1) TO STDOUT",
    );
    assert_eq!(query, b"1\tPLAIN\n");
    assert_eq!(
        copy_out(&pg, "COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)").len(),
        21
    );
}

#[test]
fn a_bad_line_is_told_with_its_place_and_nothing_is_written() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(TABLE);
    let ask = |options: &str, data: &str| {
        let statement = format!("COPY t (id, name, price) FROM STDIN {options}");
        refused(&pg, &statement, &[data.as_bytes()])
    };
    for (options, data, state, message, place) in [
        (
            "",
            "1\ta\t1\nx\tb\t2\n",
            "22P02",
            "invalid input syntax for type integer: \"x\"",
            "COPY t, line 2, column id: \"x\"",
        ),
        (
            "",
            "1\ta\t1\n2\tb\n",
            "22P04",
            "missing data for column \"price\"",
            "COPY t, line 2",
        ),
        (
            "",
            "1\ta\t1\t4\n",
            "22P04",
            "extra data after last expected column",
            "COPY t, line 1",
        ),
        (
            "",
            "99999999999\ta\t1\n",
            "22003",
            "value \"99999999999\" is out of range for type integer",
            "COPY t, line 1, column id: \"99999999999\"",
        ),
        (
            "",
            "1\ta\t123456789012\n",
            "22003",
            "numeric field overflow",
            "COPY t, line 1, column price: \"123456789012\"",
        ),
        (
            "CSV HEADER",
            "id,name,price\n1,a,1\n2,b,dear\n",
            "22P02",
            "invalid input syntax for type numeric: \"dear\"",
            "COPY t, line 3, column price: \"dear\"",
        ),
        (
            "(FORMAT csv, HEADER match)",
            "id,title,price\n",
            "22P04",
            "column name mismatch in header line field 2: got \"title\", expected \"name\"",
            "COPY t, line 1",
        ),
        (
            "CSV",
            "1,\"a,1\n",
            "22P04",
            "unterminated CSV quoted field",
            "COPY t, line 1",
        ),
        (
            "(FORMAT binary)",
            "1,2,3\n",
            "22P04",
            "COPY file signature not recognized",
            "COPY t, line 1",
        ),
    ] {
        let (refusal, told) = ask(options, data);
        assert_eq!(
            (refusal.state.as_str(), refusal.message.as_str()),
            (state, message),
            "{options} {data:?}"
        );
        assert_eq!(told, place, "{options} {data:?}");
        // The connection goes on.
        assert_eq!(pg.number("SELECT count(*) FROM t"), 0);
    }
    let (refusal, _) = ask("", "\\N\ta\t1\n");
    assert_eq!(refusal.state, "23502", "{refusal}");
    let (refusal, _) = refused(&pg, "COPY t FROM STDIN", &[b"1\t\xff\t\\N\t\\N\t\\N\n"]);
    assert_eq!(refusal.state, "22021", "{refusal}");
    // A good line after many rows is still all or nothing.
    let mut many: Vec<u8> = Vec::new();
    for id in 0..50_000 {
        writeln!(many, "{id}\tname {id}\t1").unwrap();
    }
    many.extend_from_slice(b"oops\tx\t1\n");
    let (refusal, told) = refused(&pg, "COPY t (id, name, price) FROM STDIN", &[&many]);
    assert_eq!(refusal.state, "22P02", "{refusal}");
    assert_eq!(told, "COPY t, line 50001, column id: \"oops\"");
    assert_eq!(pg.number("SELECT count(*) FROM t"), 0);
    assert_eq!(pg.number("SELECT max(version) FROM t__history"), 0);
}

#[test]
fn what_cannot_be_copied_says_why() {
    let server = Server::start();
    let pg = server.connect();
    pg.run(TABLE);
    pg.run("CREATE VIEW v AS SELECT 1 AS a");
    pg.refused(
        "COPY v TO STDOUT",
        "42809",
        &["cannot copy from view \"v\"", "COPY (SELECT"],
    );
    pg.refused("COPY v FROM STDIN", "42809", &["cannot copy to view \"v\""]);
    pg.refused(
        "COPY nothing FROM STDIN",
        "42P01",
        &["relation \"nothing\" does not exist"],
    );
    pg.refused(
        "COPY t (id, colour) FROM STDIN",
        "42703",
        &["column \"colour\" of relation \"t\" does not exist"],
    );
    pg.refused(
        "COPY t FROM '/etc/passwd'",
        "0A000",
        &["file or program", "\\copy"],
    );
    pg.refused("COPY t TO '/tmp/x'", "0A000", &["file or program"]);
    let failed = psql::run(
        server.pg_port(),
        &[
            "-c",
            "COPY (SELECT 1 / (n - 3) FROM generate_series(1, 5) AS s(n)) TO STDOUT",
        ],
    );
    let told = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(
        !failed.status.success() && told.contains("division by zero"),
        "{told}"
    );
    pg.refused("COPY (SELECT id FROM nothing) TO STDOUT", "42P01", &[]);
    assert_eq!(pg.number("SELECT 1"), 1);
    // A client that gives up, by telling and by going away.
    let abandoned = || {
        block_on(async {
            let sink = pg.client().copy_in("COPY t (id) FROM STDIN").await.unwrap();
            pin_mut!(sink);
            sink.send(bytes::Bytes::from_static(b"1\n2\n"))
                .await
                .unwrap();
            // Dropped without a finish, the driver sends CopyFail.
        });
    };
    abandoned();
    assert_eq!(pg.number("SELECT count(*) FROM t"), 0);
}

#[test]
fn psql_copies_files_both_ways() {
    let server = Server::start();
    let port = server.pg_port();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.csv");
    fs::write(&file, "id,name\n1,\"a, b\"\n2,\n").unwrap();
    let out = folder.path().join("out.csv");
    let script = format!(
        "CREATE TABLE c (id INT, name TEXT);\n\
         \\copy c FROM '{}' CSV HEADER\n\
         \\copy (SELECT * FROM c ORDER BY id) TO '{}' (FORMAT csv, HEADER)\n\
         COPY c (id) FROM STDIN;\n3\n4\n\\.\n\
         SELECT count(*) FROM c;\n",
        file.display(),
        out.display()
    );
    let path = folder.path().join("script.sql");
    fs::write(&path, script).unwrap();
    let printed = psql::print(port, &["-At", "-f", path.to_str().unwrap()]);
    assert_eq!(printed, "CREATE TABLE\nCOPY 2\nCOPY 2\nCOPY 2\n4\n");
    assert_eq!(
        fs::read_to_string(out).unwrap(),
        "id,name\n1,\"a, b\"\n2,\n"
    );
    // psql is interrupted in the middle of the data: nothing of them is there.
    let mut child = psql::command(port)
        .args(["-c", "\\copy c FROM STDIN"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for id in 0..100_000 {
        writeln!(input, "{id}\tx").unwrap();
    }
    input.flush().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(input);
    let pg = server.connect();
    assert_eq!(pg.number("SELECT count(*) FROM c"), 4);
    pg.run("INSERT INTO c VALUES (5, 'on')");
    assert_eq!(pg.number("SELECT count(*) FROM c"), 5);
}

#[test]
fn much_is_copied_both_ways_in_little_memory() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE wide (id BIGINT, text TEXT, value DOUBLE PRECISION)");
    pg.run("CREATE TABLE again (id BIGINT, text TEXT, value DOUBLE PRECISION)");
    pg.run("INSERT INTO wide SELECT s.n, repeat('x', 100) || s.n::TEXT, s.n / 3.0 FROM generate_series(1, 1000000) AS s(n)");
    let began = Instant::now();
    let port = server.pg_port();
    let mut from = psql::command(port)
        .args(["-c", "COPY wide TO STDOUT"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let to = psql::command(port)
        .args(["-c", "COPY again FROM STDIN"])
        .stdin(from.stdout.take().unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let peak = |server: &Server| server.memory_mib("VmHWM");
    assert!(to.wait_with_output().unwrap().status.success());
    assert!(from.wait().unwrap().success());
    eprintln!(
        "1 M rows out and in again: {:?}, peak {:.0} MiB",
        began.elapsed(),
        peak(&server)
    );
    let sums = |table: &str| {
        pg.run(&format!(
            "SELECT count(*), sum(id), sum(length(text)), round(sum(value)) FROM {table}"
        ))
    };
    assert_eq!(sums("wide"), sums("again"));
    assert!(began.elapsed() < Duration::from_secs(120));
}

#[test]
fn psycopg_and_asyncpg_copy_and_write() {
    let server = Server::start();
    let port = server.pg_port().to_string();
    assert_eq!(
        python::run("write_psycopg.py", &[&port]),
        json!({
            "inserted": 3, "many": 3, "text": 2, "binary": 2, "read": [[1, "one"], [2, null]],
            "rows": 10, "error": "22P02", "where": "COPY p, line 1, column id: \"x\"", "after": 10,
        })
    );
    let asyncpg =
        python::venv("asyncpg", &["asyncpg==0.32.0"]).unwrap_or_else(|e| panic!("no asyncpg: {e}"));
    assert_eq!(
        python::run_with(&asyncpg, "copy_asyncpg.py", &[&port]),
        json!({ "records": "COPY 3", "table": "COPY 2", "query": "1,one\n2,\n", "rows": [[1, "one", 1.5], [2, null, null], [3, "three", 0.25]] })
    );
    exercised(&Exercised {
        test: "psycopg_and_asyncpg_copy_and_write",
        client: "asyncpg",
        version: &python_version(&asyncpg, "asyncpg"),
        what: "binary COPY of records and of a file, a query copied out, writing and reading",
        but: "",
    });
}

#[test]
fn adbc_ingests_and_counts() {
    let server = Server::start();
    let port = server.flight_port().to_string();
    let answer = python::run("write_adbc.py", &[&port]);
    assert_eq!(
        answer,
        json!({
            "created": 3, "appended": 3, "again": "ALREADY_EXISTS", "missing": "NOT_FOUND", "replaced": 1,
            "large": 300_000, "updated": 2, "deleted": 1, "many": 3, "inserted": 1,
            "types": ["int64", "decimal128(8, 2)", "string", "timestamp[us, tz=UTC]"], "rows": [[7, "seven"]],
        })
    );
}

/// A table of the session takes rows as any other, all of them or none.
#[test]
fn a_temporary_table_is_copied_into_and_out_of() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("temporary.sql");
    let script = "\\set ON_ERROR_STOP 0\nCREATE TEMP TABLE t (id INT, name TEXT);\n\
        COPY t FROM STDIN;\n1\tone\n2\t\\N\n\\.\n\
        COPY t (name) FROM STDIN (FORMAT csv);\nthree\n\\.\n\
        COPY t FROM STDIN;\n4\tfour\nx\tfive\n\\.\n\
        COPY t (nothing) FROM STDIN;\n\
        \\echo :SQLSTATE\n\
        SELECT * FROM t ORDER BY id;\n\
        COPY t TO STDOUT (FORMAT csv);\n";
    fs::write(&path, script).unwrap();
    let printed = psql::print(server.pg_port(), &["-At", "-f", path.to_str().unwrap()]);
    let expected = "CREATE TABLE\nCOPY 2\nCOPY 1\n42703\n1|one\n2|\n|three\n1,one\n2,\n,three\n";
    assert_eq!(printed, expected);
}

/// The page's scripts for psql and what it prints of them.
#[test]
fn the_examples_of_the_page_give_what_they_say() {
    let page = sluice_tests::folder().join("../docs/sql/copy.md");
    let page = fs::read_to_string(page).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut examples = 0;
    for example in page.split("```psql\n").skip(1) {
        let (script, rest) = example
            .split_once("```\n```text\n")
            .expect("a script has an answer");
        let (expected, _) = rest.split_once("```").unwrap();
        let path = folder.path().join("example.sql");
        fs::write(&path, script).unwrap();
        let server = Server::start();
        let printed = psql::print(server.pg_port(), &["-At", "-f", path.to_str().unwrap()]);
        assert_eq!(printed, expected);
        examples += 1;
    }
    assert!(examples > 0);
}
