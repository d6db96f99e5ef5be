//! Tests of limits: see the module beside for what is promised.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::{MAX_CHAIN, MAX_COMMAS, MAX_DOUBLINGS, MAX_NESTING, check};
use crate::text::tokenize;

fn fits(text: &str) -> bool {
    check(&tokenize(text).unwrap()).is_ok()
}

#[test]
fn nesting_is_counted_by_what_is_open() {
    let nested = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
    assert!(fits(&nested(MAX_NESTING)));
    assert!(!fits(&nested(MAX_NESTING + 1)));
    assert!(fits(&"(1) ".repeat(MAX_NESTING * 2)));
    assert!(fits(&"CASE WHEN a THEN b END ".repeat(MAX_NESTING * 2)));
    assert!(!fits(&"CASE WHEN ".repeat(MAX_NESTING + 1)));
}

#[test]
fn chains_are_counted_over_what_is_open() {
    assert!(fits(&format!("SELECT 1{}", " + 1".repeat(MAX_CHAIN))));
    assert!(!fits(&format!("SELECT 1{}", " + 1".repeat(MAX_CHAIN + 1))));
    // Half outside, half inside.
    let half = " + 1".repeat(MAX_CHAIN / 2);
    assert!(fits(&format!(
        "SELECT 1{half} * (1{})",
        " + 1".repeat(MAX_CHAIN / 2 - 3)
    )));
    assert!(!fits(&format!("SELECT 1{half} * (1{half})")));
    // A comma starts another expression.
    assert!(fits(&format!("SELECT 1{half}, 1{half}, 1{half}")));
}

#[test]
fn subqueries_cost_most() {
    let nested = |n: usize| format!("SELECT {}1{}", "(SELECT ".repeat(n), ")".repeat(n));
    assert!(fits(&nested(MAX_DOUBLINGS)));
    assert!(!fits(&nested(MAX_DOUBLINGS + 1)));
    let relations = |n: usize| {
        format!(
            "SELECT * FROM {}t{}",
            "(SELECT * FROM ".repeat(n),
            ")".repeat(n)
        )
    };
    assert!(fits(&relations(40)));
    assert!(!fits(&relations(80)));
    // Beside each other they cost nothing more.
    assert!(fits(&format!("SELECT {}1", "(SELECT 1), ".repeat(1_000))));
}

#[test]
fn lists_are_counted_by_their_commas() {
    let list = |commas: usize| format!("SELECT 1 IN (1{})", ", 1".repeat(commas));
    assert!(fits(&list(MAX_COMMAS)));
    assert!(!fits(&list(MAX_COMMAS + 1)));
    let rows = |commas: usize| format!("VALUES (1){}", ", (1)".repeat(commas));
    assert!(fits(&rows(MAX_COMMAS)));
    assert!(!fits(&rows(MAX_COMMAS + 1)));
    // Within a text they are none.
    assert!(fits(&format!("SELECT '{}'", ",".repeat(MAX_COMMAS + 1))));
}

#[test]
fn long_names() {
    assert!(fits(&format!("SELECT a{}", ".a".repeat(100))));
    assert!(!fits(&format!("SELECT a{}", ".a".repeat(101))));
    assert!(fits(&format!("SELECT {}1", "a.b + ".repeat(MAX_CHAIN))));
    assert!(fits(&format!("SELECT a.b{}", ", a.b".repeat(1_000))));
}

#[test]
fn names_after_a_period_are_names() {
    assert!(fits(&format!(
        "SELECT {}",
        "w.end, t.case, ".repeat(MAX_NESTING * 2)
    )));
}

#[test]
fn the_place_is_the_token_too_many() {
    let error = check(&tokenize(&"(".repeat(MAX_NESTING + 1)).unwrap()).unwrap_err();
    assert_eq!((error.line, error.column), (1, MAX_NESTING as u64 + 1));
    assert_eq!(
        error.message,
        "statement is too complex: nested more than 200 deep"
    );
}

#[test]
fn what_doubles_the_work_of_planning_is_not_nested_deep() {
    let nested = |before: &str, after: &str, n: usize| {
        format!("{}SELECT 1{}", before.repeat(n), after.repeat(n))
    };
    for (before, after) in [
        ("SELECT 1 WHERE EXISTS (", ")"),
        ("SELECT 1 WHERE 1 IN (", ")"),
        ("SELECT ((", "))"),
    ] {
        assert!(fits(&nested(before, after, MAX_DOUBLINGS)), "{before}");
        assert!(!fits(&nested(before, after, MAX_DOUBLINGS + 1)), "{before}");
    }
    // The outermost is no parenthesis before WITH.
    let with = |n: usize| nested("WITH a AS (", ") SELECT 1", n + 1);
    assert!(fits(&with(MAX_DOUBLINGS)));
    assert!(!fits(&with(MAX_DOUBLINGS + 1)));
    let rows = |n: usize| format!("SELECT {}1{}", "ROW(".repeat(n), ")".repeat(n));
    assert!(fits(&rows(MAX_DOUBLINGS)));
    assert!(!fits(&rows(MAX_DOUBLINGS + 1)));
    // One after the other is another thing.
    assert!(fits(&format!(
        "WITH {} SELECT 1",
        ["a AS (SELECT 1)"; 100].join(", ")
    )));
    assert!(fits(&["SELECT 1"; 50].join(" UNION ALL ")));
}
