//! Messages of a stream that did not decode, each kept once however many queries read the stream.
//!
//! A bad message is a pure function of its payload, so every query that reads the stream finds the same ones. The first to reach its
//! commit point writes them; the offset ranges so recorded are kept (in a manifest log of their own) and rows inside them are not
//! written again. The stream's commit comes before the query's checkpoint: once a checkpoint passes an offset, its letter is durable.

use std::{collections::BTreeMap, ops::Range, str::FromStr, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BinaryBuilder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
        TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sluice_connectors::{
    delta::{DataFile, DeltaSink, TableSpec},
    source::{BadRow, SplitId},
    store::Root,
};

use super::{
    commit::pass,
    intervals::Intervals,
    manifest_log::{LogEntry, ManifestLog},
};
use crate::{error::Result, root::storage_error, table::TableState};

/// The format of a record of dead letters.
const FORMAT: u32 = 1;

/// Where a commit says which offsets are recorded, should the records be lost.
const RECORDED: &str = "recorded";

/// What a stream does with messages that do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// Keep them in the stream's dead-letter table.
    DeadLetter,
    /// Count them and go on.
    Skip,
    /// Stop the query.
    Fail,
}

impl FromStr for OnError {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "dead_letter" => Ok(Self::DeadLetter),
            "skip" => Ok(Self::Skip),
            "fail" => Ok(Self::Fail),
            _ => Err(()),
        }
    }
}

/// Bad rows of one split in the range that was read.
#[derive(Clone, Debug)]
pub struct BadRange {
    /// The split.
    pub split: SplitId,
    /// The topic's id, so that a topic made anew starts afresh.
    pub topic_id: Option<String>,
    /// Offsets read.
    pub range: Range<i64>,
    /// The bad ones.
    pub rows: Vec<BadRow>,
}

/// Columns of `<stream>__dead_letter`.
pub fn dead_letter_schema() -> SchemaRef {
    let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("_topic", DataType::Utf8, true),
        Field::new("_partition", DataType::Int32, true),
        Field::new("_offset", DataType::Int64, true),
        Field::new("_timestamp", utc(), true),
        Field::new("_key", DataType::Binary, true),
        Field::new("payload", DataType::Binary, true),
        Field::new("error", DataType::Utf8, true),
        Field::new("seen_at", utc(), true),
    ]))
}

/// The dead letters of one stream.
#[derive(Debug)]
pub struct DeadLetters {
    /// The table they are read from.
    pub table: Arc<TableState>,
    root: Root,
    app_id: String,
    owner: String,
    log: ManifestLog<Recorded>,
    state: tokio::sync::Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    next_number: u64,
    recorded: BTreeMap<String, Intervals>,
    sink: Option<DeltaSink>,
}

/// One commit of dead letters, and everything recorded up to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Recorded {
    format: u32,
    owner: String,
    files: Vec<DataFile>,
    recorded: BTreeMap<String, Intervals>,
}

impl LogEntry for Recorded {
    fn owner(&self) -> &str {
        &self.owner
    }
}

impl DeadLetters {
    /// The dead letters of the stream with this id.
    pub fn new(root: Root, stream_id: &str, owner: &str, table: Arc<TableState>) -> Self {
        Self {
            table,
            app_id: super::app_id(stream_id),
            owner: owner.to_owned(),
            log: ManifestLog::new(
                root.clone(),
                format!("{}/manifests", super::checkpoint_folder(stream_id)),
            ),
            root,
            state: tokio::sync::Mutex::default(),
        }
    }

    /// Keeps the bad rows that are not kept yet; durable when it returns.
    pub async fn record(&self, ranges: &[BadRange], now_us: i64) -> Result<()> {
        if ranges.iter().all(|range| range.rows.is_empty()) {
            return Ok(());
        }
        let mut guard = self.state.lock().await;
        let mut state = match guard.take() {
            Some(state) => state,
            None => self.recover().await?,
        };
        let result = self.record_in(&mut state, ranges, now_us).await;
        if result.is_ok() {
            // After an error the state in memory may run ahead of what is durable: it is read anew next time.
            *guard = Some(state);
        }
        result
    }

