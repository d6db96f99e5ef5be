//! Who may do what: object × privilege × door gives one answer, and the answer outlives a restart.

use std::process::Command;

use serde_json::json;
use sluice_tests::{
    parts::{psql, python},
    pg::Pg,
    server::Server,
};

use crate::support::SOON;

const PASSWORD: &str = "a password of some length";

/// Things to look at, roles that may look at some of them, and what each may.
const SETUP: &str = "
    CREATE ROLE readers;
    CREATE ROLE ann LOGIN PASSWORD 'a password of some length';
    CREATE ROLE bob LOGIN PASSWORD 'a password of some length' IN ROLE readers;
    CREATE ROLE eve LOGIN PASSWORD 'a password of some length';
    GRANT CREATE ON SCHEMA silver TO ann;
    CREATE STREAM clicks (event_type TEXT) WITH (connector = 'generator', rows = 50);
    CREATE TABLE gold.plain AS SELECT 1 AS a, 'x' AS b;
    CREATE TABLE gold.other AS SELECT 2 AS a;
    CREATE VIEW gold.both AS SELECT p.a, o.a AS c FROM gold.plain AS p, gold.other AS o;
    CREATE SCHEMA closed;
    CREATE TABLE closed.inside AS SELECT 3 AS a;
    GRANT SELECT ON gold.plain TO ann;
    GRANT SELECT ON gold.both TO readers;
    GRANT SELECT ON STREAM clicks TO readers;
    GRANT SELECT ON closed.inside TO eve;
    CREATE TABLE gold.written (a INT);
    GRANT SELECT, INSERT ON gold.written TO ann;
    GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON gold.written TO readers;
";

/// Functions that not everybody may call.
const FUNCTIONS: &str = "
    CREATE VIEW gold.repeated AS SELECT repeat(b, 2) AS b FROM gold.plain;
    GRANT SELECT ON gold.repeated TO ann, readers;
    REVOKE EXECUTE ON FUNCTION repeat(text, integer), generate_series(bigint, bigint) FROM PUBLIC;
    GRANT EXECUTE ON ROUTINE repeat, pg_catalog.generate_series TO ann;
";

