//! The Sluice process: catalog, jobs, epochs, commits, and the doors people come in by.
//!
//! ```text
//! doors (pg, flight, http) ──► session ──► execute (our statements) ──► engine: catalog, streams, tables
//!                                     └──► DataFusion over `table` cuts          │
//!                                          job: reader ► journal ► epoch ► tail ► commit
//! ```

pub mod access;
mod activity;
mod advisory;
#[cfg(test)]
mod allocator;
mod arithmetic;
pub mod catalog;
pub mod clock;
mod companions;
pub mod dialect;
pub mod doors;
pub mod engine;
pub mod error;
pub mod events;
mod execute;
mod job;
mod maintenance;
pub mod metrics;
pub mod options;
pub mod root;
pub mod session;
pub mod subscription;
mod system;
mod table;
mod write;
