//! One window's state.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, TimestampMicrosecondArray},
    record_batch::RecordBatchOptions,
};

use super::groups::Groups;
use crate::{PaneState, error::Result, streaming::Program};

/// One window's groups, and the batch they were last saved as.
pub(crate) struct Pane {
    window: Range<i64>,
    groups: Groups,
    /// The state as a batch, as long as it is still true.
    saved: Option<Arc<RecordBatch>>,
    /// The rows the window would give now, as long as they are still true.
    pub(crate) live: Option<Vec<RecordBatch>>,
}

impl Pane {
    pub(crate) fn new(program: &Program, window: Range<i64>) -> Result<Self> {
        Ok(Self {
            window,
            groups: Groups::new(program)?,
            saved: None,
            live: None,
        })
    }

    /// A pane as it was saved.
    pub(crate) fn restore(program: &Program, state: &PaneState) -> Result<Self> {
        let mut pane = Self::new(program, state.start_us..state.end_us)?;
        pane.groups
            .merge(program.group_schema.fields().len(), state.state.columns())?;
        pane.saved = Some(Arc::clone(&state.state));
        Ok(pane)
    }

    /// Merges a batch of partial states.
    pub(crate) fn merge(&mut self, program: &Program, states: &[ArrayRef]) -> Result<()> {
        self.saved = None;
        self.live = None;
        self.groups
            .merge(program.group_schema.fields().len(), states)
    }

    /// The state as a batch. The groups go through it: emptied into the batch, filled from it.
    pub(crate) fn save(&mut self, program: &Program) -> Result<Arc<RecordBatch>> {
        if let Some(saved) = &self.saved {
            return Ok(Arc::clone(saved));
        }
        let groups = std::mem::replace(&mut self.groups, Groups::new(program)?);
        let saved = Arc::new(groups.into_state(&program.state_schema)?);
        self.groups
            .merge(program.group_schema.fields().len(), saved.columns())?;
        self.saved = Some(Arc::clone(&saved));
        Ok(saved)
    }

    /// What a checkpoint keeps.
    pub(crate) fn snapshot(&mut self, program: &Program) -> Result<PaneState> {
        Ok(PaneState {
            start_us: self.window.start,
            end_us: self.window.end,
            state: self.save(program)?,
        })
    }

    /// The pane's rows as they are now, without ending it.
    pub(crate) fn peek(&mut self, program: &Program) -> Result<RecordBatch> {
        let saved = self.save(program)?;
        let mut copy = Groups::new(program)?;
        copy.merge(program.group_schema.fields().len(), saved.columns())?;
        rows(program, copy, self.window.start)
    }

    /// The pane's rows; it has closed.
    pub(crate) fn close(self, program: &Program) -> Result<RecordBatch> {
        rows(program, self.groups, self.window.start)
    }

    pub(crate) fn bytes(&self) -> usize {
        let saved = self
            .saved
            .as_ref()
            .map_or(0, |batch| batch.get_array_memory_size());
        let live: usize = self
            .live
            .iter()
            .flatten()
            .map(RecordBatch::get_array_memory_size)
            .sum();
        self.groups.bytes() + saved + live
    }
}

/// Group columns ++ results ++ window.
fn rows(program: &Program, groups: Groups, start_us: i64) -> Result<RecordBatch> {
    let mut columns = groups.into_results()?;
    let count = columns.first().map_or(0, |column| column.len());
    columns.push(Arc::new(
        TimestampMicrosecondArray::from_value(start_us, count).with_timezone("UTC"),
    ));
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(&program.pane_schema),
        columns,
        &options,
    )?)
}
