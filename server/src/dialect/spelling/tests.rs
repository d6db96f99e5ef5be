//! What becomes of a statement.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::{elements, expression, rewrite, similar_to_regex};

pub(super) fn rewritten(text: &str) -> String {
    let mut parsed = sluice_sql::parse(text).unwrap();
    let sluice_sql::Statement::Sql(statement) = parsed.remove(0).statement else {
        panic!("{text}");
    };
    rewrite(*statement, false).to_string()
}

#[test]
fn a_pattern_of_similar_to_matches_the_whole_text() {
    for (pattern, regex) in [
        ("a(b|x)c", "^(?s:a(?:b|x)c)$"),
        ("%c", "^(?s:.*c)$"),
        ("a_.", "^(?s:a.\\.)$"),
        ("a\\%", "^(?s:a\\%)$"),
        ("[a-z\\]+", "^(?s:[a-z\\]+)$"),
        ("[%_]", "^(?s:[%_])$"),
    ] {
        assert_eq!(similar_to_regex(pattern, Some('\\')), regex, "{pattern}");
    }
    assert_eq!(similar_to_regex("a\\b", None), "^(?s:a\\\\b)$");
}

#[test]
fn sets_in_a_select_list_are_unnested() {
    assert_eq!(
        rewritten("SELECT generate_series(1, 3)"),
        "SELECT unnest(generate_series(1, 3))"
    );
    assert_eq!(
        rewritten("SELECT string_to_table('a,b', ',') AS x"),
        "SELECT unnest(string_to_array('a,b', ',')) AS x"
    );
}

#[test]
fn lists_that_are_written_out_are_compared_one_by_one() {
    assert_eq!(
        rewritten("SELECT x = ANY ('{1,2}'), y <> ALL (ARRAY[1, 2])"),
        "SELECT x IN ('1', '2'), y NOT IN (1, 2)"
    );
    assert_eq!(
        rewritten("SELECT x > ANY (ARRAY[1, 5]), x < ALL (ARRAY[]::INT[])"),
        "SELECT (((x > 1) OR (x > 5))), (true)"
    );
    let quoted = expression("'{\"a,b\"}'").unwrap();
    assert!(elements(&quoted).is_none());
}

#[test]
fn ordinality_numbers_the_rows() {
    let text = rewritten("SELECT * FROM unnest(ARRAY['a']) WITH ORDINALITY AS t (x, n)");
    assert!(text.contains("AS t (x, n)"), "{text}");
    assert!(text.contains("row_number() OVER ()"), "{text}");
}

#[test]
fn whole_numbers_of_the_result_are_integers() {
    assert_eq!(
        rewritten("SELECT 1, 1 + 1, 5000000000"),
        "SELECT CAST(1 AS INT), 1 + 1, 5000000000"
    );
}

#[test]
fn other_escapes_limits_and_names_are_the_engines() {
    for (text, same) in [
        (
            "SELECT a LIKE b ESCAPE '/'",
            "SELECT a LIKE sluice_like_escape(b, '/')",
        ),
        (
            "SELECT a FROM t FETCH FIRST 2 ROWS ONLY",
            "SELECT a FROM t LIMIT 2",
        ),
        (
            "SELECT a FROM t LIMIT $1 OFFSET $2",
            "SELECT a FROM t LIMIT CAST($1 AS BIGINT) OFFSET CAST($2 AS BIGINT)",
        ),
        ("SELECT user", "SELECT current_user"),
        ("SELECT a = ANY ($1)", "SELECT sluice_any(a, $1)"),
        (
            "SELECT g FROM generate_series(1, 3) AS g",
            "SELECT g FROM generate_series(1, 3) AS g (g)",
        ),
        (
            "SELECT '2026-01-02 03:04'::TIMESTAMP",
            "SELECT CAST('2026-01-02 03:04:00' AS TIMESTAMP(6))",
        ),
        ("SELECT '\\x6162'::BYTEA", "SELECT X'6162'"),
    ] {
        assert_eq!(rewritten(text), same, "{text}");
    }
}

#[test]
fn rows_are_compared_by_the_first_values_that_differ() {
    for (text, same) in [
        (
            "SELECT (a, b) <= (c, d)",
            "SELECT ((a < c) OR ((a = c) AND (b <= d)))",
        ),
        ("SELECT ROW(a, b) = (c, d)", "SELECT ((a = c) AND (b = d))"),
    ] {
        assert_eq!(rewritten(text), same, "{text}");
    }
}

#[test]
fn rows_with_ties_are_ranked() {
    assert_eq!(
        rewritten(
            "SELECT a AS b, c FROM t ORDER BY b DESC, 2 OFFSET 1 ROWS FETCH FIRST 3 ROWS WITH TIES"
        ),
        "SELECT * EXCEPT (sluice_rank, sluice_row) FROM (SELECT a AS b, c, \
         rank() OVER (ORDER BY a DESC, c) AS sluice_rank, row_number() OVER (ORDER BY a DESC, c) AS sluice_row FROM t) AS sluice_ranked \
         WHERE sluice_rank <= CAST(3 AS BIGINT) + CAST(1 AS BIGINT) AND sluice_row > CAST(1 AS BIGINT) ORDER BY sluice_row"
    );
    // Another row than the first may be the last of DISTINCT.
    let left = "SELECT DISTINCT a FROM t ORDER BY a FETCH FIRST 3 ROWS WITH TIES";
    assert_eq!(rewritten(left), left);
}

#[test]
fn parts_of_an_interval_are_put_in_their_order() {
    assert_eq!(
        rewritten("SELECT make_interval(days => 10, secs => 1.5)"),
        "SELECT sluice_make_interval(0, 0, 0, 10, 0, 0, 1.5)"
    );
}
