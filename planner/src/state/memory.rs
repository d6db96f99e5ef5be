//! How much memory the state of a query may take, and what happens beyond.

use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};

use super::{query::ContinuousQuery, spilled::Scratch};
use crate::{
    error::{PlanError, PlanErrorKind, Result},
    streaming::Program,
};

/// A pane that goes to disk is there twice for a moment, so panes go when this part of the limit is taken.
const SPILL_AT: usize = 2;

/// States that came for panes on disk wait in memory up to this part of the limit.
const PENDING: usize = 16;

/// The memory of a query's state.
#[derive(Debug)]
pub(super) struct StateMemory {
    limit: usize,
    spill_above: usize,
    pub(super) scratch: Scratch,
    reservation: MemoryReservation,
}

impl StateMemory {
    pub(super) fn new(program: &Program, limit: usize) -> Self {
        let pool = &program.runtime.memory_pool;
        let scratch = Scratch {
            disk: Arc::clone(&program.runtime.disk_manager),
            pending_bytes: limit / PENDING,
        };
        Self {
            limit,
            spill_above: limit / SPILL_AT,
            scratch,
            reservation: MemoryConsumer::new("state").register(pool),
        }
    }
}

impl ContinuousQuery {
    /// Panes go to disk where the state takes more than so many bytes, and nothing is refused.
    #[cfg(test)]
    pub(crate) fn spill_above(&mut self, bytes: usize) {
        self.memory.spill_above = bytes;
        self.memory.scratch.pending_bytes = bytes / PENDING;
    }

    /// Keeps the state within its limit: panes go to disk, and where that is not enough, this fails.
    pub(super) fn fit(&mut self) -> Result<()> {
        let mut bytes = self.state_bytes();
        if bytes > self.memory.spill_above {
            let mut excess = bytes - self.memory.spill_above / 2;
            for (stage, (_, kept)) in self.program.stages.iter().zip(&mut self.stages) {
                let freed = kept.shed(stage, excess, &self.memory.scratch)?;
                excess = excess.saturating_sub(freed);
                if excess == 0 {
                    break;
                }
            }
            bytes = self.state_bytes();
        }
        self.memory.reservation.resize(bytes);
        if bytes <= self.memory.limit {
            return Ok(());
        }
        let error = PlanError::new(
            PlanErrorKind::Resources,
            format!(
                "the state of the query takes {}, and state_memory is {}",
                mebibytes(bytes),
                mebibytes(self.memory.limit)
            ),
        )
        .detail("panes and the states of sessions are put on disk when they are many; what finds the sessions there (some 270 bytes each, and its key) and what waits to be written are not")
        .hint("drop the table and create it again WITH more (state_memory = '…'), or with shorter windows or fewer groups");
        Err(error)
    }
}

fn mebibytes(bytes: usize) -> String {
    match bytes >> 20 {
        0 => format!("{} kB", bytes >> 10),
        mebibytes => format!("{mebibytes} MB"),
    }
}
