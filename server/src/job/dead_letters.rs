//! Messages of a stream that did not decode, each kept once however many queries read the stream.
//!
//! A bad message is a pure function of its payload, so every query that reads the stream finds the same ones. The first to reach its
//! commit point writes them; the offset ranges so recorded are kept (in a manifest log of their own) and rows inside them are not
//! written again. The stream's commit comes before the query's checkpoint: once a checkpoint passes an offset, its letter is durable.
//! What is recorded holds for one definition of the stream: after another one the table itself tells which letters are there.
//! So this log fences nobody: a record of another server under our number is read, and what it lacks is written under the next.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    str::FromStr,
    sync::Arc,
};

use arrow::{
    array::{
        ArrayRef, AsArray, BinaryBuilder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
        TimestampMicrosecondBuilder,
    },
    datatypes::{
        DataType, Field, Int32Type, Int64Type, Schema, SchemaRef, TimeUnit,
        TimestampMicrosecondType,
    },
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
use crate::{
    error::{Error, Result, SqlState},
    root::storage_error,
    table::TableState,
};

/// The format of a record of dead letters.
const FORMAT: u32 = 1;
/// Times that the records are read anew because another server wrote one meanwhile.
const TRIES: usize = 10;
/// Records between two rounds of removing old ones on a remote root, where every look costs a request.
const PRUNE_EVERY: u64 = 16;

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
    /// The stream's, without secrets.
    definition: String,
    log: ManifestLog<Recorded>,
    state: tokio::sync::Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    next_number: u64,
    recorded: BTreeMap<String, Intervals>,
    topics: Topics,
    /// Letters that were written under another definition, by split; read when first needed.
    others: Others,
    sink: Option<DeltaSink>,
}

/// The ids of topics that letters came from: of each topic, since when its letters are of which id.
type Topics = BTreeMap<String, Vec<(Option<String>, i64)>>;

#[derive(Debug)]
enum Others {
    /// All are of this definition.
    None,
    /// There may be some in the table.
    Unread,
    /// These.
    Read(BTreeMap<String, Intervals>),
}

/// One commit of dead letters, and everything recorded up to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Recorded {
    format: u32,
    owner: String,
    files: Vec<DataFile>,
    recorded: BTreeMap<String, Intervals>,
    /// The definition that `recorded` holds for; none where streams could not be mended yet.
    #[serde(default)]
    definition: Option<String>,
    /// Whether there were letters of another definition before.
    #[serde(default)]
    others: bool,
    #[serde(default)]
    topics: Topics,
}

impl LogEntry for Recorded {
    fn owner(&self) -> &str {
        &self.owner
    }
}

