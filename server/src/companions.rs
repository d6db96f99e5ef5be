//! Companion relations that are read from a moment's facts: `__files`, `__history`, `__checkpoints`.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::SchemaRef,
};
use datafusion::common::Result;
use serde_json::{Value, json};
use sluice_connectors::{
    delta::{HistoryEntry, TableFile},
    store::Root,
};

use crate::{
    clock::rfc3339,
    execute::describe_table,
    job::{Manifest, ManifestLog, Rebuild, checkpoint_folder},
    root::storage_error,
    system::{batch, timestamps},
    table::{TableState, external},
};

/// Commits shown, newest first.
const HISTORY: usize = 1000;

/// Files of the newest version.
pub async fn files(table: &TableState) -> Result<RecordBatch> {
    table.settle().await.map_err(external)?;
    file_rows(&match table.snapshot() {
        Some(snapshot) => snapshot.files(),
        None => Vec::new(),
    })
}

/// The columns of [`files`].
pub fn file_schema() -> Result<SchemaRef> {
    Ok(file_rows(&[])?.schema())
}

fn file_rows(files: &[TableFile]) -> Result<RecordBatch> {
    batch(vec![
        (
            "path",
            Arc::new(StringArray::from_iter_values(
                files.iter().map(|file| &file.path),
            )),
        ),
        (
            "partition",
            Arc::new(StringArray::from_iter_values(files.iter().map(|file| {
                let values = file
                    .partition_values
                    .iter()
                    .map(|(column, value)| format!("{column}={}", value.as_deref().unwrap_or("")));
                values.collect::<Vec<_>>().join("/")
            }))),
        ),
        (
            "size_bytes",
            Arc::new(Int64Array::from_iter_values(
                files.iter().map(|file| file.size),
            )),
        ),
        (
            "rows",
            Arc::new(
                files
                    .iter()
                    .map(|file| i64::try_from(file.num_records?).ok())
                    .collect::<Int64Array>(),
            ),
        ),
        (
            "modified_at",
            timestamps(
                files
                    .iter()
                    .map(|file| Some(file.modified_ms.saturating_mul(1000))),
            ),
        ),
    ])
}

/// Commits, newest first.
pub async fn history(table: &TableState) -> Result<RecordBatch> {
    table.settle().await.map_err(external)?;
    let history = match table.snapshot() {
        Some(snapshot) => snapshot
            .history(HISTORY)
            .await
            .map_err(|error| external(storage_error(error)))?,
        None => Vec::new(),
    };
    history_rows(&history)
}

/// The columns of [`history`].
pub fn history_schema() -> Result<SchemaRef> {
    Ok(history_rows(&[])?.schema())
}

fn history_rows(history: &[HistoryEntry]) -> Result<RecordBatch> {
    describe_table::history_rows(history).map_err(external)
}

/// Checkpoints that are kept, oldest first.
pub async fn checkpoints(root: &Root, id: &str) -> Result<RecordBatch> {
    let log: ManifestLog<Manifest> =
        ManifestLog::new(root.clone(), format!("{}/manifests", checkpoint_folder(id)));
    checkpoint_rows(&log.all().await.map_err(external)?)
}

/// The columns of [`checkpoints`].
pub fn checkpoint_schema() -> Result<SchemaRef> {
    Ok(checkpoint_rows(&[])?.schema())
}

fn checkpoint_rows(all: &[(u64, Manifest)]) -> Result<RecordBatch> {
    let number = |value: fn(&Manifest) -> i64| -> Arc<Int64Array> {
        Arc::new(
            all.iter()
                .map(|(_, manifest)| Some(value(manifest)))
                .collect(),
        )
    };
    let text = |value: fn(&Manifest) -> String| -> Arc<StringArray> {
        let values = all.iter().map(|(_, manifest)| value(manifest));
        Arc::new(StringArray::from_iter_values(values))
    };
    batch(vec![
        ("number", number(|manifest| manifest.number.cast_signed())),
        ("epoch", number(|manifest| manifest.epoch)),
        (
            "watermark",
            timestamps(
                all.iter()
                    .map(|(_, manifest)| manifest.watermark_us.filter(|us| *us < i64::MAX)),
            ),
        ),
        (
            "open_windows",
            number(|manifest| i64::try_from(manifest.windows().len()).unwrap_or(i64::MAX)),
        ),
        (
            "files",
            number(|manifest| {
                let files: usize = manifest.files.values().map(Vec::len).sum();
                i64::try_from(files).unwrap_or(i64::MAX)
            }),
        ),
        (
            "positions",
            Arc::new(StringArray::from_iter_values(all.iter().map(
                |(_, manifest)| {
                    let positions = manifest.positions.iter().map(|position| {
                        format!(
                            "{}[{}]={}",
                            position.split.topic, position.split.partition, position.next_offset
                        )
                    });
                    positions.collect::<Vec<_>>().join(" ")
                },
            ))),
        ),
        (
            "written_at",
            Arc::new(StringArray::from_iter_values(
                all.iter().map(|(_, manifest)| &manifest.written_at),
            )),
        ),
        ("format", number(|manifest| i64::from(manifest.format))),
        ("fingerprint", text(|manifest| manifest.fingerprint.clone())),
        ("written_by", text(|manifest| manifest.owner.clone())),
        ("splits", text(|manifest| splits(manifest).to_string())),
        ("segments", text(|manifest| segments(manifest).to_string())),
        ("paths", text(|manifest| paths(manifest).to_string())),
        (
            "rebuild",
            Arc::new(
                all.iter()
                    .map(|(_, manifest)| manifest.rebuild.as_ref().map(rebuild))
                    .collect::<StringArray>(),
            ),
        ),
    ])
}

/// Where reading stood in each split, as JSON.
fn splits(manifest: &Manifest) -> Value {
    let splits = manifest.positions.iter().map(|position| {
        let watermark = manifest
            .split_watermarks_us
            .iter()
            .find(|(split, _)| *split == position.split)
            .map(|(_, us)| rfc3339(*us));
        json!({
            "topic": position.split.topic,
            "partition": position.split.partition,
            "next_offset": position.next_offset,
            "topic_id": position.topic_id,
            "leader_epoch": position.leader_epoch,
            "watermark": watermark,
        })
    });
    splits.collect()
}

/// The files that the state is in, as JSON; a file may hold several panes.
fn segments(manifest: &Manifest) -> Value {
    let mut segments: BTreeMap<&str, (u32, usize, bool)> = BTreeMap::new();
    for pane in &manifest.panes {
        let segment = segments
            .entry(&pane.segment)
            .or_insert((pane.crc32, 0, pane.spilled));
        segment.1 += 1;
    }
    let segments = segments.into_iter().map(|(file, (crc32, panes, spilled))| {
        json!({ "file": file, "crc32": format!("{crc32:08x}"), "panes": panes, "spilled": spilled })
    });
    segments.collect()
}

/// The data files that go with it, as JSON.
fn paths(manifest: &Manifest) -> Value {
    let files = manifest.files.iter().flat_map(|(table, files)| {
        files.iter().map(move |file| {
            json!({ "table": table, "path": file.path(), "bytes": file.size(), "rows": file.rows() })
        })
    });
    files.collect()
}

/// What REBUILD has ordered, in a word.
fn rebuild(rebuild: &Rebuild) -> &'static str {
    match rebuild {
        Rebuild::Reread { .. } => "reread",
        Rebuild::Anew => "anew",
    }
}
