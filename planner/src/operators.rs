//! The operators that streaming adds between stock ones: the feed at the bottom, event time, lateness, window columns, and the partial
//! aggregation.
//!
//! A plan is built once and run in every epoch, so no operator holds anything of a run: the rows come, and what was found on the way
//! goes, through the task's context. One plan can so run for several splits at the same time.

mod event_time;
mod feed;
mod late;
mod partial;
mod passed;
mod run;
mod window_columns;

pub(crate) use event_time::{EventTimeExec, WatermarkRule, is_storable};
pub(crate) use feed::{Feed, FeedExec};
pub(crate) use late::LateExec;
pub(crate) use partial::{Filtered, GroupColumn, Partial, PartialAggregateExec, accumulator};
pub(crate) use passed::PassedExec;
pub(crate) use run::{
    DeadReason, EpochRun, LateRow, ROW_COLUMN, RowOrigin, RowRef, RunBatch, WINDOW_COLUMN,
};
pub(crate) use window_columns::{WindowColumn, pane_start, window_column, windows_of};
