//! Values as JSON.
#![expect(clippy::unwrap_used, reason = "tests")]

use datafusion::scalar::ScalarValue;

use super::{Json, array, concatenated, json, jsonb, object, path_of, set, without, without_place};

#[test]
fn values_are_written_as_postgresql_writes_them() {
    let text = ScalarValue::Utf8(Some("a\"b".into()));
    assert_eq!(json(&text), r#""a\"b""#);
    assert_eq!(json(&ScalarValue::Float64(Some(1.5))), "1.5");
    assert_eq!(json(&ScalarValue::Float64(Some(f64::NAN))), r#""NaN""#);
    assert_eq!(json(&ScalarValue::Utf8(None)), "null");
    let moment = ScalarValue::TimestampMicrosecond(Some(0), Some("UTC".into()));
    assert_eq!(json(&moment), r#""1970-01-01T00:00:00+00:00""#);
    let pair = [
        ScalarValue::Utf8(Some("a".into())),
        ScalarValue::Int64(Some(1)),
    ];
    assert_eq!(object(&pair).unwrap(), r#"{"a" : 1}"#);
    assert!(object(&pair[..1]).is_err());
    assert_eq!(array(&pair), r#"["a", 1]"#);
}

#[test]
fn jsonb_keeps_what_a_text_says() {
    assert_eq!(
        jsonb(r#"{"bb":1,"a":[1,2],"a":{"c":null},"n":1.50}"#).unwrap(),
        r#"{"a": {"c": null}, "n": 1.50, "bb": 1}"#
    );
    assert!(jsonb("{").is_err());
    assert_eq!(jsonb(" 12 ").unwrap(), "12");
}

#[test]
fn members_and_elements_are_put_together_and_taken_out() {
    let read = |text: &str| Json::parse(text).unwrap();
    for (one, other, both) in [
        (r#"{"a": 1, "b": 2}"#, r#"{"b": 3}"#, r#"{"a": 1, "b": 3}"#),
        ("[1]", "[2, 3]", "[1, 2, 3]"),
        ("[1]", r#"{"a": 1}"#, r#"[1, {"a": 1}]"#),
        ("1", "2", "[1, 2]"),
    ] {
        let shown = concatenated(read(one), read(other)).sorted().spaced();
        assert_eq!(shown, both, "{one} || {other}");
    }
    let shown = |value: Json| value.sorted().spaced();
    let object = without(read(r#"{"a": 1, "b": 2}"#), "a").unwrap();
    assert_eq!(shown(object), r#"{"b": 2}"#);
    assert_eq!(
        shown(without(read(r#"["a", "b"]"#), "a").unwrap()),
        r#"["b"]"#
    );
    assert_eq!(
        shown(without_place(read("[1, 2, 3]"), -1).unwrap()),
        "[1, 2]"
    );
    assert!(without(read("1"), "a").is_err());
}

#[test]
fn paths_are_lists() {
    for (written, steps) in [
        ("{}", &[][..]),
        ("{a}", &["a"]),
        ("{a, b ,-1}", &["a", "b", "-1"]),
        (r#"{"a b","c,d",e\"f}"#, &["a b", "c,d", "e\"f"]),
        (r#"{""}"#, &[""]),
    ] {
        assert_eq!(path_of(written).unwrap(), steps, "{written}");
    }
    for written in ["a", "{a", "{a,}", "{,a}", r#"{"a}"#] {
        assert!(path_of(written).is_err(), "{written}");
    }
}

#[test]
fn what_is_at_a_path_is_set() {
    let change = |text: &str, path: &str, create: bool| {
        let path = path_of(path).unwrap();
        let value = Json::parse(text).unwrap();
        let new = Json::Bool(true);
        set(value, (path.as_slice(), 0), new, create).map(|value| value.sorted().spaced())
    };
    for (text, path, create, then) in [
        (r#"{"a":1}"#, "{a}", false, r#"{"a": true}"#),
        (r#"{"a":1}"#, "{b}", true, r#"{"a": 1, "b": true}"#),
        (r#"{"a":1}"#, "{b}", false, r#"{"a": 1}"#),
        (r#"{"a":1}"#, "{b,c}", true, r#"{"a": 1}"#),
        (
            r#"{"a":[1,{"b":2}]}"#,
            "{a,1,b}",
            true,
            r#"{"a": [1, {"b": true}]}"#,
        ),
        ("[1, 2]", "{-1}", true, "[1, true]"),
        ("[1, 2]", "{9}", true, "[1, 2, true]"),
        ("[1, 2]", "{-9}", true, "[true, 1, 2]"),
        ("[1, 2]", "{9}", false, "[1, 2]"),
    ] {
        assert_eq!(change(text, path, create).unwrap(), then, "{text} {path}");
    }
    assert!(change("[1]", "{x}", true).is_err());
}
