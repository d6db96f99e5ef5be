//! What is due at a table: a pure decision.

use std::time::Duration;

use sluice_connectors::delta::{Checkpoint, next_checkpoint};

#[cfg(test)]
mod tests;

/// After a start, files are looked through only when everything else has come to rest.
const FIRST_VACUUM_US: i64 = 60_000_000;

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3_600_000_000;
const FIRST_RETRY_US: i64 = 5_000_000;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Task {
    /// Small files into large ones.
    Compact,
    /// A checkpoint of the log, and old entries go.
    Checkpoint,
    /// Files that no version needs go.
    Vacuum,
}

impl Task {
    /// Every kind.
    pub(super) const ALL: [Self; 3] = [Self::Compact, Self::Checkpoint, Self::Vacuum];

    /// As `system.maintenance` shows it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Checkpoint => "checkpoint",
            Self::Vacuum => "vacuum",
        }
    }
}

/// What is known of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) now_us: i64,
    /// Merges that its files call for.
    pub(super) merges: usize,
    /// No merge before this: the last one failed.
    pub(super) merge_after_us: Option<i64>,
    pub(super) version: i64,
    /// The newest checkpoint.
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) checkpoint_after_us: Option<i64>,
    pub(super) vacuum_at_us: Option<i64>,
}

/// What is to be done now, in this order.
pub(super) fn due(facts: &Facts) -> Vec<Task> {
    let may = |after_us: Option<i64>| after_us.is_none_or(|after_us| facts.now_us >= after_us);
    let mut tasks = Vec::new();
    if facts.merges > 0 && may(facts.merge_after_us) {
        tasks.push(Task::Compact);
    }
    if facts.version >= next_checkpoint(facts.checkpoint) && may(facts.checkpoint_after_us) {
        tasks.push(Task::Checkpoint);
    }
    if facts
        .vacuum_at_us
        .is_some_and(|at_us| facts.now_us >= at_us)
    {
        tasks.push(Task::Vacuum);
    }
    tasks
}

/// How long to wait after so many failures: from five seconds to an hour.
pub(super) fn backoff_us(failures: u32) -> i64 {
    let doubled = FIRST_RETRY_US.saturating_mul(1 << failures.saturating_sub(1).min(20));
    doubled.min(HOUR_US)
}

/// How often files are looked through: four times within the retention, every day at least; every hour at most, or once within a retention
/// that is shorter.
pub(super) fn vacuum_every_us(retention: Duration) -> i64 {
    let retention_us = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
    let least_us = retention_us.clamp(SECOND_US, HOUR_US);
    (retention_us / 4).clamp(least_us, 24 * HOUR_US)
}

/// When files are first looked through after a start.
pub(super) fn first_vacuum_us(retention: Duration) -> i64 {
    vacuum_every_us(retention).min(FIRST_VACUUM_US)
}
