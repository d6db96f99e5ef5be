//! Statements to continuous plans: binding, streaming rewrite, incremental operators and their state.
//!
//! # The way of a query
//! 1. [`binding`]: the server registers streams as [`StreamTable`]s and plans every statement through [`logical_plan`] in a session of
//!    [`new_session_state`]; an ad-hoc query goes on from there in the stock engine.
//! 2. [`streaming`]: [`plan_continuous`] takes a query over a stream, refuses what cannot be kept up to date with bounded state, and
//!    builds a [`ContinuousPlan`]: once, when the query starts.
//! 3. [`state`]: [`ContinuousPlan::start`] gives a [`ContinuousQuery`], which turns one [`EpochInput`] after the other into
//!    [`EpochOutput`]s and holds the open panes in between.
//!
//! An epoch is a bounded run of stock operators over the rows that came since the last one, with three operators of ours between them
//! ([`operators`]). Nothing here looks at a clock, a random number or the order in which threads finish.

pub mod api;
pub mod binding;
mod bounds;
pub mod error;
pub mod functions;
pub mod logical;
pub mod operators;
pub mod state;
pub mod streaming;
pub mod windows;

#[cfg(test)]
mod testing;

pub use api::*;
pub use binding::{
    AsOf, SqlTypes, StreamPeek, StreamTable, WHOLE_ROW, arrow_type, bound_plan, declared_field,
    expose_metadata, keep_sketches, logical_plan, new_session_state, parse_expr, session_config,
    sql_type,
};
pub use error::{PlanError, PlanErrorKind, Result, Reworded, reworded};
pub use state::{ContinuousQuery, StateFile};
pub use streaming::{ContinuousPlan, Sealing, StreamRead, check_watermark, plan_continuous};
