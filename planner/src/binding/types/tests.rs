//! The types of the issue, one by one.

#![expect(clippy::unwrap_used, reason = "tests")]

use sqlparser::{dialect::PostgreSqlDialect, parser::Parser};

use super::*;

fn of(sql: &str) -> Result<DataType> {
    let parsed = Parser::new(&PostgreSqlDialect {})
        .try_with_sql(sql)
        .unwrap()
        .parse_data_type()
        .unwrap();
    arrow_type(&parsed)
}

#[test]
fn every_type_has_one_meaning() {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let micros_utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    for (sql, expected) in [
        ("BOOLEAN", DataType::Boolean),
        ("SMALLINT", DataType::Int16),
        ("INT", DataType::Int32),
        ("INTEGER", DataType::Int32),
        ("BIGINT", DataType::Int64),
        ("INT8", DataType::Int64),
        ("REAL", DataType::Float32),
        ("DOUBLE", DataType::Float64),
        ("DOUBLE PRECISION", DataType::Float64),
        ("NUMERIC", DataType::Decimal128(38, 9)),
        ("NUMERIC(10)", DataType::Decimal128(10, 0)),
        ("DECIMAL(10, 2)", DataType::Decimal128(10, 2)),
        ("TEXT", DataType::Utf8),
        ("VARCHAR(20)", DataType::Utf8),
        ("STRING", DataType::Utf8),
        ("UUID", DataType::Utf8),
        ("JSONB", DataType::Utf8),
        ("BYTEA", DataType::Binary),
        ("DATE", DataType::Date32),
        ("TIMESTAMP", micros.clone()),
        ("TIMESTAMP WITHOUT TIME ZONE", micros),
        ("TIMESTAMPTZ", micros_utc.clone()),
        ("TIMESTAMPTZ(3)", micros_utc.clone()),
        ("TIMESTAMP WITH TIME ZONE", micros_utc),
        (
            "INT[]",
            DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true))),
        ),
    ] {
        assert_eq!(of(sql).unwrap(), expected, "{sql}");
    }
}

#[test]
fn what_is_not_a_type_is_refused_with_those_that_are() {
    let error = of("MONEY").unwrap_err();
    assert_eq!(error.message, "type money is not supported");
    assert!(error.hint.unwrap().contains("NUMERIC(p, s)"));
    let error = of("NUMERIC(50, 2)").unwrap_err();
    assert_eq!(error.message, "type NUMERIC(50,2) is out of range");
    assert!(of("NUMERIC(5, 9)").is_err());
}
