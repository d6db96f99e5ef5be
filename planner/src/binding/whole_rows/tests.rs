//! Statements with the names of relations as values, and what they become.

use super::*;
use crate::testing::parse;

/// What a statement over `t (a, b)` and `u (a, t)` becomes, or its error.
fn expanded(sql: &str) -> String {
    let mut statement = parse(sql);
    let relations = [("t", ["a", "b"]), ("u", ["a", "t"])];
    let relations = relations.map(|(name, columns)| {
        let columns = columns.map(str::to_owned).to_vec();
        (name.to_owned(), columns)
    });
    match rewrite(&mut statement, relations.into()) {
        ControlFlow::Continue(()) => statement.to_string(),
        ControlFlow::Break(error) => error.to_string(),
    }
}

const ROW: &str = r#"sluice_whole_row('a', "t"."a", 'b', "t"."b")"#;

#[test]
fn a_relation_that_stands_for_a_value_is_its_row() {
    for (sql, same) in [
        ("SELECT t FROM t", "SELECT {} AS \"t\" FROM t"),
        (
            "SELECT f(t) AS t FROM t ORDER BY t",
            "SELECT f({}) AS t FROM t ORDER BY t",
        ),
        ("SELECT f(t.*) FROM t", "SELECT f({}) FROM t"),
        (
            "SELECT f(t) FROM x.s AS t (a, b)",
            "SELECT f(t) FROM x.s AS t (a, b)",
        ),
        (
            "SELECT f(t) FROM (SELECT 1 AS a, u.b FROM u) AS t",
            "SELECT f({}) FROM (SELECT 1 AS a, u.b FROM u) AS t",
        ),
        (
            "WITH t AS (SELECT 1 AS a, 2 AS b) SELECT f(t) FROM t",
            "WITH t AS (SELECT 1 AS a, 2 AS b) SELECT f({}) FROM t",
        ),
        (
            "SELECT (SELECT f(t)) FROM t",
            "SELECT (SELECT f({})) FROM t",
        ),
        (
            "SELECT f(t) FROM (VALUES (1, 2)) AS t (a, b)",
            "SELECT f({}) FROM (VALUES (1, 2)) AS t (a, b)",
        ),
    ] {
        assert_eq!(expanded(sql), same.replace("{}", ROW), "{sql}");
    }
}

#[test]
fn a_column_goes_before_a_relation() {
    for sql in [
        "SELECT t FROM t, u",
        "SELECT f(t) FROM t WHERE EXISTS (SELECT t FROM u)",
        "SELECT a FROM t",
    ] {
        let kept = expanded(sql);
        assert!(!kept.contains("SELECT sluice_whole_row"), "{kept}");
    }
}

#[test]
fn parts_of_a_row_are_its_columns() {
    for (sql, same) in [
        (
            "SELECT ROW(t.*) FROM t",
            r#"SELECT ROW("t"."a", "t"."b") FROM t"#,
        ),
        ("SELECT (t).b FROM t", r#"SELECT "t".b FROM t"#),
        (
            "SELECT 1 FROM t WHERE t IS NULL",
            r#"SELECT 1 FROM t WHERE ("t"."a" IS NULL AND "t"."b" IS NULL)"#,
        ),
    ] {
        assert_eq!(expanded(sql), same, "{sql}");
    }
}

#[test]
fn what_an_outer_join_does_not_find_is_no_row() {
    let below = format!(r#"(SELECT *, {ROW} AS "sluice_whole_row_t" FROM t) AS "t""#);
    assert_eq!(
        expanded("SELECT f(t) FROM s LEFT JOIN t ON true").as_str(),
        "SELECT f(t) FROM s LEFT JOIN t ON true",
        "s is not known"
    );
    assert_eq!(
        expanded("SELECT f(t) FROM (VALUES (1)) AS s (x) LEFT JOIN t ON true"),
        format!(
            r#"SELECT f("t"."sluice_whole_row_t") FROM (VALUES (1)) AS s (x) LEFT JOIN {below} ON true"#
        )
    );
    let refused = expanded("SELECT *, f(t) FROM (VALUES (1)) AS s (x) LEFT JOIN t ON true");
    assert!(refused.starts_with("the whole row of \"t\""), "{refused}");
}

#[test]
fn rows_are_not_compared() {
    let refused = expanded("SELECT t = t FROM t");
    assert_eq!(
        refused,
        "an operator on whole rows of \"t\" is not supported"
    );
}
