//! The thread that reads: messages from librdkafka's queue, decoded in place, handed over as batches.
//!
//! Pressure: when the inbox has no room the reader simply does not take messages. librdkafka's own queue fills up, stops fetching, and
//! nothing is paused, sought or thrown away.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
    time::Duration,
};

use arrow::datatypes::SchemaRef;
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::mpsc;

use super::{
    client::{Control, Report},
    columns::Projection,
    failure,
    lane::{BatchLimit, Lane, Taken},
    native::{Handle, NativeError, Start},
    options::KafkaOptions,
    queue::{MessageQueue, MessageRef},
    watcher::{Notice, Watcher},
};
use crate::{
    error::{ConnectorError, Result},
    source::{InboxBudget, ReadRequest, ReaderRequest, SourceEvent, SplitBatch, SplitPosition},
};

/// Messages taken from the queue at once.
const TAKE: usize = 1024;
/// How long an idle reader sleeps in librdkafka; a message or the watcher wakes it at once.
const IDLE_WAIT: Duration = Duration::from_millis(250);
/// How long a batch may grow while messages keep coming.
const LINGER: Duration = Duration::from_millis(10);

/// Everything a reader is made of.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) options: Arc<KafkaOptions>,
    pub(super) declared: SchemaRef,
    pub(super) columns: Projection,
    pub(super) request: ReadRequest,
    pub(super) events: mpsc::Sender<SourceEvent>,
    pub(super) asked: Receiver<ReaderRequest>,
    pub(super) budget: Arc<InboxBudget>,
}

/// Starts the reader and its watcher.
pub(super) fn spawn(job: Job) -> Result<()> {
    let handle =
        Handle::new(&job.options.config()).map_err(|error| job.options.config_error(&error))?;
    let handle = Arc::new(handle);
    let Some(queue) = MessageQueue::new(&handle) else {
        return Err(no_thread("the client has no message queue"));
    };
    let queue = Arc::new(queue);
    let stop = Arc::new(AtomicBool::new(false));
    let (notices, heard) = std::sync::mpsc::channel();
    let control = Arc::new(Control::over(handle, Arc::clone(&job.options)));
    let watcher = Watcher {
        control: Arc::clone(&control),
        queue: Arc::clone(&queue),
        notices,
        asked: job.asked,
        stop: Arc::clone(&stop),
        positions: job.request.positions,
        until: job.request.until.clone(),
        known: BTreeSet::new(),
        topic_id: None,
        missing: None,
    };
    let reader = Reader {
        control,
        options: Arc::clone(&job.options),
        declared: job.declared,
        projection: Arc::new(job.columns),
        limit: BatchLimit::new(job.request.batch_rows, job.request.inbox_bytes),
        until: job.request.until,
        queue,
        events: job.events,
        budget: job.budget,
        heard,
        stop: Arc::clone(&stop),
        topic_id: None,
        lanes: Vec::new(),
        open: 0,
        in_trouble: false,
    };
    let name = |part: &str| format!("kafka {part} {}", job.options.topic);
    std::thread::Builder::new()
        .name(name("watch"))
        .spawn(move || watcher.run())
        .map_err(|error| no_thread(&error.to_string()))?;
    let spawned = std::thread::Builder::new()
        .name(name("read"))
        .spawn(move || reader.run());
    if let Err(error) = spawned {
        stop.store(true, Ordering::Release);
        return Err(no_thread(&error.to_string()));
    }
    Ok(())
}

fn no_thread(reason: &str) -> ConnectorError {
    ConnectorError::Unreachable {
        message: format!("a Kafka reader could not be started: {reason}"),
        hint: None,
    }
}

/// Why the reader ends.
enum End {
    /// Nobody listens any more, or everything asked for has been read.
    Quiet,
    /// Something that the query must hear.
    Failed(ConnectorError),
}

impl From<ConnectorError> for End {
    fn from(error: ConnectorError) -> Self {
        Self::Failed(error)
    }
}

struct Reader {
    control: Arc<Control>,
    options: Arc<KafkaOptions>,
    declared: SchemaRef,
    projection: Arc<Projection>,
    limit: BatchLimit,
    until: std::collections::BTreeMap<crate::source::SplitId, i64>,
    queue: Arc<MessageQueue>,
    events: mpsc::Sender<SourceEvent>,
    budget: Arc<InboxBudget>,
    heard: Receiver<Notice>,
    stop: Arc<AtomicBool>,
    topic_id: Option<String>,
    /// By partition number.
    lanes: Vec<Option<Lane>>,
    /// Bounded splits that have not reached their bound.
    open: usize,
    in_trouble: bool,
}