/// Each statement with what ann, bob and eve are told: `ok` or a SQLSTATE.
const MATRIX: [(&str, [&str; 3]); 41] = [
    ("SELECT * FROM gold.plain", ["ok", DENIED, DENIED]),
    ("SELECT * FROM gold.other", [DENIED, DENIED, DENIED]),
    // A view reads with its owner's rights.
    ("SELECT * FROM gold.both", [DENIED, "ok", DENIED]),
    ("SELECT * FROM closed.inside", [DENIED, DENIED, DENIED]),
    ("SELECT * FROM clicks LIMIT 1", [DENIED, "ok", DENIED]),
    // Companions and earlier versions have the rights of what they are of.
    ("SELECT * FROM gold.plain__files", ["ok", DENIED, DENIED]),
    ("SELECT * FROM gold.plain__history", ["ok", DENIED, DENIED]),
    (
        "SELECT * FROM gold.plain VERSION AS OF 1",
        ["ok", DENIED, DENIED],
    ),
    ("SELECT * FROM clicks__dead_letter", [DENIED, "ok", DENIED]),
    // However deep it stands.
    (
        "SELECT (SELECT max(a) FROM gold.plain)",
        ["ok", DENIED, DENIED],
    ),
    (
        "WITH x AS (SELECT * FROM gold.plain) SELECT * FROM x",
        ["ok", DENIED, DENIED],
    ),
    ("EXPLAIN SELECT * FROM gold.plain", ["ok", DENIED, DENIED]),
    ("DESCRIBE gold.plain", ["ok", DENIED, DENIED]),
    ("DESCRIBE HISTORY gold.plain", ["ok", DENIED, DENIED]),
    ("SHOW CREATE TABLE gold.plain", ["ok", DENIED, DENIED]),
    // What the server tells of itself: the rows are filtered, not refused.
    ("SELECT * FROM system.queries", ["ok", "ok", "ok"]),
    // What is made belongs to its maker, and reads what the maker may read.
    (
        "CREATE VIEW silver.mine AS SELECT * FROM gold.other",
        [DENIED, DENIED, DENIED],
    ),
    (
        "CREATE TABLE gold.mine AS SELECT 1 AS a",
        [DENIED, DENIED, DENIED],
    ),
    ("CREATE SCHEMA mine", [DENIED, DENIED, DENIED]),
    ("DROP TABLE gold.plain", [DENIED, DENIED, DENIED]),
    ("OPTIMIZE gold.plain", [DENIED, DENIED, DENIED]),
    // What is written asks for its own privilege, and what is read for it for that of reading.
    (
        "INSERT INTO gold.written SELECT 1 WHERE false",
        ["ok", "ok", DENIED],
    ),
    (
        "INSERT INTO gold.written SELECT a FROM gold.other",
        [DENIED, DENIED, DENIED],
    ),
    (
        "UPDATE gold.written SET a = 2 WHERE a = 1",
        [DENIED, "ok", DENIED],
    ),
    (
        "DELETE FROM gold.written WHERE a = 1",
        [DENIED, "ok", DENIED],
    ),
    (
        "MERGE INTO gold.written w USING (SELECT 1 AS a) s ON w.a = s.a WHEN MATCHED THEN DELETE",
        [DENIED, "ok", DENIED],
    ),
    ("TRUNCATE gold.written", [DENIED, "ok", DENIED]),
    (
        "ALTER TABLE gold.written ADD COLUMN b INT",
        [DENIED, DENIED, DENIED],
    ),
    (
        "COMMENT ON TABLE gold.written IS 'x'",
        [DENIED, DENIED, DENIED],
    ),
    ("SUBSCRIBE gold.other", [DENIED, DENIED, DENIED]),
    // Functions, wherever they are called.
    ("SELECT repeat('x', 2)", ["ok", DENIED, DENIED]),
    ("SELECT REPEAT('x', 2)", ["ok", DENIED, DENIED]),
    (
        "SELECT * FROM generate_series(1, 2)",
        ["ok", DENIED, DENIED],
    ),
    (
        "EXPLAIN SELECT 1 WHERE repeat('x', 2) = 'y'",
        ["ok", DENIED, DENIED],
    ),
    (
        "INSERT INTO gold.written SELECT length(repeat('x', 2)) WHERE false",
        ["ok", DENIED, DENIED],
    ),
    // A view's are called by whoever reads it.
    ("SELECT * FROM gold.repeated", ["ok", DENIED, DENIED]),
    (
        "GRANT EXECUTE ON FUNCTION repeat TO eve",
        [DENIED, DENIED, DENIED],
    ),
    (
        "GRANT SELECT ON gold.plain TO eve",
        [DENIED, DENIED, DENIED],
    ),
    ("CREATE ROLE mallory SUPERUSER", [DENIED, DENIED, DENIED]),
    (
        "ALTER ROLE sluice PASSWORD 'mine'",
        [DENIED, DENIED, DENIED],
    ),
    ("SET ROLE sluice", [DENIED, DENIED, DENIED]),
];
const DENIED: &str = "42501";

fn server() -> Server {
    let mut server = Server::idle();
    server.add_args(&["--auth", "password"]);
    server.set_env("SLUICE_PASSWORD", PASSWORD);
    server.up();
    server
}

fn connect(server: &Server, user: &str) -> Pg {
    Pg::connect_with(server.pg_port(), user, PASSWORD).unwrap_or_else(|e| panic!("{user}: {e}"))
}

/// What psql is told, statement by statement.
pub(crate) fn by_psql(server: &Server, user: &str, statements: &[&str]) -> Vec<String> {
    let mut script = "\\o /dev/null\n".to_owned();
    for statement in statements {
        script.push_str(&format!("{statement};\n\\echo :SQLSTATE\n"));
    }
    let mut command: Command = psql::command(server.pg_port());
    let output = command
        .args(["-U", user, "-v", "ON_ERROR_STOP=0", "-c", "SELECT 1"])
        .env("PGPASSWORD", PASSWORD)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("asked.sql");
    std::fs::write(&file, script).unwrap();
    let output = psql::command(server.pg_port())
        .args(["-U", user, "-v", "ON_ERROR_STOP=0", "-f"])
        .arg(&file)
        .env("PGPASSWORD", PASSWORD)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    told.lines()
        .map(|state| state.replace("00000", "ok"))
        .collect()
}

