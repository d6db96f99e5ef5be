//! Advisory locks: numbers that sessions agree on, each held by one of them, or shared by several. Migration tools take one before they begin.
//!
//! They are of this process and its memory: whoever holds one loses it with the session or the server. Hard about it: a session that waits
//! may be stopped at any moment, so it takes the lock itself, when it is its turn, and never has one given to it; and a session may end
//! while a statement of it still waits on another thread, so it is looked whether it is there under the same mutex under which locks of a
//! session that ends are let go.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::{Error, Result, SqlState};

/// Locks that a session may hold.
const MOST: usize = 10_000;

/// What is locked; the two kinds have nothing in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A bigint.
    One(i64),
    /// Two integers.
    Two(i32, i32),
}

/// Who else may hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// Nobody.
    Exclusive,
    /// Others who share it.
    Shared,
}

impl Mode {
    /// As PostgreSQL calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exclusive => "ExclusiveLock",
            Self::Shared => "ShareLock",
        }
    }

    fn conflicts(self, other: Self) -> bool {
        self == Self::Exclusive || other == Self::Exclusive
    }
}

/// How long it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Until it is let go, or the session ends.
    Session,
    /// Until the transaction ends.
    Transaction,
}

/// A lock that a session asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The session's number.
    pub(crate) pid: i32,
    pub(crate) key: Key,
    pub(crate) mode: Mode,
    pub(crate) until: Until,
}

/// A lock as others are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) pid: i32,
    pub(crate) key: Key,
    pub(crate) mode: Mode,
    /// It is held; waited for otherwise.
    pub(crate) granted: bool,
}

/// All locks of a process.
#[derive(Debug, Default)]
pub(crate) struct AdvisoryLocks {
    state: Mutex<State>,
    /// Something was let go, or is no longer waited for.
    changed: Notify,
    /// Keys that are held: who has none to let go need not look.
    held: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// Holders of each key.
    locks: BTreeMap<Key, BTreeMap<i32, Held>>,
    /// Keys that each session holds.
    by_session: BTreeMap<i32, BTreeSet<Key>>,
    /// Who waits, in the order they came.
    waiting: BTreeMap<u64, Wanted>,
    tickets: u64,
}

/// How often a session has taken a lock, which it lets go as often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    exclusive: [u32; 2],
    shared: [u32; 2],
}

impl Held {
    fn count(&mut self, mode: Mode, until: Until) -> &mut u32 {
        let counts = match mode {
            Mode::Exclusive => &mut self.exclusive,
            Mode::Shared => &mut self.shared,
        };
        let [session, transaction] = counts;
        match until {
            Until::Session => session,
            Until::Transaction => transaction,
        }
    }

    fn has(&self, mode: Mode) -> bool {
        let counts = match mode {
            Mode::Exclusive => self.exclusive,
            Mode::Shared => self.shared,
        };
        counts != [0; 2]
    }

    /// Whether another may not have it in this mode.
    fn bars(&self, mode: Mode) -> bool {
        self.has(Mode::Exclusive) || self.has(Mode::Shared) && mode == Mode::Exclusive
    }

    /// Whether it is as good as having it in this mode.
    fn covers(&self, mode: Mode) -> bool {
        self.has(Mode::Exclusive) || self.has(mode)
    }
}

impl State {
    /// Takes a lock if it is free; `ticket` is of one who has waited.
    fn take(&mut self, wanted: &Wanted, ticket: Option<u64>) -> Result<bool> {
        let own = self
            .locks
            .get(&wanted.key)
            .and_then(|holders| holders.get(&wanted.pid));
        let covered = own.is_some_and(|own| own.covers(wanted.mode));
        if !covered && !self.in_the_way(wanted, ticket).is_empty() {
            return Ok(false);
        }
        let keys = self.by_session.entry(wanted.pid).or_default();
        if keys.len() >= MOST && !keys.contains(&wanted.key) {
            return Err(
                Error::user(SqlState::OutOfMemory, "out of shared memory").with_hint(format!(
                    "A session may hold {MOST} advisory locks; pg_advisory_unlock_all() lets them go."
                )),
            );
        }
        keys.insert(wanted.key);
        let holders = self.locks.entry(wanted.key).or_default();
        let held = holders.entry(wanted.pid).or_default();
        let count = held.count(wanted.mode, wanted.until);
        *count = count.saturating_add(1);
        Ok(true)
    }

    /// Sessions that one who wants a lock has to wait for: those who hold it, and those who came before, unless these wait for that one.
    fn in_the_way(&self, wanted: &Wanted, ticket: Option<u64>) -> Vec<i32> {
        let holders = self.locks.get(&wanted.key);
        let holds = holders.is_some_and(|holders| holders.contains_key(&wanted.pid));
        let bars = holders.into_iter().flatten();
        let bars = bars.filter(|(pid, held)| **pid != wanted.pid && held.bars(wanted.mode));
        let ahead = self.waiting.range(..ticket.unwrap_or(u64::MAX));
        let ahead = ahead.filter(|(_, other)| {
            !holds
                && other.key == wanted.key
                && other.pid != wanted.pid
                && other.mode.conflicts(wanted.mode)
        });
        let bars = bars.map(|(pid, _)| *pid);
        bars.chain(ahead.map(|(_, other)| other.pid)).collect()
    }

