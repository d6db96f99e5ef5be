//! Which session a call belongs to.
//!
//! With a bearer token: the session its handshake opened, from whatever connection. Without one: a session per connection and user, so that SET
//! sticks for a client that never shakes hands. A token that is unknown or went unused too long is refused, never silently replaced by a new
//! session, whose settings would be others. So is one that somebody has ended by `pg_terminate_backend`, and one whose role was dropped or
//! would not be let in any more with what it showed when it came.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use sluice_sql::Hidden;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use tonic::{Extensions, metadata::MetadataMap};

use super::{
    auth::{self, Credentials},
    client::Client,
    connection::Peer,
    places::{Limits, Places},
};
use crate::{
    access::Verifier,
    doors::guard::{self, Guard},
    error::{Error, Result, SqlState},
    session::{Door, Sessions, running::terminated},
};

/// Name of the database and of the first user.
pub(super) const DEFAULT_NAME: &str = "sluice";
/// A token nobody used for this long is worth nothing any more: longer than a pool leaves a connection idle overnight would keep dead ones.
pub(super) const TOKEN_IDLE: Duration = Duration::from_secs(8 * 3600);
/// However much it is used, a token ends after this long; results under way go on.
pub(super) const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Sessions of one connection.
const MAX_PER_CONNECTION: usize = 16;
/// How often sessions are looked for that are idle too long,
const LOOK: Duration = Duration::from_secs(1);
/// and those whose token is not good any more, or that have had nothing to do for so long.
const SWEEP: Duration = Duration::from_secs(60);

/// All sessions of this door.
pub(super) struct Registry {
    sessions: Arc<dyn Sessions>,
    guard: Arc<Guard>,
    shutdown: CancellationToken,
    /// Made for this process: passwords that were right are remembered by it.
    key: hmac::Key,
    places: Arc<Places>,
    tokens: Mutex<HashMap<String, Arc<Client>>>,
    /// Somebody has ended a session.
    freed: Arc<Notify>,
}