fn check_matrix(server: &Server) {
    let statements: Vec<&str> = MATRIX.iter().map(|(statement, _)| *statement).collect();
    let flight = format!("grpc://127.0.0.1:{}", server.flight_port());
    for (at, user) in ["ann", "bob", "eve"].iter().enumerate() {
        let expected: Vec<&str> = MATRIX.iter().map(|(_, told)| told[at]).collect();
        let pg = connect(server, user);
        let told: Vec<String> = statements
            .iter()
            .map(|statement| {
                pg.try_run(statement)
                    .map_or_else(|e| e.state, |_| "ok".into())
            })
            .collect();
        assert_eq!(told, expected, "{user} by tokio-postgres");
        assert_eq!(
            by_psql(server, user, &statements),
            expected,
            "{user} by psql"
        );
        let port = server.pg_port().to_string();
        let list = json!(statements).to_string();
        let both = python::run("ask_as.py", &[&port, &flight, user, PASSWORD, &list]);
        for client in ["psycopg", "adbc"] {
            assert_eq!(both[client]["login"], "ok", "{user} by {client}");
            assert_eq!(
                both[client]["outcomes"],
                json!(expected),
                "{user} by {client}"
            );
        }
    }
}

#[test]
fn object_by_privilege_by_door_gives_one_answer_before_and_after_a_restart() {
    let mut server = server();
    let owner = connect(&server, "sluice");
    owner.run(SETUP);
    owner.run(FUNCTIONS);
    check_matrix(&server);
    server.kill_and_restart();
    check_matrix(&server);
}

#[test]
fn messages_are_postgresqls() {
    let server = server();
    let owner = connect(&server, "sluice");
    owner.run(SETUP);
    let ann = connect(&server, "ann");
    for (statement, says) in [
        (
            "SELECT * FROM gold.other",
            "permission denied for table other",
        ),
        ("SELECT * FROM gold.both", "permission denied for view both"),
        (
            "SELECT * FROM clicks",
            "permission denied for stream clicks",
        ),
        (
            "SELECT * FROM clicks__dead_letter",
            "permission denied for stream clicks",
        ),
        (
            "SELECT * FROM closed.inside",
            "permission denied for schema closed",
        ),
        (
            "CREATE TABLE gold.x AS SELECT 1 AS a",
            "permission denied for schema gold",
        ),
        ("DROP TABLE gold.plain", "must be owner of table plain"),
        ("CREATE SCHEMA x", "permission denied for database sluice"),
        ("CREATE ROLE x", "permission denied to create role"),
        ("DROP ROLE bob", "permission denied to drop role"),
        ("ALTER ROLE bob NOLOGIN", "permission denied to alter role"),
        ("SET ROLE bob", "permission denied to set role \"bob\""),
        (
            "SET SESSION AUTHORIZATION bob",
            "permission denied to set session authorization \"bob\"",
        ),
        (
            "GRANT readers TO eve",
            "must have admin option on role \"readers\"",
        ),
    ] {
        let refusal = ann.refused(statement, DENIED, &[says]);
        assert_eq!(refusal.position, None, "{statement}");
    }
    owner.refused("CREATE ROLE ann", "42710", &["role \"ann\" already exists"]);
    owner.refused(
        "CREATE ROLE pg_x",
        "42939",
        &["role name \"pg_x\" is reserved"],
    );
    owner.refused(
        "DROP ROLE nobody",
        "42704",
        &["role \"nobody\" does not exist"],
    );
    owner.refused(
        "SET ROLE nobody",
        "22023",
        &["role \"nobody\" does not exist"],
    );
    owner.refused(
        "GRANT USAGE ON gold.plain TO ann",
        "0LP01",
        &["invalid privilege type USAGE for table"],
    );
    owner.refused(
        "GRANT SELECT ON gold.nothing TO ann",
        "42P01",
        &["does not exist"],
    );
    owner.refused(
        "GRANT SELECT ON gold.plain TO nobody",
        "42704",
        &["role \"nobody\" does not exist"],
    );
    owner.refused(
        "DROP ROLE sluice",
        "55006",
        &["current user cannot be dropped"],
    );
    owner.refused(
        "ALTER ROLE sluice NOSUPERUSER",
        "55006",
        &["stays a superuser"],
    );
    owner.refused(
        "DROP ROLE ann",
        "2BP01",
        &[
            "role \"ann\" cannot be dropped because some objects depend on it",
            "Privileges for table plain",
            "privileges for schema silver",
        ],
    );
    owner.run("GRANT ann TO bob");
    owner.refused(
        "GRANT bob TO ann",
        "0LP01",
        &["role \"bob\" is a member of role \"ann\""],
    );
    owner.refused(
        "GRANT EXECUTE ON FUNCTION nothing(int) TO ann",
        "42883",
        &["could not find a function named \"nothing\""],
    );
    owner.refused(
        "GRANT SELECT ON FUNCTION now TO ann",
        "0LP01",
        &["invalid privilege type SELECT for function"],
    );
    owner.refused(
        "GRANT EXECUTE ON gold.plain TO ann",
        "0LP01",
        &["invalid privilege type EXECUTE for table"],
    );
    owner.refused(
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA nowhere TO ann",
        "3F000",
        &["schema \"nowhere\" does not exist"],
    );
    ann.refused(
        "REVOKE ALL ON FUNCTION now() FROM PUBLIC",
        DENIED,
        &["permission denied for function now"],
    );
}

