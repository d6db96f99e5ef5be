//! What a session has of its own: prepared statements by name, cursors, temporary views.

use sluice_tests::{
    parts::python,
    pg::{Pg, block_on},
    server::Server,
};

/// Texts of the first column.
fn texts(pg: &Pg, sql: &str) -> Vec<String> {
    let rows = pg.run(sql).into_iter();
    rows.map(|row| row[0].clone().unwrap_or_default()).collect()
}

#[test]
fn statements_of_the_protocol_and_of_sql_have_one_namespace() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("PREPARE by_sql (int) AS SELECT $1 + 1 AS next");
    block_on(async {
        let client = pg.client();
        let by_wire = client
            .prepare("SELECT $1::bigint * 2 AS twice")
            .await
            .unwrap();
        let rows = client.query(&by_wire, &[&21_i64]).await.unwrap();
        assert_eq!(rows[0].get::<_, i64>(0), 42);
        // EXECUTE as a message of the protocol: described, and binary.
        let rows = client.query("EXECUTE by_sql(41)", &[]).await.unwrap();
        assert_eq!(rows[0].columns()[0].name(), "next");
        let name = client
            .query_one(
                "SELECT name FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1%' AND NOT from_sql",
                &[],
            )
            .await
            .unwrap();
        let name: String = name.get(0);
        let rows = client.simple_query(&format!("EXECUTE \"{name}\"(4)")).await;
        assert!(rows.is_ok(), "{rows:?}");
        let taken = format!("PREPARE \"{name}\" AS SELECT 1");
        let taken = client.batch_execute(&taken).await.unwrap_err();
        assert_eq!(taken.as_db_error().unwrap().code().code(), "42P05");
        client
            .batch_execute(&format!("DEALLOCATE \"{name}\""))
            .await
            .unwrap();
        let gone = client.query(&by_wire, &[&1_i64]).await.unwrap_err();
        assert_eq!(gone.as_db_error().unwrap().code().code(), "26000");
    });
    assert_eq!(texts(&pg, "EXECUTE by_sql(1)"), ["2"]);
    pg.refused("EXECUTE by_sql", "42601", &["wrong number"]);
    // It is of the session alone, and of no transaction.
    pg.run("BEGIN; PREPARE more AS SELECT 'more'; ROLLBACK");
    assert_eq!(texts(&pg, "EXECUTE more"), ["more"]);
    server.connect().refused("EXECUTE more", "26000", &["more"]);
    pg.run("DISCARD ALL");
    pg.refused("EXECUTE more", "26000", &["more"]);
}

#[test]
fn what_a_prepared_statement_writes_is_written() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE t (a INT, b TEXT); CREATE TEMP TABLE w (a INT)");
    pg.run("PREPARE put (int, text) AS INSERT INTO t VALUES ($1, $2)");
    pg.run("PREPARE note AS INSERT INTO w VALUES ($1)");
    pg.run("BEGIN; EXECUTE put(1, 'x'); EXECUTE put(2, NULL); EXECUTE note(7); COMMIT");
    assert_eq!(pg.number("SELECT count(*) FROM t"), 2);
    assert_eq!(pg.number("SELECT a FROM w"), 7);
    pg.run("BEGIN READ ONLY");
    pg.refused("EXECUTE put(3, 'y')", "25006", &["INSERT"]);
    pg.run("ROLLBACK");
    let refused = pg.refused("EXECUTE put('x', 'y')", "22P02", &["integer"]);
    assert_eq!(refused.position, Some(13));
}

#[test]
fn an_execute_is_explained_with_its_values() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE t (a INT); PREPARE q (int) AS SELECT * FROM t WHERE a > $1");
    let plan = texts(&pg, "EXPLAIN EXECUTE q(5)").join("\n");
    assert!(
        plan.contains("a > Int32(5)") || plan.contains("> 5"),
        "{plan}"
    );
    let document = pg.value("EXPLAIN (FORMAT JSON) EXECUTE q(5)");
    assert!(document.starts_with('['), "{document}");
    pg.refused("EXPLAIN EXECUTE q", "42601", &["wrong number"]);
    pg.refused("EXPLAIN EXECUTE nothing(1)", "26000", &["nothing"]);
}

#[test]
fn a_text_has_commands_that_the_parser_does_not_know() {
    let server = Server::start();
    let pg = server.connect();
    let text = "BEGIN; DECLARE c SCROLL CURSOR FOR SELECT ';' || n FROM generate_series(1, 5) AS t (n); MOVE 3 IN c; FETCH RELATIVE -1 FROM c; COMMIT";
    assert_eq!(texts(&pg, text), [";2"]);
    let error = pg.refused("MOVE 1 IN c; SELECT nothing", "34000", &["\"c\""]);
    assert_eq!(error.position, None);
    let error = pg.refused("BEGIN; MOVE 1 IN c; SELEC 1", "42601", &["MOVE"]);
    assert_eq!(error.position, Some(8));
}

