//! What a driver is told of a statement's parameters before it sends their values, and of columns before it reads them.

mod binary;

use sluice_tests::{pg::block_on, server::Server};
use tokio_postgres::types::{ToSql, Type};

#[test]
fn parameters_have_the_type_of_what_they_stand_beside() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE beside (n INT, big BIGINT, x DOUBLE PRECISION, name TEXT, at TIMESTAMPTZ, day DATE)");
    for (sql, expected) in [
        ("SELECT coalesce($1, n) FROM beside", vec![Type::INT4]),
        ("SELECT coalesce(day, $1) FROM beside", vec![Type::DATE]),
        (
            "SELECT nullif(x, $1), greatest($2, at) FROM beside",
            vec![Type::FLOAT8, Type::TIMESTAMPTZ],
        ),
        (
            "SELECT CASE WHEN n > 0 THEN $1 ELSE big END FROM beside",
            vec![Type::INT8],
        ),
        (
            "SELECT CASE n WHEN $1 THEN name WHEN 2 THEN $2 END FROM beside",
            vec![Type::INT4, Type::TEXT],
        ),
        (
            "SELECT n, day FROM beside UNION ALL SELECT $1, $2",
            vec![Type::INT4, Type::DATE],
        ),
        ("SELECT $1 UNION SELECT x FROM beside", vec![Type::FLOAT8]),
        ("VALUES (1::int), ($1)", vec![Type::INT4]),
        (
            "SELECT n FROM beside WHERE big IN ($1, $2)",
            vec![Type::INT8, Type::INT8],
        ),
        ("SELECT n FROM beside WHERE $1 IN (n, 7)", vec![Type::INT8]),
        (
            "SELECT n FROM beside WHERE at BETWEEN $1 AND $2 LIMIT $3",
            vec![Type::TIMESTAMPTZ, Type::TIMESTAMPTZ, Type::INT8],
        ),
        (
            "SELECT n FROM beside WHERE $1 BETWEEN day AND day",
            vec![Type::DATE],
        ),
        ("SELECT $1, coalesce($2, 'x')", vec![Type::TEXT, Type::TEXT]),
        (
            "SELECT $1::uuid, $2::json, $3::jsonb, $4::uuid[]",
            vec![Type::UUID, Type::JSON, Type::JSONB, Type::UUID_ARRAY],
        ),
    ] {
        let statement = block_on(pg.client().prepare(sql)).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(statement.params(), expected, "{sql}");
    }
}

#[test]
fn values_of_such_parameters_are_taken() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE beside (n INT); INSERT INTO beside VALUES (NULL), (2)");
    let sql = "SELECT coalesce(n, $1) AS n FROM beside UNION ALL SELECT $2 ORDER BY n";
    let statement = block_on(pg.client().prepare(sql)).unwrap();
    let rows = block_on(pg.client().query(&statement, &[&1_i32, &3_i32])).unwrap();
    let numbers: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(numbers, [1, 2, 3]);
    // Lists of lists have a place where the statement has one for them.
    let sql = "SELECT $1::text::int[][] AS lists";
    let statement = block_on(pg.client().prepare(sql)).unwrap();
    let rows = block_on(pg.client().query(&statement, &[&"{{1,2},{3,4}}"])).unwrap();
    assert_eq!(rows[0].columns()[0].type_(), &Type::INT4_ARRAY);
}

#[test]
fn columns_of_declared_types_are_read_and_written_in_binary() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE kept (id UUID, name VARCHAR(3), doc JSONB, ids UUID[])");
    pg.run(
        "INSERT INTO kept VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'abc', '{\"a\": 1}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}')",
    );
    let statement = block_on(pg.client().prepare("SELECT id, name, doc, ids FROM kept")).unwrap();
    let types: Vec<Type> = statement
        .columns()
        .iter()
        .map(|column| column.type_().clone())
        .collect();
    let expected = [Type::UUID, Type::VARCHAR, Type::JSONB, Type::UUID_ARRAY];
    assert_eq!(types, expected);
    // Over the extended protocol values come in binary; those of the first and the last are sixteen bytes.
    let rows = block_on(pg.client().query(&statement, &[])).unwrap();
    assert_eq!(rows[0].get::<_, &str>(1), "abc");
    let row = &rows[0];
    assert_eq!(row.len(), 4);
    // What is of two such types is a text, before it runs and when it does.
    let sql = "SELECT name FROM kept UNION ALL SELECT doc FROM kept";
    let statement = block_on(pg.client().prepare(sql)).unwrap();
    assert_eq!(statement.columns()[0].type_(), &Type::TEXT);
    let rows = block_on(pg.client().query(&statement, &[])).unwrap();
    assert_eq!(rows.len(), 2);
    // A driver that has a UUID sends it as one.
    for (sql, expected) in [
        ("SELECT count(*) FROM kept WHERE id = $1", vec![Type::UUID]),
        (
            "SELECT count(*) FROM kept WHERE id = ANY ($1) AND name = ANY ($2)",
            vec![Type::UUID_ARRAY, Type::TEXT_ARRAY],
        ),
        (
            "SELECT $1, count(*) FROM kept WHERE id IN ($2)",
            vec![Type::TEXT, Type::UUID],
        ),
        (
            "INSERT INTO kept (id, doc, ids) VALUES ($1, $2, $3)",
            vec![Type::UUID, Type::JSONB, Type::UUID_ARRAY],
        ),
        (
            "UPDATE kept SET id = $1, name = $2 WHERE id = $3",
            vec![Type::UUID, Type::TEXT, Type::UUID],
        ),
        (
            "UPDATE kept SET doc = coalesce(doc, '{}') || $1",
            vec![Type::JSONB],
        ),
        (
            "SELECT $1 || doc, doc - $2 FROM kept",
            vec![Type::JSONB, Type::TEXT],
        ),
    ] {
        let statement = block_on(pg.client().prepare(sql)).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(statement.params(), expected, "{sql}");
    }
}

