//! The generator's thread: makes rows no faster than asked and no further ahead than the inbox takes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    },
    time::{Duration, Instant},
};

use super::{options::Settings, rows::Filler};
use crate::{
    error::ConnectorError,
    source::{ReadRequest, ReaderRequest, SourceEvent, SplitId, SplitPosition, outlet::Outlet},
};

/// How often a paced reader looks what has come due.
const TICK: Duration = Duration::from_millis(20);

/// How often a split that is at its end says where that is.
const SAY_END: Duration = Duration::from_millis(500);

/// How long the reader waits for room before it looks at its requests.
const WAIT_FOR_ROOM: Duration = Duration::from_millis(50);

/// Row numbers stay below this, so that times and sums of them stay numbers.
const LAST_ROW: f64 = 9e15;

/// The reader's ends of its channels.
pub(super) struct Channels {
    pub(super) outlet: Outlet,
    pub(super) asked: Receiver<ReaderRequest>,
}

/// The reader.
pub(super) struct Reader {
    settings: Settings,
    filler: Filler,
    payload: Arc<Filler>,
    lanes: Vec<Lane>,
    batch_rows: i64,
    channels: Channels,
    /// The row number due when the reader started, and when that was.
    first_due: i64,
    started: Instant,
}

/// One split being read.
struct Lane {
    position: SplitPosition,
    /// Where it ends for this reader.
    end: Option<i64>,
    finished: bool,
    said_end: Option<Instant>,
}

impl Reader {
    pub(super) fn new(
        settings: Settings,
        filler: Filler,
        payload: Arc<Filler>,
        positions: Vec<SplitPosition>,
        request: &ReadRequest,
        channels: Channels,
    ) -> Self {
        let until: &BTreeMap<SplitId, i64> = &request.until;
        let lanes: Vec<Lane> = positions
            .into_iter()
            .map(|position| {
                let own = settings.end_of(position.split.partition);
                let asked = until.get(&position.split).copied();
                Lane {
                    end: own.into_iter().chain(asked).min(),
                    position,
                    finished: false,
                    said_end: None,
                }
            })
            .collect();
        // A split that is behind the others has its rows due at once, as a backlog has.
        let first_due = lanes
            .iter()
            .filter(|lane| lane.position.next_offset > 0)
            .map(|lane| {
                let last = lane.position.next_offset - 1;
                let row = settings.row_number(lane.position.split.partition, last);
                row.saturating_add(1)
            })
            .max()
            .unwrap_or(0);
        Self {
            settings,
            filler,
            payload,
            lanes,
            batch_rows: i64::try_from(request.batch_rows.max(1)).unwrap_or(i64::MAX),
            channels,
            first_due,
            started: Instant::now(),
        }
    }

    /// Reads until stopped.
    pub(super) fn run(mut self) {
        if let Err(Ended::Failed(error)) = self.read() {
            self.channels.outlet.send(&SourceEvent::Failed(error));
        }
    }

    fn read(&mut self) -> Result<(), Ended> {
        for index in 0..self.lanes.len() {
            if let Some(lane) = self.lanes.get(index) {
                let found = SourceEvent::SplitFound {
                    position: lane.position.clone(),
                    end_offset: self.end_now(lane),
                };
                self.send(found)?;
            }
        }
        loop {
            let mut more = false;
            let mut open = false;
            for index in 0..self.lanes.len() {
                self.answer()?;
                more |= self.advance(index)?;
                open |= self.lanes.get(index).is_some_and(|lane| !lane.finished);
            }
            if !open {
                // Nothing will ever follow; questions are still answered.
                self.wait(Duration::from_secs(3_600))?;
            } else if !more {
                self.wait(TICK)?;
            }
        }
    }

