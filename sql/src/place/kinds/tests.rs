//! Tests of kinds: see the module beside for what is promised.

/// The statement has `^` before what an error of this message points at.
fn points_at(marked: &str, message: &str) {
    let at = marked.chars().position(|c| c == '^');
    let text = marked.replacen('^', "", 1);
    assert_eq!(crate::place_of(&text, message), at, "{marked}\n{message}");
}

#[test]
fn operators_are_pointed_at_where_they_stand_once() {
    points_at(
        "SELECT 'a' ^+ 'b'",
        "operator is not unique: unknown + unknown",
    );
    points_at(
        "SELECT * FROM t WHERE id ^* name",
        "operator does not exist: bigint * text",
    );
    points_at(
        "SELECT now() ^+ 1",
        "operator does not exist: timestamp with time zone + bigint",
    );
    points_at("SELECT ^-'a'", "operator is not unique: - unknown");
    points_at(
        "SELECT 2 - 1, ^-'a'",
        "unary operator '-' only supports numbers",
    );
    points_at(
        "SELECT a + 1, a + b FROM t",
        "operator does not exist: bigint + text",
    );
}

#[test]
fn arguments_are_pointed_at_behind_their_keyword() {
    points_at(
        "SELECT 1 WHERE ^1",
        "argument of WHERE must be type boolean, not type integer",
    );
    points_at(
        "SELECT 1 WHERE (^1)",
        "argument of WHERE must be type boolean, not type bigint",
    );
    points_at(
        "SELECT NOT ^1",
        "argument of NOT must be type boolean, not type integer",
    );
    points_at(
        "SELECT CASE WHEN ^1 THEN 2 END",
        "argument of CASE/WHEN must be type boolean, not type integer",
    );
}

#[test]
fn functions_are_pointed_at_in_the_clause_that_may_have_none() {
    points_at(
        "SELECT count(*) FROM t WHERE upper(a) = 'A' AND ^count(*) > 1",
        "aggregate functions are not allowed in WHERE",
    );
    points_at(
        "SELECT rank() OVER () FROM t WHERE abs(a) > 0 AND ^rank() OVER () > 1",
        "window functions are not allowed in WHERE",
    );
    points_at(
        "SELECT sum, ^sum(name) FROM t",
        "function sum(text) does not exist",
    );
    points_at("SELECT ^nope(1)", "function nope does not exist");
}

#[test]
fn items_are_pointed_at_by_their_number() {
    points_at(
        "SELECT 5 FROM t ORDER BY 1, ^5",
        "ORDER BY position 5 is not in select list",
    );
    points_at(
        "SELECT 1 UNION ALL SELECT ^1, 2",
        "each UNION query must have the same number of columns",
    );
}
