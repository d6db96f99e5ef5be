//! The text of a log entry: what every reader of the table's history sees of a commit.

use bytes::Bytes;
use chrono::Utc;
use serde_json::{Map, Value, json};

use super::{
    DataFile, TableSpec,
    log::{ENGINE, INFO_KEY},
};

/// The `txn` action: an application has come to a version of its own.
pub(super) fn transaction((app_id, version): (&str, i64)) -> Value {
    json!({ "txn": {
        "appId": app_id,
        "version": version,
        "lastUpdated": Utc::now().timestamp_millis(),
    }})
}

/// What `DESCRIBE HISTORY` shows of a definition.
pub(super) fn definition(spec: &TableSpec) -> Value {
    let text = |value: Value| value.to_string();
    json!({
        "isManaged": "false",
        "description": spec.description,
        "partitionBy": text(json!(spec.partition_columns)),
        "properties": text(json!(spec.properties)),
    })
}

/// The `commitInfo` action, with what the caller says under a name of ours.
pub(super) fn commit_info(
    id: &str,
    operation: &str,
    parameters: Value,
    files: Option<&[DataFile]>,
    info: &Map<String, Value>,
) -> Value {
    // Metrics are texts to Spark.
    let metrics = files.map(|files| {
        json!({
            "numAddedFiles": files.len().to_string(),
            "numOutputRows": files.iter().map(DataFile::rows).sum::<u64>().to_string(),
            "numOutputBytes": files.iter().map(DataFile::size).sum::<i64>().to_string(),
        })
    });
    json!({ "commitInfo": {
        "timestamp": Utc::now().timestamp_millis(),
        "operation": operation,
        "operationParameters": parameters,
        "isolationLevel": "Serializable",
        "isBlindAppend": files.is_some(),
        "operationMetrics": metrics.unwrap_or_else(|| json!({})),
        "engineInfo": ENGINE,
        "txnId": id,
        INFO_KEY: info,
    }})
}

/// The `commitInfo` action of files that take the place of others.
pub(super) fn rewrite_info(id: &str, parameters: Value, metrics: Value) -> Value {
    json!({ "commitInfo": {
        "timestamp": Utc::now().timestamp_millis(),
        "operation": "OPTIMIZE",
        "operationParameters": parameters,
        "isolationLevel": "SnapshotIsolation",
        "isBlindAppend": false,
        "operationMetrics": metrics,
        "engineInfo": ENGINE,
        "txnId": id,
    }})
}

/// One JSON object a line.
pub(super) fn lines(actions: &[Value]) -> Bytes {
    let mut text = String::new();
    for action in actions {
        text.push_str(&action.to_string());
        text.push('\n');
    }
    text.into()
}

/// The `commitInfo` action of a statement that changed rows.
pub(super) fn change_info(
    id: &str,
    operation: &str,
    parameters: &Value,
    metrics: &Value,
    read_version: i64,
) -> Value {
    json!({ "commitInfo": {
        "timestamp": Utc::now().timestamp_millis(),
        "operation": operation,
        "operationParameters": parameters,
        "readVersion": read_version,
        // Appends of others that came since the rows were read do not matter.
        "isolationLevel": "WriteSerializable",
        "isBlindAppend": false,
        "operationMetrics": metrics,
        "engineInfo": ENGINE,
        "txnId": id,
    }})
}
