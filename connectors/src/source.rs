//! The contract between a source and the epoch loop.
//!
//! A source is a set of **splits**; a split is an ordered, replayable sequence of messages addressed by offset. A reader fetches and
//! decodes on threads of its own and hands over [`SourceEvent`]s through a bounded inbox: when the inbox is full the reader stops
//! fetching, so pressure goes back to the broker and never into memory.
//!
//! # Contract
//! * Within a split, batches come in offset order, without gap or overlap: `next.range.start == previous.range.end`.
//! * Reading a range again gives the same rows and the same bad rows: decoding is a pure function of the payload.
//! * `rows`, `offsets` and `timestamps_ms` have one entry per good message, strictly rising by offset; a bad message is in `bad` alone.
//! * The reader never moves a position by itself: an offset that is gone is an error event, never a silent jump.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use arrow::{array::RecordBatch, buffer::ScalarBuffer, datatypes::SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::error::{ConnectorError, Result};

pub(crate) mod outlet;
mod shared;
mod worked_out;

pub use self::{
    shared::{SharedReader, StreamReaders},
    worked_out::WorkedOut,
};

/// One independently readable, ordered part of a source: a Kafka partition, one lane of the generator.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SplitId {
    /// Which of a query's streams it is of, where a query reads several. Sources know nothing of it: theirs are all of stream 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub stream: u16,
    /// Topic, or the generator's shape.
    pub topic: String,
    /// Partition within the topic.
    pub partition: i32,
}

fn is_first(stream: &u16) -> bool {
    *stream == 0
}

/// Where reading of a split goes on, with what proves that the split is still the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitPosition {
    /// The split.
    pub split: SplitId,
    /// Offset of the next message to read.
    pub next_offset: i64,
    /// The broker's id of the topic (a topic deleted and made anew has another one).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
    /// Leader epoch of the last message read, where the broker tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_epoch: Option<i32>,
}

/// Decoded messages of one split, in offset order. A copy for another query, or a part, shares everything but the bad ones.
#[derive(Clone, Debug)]
pub struct SplitBatch {
    /// Whose rows these are.
    pub split: SplitId,
    /// Offsets covered, end exclusive: everything in here was read, whether good, bad or a gap in the log.
    pub range: std::ops::Range<i64>,
    /// The requested columns, one row per good message.
    pub rows: RecordBatch,
    /// Offset of each row.
    pub offsets: ScalarBuffer<i64>,
    /// Timestamp of each row's message in milliseconds since the epoch (append or create time, as the topic has it); -1 if it has none.
    pub timestamps_ms: ScalarBuffer<i64>,
    /// Messages that did not decode.
    pub bad: Vec<BadRow>,
    /// Bytes of payload read, good and bad.
    pub payload_bytes: u64,
    /// Leader epoch of the last message, where known.
    pub leader_epoch: Option<i32>,
    /// Where queries that read the same batch find what another one has worked out; `None` where one reads it.
    pub worked_out: Option<Arc<WorkedOut>>,
}

/// A message that did not decode, kept whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its offset in the split.
    pub offset: i64,
    /// Its timestamp in milliseconds since the epoch; -1 if it has none.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its payload; `None` for a null payload (a tombstone).
    pub payload: Option<Bytes>,
    /// Why it did not decode: what, and where in the payload.
    pub error: String,
}

/// A message kept outside its source, to be decoded there again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMessage {
    /// Where it was read.
    pub split: SplitId,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp in milliseconds since the epoch; -1 if it has none.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its payload; `None` for a null payload.
    pub payload: Option<Bytes>,
}

