//! The product of rights: every privilege on every kind of object, each had by a role that has nothing else, asked at every door.
//!
//! Each thing that is done says which privileges it needs. A role that has them all may do it; every other role, and one that has nothing,
//! is refused with 42501, whichever privilege it has instead. What is prepared is refused when the privilege goes, and goes on when it comes
//! back. `CONNECT` is `sessions::connect_is_a_privilege_at_both_doors`.

use std::fmt::Write as _;

use futures::{TryStreamExt, pin_mut};
use serde_json::{Value, json};
use sluice_tests::{
    parts::python,
    pg::{Pg, block_on},
    server::Server,
};

use crate::roles::by_psql;

const DENIED: &str = "42501";
const OK: &str = "ok";
/// Anything but 42501: what the right lets through ends for a reason of its own.
const PAST: &str = "past";
const LISTED: &str = "listed";
const UNLISTED: &str = "unlisted";

const OBJECTS: &str = "
    CREATE TABLE gold.t (a INT);
    INSERT INTO gold.t VALUES (1);
    CREATE TABLE gold.own AS SELECT 1 AS a;
    CREATE VIEW gold.v AS SELECT a FROM gold.t;
    CREATE STREAM clicks (ts TIMESTAMPTZ, row_number BIGINT, WATERMARK FOR ts AS ts) WITH (connector = 'generator', rows = '10');
    CREATE TABLE gold.fed AS SELECT ts, row_number AS n FROM clicks;
    CREATE SCHEMA closed;
    CREATE TABLE closed.inside AS SELECT 3 AS a;
    CREATE SECRET mine AS 'a secret';
    REVOKE EXECUTE ON FUNCTION repeat FROM PUBLIC;
    REVOKE TEMPORARY ON DATABASE sluice FROM PUBLIC;
    CREATE ROLE nobody LOGIN;
";

const ON_RELATIONS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"];

/// Objects and all that may be given on them; `OWNER` is given by ALTER TABLE.
const PRIVILEGES: [(&str, &[&str]); 11] = [
    ("gold.t", ON_RELATIONS),
    ("gold.fed", ON_RELATIONS),
    ("gold.v", ON_RELATIONS),
    ("STREAM clicks", ON_RELATIONS),
    ("closed.inside", &["SELECT"]),
    ("gold.own", &["OWNER"]),
    ("FUNCTION repeat", &["EXECUTE"]),
    ("SCHEMA closed", &["USAGE"]),
    ("SCHEMA silver", &["CREATE"]),
    ("SECRET mine", &["USAGE"]),
    ("DATABASE sluice", &["CREATE", "TEMPORARY"]),
];

/// How something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// A statement: by psql, tokio-postgres and ADBC.
    Any,
    /// A statement of the Postgres door alone.
    Postgres,
    /// PREPARE and EXECUTE.
    Prepared,
    /// COPY, either way.
    Copy,
    /// Flight SQL's bulk ingest.
    Ingest,
    /// A table in Flight SQL's listings.
    Table,
    /// A schema in Flight SQL's listings.
    Schema,
}

