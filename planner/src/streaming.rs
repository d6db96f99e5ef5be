//! The streaming rewrite: from the logical plan of a query to a plan that runs once per epoch.
//!
//! A query is cut in three at its one aggregation: `pre` (scan, watermark, filters, projections, window), the aggregation itself, and
//! `post` (HAVING, projections over aggregates). `pre` and the partial aggregation run over an epoch's rows; `post` runs over the panes
//! that the watermark closed. What cannot be cut so is refused here, when the query is created, never while it runs.

mod carry;
mod explain;
mod fingerprint;
mod glance;
mod lineage;
mod output;
mod partition;
mod physical;
mod plan;
mod program;
mod refuse;
mod watermark;

#[cfg(test)]
mod tests;

pub use plan::{ContinuousPlan, plan_continuous};

pub(crate) use program::{Program, RejectShape};
