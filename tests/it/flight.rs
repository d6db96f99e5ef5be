//! Flight SQL beside the Postgres door: a statement means the same at both, and what the protocol asks beside statements is told as it is.

use std::fs;

use serde_json::{Value, json};
use sluice_tests::{
    parts::{postgres, python},
    server::Server,
};

/// The answers to statements of one session, as ADBC gives them.
fn answers(server: &Server, statements: &[&str]) -> Vec<Value> {
    let list = json!(statements).to_string();
    let port = server.flight_port().to_string();
    let told = python::run("flight_answers.py", &[&port, &list]);
    told.as_array().unwrap().clone()
}

/// What only PostgreSQL's dialect has, under PostgreSQL's names.
#[test]
fn flight_sql_has_the_dialect_of_the_postgres_door() {
    let server = Server::start();
    let cases = [
        (
            "SELECT current_user, session_user, user",
            json!(["current_user", "session_user", "user"]),
            json!(["sluice", "sluice", "sluice"]),
        ),
        (
            "SELECT current_schema, current_database()",
            json!(["current_schema", "current_database"]),
            json!(["public", "sluice"]),
        ),
        (
            "SELECT 1, 1, 'a' || 'b'",
            json!(["?column?", "?column?", "?column?"]),
            json!([1, 1, "ab"]),
        ),
        (
            "SELECT upper('x'), count(*)",
            json!(["upper", "count"]),
            json!(["X", 1]),
        ),
        (
            "SELECT current_setting('TimeZone')",
            json!(["current_setting"]),
            json!(["UTC"]),
        ),
        (
            "SELECT to_char(timestamp '2026-03-04 05:06:07', 'YYYY-MM-DD HH24:MI')",
            json!(["to_char"]),
            json!(["2026-03-04 05:06"]),
        ),
        (
            "SELECT 'abc' SIMILAR TO 'a%' AS a, 'xabcx' SIMILAR TO 'abc' AS b",
            json!(["a", "b"]),
            json!([true, false]),
        ),
        (
            "SELECT pg_typeof(1.5::float8), json_build_object('a', 1)",
            json!(["pg_typeof", "json_build_object"]),
            json!(["double precision", "{\"a\" : 1}"]),
        ),
        (
            "SELECT set_config('application_name', 'mine', false)",
            json!(["set_config"]),
            json!(["mine"]),
        ),
        (
            "SHOW application_name",
            json!(["application_name"]),
            json!(["mine"]),
        ),
        (
            "SELECT relname FROM pg_catalog.pg_class WHERE relname = 'pg_class'",
            json!(["relname"]),
            json!(["pg_class"]),
        ),
        (
            "SELECT typname FROM pg_type WHERE oid = 20",
            json!(["typname"]),
            json!(["int8"]),
        ),
        (
            "SELECT table_schema FROM information_schema.tables WHERE table_name = 'columns'",
            json!(["table_schema"]),
            json!(["information_schema"]),
        ),
    ];
    let statements = cases.each_ref().map(|(statement, ..)| *statement);
    for ((statement, columns, row), told) in cases.iter().zip(answers(&server, &statements)) {
        assert_eq!(told["columns"], *columns, "{statement}: {told}");
        assert_eq!(told["rows"], json!([row]), "{statement}: {told}");
    }
    let told = answers(&server, &["SELECT version()"]);
    let version = told[0]["rows"][0][0].as_str().unwrap();
    assert!(version.starts_with("PostgreSQL 15"), "{version}");
}

/// PostgreSQL's relations answer who asks them; a listing has what people made, and the server's own.
#[test]
fn a_listing_has_no_relations_of_postgresqls() {
    let server = Server::start();
    server.connect().run("CREATE VIEW gold.v AS SELECT 1 AS a");
    let port = server.flight_port().to_string();
    let sql = "SELECT count(*) AS n FROM pg_class";
    let answer = python::run("read_flight.py", &[&port, sql]);
    assert!(answer["rows"][0]["n"].as_i64().unwrap() > 100, "{answer}");
    let tables = answer["tables"].as_array().unwrap();
    let theirs = |name: &&Value| {
        let name = name.as_str().unwrap();
        name.starts_with("pg_catalog.") || name.starts_with("information_schema.")
    };
    assert_eq!(tables.iter().find(theirs), None);
    assert!(tables.contains(&json!("gold.v")), "{tables:?}");
}