#[test]
fn rights_hold_from_the_moment_they_are_given_until_they_are_taken() {
    let server = server();
    let owner = connect(&server, "sluice");
    owner.run(SETUP);
    let eve = connect(&server, "eve");
    eve.refused("SELECT * FROM gold.plain", DENIED, &[]);
    owner.run("GRANT SELECT ON gold.plain TO PUBLIC");
    assert_eq!(eve.number("SELECT a FROM gold.plain"), 1);
    // A statement that was prepared while it was allowed is refused when it no longer is.
    let prepared = sluice_tests::pg::block_on(eve.client().prepare("SELECT a FROM gold.plain"));
    let prepared = prepared.unwrap();
    let rows = sluice_tests::pg::block_on(eve.client().query(&prepared, &[]));
    assert_eq!(rows.unwrap().len(), 1);
    owner.run("REVOKE SELECT ON gold.plain FROM PUBLIC");
    let error = sluice_tests::pg::block_on(eve.client().query(&prepared, &[])).unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some(DENIED));
    // So is one that writes what it reads.
    owner.run("GRANT SELECT ON gold.other TO ann");
    let writer = connect(&server, "ann");
    let copy = "INSERT INTO gold.written SELECT a FROM gold.other";
    let prepared = sluice_tests::pg::block_on(writer.client().prepare(copy)).unwrap();
    let run = || sluice_tests::pg::block_on(writer.client().execute(&prepared, &[]));
    assert_eq!(run().unwrap(), 1);
    owner.run("REVOKE SELECT ON gold.other FROM ann");
    let error = run().unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some(DENIED));
    // Membership, with and without inheritance.
    owner.run("GRANT readers TO eve");
    assert_eq!(eve.number("SELECT a FROM gold.both"), 1);
    owner.run("ALTER ROLE eve NOINHERIT");
    eve.refused("SELECT * FROM gold.both", DENIED, &[]);
    eve.run("SET ROLE readers");
    assert_eq!(eve.value("SELECT current_user"), "readers");
    assert_eq!(eve.value("SELECT session_user"), "eve");
    assert_eq!(eve.number("SELECT a FROM gold.both"), 1);
    eve.run("RESET ROLE");
    eve.refused("SELECT * FROM gold.both", DENIED, &[]);
    // For a block, by its end or by ROLLBACK; outside of one for nothing.
    for [set, end] in [
        ["SET LOCAL ROLE readers", "COMMIT"],
        ["SET ROLE readers", "ROLLBACK"],
    ] {
        eve.run("BEGIN");
        eve.run(set);
        assert_eq!(eve.value("SELECT current_user"), "readers", "{set}");
        assert_eq!(eve.number("SELECT a FROM gold.both"), 1);
        eve.run(end);
        assert_eq!(eve.value("SELECT current_user"), "eve", "{set}");
        eve.refused("SELECT * FROM gold.both", DENIED, &[]);
    }
    eve.run("SET LOCAL ROLE readers");
    assert_eq!(eve.value("SELECT current_user"), "eve");
    owner.run("REVOKE readers FROM eve");
    eve.refused("SET ROLE readers", DENIED, &[]);
    // The right to give a right on.
    owner.run("GRANT SELECT ON gold.other TO ann WITH GRANT OPTION");
    let ann = connect(&server, "ann");
    ann.run("GRANT SELECT ON gold.other TO eve");
    assert_eq!(eve.number("SELECT a FROM gold.other"), 2);
    // A view of ann's reads what ann may, for whoever may read the view.
    ann.run(
        "CREATE VIEW silver.ours AS SELECT a FROM gold.other; GRANT SELECT ON silver.ours TO bob",
    );
    let bob = connect(&server, "bob");
    assert_eq!(bob.number("SELECT a FROM silver.ours"), 2);
    owner.run("REVOKE SELECT ON gold.other FROM ann");
    bob.refused("SELECT a FROM silver.ours", DENIED, &["table other"]);
    // Such a view is not listed, and the listing goes on.
    let listed = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'ours'";
    assert_eq!(owner.number(listed), 0);
    owner.run("SELECT count(*) FROM pg_class; SELECT count(*) FROM information_schema.columns; SELECT count(*) FROM information_schema.views");
    // Whoever gets a thing owns it.
    owner.run("ALTER VIEW silver.ours OWNER TO bob");
    ann.refused(
        "DROP VIEW silver.ours",
        DENIED,
        &["must be owner of view ours"],
    );
    bob.run("DROP VIEW silver.ours");
}