    async fn record_in(&self, state: &mut State, ranges: &[BadRange], now_us: i64) -> Result<()> {
        let fresh = fresh_rows(ranges, &state.recorded);
        for range in ranges.iter().filter(|range| !range.rows.is_empty()) {
            state
                .recorded
                .entry(key(range))
                .or_default()
                .insert(range.range.clone());
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let batch = batch(&fresh, now_us)?;
        let number = state.next_number;
        let sink = match &mut state.sink {
            Some(sink) => sink,
            None => state.sink.insert(self.open_sink().await?),
        };
        let files = sink
            .write_files(&[batch], &format!("dead-letter-{number}"))
            .await
            .map_err(storage_error)?;
        pass("letters.files")?;
        let entry = Recorded {
            format: FORMAT,
            owner: self.owner.clone(),
            files,
            recorded: state.recorded.clone(),
        };
        self.log.put(number, &entry).await?;
        pass("letters.manifest")?;
        state.next_number = number + 1;
        commit(sink, &self.app_id, number, &entry).await?;
        pass("letters.commit")?;
        self.log.prune(number, 3).await?;
        self.table.refresh().await
    }

    async fn recover(&self) -> Result<State> {
        let newest = self.log.newest().await?;
        let mut state = State {
            next_number: newest.next_number,
            recorded: BTreeMap::new(),
            sink: DeltaSink::open(&self.root, self.table.path())
                .await
                .map_err(storage_error)?,
        };
        if let Some((number, entry)) = newest.entry {
            if let Some(sink) = &mut state.sink {
                commit(sink, &self.app_id, number, &entry).await?;
            }
            state.recorded = entry.recorded;
        } else if let Some(sink) = &mut state.sink {
            // The records are gone, the letters are not: their last commit says which there are.
            let app_id = &self.app_id;
            let txn = sink.txn_version(app_id).await.map_err(storage_error)?;
            let next = txn.and_then(|txn| u64::try_from(txn + 1).ok());
            state.next_number = state.next_number.max(next.unwrap_or(1));
            let said = sink.last_commit_of(app_id).await.map_err(storage_error)?;
            let recorded = said.and_then(|(_, mut said)| said.remove(RECORDED));
            let recorded = recorded.and_then(|recorded| serde_json::from_value(recorded).ok());
            state.recorded = recorded.unwrap_or_default();
        }
        Ok(state)
    }

    async fn open_sink(&self) -> Result<DeltaSink> {
        if let Some(sink) = DeltaSink::open(&self.root, self.table.path())
            .await
            .map_err(storage_error)?
        {
            return Ok(sink);
        }
        let spec = TableSpec {
            schema: dead_letter_schema(),
            partition_columns: vec![],
            properties: BTreeMap::new(),
            description: None,
            name: Some(self.table.name.to_string()),
        };
        DeltaSink::create(&self.root, self.table.path(), &spec, &Map::new())
            .await
            .map_err(storage_error)
    }
}

async fn commit(sink: &mut DeltaSink, app_id: &str, number: u64, entry: &Recorded) -> Result<()> {
    let version = i64::try_from(number).unwrap_or(i64::MAX);
    let recorded = serde_json::to_value(&entry.recorded).unwrap_or_default();
    let info: Map<String, Value> = Map::from_iter([
        ("dead_letters".to_owned(), number.into()),
        (RECORDED.to_owned(), recorded),
    ]);
    sink.commit(&entry.files, Some((app_id, version)), &info)
        .await
        .map_err(storage_error)?;
    Ok(())
}

fn key(range: &BadRange) -> String {
    format!(
        "{}/{}/{}",
        range.split.topic,
        range.topic_id.as_deref().unwrap_or("-"),
        range.split.partition
    )
}

/// Rows that no earlier commit has recorded.
fn fresh_rows<'a>(
    ranges: &'a [BadRange],
    recorded: &BTreeMap<String, Intervals>,
) -> Vec<(&'a SplitId, &'a BadRow)> {
    ranges
        .iter()
        .flat_map(|range| {
            let known = recorded.get(&key(range));
            range
                .rows
                .iter()
                .filter(move |row| !known.is_some_and(|known| known.contains(row.offset)))
                .map(|row| (&range.split, row))
        })
        .collect()
}

fn batch(rows: &[(&SplitId, &BadRow)], now_us: i64) -> Result<RecordBatch> {
    let mut topic = StringBuilder::new();
    let mut partition = Int32Builder::new();
    let mut offset = Int64Builder::new();
    let mut timestamp = TimestampMicrosecondBuilder::new();
    let mut message_key = BinaryBuilder::new();
    let mut payload = BinaryBuilder::new();
    let mut error = StringBuilder::new();
    let mut seen_at = TimestampMicrosecondBuilder::new();
    for (split, row) in rows {
        topic.append_value(&split.topic);
        partition.append_value(split.partition);
        offset.append_value(row.offset);
        timestamp
            .append_option((row.timestamp_ms >= 0).then(|| row.timestamp_ms.saturating_mul(1000)));
        message_key.append_option(row.key.as_deref());
        payload.append_option(row.payload.as_deref());
        error.append_value(&row.error);
        seen_at.append_value(now_us);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(topic.finish()),
        Arc::new(partition.finish()),
        Arc::new(offset.finish()),
        Arc::new(timestamp.finish().with_timezone("UTC")),
        Arc::new(message_key.finish()),
        Arc::new(payload.finish()),
        Arc::new(error.finish()),
        Arc::new(seen_at.finish().with_timezone("UTC")),
    ];
    RecordBatch::try_new(dead_letter_schema(), columns)
        .map_err(|error| crate::error::Error::internal(format!("dead letters: {error}")))
}
