//! A job keeps one table up to date: it reads, runs epochs, shows their rows, and commits them.
//!
//! ```text
//! reader ──► pending batches ──► journal ──► epoch ──► tail (readable) ──► commit task (beside the next epochs)
//! ```
//!
//! The loop is one task; everything that must be one moment (an epoch's rows and its live view, a checkpoint's state and positions) is
//! so because it happens between two epochs of that task. Commits run beside it, one at a time, on values handed to them.

mod commit;
mod dead_letters;
mod decoders;
mod intervals;
mod journal;
mod manifest;
mod manifest_log;
mod opened;
mod profile;
mod readers;
mod rebuild;
mod recovery;
mod retry;
mod run;
mod said;
mod segments;
mod shown;
mod splits;
mod status;

pub use dead_letters::{BadRange, DeadLetters, OnError, announced_letters, dead_letter_schema};
pub use manifest::{Manifest, Rebuild};
pub use manifest_log::ManifestLog;
pub use profile::{Profile, Step, Timing};
pub use rebuild::{From, rebuild, skip_lost};
pub use status::{QueryState, QueryStatus, SplitStatus, StatusCell};

use std::{ops::AddAssign, path::PathBuf, sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use sluice_connectors::{
    source::{KeptMessage, Source, StreamReaders},
    store::Root,
};
use sluice_planner::ContinuousPlan;
use tokio::sync::{mpsc, oneshot};

use crate::{
    catalog::QualifiedName,
    clock::Clock,
    error::{Error, Result, SqlState},
    events::Events,
    metrics::QueryMetrics,
    root::Holding,
    table::{Cut, TableState},
};

/// How a job runs.
#[derive(Clone, Debug)]
pub struct JobOptions {
    /// Time between two commits.
    pub commit_interval: Duration,
    /// Bytes of decoded rows that may wait.
    pub inbox_bytes: usize,
    /// Rows of one epoch at most.
    pub epoch_rows: usize,
    /// Bytes of uncommitted rows that force a commit.
    pub tail_bytes: usize,
    /// Bytes of memory that the state may take; above half of it, panes go to the scratch folder.
    pub state_memory: usize,
    /// How long what the table was can be read.
    pub history: Duration,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            commit_interval: Duration::from_secs(10),
            inbox_bytes: 32 << 20,
            epoch_rows: 128 << 10,
            tail_bytes: 64 << 20,
            state_memory: 512 << 20,
            history: Duration::from_secs(200_000),
        }
    }
}

/// A stream that a job reads.
#[derive(Debug)]
pub struct JobStream {
    /// Its name.
    pub name: QualifiedName,
    /// Its definition, without secrets.
    pub definition: String,
    /// A source as a definition describes it; nothing is asked from the outside.
    pub source_of: fn(&str) -> Result<Arc<dyn Source>>,
    /// Where the rows come from.
    pub source: Arc<dyn Source>,
    /// What reads them, for this and other queries.
    pub readers: Arc<StreamReaders>,
    /// Messages that did not decode.
    pub dead_letters: Arc<DeadLetters>,
    /// What to do with them.
    pub on_error: OnError,
    /// Silence after which a split may be idle.
    pub idle_timeout: Duration,
}

/// Everything a job is made of.
#[derive(Debug)]
pub struct JobParts {
    /// The query's name: its table's.
    pub name: QualifiedName,
    /// The table's id; checkpoints and Delta commits are named by it.
    pub id: String,
    /// The process's id, for manifests.
    pub owner: String,
    /// Which build this is: another one may compute other bits, so it does not replay this one's journal.
    pub build: String,
    /// The plan.
    pub plan: ContinuousPlan,
    /// The streams it reads, in the plan's order.
    pub streams: Arc<[JobStream]>,
    /// The root.
    pub root: Root,
    /// What holds the root: a job that does not hold it claims nothing.
    pub holding: Holding,
    /// The folder of its epoch journal, on local disk.
    pub journal: PathBuf,
    /// The table, its late rows, its dead letters.
    pub tables: JobTables,
    /// Options.
    pub options: JobOptions,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where happenings are told.
    pub events: Events,
    /// Durations of epochs and commits; counts are read from the status.
    pub metrics: QueryMetrics,
    /// Whether it starts paused.
    pub paused: bool,
}

/// The tables a job writes.
#[derive(Clone, Debug)]
pub struct JobTables {
    /// The table.
    pub table: Arc<TableState>,
    /// `__late`.
    pub late: Arc<TableState>,
    /// `__dead_letter`.
    pub dead: Arc<TableState>,
}

