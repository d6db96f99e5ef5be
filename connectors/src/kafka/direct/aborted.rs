//! Which batches of an answer were written by transactions that were aborted.
//!
//! A broker sends them along with the rest, up to the first offset that is not decided yet, and beside them a list of the aborted
//! transactions with the offset at which each begins. One ends at its marker.

use std::collections::{BTreeSet, VecDeque};

use super::batches::Batch;

/// The aborted transactions of one partition's part of an answer.
#[derive(Debug, Default)]
pub(super) struct Aborted {
    /// First offsets and producers of those that have not begun yet.
    ahead: VecDeque<(i64, i64)>,
    open: BTreeSet<i64>,
}

impl Aborted {
    /// From pairs of first offset and producer, in any order.
    pub(super) fn new(mut transactions: Vec<(i64, i64)>) -> Self {
        transactions.sort_unstable();
        Self {
            ahead: transactions.into(),
            open: BTreeSet::new(),
        }
    }

    /// Whether nobody should see the batch: markers, and what was aborted. Batches are asked about in their order.
    pub(super) fn hides(&mut self, batch: &Batch<'_>) -> bool {
        while let Some((_, producer)) = self
            .ahead
            .pop_front_if(|(first, _)| *first <= batch.last_offset)
        {
            self.open.insert(producer);
        }
        if batch.is_control() {
            if batch.aborts() {
                self.open.remove(&batch.producer_id);
            }
            return true;
        }
        batch.is_transactional() && self.open.contains(&batch.producer_id)
    }
}
