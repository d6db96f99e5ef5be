//! Who is connected and what runs for them: what `pg_stat_activity` tells, and how one session stops what another does.
//!
//! Every session is in one list, whatever door it came by, under a number that no other session has. What runs in it has an [`Entry`] each,
//! for a Flight SQL session has any number of results under way. Hard about it: each statement passes here twice, so that what is kept is
//! small and nothing is worked out before somebody asks. Nobody may be told a text as it was typed: what may be secret in it is struck out
//! when it is told.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, session::Door};

#[cfg(test)]
mod tests;

/// Bytes of a statement that are kept,
const KEPT: usize = 4096;
/// and that are told, as PostgreSQL's `track_activity_query_size`.
const TOLD: usize = 1024;

/// All sessions of a process.
#[derive(Debug)]
pub(crate) struct Activities {
    clock: Arc<dyn Clock>,
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    last: i32,
    by_pid: BTreeMap<i32, Arc<Activity>>,
}

impl Activities {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            sessions: Mutex::default(),
        }
    }

    /// A session begins.
    pub(crate) fn enter(&self, user: &str, door: Door) -> Arc<Activity> {
        let now = self.clock.now_us();
        let mut sessions = self.sessions.lock();
        let pid = loop {
            sessions.last = sessions.last.checked_add(1).unwrap_or(1);
            if !sessions.by_pid.contains_key(&sessions.last) {
                break sessions.last;
            }
        };
        let activity = Arc::new(Activity {
            pid,
            user: user.to_owned(),
            door,
            started_us: now,
            clock: Arc::clone(&self.clock),
            ended: CancellationToken::new(),
            now: Mutex::new(Now::new(now)),
        });
        sessions.by_pid.insert(pid, Arc::clone(&activity));
        activity
    }

    /// A session is over.
    pub(crate) fn leave(&self, pid: i32) {
        self.sessions.lock().by_pid.remove(&pid);
    }

    /// The session of this number.
    pub(crate) fn get(&self, pid: i32) -> Option<Arc<Activity>> {
        let found = self.sessions.lock().by_pid.get(&pid).cloned();
        found.filter(|activity| !activity.is_gone())
    }

    /// All sessions, by number.
    pub(crate) fn all(&self) -> Vec<Arc<Activity>> {
        let all: Vec<_> = self.sessions.lock().by_pid.values().cloned().collect();
        all.into_iter().filter(|a| !a.is_gone()).collect()
    }
}

/// One session.
#[derive(Debug)]
pub(crate) struct Activity {
    pid: i32,
    user: String,
    door: Door,
    started_us: i64,
    clock: Arc<dyn Clock>,
    ended: CancellationToken,
    now: Mutex<Now>,
}

/// What it does at the moment.
#[derive(Debug)]
struct Now {
    client: Option<SocketAddr>,
    application: String,
    query: Arc<str>,
    query_us: Option<i64>,
    transaction_us: Option<i64>,
    changed_us: i64,
    state: State,
    running: BTreeMap<u64, CancellationToken>,
    /// Statements that ran before.
    begun: u64,
    /// Statements that wait for a turn.
    waiting: usize,
}

impl Now {
    fn new(now: i64) -> Self {
        Self {
            client: None,
            application: String::new(),
            query: Arc::from(""),
            query_us: None,
            transaction_us: None,
            changed_us: now,
            state: State::Idle,
            running: BTreeMap::new(),
            begun: 0,
            waiting: 0,
        }
    }
}

/// What a session is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A statement runs.
    Active,
    /// None does.
    Idle,
    /// None does, and a transaction block is open.
    IdleInTransaction,
    /// None does, and the block has failed.
    IdleInFailedTransaction,
}

impl State {
    /// As PostgreSQL says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::IdleInTransaction => "idle in transaction",
            Self::IdleInFailedTransaction => "idle in transaction (aborted)",
        }
    }
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For its client to say something.
    Client,
    /// For its turn among ad-hoc queries.
    Turn,
}

/// A session as others are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) pid: i32,
    pub(crate) user: String,
    pub(crate) address: Option<(IpAddr, u16)>,
    pub(crate) application: String,
    pub(crate) started_us: i64,
    pub(crate) transaction_us: Option<i64>,
    pub(crate) query_us: Option<i64>,
    pub(crate) changed_us: i64,
    pub(crate) state: State,
    pub(crate) wait: Option<Wait>,
    /// What runs, or ran last, without what may be secret in it.
    pub(crate) query: String,
}