impl Registry {
    pub(super) fn new(
        sessions: Arc<dyn Sessions>,
        guard: Arc<Guard>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            sessions,
            guard,
            key: hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()),
            shutdown,
            places: Arc::new(Places::new(Limits::default())),
            tokens: Mutex::default(),
            freed: Arc::default(),
        }
    }

    /// Opens a session for the handshake's credentials and gives its token.
    pub(super) async fn log_in(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
    ) -> Result<String> {
        let (user, password) = match Credentials::of(metadata)? {
            Credentials::Basic { user, password } => (user, password),
            Credentials::None => self.unnamed(extensions)?,
            // A client that shakes hands again with its token keeps its session.
            Credentials::Bearer(token) => {
                self.by_token(&token, Instant::now())?;
                known(extensions);
                return Ok(token);
            }
        };
        let peer = peer(extensions)?;
        let shown = self.admit(&user, &password, peer).await?;
        self.drop_idle();
        let client = self.open(&user, auth::database(metadata), peer, shown)?;
        peer.known();
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        self.tokens.lock().insert(token.clone(), client);
        Ok(token)
    }

    /// The session a call belongs to.
    pub(super) async fn client(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
    ) -> Result<Arc<Client>> {
        let client = match Credentials::of(metadata)? {
            Credentials::Bearer(token) => self.by_token(&token, Instant::now())?,
            Credentials::Basic { user, password } => {
                self.by_connection(&user, &password, metadata, extensions)
                    .await?
            }
            Credentials::None => {
                let (user, password) = self.unnamed(extensions)?;
                self.by_connection(&user, &password, metadata, extensions)
                    .await?
            }
        };
        known(extensions);
        client.touch(Instant::now());
        Ok(client)
    }

    /// Who comes without saying so: whom his certificate names, or on this machine, where everybody is believed, the first user.
    fn unnamed(&self, extensions: &Extensions) -> Result<(String, Hidden)> {
        let peer = peer(extensions)?;
        let nothing = Hidden(String::new());
        match &peer.certificate {
            Some(name) => Ok((name.clone(), nothing)),
            None if peer.is_loopback() && !self.guard.asks() => {
                Ok((DEFAULT_NAME.to_owned(), nothing))
            }
            None => Err(nobody(self.guard.asks())),
        }
    }

    /// Lets somebody in, or says why not; what the password was checked against, where one was asked.
    async fn admit(&self, user: &str, password: &Hidden, peer: &Peer) -> Result<Option<Verifier>> {
        let done = self.look_at(user, password, peer).await;
        if let Err(error) = &done {
            let (address, door) = (peer.address, Door::FlightSql);
            self.guard.refused(user, address, door, &error.message);
        }
        done
    }

    async fn look_at(
        &self,
        user: &str,
        password: &Hidden,
        peer: &Peer,
    ) -> Result<Option<Verifier>> {
        let login = self.sessions.login(user);
        let shown = self.guard.certificate(user, peer.certificate.as_deref())?;
        let asked = !shown && self.guard.asks();
        if asked {
            let Hidden(password) = password;
            self.guard
                .password(&login, user, password, peer.address)
                .await?;
        }
        guard::may_log_in(&login, user)?;
        Ok(asked.then_some(login.verifier))
    }

    /// Whether a client would be let in now with what it showed when it came.
    fn may_go_on(&self, client: &Client) -> bool {
        let user = client.session.user();
        let login = self.sessions.login(user);
        let holds = |shown: &Verifier| login.password_holds && login.verifier == *shown;
        guard::may_log_in(&login, user).is_ok() && client.shown.as_ref().is_none_or(holds)
    }

    /// Ends a session: its handles are forgotten, its running results end.
    pub(super) fn close(&self, client: &Arc<Client>, extensions: &Extensions) {
        client.close();
        self.tokens.lock().retain(|_, c| !Arc::ptr_eq(c, client));
        if let Some(peer) = extensions.get::<Peer>() {
            peer.clients.lock().retain(|_, c| !Arc::ptr_eq(c, client));
        }
    }

    /// Looks for sessions that are idle or over until the door closes.
    pub(super) async fn sweep_forever(&self) {
        let every = |period| {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (mut looks, mut sweeps) = (every(LOOK), every(SWEEP));
        loop {
            tokio::select! {
                _ = looks.tick() => self.drop_over(),
                () = self.freed.notified() => self.drop_over(),
                _ = sweeps.tick() => self.drop_idle(),
            }
        }
    }

    /// Sessions that somebody has ended go, and those that are idle too long.
    fn drop_over(&self) {
        let now = Instant::now();
        self.tokens.lock().retain(|_, client| {
            if client.is_ended() {
                client.free();
                return false;
            }
            let keep = client.idle(now) < idle_limit(client);
            if !keep {
                client.close();
            }
            keep
        });
    }

    /// So do those whose token is not good any more; the others rest where they have nothing to do.
    fn drop_idle(&self) {
        self.drop_over();
        let now = Instant::now();
        self.tokens.lock().retain(|_, client| {
            let idle_too_long = client.idle(now) >= idle_limit(client);
            let is_over = client.session.check_there().is_err();
            let keep = !is_over
                && !idle_too_long
                && client.age(now) < TOKEN_LIFE
                && self.may_go_on(client);
            // A token that is old, or of a password of before, has no further calls; what one of them began goes on to its end.
            if !keep && (idle_too_long || is_over) {
                client.close();
            } else if client.idle(now) >= SWEEP {
                client.session.rest();
            }
            keep
        });
    }

    /// The session of a token, where it is good at this time.
    pub(super) fn by_token(&self, token: &str, now: Instant) -> Result<Arc<Client>> {
        let found = self.tokens.lock().get(token).cloned();
        if let Some(client) = &found
            && let Err(dropped) = client.session.check_there()
        {
            client.close();
            return Err(dropped);
        }
        let alive = found.filter(|client| {
            !client.is_ended()
                && client.idle(now) < idle_limit(client)
                && client.age(now) < TOKEN_LIFE
                && self.may_go_on(client)
        });
        if alive.is_none() {
            // Refused once, it is not good again when the role may log in again. What runs holds the session until it is done.
            self.tokens.lock().remove(token);
        }
        alive.ok_or_else(|| {
            Error::user(
                SqlState::InvalidAuthorization,
                "the session of this token has ended",
            )
            .with_detail(
                "It was closed or terminated, was not used for 8 hours or its idle_session_timeout, is older than a day, its role may not log in any more, its password was changed or has ended, or the server was restarted.",
            )
            .with_hint("Connect again.")
        })
    }

    async fn by_connection(
        &self,
        user: &str,
        password: &Hidden,
        metadata: &MetadataMap,
        extensions: &Extensions,
    ) -> Result<Arc<Client>> {
        let peer = peer(extensions)?;
        let key = self.shown(user, password);
        let login = self.sessions.login(user);
        let found = peer.clients.lock().get(&key).cloned();
        if let Some(client) = found {
            let there = match client.is_ended() {
                true => Err(terminated()),
                false => client.session.check_there(),
            };
            if let Err(gone) = there {
                // Told once; who goes on after that begins anew.
                peer.clients.lock().remove(&key);
                if !client.is_ended() {
                    client.close();
                }
                return Err(gone);
            }
            guard::may_log_in(&login, user)?;
            if self.may_go_on(&client) {
                return Ok(client);
            }
            // The password that was right is not any more.
            peer.clients.lock().remove(&key);
        }
        let shown = self.admit(user, password, peer).await?;
        let mut clients = peer.clients.lock();
        // Another call of the same connection may have been faster.
        if let Some(client) = clients.get(&key) {
            return Ok(Arc::clone(client));
        }
        if clients.len() >= MAX_PER_CONNECTION {
            return Err(too_many(MAX_PER_CONNECTION));
        }
        let client = self.open(user, auth::database(metadata), peer, shown)?;
        clients.insert(key, Arc::clone(&client));
        Ok(client)
    }

    /// The user and what was shown for it, so that each call with the same password need not cost what a login costs; the password is not
    /// in it, and nobody else can make it.
    fn shown(&self, user: &str, password: &Hidden) -> String {
        let Hidden(password) = password;
        let tag = hmac::sign(&self.key, password.as_bytes());
        format!("{user}\0{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn open(
        &self,
        user: &str,
        database: &str,
        peer: &Peer,
        shown: Option<Verifier>,
    ) -> Result<Arc<Client>> {
        let superuser = self.sessions.login(user).superuser;
        let place = self.places.take(user, superuser)?;
        let session = self.sessions.open(user, database, Door::FlightSql)?;
        session
            .activity()
            .came_from(SocketAddr::new(peer.address, peer.port));
        let shutdown = self.shutdown.clone();
        let client = Arc::new(Client::new(session, shown, place, shutdown));
        client.freed_when_ended(Arc::clone(&self.freed));
        Ok(client)
    }
}

/// How long a session by token may be idle.
fn idle_limit(client: &Client) -> Duration {
    let asked = client.session.time_limit("idle_session_timeout");
    asked.map_or(TOKEN_IDLE, |asked| asked.min(TOKEN_IDLE))
}

/// Who makes a call has shown it.
fn known(extensions: &Extensions) {
    if let Some(peer) = extensions.get::<Peer>() {
        peer.known();
    }
}

fn peer(extensions: &Extensions) -> Result<&Peer> {
    extensions
        .get::<Peer>()
        .ok_or_else(|| Error::internal("call without a connection"))
}

fn nobody(asked: bool) -> Error {
    let error = Error::user(
        SqlState::InvalidAuthorization,
        match asked {
            true => "no user name and password in a call",
            false => "no user name in a call from another machine",
        },
    );
    error.with_hint(match asked {
        true => "Connect with the user name and password of a role.",
        false => "Connect with a user name, for example \"sluice\".",
    })
}

fn too_many(limit: usize) -> Error {
    Error::user(
        SqlState::TooManyConnections,
        format!("too many Flight SQL sessions of one connection: {limit} are open"),
    )
    .with_hint("Close sessions that are not used, or connect anew.")
}
