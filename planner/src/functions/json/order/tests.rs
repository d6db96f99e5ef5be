//! The order of values.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::Json;

fn key(text: &str) -> Vec<u8> {
    Json::parse(text).unwrap().sorted().sort_key()
}

#[test]
fn values_are_in_postgresql_s_order() {
    let ascending = [
        "[]",
        "null",
        r#""""#,
        r#""B""#,
        r#""a""#,
        r#""a\u0000""#,
        r#""ab""#,
        "-1e400",
        "-12",
        "-2",
        "-1.5",
        "-1",
        "-0.001",
        "0",
        "1e-9",
        "0.5",
        "1",
        "1.05",
        "1.5",
        "9",
        "10",
        "12345678901234567890",
        "12345678901234567891",
        "1e400",
        "false",
        "true",
        "[null]",
        "[[]]",
        "[1, 2]",
        "[1, 3]",
        "[0, 0, 0]",
        "{}",
        r#"{"a": 1}"#,
        r#"{"a": 2}"#,
        r#"{"aa": 0}"#,
        r#"{"b": 1}"#,
        r#"{"a": 1, "b": 2}"#,
    ];
    for pair in ascending.windows(2) {
        let [less, greater] = pair else { continue };
        assert!(key(less) < key(greater), "{less} is not below {greater}");
    }
}

#[test]
fn equal_values_have_one_key() {
    for (one, other) in [
        ("1", "1.0"),
        ("100", "1e2"),
        ("0.5", "5E-1"),
        ("0.5", "0.50"),
        ("0", "-0.0"),
        ("0", "0e7"),
        (r#"{"b": 2, "a": 1}"#, r#"{"a":1.0,"b":2,"a":1}"#),
        ("[1, [2.0]]", "[1.00,[2]]"),
    ] {
        assert_eq!(key(one), key(other), "{one} and {other}");
    }
    assert_ne!(key("1"), key(r#""1""#));
    assert_ne!(key("[]"), key("{}"));
}