#[test]
fn a_function_is_called_by_whom_it_was_given_to() {
    let mut server = server();
    let owner = connect(&server, "sluice");
    owner.run(SETUP);
    let bob = connect(&server, "bob");
    let lengths = "SELECT length(repeat('x', 3))";
    assert_eq!(bob.number(lengths), 3);
    let prepared = sluice_tests::pg::block_on(bob.client().prepare("SELECT repeat('x', 3)"));
    let prepared = prepared.unwrap();
    let run = || sluice_tests::pg::block_on(bob.client().query(&prepared, &[]));
    // Often enough for a plan that is kept.
    for _ in 0..4 {
        assert_eq!(run().unwrap().len(), 1);
    }
    let says = "permission denied for function repeat";
    let answer = |question: &str| bob.value(&format!("SELECT {question}"));
    let asked = "has_function_privilege('repeat(text,integer)', 'EXECUTE')";
    assert_eq!(answer(asked), "t");
    owner.run(FUNCTIONS);
    let error = run().unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some(DENIED));
    assert_eq!(answer(asked), "f");
    assert_eq!(
        answer("has_function_privilege('ann', 'pg_catalog.repeat(text,integer)', 'EXECUTE')"),
        "t"
    );
    assert_eq!(
        answer("has_function_privilege('upper(text)', 'EXECUTE')"),
        "t"
    );
    owner.run("GRANT SELECT ON gold.plain TO bob; GRANT CREATE ON SCHEMA silver TO bob");
    for statement in [
        lengths,
        "SELECT a FROM gold.plain WHERE b = repeat('x', 2)",
        "SELECT a FROM gold.plain GROUP BY a HAVING count(repeat(max(b), 2)) > 0",
        "SELECT a FROM gold.plain ORDER BY repeat(b, 2)",
        "WITH x AS (SELECT repeat('x', 2)) SELECT 1 FROM x",
        "SELECT CASE WHEN EXISTS (SELECT repeat('x', 2)) THEN 1 END",
        "VALUES (repeat('x', 2))",
        "CREATE VIEW silver.mine AS SELECT repeat('x', 2) AS a",
        "CREATE TABLE silver.mine AS SELECT repeat('x', 2) AS a",
        "CREATE TABLE silver.mine AS SELECT repeat(event_type, 2) AS a FROM clicks",
        "CREATE TEMP TABLE mine AS SELECT repeat('x', 2) AS a",
        "INSERT INTO gold.written VALUES (length(repeat('x', 2)))",
        "UPDATE gold.written SET a = length(repeat('x', 2))",
        "DELETE FROM gold.written WHERE a = length(repeat('x', 2))",
        "MERGE INTO gold.written w USING (SELECT 1 AS a) s ON w.a = length(repeat('x', 1)) WHEN MATCHED THEN DELETE",
        "COPY (SELECT repeat('x', 2)) TO STDOUT",
        "SELECT pg_catalog.repeat('x', 2)",
        "SUBSCRIBE (SELECT repeat(event_type, 2) FROM clicks)",
        "EXPLAIN ANALYZE SELECT repeat('x', 2)",
        "EXPLAIN CREATE TABLE silver.mine AS SELECT repeat(event_type, 2) AS a FROM clicks",
    ] {
        bob.refused(statement, DENIED, &[says]);
    }
    // The right to give it on, and who hears of it.
    owner.run("GRANT EXECUTE ON FUNCTION repeat TO ann WITH GRANT OPTION");
    connect(&server, "ann").run("GRANT ALL ON FUNCTION repeat(text, integer) TO readers");
    assert_eq!(bob.number(lengths), 3);
    let listed = |function: &str| {
        let sql = format!("SELECT DISTINCT proacl FROM pg_proc WHERE proname = '{function}'");
        owner.run(&sql)
    };
    let list = "{sluice=X/sluice,ann=X*/sluice,readers=X/sluice}";
    assert_eq!(listed("repeat"), [[Some(list.to_owned())]]);
    assert_eq!(listed("lower"), [[None::<String>]]);
    owner.run("CREATE ROLE joe; GRANT EXECUTE ON FUNCTION repeat TO joe");
    owner.refused("DROP ROLE joe", "2BP01", &["rivileges for function repeat"]);
    server.kill_and_restart();
    let bob = connect(&server, "bob");
    assert_eq!(bob.number(lengths), 3);
    bob.refused(
        "SELECT * FROM generate_series(1, 2)",
        DENIED,
        &["function generate_series"],
    );
    // By whatever name it is called, and all of them at once.
    let owner = connect(&server, "sluice");
    owner.run("REVOKE EXECUTE ON FUNCTION date_part FROM PUBLIC");
    bob.refused(
        "SELECT extract(year FROM DATE '2026-01-02')",
        DENIED,
        &["function extract"],
    );
    owner.run("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pg_catalog FROM PUBLIC");
    bob.refused("SELECT upper('x')", DENIED, &["function upper"]);
    assert_eq!(bob.value("SELECT repeat('x', 3)"), "xxx");
    assert_eq!(owner.value("SELECT upper('x')"), "X");
    owner.run("GRANT ALL ON ALL FUNCTIONS IN SCHEMA pg_catalog TO PUBLIC");
    assert_eq!(bob.value("SELECT upper('x')"), "X");
    assert_eq!(bob.number("SELECT count(*) FROM generate_series(1, 2)"), 2);
    // What a view of the session calls is called by whoever reads it, too.
    bob.run("CREATE TEMP VIEW hashed AS SELECT md5('x') AS m");
    bob.run("CREATE TEMP VIEW again AS SELECT m FROM hashed");
    assert_eq!(bob.value("SELECT length(m) FROM again"), "32");
    owner.run("REVOKE EXECUTE ON FUNCTION md5 FROM PUBLIC");
    for sql in ["SELECT m FROM hashed", "SELECT m FROM pg_temp.again"] {
        bob.refused(sql, DENIED, &["function md5"]);
    }
}

