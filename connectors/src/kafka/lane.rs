//! One partition being read: from messages to batches without gap or overlap.

use std::{sync::Arc, time::Instant};

use arrow::datatypes::SchemaRef;
use bytes::Bytes;

use super::{
    columns::{MetadataBuilder, Projection},
    options::{Format, KafkaOptions},
};
use crate::{
    error::Result,
    format::{RowDecoder, json::JsonDecoder, raw::RawDecoder},
    source::{BadRow, KeptMessage, SplitBatch, SplitId, SplitPosition},
};

/// A message, in whoever's memory.
pub(super) trait Message {
    fn offset(&self) -> i64;

    /// Milliseconds since the epoch, -1 if the message has no timestamp.
    fn timestamp_ms(&self) -> i64;

    fn key(&self) -> Option<&[u8]>;

    fn payload(&self) -> Option<&[u8]>;

    /// Calls `each` with every header.
    fn headers(&self, each: impl FnMut(&[u8], Option<&[u8]>));
}

impl Message for KeptMessage {
    fn offset(&self) -> i64 {
        self.offset
    }

    fn timestamp_ms(&self) -> i64 {
        self.timestamp_ms
    }

    fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn payload(&self) -> Option<&[u8]> {
        self.payload.as_deref()
    }

    /// None were kept.
    fn headers(&self, _: impl FnMut(&[u8], Option<&[u8]>)) {}
}

/// Decodes kept messages of one split, in the order of their offsets.
pub(super) fn decode(
    options: &KafkaOptions,
    declared: &SchemaRef,
    projection: &Arc<Projection>,
    messages: &[KeptMessage],
) -> Result<Option<SplitBatch>> {
    let Some(first) = messages.first() else {
        return Ok(None);
    };
    let position = SplitPosition {
        split: first.split.clone(),
        next_offset: first.offset,
        topic_id: None,
        leader_epoch: None,
    };
    let mut lane = Lane::new(options, declared, projection, &position, None)?;
    let all = BatchLimit::new(usize::MAX, usize::MAX);
    for message in messages {
        lane.push(message, all);
    }
    lane.flush()
}

fn decoder(
    options: &KafkaOptions,
    declared: &SchemaRef,
    projection: &Projection,
) -> Result<Box<dyn RowDecoder>> {
    let wanted = &projection.declared;
    Ok(match options.format {
        Format::Json => Box::new(JsonDecoder::projected(declared, wanted, &options.json)?),
        Format::Raw => Box::new(RawDecoder::new(declared, wanted)?),
    })
}

/// When a batch is large enough to be handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchLimit {
    rows: usize,
    payload_bytes: u64,
}

impl BatchLimit {
    /// So many rows, or a quarter of the inbox, or 4 MiB of payload, whatever comes first.
    pub(super) fn new(rows: usize, inbox_bytes: usize) -> Self {
        Self {
            rows: rows.max(1),
            payload_bytes: (inbox_bytes as u64 / 4).clamp(64 << 10, 4 << 20),
        }
    }
}

/// The state of one partition.
#[derive(Debug)]
pub(super) struct Lane {
    split: SplitId,
    projection: Arc<Projection>,
    decoder: Box<dyn RowDecoder>,
    metadata: MetadataBuilder,
    /// What the batch under construction covers.
    start: i64,
    position: i64,
    offsets: Vec<i64>,
    timestamps_ms: Vec<i64>,
    bad: Vec<BadRow>,
    payload_bytes: u64,
    leader_epoch: Option<i32>,
    /// When the batch under construction got its first message.
    pub(super) since: Option<Instant>,
    until: Option<i64>,
    finished: bool,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It is in the batch under construction.
    Added,
    /// It is in the batch, and the batch is large enough to be handed over.
    Full,
    /// It is not wanted: before the position, or after the bound.
    Ignored,
}

impl Lane {
    /// A partition that goes on at `position`, up to `until` if there is a bound.
    pub(super) fn new(
        options: &KafkaOptions,
        declared: &SchemaRef,
        projection: &Arc<Projection>,
        position: &SplitPosition,
        until: Option<i64>,
    ) -> Result<Self> {
        Ok(Self {
            split: position.split.clone(),
            metadata: MetadataBuilder::new(projection),
            projection: Arc::clone(projection),
            decoder: decoder(options, declared, projection)?,
            start: position.next_offset,
            position: position.next_offset,
            offsets: Vec::new(),
            timestamps_ms: Vec::new(),
            bad: Vec::new(),
            payload_bytes: 0,
            leader_epoch: position.leader_epoch,
            since: None,
            until,
            finished: false,
        })
    }

