//! The thread of one broker: asks for what it leads, moves the positions, hands the answers over.
//!
//! The next question is sent before the answer is handed over, so that the broker and the network work while the reader decodes. When
//! the reader is behind the thread waits with an answer in its hand; the next one fills the socket and then nothing is sent any more.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use kafka_protocol::{
    messages::{
        FetchRequest, FetchResponse, TopicName,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::PartitionData,
    },
    protocol::StrBytes,
};
use rdkafka::types::{RDKafkaErrorCode as Code, RDKafkaRespErr};

use super::{
    Fetched, Fetcher, Incoming, Position, Records, Table, batches::Batches, connection::Connection,
};
use crate::{error::ConnectorError, kafka::native::NativeError};

/// Between two tries to reach the broker: at first, and at most.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// Until a partition that could not be read is asked for again: an error that passes by itself, and one that does not.
const SOON: Duration = Duration::from_millis(100);
const LATER: Duration = Duration::from_secs(1);
/// How long the thread sleeps when there is nothing to ask for; a change wakes it.
const IDLE: Duration = Duration::from_millis(500);
/// How long the broker may hold a question where the last answer had nothing: it answers with the first message. At first, and where
/// there has been nothing for a while.
const QUIET: Duration = Duration::from_millis(500);
const SILENT: Duration = Duration::from_secs(5);
const SILENT_AFTER: Duration = Duration::from_secs(10);
/// Where less than this part of the company that is waited for has come in the time for it, twice as long is waited: an answer costs the
/// same for four messages as for eight, and at some hundred a second they are what a query costs.
const THIN: usize = 8;

/// Why a connection is given up.
enum End {
    /// Reading has ended.
    Stopped,
    /// The broker or the network.
    Broken(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Fetches what the broker leads until reading ends.
pub(super) fn run(fetcher: &Arc<Fetcher>, id: i32) {
    let mut broker = Broker {
        fetcher,
        id,
        turn: 0,
        quiet: None,
        thin: false,
        asked_at: Instant::now(),
        failing: false,
    };
    let mut backoff = BACKOFF;
    while !fetcher.stopped() {
        let before = Instant::now();
        let asked_anew = fetcher.asked_anew.load(Ordering::Acquire);
        let end = broker.converse();
        fetcher.connections.lock().remove(&id);
        match end {
            Err(End::Stopped) => break,
            Err(End::Broken(_)) if fetcher.stopped() => break,
            Err(End::Broken(_)) if fetcher.asked_anew.load(Ordering::Acquire) != asked_anew => {}
            Err(End::Broken(error)) => {
                // a connection that held for a while was a good one
                if before.elapsed() > BACKOFF_MAX * 2 {
                    backoff = BACKOFF;
                }
                broker.tell_trouble(&error);
                broker.sleep(backoff);
                backoff = (backoff * 2).min(BACKOFF_MAX);
                broker.reroute();
            }
            Ok(()) => {}
        }
    }
    broker.well();
}

struct Broker<'f> {
    fetcher: &'f Arc<Fetcher>,
    id: i32,
    /// Which partition comes first in a question: each in turn, as answers are filled from the front.
    turn: usize,
    /// Since when answers have had no message; `None` where the last one had.
    quiet: Option<Instant>,
    /// Whether there is so little that it is worth waiting longer for.
    thin: bool,
    /// When the last question was sent.
    asked_at: Instant,
    failing: bool,
}

impl Broker<'_> {
    /// Connects and fetches; `Ok` when there is nothing to fetch or the broker has another address now.
    fn converse(&mut self) -> Result<(), End> {
        let Some((host, port)) = self.wait_for_work()? else {
            // who leads nothing is missed by nobody
            self.well();
            return Ok(());
        };
        let fetcher = Arc::clone(self.fetcher);
        let mut connection = Connection::open(&host, port, &fetcher.settings, &fetcher.stop)?;
        let interrupt = connection.interrupt()?;
        fetcher.connections.lock().insert(self.id, interrupt);
        if fetcher.stopped() {
            return Err(End::Stopped);
        }
        self.quiet = None;
        let mut asked = false;
        loop {
            if !asked && !self.ask(&mut connection)? {
                match self.wait_for_work()? {
                    Some(address) if address == (host.clone(), port) => continue,
                    _ => return Ok(()),
                }
            }
            let patience = self.wait() + fetcher.settings.patience;
            let answer = connection.receive_fetch(patience, &fetcher.stop)?;
            self.well();
            self.thin = self.is_thin(&answer);
            // Where a partition has had nothing yet, the first messages of all of them should come together: those that come alone move
            // time. What came first is asked for once more, in company.
            if self.quiet.is_some() && has_messages(&answer) && !self.all_begun() {
                self.quiet = None;
                asked = self.ask(&mut connection)?;
                continue;
            }
            let (fetched, unsettled) = self.take_in(answer)?;
            asked = !unsettled && self.ask(&mut connection)?;
            if !fetched.is_empty() {
                let bytes: usize = fetched.iter().map(Fetched::bytes).sum();
                let handed = fetcher.answers.send(Incoming::Fetched {
                    parts: fetched,
                    all: i64::try_from(bytes).unwrap_or(i64::MAX)
                        < i64::from(fetcher.settings.min_bytes),
                });
                handed.map_err(|_| End::Stopped)?;
            }
            if unsettled {
                self.reroute();
            }
        }
    }

