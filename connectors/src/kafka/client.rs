//! Questions to the broker, each with a bounded wait, and what the client reports by itself.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::{
    failure,
    native::{ClientEvent, Handle, NativeError, Start},
    options::KafkaOptions,
    startup::Startup,
};
use crate::{
    error::Result,
    source::{SplitId, SplitInfo, SplitPosition},
};

/// How long one question waits before what the client has reported meanwhile is looked at.
const SLICE: Duration = Duration::from_millis(500);

/// A client with the questions asked through it.
#[derive(Debug)]
pub(super) struct Control {
    handle: Arc<Handle>,
    options: Arc<KafkaOptions>,
    reports: Arc<Reports>,
    /// Held while a commit is under way: commits are never queued up behind a slow one.
    committing: Mutex<()>,
}

/// A topic's partitions, and where they are led from.
#[derive(Clone, Debug, Default)]
pub(super) struct Topology {
    /// By partition, the broker; -1 while there is none.
    leaders: BTreeMap<i32, i32>,
    brokers: BTreeMap<i32, (String, u16)>,
}

impl Topology {
    /// The partitions, in order.
    pub(super) fn partitions(&self) -> impl Iterator<Item = i32> {
        self.leaders.keys().copied()
    }

    /// The broker that leads a partition, if there is one and it can be reached somewhere.
    pub(super) fn leader(&self, partition: i32) -> Option<i32> {
        let leader = self.leaders.get(&partition).copied();
        leader.filter(|leader| self.brokers.contains_key(leader))
    }

    /// Host and port of a broker.
    pub(super) fn address(&self, broker: i32) -> Option<(String, u16)> {
        self.brokers.get(&broker).cloned()
    }
}

/// What a client reported by itself: read by whoever asks, kept for the reader to act on.
#[derive(Debug, Default)]
pub(super) struct Reports {
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    /// Why the last connection failed.
    reason: Option<String>,
    /// All brokers are down, and the client has not said why yet: it tells the one before the other in no fixed order.
    unexplained: bool,
    refusal: Option<String>,
    pending: VecDeque<Report>,
}

/// Reports kept for a reader that is busy; more of them say nothing new.
const PENDING_MAX: usize = 16;

/// Something the client reported that a reader acts on.
#[derive(Debug)]
pub(super) enum Report {
    /// No broker can be reached.
    AllDown(String),
    /// Credentials were refused.
    Refused(String),
    /// The client is unusable from now on.
    Fatal(String),
}

impl Reports {
    /// Reads what the client has reported and logs it.
    pub(super) fn absorb(&self, handle: &Handle, options: &KafkaOptions) {
        while let Some(event) = handle.poll_event() {
            match event {
                ClientEvent::Log { level, text } => {
                    let text = options.redact(&text);
                    // What matters comes as an error as well, so nothing of this is more than information.
                    if level <= 4 {
                        tracing::info!(topic = %options.topic, "librdkafka: {text}");
                    } else {
                        tracing::debug!(topic = %options.topic, "librdkafka: {text}");
                    }
                }
                ClientEvent::Error { error, fatal } => {
                    let reason = options.redact(failure::plain_reason(&error.reason));
                    tracing::debug!(topic = %options.topic, code = ?error.code, "librdkafka: {reason}");
                    self.heard.lock().add(error.code, fatal, reason);
                }
            }
        }
    }

    /// The next report to act on.
    pub(super) fn next(&self) -> Option<Report> {
        self.heard.lock().pending.pop_front()
    }

    /// The broker has answered: what failed before is over.
    pub(super) fn answered(&self) {
        let mut heard = self.heard.lock();
        heard.reason = None;
        heard.unexplained = false;
    }

    fn refusal(&self) -> Option<String> {
        self.heard.lock().refusal.clone()
    }

    fn reason(&self) -> Option<String> {
        self.heard.lock().reason.clone()
    }
}

