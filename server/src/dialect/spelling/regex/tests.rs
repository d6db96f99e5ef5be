//! Patterns and replacements.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::{call, pattern_of, replacement};

#[test]
fn patterns_mean_what_they_mean_in_postgresql() {
    for (written, regex) in [
        ("a.b", "(?s)a.b"),
        ("^(orders)$", "^(orders)$"),
        ("(?i)a.b", "(?i)a.b"),
        (r"\mab\M", r"\b{start}ab\b{end}"),
        (r"a\yb\Y\d", r"a\bb\B\d"),
    ] {
        assert_eq!(pattern_of(written), regex);
    }
}

#[test]
fn what_takes_the_place_of_a_match() {
    for (written, same) in [
        ("x", "x"),
        ("$1", "$$1"),
        (r"[\1]\&", "[${1}]${0}"),
        (r"\\n", r"\n"),
    ] {
        assert_eq!(replacement(written), same);
    }
    let arguments = ["a".to_owned(), "'x.'".to_owned(), "'$1'".to_owned()];
    assert_eq!(
        call("regexp_replace", &arguments).unwrap(),
        "regexp_replace(a, '(?s)x.', '$$1')"
    );
    assert!(call("upper", &arguments).is_none());
}
