//! The Postgres wire door.
//!
//! `pgwire` gives the messages; what to do with them is here, because its handlers buffer, cancel and limit in ways that do not fit a server
//! of endless results. Hard here: every byte before the session comes from a stranger, and a slow, silent or vanished client must cost
//! nothing but its own connection. Nothing in this door plans, knows a table, or may take the process down.

mod cancel;
mod columns;
mod command;
mod connection;
mod copy;
mod cursor;
mod encode;
mod extended;
mod failure;
mod frontend;
mod login;
mod parameters;
mod perform;
mod portal;
mod prepare;
mod simple;
mod startup;
mod statements;
mod transaction;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    columns::{OID_ALIAS, TYPE, modifier, pg_type},
    encode::texts,
    parameters::{
        IntervalFields, Letters, bytea_of, check_dimensions, interval_of, list_item, list_of_text,
        plain_interval, skip_blanks,
    },
    startup::SERVER_VERSION,
};

use self::{
    cancel::{Canceller, Registry},
    connection::Connection,
    failure::{Failure, Severity, Trouble},
    login::Caller,
    startup::{Opening, Start},
    wire::Wire,
};
use super::{
    guard::Guard,
    strangers::{STRANGERS, Stranger, Strangers},
    tls::{Inside, Transport},
};
use crate::session::{Door, Sessions};

/// What a door bears.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest message after login, in bytes.
    pub message_bytes: usize,
    /// Sessions at a time.
    pub connections: usize,
    /// Of these, kept for superusers.
    pub reserved: usize,
    /// Connections beside them that have not logged in.
    pub strangers: usize,
    /// How long a client may take to log in.
    pub startup_timeout: Duration,
    /// How long a message may take to come in whole, beside the time that its length takes.
    pub message_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 16 * 1024 * 1024,
            connections: 1_000,
            reserved: 3,
            strangers: STRANGERS,
            startup_timeout: Duration::from_secs(30),
            message_timeout: Duration::from_secs(60),
        }
    }
}

/// Silence of a client after which its machine is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(60);
/// How often it is asked,
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// and how often in vain.
const PROBES: u32 = 6;
/// How long connections have to say goodbye at the end.
const GOODBYE: Duration = Duration::from_secs(3);

/// Takes a message of a client's apart, for `fuzz/`; whether there is such a type.
pub fn decode(tag: u8, body: &[u8]) -> bool {
    frontend::Frontend::decode(tag, bytes::Bytes::copy_from_slice(body)).is_some()
}

/// Reads data of a COPY FROM STDIN that comes in pieces of so many bytes, for `fuzz/`; how many rows they are, `None` where they are none. The
/// remainder of `form` by 3 is the format (text, csv, binary), what is left of it one of eight tables.
pub fn decode_copy(form: u8, data: &[u8], piece: usize) -> Option<usize> {
    copy::decode(form, data, piece)
}

/// Serves clients until `shutdown`, with the default limits.
pub async fn serve(
    listener: TcpListener,
    sessions: Arc<dyn Sessions>,
    guard: Arc<Guard>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_with(listener, sessions, guard, Limits::default(), shutdown).await
}

/// Serves clients until `shutdown`.
pub async fn serve_with(
    listener: TcpListener,
    sessions: Arc<dyn Sessions>,
    guard: Arc<Guard>,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let house = Arc::new(House {
        sessions,
        guard,
        strangers: Strangers::new(limits.strangers),
        limits,
        registry: Arc::default(),
        open: AtomicUsize::new(0),
        shutdown,
    });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = house.shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let house = Arc::clone(&house);
                    let stranger = house.strangers.enter();
                    connections.spawn(async move { house.receive(stream, peer, stranger).await });
                }
                // Out of file descriptors, most likely: those who leave give some back.
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection broke down");
                }
            }
        }
    }
    let goodbye = async { while connections.join_next().await.is_some() {} };
    // Those who do not listen are cut off with the set.
    let _ = timeout(GOODBYE, goodbye).await;
    Ok(())
}

/// What all connections share.
struct House {
    sessions: Arc<dyn Sessions>,
    guard: Arc<Guard>,
    strangers: Arc<Strangers>,
    limits: Limits,
    registry: Arc<Registry>,
    open: AtomicUsize,
    shutdown: CancellationToken,
}

impl House {
    async fn receive(&self, stream: TcpStream, peer: SocketAddr, stranger: Stranger) {
        if let Err(error) = prepared(&stream) {
            tracing::debug!(%error, "a connection ended early");
            return;
        }
        // In boxes, for what a connection takes is what the largest of its parts takes.
        let arriving = Box::pin(self.arrive(stream, peer));
        let arrived = tokio::select! {
            () = self.shutdown.cancelled() => return,
            () = stranger.patience(self.limits.startup_timeout) => return,
            arrived = arriving => arrived,
        };
        let Some((wire, opening, superuser)) = arrived else {
            return;
        };
        let served = Box::pin(self.serve(wire, &opening, superuser, peer, stranger)).await;
        if let Err(error) = served {
            tracing::debug!(%error, user = opening.user, "a client went away");
        }
    }

