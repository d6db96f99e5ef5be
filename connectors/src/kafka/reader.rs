//! The thread that reads: messages decoded in place, handed over as batches.
//!
//! Pressure: when the inbox has no room the reader simply takes nothing. Whoever fetches fills its queue and stops, and nothing is
//! paused, sought or thrown away.

mod messages;

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

use super::{
    client::{Control, Report},
    columns::Projection,
    direct::Decompressed,
    failure,
    intake::{Intake, IntakeControl, Taken, not_started},
    lane::{BatchLimit, Lane},
    native::{Handle, NativeError, Start},
    options::KafkaOptions,
    watcher::{Notice, Watcher},
};
use crate::{
    error::{ConnectorError, Result},
    format::plain,
    source::{
        ReadRequest, ReaderRequest, SourceEvent, SplitBatch, SplitPosition,
        outlet::{Join, Outlet},
    },
};

/// How long a batch may grow while messages keep coming.
const LINGER: Duration = Duration::from_millis(10);

/// Everything a reader is made of.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) options: Arc<KafkaOptions>,
    pub(super) declared: SchemaRef,
    pub(super) columns: Projection,
    pub(super) request: ReadRequest,
    pub(super) outlet: Outlet,
    pub(super) asked: Receiver<ReaderRequest>,
}

/// Starts the reader and its watcher.
pub(super) fn spawn(job: Job) -> Result<()> {
    let handle =
        Handle::new(&job.options.config()).map_err(|error| job.options.config_error(&error))?;
    let stop = Arc::new(AtomicBool::new(false));
    let (notices, heard) = std::sync::mpsc::channel();
    let control = Arc::new(Control::over(Arc::new(handle), Arc::clone(&job.options)));
    let intake = Intake::new(&control, &job.options, &stop)?;
    let watcher = Watcher {
        control: Arc::clone(&control),
        intake: intake.control(),
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
        intake: intake.control(),
        memory: Decompressed::default(),
        outlet: job.outlet,
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
        .map_err(|error| not_started(&error.to_string()))?;
    let spawned = std::thread::Builder::new()
        .name(name("read"))
        .spawn(move || reader.run(&intake));
    if let Err(error) = spawned {
        stop.store(true, Ordering::Release);
        return Err(not_started(&error.to_string()));
    }
    Ok(())
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
    intake: IntakeControl,
    memory: Decompressed,
    outlet: Outlet,
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
    fn run(mut self, intake: &Intake) {
        let end = loop {
            if let Err(end) = self.turn(intake) {
                break end;
            }
        };
        self.stop.store(true, Ordering::Release);
        self.intake.end();
        if let End::Failed(error) = end {
            // Rows read before the failure are good; the query stops after them.
            self.outlet.force(None);
            for lane in self.lanes.iter_mut().flatten() {
                if let Ok(batch) = lane.flush() {
                    self.outlet.force(batch);
                }
            }
            self.outlet.send(&SourceEvent::Failed(error));
        }
    }

    fn turn(&mut self, intake: &Intake) -> Result<(), End> {
        if self.stop.load(Ordering::Acquire) || self.outlet.is_closed() {
            return Err(End::Quiet);
        }
        self.serve()?;
        for join in self.outlet.joins() {
            self.admit(join)?;
        }
        if self.outlet.stands() {
            return Ok(());
        }
        let oldest = self.lanes.iter().flatten().filter_map(|lane| lane.since);
        let wait = oldest.min().map_or(intake.idle_wait(), |since| {
            LINGER.saturating_sub(since.elapsed())
        });
        // Where the broker has no more just now (a small answer, an empty queue), whoever waits for rows should have them.
        match intake.take(wait) {
            Taken::Nothing => self.hand_over(false),
            Taken::Answers(incoming) => {
                let all = self.take_answers(incoming)?;
                self.hand_over(all)
            }
            Taken::Messages { messages, all } => {
                self.take_messages(messages.iter())?;
                drop(messages);
                self.hand_over(all)
            }
        }
    }

    fn lane(&mut self, partition: i32) -> Option<&mut Lane> {
        let index = usize::try_from(partition).ok()?;
        self.lanes.get_mut(index)?.as_mut()
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
        self.intake.unassign(&self.control, partition);
        self.open = self.open.saturating_sub(1);
        if self.open == 0 {
            return Err(End::Quiet);
        }
        Ok(())
    }

    /// Waits for room in the inbox, then hands the batch over.
    fn send_batch(&mut self, batch: SplitBatch) -> Result<(), End> {
        self.outlet.offer(batch);
        while !self.outlet.deliver(Duration::from_millis(100)) {
            if self.stop.load(Ordering::Acquire) {
                return Err(End::Quiet);
            }
            self.serve_reports()?;
        }
        Ok(())
    }

    fn send(&mut self, event: SourceEvent) -> Result<(), End> {
        match self.outlet.send(&event) {
            true => Ok(()),
            false => Err(End::Quiet),
        }
    }

    /// Lets another query read from here on, with its columns.
    fn admit(&mut self, join: Join) -> Result<(), End> {
        for partition in 0..self.lanes.len() {
            self.flush(i32::try_from(partition).unwrap_or(i32::MAX))?;
        }
        if let Some(columns) = self.outlet.grown_by(&join) {
            let projection = Projection::new(&plain(&self.declared), &columns)?;
            self.projection = Arc::new(projection);
            for lane in self.lanes.iter_mut().flatten() {
                lane.project(&self.options, &self.declared, &self.projection)?;
            }
            self.outlet.read_columns(columns);
        }
        let lanes = self.lanes.iter().flatten();
        let heads = lanes.map(|lane| lane.head(self.topic_id.as_ref()));
        self.outlet.admit(join, heads.collect());
        Ok(())
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
                Notice::Answers if self.intake.is_failing() => {}
                Notice::Answers => self.recovered()?,
                Notice::Trouble(error) => self.trouble(error)?,
                Notice::Failed(error) => return Err(End::Failed(error)),
            }
        }
        Ok(())
    }

    fn serve_reports(&mut self) -> Result<(), End> {
        self.control
            .reports()
            .absorb(self.control.handle(), &self.options);
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
        self.intake.assign(&self.control, &starts)?;
        for start in &starts {
            self.finish_if_reached(start.partition)?;
        }
        Ok(())
    }

    /// An error in place of a message.
    fn partition_says(
        &mut self,
        partition: i32,
        offset: i64,
        error: &NativeError,
    ) -> Result<(), End> {
        match error.code {
            Code::PartitionEOF => return self.at_end(partition, offset),
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