/// How it is asked, what, which privileges it needs, and what whoever has them is told. `{n}` is another name each time.
type Cell = (Door, &'static str, &'static [&'static str], &'static str);

const T_SELECT: &[&str] = &["SELECT ON gold.t"];
const T_INSERT: &[&str] = &["INSERT ON gold.t"];
const T_UPDATE: &[&str] = &["SELECT ON gold.t", "UPDATE ON gold.t"];
const T_DELETE: &[&str] = &["SELECT ON gold.t", "DELETE ON gold.t"];
const T_MERGE: &[&str] = &[
    "SELECT ON gold.t",
    "INSERT ON gold.t",
    "UPDATE ON gold.t",
    "DELETE ON gold.t",
];
const T_TRUNCATE: &[&str] = &["TRUNCATE ON gold.t"];
const FED_SELECT: &[&str] = &["SELECT ON gold.fed"];
const FED_INSERT: &[&str] = &["INSERT ON gold.fed"];
const FED_UPDATE: &[&str] = &["SELECT ON gold.fed", "UPDATE ON gold.fed"];
const FED_DELETE: &[&str] = &["SELECT ON gold.fed", "DELETE ON gold.fed"];
const FED_TRUNCATE: &[&str] = &["TRUNCATE ON gold.fed"];
const V_SELECT: &[&str] = &["SELECT ON gold.v"];
const S_SELECT: &[&str] = &["SELECT ON STREAM clicks"];
const INSIDE: &[&str] = &["SELECT ON closed.inside", "USAGE ON SCHEMA closed"];
const USAGE: &[&str] = &["USAGE ON SCHEMA closed"];
const EXECUTE: &[&str] = &["EXECUTE ON FUNCTION repeat"];
const OWNER: &[&str] = &["OWNER ON gold.own"];
const CREATE: &[&str] = &["CREATE ON SCHEMA silver"];
const CREATE_OF_T: &[&str] = &["CREATE ON SCHEMA silver", "SELECT ON gold.t"];
const CREATE_OF_STREAM: &[&str] = &["CREATE ON SCHEMA silver", "SELECT ON STREAM clicks"];
const SECRET: &[&str] = &["CREATE ON SCHEMA silver", "USAGE ON SECRET mine"];
const DATABASE: &[&str] = &["CREATE ON DATABASE sluice"];
const TEMPORARY: &[&str] = &["TEMPORARY ON DATABASE sluice"];

/// What more than one privilege is needed for.
const TOGETHER: [&[&str]; 9] = [
    T_UPDATE,
    T_DELETE,
    T_MERGE,
    FED_UPDATE,
    FED_DELETE,
    INSIDE,
    CREATE_OF_T,
    CREATE_OF_STREAM,
    SECRET,
];

const CELLS: &[Cell] = &[
    // A table.
    (Door::Any, "SELECT * FROM gold.t", T_SELECT, OK),
    (Door::Any, "SELECT * FROM gold.t__files", T_SELECT, OK),
    (Door::Any, "DESCRIBE gold.t", T_SELECT, OK),
    (
        Door::Any,
        "INSERT INTO gold.t SELECT 1 WHERE false",
        T_INSERT,
        OK,
    ),
    (
        Door::Any,
        "UPDATE gold.t SET a = 2 WHERE a = 99",
        T_UPDATE,
        OK,
    ),
    (Door::Any, "DELETE FROM gold.t WHERE a = 99", T_DELETE, OK),
    (
        Door::Any,
        "MERGE INTO gold.t w USING (SELECT 99 AS a) s ON w.a = s.a WHEN MATCHED THEN DELETE",
        T_MERGE,
        OK,
    ),
    (Door::Any, "TRUNCATE gold.t", T_TRUNCATE, OK),
    (Door::Prepared, "SELECT * FROM gold.t", T_SELECT, OK),
    (
        Door::Prepared,
        "INSERT INTO gold.t VALUES (5)",
        T_INSERT,
        OK,
    ),
    (
        Door::Prepared,
        "UPDATE gold.t SET a = 2 WHERE a = 99",
        T_UPDATE,
        OK,
    ),
    (
        Door::Prepared,
        "DELETE FROM gold.t WHERE a = 99",
        T_DELETE,
        OK,
    ),
    (Door::Copy, "COPY gold.t TO STDOUT", T_SELECT, OK),
    (
        Door::Copy,
        "COPY (SELECT a FROM gold.t) TO STDOUT",
        T_SELECT,
        OK,
    ),
    (Door::Copy, "COPY gold.t FROM STDIN", T_INSERT, OK),
    (Door::Ingest, "append gold.t", T_INSERT, OK),
    (Door::Table, "gold.t", T_SELECT, LISTED),
    // A table that a query feeds.
    (Door::Any, "SELECT * FROM gold.fed", FED_SELECT, OK),
    (
        Door::Postgres,
        "DECLARE c CURSOR WITH HOLD FOR SUBSCRIBE gold.fed WITH (progress)",
        FED_SELECT,
        OK,
    ),
    (
        Door::Any,
        "INSERT INTO gold.fed SELECT NULL, 1",
        FED_INSERT,
        "55000",
    ),
    (
        Door::Any,
        "UPDATE gold.fed SET n = 2 WHERE n = -99",
        FED_UPDATE,
        "55000",
    ),
    (
        Door::Any,
        "DELETE FROM gold.fed WHERE n = -99",
        FED_DELETE,
        PAST,
    ),
    (Door::Any, "TRUNCATE gold.fed", FED_TRUNCATE, "55000"),
    (Door::Prepared, "SELECT * FROM gold.fed", FED_SELECT, OK),
    (
        Door::Copy,
        "COPY (SELECT n FROM gold.fed) TO STDOUT",
        FED_SELECT,
        OK,
    ),
    (Door::Copy, "COPY gold.fed FROM STDIN", FED_INSERT, "55000"),
    (Door::Ingest, "append gold.fed", FED_INSERT, "55000"),
    (Door::Table, "gold.fed", FED_SELECT, LISTED),
    // A view.
    (Door::Any, "SELECT * FROM gold.v", V_SELECT, OK),
    (Door::Prepared, "SELECT * FROM gold.v", V_SELECT, OK),
    (
        Door::Copy,
        "COPY (SELECT a FROM gold.v) TO STDOUT",
        V_SELECT,
        OK,
    ),
    (Door::Table, "gold.v", V_SELECT, LISTED),
    // A stream.
    (Door::Any, "SELECT * FROM clicks LIMIT 1", S_SELECT, OK),
    (Door::Prepared, "SELECT * FROM clicks LIMIT 1", S_SELECT, OK),
    (
        Door::Copy,
        "COPY (SELECT row_number FROM clicks LIMIT 1) TO STDOUT",
        S_SELECT,
        OK,
    ),
    (Door::Table, "public.clicks", S_SELECT, LISTED),
    // A function.
    (Door::Any, "SELECT repeat('x', 2)", EXECUTE, OK),
    (Door::Prepared, "SELECT repeat('x', 2)", EXECUTE, OK),
    (
        Door::Copy,
        "COPY (SELECT repeat('x', 2)) TO STDOUT",
        EXECUTE,
        OK,
    ),
    // A schema.
    (Door::Any, "SELECT * FROM closed.inside", INSIDE, OK),
    (Door::Prepared, "SELECT * FROM closed.inside", INSIDE, OK),
    (Door::Copy, "COPY closed.inside TO STDOUT", INSIDE, OK),
    (Door::Table, "closed.inside", INSIDE, LISTED),
    (Door::Schema, "closed", USAGE, LISTED),
    (
        Door::Any,
        "CREATE VIEW silver.v{n} AS SELECT 1 AS a",
        CREATE,
        OK,
    ),
    (Door::Any, "CREATE TABLE silver.t{n} (a INT)", CREATE, OK),
    (
        Door::Any,
        "CREATE STREAM silver.s{n} (row_number BIGINT) WITH (connector = 'generator', rows = '1')",
        CREATE,
        OK,
    ),
    (
        Door::Any,
        "CREATE VIEW silver.of{n} AS SELECT a FROM gold.t",
        CREATE_OF_T,
        OK,
    ),
    (
        Door::Any,
        "CREATE TABLE silver.fed{n} AS SELECT ts, row_number FROM clicks",
        CREATE_OF_STREAM,
        OK,
    ),
    (Door::Ingest, "create silver.i{n}", CREATE, OK),
    // A secret.
    (
        Door::Any,
        "CREATE STREAM silver.k{n} (a INT) WITH (connector = 'kafka', bootstrap_servers = '127.0.0.1:1', topic = 't', format = 'json', connect_timeout = '100 milliseconds', \"kafka.sasl.password\" = SECRET mine)",
        SECRET,
        PAST,
    ),
    // The database.
    (Door::Any, "CREATE SCHEMA s{n}", DATABASE, OK),
    (Door::Any, "CREATE SECRET k{n} AS 'x'", DATABASE, OK),
    (
        Door::Any,
        "CREATE TEMP TABLE w{n} AS SELECT 1 AS a",
        TEMPORARY,
        OK,
    ),
    (Door::Ingest, "temporary i{n}", TEMPORARY, OK),
    // What its owner may do.
    (
        Door::Any,
        "ALTER TABLE gold.own ADD COLUMN c{n} INT",
        OWNER,
        OK,
    ),
    (Door::Any, "COMMENT ON TABLE gold.own IS 'x'", OWNER, OK),
    (Door::Any, "OPTIMIZE gold.own", OWNER, OK),
    (
        Door::Any,
        "GRANT SELECT ON gold.own TO pg_monitor",
        OWNER,
        OK,
    ),
];

/// Roles by name, with what each has: nothing, one privilege, or what is needed together.
fn roles() -> Vec<(String, Vec<String>)> {
    let single = PRIVILEGES.iter().flat_map(|(object, privileges)| {
        privileges
            .iter()
            .map(move |privilege| vec![format!("{privilege} ON {object}")])
    });
    let together = TOGETHER
        .iter()
        .map(|rights| rights.iter().map(|right| (*right).to_owned()).collect());
    single
        .chain(together)
        .enumerate()
        .map(|(at, rights)| (format!("r{at}"), rights))
        .chain([("nobody".to_owned(), Vec::new())])
        .collect()
}

fn given(rights: &[String], role: &str) -> String {
    changed(rights, |right| match right.strip_prefix("OWNER ON ") {
        Some(table) => format!("ALTER TABLE {table} OWNER TO {role}"),
        None => format!("GRANT {right} TO {role}"),
    })
}

fn taken(rights: &[String], role: &str) -> String {
    changed(rights, |right| format!("REVOKE {right} FROM {role}"))
}

fn changed(rights: &[String], change: impl Fn(&str) -> String) -> String {
    let changes: Vec<String> = rights.iter().map(|right| change(right)).collect();
    changes.join("; ")
}

/// What a role that has `rights` is told.
fn expected(cell: &Cell, rights: &[String]) -> &'static str {
    let (door, _, needs, then) = *cell;
    let has = |need: &&str| rights.iter().any(|right| right == need);
    if needs.iter().all(has) {
        then
    } else if matches!(door, Door::Table | Door::Schema) {
        UNLISTED
    } else {
        DENIED
    }
}