#[test]
fn show_all_says_whose_rights_hold() {
    let server = server();
    let shown = |pg: &Pg, name: &str| {
        let all = pg.run("SHOW ALL");
        let row = all.iter().find(|row| row[0].as_deref() == Some(name));
        row.unwrap()[1].clone().unwrap()
    };
    let owner = connect(&server, "sluice");
    owner.run(&format!("CREATE ROLE bob LOGIN PASSWORD '{PASSWORD}'"));
    let bob = connect(&server, "bob");
    assert_eq!(shown(&owner, "is_superuser"), "on");
    assert_eq!(shown(&bob, "is_superuser"), "off");
    for name in ["is_superuser", "session_authorization", "TimeZone"] {
        let one = bob.value(&format!("SHOW {name}"));
        assert_eq!(shown(&bob, name), one, "{name}");
    }
}

#[test]
fn a_session_of_a_role_that_was_dropped_does_not_become_one_of_the_next_role() {
    let server = server();
    let owner = connect(&server, "sluice");
    let make = format!("CREATE ROLE joe LOGIN PASSWORD '{PASSWORD}'");
    owner.run(&make);
    owner.run("CREATE ROLE clerks; CREATE TABLE gold.books AS SELECT 1 AS a");
    let (first, second) = (connect(&server, "joe"), connect(&server, "joe"));
    assert_eq!(first.number("SELECT 1"), 1);
    let dropped = ["role \"joe\" was dropped", "Log in anew"];
    owner.run("DROP ROLE joe");
    first.refused("SELECT 1", "28000", &dropped);
    owner.run(&make);
    owner.run("GRANT SELECT ON gold.books TO joe");
    second.refused("SELECT * FROM gold.books", "28000", &dropped);
    for gone in [first, second] {
        server.wait("the connection's end", SOON, || {
            gone.is_closed().then_some(())
        });
    }
    let third = connect(&server, "joe");
    assert_eq!(third.number("SELECT a FROM gold.books"), 1);
    // So for a role that a session has become.
    owner.run("GRANT clerks TO joe");
    third.run("SET ROLE clerks");
    assert_eq!(third.value("SELECT current_user"), "clerks");
    owner.run("DROP ROLE clerks; CREATE ROLE clerks SUPERUSER");
    third.refused("SELECT 1", "28000", &["role \"clerks\" was dropped"]);
}