impl Heard {
    fn add(&mut self, code: Code, fatal: bool, reason: String) {
        let report = if fatal || code == Code::Fatal {
            Report::Fatal(reason)
        } else if failure::is_refusal(code) {
            self.refusal = Some(reason.clone());
            Report::Refused(reason)
        } else if code == Code::AllBrokersDown {
            match &self.reason {
                Some(reason) => Report::AllDown(reason.clone()),
                None => {
                    self.unexplained = true;
                    return;
                }
            }
        } else {
            self.reason = Some(reason.clone());
            if !std::mem::take(&mut self.unexplained) {
                return;
            }
            Report::AllDown(reason)
        };
        if self.pending.len() < PENDING_MAX {
            self.pending.push_back(report);
        }
    }
}

impl Control {
    /// A client of its own for questions.
    pub(super) fn connect(options: &Arc<KafkaOptions>) -> Result<Self> {
        let handle =
            Handle::new(&options.config()).map_err(|error| options.config_error(&error))?;
        Ok(Self::over(Arc::new(handle), Arc::clone(options)))
    }

    /// Questions through a client that may be reading as well.
    pub(super) fn over(handle: Arc<Handle>, options: Arc<KafkaOptions>) -> Self {
        Self {
            handle,
            options,
            reports: Arc::default(),
            committing: Mutex::default(),
        }
    }

    pub(super) fn options(&self) -> &KafkaOptions {
        &self.options
    }

    pub(super) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// What the client reported by itself.
    pub(super) fn reports(&self) -> &Reports {
        &self.reports
    }

    /// The topic's splits with their first and end offsets.
    pub(super) fn probe(&self) -> Result<Vec<SplitInfo>> {
        let deadline = Instant::now() + self.options.connect_timeout;
        let partitions = self.patiently(deadline, "listing partitions", |wait| {
            self.list_partitions(wait)
        })?;
        let topic_id = self.patiently(deadline, "asking for the topic's id", |wait| {
            self.handle.topic_id(&self.options.topic, wait)
        })?;
        partitions
            .partitions()
            .map(|partition| {
                let (first_offset, end_offset) =
                    self.patiently(deadline, "asking for offsets", |wait| {
                        self.ask_offsets(partition, wait)
                    })?;
                Ok(SplitInfo {
                    split: self.split(partition),
                    first_offset,
                    end_offset,
                    topic_id: topic_id.clone(),
                })
            })
            .collect()
    }

    /// The partitions of the topic, and who leads them.
    pub(super) fn topology(&self) -> Result<Topology> {
        self.once("listing partitions", |wait| self.list_partitions(wait))
    }

    /// First and end offset of a partition; the end is that of committed messages.
    pub(super) fn offsets(&self, partition: i32) -> Result<(i64, i64)> {
        self.once("asking for offsets", |wait| {
            self.ask_offsets(partition, wait)
        })
    }

    /// The topic's id now; `None` from a broker that has no ids.
    pub(super) fn topic_id(&self) -> Result<Option<String>> {
        self.once("asking for the topic's id", |wait| {
            self.handle.topic_id(&self.options.topic, wait)
        })
    }

    /// Where reading begins in partitions that have no position, each with its first and end offset.
    pub(super) fn starts(&self, partitions: &[(i32, i64, i64)]) -> Result<Vec<i64>> {
        self.starts_by(&self.options.startup, partitions)
    }

    fn starts_by(&self, startup: &Startup, partitions: &[(i32, i64, i64)]) -> Result<Vec<i64>> {
        match startup {
            Startup::Earliest => Ok(partitions.iter().map(|(_, first, _)| *first).collect()),
            Startup::Latest => Ok(partitions.iter().map(|(_, _, end)| *end).collect()),
            Startup::Offsets(offsets) => Ok(partitions
                .iter()
                .map(|(partition, first, _)| offsets.get(partition).copied().unwrap_or(*first))
                .collect()),
            Startup::Timestamp(time_ms) => {
                let numbers: Vec<i32> = partitions.iter().map(|(number, ..)| *number).collect();
                let found = self.once("looking offsets up by time", |wait| {
                    self.handle
                        .offsets_for_time(&self.options.topic, &numbers, *time_ms, wait)
                })?;
                Ok(partitions
                    .iter()
                    .map(|(partition, _, end)| {
                        let offset = found.iter().find(|(number, _)| number == partition);
                        offset.and_then(|(_, offset)| *offset).unwrap_or(*end)
                    })
                    .collect())
            }
        }
    }