#[test]
fn psycopg_scrolls_and_finds_what_is_prepared() {
    let server = Server::start();
    let answer = python::run("scroll_psycopg.py", &[&server.pg_port().to_string()]);
    let expected = serde_json::json!({
        "first": [101, 102], "on": 603, "again": 101, "back": 101, "end": [999, 1000],
        "held": [[1, "a"], [2, null]], "held again": [[1, "a"], [2, null]],
        "forward": "55000",
        "prepared": [false, ["smallint"]], "executed": 42,
        "columns": ["a", "b"], "row": [1, "x"],
    });
    assert_eq!(answer, expected);
}

#[test]
fn a_cursor_that_scrolls_has_what_memory_there_is() {
    let server = Server::start_with(&["--query-memory", "32 MB"]);
    let (pg, other) = (server.connect(), server.connect());
    pg.run("BEGIN; DECLARE c SCROLL CURSOR FOR SELECT * FROM generate_series(1, 20000000)");
    assert_eq!(texts(&pg, "FETCH ABSOLUTE 1000 FROM c"), ["1000"]);
    pg.refused("FETCH LAST FROM c", "53200", &["memory"]);
    pg.run("ROLLBACK");
    // What it held is free again.
    other.run("BEGIN; DECLARE c SCROLL CURSOR FOR SELECT * FROM generate_series(1, 1000000)");
    assert_eq!(texts(&other, "FETCH LAST FROM c"), ["1000000"]);
    assert_eq!(texts(&other, "FETCH FIRST FROM c"), ["1"]);
    other.run("COMMIT");
}

#[test]
fn a_temporary_view_is_of_its_session() {
    let server = Server::start();
    let (pg, other) = (server.connect(), server.connect());
    pg.run("CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2)");
    pg.run("CREATE TEMP TABLE w AS SELECT 10 AS a");
    pg.run("CREATE TEMP VIEW v AS SELECT CAST(t.a + w.a AS BIGINT) AS sum FROM t CROSS JOIN w");
    pg.run("CREATE TEMP VIEW u AS SELECT max(sum) AS most FROM v");
    assert_eq!(pg.number("SELECT most FROM u"), 12);
    other.refused("SELECT * FROM v", "42P01", &["\"v\""]);
    // Rows that come later are seen, by a prepared statement too.
    pg.run("PREPARE q AS SELECT most FROM u");
    other.run("INSERT INTO t VALUES (5)");
    pg.run("UPDATE w SET a = 20");
    assert_eq!(texts(&pg, "EXECUTE q"), ["25"]);
    pg.run("CREATE OR REPLACE TEMP VIEW v AS SELECT CAST(7 AS BIGINT) AS sum");
    assert_eq!(texts(&pg, "EXECUTE q"), ["7"]);
    // A table that goes is told of by who reads the view.
    pg.run("CREATE TEMP VIEW upon AS SELECT * FROM t");
    other.run("DROP TABLE t");
    pg.refused("SELECT * FROM upon", "42P01", &["t"]);
    assert_eq!(pg.number("SELECT most FROM u"), 7);
    other.run("CREATE TABLE t (b TEXT, c INT); INSERT INTO t VALUES ('x', 1)");
    assert_eq!(texts(&pg, "SELECT b FROM upon"), ["x"]);
    // A view of everybody's stays what it is.
    pg.take_notices();
    pg.run("CREATE VIEW mine AS SELECT * FROM w");
    let notices = pg.take_notices();
    assert!(
        notices
            .iter()
            .any(|notice| notice.message == "view \"mine\" will be a temporary view"),
        "{notices:?}"
    );
    other.refused("SELECT * FROM mine", "42P01", &["mine"]);
    pg.run("DISCARD ALL");
    pg.refused("SELECT * FROM upon", "42P01", &["upon"]);
}

#[test]
fn a_temporary_view_reads_with_the_rights_of_whoever_reads_it() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE t (a INT); INSERT INTO t VALUES (1); CREATE ROLE reader");
    pg.run("CREATE TEMP VIEW v AS SELECT a FROM t");
    pg.run("SET ROLE reader");
    pg.refused("SELECT * FROM v", "42501", &["t"]);
    pg.refused("CREATE TEMP VIEW w AS SELECT * FROM t", "42501", &["t"]);
    pg.run("RESET ROLE; GRANT SELECT ON t TO reader; SET ROLE reader");
    assert_eq!(pg.number("SELECT a FROM v"), 1);
    pg.run("RESET ROLE; REVOKE TEMPORARY ON DATABASE sluice FROM PUBLIC; SET ROLE reader");
    pg.refused("CREATE TEMP VIEW w AS SELECT 1 AS a", "42501", &[]);
}

#[test]
fn what_is_temporary_is_had_over_flight_too() {
    let server = Server::start();
    let port = server.flight_port().to_string();
    let answer = python::run("flight_temporary.py", &[&port]);
    assert_eq!(
        answer["rows"],
        serde_json::json!([[1, "A", 1, 3], [2, "B", 1, 3]])
    );
    let errors = answer["errors"].as_array().unwrap();
    for (error, says) in errors.iter().zip([
        "relation \"gone\" does not exist",
        "relation \"named\" already exists",
        "cannot drop view \"named\" because other objects depend on it",
        "cannot create temporary relation in non-temporary schema",
    ]) {
        assert!(error.as_str().unwrap().contains(says), "{error}");
    }
    assert!(
        answer["beside"]
            .as_str()
            .unwrap()
            .contains("does not exist")
    );
}
