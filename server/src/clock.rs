//! The clock, handed down: nothing below the engine asks the operating system for the time, so that a test can own it.

use std::{
    fmt::Debug,
    time::{SystemTime, UNIX_EPOCH},
};

/// A source of wall-clock time.
pub trait Clock: Debug + Send + Sync {
    /// Microseconds since the Unix epoch.
    fn now_us(&self) -> i64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        // A clock before 1970 is a broken clock; zero keeps time rules harmless until it is set.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
            })
    }
}

/// `2026-11-22T17:00:00.123456Z`, the form of every timestamp we print or store as text.
pub fn rfc3339(us: i64) -> String {
    chrono::DateTime::from_timestamp_micros(us).map_or_else(
        || us.to_string(),
        |time| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
    )
}