fn told<T>(done: Result<T, tokio_postgres::Error>) -> String {
    match done {
        Ok(_) => OK.to_owned(),
        Err(error) => match error.code() {
            Some(code) => code.code().to_owned(),
            None => error.to_string(),
        },
    }
}

fn run(pg: &Pg, statement: &str) -> String {
    pg.try_run(statement)
        .map_or_else(|e| e.state, |_| OK.into())
}

fn copied(pg: &Pg, statement: &str) -> String {
    told(block_on(async {
        if statement.ends_with("FROM STDIN") {
            let sink = pg.client().copy_in::<_, bytes::Bytes>(statement).await?;
            pin_mut!(sink);
            sink.finish().await.map(drop)
        } else {
            let rows = pg.client().copy_out(statement).await?;
            rows.try_collect::<Vec<bytes::Bytes>>().await.map(drop)
        }
    }))
}

/// The cells of some doors, asked in this order.
fn cells(doors: &[Door]) -> Vec<&'static Cell> {
    CELLS
        .iter()
        .filter(|cell| doors.contains(&cell.0))
        .collect()
}

/// What a role is to ask, each with names of its own.
fn texts(cells: &[&Cell], name: &str) -> Vec<String> {
    cells
        .iter()
        .map(|cell| cell.1.replace("{n}", name))
        .collect()
}

