//! The Sluice process: catalog, jobs, epochs, commits, and the doors people come in by.

pub mod doors;
pub mod error;
pub mod metrics;
pub mod session;
