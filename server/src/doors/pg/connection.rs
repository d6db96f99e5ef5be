//! One client's connection: its messages in order, its state, its end.
//!
//! The rule of the extended protocol that decides most here: after an error everything up to the next Sync is passed by, and only Sync
//! answers ReadyForQuery. A panic below ends this connection and no other.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use pgwire::messages::response::{ReadyForQuery, TransactionStatus};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::{
    cancel::{Canceller, shutting_down},
    encode::Style,
    failure::{Failure, Severity, Trouble},
    frontend::Frontend,
    portal::Portals,
    startup::parameter_status,
    statements::Statements,
    transaction::Transaction,
    wire::Wire,
};
use crate::{activity::State, session::Session};

/// After this long without a message the session lets go what it can make again.
const REST: std::time::Duration = std::time::Duration::from_secs(2);

/// A client and what it has open.
pub(super) struct Connection<S> {
    pub(super) wire: Wire<S>,
    pub(super) session: Arc<Session>,
    pub(super) canceller: Arc<Canceller>,
    pub(super) transaction: Transaction,
    pub(super) statements: Statements,
    pub(super) portals: Portals,
    skip_to_sync: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    pub(super) fn new(wire: Wire<S>, session: Arc<Session>, canceller: Arc<Canceller>) -> Self {
        let opened = session.opened();
        Self {
            statements: Statements::new(Arc::clone(opened)),
            portals: Portals::new(Arc::clone(opened)),
            wire,
            session,
            canceller,
            transaction: Transaction::default(),
            skip_to_sync: false,
        }
    }

    /// Serves the client until one of the two has had enough.
    pub(super) async fn run(&mut self, shutdown: &CancellationToken) -> std::io::Result<()> {
        self.ready();
        self.wire.flush().await?;
        loop {
            let (wire, session) = (&mut self.wire, &self.session);
            let next = async {
                let mut next = std::pin::pin!(wire.next());
                if let Ok(message) = tokio::time::timeout(REST, &mut next).await {
                    return message;
                }
                session.rest();
                next.await
            };
            let message = tokio::select! {
                biased;
                () = shutdown.cancelled() => Err(shutting_down().into()),
                () = session.activity().ended().cancelled() => Err(shutting_down().into()),
                failure = idle(session, &self.transaction) => Err(failure.into()),
                message = next => message,
            };
            let message = match message {
                Ok(Some(Frontend::Terminate) | None) => return Ok(()),
                Ok(Some(message)) => message,
                Err(Trouble::Lost(lost)) => return Err(lost),
                Err(Trouble::Told(failure)) => return self.dismiss(&failure).await,
            };
            if let Err(dropped) = self.session.check_there() {
                let failure = Failure::from(dropped).with_severity(Severity::Fatal);
                return self.dismiss(&failure).await;
            }
            let extended = is_extended(&message);
            // In a box: who only waits need not have the room that work takes.
            let handling = Box::pin(self.handle(message));
            let handled = AssertUnwindSafe(handling).catch_unwind().await;
            let trouble = match handled {
                Ok(Ok(())) => continue,
                Ok(Err(trouble)) => trouble,
                Err(_) => Failure::fatal("XX000", "internal error")
                    .with_hint("The server's log has the details.")
                    .into(),
            };
            match trouble {
                Trouble::Lost(lost) => return Err(lost),
                Trouble::Told(failure) if failure.severity == Severity::Fatal => {
                    return self.dismiss(&failure).await;
                }
                Trouble::Told(failure) => self.refuse(&failure, extended).await?,
            }
        }
    }

    /// Tells the client of an error that leaves the connection as it is.
    async fn refuse(&mut self, failure: &Failure, extended: bool) -> std::io::Result<()> {
        self.send_notices();
        self.wire.put(&failure.error_response());
        self.transaction.fail();
        if extended {
            self.skip_to_sync = true;
        } else {
            self.settle();
            self.ready();
        }
        self.wire.flush().await
    }

