//! Tests of literals: see the module beside for what is promised.

use super::*;

fn points_at(marked: &str, message: &str) {
    let at = marked.chars().position(|c| c == '^');
    let text = marked.replacen('^', "", 1);
    assert_eq!(place_of_literal(&text, message), at, "{marked}\n{message}");
}

#[test]
fn literals_are_found_by_their_value() {
    let wrong = |value: &str| format!("invalid input syntax for type integer: \"{value}\"");
    points_at(
        "INSERT INTO t VALUES (1, ^'it''s'), (99, '99')",
        &wrong("it's"),
    );
    points_at(
        "INSERT INTO t VALUES (1, 'it''s'), (^99, '99')",
        &wrong("99"),
    );
    points_at("INSERT INTO t VALUES (1, 'it''s')", &wrong("t"));
    points_at("SELECT ^'{1,a}'::int[]", &wrong("a"));
    points_at("SELECT ^'{1'::int[]", "malformed array literal: \"{1\"");
    points_at(
        "SELECT ^'soon'::timestamp",
        "error parsing timestamp from 'soon': error parsing date",
    );
    points_at(
        "SELECT ^'\\x4'::bytea",
        "invalid hexadecimal data: odd number of digits",
    );
}

#[test]
fn json_and_times_are_found_without_their_value() {
    points_at(
        "SELECT 1, ^'x'::jsonb",
        "invalid input syntax for type json",
    );
    points_at(
        "SELECT CAST(^'x' AS json)",
        "invalid input syntax for type json",
    );
    points_at(
        "SELECT ^'{\"a\": 1'::json",
        "invalid input syntax for type json: \"{\"a\": 1\"",
    );
    let range = "date/time field value out of range: \"2026-01-02 25:00:00\"";
    points_at("SELECT ^'2026-01-02 25:00'::timestamp", range);
}

#[test]
fn what_a_function_reads_has_no_place() {
    points_at(
        "SELECT to_date('2000-13-01', 'YYYY-MM-DD')",
        "date/time field value out of range: \"2000-13-01\"",
    );
}

#[test]
fn names_in_quotes_are_found_where_they_are_looked_up() {
    let nowhere = "relation \"gold.nowhere\" does not exist";
    let place = |text| place_of_named(text, nowhere);
    assert_eq!(place("SELECT 'gold.nowhere'::regclass"), Some(7));
    assert_eq!(place("SELECT regclass 'gold.nowhere'"), Some(16));
    assert_eq!(place("SELECT 'gold.nowhere' FROM gold.nowhere"), None);
}
