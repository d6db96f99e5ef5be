//! What one client holds: its session, prepared statements, tickets and the results on their way to it.
//!
//! Every handle is random and is looked up here only, so another session's handle is unknown rather than forbidden. A ticket is taken out as it is
//! redeemed: that is what makes a statement run once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{places::Place, statement::Bound};
use crate::{
    access::Verifier,
    error::{Error, Result, SqlState},
    session::{Prepared, Session},
};

/// Prepared statements and unredeemed tickets a session may hold at one time.
const MAX_STATEMENTS: usize = 1_000;
const MAX_TICKETS: usize = 1_000;
/// A ticket must be redeemed within this time.
pub(super) const TICKET_LIFE: Duration = Duration::from_secs(600);

/// A session and its handles.
pub(super) struct Client {
    /// The session.
    pub(super) session: Arc<Session>,
    /// What its password was checked against; `None` for one that came in without.
    pub(super) shown: Option<Verifier>,
    handles: Mutex<Handles>,
    opened: Instant,
    /// Ends every running result of this session.
    closed: CancellationToken,
    /// The server is leaving.
    shutdown: CancellationToken,
    /// Cancelled with the client.
    gone: Gone,
    /// Its place among the sessions of the door, until it is over.
    place: Mutex<Option<Place>>,
}

/// Says that a client is not there any more.
struct Gone(CancellationToken);

impl Gone {
    fn token(&self) -> CancellationToken {
        self.0.clone()
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

struct Handles {
    statements: HashMap<Bytes, Statement>,
    tickets: HashMap<Bytes, Ticket>,
    running: HashMap<Bytes, CancellationToken>,
    used: Instant,
}

/// A prepared statement and what was bound to it last.
#[derive(Clone)]
pub(super) struct Statement {
    /// The statement.
    pub(super) prepared: Prepared,
    /// Parameters by execution; `None` until bound.
    pub(super) rows: Option<Vec<super::statement::Row>>,
}

struct Ticket {
    bound: Option<Bound>,
    issued: Instant,
}

/// A redeemed ticket: keep it as long as its result runs.
pub(super) struct Redeemed {
    /// What to run; `None` for a statement that gave no rows when it ran.
    pub(super) bound: Option<Bound>,
    /// Ends this result.
    pub(super) cancelled: CancellationToken,
    handle: Bytes,
    client: Arc<Client>,
}

/// What became of a result that was to be cancelled.
pub(super) enum Cancel {
    /// It had not begun and never will.
    Cancelled,
    /// It runs and has been told to end.
    Cancelling,
    /// There is no such result, any more or at all.
    Unknown,
}

impl Client {
    pub(super) fn new(
        session: Arc<Session>,
        shown: Option<Verifier>,
        place: Place,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            session,
            shown,
            handles: Mutex::new(Handles {
                statements: HashMap::new(),
                tickets: HashMap::new(),
                running: HashMap::new(),
                used: Instant::now(),
            }),
            opened: Instant::now(),
            closed: shutdown.child_token(),
            shutdown,
            gone: Gone(CancellationToken::new()),
            place: Mutex::new(Some(place)),
        }
    }

    /// Whether somebody has ended the session.
    pub(super) fn is_ended(&self) -> bool {
        self.session.activity().ended().is_cancelled()
    }

    /// Counts as used at this time.
    pub(super) fn touch(&self, now: Instant) {
        self.handles.lock().used = now;
    }

    /// How long nothing happened; a result under way is something happening.
    pub(super) fn idle(&self, now: Instant) -> Duration {
        let mut handles = self.handles.lock();
        if !handles.running.is_empty() {
            return Duration::ZERO;
        }
        // What gives no result, or is only planned yet, has no ticket.
        if self.session.activity().is_running() {
            handles.used = handles.used.max(now);
        }
        now.saturating_duration_since(handles.used)
    }

    /// How long ago it began.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.opened)
    }

    /// Forgets every handle, ends every result and lets go what the session has.
    pub(super) fn close(&self) {
        self.closed.cancel();
        self.free();
    }

    /// Lets go what the session has: handles, its place, its temporary tables and views, and what it has locked. Results under way end by
    /// themselves where somebody has ended the session, and say that.
    pub(super) fn free(&self) {
        let mut handles = self.handles.lock();
        handles.statements.clear();
        handles.tickets.clear();
        drop(handles);
        self.session.drop_all_temp();
        self.session.let_go();
        self.place.lock().take();
    }

