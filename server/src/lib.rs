//! The Sluice process: catalog, jobs, epochs, commits, and the doors people come in by.

pub mod error;
pub mod session;
