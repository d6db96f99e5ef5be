//! PostgreSQL as the reference: what it answered, asked of ours.
//!
//! `tests/postgres/` has a schema for both, statements (`statements/`, ours, and `captured/`, what clients send) with PostgreSQL's answers,
//! and the differences that are known, each with a reason that `docs/sql/postgres.md` explains. A difference that is not listed fails, and so
//! does one that is listed and gone.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use serde_json::Value;
use sluice_tests::{
    parts::{
        postgres::{self, Postgres},
        psql, python,
    },
    server::Server,
};

use crate::support::{Exercised, exercised, python_version, said};

/// A statement whose answer is not PostgreSQL's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    file: String,
    name: String,
    /// What differs: error, position, columns, types, rows, order.
    verdict: String,
}

fn folder() -> PathBuf {
    sluice_tests::folder().join("postgres")
}

/// The files of statements, in order.
fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["captured", "statements"]
        .iter()
        .flat_map(|name| fs::read_dir(folder().join(name)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// Asks the server on `port` every statement; what each answer differs in, and the whole of it for the report.
fn asked(port: u16) -> Vec<Value> {
    let interpreter = postgres::clients().unwrap();
    let files = files();
    let port = port.to_string();
    let mut arguments = vec![port.as_str()];
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    let report = python::run_with(&interpreter, "postgres_replay.py", &arguments);
    report.as_array().unwrap().clone()
}

fn difference(entry: &Value) -> Option<Difference> {
    let text = |name: &str| entry[name].as_str().unwrap().to_owned();
    (entry["verdict"] != "").then(|| Difference {
        file: text("file"),
        name: text("name"),
        verdict: text("verdict"),
    })
}

/// The differences that are known, with their reasons.
fn listed() -> BTreeMap<Difference, String> {
    let text = fs::read_to_string(folder().join("differences.txt")).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(" | ").collect();
            let [file, name, verdict, reason] = fields[..] else {
                panic!("differences.txt: four fields expected in {line}");
            };
            let difference = Difference {
                file: file.into(),
                name: name.into(),
                verdict: verdict.into(),
            };
            (difference, reason.to_owned())
        })
        .collect()
}

/// The page that explains the reasons: those under "Not yet" are accidents.
fn page() -> (String, String) {
    let path = sluice_tests::folder().join("../docs/sql/postgres.md");
    let text = fs::read_to_string(path).unwrap();
    let (purpose, accident) = text
        .split_once("\n## Not yet\n")
        .expect("a part \"Not yet\"");
    (purpose.to_owned(), accident.to_owned())
}

#[test]
fn comments_are_told_of_relations_and_columns() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE gold.told AS SELECT 1 AS a, 'x' AS b");
    pg.run("COMMENT ON TABLE gold.told IS 'what is told'");
    pg.run("COMMENT ON COLUMN gold.told.b IS 'a letter'");
    for (question, answer) in [
        (
            "obj_description('gold.told'::regclass, 'pg_class')",
            "what is told",
        ),
        ("col_description('gold.told'::regclass, 2)", "a letter"),
    ] {
        assert_eq!(pg.value(&format!("SELECT {question}")), answer);
    }
    assert_eq!(
        pg.run(
            "SELECT objsubid, description FROM pg_description WHERE objoid = 'gold.told'::regclass ORDER BY 1"
        ),
        [["0", "what is told"], ["2", "a letter"]].map(|row| row.map(|text| Some(text.to_owned())))
    );
}

