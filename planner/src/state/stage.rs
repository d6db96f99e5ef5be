//! What one aggregation keeps between epochs: the panes of its windows, or its sessions.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray},
    record_batch::RecordBatchOptions,
};

use super::{
    groups::Groups,
    panes::Panes,
    sessions::Sessions,
    spilled::{Scratch, other_query},
};
use crate::{
    PaneState, SpilledState, StateSnapshot, error::Result, streaming::Stage, windows::Windows,
};

/// Rows of windows that closed.
pub(crate) struct WindowRows {
    /// Start of each row's window.
    pub(crate) starts: ArrayRef,
    /// Group columns ++ results.
    pub(crate) rows: RecordBatch,
}

impl WindowRows {
    /// The results of some groups, of which each is of the window that starts at `starts`.
    pub(crate) fn new(stage: &Stage, groups: Groups, starts: ArrayRef) -> Result<Self> {
        let mut columns = groups.into_results()?;
        let count = columns.first().map_or(0, |column| column.len());
        // Aggregates of our own, the times of sessions, are the last.
        columns.truncate(stage.result_schema.fields().len());
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let schema = Arc::clone(&stage.result_schema);
        let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(Self { starts, rows })
    }
}

/// What a stage keeps between epochs.
pub(crate) enum StageState {
    Panes(Panes),
    Sessions(Box<Sessions>),
}

impl StageState {
    pub(crate) fn new(stage: &Stage) -> Result<Self> {
        Ok(match stage.windows {
            Windows::Session { gap_us, max_us } => {
                Self::Sessions(Box::new(Sessions::new(stage, gap_us, max_us)?))
            }
            _ => Self::Panes(Panes::default()),
        })
    }

    /// Takes in a pane that was on disk, or a part of one, in order.
    pub(crate) fn restore_spilled(
        &mut self,
        stage: &Stage,
        state: &SpilledState,
        scratch: &Scratch,
    ) -> Result<()> {
        match self {
            Self::Panes(panes) => panes.restore_spilled(stage, state, scratch),
            Self::Sessions(sessions) => sessions.restore_spilled(stage, &state.file),
        }
    }

    pub(crate) fn restore(&mut self, stage: &Stage, state: &PaneState) -> Result<()> {
        let fits = state.state.num_columns() == stage.state_schema.fields().len()
            && state
                .state
                .schema()
                .fields()
                .iter()
                .zip(stage.state_schema.fields())
                .all(|(saved, ours)| saved.data_type() == ours.data_type());
        if !fits {
            return Err(other_query());
        }
        match self {
            Self::Panes(panes) => panes.restore(state),
            Self::Sessions(sessions) => sessions.restore(stage, &state.state),
        }
    }

    /// What a checkpoint keeps.
    pub(crate) fn snapshot(
        &mut self,
        number: usize,
        stage: &Stage,
        scratch: &Scratch,
        snapshot: &mut StateSnapshot,
    ) -> Result<()> {
        match self {
            Self::Panes(panes) => panes.snapshot(number, stage, snapshot),
            Self::Sessions(sessions) => sessions.snapshot(number, stage, scratch, snapshot),
        }
    }

    /// How many panes, or sessions, are open.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Panes(panes) => panes.len(),
            Self::Sessions(sessions) => sessions.len(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Panes(panes) => panes.bytes(),
            Self::Sessions(sessions) => sessions.bytes(),
        }
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        match self {
            Self::Panes(panes) => panes.disk_bytes(),
            Self::Sessions(sessions) => sessions.disk_bytes(),
        }
    }

    /// Lets go of what is only kept to be told sooner, then puts panes on disk, those first that rows have not come for the longest, until
    /// `excess` bytes are free; of sessions everything. Gives the bytes that it freed.
    pub(crate) fn shed(
        &mut self,
        stage: &Stage,
        excess: usize,
        scratch: &Scratch,
    ) -> Result<usize> {
        match self {
            Self::Panes(panes) => panes.shed(stage, excess, scratch),
            Self::Sessions(sessions) => sessions.shed(stage, scratch),
        }
    }

    /// Merges partial states.
    pub(crate) fn merge(&mut self, stage: &Stage, states: &RecordBatch) -> Result<()> {
        match self {
            Self::Panes(panes) => panes.merge(stage, states),
            Self::Sessions(sessions) => sessions.merge(stage, states),
        }
    }

    /// After an epoch's last merge, given the watermark before it.
    pub(crate) fn settle(&mut self, stage: &Stage, closed: Option<i64>) -> Result<()> {
        match self {
            Self::Panes(_) => Ok(()),
            // Partial states of sessions are kept as they came.
            Self::Sessions(sessions) => sessions.settle(stage, closed),
        }
    }

    /// The watermark at which the next window closes, given that it was at `closed`.
    pub(crate) fn next_end(&self, stage: &Stage, closed: Option<i64>) -> Option<i64> {
        match self {
            Self::Panes(panes) => panes.next_end(stage, closed),
            Self::Sessions(sessions) => sessions.next_end(),
        }
    }

    /// The rows of every window that the watermark reached since it was at `closed`, in the order of their ends.
    pub(crate) fn close(
        &mut self,
        stage: &Stage,
        closed: Option<i64>,
        watermark: i64,
    ) -> Result<Vec<WindowRows>> {
        match self {
            Self::Panes(panes) => panes.close(stage, closed, watermark),
            Self::Sessions(sessions) => sessions.close(stage, watermark),
        }
    }

    /// The rows of every open window, `below` merged in, as they would be if it closed now.
    pub(crate) fn peek(
        &mut self,
        stage: &Stage,
        closed: Option<i64>,
        below: &[RecordBatch],
    ) -> Result<Vec<WindowRows>> {
        if below.is_empty() {
            return match self {
                Self::Panes(panes) => panes.peek(stage, closed),
                Self::Sessions(sessions) => sessions.peek(stage),
            };
        }
        let mut copy = match self {
            Self::Panes(panes) => Self::Panes(panes.copy(stage)?),
            Self::Sessions(sessions) => Self::Sessions(Box::new(sessions.copy(stage)?)),
        };
        for states in below {
            copy.merge(stage, states)?;
        }
        match &mut copy {
            Self::Panes(panes) => panes.peek(stage, closed),
            Self::Sessions(sessions) => sessions.peek(stage),
        }
    }
}

/// The rows of one window.
pub(super) fn window_rows(
    stage: &Stage,
    groups: Groups,
    window: &Range<i64>,
) -> Result<WindowRows> {
    let count = groups.len();
    WindowRows::new(stage, groups, constant(window.start, count))
}

/// The same moment, `count` times.
pub(super) fn constant(value: i64, count: usize) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_value(value, count).with_timezone("UTC"))
}
