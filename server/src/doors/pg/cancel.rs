//! Stopping what runs: a cancel request, a timeout, the server's end.
//!
//! A cancel request comes on a connection of its own, before any login, so the key it must name is all that protects a statement: it is
//! random, as long as the client's protocol allows, and compared in constant time.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    failure::{Failure, Trouble},
    wire::Wire,
};
use crate::session::Session;

/// Every connection a cancel request may name.
#[derive(Debug, Default)]
pub(super) struct Registry {
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    last: i32,
    by_process: HashMap<i32, (Vec<u8>, Arc<Canceller>)>,
}

impl Registry {
    /// Makes a connection known; it is forgotten when the entry is dropped.
    pub(super) fn enter(self: &Arc<Self>, key_length: usize, canceller: &Arc<Canceller>) -> Entry {
        let key: Vec<u8> = (0..key_length).map(|_| rand::random()).collect();
        let mut connections = self.connections.lock();
        let process = loop {
            connections.last = connections.last.checked_add(1).unwrap_or(1);
            if !connections.by_process.contains_key(&connections.last) {
                break connections.last;
            }
        };
        let known = (key.clone(), Arc::clone(canceller));
        connections.by_process.insert(process, known);
        Entry {
            registry: Arc::clone(self),
            process,
            key,
        }
    }

    /// Cancels what the named connection runs. A wrong key does nothing and says nothing.
    pub(super) fn cancel(&self, process: i32, key: &[u8]) {
        let found = {
            let connections = self.connections.lock();
            connections
                .by_process
                .get(&process)
                .filter(|(known, _)| same(known, key))
                .map(|(_, canceller)| Arc::clone(canceller))
        };
        match found {
            Some(canceller) => canceller.cancel(),
            None => tracing::info!(process, "cancel request with a wrong key"),
        }
    }
}

/// Equality that takes the same time wherever the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}

/// A connection's place in the registry.
#[derive(Debug)]
pub(super) struct Entry {
    registry: Arc<Registry>,
    pub(super) process: i32,
    pub(super) key: Vec<u8>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut connections = self.registry.connections.lock();
        connections.by_process.remove(&self.process);
    }
}

/// What can be stopped on a connection.
#[derive(Debug)]
pub(super) struct Canceller {
    session: Arc<Session>,
    running: Mutex<Option<CancellationToken>>,
    shutdown: CancellationToken,
}

impl Canceller {
    pub(super) fn new(session: Arc<Session>, shutdown: CancellationToken) -> Self {
        Self {
            session,
            running: Mutex::default(),
            shutdown,
        }
    }

    /// Stops the statement that runs, if one does.
    fn cancel(&self) {
        if let Some(token) = &*self.running.lock() {
            token.cancel();
            self.session.cancel();
        }
    }

    /// A statement starts.
    pub(super) fn start(self: &Arc<Self>) -> Running {
        let token = CancellationToken::new();
        *self.running.lock() = Some(token.clone());
        let timeout = self.session.parameter("statement_timeout");
        Running {
            canceller: Arc::clone(self),
            token,
            deadline: timeout
                .as_deref()
                .and_then(duration)
                .map(|time| Instant::now() + time),
        }
    }
}

/// A statement that runs.
#[derive(Debug)]
pub(super) struct Running {
    canceller: Arc<Canceller>,
    token: CancellationToken,
    deadline: Option<Instant>,
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.canceller.running.lock() = None;
    }
}

impl Running {
    /// Resolves when the statement has to stop.
    async fn stopped(&self) -> Failure {
        let late = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.token.cancelled() => {
                Failure::error("57014", "canceling statement due to user request")
            }
            () = late => Failure::error("57014", "canceling statement due to statement timeout"),
            () = self.canceller.shutdown.cancelled() => shutting_down(),
        }
    }

    /// Waits for `work` unless the statement has to stop; then `work` is dropped.
    pub(super) async fn race<T>(&self, work: impl Future<Output = T>) -> Result<T, Trouble> {
        tokio::select! {
            biased;
            failure = self.stopped() => {
                self.canceller.session.cancel();
                Err(failure.into())
            }
            done = work => Ok(done),
        }
    }

    /// As [`Self::race`], and gives up when the client goes away.
    pub(super) async fn wait<S: AsyncRead + AsyncWrite + Unpin, T>(
        &self,
        wire: &mut Wire<S>,
        work: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        let attended = async {
            tokio::select! {
                biased;
                done = work => Ok(done),
                lost = wire.gone() => Err(lost),
            }
        };
        match self.race(attended).await? {
            Ok(done) => Ok(done),
            Err(lost) => {
                self.canceller.session.cancel();
                Err(Trouble::Lost(lost))
            }
        }
    }

    /// Waits for `work` to its end, but lets the session know that it should stop: for work that must not be left half done.
    pub(super) async fn see_through<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            _ = self.stopped() => self.canceller.session.cancel(),
        }
        work.await
    }
}

/// What everyone is told when the server ends.
pub(super) fn shutting_down() -> Failure {
    Failure::fatal(
        "57P01",
        "terminating connection due to administrator command",
    )
}

/// A PostgreSQL time setting: a number of milliseconds, or one with a unit. 0 is none.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "us" => number / 1e6,
        "" | "ms" => number / 1e3,
        "s" => number,
        "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
}
