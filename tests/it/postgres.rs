//! PostgreSQL as the reference: what it answered, asked of ours.
//!
//! `tests/postgres/` has a schema for both, statements (`statements/`, ours, and `captured/`, what clients send) with PostgreSQL's answers,
//! and the differences that are known, each with a reason that `docs/sql/postgres.md` explains. A difference that is not listed fails, and so
//! does one that is listed and gone, and a page that counts otherwise.
//!
//! `SLUICE_WRITE_DIFFERENCES=1` (`make differences`) writes the list and the counts anew: reasons and comments stay, what has no reason yet
//! gets `?`, which fails. `SLUICE_WRITE_ANSWERS=1` (`make answers`) has a PostgreSQL write its answers to the same statements anew.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::PathBuf};

use serde_json::Value;
use sluice_tests::{
    parts::{
        postgres::{self, Postgres},
        psql, python,
    },
    server::Server,
};

use crate::support::{Exercised, exercised, python_version, said};

/// A statement, by its file and its name there.
type Statement = (String, String);

/// What each known difference of a statement is there for: kind (`KINDS` of `postgres_wire.py`) and reason.
type Reasons = BTreeMap<String, String>;

/// A reason that nobody has found yet.
const UNKNOWN: &str = "?";

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
    let report = replayed(port, &[]);
    report.as_array().unwrap().clone()
}

fn replayed(port: u16, options: &[&str]) -> Value {
    let interpreter = postgres::clients().unwrap();
    let files = files();
    let port = port.to_string();
    let mut arguments = vec![port.as_str()];
    arguments.extend(options);
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    python::run_with(&interpreter, "postgres_replay.py", &arguments)
}

fn text(entry: &Value, name: &str) -> String {
    entry[name].as_str().unwrap().to_owned()
}

fn statement(entry: &Value) -> Statement {
    (text(entry, "file"), text(entry, "name"))
}

/// All that an answer differs in.
fn differences(entry: &Value) -> Vec<String> {
    let kinds = entry["verdict"].as_array().unwrap();
    kinds
        .iter()
        .map(|kind| kind.as_str().unwrap().to_owned())
        .collect()
}

/// `differences.txt`: what it begins with, and for each statement the comments above it and its reasons.
#[derive(Debug, Default)]
struct Listed {
    head: String,
    comments: BTreeMap<Statement, String>,
    reasons: BTreeMap<Statement, Reasons>,
}

impl Listed {
    fn path() -> PathBuf {
        folder().join("differences.txt")
    }

    fn read() -> Self {
        Self::parse(&fs::read_to_string(Self::path()).unwrap())
    }

    fn parse(text: &str) -> Self {
        let mut listed = Self::default();
        let mut comment = String::new();
        for line in text.lines() {
            if line.is_empty() || line.starts_with('#') {
                // What stands above the first statement is the head of the file.
                let place = if listed.reasons.is_empty() {
                    &mut listed.head
                } else {
                    &mut comment
                };
                writeln!(place, "{line}").unwrap();
                continue;
            }
            let fields: Vec<&str> = line.split(" | ").collect();
            let [file, name, kinds, reason] = fields[..] else {
                panic!("differences.txt: four fields expected in {line}");
            };
            let statement = (file.to_owned(), name.to_owned());
            if !comment.is_empty() {
                let comments = listed.comments.entry(statement.clone()).or_default();
                comments.push_str(&std::mem::take(&mut comment));
            }
            let reasons = listed.reasons.entry(statement).or_default();
            for kind in kinds.split(',') {
                let twice = reasons.insert(kind.to_owned(), reason.to_owned());
                assert!(twice.is_none(), "differences.txt: {kind} twice in {line}");
            }
        }
        listed
    }

    /// What a difference is there for; empty where it is not listed.
    fn reason(&self, statement: &Statement, kind: &str) -> &str {
        let reasons = self.reasons.get(statement);
        reasons
            .and_then(|reasons| reasons.get(kind))
            .map_or("", String::as_str)
    }

    /// The file as it should be after these answers: reasons stay, what has none gets `?`, what is gone goes.
    fn rewritten(&self, answers: &[Value]) -> String {
        let mut file = self.head.clone();
        for entry in answers {
            let statement = statement(entry);
            let mut lines: Vec<(String, Vec<String>)> = Vec::new();
            for kind in differences(entry) {
                let reason = match self.reason(&statement, &kind) {
                    "" => UNKNOWN,
                    reason => reason,
                };
                match lines.iter_mut().find(|(known, _)| known == reason) {
                    Some((_, kinds)) => kinds.push(kind),
                    None => lines.push((reason.to_owned(), vec![kind])),
                }
            }
            if lines.is_empty() {
                continue;
            }
            if let Some(comment) = self.comments.get(&statement) {
                file.push_str(comment);
            }
            let (name, title) = &statement;
            for (reason, kinds) in lines {
                writeln!(file, "{name} | {title} | {} | {reason}", kinds.join(",")).unwrap();
            }
        }
        file
    }
}

