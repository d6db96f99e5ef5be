//! Exactly once into a Delta table, and readable by everybody.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod change;
mod commit;
mod epochs;
mod faulty;
mod interop;
mod read;
mod upkeep;
mod write;

use std::sync::Arc;

use arrow::{
    array::{
        Date32Array, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use serde_json::{Map, Value, json};

use super::{DeltaSink, TableSpec};
use crate::store::{Root, open_local};

const TABLE: &str = "tables/gold/metrics";

/// 2026-01-02T03:00:00Z.
const START: i64 = 1_767_322_800_000_000;

fn root() -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    let root = open_local(folder.path().join("a root").to_str().unwrap()).unwrap();
    (folder, root)
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(
            "window_start",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
        Field::new("date", DataType::Date32, true),
        Field::new("event_type", DataType::Utf8, true),
        Field::new("value", DataType::Float64, true),
        Field::new("hour", DataType::Int32, true),
    ]))
}

fn spec() -> TableSpec {
    TableSpec {
        schema: schema(),
        partition_columns: vec!["date".into(), "hour".into()],
        properties: [("sluice.query".to_owned(), "q1".to_owned())].into(),
        description: Some("one minute metrics".into()),
        name: Some("gold.metrics".into()),
    }
}

/// Rows a minute apart from `from` on, over as many hours as that takes.
fn rows(from: i64, count: i64) -> RecordBatch {
    let times: Vec<i64> = (from..from + count)
        .map(|minute| START + minute * 60_000_000)
        .collect();
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(times.iter().copied())
                    .with_timezone("UTC"),
            ),
            Arc::new(Date32Array::from_iter_values(
                times.iter().map(|time| (time / 86_400_000_000) as i32),
            )),
            Arc::new(StringArray::from_iter_values(
                (from..from + count).map(|minute| format!("type {}", minute % 3)),
            )),
            Arc::new(Float64Array::from_iter_values(
                (from..from + count).map(|minute| minute as f64 / 2.0),
            )),
            Arc::new(Int32Array::from_iter_values(
                times.iter().map(|time| (time / 3_600_000_000 % 24) as i32),
            )),
        ],
    )
    .unwrap()
}

fn info(epoch: i64) -> Map<String, Value> {
    match json!({ "epoch": epoch, "positions": { "events/0": epoch * 10 } }) {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

async fn table(root: &Root) -> DeltaSink {
    DeltaSink::create(root, TABLE, &spec(), &Map::new())
        .await
        .unwrap()
}
