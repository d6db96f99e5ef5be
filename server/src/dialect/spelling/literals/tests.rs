//! Literals, as the engine is given them.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::super::tests::rewritten;
use super::{MAX_COMMAS, list_of};

#[test]
fn literals_keep_what_is_written() {
    for (text, same) in [
        (
            "SELECT x + CAST(12345678901234567890.123456789 AS NUMERIC(38, 9))",
            "SELECT x + CAST('12345678901234567890.123456789' AS NUMERIC(38,9))",
        ),
        (
            "SELECT x + 1e20::numeric",
            "SELECT x + CAST('100000000000000000000' AS NUMERIC)",
        ),
        (
            "SELECT x + 1.5::numeric",
            "SELECT x + CAST('1.5' AS NUMERIC)",
        ),
        (
            "SELECT 1.50::numeric",
            "SELECT CAST('1.50' AS NUMERIC(38,2))",
        ),
        ("SELECT '\\x6162'::BYTEA", "SELECT X'6162'"),
        ("SELECT 'a\\000'::BYTEA", "SELECT X'6100'"),
        ("SELECT '\\x6'::BYTEA", "SELECT sluice_bytea('\\x6')"),
        ("SELECT a::varchar(3)", "SELECT left(CAST(a AS TEXT), 3)"),
        (
            "SELECT a::char",
            "SELECT rtrim(left(CAST(a AS TEXT), 1), ' ')",
        ),
        ("SELECT 'today'::date", "SELECT current_date"),
        (
            "SELECT '1 2:03:04'::interval",
            "SELECT INTERVAL '0 months 1 days 7384.000000 seconds'",
        ),
        (
            "SELECT -INTERVAL '1 day 2 hours'",
            "SELECT INTERVAL '0 months -1 days -7200.000000 seconds'",
        ),
        (
            "SELECT - -INTERVAL '1 day 2 hours'",
            "SELECT INTERVAL '0 months 1 days 7200.000000 seconds'",
        ),
        ("SELECT -2 ^ 2 ^ 3", "SELECT (-2) ^ 2 ^ 3"),
        ("SELECT - -2 ^ 2", "SELECT (-(-2)) ^ 2"),
        ("SELECT -(2 ^ 2)", "SELECT -(2 ^ 2)"),
        (
            "SELECT (a, b) = (1, NULL)",
            "SELECT ((a = 1) AND (b = NULL))",
        ),
        ("SELECT INTERVAL '2 hours'", "SELECT INTERVAL '2 hours'"),
        (
            "SELECT '{1,2}'::int[]",
            "SELECT CAST(ARRAY['1', '2'] AS INT[])",
        ),
        (
            "SELECT '{{1},{2}}'::int[]",
            "SELECT CAST(ARRAY[ARRAY['1'], ARRAY['2']] AS INT[][])",
        ),
        ("SELECT '5'::int[]", "SELECT sluice_malformed_array('5')"),
        (
            "SELECT '2026-01-02 03:04'::TIMESTAMP",
            "SELECT CAST('2026-01-02 03:04:00' AS TIMESTAMP(6))",
        ),
    ] {
        assert_eq!(rewritten(text), same, "{text}");
    }
}

#[test]
fn a_list_is_read_as_postgresql_writes_one() {
    let list = |text: &str| {
        list_of(text, None)
            .map(|(list, depth)| (list.to_string(), depth))
            .map_err(|error| error.state.code())
    };
    for (text, same, depth) in [
        ("{}", "ARRAY[]", 1),
        ("{1,2}", "ARRAY['1', '2']", 1),
        (
            " { a b , NULL , \"NULL\" } ",
            "ARRAY['a b', NULL, 'NULL']",
            1,
        ),
        ("{\"a,b\",\"c\\\"d\",\"\"}", "ARRAY['a,b', 'c\"d', '']", 1),
        (
            "{{1,2},{3,4}}",
            "ARRAY[ARRAY['1', '2'], ARRAY['3', '4']]",
            2,
        ),
    ] {
        assert_eq!(list(text).unwrap(), (same.to_owned(), depth), "{text}");
    }
    for wrong in [
        "",
        "5",
        "{1",
        "{1,}",
        "{,1}",
        "{{1},2}",
        "{{1},{2,3}}",
        "{1}x",
        "{a\"b\"}",
    ] {
        assert_eq!(list(wrong), Err("22P02"), "{wrong}");
    }
    let deep = |depth: usize| format!("{}1{}", "{".repeat(depth), "}".repeat(depth));
    assert_eq!(list(&deep(6)).unwrap().1, 6);
    assert_eq!(list(&deep(7)), Err("54000"));
    assert_eq!(list(&deep(100_000)), Err("54000"));
    let long = |commas: usize| format!("{{1{}}}", ",1".repeat(commas));
    assert_eq!(list(&long(MAX_COMMAS)).unwrap().1, 1);
    assert_eq!(list(&long(MAX_COMMAS + 1)), Err("54001"));
}