    /// The broker's address once there is something to ask it for; `None` after a while without.
    fn wait_for_work(&self) -> Result<Option<(String, u16)>, End> {
        let mut table = self.fetcher.table.lock();
        let mut waited = false;
        loop {
            if self.fetcher.stopped() {
                return Err(End::Stopped);
            }
            let now = Instant::now();
            let dues: Vec<Option<Instant>> = self.led(&table).map(|(_, place)| place.due).collect();
            if dues.iter().any(|due| due.is_none_or(|due| due <= now)) {
                return Ok(table.topology.address(self.id));
            }
            if waited {
                return Ok(None);
            }
            let wake = dues.into_iter().flatten().min();
            let wait = wake.map_or(IDLE, |due| due.saturating_duration_since(now).min(IDLE));
            self.fetcher.changed.wait_for(&mut table, wait);
            waited = wake.is_none();
        }
    }

    /// Whether every partition has had a message.
    fn all_begun(&self) -> bool {
        let table = self.fetcher.table.lock();
        self.led(&table).all(|(_, position)| position.begun)
    }

    fn led<'t>(&self, table: &'t Table) -> impl Iterator<Item = (i32, &'t Position)> {
        let led = |partition: i32| table.topology.leader(partition) == Some(self.id);
        let assigned = table.partitions.iter();
        assigned
            .map(|(partition, position)| (*partition, position))
            .filter(move |(partition, _)| led(*partition))
    }

    /// Whether an answer has so little that at this rate a whole one would be long in coming.
    fn is_thin(&self, answer: &FetchResponse) -> bool {
        let settings = &self.fetcher.settings;
        let took = self.asked_at.elapsed().max(settings.max_wait);
        let few = usize::try_from(settings.min_bytes).unwrap_or(0) / THIN;
        // per time that is waited, whether that was once or twice
        let bytes = message_bytes(answer) as f64;
        bytes * settings.max_wait.as_secs_f64() < few as f64 * took.as_secs_f64()
    }

    /// How long the broker may hold a question.
    fn wait(&self) -> Duration {
        let max_wait = self.fetcher.settings.max_wait;
        match self.quiet {
            None if self.thin => max_wait * 2,
            None => max_wait,
            Some(since) if since.elapsed() < SILENT_AFTER => max_wait.max(QUIET),
            Some(_) => max_wait.max(SILENT),
        }
    }

    /// Sends the next question; `false` when there is nothing to ask for.
    fn ask(&mut self, connection: &mut Connection) -> Result<bool, End> {
        let settings = &self.fetcher.settings;
        let table = self.fetcher.table.lock();
        let now = Instant::now();
        let mut partitions: Vec<FetchPartition> = self
            .led(&table)
            .filter(|(_, position)| position.due.is_none_or(|due| due <= now))
            .map(|(partition, position)| {
                FetchPartition::default()
                    .with_partition(partition)
                    .with_fetch_offset(position.next_offset)
                    .with_last_fetched_epoch(position.leader_epoch)
                    .with_partition_max_bytes(settings.partition_max_bytes)
            })
            .collect();
        let topic = FetchTopic::default()
            .with_topic(TopicName(StrBytes::from_string(self.fetcher.topic.clone())))
            .with_topic_id(table.topic_id);
        drop(table);
        self.asked_at = now;
        if partitions.is_empty() {
            return Ok(false);
        }
        self.turn = (self.turn + 1) % partitions.len();
        partitions.rotate_left(self.turn);
        // Nobody waits for company that does not come.
        let bytes = match self.quiet {
            Some(_) => 1,
            None => settings.min_bytes,
        };
        let request = FetchRequest::default()
            .with_max_wait_ms(i32::try_from(self.wait().as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(bytes)
            .with_max_bytes(settings.max_bytes)
            // committed messages only
            .with_isolation_level(1)
            // no fetch session: every question is whole
            .with_session_epoch(-1)
            .with_topics(vec![topic.with_partitions(partitions)]);
        connection.send_fetch(&request)?;
        Ok(true)
    }

    /// Moves the positions; what the reader should see of the answer, and whether leaders must be asked for anew.
    fn take_in(&mut self, answer: FetchResponse) -> Result<(Vec<Fetched>, bool), End> {
        if answer.error_code != 0 {
            let error = error_of(answer.error_code);
            return Err(io::Error::other(error.reason).into());
        }
        let mut fetched = Vec::new();
        let mut unsettled = false;
        let fetcher = self.fetcher;
        let mut table = fetcher.table.lock();
        let mut quiet = !has_messages(&answer);
        for part in answer
            .responses
            .into_iter()
            .flat_map(|topic| topic.partitions)
        {
            let partition = part.partition_index;
            // A partition that cannot be read just now is asked for again soon, not after the others have been silent for long.
            quiet &= part.error_code == 0;
            if table.topology.leader(partition) != Some(self.id) {
                continue;
            }
            let Some(position) = table.partitions.get_mut(&partition) else {
                continue;
            };
            match take_part(position, part) {
                Part::Nothing => {}
                Part::Tell(outcome) => fetched.push(Fetched { partition, outcome }),
                Part::Elsewhere => unsettled = true,
            }
        }
        drop(table);
        self.quiet = quiet.then(|| self.quiet.unwrap_or_else(Instant::now));
        Ok((fetched, unsettled))
    }

    /// Asks who leads now; a failure is the watcher's to tell, which asks the same.
    fn reroute(&self) {
        if let Ok(topology) = self.fetcher.control.topology() {
            // A thread that cannot be made is missed at the watcher's next look, too.
            let _ = self.fetcher.route(topology, None);
        }
    }

    fn tell_trouble(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            self.fetcher.failing.fetch_add(1, Ordering::AcqRel);
        }
        let address = self.fetcher.table.lock().topology.address(self.id);
        let (host, port) = address.unwrap_or_default();
        tracing::debug!(topic = %self.fetcher.topic, "kafka: broker {} at {host}:{port}: {error}", self.id);
        let trouble = ConnectorError::Unreachable {
            message: format!(
                "broker {} of Kafka at {host}:{port} cannot be read from: {error}",
                self.id
            ),
            hint: Some(format!(
                "check that the broker runs and that the address it advertises ({host}:{port}) is reachable from here"
            )),
        };
        // Where answers wait the reader is busy, and hears of it at the next try.
        let _ = self.fetcher.answers.try_send(Incoming::Trouble(trouble));
    }

    fn well(&mut self) {
        if std::mem::replace(&mut self.failing, false) {
            self.fetcher.failing.fetch_sub(1, Ordering::AcqRel);
            let _ = self.fetcher.answers.try_send(Incoming::Over);
        }
    }

    fn sleep(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut table = self.fetcher.table.lock();
        // Other brokers' threads change the table too, and must not make this one try at once.
        while !self.fetcher.stopped() && Instant::now() < until {
            self.fetcher.changed.wait_until(&mut table, until);
        }
    }
}

