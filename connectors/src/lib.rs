//! The outside world to and from record batches.
//!
//! A [`source::Source`] gives decoded rows by split and offset; a Delta table takes files and commits and gives snapshots. This crate
//! is a leaf: it knows Arrow, brokers and stores, and nothing of SQL, queries or epochs.

pub mod error;
pub mod format;
pub mod kafka;
pub mod registry;
pub mod source;

pub use registry::open_source;