#[test]
fn comments_of_schemas_and_roles_outlive_a_restart() {
    let mut server = Server::start();
    let pg = server.connect();
    pg.run("CREATE SCHEMA lab; CREATE ROLE ann");
    pg.run("COMMENT ON SCHEMA lab IS 'Ann''s own'");
    pg.run("COMMENT ON SCHEMA gold IS 'for a moment'; COMMENT ON SCHEMA gold IS ''");
    pg.run("COMMENT ON ROLE ann IS 'who makes it'");
    pg.refused("COMMENT ON SCHEMA nowhere IS 'x'", "3F000", &[]);
    pg.refused("COMMENT ON SCHEMA pg_catalog IS 'x'", "42501", &[]);
    pg.refused("COMMENT ON ROLE nobody IS 'x'", "42704", &[]);
    pg.run("SET ROLE ann");
    pg.refused("COMMENT ON SCHEMA lab IS 'x'", "42501", &["must be owner"]);
    pg.refused("COMMENT ON ROLE ann IS 'x'", "42501", &["CREATEROLE"]);
    pg.refused("COMMENT ON ROLE sluice IS 'x'", "42501", &["superuser"]);
    let check = |server: &Server| {
        let pg = server.connect();
        for (question, answer) in [
            (
                "SELECT obj_description('lab'::regnamespace, 'pg_namespace')",
                "Ann's own",
            ),
            (
                "SELECT coalesce(obj_description('gold'::regnamespace, 'pg_namespace'), 'none')",
                "none",
            ),
            (
                "SELECT shobj_description(oid, 'pg_authid') FROM pg_authid WHERE rolname = 'ann'",
                "who makes it",
            ),
            (
                "SELECT description FROM pg_description WHERE objoid = 'lab'::regnamespace",
                "Ann's own",
            ),
            ("SELECT description FROM pg_shdescription", "who makes it"),
        ] {
            assert_eq!(pg.value(question), answer, "{question}");
        }
    };
    check(&server);
    server.kill_and_restart();
    check(&server);
}

#[test]
fn answers_are_postgresqls_but_for_what_is_listed() {
    let server = Server::start();
    server.connect().run(&postgres::schema());
    let answers = asked(server.pg_port());
    let listed = listed();
    let (purpose, accident) = page();
    let mut report = String::new();
    let (mut equal, mut on_purpose, mut by_accident) = (0, 0, 0);
    let mut wrong = String::new();
    let mut found = Vec::new();
    for entry in &answers {
        let Some(difference) = difference(entry) else {
            equal += 1;
            continue;
        };
        let Difference {
            file,
            name,
            verdict,
        } = &difference;
        let reason = listed.get(&difference).map_or("", String::as_str);
        if reason.is_empty() {
            writeln!(wrong, "{file} | {name} | {verdict} | ?\n{entry:#}").unwrap();
        } else if purpose.contains(&format!("**{reason}**")) {
            on_purpose += 1;
        } else if accident.contains(&format!("**{reason}**")) {
            by_accident += 1;
        } else {
            writeln!(
                wrong,
                "{file} | {name}: docs/sql/postgres.md does not say **{reason}**"
            )
            .unwrap();
        }
        writeln!(report, "{file} | {name} | {verdict} | {reason}\n{entry:#}").unwrap();
        found.push(difference);
    }
    for (difference, reason) in &listed {
        if !found.contains(difference) {
            writeln!(wrong, "listed and gone: {difference:?} ({reason})").unwrap();
        }
    }
    let summary = format!(
        "{} statements: {equal} equal, {on_purpose} different on purpose, {by_accident} by accident\n",
        answers.len()
    );
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("postgres-report.txt");
    fs::write(&path, format!("{summary}\n{report}")).unwrap();
    println!("{summary}the report is {}", path.display());
    assert!(wrong.is_empty(), "{wrong}\n{summary}");
}