impl DeadLetters {
    /// The dead letters of the stream with this id, under this definition.
    pub fn new(
        root: Root,
        stream_id: &str,
        owner: &str,
        definition: &str,
        table: Arc<TableState>,
    ) -> Self {
        Self {
            definition: definition.to_owned(),
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
        let mut tries = 1;
        loop {
            let mut state = match guard.take() {
                Some(state) => state,
                None => self.recover().await?,
            };
            match self.record_in(&mut state, ranges, now_us).await {
                Ok(()) => {
                    *guard = Some(state);
                    return Ok(());
                }
                // After an error the state in memory may run ahead of what is durable: it is read anew.
                Err(error) if error.state == SqlState::ObjectInUse && tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn record_in(&self, state: &mut State, ranges: &[BadRange], now_us: i64) -> Result<()> {
        self.read_others(state).await?;
        let fresh = fresh_rows(ranges, &state.recorded, &state.others);
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
        for range in ranges.iter().filter(|range| !range.rows.is_empty()) {
            let ids = state.topics.entry(range.split.topic.clone()).or_default();
            if ids
                .last()
                .is_none_or(|(newest, _)| *newest != range.topic_id)
            {
                ids.push((range.topic_id.clone(), now_us));
            }
        }
        let number = state.next_number;
        // From the first file written to the commit, as the queries do.
        let _turn = self.table.queue().lock().await;
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
            definition: Some(self.definition.clone()),
            others: !matches!(state.others, Others::None),
            topics: state.topics.clone(),
        };
        self.log.put(number, &entry).await?;
        pass("letters.manifest")?;
        state.next_number = number + 1;
        commit(sink, &self.app_id, number, &entry).await?;
        pass("letters.commit")?;
        if !self.root.is_remote() || number.is_multiple_of(PRUNE_EVERY) {
            self.log.prune(number, 3).await?;
        }
        self.table.refresh().await
    }

    async fn recover(&self) -> Result<State> {
        let _turn = self.table.queue().lock().await;
        let newest = self.log.newest().await?;
        let mut state = State {
            next_number: newest.next_number,
            recorded: BTreeMap::new(),
            topics: Topics::new(),
            others: Others::None,
            sink: self.table.sink().await?,
        };
        if let Some((number, entry)) = newest.entry {
            if let Some(sink) = &mut state.sink {
                commit(sink, &self.app_id, number, &entry).await?;
            }
            self.adopt(&mut state, entry);
        } else if let Some(sink) = &mut state.sink {
            // The records are gone, the letters are not: their last commit says which there are.
            let app_id = &self.app_id;
            let txn = sink.txn_version(app_id).await.map_err(storage_error)?;
            let next = txn.and_then(|txn| u64::try_from(txn + 1).ok());
            state.next_number = state.next_number.max(next.unwrap_or(1));
            let said = sink.last_commit_of(app_id).await.map_err(storage_error)?;
            let said = said.and_then(|(_, mut said)| said.remove(RECORDED));
            let said = said.and_then(|said| serde_json::from_value(said).ok());
            if let Some(entry) = said {
                self.adopt(&mut state, entry);
            }
        }
        Ok(state)
    }

    fn adopt(&self, state: &mut State, entry: Recorded) {
        state.topics = entry.topics;
        let same = entry.definition.is_none_or(|sql| sql == self.definition);
        if same {
            state.recorded = entry.recorded;
        }
        if entry.others || !same {
            state.others = Others::Unread;
        }
    }

    /// The id of the topic that a letter was read from, where known: by the topic's name and when the letter was seen.
    pub async fn topic_ids(&self) -> Result<impl Fn(&str, i64) -> Option<String> + use<>> {
        let newest = self.log.newest().await?;
        let topics = newest
            .entry
            .map(|(_, entry)| entry.topics)
            .unwrap_or_default();
        Ok(move |topic: &str, seen_at_us: i64| id_at(&topics, topic, seen_at_us)?.clone())
    }

    /// Which letters the table has, from before this definition and under it.
    async fn read_others(&self, state: &mut State) -> Result<()> {
        if !matches!(state.others, Others::Unread) {
            return Ok(());
        }
        self.table.refresh().await?;
        let Some(committed) = self.table.cut().committed else {
            state.others = Others::None;
            return Ok(());
        };
        let context = datafusion::prelude::SessionContext::new();
        let columns = ["_topic", "_partition", "_offset", "seen_at"];
        let batches = context.read_table(committed)?.select_columns(&columns)?;
        let mut others: BTreeMap<String, Intervals> = BTreeMap::new();
        for batch in batches.collect().await? {
            let text = arrow::compute::cast(batch.column(0), &DataType::Utf8);
            let text = text.map_err(|error| Error::internal(format!("dead letters: {error}")))?;
            let partitions = batch.column(1).as_primitive::<Int32Type>();
            let offsets = batch.column(2).as_primitive::<Int64Type>();
            let seen = batch.column(3).as_primitive::<TimestampMicrosecondType>();
            let places = partitions.values().iter().zip(offsets.values());
            let places = places.zip(seen.values());
            for (topic, ((partition, offset), seen)) in text.as_string::<i32>().iter().zip(places) {
                let topic = topic.unwrap_or_default();
                let place = match id_at(&state.topics, topic, *seen) {
                    Some(id) => place(topic, id.as_deref(), *partition),
                    None => place(topic, ANY_ID, *partition),
                };
                others
                    .entry(place)
                    .or_default()
                    .insert(*offset..*offset + 1);
            }
        }
        state.others = Others::Read(others);
        Ok(())
    }

    async fn open_sink(&self) -> Result<DeltaSink> {
        if let Some(sink) = self.table.sink().await? {
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

/// Files that the records of a stream's dead letters name: each is in the table, or will be.
///
/// # Errors
/// Where the records cannot be read.
pub async fn announced_letters(root: &Root, stream_id: &str) -> Result<HashSet<String>> {
    let folder = format!("{}/manifests", super::checkpoint_folder(stream_id));
    let log: ManifestLog<Recorded> = ManifestLog::new(root.clone(), folder);
    let records = log.all().await?.into_iter();
    let files = records.flat_map(|(_, record)| record.files);
    Ok(files.map(|file| file.path().to_owned()).collect())
}

async fn commit(sink: &mut DeltaSink, app_id: &str, number: u64, entry: &Recorded) -> Result<()> {
    let version = i64::try_from(number).unwrap_or(i64::MAX);
    let recorded = Recorded {
        files: Vec::new(),
        ..entry.clone()
    };
    let recorded = serde_json::to_value(recorded).unwrap_or_default();
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
    place(
        &range.split.topic,
        range.topic_id.as_deref(),
        range.split.partition,
    )
}

/// In the place of letters whose topic's id nobody noted.
const ANY_ID: Option<&str> = Some("any");

fn place(topic: &str, id: Option<&str>, partition: i32) -> String {
    format!("{topic}/{}/{partition}", id.unwrap_or("-"))
}

/// The id of the topic whose letters were seen at a time.
fn id_at<'a>(topics: &'a Topics, topic: &str, seen_at_us: i64) -> Option<&'a Option<String>> {
    let ids = topics.get(topic)?;
    let newest = ids.iter().rfind(|(_, since)| *since <= seen_at_us)?;
    Some(&newest.0)
}

/// Rows that no earlier commit has recorded.
fn fresh_rows<'a>(
    ranges: &'a [BadRange],
    recorded: &BTreeMap<String, Intervals>,
    others: &Others,
) -> Vec<(&'a SplitId, &'a BadRow)> {
    ranges
        .iter()
        .flat_map(|range| {
            let known = recorded.get(&key(range));
            let of_any = place(&range.split.topic, ANY_ID, range.split.partition);
            let others = match others {
                Others::Read(others) => [others.get(&key(range)), others.get(&of_any)],
                Others::None | Others::Unread => [None, None],
            };
            let known = [known, others[0], others[1]].into_iter().flatten();
            range
                .rows
                .iter()
                .filter(move |row| !known.clone().any(|known| known.contains(row.offset)))
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
        .map_err(|error| Error::internal(format!("dead letters: {error}")))
}

#[cfg(test)]
mod tests;