    /// Hands over at most one batch of a split: whether there is more to do at once.
    fn advance(&mut self, index: usize) -> Result<bool, Ended> {
        let Some(lane) = self.lanes.get(index).filter(|lane| !lane.finished) else {
            return Ok(false);
        };
        let split = lane.position.split.clone();
        let from = lane.position.next_offset;
        let there = match (self.due(&split), lane.end) {
            (Some(due), Some(end)) => due.min(end),
            (Some(due), None) => due,
            (None, end) => end.unwrap_or(i64::MAX),
        };
        let to = there.min(from.saturating_add(self.batch_rows));
        let ended = lane.end.is_some_and(|end| from >= end);
        let lane_ends = lane.end.is_some_and(|end| to >= end);
        let at_end = self.settings.rows_per_second.is_some() && from >= there;
        let say_end = at_end && lane.said_end.is_none_or(|said| said.elapsed() >= SAY_END);
        if ended {
            self.send(SourceEvent::Finished { split })?;
            if let Some(lane) = self.lanes.get_mut(index) {
                lane.finished = true;
            }
            return Ok(true);
        }
        if from >= to {
            if say_end {
                self.send(SourceEvent::EndOffset {
                    split,
                    end_offset: there.max(from),
                })?;
                if let Some(lane) = self.lanes.get_mut(index) {
                    lane.said_end = Some(Instant::now());
                }
            }
            return Ok(false);
        }
        let batch = self
            .filler
            .batch(&split, from..to, &self.payload)
            .map_err(Ended::Failed)?;
        self.channels.outlet.offer(batch);
        while !self.channels.outlet.deliver(WAIT_FOR_ROOM) {
            self.answer()?;
        }
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.position.next_offset = to;
        }
        Ok(to < there || lane_ends)
    }

    /// The offset up to which a split's rows are due; `None` without a pace.
    fn due(&self, split: &SplitId) -> Option<i64> {
        let pace = self.settings.rows_per_second?;
        let rows = self.first_due as f64 + self.started.elapsed().as_secs_f64() * pace;
        Some(
            self.settings
                .offsets_below(rows.min(LAST_ROW) as i64, split.partition),
        )
    }

    /// The end of a split as a broker would give it now.
    fn end_now(&self, lane: &Lane) -> i64 {
        let position = lane.position.next_offset;
        let own = self.settings.end_of(lane.position.split.partition);
        match (self.due(&lane.position.split), own) {
            (Some(due), Some(own)) => due.min(own).max(position),
            (Some(due), None) => due.max(position),
            (None, Some(own)) => own,
            // There is no end; as far as has been read is as good as any.
            (None, None) => position,
        }
    }

    fn answer(&mut self) -> Result<(), Ended> {
        loop {
            match self.channels.asked.try_recv() {
                Ok(request) => self.reply(&request)?,
                Err(TryRecvError::Empty) if self.channels.outlet.is_closed() => {
                    return Err(Ended::Stopped);
                }
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(Ended::Stopped),
            }
        }
    }

    fn wait(&mut self, time: Duration) -> Result<(), Ended> {
        match self.channels.asked.recv_timeout(time) {
            Ok(request) => self.reply(&request),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Ended::Stopped),
        }
    }

    fn reply(&mut self, request: &ReaderRequest) -> Result<(), Ended> {
        match request {
            ReaderRequest::Stop => Err(Ended::Stopped),
            ReaderRequest::Wake => Ok(()),
            ReaderRequest::AskEnds => {
                let ends = self.lanes.iter().map(|lane| SourceEvent::EndOffset {
                    split: lane.position.split.clone(),
                    end_offset: self.end_now(lane),
                });
                let ends: Vec<_> = ends.collect();
                ends.into_iter().try_for_each(|end| self.send(end))
            }
        }
    }

    fn send(&mut self, event: SourceEvent) -> Result<(), Ended> {
        match self.channels.outlet.send(&event) {
            true => Ok(()),
            false => Err(Ended::Stopped),
        }
    }
}

/// Why the thread ends.
enum Ended {
    /// The consumer is gone or has asked for it.
    Stopped,
    /// A row could not be made.
    Failed(ConnectorError),
}
