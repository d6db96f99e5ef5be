//! Stopping what runs: a cancel request, a timeout, the server's end.
//!
//! A cancel request comes on a connection of its own, before any login, so the key it must name is all that protects a statement: it is
//! random, as long as the client's protocol allows, and compared in constant time.

use std::{collections::HashMap, future::Future, sync::Arc};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::{
    failure::{Failure, Severity, Trouble},
    wire::Wire,
};
use crate::{
    activity::{self, Activity},
    error::{Error, SqlState},
    session::{
        Session,
        running::{self, terminated},
    },
};

/// The key that a cancel request must have, and what it stops.
type Known = (Vec<u8>, Arc<Activity>);

/// Every connection a cancel request may name.
#[derive(Debug, Default)]
pub(super) struct Registry {
    by_process: Mutex<HashMap<i32, Known>>,
}

impl Registry {
    /// Makes a connection known; it is forgotten when the entry is dropped.
    pub(super) fn enter(self: &Arc<Self>, key_length: usize, session: &Session) -> Entry {
        let key: Vec<u8> = (0..key_length).map(|_| rand::random()).collect();
        let activity = session.activity();
        let known = (key.clone(), Arc::clone(activity));
        self.by_process.lock().insert(activity.pid(), known);
        Entry {
            registry: Arc::clone(self),
            process: activity.pid(),
            key,
        }
    }

    /// Cancels what the named connection runs. A wrong key does nothing and says nothing.
    pub(super) fn cancel(&self, process: i32, key: &[u8]) {
        let found = {
            let connections = self.by_process.lock();
            connections
                .get(&process)
                .filter(|(known, _)| same(known, key))
                .map(|(_, activity)| Arc::clone(activity))
        };
        match found {
            Some(activity) => activity.cancel(),
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
        self.registry.by_process.lock().remove(&self.process);
    }
}

/// What can be stopped on a connection.
#[derive(Debug)]
pub(super) struct Canceller {
    session: Arc<Session>,
    shutdown: CancellationToken,
}

impl Canceller {
    pub(super) fn new(session: Arc<Session>, shutdown: CancellationToken) -> Self {
        Self { session, shutdown }
    }

    /// The client asks for this; its statements start one by one.
    pub(super) fn asked(&self, text: &Arc<str>) {
        self.session.activity().asked(Arc::clone(text));
    }

    /// A statement starts.
    pub(super) fn start(&self) -> Running {
        Running {
            statement: self.session.start(),
            shutdown: self.shutdown.clone(),
        }
    }

    /// Nothing more is done until the client asks.
    pub(super) fn rests(&self, state: activity::State) {
        self.session.activity().rests(state);
    }
}

/// A statement that runs.
#[derive(Debug)]
pub(super) struct Running {
    statement: running::Running,
    shutdown: CancellationToken,
}

impl Running {
    /// Cancelled once the statement has to stop.
    pub(super) fn token(&self) -> &CancellationToken {
        self.statement.token()
    }

    /// Resolves when the statement has to stop.
    async fn stopped(&self) -> Failure {
        tokio::select! {
            biased;
            why = self.statement.stopped() => failure(why),
            () = self.shutdown.cancelled() => shutting_down(),
        }
    }

    /// Waits for `work` unless the statement has to stop; then `work` is dropped.
    pub(super) async fn race<T>(&self, work: impl Future<Output = T>) -> Result<T, Trouble> {
        tokio::select! {
            biased;
            failure = self.stopped() => {
                self.statement.stop();
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
                self.statement.stop();
                Err(Trouble::Lost(lost))
            }
        }
    }

    /// Waits for `work` to its end, but lets it know that it should stop: for work that must not be left half done.
    pub(super) async fn see_through<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        tokio::pin!(work);
        let why = tokio::select! {
            biased;
            done = &mut work => return done.map_err(failure),
            why = self.stopped() => why,
        };
        self.statement.stop();
        match work.await {
            Err(error) if error.state == SqlState::QueryCanceled => Err(why),
            done => done.map_err(failure),
        }
    }
}

/// An error, which is the last one where the session is over.
fn failure(error: Error) -> Failure {
    let severity = match error.state {
        SqlState::AdminShutdown => Severity::Fatal,
        _ => Severity::Error,
    };
    Failure::from(error).with_severity(severity)
}

/// What everyone is told when the server ends, and who is ended by somebody.
pub(super) fn shutting_down() -> Failure {
    failure(terminated())
}
