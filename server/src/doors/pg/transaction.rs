//! Transaction blocks as clients see them.
//!
//! Statements take effect at once here, whatever block they stand in. The block is for what is read ([`crate::session::Modes`]), and for
//! drivers, which open one around everything and rely on its states: after an error nothing runs until it is ended.

use pgwire::messages::response::TransactionStatus;

use super::{
    command::Command,
    failure::{Failure, Severity},
};

/// Where a connection stands.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    state: State,
    savepoints: Vec<String>,
    /// Something in the block has changed what is there.
    wrote: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Block,
    Failed,
}

/// What a transaction command comes to.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) tag: &'static str,
    pub(super) warning: Option<Failure>,
    /// The block is over: what lived in it goes.
    pub(super) ended: bool,
}

impl Transaction {
    /// What ReadyForQuery says.
    pub(super) fn status(&self) -> TransactionStatus {
        match self.state {
            State::Idle => TransactionStatus::Idle,
            State::Block => TransactionStatus::Transaction,
            State::Failed => TransactionStatus::Error,
        }
    }

    /// Whether a block is open, failed or not.
    pub(super) fn in_block(&self) -> bool {
        self.state != State::Idle
    }

    /// Savepoints before the last one that was set, or gone back to.
    pub(super) fn savepoints_before(&self) -> usize {
        self.savepoints.len().saturating_sub(1)
    }

    /// An error occurred.
    pub(super) fn fail(&mut self) {
        if self.state == State::Block {
            self.state = State::Failed;
        }
    }

    /// A statement of the engine's has been carried out; its completion tag. The first of a block that writes is told of.
    pub(super) fn did(&mut self, tag: &str) -> Option<Failure> {
        const WRITES: [&str; 11] = [
            "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY", "CREATE", "DROP", "ALTER",
            "GRANT", "REVOKE",
        ];
        let verb = tag.split(' ').next().unwrap_or_default();
        if self.wrote || !self.in_block() || !WRITES.contains(&verb) {
            return None;
        }
        self.wrote = true;
        let message = format!("{tag} has taken effect, and ROLLBACK will not take it back");
        Some(Failure::new(Severity::Notice, "00000", message))
    }

    /// What a rollback does not do.
    fn not_undone(&self) -> Option<Failure> {
        self.wrote.then(|| {
            Failure::new(
                Severity::Warning,
                "01000",
                "what the transaction block has written stays: every statement takes effect at once",
            )
        })
    }

    /// Refuses what may not run in a failed block; `command` is `None` for the engine's statements.
    pub(super) fn admit(&self, command: Option<&Command>) -> Result<(), Failure> {
        if self.state == State::Failed && !command.is_some_and(Command::ends_failed_block) {
            return Err(Failure::error(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        Ok(())
    }

    /// Does a transaction command; `None` when it is not one.
    pub(super) fn run(&mut self, command: &Command) -> Option<Result<Outcome, Failure>> {
        Some(match command {
            Command::Begin { tag, .. } => Ok(self.begin(tag)),
            Command::Commit { chain } => self.end(*chain, "COMMIT"),
            Command::Rollback { chain } => self.end(*chain, "ROLLBACK"),
            Command::Savepoint(name) => self.in_a_block("SAVEPOINT").map(|()| {
                self.savepoints.push(name.clone());
                done("SAVEPOINT")
            }),
            Command::Release(name) => self.in_a_block("RELEASE SAVEPOINT").and_then(|()| {
                let at = self.savepoint(name)?;
                self.savepoints.truncate(at);
                Ok(done("RELEASE"))
            }),
            Command::RollbackTo(name) => self.in_a_block("ROLLBACK TO SAVEPOINT").and_then(|()| {
                let at = self.savepoint(name)?;
                self.savepoints.truncate(at + 1);
                self.state = State::Block;
                Ok(Outcome {
                    warning: self.not_undone(),
                    ..done("ROLLBACK")
                })
            }),
            Command::SetTransaction(_) => Ok(Outcome {
                warning: (!self.in_block()).then(|| {
                    Failure::new(
                        Severity::Warning,
                        "25P01",
                        "SET TRANSACTION can only be used in transaction blocks",
                    )
                }),
                ..done("SET")
            }),
            Command::SetCharacteristics(_) => Ok(done("SET")),
            _ => return None,
        })
    }

    fn begin(&mut self, tag: &'static str) -> Outcome {
        let warning = (self.state == State::Block).then(|| {
            Failure::new(
                Severity::Warning,
                "25001",
                "there is already a transaction in progress",
            )
        });
        self.wrote &= self.state != State::Idle;
        self.state = State::Block;
        Outcome {
            warning,
            ..done(tag)
        }
    }

    fn end(&mut self, chain: bool, tag: &'static str) -> Result<Outcome, Failure> {
        if chain && self.state == State::Idle {
            return Err(Failure::error(
                "25P01",
                format!("{tag} AND CHAIN can only be used in transaction blocks"),
            ));
        }
        let warning = (self.state == State::Idle).then(|| {
            Failure::new(
                Severity::Warning,
                "25P01",
                "there is no transaction in progress",
            )
        });
        // A failed block cannot be committed, and says so by the tag only.
        let tag = if self.state == State::Failed {
            "ROLLBACK"
        } else {
            tag
        };
        let warning = match tag {
            "ROLLBACK" => warning.or_else(|| self.not_undone()),
            _ => warning,
        };
        self.wrote = false;
        self.state = if chain { State::Block } else { State::Idle };
        self.savepoints.clear();
        Ok(Outcome {
            tag,
            warning,
            ended: true,
        })
    }

    fn in_a_block(&self, what: &str) -> Result<(), Failure> {
        if self.in_block() {
            return Ok(());
        }
        Err(Failure::error(
            "25P01",
            format!("{what} can only be used in transaction blocks"),
        ))
    }

    fn savepoint(&self, name: &str) -> Result<usize, Failure> {
        let found = self.savepoints.iter().rposition(|known| known == name);
        found.ok_or_else(|| Failure::error("3B001", format!("savepoint \"{name}\" does not exist")))
    }
}

fn done(tag: &'static str) -> Outcome {
    Outcome {
        tag,
        warning: None,
        ended: false,
    }
}
