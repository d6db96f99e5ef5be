//! The outside world to and from record batches.
//!
//! A [`source::Source`] gives decoded rows by split and offset; a Delta table takes files and commits and gives snapshots. This crate
//! is a leaf: it knows Arrow, brokers and stores, and nothing of SQL, queries or epochs.

pub mod delta;
pub mod error;
pub mod failpoint;
pub mod format;
pub mod generator;
pub mod kafka;
pub mod registry;
pub mod source;
pub mod store;

pub use registry::{open_source, resolve_options};
