//! Tests of place: see the module beside for what is promised.

use super::*;

/// The statement has `^` before what the message speaks of.
fn points_at(marked: &str, message: &str) {
    let at = marked.chars().position(|c| c == '^');
    let text = marked.replacen('^', "", 1);
    assert_eq!(place_of(&text, message), at, "{marked}\n{message}");
}

#[test]
fn a_quoted_name_is_found_as_a_word() {
    let unknown = |name: &str| format!("column \"{name}\" does not exist");
    points_at("SELECT axe, ax, ^X\nFROM gold.t", &unknown("x"));
    points_at("SELECT 'x', /* x */ 'ü' -- x\n , ^x FROM t", &unknown("x"));
    points_at("SELECT a.x FROM ^a", "relation \"gold.a\" does not exist");
    points_at(
        "SELECT n FROM ^gold.t, silver.t",
        "relation \"gold.t\" does not exist",
    );
    points_at("SELECT b.x, ^a.x FROM a, b", &unknown("a.x"));
    points_at("SELECT ^t.x FROM t", &unknown("t.x"));
    points_at("SELECT ^gold.t.x FROM gold.t", &unknown("t.x"));
    points_at("SELECT ^t.x FROM t", "column t.x does not exist");
    points_at("SELECT 1::^notype", "type \"notype\" does not exist");
    points_at("SELECT 'a' ^'b'", "syntax error at or near \"'b'\"");
    points_at("SELECT 1 AS n FROM gold.n WHERE ^n > 1", &unknown("n"));
    points_at("SELECT 1 AS ^n FROM t", "column name \"n\" is reserved");
    points_at("SELECT ^\"New\" FROM t", &unknown("New"));
    points_at("SELECT y FROM t", &unknown("zz"));
    points_at("SELECT 'open", &unknown("open"));
}

#[test]
fn keywords_are_found_as_far_as_they_are_written() {
    points_at(
        "SELECT count(*) FROM ^hop(s, ts, INTERVAL '2 minutes', INTERVAL '1 minute')",
        "the slide of HOP, 2 minutes, is larger than its size, 1 minute",
    );
    points_at(
        "SELECT kind, count(*) FROM s ^GROUP\nBY kind",
        "GROUP BY over a stream without a window needs unbounded state",
    );
    points_at(
        "SELECT a FROM s ^ORDER BY a",
        "ORDER BY has no meaning in a continuous query",
    );
    points_at(
        "^SELECT DISTINCT a FROM s",
        "SELECT DISTINCT over a stream without a window",
    );
    points_at(
        "SELECT ^DISTINCT ON (a) a FROM s",
        "DISTINCT ON in a continuous query",
    );
    points_at(
        "SELECT rank() ^OVER () FROM s",
        "OVER in a continuous query looks at results",
    );
    points_at(
        "SELECT ^now() FROM s",
        "function now() cannot be used in a continuous query",
    );
    points_at(
        "SELECT ^$1 FROM s",
        "a continuous query takes no parameters, and $1 is one",
    );
    points_at(
        "SELECT a FROM s GROUP BY a, ^window(ts, '1 second', '2 seconds')",
        "the slide of HOP, 2 seconds, is larger than its size, 1 second",
    );
}

#[test]
fn plain_words_stand_for_what_is_written_for_them() {
    points_at(
        "SELECT ^percentile_cont(2) WITHIN GROUP (ORDER BY a) FROM s",
        "a percentile must be a number between 0 and 1",
    );
    points_at(
        "SELECT a FROM (SELECT * FROM s) WHERE a ^IN (SELECT 1)",
        "a subquery in an expression of a continuous query is not supported yet",
    );
    points_at(
        "SELECT a FROM s ^JOIN t USING (a)",
        "a join in a continuous query is not supported",
    );
}
