//! What happened, when and to whom: the newest happenings of the process, for `system.events`.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use crate::clock::Clock;

/// Happenings kept.
const CAPACITY: usize = 10_000;

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// When, microseconds.
    pub at_us: i64,
    /// `info`, `warning` or `error`.
    pub severity: &'static str,
    /// The query, stream or table it happened to; empty for the server.
    pub subject: String,
    /// What.
    pub message: String,
}

/// The newest happenings.
#[derive(Clone, Debug)]
pub struct Events {
    clock: Arc<dyn Clock>,
    kept: Arc<Mutex<VecDeque<Event>>>,
}

impl Events {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            kept: Arc::default(),
        }
    }

    /// Tells of something that is as it should be.
    pub fn info(&self, subject: impl ToString, message: impl Into<String>) {
        let message = message.into();
        tracing::info!(subject = %subject.to_string(), "{message}");
        self.push("info", subject.to_string(), message);
    }

    /// Tells of something that a person should look at.
    pub fn warn(&self, subject: impl ToString, message: impl Into<String>) {
        let message = message.into();
        tracing::warn!(subject = %subject.to_string(), "{message}");
        self.push("warning", subject.to_string(), message);
    }

    /// Tells of something that stopped a query.
    pub fn error(&self, subject: impl ToString, message: impl Into<String>) {
        let message = message.into();
        tracing::error!(subject = %subject.to_string(), "{message}");
        self.push("error", subject.to_string(), message);
    }

    fn push(&self, severity: &'static str, subject: String, message: String) {
        let mut kept = self.kept.lock();
        if kept.len() == CAPACITY {
            kept.pop_front();
        }
        kept.push_back(Event {
            at_us: self.clock.now_us(),
            severity,
            subject,
            message,
        });
    }

    /// The happenings kept, oldest first.
    pub fn all(&self) -> Vec<Event> {
        self.kept.lock().iter().cloned().collect()
    }
}
