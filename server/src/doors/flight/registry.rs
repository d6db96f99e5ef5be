//! Which session a call belongs to.
//!
//! With a bearer token: the session its handshake opened, from whatever connection. Without one: a session per connection and user, so that SET
//! sticks for a client that never shakes hands. A token that is unknown or went unused too long is refused, never silently replaced by a new
//! session, whose settings would be others.

use std::{collections::HashMap, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic::{Extensions, metadata::MetadataMap};

use super::{
    auth::{self, Credentials},
    client::Client,
    connection::Peer,
};
use crate::{
    error::{Error, Result, SqlState},
    session::{Door, Sessions},
};

/// Name of the database and of the first user.
pub(super) const DEFAULT_NAME: &str = "sluice";
/// A token nobody used for this long is worth nothing any more: longer than a pool leaves a connection idle overnight would keep dead ones.
pub(super) const TOKEN_IDLE: Duration = Duration::from_secs(8 * 3600);
/// Sessions by token that exist at one time, and sessions of one connection.
const MAX_TOKENS: usize = 1_000;
const MAX_PER_CONNECTION: usize = 16;
/// How often idle sessions and tickets are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// All sessions of this door.
pub(super) struct Registry {
    sessions: Arc<dyn Sessions>,
    shutdown: CancellationToken,
    tokens: Mutex<HashMap<String, Arc<Client>>>,
}

impl Registry {
    pub(super) fn new(sessions: Arc<dyn Sessions>, shutdown: CancellationToken) -> Self {
        Self {
            sessions,
            shutdown,
            tokens: Mutex::default(),
        }
    }

    /// Opens a session for the handshake's credentials and gives its token.
    pub(super) fn log_in(&self, metadata: &MetadataMap, extensions: &Extensions) -> Result<String> {
        let user = match Credentials::of(metadata)? {
            Credentials::Basic { user } => user,
            Credentials::None if loopback(extensions) => DEFAULT_NAME.to_owned(),
            Credentials::None => return Err(nobody()),
            // A client that shakes hands again with its token keeps its session.
            Credentials::Bearer(token) => return self.by_token(&token).map(|_| token),
        };
        self.drop_idle();
        if self.tokens.lock().len() >= MAX_TOKENS {
            return Err(too_many(MAX_TOKENS));
        }
        let client = self.open(&user, auth::database(metadata))?;
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        self.tokens.lock().insert(token.clone(), client);
        Ok(token)
    }

    /// The session a call belongs to.
    pub(super) fn client(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
    ) -> Result<Arc<Client>> {
        let client = match Credentials::of(metadata)? {
            Credentials::Bearer(token) => self.by_token(&token)?,
            Credentials::Basic { user } => self.by_connection(&user, metadata, extensions)?,
            Credentials::None if loopback(extensions) => {
                self.by_connection(DEFAULT_NAME, metadata, extensions)?
            }
            Credentials::None => return Err(nobody()),
        };
        client.touch();
        Ok(client)
    }

    /// Ends a session: its handles are forgotten, its running results end.
    pub(super) fn close(&self, client: &Arc<Client>, extensions: &Extensions) {
        client.close();
        self.tokens.lock().retain(|_, c| !Arc::ptr_eq(c, client));
        if let Some(peer) = extensions.get::<Peer>() {
            peer.clients.lock().retain(|_, c| !Arc::ptr_eq(c, client));
        }
    }

    /// Looks for idle sessions until the door closes.
    pub(super) async fn sweep_forever(&self) {
        let mut ticks = tokio::time::interval(SWEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.drop_idle();
        }
    }

    fn drop_idle(&self) {
        let now = Instant::now();
        self.tokens.lock().retain(|_, client| {
            let keep = client.idle(now) < TOKEN_IDLE;
            if !keep {
                client.close();
            }
            keep
        });
    }

    fn by_token(&self, token: &str) -> Result<Arc<Client>> {
        self.tokens
            .lock()
            .get(token)
            .filter(|client| client.idle(Instant::now()) < TOKEN_IDLE)
            .cloned()
            .ok_or_else(|| {
                Error::user(
                    SqlState::InvalidAuthorization,
                    "the session of this token has ended",
                )
                .with_detail(
                    "It was closed, was not used for 8 hours, or the server was restarted.",
                )
                .with_hint("Connect again.")
            })
    }

    fn by_connection(
        &self,
        user: &str,
        metadata: &MetadataMap,
        extensions: &Extensions,
    ) -> Result<Arc<Client>> {
        let peer = extensions
            .get::<Peer>()
            .ok_or_else(|| Error::internal("call without a connection"))?;
        let mut clients = peer.clients.lock();
        if let Some(client) = clients.get(user) {
            return Ok(Arc::clone(client));
        }
        if clients.len() >= MAX_PER_CONNECTION {
            return Err(too_many(MAX_PER_CONNECTION));
        }
        let client = self.open(user, auth::database(metadata))?;
        clients.insert(user.to_owned(), Arc::clone(&client));
        Ok(client)
    }

    fn open(&self, user: &str, database: &str) -> Result<Arc<Client>> {
        let session = self.sessions.open(user, database, Door::FlightSql)?;
        Ok(Arc::new(Client::new(session, self.shutdown.clone())))
    }
}

fn loopback(extensions: &Extensions) -> bool {
    extensions.get::<Peer>().is_some_and(|peer| peer.loopback)
}

fn nobody() -> Error {
    Error::user(
        SqlState::InvalidAuthorization,
        "no user name in a call from another machine",
    )
    .with_hint("Connect with a user name, for example \"sluice\".")
}

fn too_many(limit: usize) -> Error {
    Error::user(
        SqlState::ProgramLimitExceeded,
        format!("too many Flight SQL sessions: {limit} are open"),
    )
    .with_hint("Close connections that are not used.")
}
