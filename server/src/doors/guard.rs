//! Who is let in: the same at both doors.
//!
//! A door reads what a client shows of itself, a password or a certificate, and asks here. The rules: a name that nobody has costs what a
//! wrong password costs and is answered alike; a failure costs the next try time; nothing of a password is kept or told.

mod backoff;

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use self::backoff::Backoff;
use super::tls::Tls;
use crate::{
    access::FailedLogins,
    error::{Error, Result, SqlState},
    metrics::LoginMetrics,
    session::{Door, Login},
};

/// Whether passwords are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passwords {
    /// Who says he is somebody is believed.
    Trusted,
    /// A password, or a certificate, must show it.
    Asked,
}

/// What is asked of those who come.
#[derive(Debug)]
pub struct Guard {
    passwords: Passwords,
    tls: Option<Arc<Tls>>,
    backoff: Backoff,
    /// There once the engine that counts is.
    counters: OnceLock<LoginMetrics>,
    /// There once the engine that keeps it is.
    failed: OnceLock<FailedLogins>,
}

impl Guard {
    /// Asks for this much.
    pub fn new(passwords: Passwords, tls: Option<Arc<Tls>>) -> Arc<Self> {
        Arc::new(Self {
            passwords,
            tls,
            backoff: Backoff::default(),
            counters: OnceLock::new(),
            failed: OnceLock::new(),
        })
    }

    /// Counts logins from now on.
    pub fn count(&self, counters: LoginMetrics) {
        // Whoever was first counts.
        let _ = self.counters.set(counters);
    }

    /// Notes failed logins from now on.
    pub fn note(&self, failed: FailedLogins) {
        // Whoever was first notes.
        let _ = self.failed.set(failed);
    }

    /// Notes that somebody was not let in.
    pub(super) fn refused(&self, user: &str, peer: IpAddr, door: Door, reason: &str) {
        if let Some(failed) = self.failed.get() {
            failed.note(user, peer, door, reason);
        }
    }

    fn counted(&self, counter: impl FnOnce(&LoginMetrics) -> &Counter) {
        if let Some(counters) = self.counters.get() {
            counter(counters).inc();
        }
    }

    /// Asks nothing.
    pub fn open() -> Arc<Self> {
        Self::new(Passwords::Trusted, None)
    }

    /// Whether passwords are asked.
    pub(super) fn asks(&self) -> bool {
        self.passwords == Passwords::Asked
    }

    /// Encryption, where there is any.
    pub(super) fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// Whether somebody who comes unencrypted is sent away: over a network, where encryption is to be had.
    pub(super) fn wants_encryption(&self, peer: IpAddr) -> bool {
        self.tls.is_some() && !peer.to_canonical().is_loopback()
    }

    /// Whether a client without a certificate, or with one of this name, may be `user`; `true` when nothing more need be shown.
    pub(super) fn certificate(&self, user: &str, name: Option<&str>) -> Result<bool> {
        match name {
            None => Ok(false),
            Some(name) if name == user && !name.is_empty() => Ok(true),
            Some(name) => Err(Error::user(
                SqlState::InvalidAuthorization,
                format!("certificate authentication failed for user \"{user}\""),
            )
            .with_detail(format!("The client's certificate is of \"{name}\"."))),
        }
    }

    /// Waits as long as earlier failures cost; refuses where that is too long to wait for.
    pub(super) async fn hold_back(&self, user: &str, peer: IpAddr) -> Result<()> {
        match self.backoff.wait(user, peer, Instant::now()) {
            Ok(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            Err(wait) => {
                self.counted(|counters| &counters.held_back);
                Err(Error::user(
                    SqlState::InvalidAuthorization,
                    format!("too many failed logins for user \"{user}\""),
                )
                .with_hint(format!("Try again in {} s.", wait.as_secs().max(1))))
            }
        }
    }

    /// Notes how a try went, and gives the error of one that failed.
    pub(super) fn tried(&self, user: &str, peer: IpAddr, right: bool) -> Result<()> {
        self.backoff.tried(user, peer, right, Instant::now());
        if right {
            self.counted(|counters| &counters.admitted);
            return Ok(());
        }
        self.counted(|counters| &counters.failed);
        tracing::warn!(user, %peer, "a login failed");
        Err(Error::user(
            SqlState::InvalidPassword,
            format!("password authentication failed for user \"{user}\""),
        ))
    }

    /// Checks a password that was sent as it is.
    pub(super) async fn password(
        &self,
        login: &Login,
        user: &str,
        password: &str,
        peer: IpAddr,
    ) -> Result<()> {
        self.hold_back(user, peer).await?;
        let (verifier, password) = (login.verifier.clone(), password.to_owned());
        let checked = tokio::task::spawn_blocking(move || verifier.accepts(&password)).await;
        let right = checked.map_err(|error| Error::internal(error.to_string()))?;
        self.tried(user, peer, right && login.password_holds)
    }
}

/// Whether one may log in as a role at all; asked last, when it has been shown who it is.
pub(super) fn may_log_in(login: &Login, user: &str) -> Result<()> {
    let refused = |why: String| Err(Error::user(SqlState::InvalidAuthorization, why));
    if !login.known {
        return refused(format!("role \"{user}\" does not exist"));
    }
    if !login.login {
        return refused(format!("role \"{user}\" is not permitted to log in"));
    }
    Ok(())
}
