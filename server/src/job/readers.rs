//! The readers of a job's streams, as one: events of all of them, each split marked with its stream.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    task::Poll,
};

use sluice_connectors::source::{
    ReadRequest, SharedReader, SourceEvent, SplitBatch, SplitId, SplitPosition,
};

use super::JobParts;
use crate::{error::Result, root::storage_error};

/// Rows after which a batch is handed over at the latest.
const BATCH_ROWS: usize = 8192;

/// One reader for each stream.
#[derive(Debug)]
pub(super) struct Readers {
    lanes: Vec<Lane>,
    /// Whose turn it is: a stream that always has rows must not keep the others waiting.
    turn: usize,
}

#[derive(Debug)]
struct Lane {
    /// Its stream's.
    number: usize,
    reader: SharedReader,
    /// Splits that may still bring something; none before the first was found.
    open: Option<BTreeSet<SplitId>>,
    ended: bool,
}

impl Readers {
    /// Starts to read every stream from these positions on.
    pub(super) fn start(parts: &JobParts, positions: &[SplitPosition]) -> Result<Self> {
        Self::start_until(parts, positions, &BTreeMap::new())
    }

    /// As [`Readers::start`]; with `until`, those splits alone and no further than there.
    pub(super) fn start_until(
        parts: &JobParts,
        positions: &[SplitPosition],
        until: &BTreeMap<SplitId, i64>,
    ) -> Result<Self> {
        let bounded = !until.is_empty();
        let mut lanes = Vec::with_capacity(parts.streams.len());
        for (number, (stream, read)) in parts.streams.iter().zip(&parts.plan.streams).enumerate() {
            let until: BTreeMap<SplitId, i64> = until
                .iter()
                .filter(|(split, _)| usize::from(split.stream) == number)
                .map(|(split, end)| {
                    let mut split = split.clone();
                    split.stream = 0;
                    (split, *end)
                })
                .collect();
            if bounded && until.is_empty() {
                continue;
            }
            let of_stream = positions
                .iter()
                .filter(|position| usize::from(position.split.stream) == number);
            let positions = of_stream.map(|position| {
                let mut position = position.clone();
                position.split.stream = 0;
                position
            });
            let request = ReadRequest {
                columns: read.columns.clone(),
                positions: positions.collect(),
                until,
                inbox_bytes: parts.options.inbox_bytes / parts.streams.len().max(1),
                batch_rows: BATCH_ROWS,
            };
            lanes.push(Lane {
                number,
                reader: stream.readers.read(request).map_err(storage_error)?,
                open: None,
                ended: false,
            });
        }
        Ok(Self { lanes, turn: 0 })
    }

    /// The next event; `None` when a reader ended without having come to the end of its splits.
    pub(super) async fn next(&mut self) -> Option<SourceEvent> {
        poll_fn(|context| {
            let count = self.lanes.len();
            for step in 0..count {
                let number = (self.turn + step) % count;
                let Some(lane) = self.lanes.get_mut(number).filter(|lane| !lane.ended) else {
                    continue;
                };
                match lane.reader.poll_next(context) {
                    Poll::Pending => {}
                    Poll::Ready(Some(event)) => {
                        self.turn = number + 1;
                        return Poll::Ready(Some(lane.mark(event)));
                    }
                    Poll::Ready(None) => match lane.open.as_ref().is_some_and(BTreeSet::is_empty) {
                        true => lane.ended = true,
                        false => return Poll::Ready(None),
                    },
                }
            }
            Poll::Pending
        })
        .await
    }

    /// An event that is there already.
    pub(super) fn try_next(&mut self) -> Option<SourceEvent> {
        let count = self.lanes.len();
        for step in 0..count {
            let number = (self.turn + step) % count;
            let lane = self.lanes.get_mut(number)?;
            if let Some(event) = lane.reader.try_next() {
                self.turn = number + 1;
                return Some(lane.mark(event));
            }
        }
        None
    }

    /// Whether no event is waiting.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.reader.is_empty())
    }

    /// Asks for fresh end offsets.
    pub(super) fn ask_ends(&self) {
        for lane in &self.lanes {
            lane.reader.ask_ends();
        }
    }

    /// Gives a batch's bytes back to its reader.
    pub(super) fn release(&self, batch: &SplitBatch) {
        let number = usize::from(batch.split.stream);
        if let Some(lane) = self.lanes.iter().find(|lane| lane.number == number) {
            lane.reader.release(batch);
        }
    }
}

impl Lane {
    /// Marks an event with the number of its stream.
    fn mark(&mut self, mut event: SourceEvent) -> SourceEvent {
        let stream = u16::try_from(self.number).unwrap_or(u16::MAX);
        match &mut event {
            SourceEvent::SplitFound { position, .. } => {
                position.split.stream = stream;
                let open = self.open.get_or_insert_default();
                open.insert(position.split.clone());
            }
            SourceEvent::Batch(batch) => batch.split.stream = stream,
            SourceEvent::EndOffset { split, .. } => split.stream = stream,
            SourceEvent::Finished { split } => {
                split.stream = stream;
                self.open.get_or_insert_default().remove(split);
            }
            SourceEvent::Trouble(_) | SourceEvent::Recovered | SourceEvent::Failed(_) => {}
        }
        event
    }
}