    /// From the first byte to a client of whom is known who it is and whether it is a superuser; `None` for one that does not get that far.
    async fn arrive(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<(Wire<Transport>, Opening, bool)> {
        let mut wire = self.wire(Transport::Plain(stream));
        let opening = loop {
            let encrypted = wire.stream().is_encrypted();
            let tls = self.guard.tls().filter(|_| !encrypted);
            match startup::greet(&mut wire, tls.is_some()).await {
                Ok(Start::Session(opening)) => break opening,
                Ok(Start::Encrypt) => wire = self.encrypt(wire).await?,
                Ok(Start::Cancel { process, key }) => {
                    self.registry.cancel(process, &key);
                    return None;
                }
                Ok(Start::Nothing) => return None,
                Err(trouble) => {
                    turn_away(wire, trouble).await;
                    return None;
                }
            }
        };
        let caller = Caller {
            user: &opening.user,
            peer: peer.ip(),
            encrypted: wire.stream().is_encrypted(),
            certificate: wire.stream().client_name(),
        };
        let login = self.sessions.login(&opening.user);
        if let Err(trouble) = login::log_in(&mut wire, &self.guard, &login, &caller).await {
            turn_away(wire, trouble).await;
            return None;
        }
        Some((wire, opening, login.superuser))
    }

    fn wire(&self, stream: Transport) -> Wire<Transport> {
        Wire::new(
            stream,
            self.limits.message_bytes,
            self.limits.message_timeout,
        )
    }

    async fn encrypt(&self, wire: Wire<Transport>) -> Option<Wire<Transport>> {
        let tls = self.guard.tls()?;
        let stream = match wire.into_stream() {
            Ok(Transport::Plain(stream)) => stream,
            Ok(Transport::Tls(_)) => return None,
            Err(failure) => {
                // Nothing can be told over a connection whose other end may not be who it seems.
                tracing::warn!("{}", failure.message);
                return None;
            }
        };
        match tls.accept(stream, Inside::Postgres).await {
            Ok(encrypted) => Some(self.wire(encrypted)),
            Err(error) => {
                tracing::debug!(%error, "a client did not encrypt");
                None
            }
        }
    }

    async fn serve(
        &self,
        mut wire: Wire<Transport>,
        opening: &Opening,
        superuser: bool,
        peer: SocketAddr,
        stranger: Stranger,
    ) -> io::Result<()> {
        let _slot = match self.slot(superuser) {
            Ok(slot) => slot,
            Err(failure) => {
                turn_away(wire, failure.into()).await;
                return Ok(());
            }
        };
        let opened = self
            .sessions
            .open(&opening.user, &opening.database, Door::Postgres);
        let session = match opened {
            Ok(session) => session,
            Err(error) => {
                turn_away(wire, error.into()).await;
                return Ok(());
            }
        };
        drop(stranger);
        session.activity().came_from(peer);
        let warnings = opening.apply(&session).await;
        let canceller = Arc::new(Canceller::new(Arc::clone(&session), self.shutdown.clone()));
        let entry = self.registry.enter(opening.key_length(), &session);
        opening.welcome(&mut wire, &session, entry.process, &entry.key);
        let mut connection = Connection::new(wire, session, canceller);
        for warning in &warnings {
            connection.notice(warning);
        }
        connection.run(&self.shutdown).await
    }

    fn slot(&self, superuser: bool) -> Result<Slot<'_>, Failure> {
        let slot = Slot(&self.open);
        let open = self.open.fetch_add(1, Ordering::AcqRel) + 1;
        let Limits {
            connections,
            reserved,
            ..
        } = &self.limits;
        if open > *connections {
            return Err(Failure::fatal("53300", "sorry, too many clients already"));
        }
        if open + reserved > *connections && !superuser {
            return Err(Failure::fatal(
                "53300",
                "remaining connection slots are reserved for superusers",
            ));
        }
        Ok(slot)
    }
}

/// Sends at once, and notices a client whose machine or network is gone without a word.
fn prepared(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(PROBE_EVERY)
        .with_retries(PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(SILENCE + PROBE_EVERY * PROBES))?;
    Ok(())
}

/// One of the connections that may be open.
struct Slot<'a>(&'a AtomicUsize);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Tells a client that never got a session why, and closes.
async fn turn_away(mut wire: Wire<Transport>, trouble: Trouble) {
    if let Trouble::Told(failure) = trouble {
        wire.put(&failure.with_severity(Severity::Fatal).error_response());
        // It may not be listening any more.
        let _ = timeout(Duration::from_secs(2), wire.close()).await;
    }
}