fn page_path() -> PathBuf {
    sluice_tests::folder().join("../docs/sql/postgres.md")
}

/// The page that explains the reasons: those under "Not yet" are accidents.
fn page() -> (String, String) {
    let text = fs::read_to_string(page_path()).unwrap();
    let (purpose, accident) = text
        .split_once("\n## Not yet\n")
        .expect("a part \"Not yet\"");
    (purpose.to_owned(), accident.to_owned())
}

/// How many answers are PostgreSQL's. A statement differs by accident where one of its reasons is an accident.
#[derive(Debug, Default)]
struct Counts {
    all: usize,
    equal: usize,
    on_purpose: usize,
    by_accident: usize,
    /// Those that clients send.
    captured: usize,
    captured_equal: usize,
}

impl Counts {
    /// How the sentence of the page begins and ends that says them.
    const BEGIN: &str = "Of ";
    const END: &str = " are alike";

    fn of(answers: &[Value], listed: &Listed, purpose: &str) -> Self {
        let mut counts = Self::default();
        for entry in answers {
            let statement = statement(entry);
            let kinds = differences(entry);
            counts.all += 1;
            counts.captured += usize::from(entry["captured"] == true);
            if kinds.is_empty() {
                counts.equal += 1;
                counts.captured_equal += usize::from(entry["captured"] == true);
            } else if kinds
                .iter()
                .all(|kind| explained(purpose, listed.reason(&statement, kind)))
            {
                counts.on_purpose += 1;
            } else {
                counts.by_accident += 1;
            }
        }
        counts
    }

    fn sentence(&self) -> String {
        let Self {
            all,
            equal,
            on_purpose,
            by_accident,
            captured,
            captured_equal,
        } = self;
        format!(
            "{}{all} statements {equal} are answered alike, {on_purpose} differ on purpose and {by_accident} by accident still; \
             of the {captured} that clients send, {captured_equal}{}",
            Self::BEGIN,
            Self::END
        )
    }

    /// The page with this sentence in the place of the one it has.
    fn written_into(&self, page: &str) -> String {
        let start = page
            .match_indices("\n")
            .map(|(at, _)| at + 1)
            .find(|at| {
                page[*at..].starts_with(Self::BEGIN)
                    && page[*at..].lines().next().unwrap().contains(Self::END)
            })
            .expect("a sentence with the counts in docs/sql/postgres.md");
        let end = start + page[start..].find(Self::END).unwrap() + Self::END.len();
        format!("{}{}{}", &page[..start], self.sentence(), &page[end..])
    }
}

