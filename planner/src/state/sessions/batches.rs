//! Batches of partial states, each kept as long as one of its states is of an open session.

use std::{collections::BTreeMap, ops::Range};

use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    compute::interleave,
};

use super::{columns::times, session::StateRef};
use crate::error::{PlanError, Result};

/// Batches of partial states, and how many of their rows are of open sessions.
#[derive(Default)]
pub(super) struct Batches {
    kept: BTreeMap<u64, (RecordBatch, usize)>,
    next: u64,
}

impl Batches {
    /// Keeps a batch, all of whose states are needed; gives its number.
    pub(super) fn add(&mut self, states: RecordBatch) -> u64 {
        let number = self.next;
        self.next += 1;
        let count = states.num_rows();
        self.kept.insert(number, (states, count));
        number
    }

    /// How many states are needed.
    pub(super) fn len(&self) -> usize {
        self.kept.values().map(|(_, used)| used).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        let batches = self.kept.values();
        batches
            .map(|(batch, _)| batch.get_array_memory_size())
            .sum()
    }

    /// Time of the first row of a partial state.
    pub(super) fn first(&self, (number, row): StateRef) -> Result<i64> {
        let (batch, _) = self.kept.get(&number).ok_or_else(lost)?;
        let (firsts, _) = times(batch)?;
        firsts.values().get(row).copied().ok_or_else(lost)
    }

    /// Some columns of these partial states.
    pub(super) fn gather(
        &self,
        states: &[StateRef],
        columns: Range<usize>,
    ) -> Result<Vec<ArrayRef>> {
        let places: BTreeMap<u64, usize> = self
            .kept
            .keys()
            .enumerate()
            .map(|(place, number)| (*number, place))
            .collect();
        let indices = states
            .iter()
            .map(|(number, row)| Some((*places.get(number)?, *row)))
            .collect::<Option<Vec<(usize, usize)>>>()
            .ok_or_else(lost)?;
        columns
            .map(|column| {
                let sources: Vec<&dyn Array> = self
                    .kept
                    .values()
                    .filter_map(|(batch, _)| batch.columns().get(column))
                    .map(AsRef::as_ref)
                    .collect();
                Ok(interleave(&sources, &indices)?)
            })
            .collect()
    }

    /// Lets go of partial states; a batch that nobody needs goes.
    pub(super) fn release(&mut self, states: &[StateRef]) {
        for (number, _) in states {
            let Some((_, used)) = self.kept.get_mut(number) else {
                continue;
            };
            *used = used.saturating_sub(1);
            if *used == 0 {
                self.kept.remove(number);
            }
        }
    }
}

fn lost() -> PlanError {
    PlanError::internal("a session lost its state")
}