/// What was told otherwise than expected, by whom and where.
#[derive(Default)]
struct Wrong(String);

impl Wrong {
    fn compare(&mut self, client: &str, rights: &[String], cells: &[&Cell], told: &[String]) {
        assert_eq!(cells.len(), told.len(), "{client} {rights:?}: {told:?}");
        for (cell, told) in cells.iter().zip(told) {
            let expected = expected(cell, rights);
            let same = match expected {
                PAST => told != DENIED,
                _ => told == expected,
            };
            if !same {
                writeln!(
                    self.0,
                    "{rights:?} by {client}: {} is {told}, not {expected}",
                    cell.1
                )
                .unwrap();
            }
        }
    }
}

fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap();
    list.iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

fn at_the_postgres_door(server: &Server, roles: &[(String, Vec<String>)], wrong: &mut Wrong) {
    let statements = cells(&[Door::Any, Door::Postgres]);
    let copies = cells(&[Door::Copy]);
    for (role, rights) in roles {
        let pg = Pg::connect_as(server.pg_port(), role, "sluice").unwrap();
        let asked = texts(&statements, &format!("_pg_{role}"));
        let told: Vec<String> = asked.iter().map(|text| run(&pg, text)).collect();
        wrong.compare("tokio-postgres", rights, &statements, &told);
        // tokio-postgres ends a COPY that was refused a second time, and cannot go on after that.
        let told: Vec<String> = copies
            .iter()
            .map(|cell| {
                let pg = Pg::connect_as(server.pg_port(), role, "sluice").unwrap();
                copied(&pg, cell.1)
            })
            .collect();
        wrong.compare("COPY", rights, &copies, &told);
        let asked = texts(&statements, &format!("_psql_{role}"));
        let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
        let told = by_psql(server, role, &asked);
        wrong.compare("psql", rights, &statements, &told);
    }
}