#[test]
fn rows_of_parameters_and_of_calls_are_inserted_together() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE mixed (n INT, id UUID, doc JSONB)");
    let sql = "INSERT INTO mixed VALUES ($1, gen_random_uuid(), $2), ($3, $4, '{}'::jsonb)";
    let statement = block_on(pg.client().prepare(sql)).unwrap();
    let expected = [Type::INT4, Type::JSONB, Type::INT4, Type::UUID];
    assert_eq!(statement.params(), expected);
    let sql = "INSERT INTO mixed VALUES ($1, gen_random_uuid(), NULL), ($2, NULL, '{}'::jsonb)";
    let done = block_on(pg.client().execute(sql, &[&1_i32, &2_i32])).unwrap();
    assert_eq!(done, 2);
    let sql = "SELECT count(*) FROM mixed WHERE id IS NOT NULL";
    let rows = block_on(pg.client().query(sql, &[])).unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 1);
}

#[test]
fn statements_are_planned_anew_for_tables_that_have_other_columns() {
    let server = Server::start();
    let pg = server.connect();
    let other = server.connect();
    pg.run("CREATE TABLE again (n INT)");
    let put = block_on(pg.client().prepare("INSERT INTO again (n) VALUES ($1)")).unwrap();
    let all = block_on(pg.client().prepare("SELECT n FROM again ORDER BY n")).unwrap();
    let star = block_on(pg.client().prepare("SELECT * FROM again")).unwrap();
    assert_eq!(block_on(pg.client().execute(&put, &[&1_i32])).unwrap(), 1);
    other.run("ALTER TABLE again ADD COLUMN note TEXT");
    // Of what was prepared only what would answer with other columns is refused.
    for n in [2_i32, 3] {
        assert_eq!(block_on(pg.client().execute(&put, &[&n])).unwrap(), 1);
    }
    let rows = block_on(pg.client().query(&all, &[])).unwrap();
    let numbers: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let error = block_on(pg.client().query(&star, &[])).unwrap_err();
    assert_eq!(error.code().unwrap().code(), "0A000");
    other.run("DROP TABLE again; CREATE TABLE again (n TEXT)");
    assert_eq!(block_on(pg.client().execute(&put, &[&7_i32])).unwrap(), 1);
    assert_eq!(pg.value("SELECT n FROM again"), "7");
}

#[test]
fn intervals_are_added_to_moments() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE moments (at TIMESTAMP)");
    pg.run("INSERT INTO moments VALUES ('2026-01-31 10:00:00')");
    let sql = "SELECT at + $1 FROM moments";
    let statement = block_on(pg.client().prepare(sql)).unwrap();
    assert_eq!(statement.params(), [Type::INTERVAL]);
    assert_eq!(statement.columns()[0].type_(), &Type::TIMESTAMP);
    // As psycopg names a timedelta.
    for sql in [
        "SELECT at + $1 FROM moments",
        "SELECT at - $1 FROM moments",
        "UPDATE moments SET at = at - $1",
    ] {
        let given = [Type::INTERVAL];
        let typed = pg.client().prepare_typed(sql, &given);
        let statement = block_on(typed).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(statement.params(), given, "{sql}");
    }
    let statement = block_on(pg.client().prepare("SELECT at - $1 FROM moments")).unwrap();
    assert_eq!(statement.params(), [Type::TIMESTAMP]);
}

#[test]
fn rows_of_parameters_have_their_types() {
    let server = Server::start();
    let pg = server.connect();
    for (sql, given, told) in [
        ("VALUES ($1)", vec![Type::INT2], Type::INT2),
        (
            "VALUES ($1), ($2)",
            vec![Type::INT2, Type::INT2],
            Type::INT2,
        ),
        (
            "SELECT a FROM (VALUES ($1)) AS t (a)",
            vec![Type::INT2],
            Type::INT2,
        ),
    ] {
        let typed = pg.client().prepare_typed(sql, &given);
        let statement = block_on(typed).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(statement.columns()[0].type_(), &told, "{sql}");
        let values: Vec<&(dyn ToSql + Sync)> = given
            .iter()
            .map(|_| &7_i16 as &(dyn ToSql + Sync))
            .collect();
        let rows = block_on(pg.client().query(&statement, &values));
        let rows = rows.unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(rows[0].get::<_, i16>(0), 7, "{sql}");
    }
}

#[test]
fn queries_with_parameters_are_explained() {
    let server = Server::start();
    let pg = server.connect();
    pg.run("CREATE TABLE explained (n INT)");
    let sql = "EXPLAIN SELECT n FROM explained WHERE n = $1";
    let statement = block_on(pg.client().prepare(sql)).unwrap();
    assert_eq!(statement.params(), [Type::INT4]);
    let rows = block_on(pg.client().query(&statement, &[&4711_i32])).unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(plan.join("\n").contains("4711"), "{plan:?}");
}
