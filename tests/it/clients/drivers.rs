//! Drivers and libraries, each by its example in `clients/`, which checks its own answers and prints its version last.

use std::process::Command;

use sluice_tests::{
    install,
    parts::{clients, postgres},
    pg::Pg,
    server::{Server, binary},
};

use super::{known, make_known, path};
use crate::support::{Exercised, exercised, said};

/// Runs an example and keeps its row; `called` is how it names itself before the version.
fn example(test: &str, client: &str, called: &str, what: &str, command: &mut Command) {
    let last = said(command);
    let version = last
        .strip_prefix(called)
        .unwrap_or_else(|| panic!("{client} ended with {last}"))
        .trim();
    exercised(&Exercised {
        test,
        client,
        version,
        what,
        but: "",
    });
}

/// A script of `clients/python` in the environment of [`clients::data`].
fn python(script: &str, port: u16) -> Command {
    let mut command = Command::new(clients::data().unwrap());
    command
        .arg(path(&format!("python/{script}")))
        .arg(port.to_string());
    command
}

#[test]
#[ignore = "needs pgjdbc: make test-clients"]
fn pgjdbc() {
    let server = known();
    let jars = postgres::jdbc().unwrap();
    let mut java = Command::new("java");
    java.arg("-cp")
        .arg(format!("{}/*", jars.display()))
        .arg(path("java/Pgjdbc.java"))
        .arg(server.pg_port().to_string());
    let what = "[example](java/Pgjdbc.java): statements prepared on the server, types, a cursor by fetch size, a batch, DatabaseMetaData, SQLSTATE";
    example("pgjdbc", "pgjdbc (Java)", "pgjdbc", what, &mut java);
}

#[test]
#[ignore = "needs Flight SQL's JDBC driver: make test-clients"]
fn flight_jdbc() {
    let server = known();
    let jars = clients::flight_jdbc().unwrap();
    let mut java = Command::new("java");
    java.args(["--add-opens=java.base/java.nio=ALL-UNNAMED", "-cp"])
        .arg(format!("{}/*", jars.display()))
        .arg(path("java/FlightJdbc.java"))
        .arg(server.flight_port().to_string());
    let what = "[example](java/FlightJdbc.java): statements, parameters as `?`, types, writing, DatabaseMetaData, errors";
    let called = "flight-sql-jdbc-driver";
    example("flight_jdbc", "Flight SQL JDBC", called, what, &mut java);
}

#[test]
#[ignore = "needs Go: make test-clients"]
fn pgx() {
    let server = known();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("pgx");
    clients::go(&path("go"), &program).unwrap();
    let mut command = Command::new(program);
    command.arg(server.pg_port().to_string());
    let what = "[example](go/pgx.go): a pool, rows as structs, types, COPY into a table, a batch, an error, a query given up";
    example("pgx", "pgx (Go)", "pgx", what, &mut command);
}

#[test]
#[ignore = "needs Node: make test-clients"]
fn node_postgres() {
    let server = known();
    let folder = clients::node().unwrap();
    let mut node = Command::new(install::on_path("node").unwrap());
    node.arg(folder.join("node_postgres.js"))
        .arg(server.pg_port().to_string());
    let what = "[example](node/node_postgres.js): a pool, named statements, types, pg-cursor, pg-query-stream, writing, SQLSTATE, statement_timeout";
    let client = "node-postgres";
    example("node_postgres", client, "node-postgres", what, &mut node);
}

/// The version of a crate in the lock file.
fn locked(name: &str) -> String {
    let lock = std::fs::read_to_string(sluice_tests::folder().join("../Cargo.lock")).unwrap();
    let head = format!("name = \"{name}\"\nversion = \"");
    let rest = &lock[lock.find(&head).unwrap() + head.len()..];
    rest[..rest.find('"').unwrap()].to_owned()
}

fn rust(test: &str, name: &str, port: u16, what: &str) {
    let program = binary().with_file_name(format!("client-{}", test.replace('_', "-")));
    let last = said(Command::new(program).arg(port.to_string()));
    assert_eq!(last, name);
    exercised(&Exercised {
        test,
        client: &format!("{name} (Rust)"),
        version: &locked(name),
        what,
        but: "",
    });
}

#[test]
fn tokio_postgres() {
    let server = known();
    let what = "[example](rust/tokio_postgres.rs): prepared statements, types, a portal in parts, COPY into a table, SQLSTATE, cancel";
    rust("tokio_postgres", "tokio-postgres", server.pg_port(), what);
}