/// The statements that are compared with PostgreSQL's answers, at one door and at the other.
#[test]
fn a_statement_means_the_same_at_both_doors() {
    let server = Server::start();
    server.connect().run(&postgres::schema());
    let folder = sluice_tests::folder().join("postgres/statements");
    let files = fs::read_dir(folder).unwrap();
    let files = files.map(|file| file.unwrap().path().to_str().unwrap().to_owned());
    // Prepared statements by name, cursors and what blocks leave are of the Postgres protocol.
    let files = files.filter(|file| !file.ends_with("/sessions.sql"));
    let mut files: Vec<String> = files.collect();
    files.sort();
    let ports = [server.pg_port(), server.flight_port()].map(|port| port.to_string());
    let arguments = ports.iter().chain(&files).map(String::as_str);
    let arguments: Vec<&str> = arguments.collect();
    let told = python::run("both_doors.py", &arguments);
    assert!(told["asked"].as_u64().unwrap() > 350, "{}", told["asked"]);
    let unlike = told["unlike"].as_array().unwrap();
    let unlike = unlike.iter().filter(|one| !is_on_purpose(one));
    let unlike: Vec<String> = unlike.map(|one| format!("{one:#}")).collect();
    assert!(
        unlike.is_empty(),
        "{} unlike:\n{}",
        unlike.len(),
        unlike.join("\n")
    );
}

/// Cursors, blocks and several statements in one are of the Postgres protocol; and what a tool asks of PostgreSQL's catalog that is not
/// there is nothing at its door, and an error here.
fn is_on_purpose(one: &Value) -> bool {
    let text = |key: &str| one[key].as_str().unwrap();
    let sql = text("sql");
    let protocols = [
        "CLOSE ",
        "DEALLOCATE ",
        "DECLARE ",
        "FETCH ",
        "RELEASE ",
        "SAVEPOINT ",
    ];
    let of_the_protocol = protocols.iter().any(|word| sql.starts_with(word));
    let several = sql.contains("; ") && text("flight") == "42601";
    let nothing = !text("postgres").contains('\n') && !text("postgres").starts_with("ERROR");
    let about = ["pg_", "information_schema"];
    let unanswered = nothing && about.iter().any(|word| sql.contains(word));
    let refused = of_the_protocol && text("flight") == "0A000";
    one["what"] == "error" && (refused || several || unanswered)
}

/// A block that is not there is refused, and not passed over as if it were.
#[test]
fn a_transaction_block_over_flight_is_refused() {
    let server = Server::start();
    let statements = [
        "CREATE TABLE t (a INT)",
        "BEGIN",
        "START TRANSACTION READ ONLY",
        "SAVEPOINT s",
        "RELEASE SAVEPOINT s",
        "ROLLBACK TO SAVEPOINT s",
        "COMMIT",
        "ROLLBACK",
        "END",
        "SELECT count(*) FROM t",
    ];
    let told = answers(&server, &statements);
    let last = told.len() - 1;
    for (statement, told) in statements[1..last].iter().zip(&told[1..last]) {
        assert_eq!(told["error"], "0A000", "{statement}: {told}");
        let message = told["message"].as_str().unwrap();
        assert!(
            message.contains("transactions are not supported"),
            "{message}"
        );
    }
    assert_eq!(told[last]["rows"], json!([[0]]));
}

/// What goes wrong while rows come has its own code and words.
#[test]
fn errors_among_rows_keep_their_code() {
    let server = Server::start();
    let statements = [
        "SELECT repeat('x', 2000000000)",
        "SELECT 1 / (a - 2) FROM generate_series(1, 3) AS t(a)",
        "SELECT CAST(a || 'x' AS INT) FROM generate_series(1, 3) AS t(a)",
        "SELECT CAST(a * 1000000000000 AS INT) FROM generate_series(1, 3) AS t(a)",
    ];
    let told = answers(&server, &statements);
    let states: Vec<&Value> = told.iter().map(|told| &told["error"]).collect();
    assert_eq!(states, ["54000", "22012", "22P02", "22003"], "{told:#?}");
    let message = told[0]["message"].as_str().unwrap();
    assert!(!message.contains("External error"), "{message}");
}

/// Ingest beside its modes, which `copy.rs` has.
#[test]
fn ingest_takes_any_name_and_says_what_is_wrong_with_a_catalog() {
    let mut server = Server::start();
    let port = server.flight_port().to_string();
    let told = python::run("ingest_adbc.py", &[&port]);
    let letters = json!([2, 2, 2, [[1, "a"], [2, null]]]);
    let expected = json!({
        "another catalog": "3D000", "ours": 2, "no batch": 0,
        "a batch of no rows": 0, "made of it": [[0]],
        "é": letters, "données dété": letters, "表": letters,
        "temporary": 2, "temporary again": "42P07", "temporary appended": 2, "temporary rows": [[4, 2]],
        "temporary elsewhere": "42P16", "temporary replaced": 1, "temporary left": [[1]],
        "of another session": "42P01",
    });
    assert_eq!(told, expected);
    server.kill_and_restart();
    let pg = server.connect();
    pg.run("INSERT INTO \"é\" VALUES (3, 'ß')");
    pg.run("UPDATE \"é\" SET \"näme\" = 'b' WHERE id = 2");
    let rows = pg.run("SELECT id, \"näme\" FROM \"é\" ORDER BY id");
    let expected = [["1", "a"], ["2", "b"], ["3", "ß"]];
    assert_eq!(
        rows,
        expected.map(|row| row.map(|text| Some(text.to_owned())))
    );
}
