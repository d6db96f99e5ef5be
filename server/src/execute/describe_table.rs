//! `DESCRIBE HISTORY` and `DESCRIBE DETAIL`: what a Delta table is, and how it came to be.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray},
    datatypes::{Schema, SchemaRef},
};
use sluice_connectors::delta::{HistoryEntry, Snapshot};
use sluice_sql::ast::ObjectName;

use super::{delta_table, engine_error};
use crate::{
    error::Result,
    root::storage_error,
    session::Session,
    system::{batch, timestamps},
};

/// Versions told where no LIMIT is given.
const VERSIONS: u64 = 1_000;

pub(super) async fn history(
    session: &Session,
    name: &ObjectName,
    limit: Option<u64>,
) -> Result<RecordBatch> {
    let subject = delta_table(session, name)?;
    subject.table.settle().await?;
    let Some(snapshot) = subject.table.snapshot() else {
        return history_rows(&[]);
    };
    let limit = usize::try_from(limit.unwrap_or(VERSIONS)).unwrap_or(usize::MAX);
    let history = snapshot.history(limit).await.map_err(storage_error)?;
    history_rows(&history)
}

/// Columns of DESCRIBE HISTORY.
pub(super) fn history_schema() -> SchemaRef {
    history_rows(&[]).map_or_else(|_| Arc::new(Schema::empty()), |rows| rows.schema())
}

/// Also the rows of `__history`.
pub(crate) fn history_rows(history: &[HistoryEntry]) -> Result<RecordBatch> {
    let text = |value: fn(&HistoryEntry) -> Option<String>| -> ArrayRef {
        Arc::new(history.iter().map(value).collect::<StringArray>())
    };
    let versions = history.iter().map(|entry| entry.version);
    let times = history
        .iter()
        .map(|entry| entry.timestamp_ms.map(|ms| ms.saturating_mul(1000)));
    batch(vec![
        ("version", Arc::new(Int64Array::from_iter_values(versions))),
        ("at", timestamps(times)),
        ("operation", text(|entry| entry.operation.clone())),
        (
            "parameters",
            text(|entry| Some(serde_json::Value::from(entry.parameters.clone()).to_string())),
        ),
        (
            "metrics",
            text(|entry| Some(serde_json::Value::from(entry.metrics.clone()).to_string())),
        ),
        ("engine", text(|entry| entry.engine.clone())),
        (
            "info",
            text(|entry| Some(serde_json::Value::from(entry.info.clone()).to_string())),
        ),
    ])
    .map_err(engine_error)
}

pub(super) async fn detail(session: &Session, name: &ObjectName) -> Result<RecordBatch> {
    let subject = delta_table(session, name)?;
    subject.table.settle().await?;
    let url = &session.engine().root().url;
    let location = format!("{url}{}", subject.table.path());
    let snapshot = subject.table.snapshot();
    let newest = match &snapshot {
        Some(snapshot) => snapshot.history(1).await.map_err(storage_error)?,
        None => Vec::new(),
    };
    let modified_ms = newest.first().and_then(|entry| entry.timestamp_ms);
    let table = subject.name.as_str();
    detail_rows(Some((table, &location)), snapshot.as_deref(), modified_ms)
}

/// Columns of DESCRIBE DETAIL.
pub(super) fn detail_schema() -> SchemaRef {
    let none = detail_rows(None, None, None);
    none.map_or_else(|_| Arc::new(Schema::empty()), |rows| rows.schema())
}

fn detail_rows(
    table: Option<(&str, &str)>,
    snapshot: Option<&Snapshot>,
    modified_ms: Option<i64>,
) -> Result<RecordBatch> {
    let text = |value: Option<String>| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let count = |value: Option<i64>| -> ArrayRef { Arc::new(Int64Array::from(vec![value])) };
    let small = |value: Option<i32>| -> ArrayRef { Arc::new(Int32Array::from(vec![value])) };
    let moment = |ms: Option<i64>| timestamps([ms.map(|ms| ms.saturating_mul(1000))].into_iter());
    let size = snapshot.map(Snapshot::size);
    let made = snapshot.map(Snapshot::created_and_protocol);
    let columns = snapshot.map(|snapshot| snapshot.spec().partition_columns.join(", "));
    let properties = snapshot.map(|snapshot| {
        serde_json::to_value(&snapshot.spec().properties)
            .unwrap_or_default()
            .to_string()
    });
    batch(vec![
        ("format", text(Some("delta".to_owned()))),
        ("name", text(table.map(|(name, _)| name.to_owned()))),
        (
            "location",
            text(table.map(|(_, location)| location.to_owned())),
        ),
        ("created_at", moment(made.and_then(|made| made.0))),
        ("last_modified", moment(modified_ms)),
        ("partition_columns", text(columns)),
        ("version", count(snapshot.map(Snapshot::version))),
        (
            "num_files",
            count(size.and_then(|(files, _)| i64::try_from(files).ok())),
        ),
        ("size_in_bytes", count(size.map(|(_, bytes)| bytes))),
        ("properties", text(properties)),
        ("min_reader_version", small(made.map(|made| made.1))),
        ("min_writer_version", small(made.map(|made| made.2))),
    ])
    .map_err(engine_error)
}
