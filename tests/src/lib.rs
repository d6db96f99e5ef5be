//! The harness of the black-box tests: real counterparts, the server under test, and an independent idea of the right answer.
//!
//! # Map
//! * [`parts`]: what Sluice talks to, each installed once into the cache, started on a free loopback port, stopped by process id:
//!   Apache Kafka, psql, Python clients, Spark, object stores.
//! * [`fault_proxy`]: stands before a store, counts what is asked of it, and lets it go wrong as told.
//! * [`server`]: one `sluice serve`: start, kill, restart on the same root, log tail when something fails.
//! * [`pg`]: a blocking client over the Postgres wire with a bound on every wait.
//! * [`load`]: seeded events, and the record of what was produced; [`oracle`]: what gold must be, computed without any engine.
//! * [`job`]: the asked-for script, and gold read back through SQL.
//! * [`delta_log`]: the table's own log, read as plain files.
//!
//! # Habits
//! Nothing here knows a Sluice crate: everything goes through SQL, the wire and the files. A missing part is a failure that names it,
//! never a skip. Every wait is bounded and says what it waited for. Only processes started here are ended, by id.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "tests"))]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test harness fails by panicking, with a message"
)]

pub mod cache;
pub mod delta_log;
pub mod fault_proxy;
pub mod install;
pub mod job;
pub mod load;
pub mod oracle;
pub mod parts;
pub mod pg;
pub mod ports;
pub mod process;
pub mod server;
pub mod wait;

/// This crate's folder in the checkout that the tests run in, which need not be the one they were built in.
pub fn folder() -> std::path::PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    here.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), Into::into)
}
