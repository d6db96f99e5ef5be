//! The simple protocol: a text of any number of statements, answered one after another in text format.

use std::sync::Arc;

use pgwire::messages::response::EmptyQueryResponse;
use sluice_sql::Parsed;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    columns::row_description,
    command::{Command, statements},
    connection::Connection,
    failure::{Failure, Trouble},
    portal::{Kind, Portal, Progress},
};
use crate::activity::kept;

/// A statement of a text.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) command: Option<Command>,
    pub(super) parsed: Option<Parsed>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// Answers a Query message up to ReadyForQuery. The first error is the last answer.
    pub(super) async fn simple_query(&mut self, text: &str) -> Result<(), Trouble> {
        self.canceller.asked(&kept(text));
        self.statements.remove("");
        self.portals.take("");
        let pieces = self.pieces(text)?;
        if pieces.is_empty() {
            self.wire.put(&EmptyQueryResponse::new());
        }
        for piece in pieces {
            self.simple_statement(piece).await?;
        }
        Ok(())
    }

    /// Takes a text apart into statements. Nothing of it runs unless all of it can be read.
    pub(super) fn pieces(&self, text: &str) -> Result<Vec<Piece>, Failure> {
        // A command alone may be one the parser does not know.
        let alone = Command::of(text);
        if let Some(Err(failure)) = &alone
            && failure.code != "42601"
        {
            return Err(failure.clone());
        }
        if let Some(Ok(command)) = alone
            && self.is_whole(&command)
        {
            return Ok(vec![Piece {
                command: Some(command),
                parsed: None,
            }]);
        }
        let parsed = match self.session.parse(text) {
            Ok(parsed) => parsed,
            Err(error) => return self.one_by_one(text).ok_or_else(|| error.into()),
        };
        let pieces = parsed.into_iter().map(|parsed| {
            let command = Command::of(&parsed.text)
                .transpose()
                .map_err(|failure| failure.after(parsed.offset))?;
            Ok(Piece {
                command: command.map(|command| command.after(parsed.offset)),
                parsed: Some(parsed),
            })
        });
        pieces.collect()
    }

    /// Whether a command is one statement, as far as it has another in it.
    fn is_whole(&self, command: &Command) -> bool {
        match command {
            Command::Declare { query, .. } | Command::Prepare { query, .. } => {
                self.session.parse(query).is_ok_and(|all| all.len() == 1)
            }
            _ => true,
        }
    }

    /// The statements of a text with a command that the parser does not know; `None` where that is not what is wrong with it.
    fn one_by_one(&self, text: &str) -> Option<Vec<Piece>> {
        let pieces = statements(text).into_iter().map(|(at, statement)| {
            let skipped = text.get(..at)?.chars().count();
            match Command::of(statement) {
                Some(Ok(command)) if self.is_whole(&command) => Some(Piece {
                    command: Some(command.after(skipped)),
                    parsed: None,
                }),
                Some(_) => None,
                None => {
                    let parsed = self.session.parse(statement).ok()?;
                    let [mut parsed] = <[_; 1]>::try_from(parsed).ok()?;
                    parsed.offset += skipped;
                    Some(Piece {
                        command: None,
                        parsed: Some(parsed),
                    })
                }
            }
        });
        pieces.collect()
    }

    async fn simple_statement(&mut self, piece: Piece) -> Result<(), Trouble> {
        self.transaction.admit(piece.command.as_ref())?;
        let running = self.canceller.start();
        let statement = Arc::new(self.plan(piece, &[], &running).await?);
        let mut portal = Portal {
            statement: Arc::clone(&statement),
            formats: Vec::new(),
            progress: Progress::Ready(Vec::new()),
            held: false,
            given: 0,
            told: None,
        };
        if let Kind::Command(command @ Command::Fetch { silent: false, .. }) = &statement.kind {
            let columns = self.columns_of_cursor(command)?;
            self.wire.put(&row_description(&columns, &[])?);
        }
        self.begin(&mut portal, &running).await?;
        if let Progress::Rows(rows) = &portal.progress {
            self.wire.put(&row_description(rows.columns(), &[])?);
        }
        self.advance(&mut portal, None, &running).await
    }
}
