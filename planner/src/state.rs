//! What a continuous query keeps between epochs, and how an epoch changes it.
//!
//! State is kept per pane: the groups of one window with an accumulator per aggregate. The engine's accumulators can be emptied but not
//! looked into, so a pane that must be shown or saved is emptied into a batch and filled again from it; the batch is kept until the pane
//! changes, so that what did not change costs nothing.

mod groups;
mod pane;
mod query;
mod rejects;
mod run;
mod watermark;

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

pub use query::ContinuousQuery;
