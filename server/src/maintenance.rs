//! Tables that look after themselves: small files become large ones, the log gets checkpoints and loses what is old, files that no version
//! needs are deleted. Nobody schedules anything.
//!
//! What must never happen: that this gets in the way of a query. It is one task for all tables, one piece of work at a time; it rests four
//! times as long as it worked; and of its commits it does nothing but the last step, the put of one log entry, while it holds the table's
//! queue. A failure is told in `system.maintenance`, tried again later and later, and stops nothing else.

mod due;
mod subjects;
mod work;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sluice_connectors::delta::{
    Checkpoint, Merged, PartitionValues, Vacuumed, last_checkpoint, merges,
};

pub(crate) use self::due::Task as MaintenanceTask;
use self::due::{Facts, Task, due};
pub(crate) use self::subjects::{Subject, find};
pub(crate) use self::work::{Compacted, compact, sweep};
use crate::{engine::Engine, error::Result};

/// How often tables are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The task rests so many times as long as it worked.
const REST: u32 = 4;

/// A table whose files take long to be looked through is looked at less often: so many times what it takes.
const LOOK_SHARE: u32 = 100;

/// How a table fares.
#[derive(Debug, Default)]
pub(crate) struct Maintenance {
    book: Mutex<BTreeMap<(String, Task), Entry>>,
    /// Held while a table is worked on, by the task or by a statement.
    turn: tokio::sync::Mutex<()>,
}

/// What is known of one kind of work at one table: a row of `system.maintenance`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// It is being done.
    pub(crate) running: bool,
    /// It is done by hand alone.
    pub(crate) off: bool,
    /// When it was last done, microseconds.
    pub(crate) last_run_us: Option<i64>,
    /// How long that took.
    pub(crate) took: Option<Duration>,
    /// Times that it was done since the server started.
    pub(crate) runs: u64,
    /// What it did.
    pub(crate) done: Done,
    /// Not before this, microseconds.
    pub(crate) next_due_us: Option<i64>,
    /// Failures since the last success.
    pub(crate) failures: u32,
    /// The last failure.
    pub(crate) last_error: Option<String>,
}

/// What a piece of work did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// Files that went.
    pub(crate) files_before: Option<i64>,
    /// Files that took their place, or stayed.
    pub(crate) files_after: Option<i64>,
    /// Bytes of the former.
    pub(crate) bytes_before: Option<i64>,
    /// Bytes of the latter.
    pub(crate) bytes_after: Option<i64>,
    /// The table's version with it.
    pub(crate) version: Option<i64>,
}

impl From<Merged> for Done {
    fn from(merged: Merged) -> Self {
        Self {
            files_before: i64::try_from(merged.files_before).ok(),
            files_after: i64::try_from(merged.files_after).ok(),
            bytes_before: Some(merged.bytes_before),
            bytes_after: Some(merged.bytes_after),
            version: Some(merged.version),
        }
    }
}

impl From<&Vacuumed> for Done {
    fn from(vacuumed: &Vacuumed) -> Self {
        let kept = i64::try_from(vacuumed.kept_files).unwrap_or(i64::MAX);
        let kept_bytes = i64::try_from(vacuumed.kept_bytes).unwrap_or(i64::MAX);
        let gone = i64::try_from(vacuumed.files.len()).unwrap_or(i64::MAX);
        let gone_bytes = i64::try_from(vacuumed.bytes).unwrap_or(i64::MAX);
        Self {
            files_before: Some(kept.saturating_add(gone)),
            files_after: Some(kept),
            bytes_before: Some(kept_bytes.saturating_add(gone_bytes)),
            bytes_after: Some(kept_bytes),
            version: None,
        }
    }
}

impl Maintenance {
    /// What is known, by table and task.
    pub(crate) fn entries(&self) -> Vec<(String, &'static str, Entry)> {
        let book = self.book.lock();
        let entries = book.iter();
        entries
            .map(|((table, task), entry)| (table.clone(), task.as_str(), entry.clone()))
            .collect()
    }

    /// Waits until nothing is being done, and keeps it so.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Notes what a statement did.
    pub(crate) fn note(&self, table: &str, task: Task, took: Duration, now_us: i64, done: Done) {
        self.change(table, task, |entry| {
            entry.running = false;
            entry.last_run_us = Some(now_us);
            entry.took = Some(took);
            entry.runs += 1;
            entry.done = done;
            entry.failures = 0;
            entry.last_error = None;
        });
    }

    fn failed(&self, table: &str, task: Task, now_us: i64, error: &crate::error::Error) {
        tracing::warn!(
            "{} of {table} failed and will be tried again: {error}",
            task.as_str()
        );
        self.change(table, task, |entry| {
            entry.running = false;
            entry.failures += 1;
            entry.last_error = Some(error.to_string());
            entry.next_due_us = Some(now_us.saturating_add(due::backoff_us(entry.failures)));
        });
    }

    fn change(&self, table: &str, task: Task, change: impl FnOnce(&mut Entry)) {
        change(
            self.book
                .lock()
                .entry((table.to_owned(), task))
                .or_default(),
        );
    }

    fn entry(&self, table: &str, task: Task) -> Entry {
        let mut book = self.book.lock();
        book.entry((table.to_owned(), task)).or_default().clone()
    }

