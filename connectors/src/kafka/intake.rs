//! Where a reader's messages come from: the brokers' answers, or librdkafka's queue.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use super::{
    client::{Control, Topology},
    direct::{Direct, Fetcher, Incoming},
    failure,
    native::Start,
    options::{Fetch, KafkaOptions},
    queue::{MessageQueue, Messages},
};
use crate::error::{ConnectorError, Result};

/// How long an idle reader sleeps; a message or the watcher wakes it at once. What librdkafka has to say of its connections wakes nobody.
const IDLE_WAIT: Duration = Duration::from_secs(2);
const IDLE_WAIT_LIBRARY: Duration = Duration::from_millis(250);

/// Messages taken from librdkafka's queue at once.
const TAKE: usize = 1024;

/// One of two ways to read.
#[derive(Debug)]
pub(super) enum Intake {
    /// Answers of the brokers, over connections of our own.
    Direct(Direct),
    /// librdkafka's messages.
    Library(Arc<MessageQueue>),
}

/// What came in.
pub(super) enum Taken<'q> {
    Answers(Incoming),
    Messages {
        messages: Messages<'q>,
        /// Whether there were no more.
        all: bool,
    },
    Nothing,
}

/// An intake as everybody but the reader's turn sees it.
#[derive(Clone, Debug)]
pub(super) enum IntakeControl {
    Direct(Arc<Fetcher>),
    Library(Arc<MessageQueue>),
}

impl Intake {
    /// The way that the options ask for.
    pub(super) fn new(
        control: &Arc<Control>,
        options: &KafkaOptions,
        stop: &Arc<AtomicBool>,
    ) -> Result<Self> {
        match options.fetch {
            Fetch::Direct => Ok(Self::Direct(Direct::new(control, options, stop))),
            Fetch::Library => match MessageQueue::new(control.handle()) {
                Some(queue) => Ok(Self::Library(Arc::new(queue))),
                None => Err(not_started("the client has no message queue")),
            },
        }
    }

    /// What other threads, and the reader between two turns, speak to it through.
    pub(super) fn control(&self) -> IntakeControl {
        match self {
            Self::Direct(direct) => IntakeControl::Direct(Arc::clone(&direct.fetcher)),
            Self::Library(queue) => IntakeControl::Library(Arc::clone(queue)),
        }
    }

    /// How long a reader waits that has nothing to do.
    pub(super) fn idle_wait(&self) -> Duration {
        match self {
            Self::Direct(_) => IDLE_WAIT,
            Self::Library(_) => IDLE_WAIT_LIBRARY,
        }
    }

    /// What there is, waiting at most so long for it.
    pub(super) fn take(&self, wait: Duration) -> Taken<'_> {
        match self {
            Self::Direct(direct) => direct.next(wait).map_or(Taken::Nothing, Taken::Answers),
            Self::Library(queue) => {
                let messages = queue.take(TAKE, wait);
                Taken::Messages {
                    all: messages.len() < TAKE,
                    messages,
                }
            }
        }
    }
}

impl IntakeControl {
    /// Begins to read partitions.
    pub(super) fn assign(&self, control: &Control, starts: &[Start]) -> Result<()> {
        match self {
            Self::Direct(fetcher) => fetcher
                .assign(starts)
                .map_err(|error| not_started(&error.to_string())),
            Self::Library(_) => {
                let options = control.options();
                let assigned = control.handle().assign(&options.topic, starts);
                assigned.map_err(|error| {
                    failure::call_failed(options, "assigning partitions", &error, None)
                })
            }
        }
    }

    /// Reads a partition no longer. What was fetched of it already may still come, and a failure costs only that more does.
    pub(super) fn unassign(&self, control: &Control, partition: i32) {
        match self {
            Self::Direct(fetcher) => fetcher.unassign(partition),
            Self::Library(_) => {
                let topic = &control.options().topic;
                let _ = control.handle().unassign(topic, &[partition]);
            }
        }
    }

    /// Whether a broker cannot be read from although others answer.
    pub(super) fn is_failing(&self) -> bool {
        match self {
            Self::Direct(fetcher) => fetcher.is_failing(),
            Self::Library(_) => false,
        }
    }

    /// Ends the reader's wait.
    pub(super) fn wake(&self) {
        match self {
            Self::Direct(fetcher) => fetcher.wake(),
            Self::Library(queue) => queue.wake(),
        }
    }

    /// Takes in who leads which partition; librdkafka finds that out by itself.
    pub(super) fn route(&self, topology: Topology, topic_id: Option<&str>) -> Result<()> {
        match self {
            Self::Direct(fetcher) => fetcher
                .route(topology, topic_id)
                .map_err(|error| not_started(&error.to_string())),
            Self::Library(_) => Ok(()),
        }
    }

    /// Reading has ended, and the stop flag says so.
    pub(super) fn end(&self) {
        match self {
            Self::Direct(fetcher) => fetcher.end(),
            Self::Library(_) => {}
        }
    }
}

/// A thread or queue could not be had.
pub(super) fn not_started(reason: &str) -> ConnectorError {
    ConnectorError::Unreachable {
        message: format!("a Kafka reader could not be started: {reason}"),
        hint: None,
    }
}
