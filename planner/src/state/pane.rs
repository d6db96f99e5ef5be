//! One pane's state.

use std::{ops::Range, sync::Arc};

use arrow::array::{ArrayRef, RecordBatch};

use super::{
    groups::Groups,
    long::long,
    spilled::{self, Scratch, Source, Spilled},
    stage::{WindowRows, window_rows},
};
use crate::{
    error::{PlanError, Result},
    streaming::Stage,
};

/// One pane's groups, the batch they were last saved as, or their states on disk: always at least one of the three, and disk alone.
#[derive(Default)]
pub(crate) struct Pane {
    /// Accumulators, as long as rows come; a pane that was saved has none until the next.
    groups: Option<Groups>,
    /// The state as a batch, as long as it is true.
    saved: Option<Arc<RecordBatch>>,
    /// The state of a pane that memory does not hold.
    spilled: Option<Spilled>,
    /// The rows its window would give now, as long as they are true and the pane is a window.
    pub(crate) live: Option<Vec<RecordBatch>>,
    /// When rows last came for it.
    pub(crate) touched: u64,
}

impl Pane {
    /// A pane as it was saved.
    pub(crate) fn restore(state: Arc<RecordBatch>) -> Self {
        Self {
            saved: Some(state),
            ..Self::default()
        }
    }

    /// A pane on disk.
    pub(crate) fn on_disk(spilled: Spilled) -> Self {
        Self {
            spilled: Some(spilled),
            ..Self::default()
        }
    }

    /// Merges a batch of partial states.
    pub(crate) fn merge(&mut self, stage: &Stage, states: &[ArrayRef]) -> Result<()> {
        self.live = None;
        if let Some(spilled) = &mut self.spilled {
            return spilled.append(stage, states);
        }
        let groups = self.groups(stage)?;
        groups.merge(states)?;
        self.saved = None;
        Ok(())
    }

    fn groups(&mut self, stage: &Stage) -> Result<&mut Groups> {
        let groups = match self.groups.take() {
            Some(groups) => groups,
            None => self.loaded(stage)?,
        };
        Ok(self.groups.insert(groups))
    }

    /// Fresh accumulators with what was saved.
    fn loaded(&self, stage: &Stage) -> Result<Groups> {
        let mut groups = Groups::new(stage)?;
        if let Some(saved) = &self.saved {
            long(saved.num_rows(), || groups.merge(saved.columns()))?;
        }
        Ok(groups)
    }

    /// The state of a pane in memory as a batch. The accumulators are emptied into it, and filled again when a row comes.
    pub(crate) fn save(&mut self, stage: &Stage) -> Result<Arc<RecordBatch>> {
        if let Some(saved) = &self.saved {
            return Ok(Arc::clone(saved));
        }
        if self.spilled.is_some() {
            return Err(PlanError::internal(
                "a pane on disk was taken for one in memory",
            ));
        }
        let groups = match self.groups.take() {
            Some(groups) => groups,
            None => Groups::new(stage)?,
        };
        let state = long(groups.len(), || groups.into_state(&stage.state_schema))?;
        let saved = Arc::new(state);
        self.saved = Some(Arc::clone(&saved));
        Ok(saved)
    }

    /// What it is on disk, if it is.
    pub(crate) fn spilled(&mut self) -> Option<&mut Spilled> {
        self.spilled.as_mut()
    }

    /// Puts it on disk.
    pub(crate) fn spill(&mut self, stage: &Stage, scratch: &Scratch) -> Result<()> {
        let state = self.save(stage)?;
        let scratch = scratch.clone();
        let spilled = long(state.num_rows(), || Spilled::of(stage, &state, scratch))?;
        self.spilled = Some(spilled);
        self.saved = None;
        self.live = None;
        Ok(())
    }

    /// What is needed of it for the rows of a window.
    pub(crate) fn source(&mut self, stage: &Stage) -> Result<Source<'_>> {
        match self.spilled {
            Some(ref mut spilled) => Source::disk(stage, spilled),
            None => Source::memory(stage, self.save(stage)?),
        }
    }

    /// The rows of the window it is; it has ended.
    pub(crate) fn into_rows(self, stage: &Stage, window: &Range<i64>) -> Result<Vec<WindowRows>> {
        if let Some(mut spilled) = self.spilled {
            let source = Source::disk(stage, &mut spilled)?;
            return long(usize::MAX, || spilled::rows(stage, window, &[source]));
        }
        let groups = match self.groups {
            Some(groups) => groups,
            None => self.loaded(stage)?,
        };
        let rows = long(groups.len(), || window_rows(stage, groups, window))?;
        Ok(vec![rows])
    }

    /// The rows of the window it is, which stays open.
    pub(crate) fn rows_now(
        &mut self,
        stage: &Stage,
        window: &Range<i64>,
    ) -> Result<Vec<WindowRows>> {
        match &self.spilled {
            Some(spilled) => Self::on_disk(spilled.clone()),
            None => Self::restore(self.save(stage)?),
        }
        .into_rows(stage, window)
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
        let spilled = self.spilled.as_ref().map_or(0, Spilled::bytes);
        self.groups.as_ref().map_or(0, Groups::bytes) + saved + live + spilled
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.spilled.as_ref().map_or(0, Spilled::disk_bytes)
    }
}
