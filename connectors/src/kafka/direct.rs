//! Reading without librdkafka's messages: whole answers of the brokers, decoded where they lie.
//!
//! A client library makes an object of every message and hands it from one thread to another, which costs more than decoding it does
//! (docs/decisions/008-direct-fetch.md). Here one thread per broker asks for what is assigned and hands over answers of many thousand
//! messages; the reader takes the record batches apart in place. Everything else (names, leaders, ends, times, the group) is still
//! librdkafka's, and so is reading where a connection must be encrypted or logged in to.
//!
//! What is hard is who may move a position. The table below has the offset that is fetched next; it moves when an answer is taken in, under
//! the table's lock and only by the thread of the broker that leads the partition then. A partition that changes its leader may be
//! fetched twice over a stretch, which the lane ignores, and never with a gap.
//!
//! A broker is told the leader epoch of the last batch read (and the topic's id): it answers with an error, not with other messages,
//! when its log went another way since.

mod aborted;
mod batches;
mod broker;
mod codec;
mod connection;
mod records;

use std::{
    collections::BTreeMap,
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    time::{Duration, Instant},
};

use base64::Engine as _;
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use uuid::Uuid;

pub(super) use self::{batches::Unreadable, records::Decompressed};
use super::{
    client::{Control, Topology},
    native::{NativeError, Start},
    options::KafkaOptions,
};
use crate::error::ConnectorError;

/// Answers that wait for the reader, per reader; with the one in its hands and the one coming in they are what reading holds in memory.
const WAITING: usize = 1;

/// What the options say about fetching, in the broker's units.
#[derive(Clone, Debug)]
struct Settings {
    client_id: String,
    max_wait: Duration,
    min_bytes: i32,
    max_bytes: i32,
    partition_max_bytes: i32,
    /// How long a broker may be silent.
    patience: Duration,
    family: Family,
}

/// Which addresses of a broker are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Any,
    V4,
    V6,
}

/// What a broker's thread hands to the reader.
#[derive(Debug)]
pub(super) enum Incoming {
    /// An answer.
    Fetched {
        /// Its parts, one a partition.
        parts: Vec<Fetched>,
        /// Whether the broker has no more just now: it waited for company, and less came than it was asked to wait for.
        all: bool,
    },
    /// A broker cannot be read from.
    Trouble(ConnectorError),
    /// It can again.
    Over,
    /// Somebody has something to say elsewhere.
    Wake,
}

/// One partition's part of an answer.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) partition: i32,
    pub(super) outcome: Result<Records, NativeError>,
}

/// Record batches, and how far the partition goes.
#[derive(Debug)]
pub(super) struct Records {
    batches: Bytes,
    /// First offsets and producers of transactions that were aborted.
    aborted: Vec<(i64, i64)>,
    /// Offset after the last decided message.
    pub(super) end_offset: i64,
}

/// The reader's side.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) fetcher: Arc<Fetcher>,
    answers: Receiver<Incoming>,
}

/// What the threads of one reader share.
#[derive(Debug)]
pub(super) struct Fetcher {
    control: Arc<Control>,
    topic: String,
    settings: Settings,
    table: Mutex<Table>,
    changed: Condvar,
    /// Brokers that cannot be read from just now.
    failing: AtomicUsize,
    stop: Arc<AtomicBool>,
    answers: SyncSender<Incoming>,
    /// Connections, by broker: a read that waits on one ends when it is shut down.
    connections: Mutex<BTreeMap<i32, TcpStream>>,
    /// How often questions were cut short because others are to be asked.
    asked_anew: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    topic_id: Uuid,
    /// Assigned partitions.
    partitions: BTreeMap<i32, Position>,
    topology: Topology,
    /// Brokers that have a thread.
    started: Vec<i32>,
}

/// Where fetching of a partition goes on.
#[derive(Clone, Copy, Debug)]
struct Position {
    next_offset: i64,
    /// Leader epoch of the last batch; -1 where it is not known.
    leader_epoch: i32,
    /// The end that was told last.
    told_end: i64,
    /// Whether it ever had a message.
    begun: bool,
    /// Not before.
    due: Option<Instant>,
}

impl Fetched {
    fn bytes(&self) -> usize {
        self.outcome
            .as_ref()
            .map_or(0, |records| records.batches.len())
    }
}

impl Direct {
    pub(super) fn new(
        control: &Arc<Control>,
        options: &KafkaOptions,
        stop: &Arc<AtomicBool>,
    ) -> Self {
        let (sender, answers) = sync_channel(WAITING);
        let fetcher = Fetcher {
            control: Arc::clone(control),
            topic: options.topic.clone(),
            settings: Settings::new(options),
            table: Mutex::default(),
            changed: Condvar::new(),
            failing: AtomicUsize::new(0),
            stop: Arc::clone(stop),
            answers: sender,
            connections: Mutex::default(),
            asked_anew: AtomicU64::new(0),
        };
        Self {
            fetcher: Arc::new(fetcher),
            answers,
        }
    }

