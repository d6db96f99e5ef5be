//! Logins that failed, the newest of them: when, who, from where, by which door, and why.
//!
//! The name is whatever a stranger sent, so it is cut off and the list is bounded: many tries push out older ones and cost no memory.

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use parking_lot::Mutex;

use crate::{clock::Clock, session::Door};

/// How many are kept.
const CAPACITY: usize = 1_000;
/// Characters of a name that are kept.
const NAME: usize = 64;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedLogin {
    /// When, microseconds.
    pub at_us: i64,
    /// The name that was given.
    pub user: String,
    /// Where it came from.
    pub address: IpAddr,
    /// The door.
    pub door: Door,
    /// Why it was refused.
    pub reason: String,
}

/// The newest of them.
#[derive(Clone, Debug)]
pub struct FailedLogins {
    clock: Arc<dyn Clock>,
    kept: Arc<Mutex<VecDeque<FailedLogin>>>,
}

impl FailedLogins {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            kept: Arc::default(),
        }
    }

    /// Keeps one.
    pub fn note(&self, user: &str, address: IpAddr, door: Door, reason: &str) {
        let failed = FailedLogin {
            at_us: self.clock.now_us(),
            user: user.chars().take(NAME).collect(),
            address,
            door,
            reason: reason.to_owned(),
        };
        let mut kept = self.kept.lock();
        if kept.len() == CAPACITY {
            kept.pop_front();
        }
        kept.push_back(failed);
    }

    /// Those kept, oldest first.
    pub fn all(&self) -> Vec<FailedLogin> {
        self.kept.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
