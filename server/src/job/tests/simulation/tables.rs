//! What is in a table, read as anybody would who knows nothing of the product: the log's entries in their order, then the files they leave.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, new_null_array},
    datatypes::{DataType, Field, Schema},
};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path};
use serde_json::{Map, Value};

/// The rows of a table; those that are partitioned by have their values as text. Nothing where there is no table.
///
/// # Panics
/// Where the log does not fit its files, or a writer's transactions do not ascend.
pub(super) async fn rows(disk: &InMemory, folder: &str) -> Vec<RecordBatch> {
    let entries = Path::from(format!("{folder}/_delta_log"));
    let mut entries = disk
        .list_with_delimiter(Some(&entries))
        .await
        .unwrap()
        .objects;
    entries.retain(|entry| entry.location.as_ref().ends_with(".json"));
    entries.sort_by(|a, b| a.location.cmp(&b.location));
    let mut live: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut transactions: BTreeMap<String, i64> = BTreeMap::new();
    for entry in entries {
        let bytes = disk.get(&entry.location).await.unwrap().bytes().await;
        for line in std::str::from_utf8(&bytes.unwrap()).unwrap().lines() {
            let action: Value = serde_json::from_str(line).unwrap();
            if let Some(txn) = action.get("txn") {
                let version = txn["version"].as_i64().unwrap();
                let before = transactions.insert(text(&txn["appId"]), version);
                assert!(
                    before < Some(version),
                    "{folder}: txn {version} after {before:?}"
                );
            }
            if let Some(add) = action.get("add") {
                let values = add["partitionValues"].as_object().unwrap().clone();
                let twice = live.insert(text(&add["path"]), values);
                assert!(twice.is_none(), "{folder}: {} is added twice", add["path"]);
            }
            if let Some(remove) = action.get("remove") {
                let known = live.remove(&text(&remove["path"]));
                assert!(
                    known.is_some(),
                    "{folder}: {} was not there",
                    remove["path"]
                );
            }
        }
    }
    let mut rows = Vec::new();
    for (path, values) in live {
        let path = Path::from_url_path(format!("{folder}/{path}")).unwrap();
        let bytes = disk.get(&path).await.unwrap().bytes().await.unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let reader = reader.build().unwrap();
        rows.extend(reader.map(|batch| with_values(&batch.unwrap(), &values)));
    }
    rows
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A batch of a file with the values of its partition.
fn with_values(batch: &RecordBatch, values: &Map<String, Value>) -> RecordBatch {
    let mut fields = batch.schema().fields().to_vec();
    let mut columns = batch.columns().to_vec();
    for (name, value) in values {
        fields.push(Arc::new(Field::new(name, DataType::Utf8, true)));
        let column: ArrayRef = match value.as_str() {
            Some(value) => Arc::new(StringArray::from(vec![value; batch.num_rows()])),
            None => new_null_array(&DataType::Utf8, batch.num_rows()),
        };
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}