fn at_the_flight_door(server: &Server, roles: &[(String, Vec<String>)], wrong: &mut Wrong) {
    let statements = cells(&[Door::Any]);
    let ingests = cells(&[Door::Ingest]);
    let url = format!("grpc://127.0.0.1:{}", server.flight_port());
    let asked: Vec<Value> = roles
        .iter()
        .map(|(role, _)| {
            let name = format!("_flight_{role}");
            json!({ "user": role, "statements": texts(&statements, &name), "ingests": texts(&ingests, &name) })
        })
        .collect();
    let answers = python::run("ask_rights.py", &[&url, &json!(asked).to_string()]);
    for ((_, rights), answer) in roles.iter().zip(answers.as_array().unwrap()) {
        let told = strings(&answer["statements"]);
        wrong.compare("ADBC", rights, &statements, &told);
        let told = strings(&answer["ingests"]);
        wrong.compare("ingest", rights, &ingests, &told);
        for (door, list) in [(Door::Table, "tables"), (Door::Schema, "schemas")] {
            let listed = strings(&answer[list]);
            let cells = cells(&[door]);
            let told: Vec<String> = cells
                .iter()
                .map(|cell| {
                    let there = listed.iter().any(|name| name == cell.1);
                    (if there { LISTED } else { UNLISTED }).to_owned()
                })
                .collect();
            wrong.compare(list, rights, &cells, &told);
        }
    }
}

/// What was prepared while it was allowed: refused when it is no longer, and run when it is again.
fn prepared(server: &Server, owner: &Pg, roles: &[(String, Vec<String>)], wrong: &mut Wrong) {
    for cell in cells(&[Door::Prepared]) {
        let (role, rights) = roles
            .iter()
            .find(|(_, rights)| rights.len() == cell.2.len() && expected(cell, rights) != DENIED)
            .expect("a role for each cell");
        let pg = Pg::connect_as(server.pg_port(), role, "sluice").unwrap();
        pg.run(&format!("PREPARE asked AS {}", cell.1));
        wrong.compare("EXECUTE", rights, &[cell], &[run(&pg, "EXECUTE asked")]);
        owner.run(&taken(rights, role));
        wrong.compare("EXECUTE", &[], &[cell], &[run(&pg, "EXECUTE asked")]);
        owner.run(&given(rights, role));
        wrong.compare("EXECUTE", rights, &[cell], &[run(&pg, "EXECUTE asked")]);
        let nobody = Pg::connect_as(server.pg_port(), "nobody", "sluice").unwrap();
        let both = format!("PREPARE asked AS {}; EXECUTE asked", cell.1);
        wrong.compare("PREPARE", &[], &[cell], &[run(&nobody, &both)]);
    }
}

#[test]
fn each_right_opens_what_needs_it_and_nothing_else_at_every_door() {
    let server = Server::start();
    let owner = server.connect();
    owner.run(OBJECTS);
    let roles = roles();
    let named: Vec<&str> = roles
        .iter()
        .map(|(role, _)| role.as_str())
        .filter(|role| *role != "nobody")
        .collect();
    for role in &named {
        owner.run(&format!("CREATE ROLE {role} LOGIN"));
    }
    // Before anything is given, all are as nobody.
    let before: Vec<(String, Vec<String>)> = roles
        .iter()
        .take(2)
        .map(|(role, _)| (role.clone(), Vec::new()))
        .collect();
    let mut wrong = Wrong::default();
    at_the_postgres_door(&server, &before, &mut wrong);
    at_the_flight_door(&server, &before, &mut wrong);
    assert!(wrong.0.is_empty(), "before GRANT:\n{}", wrong.0);
    for (role, rights) in roles.iter().filter(|(_, rights)| !rights.is_empty()) {
        owner.run(&given(rights, role));
    }
    at_the_postgres_door(&server, &roles, &mut wrong);
    at_the_flight_door(&server, &roles, &mut wrong);
    prepared(&server, &owner, &roles, &mut wrong);
    assert!(wrong.0.is_empty(), "after GRANT:\n{}", wrong.0);
}