    /// Tables that are no more are forgotten.
    fn keep(&self, subjects: &[Subject]) {
        let there: std::collections::BTreeSet<&str> = subjects
            .iter()
            .map(|subject| subject.name.as_str())
            .collect();
        self.book
            .lock()
            .retain(|(table, _), _| there.contains(table.as_str()));
    }
}

/// What the task remembers of a table between two looks.
#[derive(Debug, Default)]
struct Looked {
    version: Option<i64>,
    earliest_start_us: Option<i64>,
    /// The newest checkpoint of the log.
    checkpoint: Option<Option<Checkpoint>>,
    not_before: Option<Instant>,
}

/// Looks after the engine's tables until it goes.
pub(crate) fn start(engine: &Arc<Engine>) {
    let engine = Arc::downgrade(engine);
    tokio::spawn(async move {
        let mut looked: BTreeMap<String, Looked> = BTreeMap::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(engine) = engine.upgrade() else {
                return;
            };
            if engine.is_stopping() {
                return;
            }
            let subjects = subjects::all(&engine);
            engine.maintenance().keep(&subjects);
            looked.retain(|name, _| subjects.iter().any(|subject| subject.name == *name));
            for subject in &subjects {
                look_after(
                    &engine,
                    subject,
                    looked.entry(subject.name.clone()).or_default(),
                )
                .await;
                if engine.is_stopping() {
                    return;
                }
            }
        }
    });
}

/// Looks at one table and does what is due.
async fn look_after(engine: &Arc<Engine>, subject: &Subject, looked: &mut Looked) {
    let Some(snapshot) = subject.table.snapshot() else {
        return;
    };
    if subject.off {
        for task in Task::ALL {
            engine
                .maintenance()
                .change(&subject.name, task, |entry| entry.off = true);
        }
        return;
    }
    if looked.not_before.is_some_and(|at| Instant::now() < at) {
        return;
    }
    let book = engine.maintenance();
    let began = Instant::now();
    let now_us = engine.clock().now_us();
    let changed = looked.version != Some(snapshot.version())
        || looked.earliest_start_us != subject.earliest_start_us;
    let merges = match changed {
        true => merges(&snapshot.files(), |partition| subject.standing(partition)),
        false => Vec::new(),
    };
    if looked.checkpoint.is_none() {
        let root = engine.root();
        let found = last_checkpoint(root, subject.table.path()).await;
        looked.checkpoint = found.ok();
    }
    let vacuum = book.entry(&subject.name, Task::Vacuum);
    if vacuum.next_due_us.is_none() {
        let first_us = due::first_vacuum_us(snapshot.deleted_file_retention());
        book.change(&subject.name, Task::Vacuum, |entry| {
            entry.next_due_us = Some(now_us.saturating_add(first_us));
        });
    }
    looked.not_before = Some(Instant::now() + began.elapsed() * LOOK_SHARE);
    let facts = Facts {
        now_us,
        merges: merges.len(),
        merge_after_us: book.entry(&subject.name, Task::Compact).next_due_us,
        version: snapshot.version(),
        checkpoint: looked.checkpoint.flatten(),
        checkpoint_after_us: book.entry(&subject.name, Task::Checkpoint).next_due_us,
        vacuum_at_us: book.entry(&subject.name, Task::Vacuum).next_due_us,
    };
    let tasks = due(&facts);
    // A merge that failed is to be found again.
    let merging = tasks.contains(&Task::Compact);
    if merges.is_empty() || merging {
        looked.version = Some(snapshot.version());
        looked.earliest_start_us = subject.earliest_start_us;
    }
    for task in tasks {
        let began = Instant::now();
        book.change(&subject.name, task, |entry| entry.running = true);
        let result = {
            let _turn = book.turn().await;
            one(engine, subject, looked, task).await
        };
        let now_us = engine.clock().now_us();
        let rested = result
            .as_ref()
            .map_or(Duration::ZERO, |(_, rested)| *rested);
        let worked = began.elapsed().saturating_sub(rested);
        match result {
            Ok((done, _)) => {
                book.note(&subject.name, task, worked, now_us, done);
                book.change(&subject.name, task, |entry| {
                    entry.next_due_us = match task {
                        Task::Vacuum => {
                            let every_us = due::vacuum_every_us(snapshot.deleted_file_retention());
                            Some(now_us.saturating_add(every_us))
                        }
                        Task::Compact | Task::Checkpoint => None,
                    };
                });
            }
            Err(error) => {
                if task == Task::Compact {
                    looked.version = None;
                }
                book.failed(&subject.name, task, now_us, &error);
            }
        }
        tokio::time::sleep((worked * REST).saturating_sub(rested)).await;
    }
}

/// Does one piece of work: what it did, and how long it rested in between.
async fn one(
    engine: &Arc<Engine>,
    subject: &Subject,
    looked: &mut Looked,
    task: Task,
) -> Result<(Done, Duration)> {
    let done = match task {
        Task::Compact => {
            let standing = |partition: &PartitionValues| subject.standing(partition);
            let all = compact(engine, subject, standing, Some(REST)).await?;
            return Ok((all.done(), all.rested));
        }
        Task::Checkpoint => {
            let made = work::checkpoint(engine, subject).await?;
            // Where none was made, another engine has made one.
            looked.checkpoint = made.checkpoint.map(Some);
            Done {
                files_before: i64::try_from(made.entries_removed).ok(),
                version: Some(made.version),
                ..Done::default()
            }
        }
        Task::Vacuum => Done::from(&work::vacuum(engine, subject).await?),
    };
    Ok((done, Duration::ZERO))
}
