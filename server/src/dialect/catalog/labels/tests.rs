//! Marks come on to names and off again, and columns below the top have names.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::{name_below, shown, unique, without_marks};

/// A query with its names; marks are `'`.
fn named(text: &str) -> String {
    let mut parsed = sluice_sql::parse(text).unwrap();
    let sluice_sql::Statement::Sql(mut statement) = parsed.remove(0).statement else {
        panic!("{text}");
    };
    name_below(&mut statement);
    statement.to_string().replace('\u{1}', "'")
}

#[test]
fn names_below_the_top_stand_beside_the_alias() {
    for (text, same) in [
        (
            "SELECT count FROM (SELECT a, count(*) FROM t GROUP BY a) AS s",
            "SELECT count FROM (SELECT a, count(*) AS \"count'1\" FROM t GROUP BY a) AS s (\"a\", \"count\")",
        ),
        (
            "WITH c AS (SELECT max(a) FROM t UNION ALL SELECT 1) SELECT max FROM c",
            "WITH c (\"max\") AS (SELECT max(a) AS \"max'0\" FROM t UNION ALL SELECT 1 AS \"?column?'0\") SELECT max FROM c",
        ),
        (
            "SELECT * FROM (SELECT a, a FROM t) AS s",
            "SELECT * FROM (SELECT a, a AS \"a'1\" FROM t) AS s (\"a'0\", \"a'1\")",
        ),
        (
            "SELECT substr FROM (SELECT substr(a, 2), substring(a FROM 2) FROM t) AS s",
            "SELECT substr FROM (SELECT SUBSTR(a, 2) AS \"substr'0\", SUBSTRING(a FROM 2) AS \"substring'1\" FROM t) AS s (\"substr\", \"substring\")",
        ),
        (
            "SELECT * FROM (SELECT t.a, u.a FROM t, u) AS s",
            "SELECT * FROM (SELECT t.a, u.a FROM t, u) AS s (\"a'0\", \"a'1\")",
        ),
        (
            "SELECT * FROM (SELECT 1, 2) AS s (b)",
            "SELECT * FROM (SELECT 1 AS \"?column?'0\", 2 AS \"?column?'1\") AS s (b, \"?column?\")",
        ),
        // Where columns cannot be counted, a function has its name inside, unless something there could mean another column by it.
        (
            "SELECT * FROM (SELECT *, lower(a), upper(b), a + 1 FROM t ORDER BY upper) AS s",
            "SELECT * FROM (SELECT *, lower(a) AS \"lower\", upper(b) AS \"upper'2\", a + 1 AS \"?column?'3\" FROM t ORDER BY upper) AS s",
        ),
    ] {
        assert_eq!(named(text), same, "{text}");
    }
}

#[test]
fn a_query_whose_columns_have_names_is_left() {
    for text in [
        "SELECT * FROM (SELECT a, t.b, c + 1 AS d FROM t) AS s",
        "SELECT * FROM (SELECT * FROM t) AS s",
        "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r",
        "SELECT (SELECT max(a) FROM t)",
    ] {
        assert_eq!(named(text), text);
    }
}

#[test]
fn marks_are_cut_off_names_and_texts() {
    let (one, two) = (unique("count", 0), unique("?column?", 12));
    assert_eq!(shown(&one), "count");
    let plan = format!("Projection: count(*) AS {one}, Int64(1) AS {two}\n  EmptyRelation: rows=1");
    assert_eq!(
        without_marks(&plan),
        "Projection: count(*) AS count, Int64(1) AS ?column?\n  EmptyRelation: rows=1"
    );
    assert_eq!(without_marks(&one), "count");
    assert_eq!(without_marks("a1 = 2"), "a1 = 2");
}