#[test]
#[ignore = "needs PostgreSQL 15: make test-clients"]
fn the_answers_written_down_are_still_postgresqls() {
    let reference = Postgres::start().unwrap();
    let differ: Vec<Value> = asked(reference.port())
        .into_iter()
        .filter(|entry| difference(entry).is_some())
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

/// What people see of the catalog by psql, whole tables as it prints them.
#[test]
fn psql_shows_what_there_is() {
    let server = Server::start();
    server.connect().run(&postgres::schema());
    let shown = |command: &str| psql::print(server.pg_port(), &["-c", command]);
    let orders = shown(r"\d gold.orders");
    let expected = r#"                          Table "gold.orders"
  Column   |           Type           | Collation | Nullable | Default 
-----------+--------------------------+-----------+----------+---------
 id        | bigint                   |           |          | 
 customer  | text                     |           |          | 
 amount    | numeric(10,2)            |           |          | 
 weight    | double precision         |           |          | 
 pieces    | integer                  |           |          | 
 paid      | boolean                  |           |          | 
 placed_at | timestamp with time zone |           |          | 
 day       | date                     |           |          | 
 status    | text                     |           |          | 
"#;
    assert_eq!(orders.trim_end(), expected.trim_end());
    assert!(shown(r"\dt").contains("public | kinds | table | sluice"));
    assert!(!shown(r"\dt").contains("orders"));
    assert!(shown(r"\dt gold.*").contains("gold   | orders | table | sluice"));
    assert!(shown(r"\dv").contains("public | order_totals | view | sluice"));
    assert!(shown(r"\sv order_totals").contains("sum(amount)"));
    // A table that a query feeds is shown, and nothing of what stands beside it.
    let pg = server.connect();
    pg.run(
        "CREATE STREAM fed (ts TIMESTAMPTZ, row_number BIGINT, WATERMARK FOR ts AS ts) WITH (connector = 'generator', rows = '10')",
    );
    pg.run("CREATE TABLE gold.fed_table AS SELECT ts, row_number FROM fed");
    pg.run("SELECT count(*) FROM gold.fed_table__files");
    let all = shown(r"\dt *.*");
    assert!(all.contains("gold") && all.contains("fed_table"), "{all}");
    assert!(!all.contains("fed_table__"), "{all}");
    let version = said(psql::command(server.pg_port()).arg("--version"));
    exercised(&Exercised {
        test: "psql_shows_what_there_is",
        client: "psql",
        version: version.split_whitespace().nth(2).unwrap(),
        what: "`\\d`, `\\dt`, `\\dv`, `\\sv`, a table as it is printed",
        but: "",
    });
}

/// SQLAlchemy's inspector, by both drivers, says the same of ours as of PostgreSQL.
#[test]
fn sqlalchemy_reflects_the_schema() {
    let server = Server::start();
    server.connect().run(&postgres::schema());
    let interpreter = postgres::clients().unwrap();
    let port = server.pg_port().to_string();
    for driver in ["psycopg", "psycopg2"] {
        let answer = python::run_with(&interpreter, "read_sqlalchemy.py", &[&port, driver]);
        let columns: Vec<String> = answer["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| {
                format!(
                    "{} {}",
                    column[0].as_str().unwrap(),
                    column[1].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(
            columns,
            [
                "id BIGINT",
                "customer TEXT",
                "amount NUMERIC(10, 2)",
                "weight DOUBLE PRECISION",
                "pieces INTEGER",
                "paid BOOLEAN",
                "placed_at TIMESTAMP",
                "day DATE",
                "status TEXT"
            ],
            "{driver}"
        );
        assert_eq!(answer["tables"], serde_json::json!(["kinds"]), "{driver}");
        assert_eq!(answer["gold"], serde_json::json!(["orders"]), "{driver}");
        assert_eq!(
            answer["views"],
            serde_json::json!(["order_totals"]),
            "{driver}"
        );
        assert_eq!(answer["rows"], serde_json::json!(5), "{driver}");
        assert!(
            answer["definition"]
                .as_str()
                .unwrap()
                .contains("sum(amount)"),
            "{driver}"
        );
    }
    let version = |package| python_version(&interpreter, package);
    exercised(&Exercised {
        test: "sqlalchemy_reflects_the_schema",
        client: "SQLAlchemy with psycopg 3 and psycopg2",
        version: &format!(
            "{}, psycopg2 {}",
            version("SQLAlchemy"),
            version("psycopg2-binary")
        ),
        what: "the inspector: schemas, tables, views, columns and types; a view's definition; rows",
        but: "",
    });
}