/// What a reader tells the epoch loop.
#[derive(Clone, Debug)]
pub enum SourceEvent {
    /// A split was found: at the start, and whenever the source grows. Comes before any other event of the split.
    SplitFound {
        /// The split, where its reading starts, and its topic's id.
        position: SplitPosition,
        /// The end offset as the broker gave it at that moment.
        end_offset: i64,
    },
    /// Rows.
    Batch(SplitBatch),
    /// The end offset of a split, asked from the broker just now (after reading it to its end, or on [`SourceReader::ask_ends`]).
    EndOffset {
        /// The split.
        split: SplitId,
        /// Offset after the last message now in it.
        end_offset: i64,
    },
    /// A bounded split is at its end: nothing will ever follow.
    Finished {
        /// The split.
        split: SplitId,
    },
    /// The outside is in trouble; the reader goes on trying by itself.
    Trouble(ConnectorError),
    /// The trouble is over.
    Recovered,
    /// The reader has ended and will not come back: the query must stop and say so.
    Failed(ConnectorError),
}

/// A split as the outside describes it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitInfo {
    /// The split.
    pub split: SplitId,
    /// First offset still there.
    pub first_offset: i64,
    /// Offset after the last message.
    pub end_offset: i64,
    /// The topic's id.
    pub topic_id: Option<String>,
}

/// What to read.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// Columns wanted, by name, in this order: declared ones and metadata (`_topic _partition _offset _timestamp _key _headers`).
    pub columns: Vec<String>,
    /// Where known splits go on; a split that is not here starts where the source's `startup` option says (one that appears later: at its first offset).
    pub positions: Vec<SplitPosition>,
    /// Where to stop, per split, exclusive; a split that reaches its bound is `Finished`. Empty: as long as the source goes.
    pub until: BTreeMap<SplitId, i64>,
    /// Decoded bytes that may wait in the inbox before fetching stops.
    pub inbox_bytes: usize,
    /// Rows after which a batch is handed over at the latest.
    pub batch_rows: usize,
}

/// A place that can be read from: one stream's Kafka topic, one generator.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// Declared columns followed by the metadata columns this source can give.
    fn schema(&self) -> SchemaRef;

    /// Looks at the outside once, with a bounded wait: are the splits there, and what do they hold?
    async fn probe(&self) -> Result<Vec<SplitInfo>>;

    /// The topics' ids as they are now, to notice a topic that was deleted and made anew; empty where there is no such thing.
    async fn topic_ids(&self) -> Result<BTreeMap<String, String>>;

    /// Where every split's first message at or after a time stands, in milliseconds since the epoch; its end where there is none.
    async fn positions_at(&self, time_ms: i64) -> Result<Vec<SplitPosition>>;

    /// Starts reading on threads of its own.
    fn read(&self, request: ReadRequest) -> Result<SourceReader>;

    /// Whether one reader can serve several queries: where each reads the same, whenever it began.
    fn shares(&self) -> bool {
        false
    }

    /// Decodes messages that were kept, as reading them would: a batch for each run of messages of one split, whose range reaches from the
    /// first of them to the last. Headers are not kept, so `_headers` is NULL. Nothing is asked from the outside.
    fn decode(&self, columns: &[String], messages: &[KeptMessage]) -> Result<Vec<SplitBatch>>;

    /// Tells outside lag tools how far we are (a consumer group's offsets); nothing of ours depends on it.
    async fn advertise(&self, positions: &[SplitPosition]) -> Result<()>;
}

/// Requests to a running reader.
#[derive(Debug)]
pub enum ReaderRequest {
    /// Ask the broker for the end offset of every split; answered by [`SourceEvent::EndOffset`].
    AskEnds,
    /// Somebody would read through it: do not sleep.
    Wake,
    /// End the reader.
    Stop,
}

/// The receiving end of a running reader; dropping it ends the reader, unless others read through it.
#[derive(Debug)]
pub struct SourceReader {
    /// Events in order.
    pub events: mpsc::UnboundedReceiver<SourceEvent>,
    pub(crate) budget: Arc<InboxBudget>,
    feed: Arc<outlet::Feed>,
}

impl SourceReader {
    /// Asks for fresh end offsets; a reader that has ended does not answer.
    pub fn ask_ends(&self) {
        self.feed.request(ReaderRequest::AskEnds);
    }

    /// Gives a batch's bytes back to the reader once the epoch that took it is done.
    pub fn release(&self, batch: &SplitBatch) {
        self.give_back(batch.memory_bytes());
    }

