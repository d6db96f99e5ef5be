//! Batches of partial states, each kept as long as one of its states is of an open session.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    compute::interleave,
};

use super::{columns::times, session::StateRef};
use crate::error::{PlanError, Result};

/// A batch, and how many of its rows are of open sessions.
struct Batch {
    states: RecordBatch,
    needed: usize,
    bytes: usize,
}

/// Batches of partial states.
#[derive(Default)]
pub(super) struct Batches {
    kept: BTreeMap<u64, Batch>,
    next: u64,
    /// Of all of them.
    needed: usize,
    bytes: usize,
}

impl Batches {
    /// Keeps a batch, all of whose states are needed; gives its number.
    pub(super) fn add(&mut self, states: RecordBatch) -> u64 {
        let number = self.next;
        self.next += 1;
        let batch = Batch {
            needed: states.num_rows(),
            bytes: states.get_array_memory_size(),
            states,
        };
        self.needed += batch.needed;
        self.bytes += batch.bytes;
        self.kept.insert(number, batch);
        number
    }

    /// How many states are needed.
    pub(super) fn len(&self) -> usize {
        self.needed
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Time of the first row of a partial state.
    pub(super) fn first(&self, (number, row): StateRef) -> Result<i64> {
        let batch = self.kept.get(&number).ok_or_else(lost)?;
        let (firsts, _) = times(&batch.states)?;
        firsts.values().get(row).copied().ok_or_else(lost)
    }

    /// Some columns of these partial states.
    pub(super) fn gather(
        &self,
        states: &[StateRef],
        columns: Range<usize>,
    ) -> Result<Vec<ArrayRef>> {
        let wanted: BTreeSet<u64> = states.iter().map(|(number, _)| *number).collect();
        let batches: Vec<&Batch> = wanted
            .iter()
            .map(|number| self.kept.get(number))
            .collect::<Option<_>>()
            .ok_or_else(lost)?;
        let places: BTreeMap<u64, usize> = wanted.into_iter().zip(0..).collect();
        let indices = states
            .iter()
            .map(|(number, row)| Some((*places.get(number)?, *row)))
            .collect::<Option<Vec<(usize, usize)>>>()
            .ok_or_else(lost)?;
        columns
            .map(|column| {
                let sources: Vec<&dyn Array> = batches
                    .iter()
                    .filter_map(|batch| batch.states.columns().get(column))
                    .map(AsRef::as_ref)
                    .collect();
                Ok(interleave(&sources, &indices)?)
            })
            .collect()
    }

    /// Lets go of partial states; a batch that nobody needs goes.
    pub(super) fn release(&mut self, states: &[StateRef]) {
        for (number, _) in states {
            let Some(batch) = self.kept.get_mut(number) else {
                continue;
            };
            batch.needed = batch.needed.saturating_sub(1);
            self.needed = self.needed.saturating_sub(1);
            if batch.needed == 0 {
                self.bytes = self.bytes.saturating_sub(batch.bytes);
                self.kept.remove(number);
            }
        }
    }
}

fn lost() -> PlanError {
    PlanError::internal("a session lost its state")
}
