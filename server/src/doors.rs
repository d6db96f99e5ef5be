//! The doors people and tools come in by. Each carries statements to a [`crate::session::Session`] and answers back; none plans or parses.

pub mod flight;
pub mod http;
