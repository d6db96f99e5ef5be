//! What a continuous query keeps between epochs, and how an epoch changes it.
//!
//! State is kept per pane: the groups of a stretch of time whose rows are all in the same windows, with an accumulator per aggregate. The
//! engine's accumulators can be emptied but not looked into, so a pane that must be shown, saved or merged into a window is emptied into a
//! batch; the batch stands for the pane until rows come for it, so that what does not change costs nothing.

mod aside;
mod fill;
mod foresight;
mod groups;
mod integers;
mod live;
mod long;
mod memory;
mod pane;
mod panes;
mod query;
mod rejects;
mod run;
mod sessions;
mod spilled;
mod stage;
mod watermark;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

pub use query::ContinuousQuery;
pub use spilled::StateFile;
