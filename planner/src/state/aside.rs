//! Groups of a large pane that are made beside the epochs.
//!
//! After a restart, and after each checkpoint, a pane is a batch; the first row for it asks for its groups, and to make these of millions of
//! states takes seconds. Rows do not wait for it: a thread makes the groups, and the partial states that come meanwhile are kept as they
//! came and merged in that order when it is through. Each group so gets the same states in the same order as without the thread, and the
//! results are the same to the last bit, however long it takes.

use std::{
    sync::Arc,
    thread::{Builder, JoinHandle},
};

use arrow::array::{Array, ArrayRef, RecordBatch};

use super::{groups::Groups, long::long};
use crate::error::{PlanError, Result};

/// States from which on a thread is worth it: some tens of milliseconds.
const ASIDE_ROWS: usize = if cfg!(test) { 3 } else { 200_000 };

/// States merged at a time: what they need beside the groups stays in the processor's caches.
const STEP_ROWS: usize = 16_384;

/// States that wait take this part of the pane at most; beyond, the thread is waited for.
const WAITING_SHARE: usize = 4;

/// What is being made of a pane's saved state.
pub(super) struct Aside {
    thread: JoinHandle<Result<Groups>>,
    /// Partial states that came since, in order.
    waiting: Vec<Vec<ArrayRef>>,
    waiting_bytes: usize,
    saved_bytes: usize,
}

impl Aside {
    /// Begins, where it is worth it and there can be a thread; otherwise gives the empty groups back.
    pub(super) fn begin(
        groups: Groups,
        saved: &Arc<RecordBatch>,
        saved_bytes: usize,
    ) -> std::result::Result<Self, Groups> {
        if saved.num_rows() < ASIDE_ROWS {
            return Err(groups);
        }
        // A thread that cannot be started does not give back what it was to work on, so it gets that afterwards.
        let (give, take) = std::sync::mpsc::sync_channel::<(Groups, Arc<RecordBatch>)>(1);
        let work = move || -> Result<Groups> {
            let (mut groups, saved) = take
                .recv()
                .map_err(|_| PlanError::internal("there was no state to make groups of"))?;
            fill(&mut groups, &saved)?;
            Ok(groups)
        };
        let Ok(thread) = Builder::new().name("pane groups".into()).spawn(work) else {
            return Err(groups);
        };
        match give.send((groups, Arc::clone(saved))) {
            Ok(()) => Ok(Self {
                thread,
                waiting: Vec::new(),
                waiting_bytes: 0,
                saved_bytes,
            }),
            Err(unsent) => Err(unsent.0.0),
        }
    }

    /// Takes in a batch of partial states behind those that wait.
    pub(super) fn add(&mut self, states: &[ArrayRef]) {
        self.waiting_bytes += bytes_of(states);
        self.waiting.push(states.to_vec());
    }

    /// Whether the groups can be had at once, or should be had because too much waits.
    pub(super) fn is_due(&self) -> bool {
        self.thread.is_finished() || self.waiting_bytes > self.saved_bytes / WAITING_SHARE
    }

    /// The groups, everything merged.
    pub(super) fn finish(self) -> Result<Groups> {
        let Self {
            thread, waiting, ..
        } = self;
        let made = match thread.is_finished() {
            true => thread.join(),
            false => long(usize::MAX, || thread.join()),
        };
        let mut groups =
            made.map_err(|_| PlanError::internal("making the groups of a pane has panicked"))??;
        let rows = waiting
            .iter()
            .filter_map(|states| Some(states.first()?.len()))
            .sum();
        long(rows, || {
            waiting.iter().try_for_each(|states| groups.merge(states))
        })?;
        Ok(groups)
    }

    /// What it holds: what waits, and the groups, which will take about what the saved state does.
    pub(super) fn bytes(&self) -> usize {
        self.saved_bytes + self.waiting_bytes
    }
}

/// Merges a saved state, step by step.
pub(super) fn fill(groups: &mut Groups, saved: &RecordBatch) -> Result<()> {
    let rows = saved.num_rows();
    for start in (0..rows).step_by(STEP_ROWS) {
        let step = saved.slice(start, STEP_ROWS.min(rows - start));
        groups.merge(step.columns())?;
    }
    Ok(())
}

/// What the rows of these columns take: arrays that were read from a file share one piece of memory, and each reports all of it.
pub(super) fn bytes_of(columns: &[ArrayRef]) -> usize {
    let sizes = columns.iter().map(|column| {
        let exact = column.to_data().get_slice_memory_size();
        exact.unwrap_or_else(|_| column.get_array_memory_size())
    });
    sizes.sum()
}

#[cfg(test)]
mod tests;
