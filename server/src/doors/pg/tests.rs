//! The door as a client sees it: a real listener on loopback, a real driver, and bytes by hand where a driver is too polite.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod catalog;
mod client;
mod decoder;
mod fixture;
mod limits;
mod malformed;
mod parameters;
mod protocol;
mod raw;
mod stopping;
mod values;