    /// Goes on with other columns; what was read has been flushed.
    pub(super) fn project(
        &mut self,
        options: &KafkaOptions,
        declared: &SchemaRef,
        projection: &Arc<Projection>,
    ) -> Result<()> {
        self.decoder = decoder(options, declared, projection)?;
        self.metadata = MetadataBuilder::new(projection);
        self.projection = Arc::clone(projection);
        Ok(())
    }

    pub(super) fn split(&self) -> &SplitId {
        &self.split
    }

    /// Where the next batch begins.
    pub(super) fn head(&self, topic_id: Option<&String>) -> SplitPosition {
        SplitPosition {
            split: self.split.clone(),
            next_offset: self.start,
            topic_id: topic_id.cloned(),
            leader_epoch: self.leader_epoch,
        }
    }

    /// The offset that is read next.
    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// Whether the bound is reached and has not been told yet.
    pub(super) fn just_finished(&mut self) -> bool {
        let reached = self.until.is_some_and(|until| self.position >= until);
        reached && !std::mem::replace(&mut self.finished, true)
    }

    /// Decodes a message in place.
    pub(super) fn push(&mut self, message: &impl Message, limit: BatchLimit) -> Pushed {
        let offset = message.offset();
        if offset < self.position || self.finished {
            return Pushed::Ignored;
        }
        if self.until.is_some_and(|until| offset >= until) {
            self.advance(offset);
            return Pushed::Ignored;
        }
        if self.since.is_none() {
            self.since = Some(Instant::now());
        }
        let (key, payload) = (message.key(), message.payload());
        let timestamp_ms = message.timestamp_ms();
        match self.decoder.push(key, payload) {
            Ok(()) => {
                self.offsets.push(offset);
                self.timestamps_ms.push(timestamp_ms);
                self.metadata.push(message);
            }
            Err(error) => self.bad.push(BadRow {
                offset,
                timestamp_ms,
                key: key.map(Bytes::copy_from_slice),
                payload: payload.map(Bytes::copy_from_slice),
                error,
            }),
        }
        self.payload_bytes += payload.map_or(0, <[u8]>::len) as u64;
        self.position = offset + 1;
        let rows = self.offsets.len() + self.bad.len();
        if rows >= limit.rows || self.payload_bytes >= limit.payload_bytes {
            return Pushed::Full;
        }
        Pushed::Added
    }

    /// Whether anything up to an offset is still to be read.
    pub(super) fn wants(&self, last_offset: i64) -> bool {
        last_offset >= self.position && !self.finished
    }

    /// Notes the leader's epoch of the newest message: once per run of messages, not for each.
    pub(super) fn note_epoch(&mut self, epoch: Option<i32>) {
        self.leader_epoch = epoch.or(self.leader_epoch);
    }

    /// Moves on to an offset over markers, aborted messages and compacted ones; never beyond the bound.
    pub(super) fn advance(&mut self, offset: i64) {
        let offset = self.until.map_or(offset, |until| offset.min(until));
        if offset > self.position {
            self.position = offset;
        }
    }

    /// The batch under construction; `None` when nothing was read since the last one.
    pub(super) fn flush(&mut self) -> Result<Option<SplitBatch>> {
        self.since = None;
        if self.position == self.start {
            return Ok(None);
        }
        let decoded = self.decoder.finish()?;
        let offsets = std::mem::take(&mut self.offsets);
        let timestamps_ms = std::mem::take(&mut self.timestamps_ms);
        let rows = self.metadata.assemble(
            &self.projection,
            &decoded,
            &self.split.topic,
            self.split.partition,
            &offsets,
            &timestamps_ms,
        )?;
        let start = std::mem::replace(&mut self.start, self.position);
        Ok(Some(SplitBatch {
            split: self.split.clone(),
            range: start..self.position,
            rows,
            offsets: offsets.into(),
            timestamps_ms: timestamps_ms.into(),
            bad: std::mem::take(&mut self.bad),
            payload_bytes: std::mem::take(&mut self.payload_bytes),
            leader_epoch: self.leader_epoch,
            worked_out: None,
        }))
    }
}
