//! Tests of from json: see the module beside for what is promised.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::{BinaryArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;

use super::schema::parse_schema;

fn session() -> SessionContext {
    let mut context = SessionContext::new();
    crate::functions::register_all(&mut context).unwrap();
    context
}

async fn text(context: &SessionContext, sql: &str) -> Result<String, String> {
    let rows = match context.sql(sql).await {
        Ok(frame) => frame.collect().await,
        Err(e) => Err(e),
    };
    let rows = rows.map_err(|e| e.strip_backtrace())?;
    Ok(pretty_format_batches(&rows).unwrap().to_string())
}

#[test]
fn spark_schemas() {
    let fields = parse_schema(
        "a STRING, `b c` double COMMENT 'x', f FLOAT, i INT NOT NULL, l LONG, big BIGINT, ok BOOLEAN, ts TIMESTAMP, \
         n TIMESTAMP_NTZ, d DATE, m DECIMAL(12, 2), dd DECIMAL, xs ARRAY<STRUCT<y: INT, z: ARRAY<STRING>>>, s STRUCT<p: DOUBLE, q STRING>",
    )
    .unwrap();
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let types: Vec<_> = fields
        .iter()
        .take(12)
        .map(|f| f.data_type().clone())
        .collect();
    assert_eq!(
        types,
        [
            DataType::Utf8,
            DataType::Float64,
            DataType::Float32,
            DataType::Int32,
            DataType::Int64,
            DataType::Int64,
            DataType::Boolean,
            utc,
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Date32,
            DataType::Decimal128(12, 2),
            DataType::Decimal128(10, 0),
        ]
    );
    assert_eq!(fields[1].name(), "b c");
    assert_eq!(
        fields[12].data_type().to_string(),
        "List(Struct(\"y\": Int32, \"z\": List(Utf8)))"
    );
    assert_eq!(
        fields[13].data_type().to_string(),
        "Struct(\"p\": Float64, \"q\": Utf8)"
    );
    assert!(fields.iter().all(|f| f.is_nullable()));
    assert_eq!(
        parse_schema("struct<a: int, b: string>").unwrap(),
        parse_schema("a INT, b STRING").unwrap()
    );
}

#[test]
fn schemas_that_are_refused() {
    for (schema, reason) in [
        ("", "does not parse"),
        ("a", "does not parse"),
        ("a STRING,", "does not parse"),
        ("a STRING b", "does not parse"),
        ("a STRING, a INT", "stands twice"),
        (
            "a GEOMETRY",
            "type GEOMETRY of column \"a\" is not supported",
        ),
        ("a DECIMAL(50, 2)", "out of range"),
        ("a DECIMAL(5, 6)", "out of range"),
    ] {
        let error = parse_schema(schema).unwrap_err().strip_backtrace();
        assert!(error.contains(reason), "{schema}: {error}");
    }
    let deep = format!("a {}INT{}", "ARRAY<".repeat(10_000), ">".repeat(10_000));
    assert!(parse_schema(&deep).is_err());
}

#[tokio::test]
async fn good_and_bad_messages_side_by_side() {
    let rows = text(
        &session(),
        r#"SELECT n, j IS NULL AS bad, j['a'] AS a, j['b'] AS b, j['ts'] AS ts, j['s']['x'] AS x FROM (
           SELECT n, from_json(t, 'a STRING, b DOUBLE, ts TIMESTAMP, s STRUCT<x: INT>') AS j FROM (VALUES
             (1, '{"a": "x", "b": 1.5, "ts": "2026-01-02T03:04:05.678Z", "s": {"x": 7}}'),
             (2, '{"a": "x", "b": '),
             (3, ''),
             (4, NULL),
             (5, 'null'),
             (6, '[1]'),
             (7, '{} {}'),
             (8, '{"b": 2, "unknown": [1, {}]}'),
             (9, '{"a": 5, "b": "no", "s": 3}'),
             (10, '{"ts": "2026-01-02 03:04:05+01:00"}')
           ) v(n, t)) w ORDER BY n"#,
    )
    .await
    .unwrap();
    assert_eq!(
        rows,
        "\
+----+-------+---+-----+--------------------------+---+
| n  | bad   | a | b   | ts                       | x |
+----+-------+---+-----+--------------------------+---+
| 1  | false | x | 1.5 | 2026-01-02T03:04:05.678Z | 7 |
| 2  | true  |   |     |                          |   |
| 3  | true  |   |     |                          |   |
| 4  | true  |   |     |                          |   |
| 5  | true  |   |     |                          |   |
| 6  | true  |   |     |                          |   |
| 7  | true  |   |     |                          |   |
| 8  | false |   | 2.0 |                          |   |
| 9  | false | 5 |     |                          |   |
| 10 | false |   |     | 2026-01-02T02:04:05Z     |   |
+----+-------+---+-----+--------------------------+---+"
    );
}

#[tokio::test]
async fn a_cast_of_bytes_does_not_end_the_query() {
    let context = session();
    let value = BinaryArray::from(vec![
        br#"{"a": 1}"#.as_slice(),
        b"\xff\xfe",
        br#"{"a": 2}"#.as_slice(),
    ]);
    let schema = Schema::new(vec![Field::new("value", DataType::Binary, true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(value)]).unwrap();
    context.register_batch("raw", batch).unwrap();
    let rows = text(
        &context,
        "SELECT sum(j['a']) AS s, count(j) AS n FROM (SELECT from_json(CAST(value AS STRING), 'a BIGINT') AS j FROM raw) t",
    )
    .await
    .unwrap();
    assert!(rows.contains("| 3 | 2 |"), "{rows}");
}

#[tokio::test]
async fn every_type_and_a_constant() {
    let rows = text(
        &session(),
        r#"SELECT j['d'] AS d, j['m'] AS m, j['f'] AS f, j['l'] AS l, j['ok'] AS ok, j['xs'] AS xs FROM (SELECT from_json(
           '{"d":"2026-11-22","m":12.34,"f":0.5,"l":9007199254740993,"ok":true,"xs":[1,null,3]}',
           'd DATE, m DECIMAL(10,2), f FLOAT, l LONG, ok BOOLEAN, xs ARRAY<INT>') AS j) t"#,
    )
    .await
    .unwrap();
    assert!(
        rows.contains("| 2026-11-22 | 12.34 | 0.5 | 9007199254740993 | true | [1, , 3] |"),
        "{rows}"
    );
}

#[tokio::test]
async fn a_deep_message_costs_a_null_at_most() {
    let deep = format!(
        "{{\"a\": {}{}, \"b\": 7}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let rows = text(
        &session(),
        &format!("SELECT from_json('{deep}', 'a STRING, b INT')['a'] IS NULL AS bad"),
    )
    .await
    .unwrap();
    assert!(rows.contains("true"), "{rows}");
}

#[tokio::test]
async fn wrong_calls_are_refused_while_planning() {
    let context = session();
    for (call, reason) in [
        ("from_json(t, t)", "must be a string literal"),
        ("from_json(t, 5)", "must be a string literal"),
        ("from_json(t)", "takes a text and its schema"),
        ("from_json(5, 'a INT')", "reads text, not Int64"),
        ("from_json(t, 'a NONSENSE')", "type NONSENSE of column"),
    ] {
        let sql = format!("SELECT {call} FROM (VALUES ('x')) v(t)");
        let error = context.sql(&sql).await.unwrap_err().strip_backtrace();
        assert!(error.contains(reason), "{call}: {error}");
    }
}