    /// The next thing a broker's thread has, waiting at most so long; `None` when there is nothing.
    pub(super) fn next(&self, wait: Duration) -> Option<Incoming> {
        match self.answers.try_recv() {
            Ok(incoming) => return Some(incoming),
            Err(TryRecvError::Empty) if !wait.is_zero() => {}
            Err(_) => return None,
        }
        self.answers.recv_timeout(wait).ok()
    }
}

impl Fetcher {
    /// Begins to fetch partitions.
    pub(super) fn assign(self: &Arc<Self>, starts: &[Start]) -> std::io::Result<()> {
        let mut table = self.table.lock();
        for start in starts {
            let position = Position {
                next_offset: start.offset,
                leader_epoch: start.leader_epoch.unwrap_or(-1),
                told_end: -1,
                begun: start.offset > 0,
                due: None,
            };
            table.partitions.insert(start.partition, position);
        }
        self.ask_anew();
        self.start_brokers(&mut table)
    }

    /// Fetches a partition no longer.
    pub(super) fn unassign(&self, partition: i32) {
        self.table.lock().partitions.remove(&partition);
    }

    /// Takes in who leads which partition.
    pub(super) fn route(
        self: &Arc<Self>,
        topology: Topology,
        topic_id: Option<&str>,
    ) -> std::io::Result<()> {
        let mut table = self.table.lock();
        let leaders = |table: &Table| -> Vec<Option<i32>> {
            let assigned = table.partitions.keys();
            assigned
                .map(|partition| table.topology.leader(*partition))
                .collect()
        };
        let before = leaders(&table);
        table.topology = topology;
        if leaders(&table) != before {
            self.ask_anew();
        }
        if let Some(id) = topic_id.and_then(uuid_of) {
            table.topic_id = id;
        }
        self.start_brokers(&mut table)
    }

    /// Whether a broker cannot be read from just now.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire) > 0
    }

    /// Makes the reader look at what was told elsewhere; where answers wait it is awake.
    pub(super) fn wake(&self) {
        let _ = self.answers.try_send(Incoming::Wake);
    }

    /// Ends the threads; the stop flag is set already.
    pub(super) fn end(&self) {
        self.changed.notify_all();
        self.hang_up();
    }

    /// Cuts questions short that brokers hold for what they know: something else is to be asked.
    fn ask_anew(&self) {
        self.asked_anew.fetch_add(1, Ordering::AcqRel);
        self.hang_up();
    }

    fn hang_up(&self) {
        for connection in self.connections.lock().values() {
            // One that is closed already is not waited on.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// A thread for each broker that leads something assigned and has none yet.
    fn start_brokers(self: &Arc<Self>, table: &mut Table) -> std::io::Result<()> {
        let leaders: Vec<i32> = table
            .partitions
            .keys()
            .filter_map(|partition| table.topology.leader(*partition))
            .collect();
        for id in leaders {
            if table.started.contains(&id) {
                continue;
            }
            let fetcher = Arc::clone(self);
            std::thread::Builder::new()
                .name(format!("kafka fetch {}", self.topic))
                .spawn(move || broker::run(&fetcher, id))?;
            table.started.push(id);
        }
        self.changed.notify_all();
        Ok(())
    }
}

impl Settings {
    fn new(options: &KafkaOptions) -> Self {
        let config = options.config();
        let number = |names: &[&str], default: i32| {
            let told = names.iter().find_map(|name| config.get(name));
            told.and_then(|text| text.trim().parse().ok())
                .unwrap_or(default)
        };
        let max_wait = number(&["fetch.wait.max.ms"], 500);
        Self {
            client_id: config.get("client.id").unwrap_or_default().to_owned(),
            max_wait: Duration::from_millis(u64::try_from(max_wait).unwrap_or(0)),
            min_bytes: number(&["fetch.min.bytes"], 1),
            max_bytes: number(&["fetch.max.bytes"], 4 << 20),
            partition_max_bytes: number(
                &["max.partition.fetch.bytes", "fetch.message.max.bytes"],
                1 << 20,
            ),
            patience: options.connect_timeout,
            family: match config.get("broker.address.family") {
                Some("v4") => Family::V4,
                Some("v6") => Family::V6,
                _ => Family::Any,
            },
        }
    }
}

impl Family {
    fn allows(self, address: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// A topic's id as librdkafka and Kafka's own tools write it.
fn uuid_of(text: &str) -> Option<Uuid> {
    let text = text.replace('-', "+").replace('_', "/");
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(text)
        .ok()?;
    Uuid::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests;