    /// Where the first message at or after a time stands in every partition.
    pub(super) fn positions_at(&self, time_ms: i64) -> Result<Vec<SplitPosition>> {
        let splits = self.probe()?;
        let bounds: Vec<(i32, i64, i64)> = splits
            .iter()
            .map(|info| (info.split.partition, info.first_offset, info.end_offset))
            .collect();
        let offsets = self.starts_by(&Startup::Timestamp(time_ms), &bounds)?;
        let positions = splits.into_iter().zip(offsets);
        Ok(positions
            .map(|(info, next_offset)| SplitPosition {
                split: info.split,
                next_offset,
                topic_id: info.topic_id,
                leader_epoch: None,
            })
            .collect())
    }

    /// Tells the consumer group how far we are.
    pub(super) fn commit(&self, offsets: &[(SplitId, i64)]) -> Result<()> {
        let Some(_alone) = self.committing.try_lock() else {
            return Ok(());
        };
        let starts: Vec<Start> = offsets
            .iter()
            .filter(|(split, _)| split.topic == self.options.topic)
            .map(|(split, offset)| Start {
                partition: split.partition,
                offset: *offset,
                leader_epoch: None,
            })
            .collect();
        if starts.is_empty() {
            return Ok(());
        }
        self.handle
            .commit(&self.options.topic, &starts)
            .map_err(|error| self.failed("committing to the consumer group", &error))
    }

    pub(super) fn split(&self, partition: i32) -> SplitId {
        SplitId {
            stream: 0,
            topic: self.options.topic.clone(),
            partition,
        }
    }

    /// Asks again and again until the deadline, unless the answer cannot change.
    fn patiently<T>(
        &self,
        deadline: Instant,
        what: &str,
        question: impl Fn(Duration) -> Result<T, NativeError>,
    ) -> Result<T> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match question(left.clamp(Duration::from_millis(100), SLICE)) {
                Ok(answer) => {
                    self.reports.answered();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            self.reports.absorb(&self.handle, &self.options);
            let final_answer = failure::is_refusal(error.code) || failure::is_missing(error.code);
            if final_answer || self.reports.refusal().is_some() || left.is_zero() {
                return Err(self.failed(what, &error));
            }
            if error.code != Code::OperationTimedOut {
                // An error at once would otherwise be asked for in a busy loop.
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    fn once<T>(
        &self,
        what: &str,
        question: impl Fn(Duration) -> Result<T, NativeError>,
    ) -> Result<T> {
        let answer = question(self.options.connect_timeout);
        if answer.is_ok() {
            self.reports.answered();
        }
        answer.map_err(|error| self.failed(what, &error))
    }

    fn failed(&self, what: &str, error: &NativeError) -> crate::error::ConnectorError {
        self.reports.absorb(&self.handle, &self.options);
        if let Some(refusal) = self.reports.refusal() {
            return failure::denied(&self.options, &refusal);
        }
        let reason = self.reports.reason();
        failure::call_failed(&self.options, what, error, reason.as_deref())
    }

    fn list_partitions(&self, wait: Duration) -> Result<Topology, NativeError> {
        let topic = &self.options.topic;
        let metadata = self
            .handle
            .client()
            .fetch_metadata(Some(topic), wait)
            .map_err(|error| failure::native(&error))?;
        let missing = NativeError::of(Code::UnknownTopicOrPartition);
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Err(missing);
        };
        if let Some(error) = found.error() {
            return Err(NativeError::of(error.into()));
        }
        if found.partitions().is_empty() {
            return Err(missing);
        }
        Ok(Topology {
            leaders: found
                .partitions()
                .iter()
                .map(|part| (part.id(), part.leader()))
                .collect(),
            brokers: metadata
                .brokers()
                .iter()
                .filter_map(|broker| {
                    let port = u16::try_from(broker.port()).ok()?;
                    Some((broker.id(), (broker.host().to_owned(), port)))
                })
                .collect(),
        })
    }

    fn ask_offsets(&self, partition: i32, wait: Duration) -> Result<(i64, i64), NativeError> {
        self.handle
            .client()
            .fetch_watermarks(&self.options.topic, partition, wait)
            .map_err(|error| failure::native(&error))
    }
}