    /// Once somebody ends the session, frees what it has and tells whoever waits for that; until there is no client any more.
    pub(super) fn freed_when_ended(self: &Arc<Self>, freed: Arc<Notify>) {
        let ended = self.session.activity().ended().clone();
        let gone = self.gone.token();
        let client = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = gone.cancelled() => return,
            }
            if let Some(client) = client.upgrade() {
                client.free();
                freed.notify_one();
            }
        });
    }

    /// Keeps a prepared statement and gives its handle.
    pub(super) fn keep(&self, statement: Statement) -> Result<Bytes> {
        let mut handles = self.handles.lock();
        if handles.statements.len() >= MAX_STATEMENTS {
            return Err(limit("prepared statements", MAX_STATEMENTS)
                .with_hint("Close statements (cursors) that are not used any more."));
        }
        let handle = new_handle();
        handles.statements.insert(handle.clone(), statement);
        Ok(handle)
    }

    /// The prepared statement of a handle.
    pub(super) fn statement(&self, handle: &Bytes) -> Result<Statement> {
        self.handles
            .lock()
            .statements
            .get(handle)
            .cloned()
            .ok_or_else(|| {
                Error::user(
                    SqlState::InvalidSqlStatementName,
                    "prepared statement does not exist",
                )
                .with_detail("It was closed or belongs to another session.")
            })
    }

    /// Replaces the prepared statement of a handle; nothing happens when it was closed meanwhile.
    pub(super) fn replace(&self, handle: &Bytes, statement: Statement) {
        if let Some(kept) = self.handles.lock().statements.get_mut(handle) {
            *kept = statement;
        }
    }

    /// Forgets a prepared statement; its tickets stay good.
    pub(super) fn forget(&self, handle: &Bytes) {
        self.handles.lock().statements.remove(handle);
    }

    /// A ticket for one execution; `None` for a statement that has run already and gave no rows.
    pub(super) fn issue(&self, bound: Option<Bound>) -> Result<Bytes> {
        let now = Instant::now();
        let mut handles = self.handles.lock();
        handles
            .tickets
            .retain(|_, ticket| now.saturating_duration_since(ticket.issued) < TICKET_LIFE);
        if handles.tickets.len() >= MAX_TICKETS {
            return Err(limit("tickets that were not redeemed", MAX_TICKETS)
                .with_hint("Redeem the ticket of each flight, or close the session."));
        }
        let handle = new_handle();
        handles
            .tickets
            .insert(handle.clone(), Ticket { bound, issued: now });
        Ok(handle)
    }

    /// Takes a ticket; it cannot be taken twice.
    pub(super) fn redeem(self: &Arc<Self>, handle: &Bytes) -> Result<Redeemed> {
        let ticket = self.handles.lock().tickets.remove(handle);
        match ticket {
            Some(ticket) if ticket.issued.elapsed() < TICKET_LIFE => {
                Ok(self.begin(handle.clone(), ticket.bound))
            }
            _ => Err(Error::user(
                SqlState::InvalidSqlStatementName,
                "ticket does not exist",
            )
            .with_detail(
                "It was redeemed before, is older than ten minutes, or belongs to another session.",
            )
            .with_hint("Ask for the flight again.")),
        }
    }

    /// An execution without a ticket.
    pub(super) fn direct(self: &Arc<Self>, bound: Bound) -> Redeemed {
        self.begin(new_handle(), Some(bound))
    }

    fn begin(self: &Arc<Self>, handle: Bytes, bound: Option<Bound>) -> Redeemed {
        let cancelled = self.closed.child_token();
        self.handles
            .lock()
            .running
            .insert(handle.clone(), cancelled.clone());
        Redeemed {
            bound,
            cancelled,
            handle,
            client: Arc::clone(self),
        }
    }

    /// Cancels the result of a ticket, begun or not.
    pub(super) fn cancel(&self, handle: &Bytes) -> Cancel {
        let mut handles = self.handles.lock();
        if handles.tickets.remove(handle).is_some() {
            return Cancel::Cancelled;
        }
        match handles.running.get(handle) {
            Some(token) => {
                token.cancel();
                Cancel::Cancelling
            }
            None => Cancel::Unknown,
        }
    }

    /// Why a result that was told to end did.
    fn end_reason(&self) -> Error {
        if self.shutdown.is_cancelled() {
            Error::outside(
                SqlState::AdminShutdown,
                "terminating connection because the server is shutting down",
            )
        } else if let Err(dropped) = self.session.check_there() {
            dropped
        } else {
            Error::user(
                SqlState::QueryCanceled,
                "canceling statement due to user request",
            )
        }
    }
}

impl Redeemed {
    /// The error a cancelled result ends with.
    pub(super) fn end_reason(&self) -> Error {
        self.client.end_reason()
    }

    /// The session it runs in.
    pub(super) fn session(&self) -> Arc<Session> {
        Arc::clone(&self.client.session)
    }
}

impl Drop for Redeemed {
    fn drop(&mut self) {
        let mut handles = self.client.handles.lock();
        handles.running.remove(&self.handle);
        handles.used = Instant::now();
    }
}

fn new_handle() -> Bytes {
    Bytes::copy_from_slice(&rand::random::<[u8; 16]>())
}

fn limit(what: &str, limit: usize) -> Error {
    Error::user(
        SqlState::ProgramLimitExceeded,
        format!("the session holds {limit} {what}, which is the limit"),
    )
}