    /// Whether one who waits for a lock would wait for itself.
    fn is_deadlock(&self, wanted: &Wanted) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = self.in_the_way(wanted, None);
        while let Some(pid) = open.pop() {
            if pid == wanted.pid {
                return true;
            }
            if !seen.insert(pid) {
                continue;
            }
            for (ticket, other) in &self.waiting {
                if other.pid == pid {
                    open.extend(self.in_the_way(other, Some(*ticket)));
                }
            }
        }
        false
    }

    /// Changes how often a session holds a lock; whether it did.
    fn change(&mut self, pid: i32, key: Key, change: impl FnOnce(&mut Held) -> bool) -> bool {
        let Some(holders) = self.locks.get_mut(&key) else {
            return false;
        };
        let Some(held) = holders.get_mut(&pid) else {
            return false;
        };
        let changed = change(held);
        if *held == Held::default() {
            holders.remove(&pid);
            if holders.is_empty() {
                self.locks.remove(&key);
            }
            if let Some(keys) = self.by_session.get_mut(&pid) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.by_session.remove(&pid);
                }
            }
        }
        changed
    }
}

impl AdvisoryLocks {
    /// Takes a lock if it is free; `is_there` as of [`AdvisoryLocks::lock`].
    pub(crate) fn try_lock(&self, wanted: &Wanted, is_there: impl Fn() -> bool) -> Result<bool> {
        self.take(wanted, None, is_there)
    }

    /// Takes a lock once it is free; `is_there` says whether the session is and goes on, and may not ask for locks.
    pub(crate) async fn lock(&self, wanted: &Wanted, is_there: impl Fn() -> bool) -> Result<()> {
        let mut place: Option<Place<'_>> = None;
        loop {
            // Made first: what changes from here on is heard.
            let changed = self.changed.notified();
            let ticket = place.as_ref().map(|place| place.ticket);
            if self.take(wanted, ticket, &is_there)? {
                return Ok(());
            }
            if place.is_none() {
                place = Some(self.wait(wanted)?);
            }
            changed.await;
        }
    }

    fn take(
        &self,
        wanted: &Wanted,
        ticket: Option<u64>,
        is_there: impl Fn() -> bool,
    ) -> Result<bool> {
        let mut state = self.state.lock();
        if !is_there() {
            return Err(Error::outside(
                SqlState::AdminShutdown,
                "the session that asked for a lock has ended",
            ));
        }
        let taken = state.take(wanted, ticket);
        self.held.store(state.locks.len(), Ordering::Release);
        taken
    }

    /// A place among those who wait.
    fn wait(&self, wanted: &Wanted) -> Result<Place<'_>> {
        let mut state = self.state.lock();
        if state.is_deadlock(wanted) {
            return Err(Error::user(SqlState::DeadlockDetected, "deadlock detected")
                .with_detail(format!(
                    "Session {} would wait for one that waits for it.",
                    wanted.pid
                ))
                .with_hint("Take advisory locks in the same order in every session."));
        }
        let ticket = state.tickets;
        state.tickets += 1;
        state.waiting.insert(ticket, *wanted);
        Ok(Place {
            locks: self,
            ticket,
        })
    }

    /// Lets a lock go that was taken until the session's end; whether it was held.
    pub(crate) fn unlock(&self, pid: i32, key: Key, mode: Mode) -> bool {
        let mut state = self.state.lock();
        let done = state.change(pid, key, |held| {
            let count = held.count(mode, Until::Session);
            let held = *count > 0;
            *count = count.saturating_sub(1);
            held
        });
        self.told(&state);
        done
    }

    /// Lets all go that a session has taken until its end.
    pub(crate) fn unlock_all(&self, pid: i32) {
        self.let_go(pid, &[Until::Session]);
    }

    /// Lets all go that a session has taken until the end of its transaction.
    pub(crate) fn transaction_over(&self, pid: i32) {
        // Every statement comes here, and hardly any has a lock.
        if self.held.load(Ordering::Acquire) > 0 {
            self.let_go(pid, &[Until::Transaction]);
        }
    }

    /// A session has ended. Looks under the mutex in any case: another thread may be about to take a lock for it.
    pub(crate) fn leave(&self, pid: i32) {
        self.let_go(pid, &[Until::Session, Until::Transaction]);
    }

    fn let_go(&self, pid: i32, until: &[Until]) {
        let mut state = self.state.lock();
        let Some(keys) = state.by_session.get(&pid).cloned() else {
            return;
        };
        for key in keys {
            state.change(pid, key, |held| {
                for until in until {
                    *held.count(Mode::Exclusive, *until) = 0;
                    *held.count(Mode::Shared, *until) = 0;
                }
                true
            });
        }
        self.told(&state);
    }

    /// Something was let go.
    fn told(&self, state: &State) {
        self.held.store(state.locks.len(), Ordering::Release);
        self.changed.notify_waiters();
    }

    /// All that are held and waited for.
    pub(crate) fn all(&self) -> Vec<Told> {
        let state = self.state.lock();
        let mut all = Vec::new();
        for (key, holders) in &state.locks {
            for (pid, held) in holders {
                let modes = [Mode::Exclusive, Mode::Shared];
                let modes = modes.into_iter().filter(|mode| held.has(*mode));
                all.extend(modes.map(|mode| Told {
                    pid: *pid,
                    key: *key,
                    mode,
                    granted: true,
                }));
            }
        }
        all.extend(state.waiting.values().map(|wanted| Told {
            pid: wanted.pid,
            key: wanted.key,
            mode: wanted.mode,
            granted: false,
        }));
        all
    }
}

/// A place among those who wait, given up when it is dropped.
struct Place<'a> {
    locks: &'a AdvisoryLocks,
    ticket: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.locks.state.lock().waiting.remove(&self.ticket);
        // Who came behind may be next.
        self.locks.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