/// Whether a part of the page has this reason.
fn explained(part: &str, reason: &str) -> bool {
    !reason.is_empty() && part.contains(&format!("**{reason}**"))
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
fn comments_of_streams_outlive_a_restart_and_psql_shows_them() {
    let mut server = Server::start();
    let pg = server.connect();
    pg.run("CREATE STREAM clicks (ts TIMESTAMPTZ, value DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '10 seconds') WITH (connector = 'generator', rows = '10', splits = '1')");
    pg.run("COMMENT ON STREAM clicks IS 'what is clicked'");
    pg.run("COMMENT ON COLUMN clicks.value IS 'in euros'");
    let check = |server: &Server| {
        let pg = server.connect();
        for (question, answer) in [
            (
                "SELECT obj_description('clicks'::regclass, 'pg_class')",
                "what is clicked",
            ),
            ("SELECT col_description('clicks'::regclass, 2)", "in euros"),
        ] {
            assert_eq!(pg.value(question), answer, "{question}");
        }
        for (command, text) in [
            ("\\dt+ clicks", "what is clicked"),
            ("\\d+ clicks", "in euros"),
        ] {
            let printed = psql::print(server.pg_port(), &["-c", command]);
            assert!(printed.contains(text), "{command}: {printed}");
        }
    };
    check(&server);
    server.kill_and_restart();
    check(&server);
    server.connect().run("COMMENT ON STREAM clicks IS NULL");
    server.kill_and_restart();
    let pg = server.connect();
    let gone = "SELECT obj_description('clicks'::regclass, 'pg_class') IS NULL";
    assert_eq!(pg.value(gone), "t");
}

#[test]
fn answers_are_postgresqls_but_for_what_is_listed() {
    let server = Server::start();
    server.connect().run(&postgres::schema());
    let answers = asked(server.pg_port());
    let (purpose, accident) = page();
    let writing = env::var_os("SLUICE_WRITE_DIFFERENCES").is_some();
    if writing {
        fs::write(Listed::path(), Listed::read().rewritten(&answers)).unwrap();
    }
    let listed = Listed::read();
    let mut report = String::new();
    let mut wrong = String::new();
    let mut found = BTreeMap::new();
    for entry in &answers {
        let statement = statement(entry);
        let (file, name) = &statement;
        let kinds = differences(entry);
        for kind in &kinds {
            let reason = listed.reason(&statement, kind);
            if reason.is_empty() || reason == UNKNOWN {
                writeln!(wrong, "{file} | {name} | {kind} | {UNKNOWN}\n{entry:#}").unwrap();
            } else if !explained(&purpose, reason) && !explained(&accident, reason) {
                writeln!(
                    wrong,
                    "{file} | {name}: docs/sql/postgres.md does not say **{reason}**"
                )
                .unwrap();
            }
            writeln!(report, "{file} | {name} | {kind} | {reason}").unwrap();
        }
        if !kinds.is_empty() {
            writeln!(report, "{entry:#}").unwrap();
        }
        found.insert(statement, kinds);
    }
    for (statement, reasons) in &listed.reasons {
        for (kind, reason) in reasons {
            let there = found.get(statement);
            if !there.is_some_and(|kinds| kinds.contains(kind)) {
                let (file, name) = statement;
                writeln!(
                    wrong,
                    "listed and gone: {file} | {name} | {kind} | {reason}"
                )
                .unwrap();
            }
        }
    }
    let counts = Counts::of(&answers, &listed, &purpose);
    let text = fs::read_to_string(page_path()).unwrap();
    let counted = counts.written_into(&text);
    if writing {
        fs::write(page_path(), &counted).unwrap();
    } else if counted != text {
        let sentence = counts.sentence();
        writeln!(
            wrong,
            "docs/sql/postgres.md counts otherwise; it is:\n{sentence}"
        )
        .unwrap();
    }
    let summary = format!("{}\n{}", counts.sentence(), errors(&answers));
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("postgres-report.txt");
    fs::write(&path, format!("{summary}\n{report}\n{}", unlike(&answers))).unwrap();
    println!("{summary}the report is {}", path.display());
    assert!(wrong.is_empty(), "{wrong}\n{summary}");
}

/// What an error says beside its SQLSTATE, position and severity; that it says it otherwise is told, and fails nothing.
const SAID: [&str; 3] = ["message", "detail", "hint"];

/// How many errors say what PostgreSQL's say.
fn errors(answers: &[Value]) -> String {
    let errors = answers
        .iter()
        .filter(|entry| text(entry, "expected").contains("ERROR "))
        .count();
    let known: Vec<&Value> = answers
        .iter()
        .filter(|entry| entry["known"] == true)
        .collect();
    let alike = known
        .iter()
        .filter(|entry| entry["unlike"].as_object().unwrap().is_empty())
        .count();
    let mut line = format!(
        "{errors} errors, {} of them written down with what they say: {alike} say it alike",
        known.len()
    );
    for field in SAID {
        let count = known
            .iter()
            .filter(|entry| entry["unlike"].get(field).is_some())
            .count();
        write!(line, ", {count} have another {field}").unwrap();
    }
    line.push('\n');
    line
}

/// What errors say otherwise, PostgreSQL's above ours.
fn unlike(answers: &[Value]) -> String {
    let mut list = "What errors say otherwise (PostgreSQL's, then ours)\n".to_owned();
    for entry in answers {
        let said = entry["unlike"].as_object().unwrap();
        if said.is_empty() {
            continue;
        }
        let (file, name) = statement(entry);
        writeln!(list, "{file} | {name} | {}", text(entry, "sql")).unwrap();
        for field in SAID {
            if let Some(two) = said.get(field) {
                writeln!(list, "  {field}: {}\n  {field}: {}", two[0], two[1]).unwrap();
            }
        }
    }
    list
}

#[test]
#[ignore = "needs PostgreSQL 15: make test-clients"]
fn the_answers_written_down_are_still_postgresqls() {
    if env::var_os("SLUICE_WRITE_ANSWERS").is_some() {
        // By one of its own: what statements leave behind, others list.
        replayed(Postgres::start().unwrap().port(), &["--write"]);
    }
    let reference = Postgres::start().unwrap();
    let differ: Vec<Value> = asked(reference.port())
        .into_iter()
        .filter(|entry| !differences(entry).is_empty())
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

/// The comparison tells all that two answers differ in, whatever else they differ in.
#[test]
fn every_difference_of_two_answers_is_told() {
    let many = |last: &str| {
        let rows: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        format!("a:int8\n{}\n{last}", rows.join("\n"))
    };
    let cases = serde_json::json!([
        ["a:int4\n1", "a:int4\n1", []],
        ["a:int4\n1", "a:int8\n1", ["types"]],
        ["a:int4\n1", "a:int8\n2", ["types", "rows"]],
        ["a:int4\n1\n2", "b:text\n2", ["names", "types", "rows"]],
        ["a:int4\n1\n2", "a:int8\n2\n1", ["types", "order"]],
        ["a:int4\tb:int4\n1\t2", "a:int4\n1", ["columns"]],
        ["a:int4\tb:int4\n1\t2", "a:int4", ["columns", "rows"]],
        ["a:int4\n1", "ERROR 42601 3", ["status"]],
        ["OK SELECT 1", "OK SELECT 2", ["tag"]],
        [
            "OK SET\nERROR 42P01 3",
            "OK RESET\nERROR 42703 4",
            ["code", "position", "tag"]
        ],
        ["OK SET\na:int4\n1", "OK SET\na:int4\n2", ["rows"]],
        [
            "ERROR 42601",
            "ERROR 42601\nSEVERITY: FATAL\nMESSAGE: x",
            ["severity"]
        ],
        ["ERROR 42601\nMESSAGE: x", "ERROR 42601\nMESSAGE: y", []],
        [
            "COPY OUT\n1\nOK COPY 1",
            "COPY OUT\n2\nOK COPY 2",
            ["tag", "rows"]
        ],
        ["a:int8\n31 rows", many("30"), []],
        ["a:int8\n32 rows", many("30"), ["rows"]],
        [many("30"), many("31"), ["rows"]],
    ]);
    let interpreter = postgres::clients().unwrap();
    let answer = python::run_with(&interpreter, "postgres_compared.py", &[&cases.to_string()]);
    for (case, told) in cases
        .as_array()
        .unwrap()
        .iter()
        .zip(answer.as_array().unwrap())
    {
        // By themselves, and by what is written of the first.
        for told in told.as_array().unwrap() {
            assert_eq!(told, &case[2], "{case}");
        }
    }
}

/// What is written anew has the reasons and comments it had, and asks for those it lacks.
#[test]
fn reasons_outlive_writing_the_list() {
    let list = "# head\na.sql | x #1 | types | as it is\n# why\na.sql | y #1 | types,rows | so\na.sql | y #1 | names | or so\n\
                b.sql | gone #1 | rows | was\n";
    let entry = |file: &str, name: &str, verdict: &[&str]| serde_json::json!({ "file": file, "name": name, "verdict": verdict });
    let answers = [
        entry("a.sql", "x #1", &["types", "rows"]),
        entry("a.sql", "y #1", &["names", "types", "rows"]),
        entry("b.sql", "gone #1", &[]),
    ];
    let written = Listed::parse(list).rewritten(&answers);
    assert_eq!(
        written,
        "# head\na.sql | x #1 | types | as it is\na.sql | x #1 | rows | ?\n# why\na.sql | y #1 | names | or so\na.sql | y #1 | types,rows | so\n"
    );
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

/// What a tool asks of the catalog and is not there is answered with no rows, and counted for who runs the server.
#[test]
fn a_question_about_the_catalog_that_has_no_answer_is_counted() {
    let server = Server::start();
    let pg = server.connect();
    let unanswered = || server.metric("sluice_catalog_questions_unanswered_total");
    // What is answered, and an error of somebody's own, are none of these.
    assert_ne!(pg.number("SELECT count(*) FROM pg_catalog.pg_class"), 0);
    pg.refused("SELECT no_such_function(1)", "42883", &["no_such_function"]);
    assert_eq!(unanswered(), 0);
    let unknown = "SELECT c.relname, pg_catalog.no_such_function(c.oid) FROM pg_catalog.pg_class c";
    let mut before = 0;
    for _ in 0..3 {
        assert!(pg.run(unknown).is_empty());
        let now = unanswered();
        assert!(now > before, "{now} after {before}");
        before = now;
    }
}