#[test]
fn the_catalog_tells_the_truth_about_roles() {
    let server = server();
    let owner = connect(&server, "sluice");
    owner.run(SETUP);
    let ann = connect(&server, "ann");
    let rows = ann.run("SELECT rolname, rolsuper, rolcanlogin FROM pg_roles WHERE rolname NOT LIKE 'pg_%' ORDER BY 1");
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| row.into_iter().map(Option::unwrap_or_default).collect())
        .collect();
    assert_eq!(
        rows,
        [
            ["ann", "f", "t"],
            ["bob", "f", "t"],
            ["eve", "f", "t"],
            ["readers", "f", "f"],
            ["sluice", "t", "t"]
        ]
    );
    assert_eq!(
        ann.run("SELECT m.rolname, g.rolname FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid"),
        [[Some("bob".to_owned()), Some("readers".to_owned())]]
    );
    for (question, answer) in [
        ("has_table_privilege('gold.plain', 'SELECT')", "t"),
        ("has_table_privilege('gold.plain', 'INSERT')", "f"),
        ("has_table_privilege('gold.plain', 'INSERT, SELECT')", "t"),
        ("has_table_privilege('bob', 'gold.plain', 'SELECT')", "f"),
        ("has_table_privilege('bob', 'gold.both', 'SELECT')", "t"),
        // By number, as psql asks.
        ("has_table_privilege('gold.plain'::regclass, 'SELECT')", "t"),
        ("has_table_privilege('gold.other'::regclass, 'SELECT')", "f"),
        ("has_table_privilege('pg_class', 'SELECT')", "t"),
        ("has_schema_privilege('silver', 'CREATE')", "t"),
        ("has_schema_privilege('gold', 'CREATE')", "f"),
        ("has_schema_privilege('closed', 'USAGE')", "f"),
        ("has_database_privilege('sluice', 'CONNECT')", "t"),
        ("has_database_privilege('sluice', 'CREATE')", "f"),
        ("pg_has_role('bob', 'readers', 'USAGE')", "t"),
        ("pg_has_role('readers', 'USAGE')", "f"),
        ("current_setting('is_superuser')", "off"),
        ("current_user", "ann"),
    ] {
        assert_eq!(
            ann.value(&format!("SELECT {question}")),
            answer,
            "{question}"
        );
    }
    ann.refused(
        "SELECT has_table_privilege('gold.nothing', 'SELECT')",
        "42P01",
        &[],
    );
    // Only what may be read is listed, at both doors.
    let listed = "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_schema IN ('gold', 'closed', 'public') ORDER BY 1";
    assert_eq!(
        ann.run(listed),
        ["gold.plain", "gold.written"].map(|name| [Some(name.to_owned())])
    );
    assert_eq!(
        ann.run("SHOW TABLES")
            .into_iter()
            .map(|row| row[1].clone())
            .collect::<Vec<_>>(),
        ["plain", "written"].map(|name| Some(name.to_owned()))
    );
    let owners = "SELECT c.relname, pg_get_userbyid(c.relowner) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'silver'";
    ann.run("CREATE VIEW silver.mine AS SELECT 1 AS a");
    assert_eq!(
        ann.run(owners),
        [[Some("mine".to_owned()), Some("ann".to_owned())]]
    );
    let acl =
        owner.value("SELECT array_to_string(relacl, ' ') FROM pg_class WHERE relname = 'plain'");
    assert_eq!(acl, "sluice=arwdDxt/sluice ann=r/sluice");
    // Who may not read it does not hear of it.
    owner.run("GRANT SELECT ON STREAM clicks TO ann");
    assert_eq!(ann.value("SELECT count(*) FROM system.streams"), "1");
    owner.run("REVOKE SELECT ON STREAM clicks FROM ann");
    assert_eq!(ann.value("SELECT count(*) FROM system.streams"), "0");
    owner.run("GRANT pg_monitor TO ann");
    assert_eq!(ann.value("SELECT count(*) FROM system.streams"), "1");
}

