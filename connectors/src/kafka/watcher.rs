//! The thread that asks the broker, so that the reader never waits: partitions as they appear, ends when asked for, the topic's id.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use super::{client::Control, failure, intake::IntakeControl};
use crate::{
    error::{ConnectorError, Result},
    source::{ReaderRequest, SplitId, SplitPosition},
};

/// Longest wait between two tries while the broker does not answer.
const RETRY_MAX: Duration = Duration::from_secs(2);
/// How long a topic must be missing before it counts as deleted: a broker that has just started may not know it yet, and a topic that is
/// being made anew is told as that.
const MISSING_FOR: Duration = Duration::from_secs(10);

/// What the watcher tells the reader.
#[derive(Debug)]
pub(super) enum Notice {
    /// Partitions to begin with, each with its end offset.
    Found(Vec<(SplitPosition, i64)>),
    /// End offsets that were asked for.
    Ends(Vec<(i32, i64)>),
    /// The broker answers.
    Answers,
    /// The broker does not answer.
    Trouble(ConnectorError),
    /// Reading must end.
    Failed(ConnectorError),
}

/// Everything the watcher knows.
pub(super) struct Watcher {
    pub(super) control: Arc<Control>,
    pub(super) intake: IntakeControl,
    pub(super) notices: Sender<Notice>,
    pub(super) asked: Receiver<ReaderRequest>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) positions: Vec<SplitPosition>,
    pub(super) until: BTreeMap<SplitId, i64>,
    pub(super) known: BTreeSet<i32>,
    pub(super) topic_id: Option<String>,
    /// Since when the topic has been missing.
    pub(super) missing: Option<Instant>,
}

impl Watcher {
    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        let mut retry = Duration::from_millis(100);
        let mut next_look = Instant::now();
        while !self.stopped() {
            if Instant::now() >= next_look {
                let wait = match self.look() {
                    Ok(()) => {
                        retry = Duration::from_millis(100);
                        self.tell(Notice::Answers);
                        self.control.options().metadata_refresh
                    }
                    Err(error) if error.is_transient() => {
                        self.tell(Notice::Trouble(error));
                        retry = (retry * 2).min(RETRY_MAX);
                        retry
                    }
                    Err(error) => {
                        self.tell(Notice::Failed(error));
                        return;
                    }
                };
                next_look = Instant::now() + wait;
            }
            let wait = next_look.saturating_duration_since(Instant::now());
            match self.asked.recv_timeout(wait) {
                Ok(ReaderRequest::AskEnds) => self.ask_ends(),
                Ok(ReaderRequest::Wake) => self.intake.wake(),
                Ok(ReaderRequest::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.stop.store(true, Ordering::Release);
                    self.intake.wake();
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn tell(&self, notice: Notice) {
        // The reader being gone is seen at the stop flag.
        let _ = self.notices.send(notice);
        self.intake.wake();
    }

    /// Looks at the topic, with patience for one that is missing: between two questions of one look it can be deleted, too.
    fn look(&mut self) -> Result<()> {
        match self.look_once() {
            Err(ConnectorError::NotFound { message, hint }) if self.known_before() => {
                let since = *self.missing.get_or_insert_with(Instant::now);
                if since.elapsed() < MISSING_FOR {
                    return Err(ConnectorError::Unreachable { message, hint });
                }
                Err(ConnectorError::NotFound { message, hint })
            }
            other => {
                if other.is_ok() {
                    self.missing = None;
                }
                other
            }
        }
    }

    /// Is it still the same topic, and has it grown?
    fn look_once(&mut self) -> Result<()> {
        let topology = self.control.topology()?;
        self.check_topic_id()?;
        let new: Vec<i32> = topology
            .partitions()
            .filter(|partition| !self.known.contains(partition) && self.wanted(*partition))
            .collect();
        self.intake.route(topology, self.topic_id.as_deref())?;
        if !new.is_empty() {
            let found = self.begin(&new)?;
            self.known.extend(new);
            self.tell(Notice::Found(found));
        }
        Ok(())
    }

    fn known_before(&self) -> bool {
        !self.known.is_empty() || !self.positions.is_empty()
    }

    /// In a bounded read only splits with a bound are read.
    fn wanted(&self, partition: i32) -> bool {
        self.until.is_empty() || self.until.contains_key(&self.control.split(partition))
    }

    fn check_topic_id(&mut self) -> Result<()> {
        let Some(now) = self.control.topic_id()? else {
            return Ok(());
        };
        let recorded = self
            .positions
            .iter()
            .filter_map(|position| position.topic_id.as_ref());
        if let Some(was) = recorded.chain(&self.topic_id).find(|was| **was != now) {
            return Err(failure::topic_replaced(self.control.options(), was, &now));
        }
        self.topic_id = Some(now);
        Ok(())
    }

    /// Where reading of new partitions begins, with their end offsets.
    fn begin(&self, partitions: &[i32]) -> Result<Vec<(SplitPosition, i64)>> {
        let first_look = self.known.is_empty();
        let mut bounds = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let (first, end) = self.control.offsets(*partition)?;
            bounds.push((*partition, first, end));
        }
        // A partition that appears later is read whole: nothing in it was there before.
        let starts = if first_look && self.positions.is_empty() {
            self.control.starts(&bounds)?
        } else {
            bounds.iter().map(|(_, first, _)| *first).collect()
        };
        bounds
            .into_iter()
            .zip(starts)
            .map(|((partition, first, end), start)| {
                let split = self.control.split(partition);
                let recorded = self.positions.iter().find(|known| known.split == split);
                let position = SplitPosition {
                    next_offset: recorded.map_or(start, |known| known.next_offset),
                    topic_id: self.topic_id.clone(),
                    leader_epoch: recorded.and_then(|known| known.leader_epoch),
                    split,
                };
                if position.next_offset < first {
                    return Err(failure::offset_lost(
                        self.control.options(),
                        partition,
                        position.next_offset,
                        Some((first, end)),
                        "",
                    ));
                }
                Ok((position, end))
            })
            .collect()
    }

    fn ask_ends(&self) {
        let mut ends = Vec::with_capacity(self.known.len());
        for partition in &self.known {
            match self.control.offsets(*partition) {
                Ok((_, end)) => ends.push((*partition, end)),
                Err(error) => return self.tell(Notice::Trouble(error)),
            }
        }
        self.tell(Notice::Ends(ends));
    }
}
