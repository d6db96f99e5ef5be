//! The life of a job, and the loop that turns what was read into epochs.

mod epochs;
mod live;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use self::epochs::Running;
pub(super) use self::epochs::journal_error;
use super::{Command, JobParts, QueryState, StatusCell, commit::is_transient};
use crate::{
    catalog::QualifiedName,
    error::{Error, Result, SqlState},
};

/// A job between its attempts.
pub(super) struct Job {
    parts: JobParts,
    status: StatusCell,
    commands: mpsc::Receiver<Command>,
}

/// How an attempt ended without an error.
pub(super) enum End {
    /// Asked to stop.
    Stopped(oneshot::Sender<()>),
    /// Asked to pause.
    Paused(oneshot::Sender<()>),
    /// Every split is at its end and everything is committed.
    Finished,
    /// Nobody holds the handle any more.
    Abandoned,
}

/// Why a job that was at rest moves again.
enum Wake {
    Go,
    End,
}

impl Job {
    pub(super) fn new(
        parts: JobParts,
        status: StatusCell,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            parts,
            status,
            commands,
        }
    }

    /// Runs until it is stopped.
    pub(super) async fn run(mut self) {
        let mut at_rest = self.parts.paused.then_some(QueryState::Paused);
        let mut failures: u32 = 0;
        loop {
            if let Some(state) = at_rest.take()
                && let Wake::End = self.rest(state, None).await
            {
                return;
            }
            match self.attempt().await {
                Ok(End::Stopped(done)) => {
                    self.set_state(QueryState::Stopped);
                    // The asker may have gone; the job has stopped all the same.
                    let _ = done.send(());
                    return;
                }
                Ok(End::Abandoned) => return,
                Ok(End::Paused(done)) => {
                    self.set_state(QueryState::Paused);
                    let _ = done.send(());
                    at_rest = Some(QueryState::Paused);
                }
                Ok(End::Finished) => {
                    self.parts.events.info(
                        &self.parts.name,
                        "every source is at its end and everything is committed",
                    );
                    at_rest = Some(QueryState::Finished);
                }
                Err(error) if is_transient(&error) || self.met_a_sleeper(&error).await => {
                    failures += 1;
                    let wait = Duration::from_millis(250) * 2u32.pow(failures.min(5));
                    self.failed(&error);
                    if let Wake::End = self.rest(QueryState::Retrying, Some(wait)).await {
                        return;
                    }
                }
                Err(error) => {
                    self.failed(&error);
                    self.settle_tail(&error);
                    at_rest = Some(QueryState::Failed);
                }
            }
        }
    }

    /// Whether the query was fenced by a server that has lost the root to us and did not know it: claiming the log anew settles it.
    async fn met_a_sleeper(&self, error: &Error) -> bool {
        error.state == SqlState::ObjectInUse
            && self.parts.holding.may_meet_a_sleeper()
            && self.parts.holding.confirm().await.is_ok()
    }

    /// The tail stays as it is: what was read as final is read again, until the next attempt replays it.
    fn failed(&self, error: &Error) {
        self.parts.events.error(&self.parts.name, error.to_string());
        self.status
            .update(|status| status.last_error = Some(error.to_string()));
    }

    /// After the last attempt, nothing more comes to wait for; and what may be of another topic than the table's is thrown away.
    fn settle_tail(&self, error: &Error) {
        let tables = &self.parts.tables;
        for table in [&tables.table, &tables.late, &tables.dead] {
            if error.state == SqlState::DataCorrupted {
                table.clear_tail(false);
            }
            table.restored();
        }
    }

    fn set_state(&self, state: QueryState) {
        self.status.update(|status| status.state = state);
    }

    /// Waits for a command, or for `at_most`.
    async fn rest(&mut self, state: QueryState, at_most: Option<Duration>) -> Wake {
        self.set_state(state);
        let deadline = async {
            match at_most {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(deadline);
        loop {
            let command = tokio::select! {
                command = self.commands.recv() => command,
                () = &mut deadline => return Wake::Go,
            };
            match command {
                None => return Wake::End,
                Some(Command::Stop { done, .. }) => {
                    self.set_state(QueryState::Stopped);
                    let _ = done.send(());
                    return Wake::End;
                }
                Some(Command::Resume(done)) => {
                    let _ = done.send(());
                    if state != QueryState::Finished {
                        return Wake::Go;
                    }
                }
                Some(Command::Pause(done)) => {
                    let _ = done.send(());
                    if at_most.is_some() {
                        // Paused while it waited to try again: it waits for RESUME now.
                        return Box::pin(self.rest(QueryState::Paused, None)).await;
                    }
                }
                Some(Command::Live(answer)) => {
                    let _ = answer.send(Ok(live::at_rest(&self.parts)));
                }
                Some(Command::Replay { done, .. }) => {
                    let _ = done.send(Err(self.not_running(state)));
                }
                Some(Command::Profile(answer)) => {
                    let _ = answer.send(Err(self.not_running(state)));
                }
            }
        }
    }

    fn not_running(&self, state: QueryState) -> Error {
        Error::outside(
            SqlState::ObjectNotInPrerequisiteState,
            format!(
                "query \"{}\" is not running but {}",
                self.parts.name,
                state.as_str()
            ),
        )
    }

    /// One life: restore, replay, read until told otherwise.
    async fn attempt(&mut self) -> Result<End> {
        self.set_state(QueryState::Starting);
        self.parts.holding.confirm().await?;
        let mut running = Running::restore(&self.parts, &self.status).await?;
        {
            let replay = running.replay();
            tokio::pin!(replay);
            loop {
                let command = tokio::select! {
                    replayed = &mut replay => break replayed?,
                    command = self.commands.recv() => command,
                };
                match command {
                    None => return Ok(End::Abandoned),
                    // Nothing new has been read: the next start finds everything as it was.
                    Some(Command::Stop { done, .. }) => return Ok(End::Stopped(done)),
                    Some(Command::Pause(done)) => return Ok(End::Paused(done)),
                    Some(Command::Resume(done)) => {
                        let _ = done.send(());
                    }
                    Some(Command::Live(answer)) => {
                        let _ = answer.send(Ok(live::at_rest(&self.parts)));
                    }
                    Some(Command::Replay { done, .. }) => {
                        let _ = done.send(Err(still_starting(&self.parts.name)));
                    }
                    Some(Command::Profile(answer)) => {
                        let _ = answer.send(Err(still_starting(&self.parts.name)));
                    }
                }
            }
        }
        self.set_state(QueryState::Running);
        self.status.update(|status| status.last_error = None);
        running.run(&mut self.commands).await
    }
}

fn still_starting(name: &QualifiedName) -> Error {
    Error::outside(
        SqlState::ObjectNotInPrerequisiteState,
        format!("query \"{name}\" is still starting"),
    )
}
