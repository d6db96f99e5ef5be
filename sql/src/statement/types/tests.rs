//! Tests of types: see the module beside for what is promised.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::parse_spark_schema;

#[test]
fn the_same_name_in_two_dialects() {
    let ours = crate::parse(
        "CREATE TABLE t (a FLOAT, b TIMESTAMP, c DECIMAL, d FLOAT(20), e DOUBLE PRECISION)",
    )
    .unwrap();
    assert!(
        ours[0]
            .statement
            .to_string()
            .contains("a DOUBLE,\n  b TIMESTAMP,\n  c DECIMAL,\n  d REAL,\n  e DOUBLE")
    );
    let spark =
        parse_spark_schema("a FLOAT, b TIMESTAMP, c DECIMAL, d TIMESTAMP_NTZ, e BINARY").unwrap();
    let spark: Vec<String> = spark.iter().map(ToString::to_string).collect();
    assert_eq!(
        spark,
        [
            "a REAL",
            "b TIMESTAMPTZ",
            "c DECIMAL(10,0)",
            "d TIMESTAMP",
            "e BYTEA"
        ]
    );
}

/// A column declared so, as it is shown.
fn column(data_type: &str) -> Result<String, crate::ParseError> {
    let text = format!("CREATE STREAM s (v {data_type}) WITH (connector = 'kafka')");
    let shown = crate::parse(&text)?[0].statement.to_string();
    let again = crate::parse(&shown).unwrap();
    assert_eq!(again[0].statement.to_string(), shown);
    let line = shown.lines().nth(1).unwrap().trim().trim_end_matches(',');
    Ok(line.strip_prefix("v ").unwrap().to_owned())
}

#[test]
fn nested_types_in_the_spellings_of_flink_spark_and_the_standard() {
    for (written, shown) in [
        ("ROW(a INT, b TEXT)", "STRUCT<a INT, b TEXT>"),
        (
            "ROW<a INT, b ROW<c STRING>>",
            "STRUCT<a INT, b STRUCT<c TEXT>>",
        ),
        (
            "STRUCT<a: INT NOT NULL COMMENT 'x', b: STRING>",
            "STRUCT<a INT, b TEXT>",
        ),
        ("ROW(a INT 'x', b ARRAY<INT>)", "STRUCT<a INT, b INT[]>"),
        ("STRUCT(a INT, b TEXT)", "STRUCT<a INT, b TEXT>"),
        (
            "ROW(a ROW(b ROW<c INT>))[]",
            "STRUCT<a STRUCT<b STRUCT<c INT>>>[]",
        ),
        ("ARRAY(INT)", "INT[]"),
        ("INT ARRAY", "INT[]"),
        ("ARRAY<ARRAY<INT>>", "INT[][]"),
        ("MAP(VARCHAR, DOUBLE)", "MAP<VARCHAR, DOUBLE>"),
        (
            "MAP<STRING, MAP<BIGINT, ROW(a INT)>>",
            "MAP<TEXT, MAP<BIGINT, STRUCT<a INT>>>",
        ),
        ("TIMESTAMP(3) WITH LOCAL TIME ZONE", "TIMESTAMPTZ(3)"),
        ("TIMESTAMP WITH LOCAL TIME ZONE", "TIMESTAMPTZ"),
        ("TIMESTAMP(3)", "TIMESTAMP(3)"),
        ("JSON", "JSON"),
        ("JSONB[]", "JSONB[]"),
        ("UUID", "UUID"),
        ("BPCHAR", "TEXT"),
    ] {
        assert_eq!(column(written).unwrap(), shown, "{written}");
    }
}

#[test]
fn what_no_column_can_be_says_what_to_declare() {
    for (written, message, hint) in [
        (
            "INTERVAL",
            "a column cannot have type interval",
            "INTERVAL '1 second'",
        ),
        ("TIME", "a column cannot have type time", "TEXT"),
        ("TIME(3)", "a column cannot have type time(3)", "TEXT"),
        ("TIMETZ", "a column cannot have type timetz", "TEXT"),
        (
            "BIGINT UNSIGNED",
            "a column cannot have type bigint unsigned",
            "NUMERIC(20, 0)",
        ),
        (
            "UBIGINT",
            "a column cannot have type ubigint",
            "NUMERIC(20, 0)",
        ),
        ("UINT8", "a column cannot have type uint8", "BIGINT"),
        (
            "HUGEINT",
            "a column cannot have type hugeint",
            "NUMERIC(38, 0)",
        ),
        ("MONEY", "a column cannot have type money", "NUMERIC(19, 2)"),
        ("VARIANT", "a column cannot have type variant", "JSON"),
        (
            "HSTORE",
            "a column cannot have type hstore",
            "MAP<TEXT, TEXT>",
        ),
        ("INET", "a column cannot have type inet", "TEXT"),
        ("SERIAL", "a column cannot have type serial", "BIGINT"),
        ("ENUM('a', 'b')", "a column cannot have type enum", "TEXT"),
        ("BIT(3)", "a column cannot have type bit", "TEXT"),
        ("GEOMETRY", "a column cannot have type geometry", "WKB"),
        (
            "MULTISET<INT>",
            "a column cannot have type multiset",
            "array",
        ),
        (
            "NUMBER(10, 2)",
            "a column cannot have type number",
            "NUMERIC(p, s)",
        ),
        (
            "NUMERIC(50, 2)",
            "type NUMERIC(50,2) is out of range",
            "between 1 and 38",
        ),
        (
            "NUMERIC(5, 9)",
            "type NUMERIC(5,9) is out of range",
            "scale between 0",
        ),
        (
            "DECIMAL(0)",
            "type DECIMAL(0) is out of range",
            "between 1 and 38",
        ),
        (
            "BIGNIT",
            "type \"bignit\" does not exist",
            "did you mean BIGINT?",
        ),
        (
            "FROBNICATE",
            "type \"frobnicate\" does not exist",
            "STRUCT<name TYPE, …>",
        ),
    ] {
        let error = column(written).unwrap_err();
        assert_eq!(error.message, message, "{written}");
        assert_eq!((error.line, error.column), (1, 20), "{written}");
        assert!(
            error.hint.as_deref().unwrap().contains(hint),
            "{written}: {error}"
        );
    }
    // Inside of another type the refusal points there.
    for (written, message, at) in [
        (
            "STRUCT<a INT, b TIME>",
            "a column cannot have type time",
            36,
        ),
        ("INTERVAL[]", "a column cannot have type interval", 20),
        (
            "MAP<DOUBLE, INT>",
            "a MAP cannot have keys of type DOUBLE",
            24,
        ),
        (
            "MAP<INT[], INT>",
            "a MAP cannot have keys of type INT[]",
            24,
        ),
        (
            "MAP<TEXT, MAP<JSON, INT>>",
            "a MAP cannot have keys of type JSON",
            34,
        ),
        ("ROW(a ARRAY<INT>>", "syntax error at or near \")\"", 37),
        ("ROW(a INT>", "syntax error at or near \">\"", 29),
        ("ROW", "syntax error at or near \")\"", 23),
        ("ROW<INT, TEXT>", "syntax error at or near \",\"", 27),
    ] {
        let error = column(written).unwrap_err();
        assert_eq!(error.message, message, "{written}");
        assert_eq!((error.line, error.column), (1, at), "{written}: {error}");
    }
}
