//! What failed logins cost: time, counted for each pair of user and address, for each address, and for each user.
//!
//! A pair pays most: after three failures the next try waits, doubling up to half a minute. An address pays for all the users it tries. A
//! user pays little, however many addresses try: somebody elsewhere must not be able to lock the owner out. Tries take turns: whoever waits
//! has a place in the row, so many connections at once try no more than one.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Nobody waits longer with a connection open.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Failures are forgotten after this long without another.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// Who failed that is remembered; beyond that the oldest go.
const REMEMBERED: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Pair(String, IpAddr),
    Address(IpAddr),
    User(String),
}

/// Failures that cost nothing yet, what the next costs, and the most that one costs.
const fn price(key: &Key) -> (u32, Duration, Duration) {
    match key {
        Key::Pair(..) => (3, Duration::from_millis(250), Duration::from_secs(30)),
        Key::Address(_) => (10, Duration::from_millis(250), Duration::from_secs(30)),
        Key::User(_) => (20, Duration::from_millis(50), Duration::from_secs(1)),
    }
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    /// When the next try may be made.
    next: Instant,
    last: Instant,
}

/// Failed logins.
#[derive(Debug, Default)]
pub(super) struct Backoff(Mutex<HashMap<Key, Count>>);

impl Backoff {
    /// How long a try has to wait; an error when that is too long to wait for. A try that may be made takes its turn with it.
    pub(super) fn wait(
        &self,
        user: &str,
        peer: IpAddr,
        now: Instant,
    ) -> Result<Duration, Duration> {
        let mut counts = self.0.lock();
        let keys = keys(user, peer);
        let at = keys
            .iter()
            .filter_map(|key| counts.get(key))
            .filter(|count| now.duration_since(count.last) < FORGOTTEN)
            .map(|count| count.next)
            .fold(now, Instant::max);
        let wait = at.duration_since(now);
        if wait > LONGEST_WAIT {
            return Err(wait);
        }
        for key in &keys {
            if let Some(count) = counts.get_mut(key) {
                let cost = cost(key, count.failures);
                if !cost.is_zero() {
                    count.next = at + cost;
                }
            }
        }
        Ok(wait)
    }

    /// Notes how a try went.
    pub(super) fn tried(&self, user: &str, peer: IpAddr, right: bool, now: Instant) {
        let mut counts = self.0.lock();
        let [pair, address, by_user] = keys(user, peer);
        if right {
            // Whoever knows one password must not be able to wash off the tries at others.
            counts.remove(&pair);
            return;
        }
        if counts.len() >= REMEMBERED {
            counts.retain(|_, count| now.duration_since(count.last) < FORGOTTEN);
            if counts.len() >= REMEMBERED
                && let Some(oldest) = counts.values().map(|count| count.last).min()
            {
                counts.retain(|_, count| count.last > oldest);
            }
        }
        for key in [pair, address, by_user] {
            let count = counts.entry(key.clone()).or_insert(Count {
                failures: 0,
                next: now,
                last: now,
            });
            if now.duration_since(count.last) >= FORGOTTEN {
                count.failures = 0;
            }
            count.failures = count.failures.saturating_add(1);
            count.last = now;
            count.next = count.next.max(now + cost(&key, count.failures));
        }
    }
}

/// What so many failures cost the next try.
fn cost(key: &Key, failures: u32) -> Duration {
    let (free, first, most) = price(key);
    match failures.checked_sub(free) {
        None | Some(0) => Duration::ZERO,
        Some(paid) => first.saturating_mul(1 << (paid - 1).min(16)).min(most),
    }
}

fn keys(user: &str, peer: IpAddr) -> [Key; 3] {
    let peer = network(peer);
    [
        Key::Pair(user.to_owned(), peer),
        Key::Address(peer),
        Key::User(user.to_owned()),
    ]
}

/// Whoever has one address of IPv6 has all of its network's.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests;
