//! How much of the streams' threads subscriptions may take: a small share of the time, a little of it at once.
//!
//! Rows that were just closed are filtered where their connection is served, or a busy machine would keep them back. What that costs is
//! known afterwards; whoever has had more than its share lets the threads of ad-hoc queries do the next.

use std::time::{Duration, Instant};

/// What may be taken before it has to be waited for, as time in which it is allowed.
const AHEAD: Duration = Duration::from_secs(1);

/// A share of a thread's time: one part in so many.
#[derive(Debug)]
pub(crate) struct Allowance {
    one_in: u32,
    /// All that was taken was allowed by then.
    paid: Option<Instant>,
}

impl Allowance {
    /// For one subscription.
    pub(crate) fn of_one() -> Self {
        Self::new(20)
    }

    /// For all of them together.
    pub(crate) fn of_all() -> Self {
        Self::new(4)
    }

    fn new(one_in: u32) -> Self {
        Self { one_in, paid: None }
    }

    /// Whether something more may be taken.
    pub(crate) fn allows(&self, now: Instant) -> bool {
        let paid = self.paid;
        paid.is_none_or(|paid| paid.saturating_duration_since(now) <= AHEAD)
    }

    /// Notes what was taken.
    pub(crate) fn take(&mut self, now: Instant, took: Duration) {
        let from = self.paid.map_or(now, |paid| paid.max(now));
        self.paid = Some(from + took * self.one_in);
    }
}

#[cfg(test)]
mod tests;
