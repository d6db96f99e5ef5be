//! The black-box tests: through SQL, the wire, the command line and the files, against real counterparts.
//!
//! One binary, so that one broker serves all; one module per concern. `cargo test --workspace --test it MODULE` runs one of them.
//! They want a built `sluice` (see `sluice_tests::server::binary`) and are meant to run few at a time: `make test` does both.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking, with a message"
)]

mod advisory;
mod bad_input;
mod bad_json;
mod bad_luck;
mod broker_faults;
mod chaos;
mod cli;
mod clients;
mod copy;
mod crate_doors;
mod demo;
mod disks;
mod dml;
mod docs;
mod explain;
mod fill;
mod flight;
mod house;
mod kills;
mod lifecycle;
mod limits;
mod logins;
mod lookups;
mod main_job;
mod maintenance;
mod memory;
mod parameters;
mod places;
mod postgres;
mod rebuild;
mod refresh;
mod refusals;
mod replay;
mod rights;
mod roles;
mod secrets;
mod session_objects;
mod sessions;
mod shared_read;
mod sketches;
mod slt;
mod spark_spellings;
mod stores;
mod subscribe;
mod support;
mod transactions;
mod types;
mod under_load;
mod upkeep;
mod volume;
mod windows;
