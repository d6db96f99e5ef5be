//! What a job is doing, for system tables, metrics and errors; written by the job, read by everybody.

use std::sync::Arc;

use parking_lot::Mutex;
use sluice_connectors::source::SplitId;

use super::JobParts;

/// Where a query is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryState {
    /// Restoring its state.
    Starting,
    /// Reading and committing.
    Running,
    /// Stopped by PAUSE QUERY.
    Paused,
    /// Waiting to try again after trouble outside.
    Retrying,
    /// Every source is at its end and everything is committed.
    Finished,
    /// Stopped by an error that needs a person.
    Failed,
    /// Gone: dropped, or the server stops.
    Stopped,
}

impl QueryState {
    /// As `system.queries` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Retrying => "retrying",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// A row of `system.queries`.
#[derive(Clone, Debug)]
pub struct QueryStatus {
    /// `schema.name`.
    pub name: String,
    /// The streams it reads.
    pub stream: String,
    /// Where it is in its life.
    pub state: QueryState,
    /// Newest epoch.
    pub epoch: i64,
    /// Watermark, microseconds.
    pub watermark_us: Option<i64>,
    /// Messages not yet read.
    pub lag_rows: u64,
    /// Decoded and undecodable messages read.
    pub rows_in: u64,
    /// Final rows emitted.
    pub rows_out: u64,
    /// Rows aggregated into at least one window.
    pub aggregated_rows: u64,
    /// Rows that missed all their windows.
    pub late_rows: u64,
    /// Rows without usable time, and undecodable messages.
    pub dead_letter_rows: u64,
    /// Rows dropped by WHERE.
    pub filtered_rows: u64,
    /// Rows that came of dead letters decoded again.
    pub replayed_rows: u64,
    /// Delta version of the last commit.
    pub last_commit_version: Option<i64>,
    /// Epoch of the last checkpoint.
    pub checkpoint_epoch: i64,
    /// As of the last commit: the earliest start of a window that is still to come, microseconds.
    pub earliest_start_us: Option<i64>,
    /// When the last commit was, microseconds.
    pub last_commit_us: Option<i64>,
    /// When the last final row was emitted, microseconds.
    pub last_row_us: Option<i64>,
    /// What keeps the watermark back.
    pub held_by: Option<String>,
    /// The newest error.
    pub last_error: Option<String>,
    /// Bytes of state in memory.
    pub state_bytes: usize,
    /// Bytes of memory that it may take.
    pub state_memory: usize,
    /// Bytes of state in the scratch folder.
    pub spilled_bytes: u64,
    /// Open windows.
    pub open_windows: usize,
    /// Final rows that are not committed yet.
    pub tail_rows: usize,
    /// Splits.
    pub splits: Vec<SplitStatus>,
}

/// A row of `system.splits`.
#[derive(Clone, Debug)]
pub struct SplitStatus {
    /// Name of the stream it is of.
    pub stream: String,
    /// The split.
    pub id: SplitId,
    /// Next offset to read.
    pub position: i64,
    /// End offset as last told.
    pub end_position: i64,
    /// Watermark, microseconds.
    pub watermark_us: Option<i64>,
    /// Counted as idle.
    pub idle: bool,
    /// When rows last came, microseconds.
    pub last_event_us: Option<i64>,
}

impl QueryStatus {
    /// The status of a job that is about to start.
    pub(super) fn starting(parts: &JobParts) -> Self {
        let streams = parts.streams.iter().map(|stream| stream.name.to_string());
        let streams: Vec<String> = streams.collect();
        Self {
            stream: streams.join(", "),
            state_memory: parts.options.state_memory,
            ..Self::of(parts.name.to_string(), QueryState::Starting)
        }
    }

    /// The status of a query that could not be started, and why.
    pub(crate) fn closed(name: String, why: String) -> Self {
        Self {
            last_error: Some(why),
            ..Self::of(name, QueryState::Failed)
        }
    }

    /// Of a query that has done nothing.
    fn of(name: String, state: QueryState) -> Self {
        Self {
            name,
            stream: String::new(),
            state,
            epoch: 0,
            watermark_us: None,
            lag_rows: 0,
            rows_in: 0,
            rows_out: 0,
            aggregated_rows: 0,
            late_rows: 0,
            dead_letter_rows: 0,
            filtered_rows: 0,
            replayed_rows: 0,
            last_commit_version: None,
            checkpoint_epoch: 0,
            earliest_start_us: None,
            last_commit_us: None,
            last_row_us: None,
            held_by: None,
            last_error: None,
            state_bytes: 0,
            state_memory: 0,
            spilled_bytes: 0,
            open_windows: 0,
            tail_rows: 0,
            splits: Vec::new(),
        }
    }
}

/// A status that many read and one writes.
#[derive(Clone, Debug)]
pub struct StatusCell(Arc<Mutex<QueryStatus>>);

impl StatusCell {
    /// A cell with this status.
    pub fn new(status: QueryStatus) -> Self {
        Self(Arc::new(Mutex::new(status)))
    }

    /// The status now.
    pub fn get(&self) -> QueryStatus {
        self.0.lock().clone()
    }

    /// Changes the status.
    pub fn update(&self, change: impl FnOnce(&mut QueryStatus)) {
        change(&mut self.0.lock());
    }
}