    fn give_back(&self, bytes: usize) {
        self.budget.release(bytes);
    }

    /// The query that the reader may have waited for reads through it from now on.
    fn arrived(&self) {
        self.budget.state.lock().awaited = false;
    }

    /// Whether the reader goes on for others and without this one, which was too slow.
    fn was_given_up(&self) -> bool {
        self.budget.state.lock().given_up
    }
}

impl Drop for SourceReader {
    fn drop(&mut self) {
        self.budget.close();
    }
}

impl SplitBatch {
    /// Bytes this batch holds in memory, the measure of the inbox.
    pub fn memory_bytes(&self) -> usize {
        let bad: usize = self
            .bad
            .iter()
            .map(|row| {
                row.payload.as_ref().map_or(0, Bytes::len)
                    + row.key.as_ref().map_or(0, Bytes::len)
                    + row.error.len()
            })
            .sum();
        self.rows.get_array_memory_size() + self.offsets.len() * 16 + bad
    }

    /// The part of the batch with offsets in `[from, to)`; `None` when the batch does not reach into it.
    pub fn slice(&self, from: i64, to: i64) -> Option<Self> {
        let start = self.range.start.max(from);
        let end = self.range.end.min(to);
        if start >= end {
            return None;
        }
        if start == self.range.start && end == self.range.end {
            return Some(self.clone());
        }
        let first = self.offsets.partition_point(|offset| *offset < start);
        let last = self.offsets.partition_point(|offset| *offset < end);
        Some(Self {
            split: self.split.clone(),
            range: start..end,
            rows: self.rows.slice(first, last - first),
            offsets: self.offsets.slice(first, last - first),
            timestamps_ms: self.timestamps_ms.slice(first, last - first),
            bad: self
                .bad
                .iter()
                .filter(|row| (start..end).contains(&row.offset))
                .cloned()
                .collect(),
            payload_bytes: self.payload_bytes,
            leader_epoch: self.leader_epoch,
            worked_out: None,
        })
    }
}

/// A count of bytes with a ceiling, waited on by the reader's threads (not async: they are plain threads).
#[derive(Debug)]
pub struct InboxBudget {
    limit: usize,
    state: parking_lot::Mutex<InboxState>,
    freed: parking_lot::Condvar,
}

#[derive(Debug, Default)]
struct InboxState {
    used: usize,
    closed: bool,
    given_up: bool,
    awaited: bool,
    releases: u64,
}

impl InboxBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            state: parking_lot::Mutex::default(),
            freed: parking_lot::Condvar::new(),
        })
    }

    /// Takes `bytes`, waiting at most `wait` for room; `false` when there was none (a batch larger than the limit passes when the inbox is empty).
    pub fn take(&self, bytes: usize, wait: std::time::Duration) -> bool {
        let mut state = self.state.lock();
        let deadline = std::time::Instant::now() + wait;
        while state.used > 0 && state.used + bytes > self.limit && !state.closed {
            if self.freed.wait_until(&mut state, deadline).timed_out() {
                return false;
            }
        }
        state.used += bytes;
        true
    }

    /// Whether the receiving end is gone.
    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    fn release(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.used = state.used.saturating_sub(bytes);
        state.releases += 1;
        self.freed.notify_all();
    }

    /// Whether nothing waits in the inbox and nothing taken from it is in use.
    fn is_empty(&self) -> bool {
        self.state.lock().used == 0
    }

    /// How often something was given back.
    fn releases(&self) -> u64 {
        self.state.lock().releases
    }

    /// Its query is on the way, and is waited for until it takes from here.
    fn awaited(&self) {
        self.state.lock().awaited = true;
    }

    fn is_awaited(&self) -> bool {
        let state = self.state.lock();
        state.awaited && !state.closed
    }

    fn give_up(&self) {
        self.state.lock().given_up = true;
    }

    fn close(&self) {
        self.state.lock().closed = true;
        self.freed.notify_all();
    }
}