impl Activity {
    /// Its number, which its client was told with the key of its cancel requests.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Who logged in.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// Where its client is.
    pub(crate) fn came_from(&self, client: SocketAddr) {
        self.now.lock().client = Some(client);
    }

    /// What its client calls itself.
    pub(crate) fn named(&self, application: &str) {
        let mut now = self.now.lock();
        if now.application != application {
            application.clone_into(&mut now.application);
        }
    }

    /// Its client asks for this.
    pub(crate) fn asked(&self, query: Arc<str>) {
        let at = self.clock.now_us();
        let mut now = self.now.lock();
        now.query = query;
        now.query_us = Some(at);
        now.transaction_us.get_or_insert(at);
        now.changed_us = at;
        now.state = State::Active;
    }

    /// What its client asked for, as it was typed, as far as that is kept: for the session itself and nobody else.
    pub(crate) fn query(&self) -> Arc<str> {
        Arc::clone(&self.now.lock().query)
    }

    /// A statement runs, until the entry is dropped.
    pub(crate) fn run(self: &Arc<Self>) -> Entry {
        let token = CancellationToken::new();
        let mut now = self.now.lock();
        let number = now.begun;
        now.begun += 1;
        now.running.insert(number, token.clone());
        Entry {
            activity: Arc::clone(self),
            number,
            token,
        }
    }

    /// Nothing more is to be done until its client asks again.
    pub(crate) fn rests(&self, state: State) {
        let at = self.clock.now_us();
        self.now.lock().rest(state, at);
    }

    /// Stops what runs in it.
    pub(crate) fn cancel(&self) {
        // Outside of the lock: whoever hears of it may come here.
        let running: Vec<_> = self.now.lock().running.values().cloned().collect();
        for token in running {
            token.cancel();
        }
    }

    /// Ends it, and what runs in it.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }

    /// Cancelled once it is to end.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Whether a statement of it runs.
    pub(crate) fn is_running(&self) -> bool {
        !self.now.lock().running.is_empty()
    }

    /// Whether there is nothing left of it but what a door has not cleared away yet.
    fn is_gone(&self) -> bool {
        self.ended.is_cancelled() && self.now.lock().running.is_empty()
    }

    /// A statement of it waits for a turn, until this is dropped.
    pub(crate) fn waits(self: &Arc<Self>) -> Waiting {
        self.now.lock().waiting += 1;
        Waiting(Arc::clone(self))
    }

    /// What others are told.
    pub(crate) fn shown(&self) -> Shown {
        let now = self.now.lock();
        let (state, query) = (now.state, Arc::clone(&now.query));
        let mut shown = Shown {
            pid: self.pid,
            user: self.user.clone(),
            address: now
                .client
                .map(|client| (client.ip().to_canonical(), client.port())),
            application: now.application.clone(),
            started_us: self.started_us,
            transaction_us: now.transaction_us,
            query_us: now.query_us,
            changed_us: now.changed_us,
            state,
            wait: match state {
                State::Active => (now.waiting > 0).then_some(Wait::Turn),
                _ => Some(Wait::Client),
            },
            query: String::new(),
        };
        drop(now);
        shown.query = cut(&sluice_sql::without_secrets(&query), TOLD).to_owned();
        shown
    }
}

impl Now {
    fn rest(&mut self, state: State, at: i64) {
        if state == State::Idle {
            self.transaction_us = None;
        }
        if self.state != state {
            self.state = state;
            self.changed_us = at;
        }
    }
}

/// A statement that runs.
#[derive(Debug)]
pub(crate) struct Entry {
    activity: Arc<Activity>,
    number: u64,
    token: CancellationToken,
}

impl Entry {
    /// Cancelled once it is to stop.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let at = self.activity.clock.now_us();
        let mut now = self.activity.now.lock();
        now.running.remove(&self.number);
        // The Postgres door says by itself when it is done, for what runs there is not all of what it does.
        if self.activity.door != Door::Postgres && now.running.is_empty() {
            now.rest(State::Idle, at);
        }
    }
}

/// A statement that waits for a turn.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Activity>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut now = self.0.now.lock();
        now.waiting = now.waiting.saturating_sub(1);
    }
}

/// As much of a statement as is kept.
pub(crate) fn kept(query: &str) -> Arc<str> {
    Arc::from(cut(query, KEPT))
}

/// The beginning of a text.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}