impl Reader {
    fn run(mut self) {
        let end = loop {
            if let Err(end) = self.turn() {
                break end;
            }
        };
        self.stop.store(true, Ordering::Release);
        if let End::Failed(error) = end {
            // Rows read before the failure are good; the query stops after them.
            for lane in self.lanes.iter_mut().flatten() {
                if let Ok(Some(batch)) = lane.flush() {
                    // Best effort: the failure is told below in any case.
                    self.budget.take(batch.memory_bytes(), Duration::ZERO);
                    let _ = self.events.blocking_send(SourceEvent::Batch(batch));
                }
            }
            let _ = self.events.blocking_send(SourceEvent::Failed(error));
        }
    }

    fn turn(&mut self) -> Result<(), End> {
        if self.stop.load(Ordering::Acquire) || self.events.is_closed() {
            return Err(End::Quiet);
        }
        self.serve()?;
        let waiting = self.lanes.iter().flatten().any(|lane| lane.since.is_some());
        let queue = Arc::clone(&self.queue);
        let messages = queue.take(TAKE, if waiting { Duration::ZERO } else { IDLE_WAIT });
        let mut last: Option<MessageRef<'_>> = None;
        for message in messages.iter() {
            if let Some(error) = message.error() {
                self.partition_says(&message, &error)?;
                continue;
            }
            if let Some(before) = &last
                && before.partition() != message.partition()
            {
                self.note_epoch(before);
            }
            self.take(&message)?;
            last = Some(message);
        }
        if let Some(last) = &last {
            self.note_epoch(last);
            self.recovered()?;
        }
        // An empty queue means that the broker has no more just now: whoever waits for rows should have them.
        let drained = messages.len() < TAKE;
        drop(messages);
        self.hand_over(drained)
    }

    fn lane(&mut self, partition: i32) -> Option<&mut Lane> {
        let index = usize::try_from(partition).ok()?;
        self.lanes.get_mut(index)?.as_mut()
    }

    fn note_epoch(&mut self, message: &MessageRef<'_>) {
        if let Some(lane) = self.lane(message.partition()) {
            lane.note_epoch(message);
        }
    }

    fn take(&mut self, message: &MessageRef<'_>) -> Result<(), End> {
        let limit = self.limit;
        let Some(lane) = self.lane(message.partition()) else {
            return Ok(());
        };
        match lane.push(message, limit) {
            Taken::Added => Ok(()),
            Taken::Full => {
                lane.note_epoch(message);
                self.flush(message.partition())
            }
            Taken::Ignored => self.finish_if_reached(message.partition()),
        }
    }

