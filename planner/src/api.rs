//! The face of a continuous query: what goes into an epoch, what comes out, and what is kept between two of them.
//!
//! # Contract
//! * [`EpochInput`] is everything an epoch depends on: the same inputs, in the same epochs, from the same state give the same outputs,
//!   byte for byte. Nothing in this crate looks at a random number or a thread's order, nor at a clock but to measure.
//! * An epoch either succeeds whole or leaves an error; after an error the query's state is void and must be restored.
//! * Watermarks never go back, restored ones included.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
};
use serde::{Deserialize, Serialize};
use sluice_connectors::source::{SplitBatch, SplitId};
use sluice_sql::{
    Emit,
    ast::{Expr, Ident},
};

use crate::state::StateFile;

/// How a stream treats event time, from its options (design: "Time").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeRules {
    /// A row further in the future than this many microseconds is a dead letter; `None` is `max_future_skew = 'off'`.
    pub max_future_skew_us: Option<i64>,
    /// Silence after which a split at its end counts as idle, in microseconds.
    pub idle_timeout_us: i64,
}

/// What `WATERMARK FOR column AS expr` said.
#[derive(Clone, Debug, PartialEq)]
pub struct WatermarkDefinition {
    /// The event-time column.
    pub column: Ident,
    /// The watermark of a row.
    pub expr: Expr,
}

/// A registered stream, as far as planning needs it.
#[derive(Clone, Debug)]
pub struct StreamDefinition {
    /// Schema it lives in.
    pub schema_name: String,
    /// Its name.
    pub name: String,
    /// Declared columns followed by the source's metadata columns (`_topic` …).
    pub columns: SchemaRef,
    /// How many of `columns` were declared; `SELECT *` shows only those.
    pub declared: usize,
    /// Declared watermark.
    pub watermark: Option<WatermarkDefinition>,
    /// Rules of event time.
    pub time: TimeRules,
}

/// The table a continuous query feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetDefinition {
    /// `schema.name`, for messages.
    pub name: String,
    /// Partition columns as written: a type means "derive it when the query does not select it".
    pub partitioned_by: Vec<(String, Option<DataType>)>,
    /// Which windows give it rows.
    pub emit: Emit,
    /// What becomes of the sketches behind its results.
    pub sketches: Sketches,
}

/// What becomes of the sketches from which percentiles and counts of distinct values are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sketches {
    /// They go with the window.
    #[default]
    Dropped,
    /// They are columns of the table, as `WITH (sketches = true)` asks.
    Kept,
}

/// What one split brings into an epoch.
#[derive(Clone, Debug)]
pub struct SplitInput {
    /// The split.
    pub split: SplitId,
    /// Its batches, in offset order, already cut at the epoch's end.
    pub batches: Vec<SplitBatch>,
}

/// Everything an epoch depends on.
#[derive(Clone, Debug, Default)]
pub struct EpochInput {
    /// What the clock said when the epoch began, in microseconds since the Unix epoch.
    pub now_us: i64,
    /// Rows per split, in split order; splits without rows may be left out.
    pub splits: Vec<SplitInput>,
    /// Every split the query knows, those without rows included: the watermark is the minimum over those that count.
    pub known: BTreeSet<SplitId>,
    /// Splits that do not hold the watermark back now (idle, or at their end and never had a row).
    pub excluded: BTreeSet<SplitId>,
    /// Bounded splits at their end: their watermark is infinite.
    pub finished: BTreeSet<SplitId>,
}

/// Where every row of an epoch went; `read` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Rows that came in (decoded rows; undecodable ones are the stream's dead letters and counted by the caller).
    pub read: u64,
    /// Rows aggregated into at least one window (or passed on, in a query without windows).
    pub aggregated: u64,
    /// Rows that missed all their windows.
    pub late: u64,
    /// Rows without usable time, and rows that an expression of the query could not take.
    pub dead: u64,
    /// Rows dropped by WHERE.
    pub filtered: u64,
}

/// What an epoch gives.
#[derive(Clone, Debug, Default)]
pub struct EpochOutput {
    /// Final rows, in the target's schema (partition columns included).
    pub rows: Vec<RecordBatch>,
    /// Late rows, in [`crate::ContinuousPlan::late_schema`].
    pub late: Vec<RecordBatch>,
    /// Rows without usable time, rows that an expression could not take, and results that one could not take (without columns and origin,
    /// they are not rows of the stream, and not counted), in [`crate::ContinuousPlan::dead_letter_schema`].
    pub dead: Vec<RecordBatch>,
    /// Where the rows went.
    pub counts: RowCounts,
    /// The query's watermark after the epoch, microseconds; `None` before there is one.
    pub watermark_us: Option<i64>,
}

/// How long the steps of an epoch took.
#[derive(Clone, Copy, Debug, Default)]
pub struct EpochTook {
    /// Rows to partial states, or to rows where nothing is aggregated.
    pub states: Duration,
    /// Partial states into panes.
    pub merged: Duration,
    /// Panes of windows that closed, to rows.
    pub closed: Duration,
    /// State that memory must not hold, to disk.
    pub spilled: Duration,
}

/// What the operators of one of a query's plans have taken since it started, from the top down.
#[derive(Clone, Debug)]
pub struct PlanFigures {
    /// When the plan runs.
    pub when: &'static str,
    /// Its operators.
    pub operators: Vec<OperatorFigures>,
}

/// What an operator has taken.
#[derive(Clone, Debug)]
pub struct OperatorFigures {
    /// How many operators stand above it.
    pub depth: usize,
    /// What it is, in a line.
    pub name: String,
    /// Rows given out.
    pub rows: u64,
    /// Time it computed, without the operators below.
    pub compute: Duration,
}

/// What must be kept to go on after a restart: the state between two epochs.
#[derive(Clone, Debug, Default)]
pub struct StateSnapshot {
    /// Largest watermark seen per split, microseconds.
    pub split_watermarks_us: BTreeMap<SplitId, i64>,
    /// The query's watermark: never lower after a restart.
    pub watermark_us: Option<i64>,
    /// Open panes: one batch of (group columns ++ state columns) each.
    pub panes: Vec<PaneState>,
    /// What of open panes is on disk; the files of a pane stand in order.
    pub spilled: Vec<SpilledState>,
}

/// One pane's state.
#[derive(Clone, Debug)]
pub struct PaneState {
    /// The aggregation it belongs to: 0 is the one over the stream's rows, 1 the one over its result; one above the last are the keys that
    /// EMIT … FILL fills windows with, and the pane is the window told last.
    pub stage: usize,
    /// Start of the pane, microseconds.
    pub start_us: i64,
    /// End of the pane's last window, microseconds: the pane goes when the watermark reaches it.
    pub end_us: i64,
    /// Group columns ++ state columns.
    pub state: Arc<RecordBatch>,
}

/// A file of the state of a pane that memory does not hold.
#[derive(Clone, Debug)]
pub struct SpilledState {
    /// As in [`PaneState`].
    pub stage: usize,
    /// Start of the pane, microseconds.
    pub start_us: i64,
    /// End of the pane's last window, microseconds.
    pub end_us: i64,
    /// States in the order they came: group columns ++ state columns ++ the row's number.
    pub file: Arc<StateFile>,
}
