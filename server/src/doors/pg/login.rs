//! What a client must show of itself before it gets a session: a certificate, or SCRAM's proof of a password.
//!
//! The exchange is `pgwire`'s state machine over our verifiers; here it is bounded, timed and answered. Every message comes from a stranger.

use std::net::IpAddr;

use bytes::{Buf, Bytes};
use pgwire::{
    api::auth::sasl::scram::ScramServerAuth, error::PgWireError, messages::startup::Authentication,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    failure::{Failure, Severity, Trouble},
    wire::Wire,
};
use crate::{
    doors::guard::{self, Guard},
    error::Error,
    session::{Door, Login},
};

const SCRAM: &str = "SCRAM-SHA-256";
const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// The longest message before login.
const LONGEST: usize = 10_000;

/// Who comes, and how.
pub(super) struct Caller<'a> {
    pub(super) user: &'a str,
    pub(super) peer: IpAddr,
    pub(super) encrypted: bool,
    /// The name in its certificate.
    pub(super) certificate: Option<String>,
}

/// Lets the caller in, or says why not; that it did not is noted.
pub(super) async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    guard: &Guard,
    login: &Login,
    caller: &Caller<'_>,
) -> Result<(), Trouble> {
    let done = show(wire, guard, login, caller).await;
    if let Err(trouble) = &done {
        let reason = match trouble {
            Trouble::Told(failure) => failure.message.as_str(),
            Trouble::Lost(_) => "the client went away before it was known",
        };
        guard.refused(caller.user, caller.peer, Door::Postgres, reason);
    }
    done
}

async fn show<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    guard: &Guard,
    login: &Login,
    caller: &Caller<'_>,
) -> Result<(), Trouble> {
    if guard.wants_encryption(caller.peer) && !caller.encrypted {
        return Err(Failure::fatal(
            "28000",
            format!(
                "connection of user \"{}\" from {} is not encrypted",
                caller.user, caller.peer
            ),
        )
        .with_hint("Connect with sslmode=require, or better verify-full.")
        .into());
    }
    let shown = guard
        .certificate(caller.user, caller.certificate.as_deref())
        .map_err(fatal)?;
    if !shown && guard.asks() {
        guard
            .hold_back(caller.user, caller.peer)
            .await
            .map_err(fatal)?;
        let answer = exchange(wire, guard, login, caller.encrypted).await?;
        let right = answer.is_some() && login.password_holds;
        guard
            .tried(caller.user, caller.peer, right)
            .map_err(fatal)?;
        if let Some(answer) = answer {
            wire.put(&Authentication::SASLFinal(answer.into()));
        }
    }
    guard::may_log_in(login, caller.user).map_err(fatal)
}

fn fatal(error: Error) -> Trouble {
    Failure::from(error).with_severity(Severity::Fatal).into()
}

/// SCRAM: the server's last message when the proof is right, `None` when it is not.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    guard: &Guard,
    login: &Login,
    encrypted: bool,
) -> Result<Option<String>, Trouble> {
    let bound = guard
        .tls()
        .filter(|_| encrypted)
        .and_then(|tls| tls.binding());
    let mut mechanisms = vec![SCRAM.to_owned()];
    if bound.is_some() {
        mechanisms.insert(0, SCRAM_PLUS.to_owned());
    }
    wire.put(&Authentication::SASL(mechanisms));
    wire.flush().await?;
    let mut first = wire.password_message(LONGEST).await?;
    let mechanism = take_text(&mut first)?;
    let auth = match (mechanism.as_ref(), bound) {
        (b"SCRAM-SHA-256-PLUS", Some(bound)) => bound,
        // With a bound one a client that believes there is none is told of the downgrade; one that cannot bind at all says so and may go on.
        (b"SCRAM-SHA-256", Some(bound)) => bound,
        (b"SCRAM-SHA-256", None) => ScramServerAuth::new(),
        _ => {
            return Err(Failure::fatal(
                "08P01",
                "client selected an invalid SASL authentication mechanism",
            )
            .into());
        }
    };
    let plus = mechanism.as_ref() == SCRAM_PLUS.as_bytes();
    let length = first.try_get_i32().map_err(|_| malformed())?;
    if usize::try_from(length).ok() != Some(first.remaining()) {
        return Err(malformed().into());
    }
    // The mechanism that was chosen and the flag in the message must agree.
    if first.starts_with(b"p=") != plus {
        return Err(malformed().into());
    }
    let (server_first, waiting) = auth
        .on_client_first_message_with_secret(&first, login.verifier.scram())
        .map_err(refused)?;
    wire.put(&Authentication::SASLContinue(server_first.into()));
    wire.flush().await?;
    let last = wire.password_message(LONGEST).await?;
    match waiting.on_client_final_message(&last) {
        Ok(answer) => Ok(Some(answer)),
        Err(PgWireError::InvalidPassword(_)) => Ok(None),
        Err(error) => Err(refused(error)),
    }
}

/// Text up to a NUL.
fn take_text(message: &mut Bytes) -> Result<Bytes, Failure> {
    let end = message
        .iter()
        .position(|byte| *byte == 0)
        .ok_or_else(malformed)?;
    let text = message.split_to(end);
    message.advance(1);
    Ok(text)
}

fn malformed() -> Failure {
    Failure::fatal("08P01", "malformed SCRAM message")
}

fn refused(error: PgWireError) -> Trouble {
    malformed().with_detail(error.to_string()).into()
}