#[test]
fn psql_lists_roles_and_privileges() {
    let server = server();
    connect(&server, "sluice").run(SETUP);
    let print = |args: &[&str]| {
        let output = psql::command(server.pg_port())
            .args(args)
            .env("PGPASSWORD", PASSWORD)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let roles = print(&["-c", "\\du"]);
    for name in [
        "ann",
        "bob",
        "readers",
        "sluice",
        "Superuser",
        "Cannot login",
    ] {
        assert!(roles.contains(name), "{roles}");
    }
    let tables = print(&["-c", "\\dt gold.*"]);
    assert!(
        tables.contains("plain") && tables.contains("sluice"),
        "{tables}"
    );
    assert!(print(&["-c", "\\dn"]).contains("gold"));
}

/// Nothing in SQL opens a file of the server's.
#[test]
fn no_statement_reads_a_file_of_the_servers() {
    let server = server();
    let owner = connect(&server, "sluice");
    owner.run(SETUP);
    let ann = connect(&server, "ann");
    for statement in [
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM delta_scan('/etc')",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/x'",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
    ] {
        assert!(owner.try_run(statement).is_err(), "{statement}");
        assert!(ann.try_run(statement).is_err(), "{statement}");
    }
    let stream = "CREATE STREAM silver.s (a INT) WITH (connector = 'kafka', bootstrap_servers = '127.0.0.1:1', topic = 't', format = 'json', \"kafka.ssl.ca.location\" = '/etc/passwd')";
    ann.refused(
        stream,
        DENIED,
        &[
            "permission denied to read a file of the server",
            "pg_read_server_files",
        ],
    );
    owner.run("GRANT pg_read_server_files TO ann");
    let refusal = ann.try_run(stream).unwrap_err();
    assert_ne!(refusal.state, DENIED, "{refusal}");
    assert!(!refusal.to_string().contains("root:"), "{refusal}");
}