    /// Tells the client why it has to go. One that does not listen is not waited for.
    async fn dismiss(&mut self, failure: &Failure) -> std::io::Result<()> {
        self.wire.put(&failure.error_response());
        let goodbye = self.wire.close();
        match tokio::time::timeout(std::time::Duration::from_secs(2), goodbye).await {
            Ok(closed) => closed,
            Err(_) => Ok(()),
        }
    }

    async fn handle(&mut self, message: Frontend) -> Result<(), Trouble> {
        if self.skip_to_sync && !matches!(message, Frontend::Sync) {
            return Ok(());
        }
        match message {
            Frontend::Query(text) => {
                self.simple_query(&text).await?;
                self.settle();
                self.ready();
                self.wire.flush().await?;
            }
            Frontend::Parse { name, query, types } => self.parse(&name, &query, &types).await?,
            Frontend::Bind {
                portal,
                statement,
                formats,
                values,
                result_formats,
            } => self.bind(&portal, &statement, &formats, &values, result_formats)?,
            Frontend::Describe { target, name } => self.describe(target, &name)?,
            Frontend::Execute { portal, max_rows } => {
                let limit = u64::try_from(max_rows).ok().filter(|max| *max > 0);
                self.execute(&portal, limit).await?;
            }
            Frontend::Close { target, name } => self.close(target, &name),
            Frontend::Flush => self.wire.flush().await?,
            Frontend::Sync => {
                self.skip_to_sync = false;
                self.settle();
                self.ready();
                self.wire.flush().await?;
            }
            Frontend::Refused { failure, .. } => return Err(Trouble::Told(failure)),
            Frontend::CopyData(_)
            | Frontend::CopyDone
            | Frontend::CopyFail(_)
            | Frontend::Terminate => {}
        }
        // Answers to pipelined messages are gathered until Flush or Sync, within reason.
        if self.wire.is_full() {
            self.wire.flush().await?;
        }
        Ok(())
    }

    /// Outside a block, a transaction ends with its statement: what lived in it goes.
    fn settle(&mut self) {
        if !self.transaction.in_block() {
            self.portals.end_transaction();
            self.session.transaction_over();
        }
    }

    fn ready(&mut self) {
        self.tell_parameters();
        let status = self.transaction.status();
        self.canceller.rests(match status {
            TransactionStatus::Idle => State::Idle,
            TransactionStatus::Transaction => State::IdleInTransaction,
            TransactionStatus::Error => State::IdleInFailedTransaction,
        });
        self.wire.put(&ReadyForQuery::new(status));
    }

    /// Tells of run-time parameters that have changed.
    fn tell_parameters(&mut self) {
        for (name, value) in self.session.take_changed_parameters() {
            self.wire.put(&parameter_status(name, &value));
        }
    }

    /// What the session has to say beside its answers.
    pub(super) fn send_notices(&mut self) {
        for notice in self.session.take_notices() {
            self.notice(&Failure::notice(notice));
        }
    }

    pub(super) fn notice(&mut self, notice: &Failure) {
        self.wire.put(&notice.notice_response());
    }

    /// How this session shows values.
    pub(super) fn style(&self) -> Style {
        Style::new(self.session.parameter("TimeZone").as_deref())
    }
}

/// Resolves when a client has been idle for longer than its session allows.
async fn idle(session: &Session, transaction: &Transaction) -> Failure {
    let (setting, code, message) = if transaction.in_block() {
        (
            "idle_in_transaction_session_timeout",
            "25P03",
            "terminating connection due to idle-in-transaction timeout",
        )
    } else {
        (
            "idle_session_timeout",
            "57P05",
            "terminating connection due to idle-session timeout",
        )
    };
    match session.time_limit(setting) {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
    Failure::fatal(code, message)
}

fn is_extended(message: &Frontend) -> bool {
    match message {
        Frontend::Query(_) => false,
        Frontend::Refused { tag, .. } => !matches!(tag, b'Q' | b'F'),
        _ => true,
    }
}
