//! One pane's state.

use std::{ops::Range, sync::Arc};

use arrow::array::{ArrayRef, RecordBatch};

use super::{
    aside::{self, Aside},
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
/// Groups that are being made of the saved batch take its place too.
#[derive(Default)]
pub(crate) struct Pane {
    /// Accumulators, as long as rows come; a pane that was saved has none until the next.
    groups: Option<Groups>,
    /// Groups that are being made, with the states that wait for them.
    aside: Option<Aside>,
    /// The state as a batch, as long as it is true.
    saved: Option<Arc<RecordBatch>>,
    /// What that takes.
    saved_bytes: usize,
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
            saved_bytes: aside::bytes_of(state.columns()),
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
        if self.groups.is_none() && self.aside.is_none() {
            self.load(stage)?;
        }
        // From here on the batch says less than the groups do.
        self.saved = None;
        if let Some(aside) = &mut self.aside {
            aside.add(states);
            if aside.is_due() {
                self.groups = self.taken()?;
            }
            return Ok(());
        }
        match &mut self.groups {
            Some(groups) => groups.merge(states),
            None => Err(PlanError::internal("a pane has no groups")),
        }
    }

    /// Makes groups of what was saved, or begins to.
    fn load(&mut self, stage: &Stage) -> Result<()> {
        let mut groups = Groups::new(stage)?;
        if let Some(saved) = &self.saved {
            groups = match Aside::begin(groups, saved, self.saved_bytes) {
                Ok(aside) => {
                    self.aside = Some(aside);
                    return Ok(());
                }
                Err(groups) => groups,
            };
            long(saved.num_rows(), || aside::fill(&mut groups, saved))?;
        }
        self.groups = Some(groups);
        Ok(())
    }

    /// Takes the groups, if there are any or are to be.
    fn taken(&mut self) -> Result<Option<Groups>> {
        match self.aside.take() {
            Some(aside) => Ok(Some(aside.finish()?)),
            None => Ok(self.groups.take()),
        }
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
        let groups = match self.taken()? {
            Some(groups) => groups,
            None => Groups::new(stage)?,
        };
        let state = long(groups.len(), || groups.into_state(&stage.state_schema))?;
        let saved = Arc::new(state);
        self.saved_bytes = saved.get_array_memory_size();
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
    pub(crate) fn into_rows(
        mut self,
        stage: &Stage,
        window: &Range<i64>,
    ) -> Result<Vec<WindowRows>> {
        if let Some(mut spilled) = self.spilled.take() {
            let source = Source::disk(stage, &mut spilled)?;
            return long(usize::MAX, || spilled::rows(stage, window, &[source]));
        }
        let groups = match (self.taken()?, &self.saved) {
            (Some(groups), _) => groups,
            (None, saved) => {
                let mut groups = Groups::new(stage)?;
                if let Some(saved) = saved {
                    long(saved.num_rows(), || aside::fill(&mut groups, saved))?;
                }
                groups
            }
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
        let saved = self.saved.as_ref().map_or(0, |_| self.saved_bytes);
        let aside = self.aside.as_ref().map_or(0, Aside::bytes);
        let live: usize = self
            .live
            .iter()
            .flatten()
            .map(RecordBatch::get_array_memory_size)
            .sum();
        let spilled = self.spilled.as_ref().map_or(0, Spilled::bytes);
        self.groups.as_ref().map_or(0, Groups::bytes) + aside + saved + live + spilled
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.spilled.as_ref().map_or(0, Spilled::disk_bytes)
    }
}
