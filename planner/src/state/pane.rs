//! One pane's state.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};

use super::groups::Groups;
use crate::{error::Result, streaming::Stage};

/// One pane's groups, and the batch they were last saved as: always at least one of the two.
#[derive(Default)]
pub(crate) struct Pane {
    /// Accumulators, as long as rows come; a pane that was saved has none until the next.
    groups: Option<Groups>,
    /// The state as a batch, as long as it is true.
    saved: Option<Arc<RecordBatch>>,
    /// The rows its window would give now, as long as they are true and the pane is a window.
    pub(crate) live: Option<Vec<RecordBatch>>,
}

impl Pane {
    /// A pane as it was saved.
    pub(crate) fn restore(state: Arc<RecordBatch>) -> Self {
        Self {
            saved: Some(state),
            ..Self::default()
        }
    }

    /// Merges a batch of partial states.
    pub(crate) fn merge(&mut self, stage: &Stage, states: &[ArrayRef]) -> Result<()> {
        self.live = None;
        let groups = self.groups(stage)?;
        groups.merge(stage, states)?;
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
            groups.merge(stage, saved.columns())?;
        }
        Ok(groups)
    }

    /// The state as a batch. The accumulators are emptied into it, and filled again when a row comes.
    pub(crate) fn save(&mut self, stage: &Stage) -> Result<Arc<RecordBatch>> {
        if let Some(saved) = &self.saved {
            return Ok(Arc::clone(saved));
        }
        let groups = match self.groups.take() {
            Some(groups) => groups,
            None => Groups::new(stage)?,
        };
        let saved = Arc::new(groups.into_state(&stage.state_schema)?);
        self.saved = Some(Arc::clone(&saved));
        Ok(saved)
    }

    /// The accumulators; the pane has ended.
    pub(crate) fn into_groups(self, stage: &Stage) -> Result<Groups> {
        match self.groups {
            Some(groups) => Ok(groups),
            None => self.loaded(stage),
        }
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
        self.groups.as_ref().map_or(0, Groups::bytes) + saved + live
    }
}