    /// Hands over what has waited long enough; everything, when the queue is empty.
    fn hand_over(&mut self, all: bool) -> Result<(), End> {
        for partition in 0..self.lanes.len() {
            let due = self
                .lanes
                .get(partition)
                .and_then(Option::as_ref)
                .and_then(|lane| lane.since);
            if due.is_some_and(|since| all || since.elapsed() >= LINGER) {
                self.flush(i32::try_from(partition).unwrap_or(i32::MAX))?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, partition: i32) -> Result<(), End> {
        if let Some(lane) = self.lane(partition)
            && let Some(batch) = lane.flush()?
        {
            self.send_batch(batch)?;
        }
        self.finish_if_reached(partition)
    }

    fn finish_if_reached(&mut self, partition: i32) -> Result<(), End> {
        let Some(lane) = self.lane(partition) else {
            return Ok(());
        };
        if !lane.just_finished() {
            return Ok(());
        }
        let split = lane.split().clone();
        if let Some(batch) = lane.flush()? {
            self.send_batch(batch)?;
        }
        self.send(SourceEvent::Finished { split })?;
        // What librdkafka has fetched beyond the bound is ignored; a failure to stop fetching costs only that.
        let _ = self
            .control
            .handle()
            .unassign(&self.options.topic, &[partition]);
        self.open = self.open.saturating_sub(1);
        if self.open == 0 {
            return Err(End::Quiet);
        }
        Ok(())
    }

    /// Waits for room in the inbox, then hands the batch over.
    fn send_batch(&mut self, batch: SplitBatch) -> Result<(), End> {
        let bytes = batch.memory_bytes();
        while !self.budget.take(bytes, Duration::from_millis(100)) {
            if self.stop.load(Ordering::Acquire) || self.budget.is_closed() {
                return Err(End::Quiet);
            }
            self.serve_reports()?;
        }
        self.send(SourceEvent::Batch(batch))
    }

    fn send(&self, event: SourceEvent) -> Result<(), End> {
        self.events.blocking_send(event).map_err(|_| End::Quiet)
    }

    /// What the client and the watcher have to say.
    fn serve(&mut self) -> Result<(), End> {
        self.serve_reports()?;
        while let Ok(notice) = self.heard.try_recv() {
            match notice {
                Notice::Found(found) => self.begin(&found)?,
                Notice::Ends(ends) => {
                    for (partition, end_offset) in ends {
                        if let Some(lane) = self.lane(partition) {
                            let split = lane.split().clone();
                            self.send(SourceEvent::EndOffset { split, end_offset })?;
                        }
                    }
                }
                Notice::Answers => self.recovered()?,
                Notice::Trouble(error) => self.trouble(error)?,
                Notice::Failed(error) => return Err(End::Failed(error)),
            }
        }
        Ok(())
    }

    fn serve_reports(&mut self) -> Result<(), End> {
        let handle = Arc::clone(self.queue.handle());
        self.control.reports().absorb(&handle, &self.options);
        while let Some(report) = self.control.reports().next() {
            match report {
                Report::AllDown(reason) => {
                    let error = NativeError {
                        code: Code::AllBrokersDown,
                        reason,
                    };
                    let error = failure::call_failed(&self.options, "reading", &error, None);
                    self.trouble(error)?;
                }
                Report::Refused(reason) => {
                    return Err(End::Failed(failure::denied(&self.options, &reason)));
                }
                Report::Fatal(reason) => {
                    let error = failure::corrupt(&self.options, -1, &reason);
                    return Err(End::Failed(error));
                }
            }
        }
        Ok(())
    }

    fn trouble(&mut self, error: ConnectorError) -> Result<(), End> {
        if std::mem::replace(&mut self.in_trouble, true) {
            return Ok(());
        }
        self.send(SourceEvent::Trouble(error))
    }

    fn recovered(&mut self) -> Result<(), End> {
        if !std::mem::replace(&mut self.in_trouble, false) {
            return Ok(());
        }
        self.send(SourceEvent::Recovered)
    }

    /// Begins to read partitions that were found.
    fn begin(&mut self, found: &[(SplitPosition, i64)]) -> Result<(), End> {
        let mut starts = Vec::with_capacity(found.len());
        for (position, end_offset) in found {
            let until = self.until.get(&position.split).copied();
            let lane = Lane::new(
                &self.options,
                &self.declared,
                &self.projection,
                position,
                until,
            )?;
            let partition = position.split.partition;
            let index = usize::try_from(partition).unwrap_or_default();
            if self.lanes.len() <= index {
                self.lanes.resize_with(index + 1, || None);
            }
            if let Some(slot) = self.lanes.get_mut(index) {
                *slot = Some(lane);
            }
            self.topic_id.clone_from(&position.topic_id);
            starts.push(Start {
                partition,
                offset: position.next_offset,
                leader_epoch: position.leader_epoch,
            });
            self.open += usize::from(until.is_some());
            self.send(SourceEvent::SplitFound {
                position: position.clone(),
                end_offset: *end_offset,
            })?;
        }
        let topic = self.options.topic.clone();
        self.control
            .handle()
            .assign(&topic, &starts)
            .map_err(|error| {
                failure::call_failed(&self.options, "assigning partitions", &error, None)
            })?;
        for start in &starts {
            self.finish_if_reached(start.partition)?;
        }
        Ok(())
    }

    /// An error in place of a message.
    fn partition_says(&mut self, message: &MessageRef<'_>, error: &NativeError) -> Result<(), End> {
        let partition = message.partition();
        match error.code {
            Code::PartitionEOF => return self.at_end(partition, message.offset()),
            code if failure::is_lost(code) => {
                self.check_topic()?;
                let position = self.lane(partition).map_or(-1, |lane| lane.position());
                let range = self.control.offsets(partition).ok();
                let lost =
                    failure::offset_lost(&self.options, partition, position, range, &error.reason);
                return Err(End::Failed(lost));
            }
            code if failure::is_refusal(code) => {
                return Err(End::Failed(failure::denied(&self.options, &error.reason)));
            }
            Code::BadMessage
            | Code::BadCompression
            | Code::InvalidMessage
            | Code::MessageSizeTooLarge
            | Code::UnsupportedCompressionType => {
                let corrupt = failure::corrupt(&self.options, partition, &error.reason);
                return Err(End::Failed(corrupt));
            }
            // The watcher finds out whether the topic is gone for good.
            code if failure::is_missing(code) => self.check_topic()?,
            // Lag tools' rights are not ours to insist on.
            _ => {}
        }
        tracing::warn!(
            topic = %self.options.topic,
            partition,
            code = ?error.code,
            "kafka: {}",
            self.options.redact(&error.reason)
        );
        Ok(())
    }

    fn at_end(&mut self, partition: i32, end_offset: i64) -> Result<(), End> {
        let Some(lane) = self.lane(partition) else {
            return Ok(());
        };
        let split = lane.split().clone();
        lane.advance(end_offset);
        self.flush(partition)?;
        self.send(SourceEvent::EndOffset { split, end_offset })?;
        self.recovered()
    }

    /// Ends reading if the topic is not the one that reading began with.
    fn check_topic(&self) -> Result<(), End> {
        let Some(was) = &self.topic_id else {
            return Ok(());
        };
        match self.control.topic_id() {
            Ok(Some(now)) if now != *was => Err(End::Failed(failure::topic_replaced(
                &self.options,
                was,
                &now,
            ))),
            _ => Ok(()),
        }
    }
}