fn has_messages(answer: &FetchResponse) -> bool {
    message_bytes(answer) > 0
}

fn message_bytes(answer: &FetchResponse) -> usize {
    let parts = answer.responses.iter().flat_map(|topic| &topic.partitions);
    let records = parts.filter_map(|part| part.records.as_ref());
    records.map(|records| records.len()).sum()
}

/// What a partition's part of an answer comes to.
enum Part {
    /// Nothing new.
    Nothing,
    /// Something for the reader.
    Tell(Result<Records, NativeError>),
    /// Another broker leads it, or none just now.
    Elsewhere,
}

fn take_part(position: &mut Position, part: PartitionData) -> Part {
    position.due = None;
    if part.error_code != 0 {
        let error = error_of(part.error_code);
        let (wait, outcome) = if is_elsewhere(error.code) {
            (SOON, Part::Elsewhere)
        } else {
            (LATER, Part::Tell(Err(error)))
        };
        position.due = Some(Instant::now() + wait);
        return outcome;
    }
    if part.diverging_epoch.end_offset >= 0 {
        position.due = Some(Instant::now() + LATER);
        return Part::Tell(Err(NativeError {
            code: Code::LogTruncation,
            reason: format!(
                "the leader's log of epoch {} ends at {}",
                part.diverging_epoch.epoch, part.diverging_epoch.end_offset
            ),
        }));
    }
    let batches = part.records.unwrap_or_default();
    // What cannot be read is told by the reader, which looks at each batch anyway.
    let last = Batches::new(&batches).map_while(Result::ok).last();
    if let Some(last) = &last {
        position.begun = true;
        position.next_offset = position.next_offset.max(last.last_offset + 1);
        position.leader_epoch = last.leader_epoch;
    }
    let end_offset = match part.last_stable_offset {
        -1 => part.high_watermark,
        decided => decided,
    };
    let news = !batches.is_empty() || position.told_end != end_offset;
    position.told_end = end_offset;
    if !news {
        return Part::Nothing;
    }
    let aborted = part.aborted_transactions.unwrap_or_default();
    Part::Tell(Ok(Records {
        batches,
        aborted: aborted
            .iter()
            .map(|transaction| (transaction.first_offset, transaction.producer_id.0))
            .collect(),
        end_offset,
    }))
}

fn is_elsewhere(code: Code) -> bool {
    matches!(
        code,
        Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::ReplicaNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::KafkaStorageError
            | Code::OffsetNotAvailable
    )
}

fn error_of(code: i16) -> NativeError {
    let code = RDKafkaRespErr::try_from(i32::from(code)).map_or(Code::Unknown, Code::from);
    NativeError::of(code)
}
