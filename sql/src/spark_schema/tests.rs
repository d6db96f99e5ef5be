#![expect(clippy::unwrap_used, reason = "tests")]

use super::parse_spark_schema;
use crate::ParseErrorKind;

fn printed(schema: &str) -> Vec<String> {
    parse_spark_schema(schema)
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn schemas() {
    assert_eq!(
        printed("a STRING, b DOUBLE, c STRUCT<x: INT>, d ARRAY<STRING>"),
        ["a TEXT", "b DOUBLE", "c STRUCT<x INT>", "d TEXT[]"]
    );
    assert_eq!(
        printed(
            "`event type` string NOT NULL COMMENT 'it''s', n: LONG, m MAP<STRING, ARRAY<STRUCT<a: SHORT, b: BYTE>>>"
        ),
        [
            "\"event type\" TEXT NOT NULL",
            "n BIGINT",
            "m MAP<TEXT, STRUCT<a SMALLINT, b TINYINT>[]>"
        ]
    );
    assert_eq!(
        printed("STRUCT<a: STRING, b: STRUCT<c: INT>>"),
        ["a TEXT", "b STRUCT<c INT>"]
    );
    assert_eq!(
        printed("timestamp TIMESTAMP, value DECIMAL(10, 2), date DATE"),
        ["timestamp TIMESTAMPTZ", "value DECIMAL(10,2)", "date DATE"]
    );
}

#[test]
fn refusals() {
    for (schema, message, column, kind) in [
        (
            "",
            "syntax error at end of input",
            1,
            ParseErrorKind::Syntax,
        ),
        (
            "a",
            "syntax error at end of input",
            2,
            ParseErrorKind::Syntax,
        ),
        (
            "a STRING,",
            "syntax error at end of input",
            10,
            ParseErrorKind::Syntax,
        ),
        (
            "a STRNG",
            "type \"strng\" does not exist",
            3,
            ParseErrorKind::Syntax,
        ),
        (
            "a STRUCT<b: INT",
            "syntax error at end of input",
            16,
            ParseErrorKind::Syntax,
        ),
        (
            "a STRING b",
            "syntax error at or near \"b\"",
            10,
            ParseErrorKind::Syntax,
        ),
        (
            "a ARRAY",
            "syntax error at end of input",
            8,
            ParseErrorKind::Syntax,
        ),
        (
            "{\"type\":\"struct\"}",
            "JSON schemas are not supported",
            1,
            ParseErrorKind::Unsupported,
        ),
    ] {
        let error = parse_spark_schema(schema).unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.column, error.kind),
            (message, column, kind),
            "{schema}: {error}"
        );
        assert!(error.hint.is_some(), "{schema}");
    }
}
