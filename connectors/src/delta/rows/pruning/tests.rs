//! Files that are passed by, and files that must not be.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::{
    logical_expr::{Expr, col, lit},
    prelude::SessionContext,
    scalar::ScalarValue,
};

use super::{TableFile, pruned};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("day", DataType::Date32, true),
        Field::new(
            "at",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
        Field::new("f", DataType::Float64, true),
    ]))
}

fn file(number: i64, day: Option<&str>, stats: Option<&str>) -> (i64, TableFile) {
    let file = TableFile {
        path: format!("{number}.parquet"),
        partition_values: [("day".to_owned(), day.map(str::to_owned))].into(),
        size: 1,
        modified_ms: 0,
        num_records: stats.map(|_| 10),
        stats: stats.map(str::to_owned),
    };
    (number, file)
}

fn kept(filter: Expr) -> Vec<i64> {
    let files = [
        file(
            0,
            Some("2026-11-26"),
            Some(
                r#"{"numRecords":10,"minValues":{"n":1,"at":"2026-11-26T10:00:00.123Z","f":1.0},"maxValues":{"n":9,"at":"2026-11-26T10:00:00.123Z","f":2.0},"nullCount":{"n":0}}"#,
            ),
        ),
        file(
            1,
            Some("2026-11-27"),
            Some(
                r#"{"numRecords":10,"minValues":{"n":100},"maxValues":{"n":900},"nullCount":{"n":0}}"#,
            ),
        ),
        file(2, None, None),
    ];
    let context = SessionContext::new();
    let kept = pruned(
        &context.state(),
        &files,
        &schema(),
        &["day".to_owned()],
        &[filter],
    )
    .unwrap();
    kept.into_iter().map(|(number, _)| number).collect()
}

#[test]
fn bounds_and_partitions_let_files_be_passed_by() {
    assert_eq!(kept(col("n").eq(lit(5_i64))), [0, 2]);
    assert_eq!(kept(col("n").gt(lit(9_i64))), [1, 2]);
    let day =
        |text: &str| lit(ScalarValue::try_from_string(text.into(), &DataType::Date32).unwrap());
    assert_eq!(kept(col("day").eq(day("2026-11-27"))), [1, 2]);
    assert_eq!(
        kept(
            col("n")
                .eq(lit(5_i64))
                .and(col("day").eq(day("2026-11-26")))
        ),
        [0, 2]
    );
}

#[test]
fn what_is_not_known_is_kept() {
    // Bounds of times were cut to the millisecond; floats are not gone by.
    let at = lit(ScalarValue::TimestampMicrosecond(
        Some(1_795_687_200_123_999),
        Some("UTC".into()),
    ));
    assert_eq!(kept(col("at").eq(at)), [0, 1, 2]);
    assert_eq!(kept(col("f").gt(lit(7.0))), [0, 1, 2]);
    assert_eq!(kept(col("day").is_null()), [2]);
    assert_eq!(kept(lit(true)), [0, 1, 2]);
}
