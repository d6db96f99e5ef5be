//! The streaming rewrite: from the logical plan of a query to a plan that runs once per epoch.
//!
//! A query is cut at its aggregations into stages: everything up to and with an aggregation's partial half is a plan that runs over rows
//! (of the stream, or of the windows that the stage below closed); what stands above the last one (HAVING, projections over aggregates)
//! runs over the windows that it closed. What cannot be cut so is refused here, when the query is created, never while it runs.

mod branches;
mod carry;
mod distinct;
mod event_order;
mod explain;
mod fill;
mod fingerprint;
mod glance;
mod grouping;
mod lineage;
mod output;
mod partition;
mod physical;
mod plan;
mod program;
mod recognise;
mod refuse;
mod sealing;
mod sessions;
mod stages;
mod watermark;
mod within;

#[cfg(test)]
mod tests;

pub use plan::{ContinuousPlan, StreamRead, plan_continuous};
pub use sealing::Sealing;
pub use watermark::check_watermark;

pub(crate) use explain::duration;
pub(crate) use fill::Filling;
pub(crate) use grouping::{group_exprs, grouping_sets};
pub(crate) use lineage::{Origin, origin, plain_column};
pub(crate) use program::{Intake, Program, RejectShape, Stage};
pub(crate) use recognise::is_event_time;
