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