/// The Delta application id of a query's commits.
pub fn app_id(id: &str) -> String {
    format!("sluice/{id}")
}

/// The folder of a query's checkpoints.
pub fn checkpoint_folder(id: &str) -> String {
    format!("checkpoints/{id}")
}

/// A request to a running job.
#[derive(Debug)]
enum Command {
    Pause(oneshot::Sender<()>),
    Resume(oneshot::Sender<()>),
    Live(oneshot::Sender<Result<LiveRows>>),
    Profile(oneshot::Sender<Result<Box<Profile>>>),
    Replay {
        stream: QualifiedName,
        letters: Arc<[Letter]>,
        done: oneshot::Sender<Result<Replayed>>,
    },
    Stop {
        commit: bool,
        done: oneshot::Sender<()>,
    },
}

/// Open windows, and the table at the same moment.
#[derive(Debug)]
pub struct LiveRows {
    /// Rows of the open windows as they stand.
    pub open: Vec<RecordBatch>,
    /// The table.
    pub cut: Cut,
}

/// A dead letter of a stream, to be decoded again.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The message; its split is of stream 0.
    pub message: KeptMessage,
    /// The id of the topic it was read from, where known.
    pub topic_id: Option<String>,
    /// Whether it is asked for. One that is not tells which are neighbours.
    pub wanted: bool,
}

/// What became of dead letters in one query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters asked for.
    pub letters: u64,
    /// Rows taken in.
    pub rows: u64,
    /// Those of them that missed all their windows.
    pub late: u64,
    /// Those of them that went to the query's own dead letters.
    pub dead: u64,
    /// Letters that still do not decode.
    pub undecodable: u64,
    /// Letters that are none of the query's: taken before, read by itself, or from before it began.
    pub skipped: u64,
}

impl AddAssign for Replayed {
    fn add_assign(&mut self, more: Self) {
        self.letters += more.letters;
        self.rows += more.rows;
        self.late += more.late;
        self.dead += more.dead;
        self.undecodable += more.undecodable;
        self.skipped += more.skipped;
    }
}

/// The handle of a running job.
#[derive(Clone, Debug)]
pub struct JobHandle {
    name: QualifiedName,
    plan: Arc<str>,
    commands: mpsc::Sender<Command>,
    /// What it is doing.
    pub status: StatusCell,
}

impl JobHandle {
    /// Starts a job.
    pub fn start(parts: JobParts) -> Self {
        let (commands, receiver) = mpsc::channel(16);
        let status = StatusCell::new(QueryStatus::starting(&parts));
        let handle = Self {
            name: parts.name.clone(),
            plan: parts.plan.explain().into(),
            commands,
            status: status.clone(),
        };
        tokio::spawn(run::Job::new(parts, status, receiver).run());
        handle
    }

    /// Stops reading; state and tail stay.
    pub async fn pause(&self) -> Result<()> {
        self.ask(Command::Pause).await
    }

    /// Goes on after a pause or a failure.
    pub async fn resume(&self) -> Result<()> {
        self.ask(Command::Resume).await
    }

    /// Open windows and the table, at one moment.
    pub async fn live(&self) -> Result<LiveRows> {
        self.ask(Command::Live).await?
    }

    /// What EXPLAIN says of its plan.
    pub fn plan(&self) -> &str {
        &self.plan
    }

    /// What it has taken since it started.
    ///
    /// # Errors
    /// Where it does not run.
    pub async fn profile(&self) -> Result<Box<Profile>> {
        self.ask(Command::Profile).await?
    }

    /// Takes in the rows of dead letters of a stream, in the order of their offsets; all of it is committed when this returns.
    pub async fn replay(
        &self,
        stream: &QualifiedName,
        letters: &Arc<[Letter]>,
    ) -> Result<Replayed> {
        let command = |done| Command::Replay {
            stream: stream.clone(),
            letters: Arc::clone(letters),
            done,
        };
        self.ask(command).await?
    }

    /// Ends the job; with `commit`, what is final is committed first.
    pub async fn stop(&self, commit: bool) {
        // A job that has ended already needs no stopping.
        let _ = self.ask(|done| Command::Stop { commit, done }).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T> {
        let gone = || {
            Error::outside(
                SqlState::ObjectNotInPrerequisiteState,
                format!("query \"{}\" has ended", self.name),
            )
        };
        let (sender, receiver) = oneshot::channel();
        self.commands
            .send(command(sender))
            .await
            .map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())
    }
}

#[cfg(test)]
mod tests;