#[test]
fn flight_sql() {
    let server = known();
    let what = "[example](rust/flight_sql.rs): handshake, record batches, bound parameters, tables, errors";
    rust("flight_sql", "arrow-flight", server.flight_port(), what);
}

#[test]
#[ignore = "needs more Python clients: make test-clients"]
fn pg8000() {
    let server = known();
    let mut command = python("pg8000_orders.py", server.pg_port());
    let what =
        "[example](python/pg8000_orders.py): parameters, types, a prepared statement, SQLSTATE";
    example("pg8000", "pg8000 (Python)", "pg8000", what, &mut command);
}

#[test]
#[ignore = "needs more Python clients: make test-clients"]
fn pyarrow_flight() {
    let mut server = Server::idle();
    server.add_args(&["--auth", "password"]);
    server.set_env("SLUICE_PASSWORD", "the owner's");
    server.up();
    let owner = Pg::connect_with(server.pg_port(), "sluice", "the owner\\'s").unwrap();
    make_known(&server, &owner);
    owner.run(
        "CREATE ROLE ann LOGIN PASSWORD 'of ann'; GRANT SELECT ON ALL TABLES IN SCHEMA gold TO ann; GRANT CREATE ON SCHEMA public TO ann",
    );
    let mut command = python("pyarrow_flight.py", server.flight_port());
    command.args(["ann", "of ann"]);
    let mut wrong = python("pyarrow_flight.py", server.flight_port());
    let refused = wrong.args(["ann", "guessed"]).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && told.contains("FlightUnauthenticatedError"),
        "{told}"
    );
    let what = "[example](python/pyarrow_flight.py): Flight itself, without a driver: a login (basic, then bearer), a statement's schema and rows, batches as they come, writing, errors, a token that is none";
    let client = "pyarrow.flight";
    example("pyarrow_flight", client, "pyarrow", what, &mut command);
}

#[test]
#[ignore = "needs more Python clients: make test-clients"]
fn connectorx() {
    let server = known();
    let mut command = python("connectorx_polars.py", server.pg_port());
    let what = "[example](python/connectorx_polars.py): Polars' read_database_uri, a query in four parts side by side, types";
    let client = "connectorx → Polars";
    example("connectorx", client, "connectorx", what, &mut command);
}

#[test]
#[ignore = "needs more Python clients: make test-clients"]
fn adbc_postgres() {
    let server = known();
    let mut command = python("adbc_postgres.py", server.pg_port());
    let what = "[example](python/adbc_postgres.py): binary COPY into pandas, parameters, a table's schema, SQLSTATE";
    let called = "adbc-driver-postgresql";
    let client = "ADBC PostgreSQL → pandas";
    example("adbc_postgres", client, called, what, &mut command);
}

#[test]
#[ignore = "needs more Python clients: make test-clients"]
fn adbc_frames() {
    let server = known();
    let mut command = python("adbc_frames.py", server.flight_port());
    let what = "[example](python/adbc_frames.py): into pandas and Polars, parameters, a frame written as a table";
    let called = "adbc-driver-flightsql";
    let client = "ADBC Flight SQL → pandas, Polars";
    example("adbc_frames", client, called, what, &mut command);
}

#[test]
#[ignore = "needs more Python clients: make test-clients"]
fn duckdb() {
    let server = known();
    let mut command = python("duckdb_attach.py", server.pg_port());
    let what = "[example](python/duckdb_attach.py): ATTACH, tables and types, a filter, a join, postgres_query";
    let client = "DuckDB's postgres extension";
    example("duckdb", client, "DuckDB", what, &mut command);
}

#[test]
#[ignore = "needs psqlODBC: make test-clients"]
fn odbc() {
    let server = known();
    clients::odbc().unwrap();
    let mut command = python("odbc_orders.py", server.pg_port());
    let what = "[example](python/odbc_orders.py): a connection without DSN, parameters, types, tables, columns and keys, errors";
    let client = "psqlODBC with pyodbc";
    example("odbc", client, "psqlODBC", what, &mut command);
    // the driver manager's own program, as its users type it
    let isql =
        "printf 'SELECT sum(event_count) FROM gold.real_time_metrics\\n' | isql -b -d, -k \"$0\"";
    let connection = format!(
        "Driver=PostgreSQL Unicode;Server=127.0.0.1;Port={};Database=sluice;Uid=sluice",
        server.pg_port()
    );
    assert_eq!(
        said(Command::new("sh").args(["-c", isql, &connection])),
        "60000"
    );
}
