//! Cursors: DECLARE, FETCH, MOVE.
//!
//! A cursor is a portal with a name of the user's, and a portal that was bound by the protocol is a cursor to FETCH, MOVE and CLOSE. One that
//! was declared SCROLL keeps the rows it has read, and goes anywhere among them; any other only goes on, and keeps nothing.

mod kept;
mod steps;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;
use postgres_types::Type;
use sluice_sql::Parsed;
use tokio::io::{AsyncRead, AsyncWrite};

pub(super) use self::kept::Kept;
use self::steps::{Step, forward_only};
use super::{
    cancel::Running,
    columns::{Column, of_arrow},
    command::{Command, Direction},
    connection::Connection,
    extended::same_types,
    failure::{Failure, Trouble},
    parameters::hint,
    portal::{Kind, Portal, Progress, Statement},
    simple::Piece,
};
use crate::session::{OpenCursor, Session};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// Gives the statement of a DECLARE the parameters of its query: drivers send the two as one.
    pub(super) async fn type_cursor(
        &mut self,
        statement: &mut Statement,
        hints: &[Option<DataType>],
        running: &Running,
    ) -> Result<(), Trouble> {
        let Kind::Command(Command::Declare { query, offset, .. }) = &statement.kind else {
            return Ok(());
        };
        if !query.contains('$') {
            return Ok(());
        }
        let session = Arc::clone(&self.session);
        let parsed = one_query(&session, query, *offset)?;
        let planning = session.prepare_apart(&parsed, hints);
        let prepared = running.wait(&mut self.wire, planning).await??;
        let types = prepared.parameters.iter();
        statement.types = types
            .map(|known| known.as_ref().map_or(Type::TEXT, of_arrow))
            .collect();
        statement.wanted = prepared.parameters;
        Ok(())
    }

    /// DECLARE.
    pub(super) async fn declare(
        &mut self,
        command: &Command,
        (types, values): (&[Type], Vec<ScalarValue>),
        running: &Running,
    ) -> Result<String, Trouble> {
        let Command::Declare {
            name,
            binary,
            hold,
            scroll,
            query,
            offset,
            text,
        } = command
        else {
            return Ok(String::new());
        };
        if !hold && !self.transaction.in_block() {
            return Err(Failure::error(
                "25P01",
                "DECLARE CURSOR can only be used in transaction blocks",
            )
            .with_hint("Begin a transaction block, or declare the cursor WITH HOLD.")
            .into());
        }
        self.portals.admit(name)?;
        let piece = Piece {
            command: None,
            parsed: Some(one_query(&self.session, query, *offset)?),
        };
        let hints: Vec<Option<DataType>> = types.iter().map(hint).collect();
        let statement = Box::pin(self.plan(piece, &hints, running)).await?;
        let (Kind::Engine(prepared), Some(_)) = (&statement.kind, &statement.columns) else {
            return Err(Failure::error("42601", "a cursor needs a query that gives rows").into());
        };
        let formats = if *binary { vec![1] } else { Vec::new() };
        let mut progress = self.open(prepared, values, &formats, running).await?;
        if *scroll {
            progress = match progress {
                Progress::Rows(rows) if rows.is_endless() => {
                    return Err(Failure::error("0A000", "a subscription cannot be scrolled")
                        .with_hint("Its rows do not end: declare the cursor without SCROLL.")
                        .into());
                }
                Progress::Rows(rows) => {
                    let pool = self.session.memory_pool();
                    let stream = rows.into_stream();
                    Progress::Kept(Box::new(Kept::new(name, stream, self.style(), &pool)))
                }
                other => other,
            };
        }
        let cursor = Portal {
            statement: Arc::new(statement),
            formats,
            progress,
            held: *hold,
            given: 0,
            told: Some(OpenCursor {
                text: text.clone(),
                opened_us: self.session.engine().clock().now_us(),
                held: *hold,
                binary: *binary,
                scrolls: *scroll,
            }),
        };
        self.portals.put(name, cursor);
        Ok("DECLARE CURSOR".into())
    }

    /// FETCH, or MOVE when `silent`; its completion tag.
    pub(super) async fn fetch(
        &mut self,
        name: &str,
        direction: Direction,
        silent: bool,
        formats: &[i16],
        running: &Running,
    ) -> Result<String, Trouble> {
        let mut cursor = self.portals.take(name).ok_or_else(|| no_cursor(name))?;
        self.begin_bound(name, &mut cursor, running).await?;
        // A portal's formats are for those who execute it.
        let binary = cursor.told.as_ref().is_some_and(|told| told.binary);
        let formats: &[i16] = match binary {
            true => &cursor.formats,
            false => formats,
        };
        let count = if let Progress::Kept(kept) = &mut cursor.progress {
            kept.go(&mut self.wire, running, direction, formats, silent)
                .await?
        } else {
            let ended = matches!(cursor.progress, Progress::Done(_));
            match forward_only(direction, cursor.given, ended, silent)? {
                Step::Stay => 0,
                Step::StayAtRow => 1,
                Step::On { pass, give } => match &mut cursor.progress {
                    Progress::Rows(rows) => {
                        rows.set_formats(formats);
                        let mut more = true;
                        if pass > 0 {
                            let passed = rows.send(&mut self.wire, running, Some(pass), true);
                            let passed = passed.await?;
                            cursor.given += passed.rows;
                            more = passed.suspended;
                        }
                        let mut count = 0;
                        if more {
                            // All of what never ends is all that there is.
                            let give = give.or(rows.is_endless().then_some(u64::MAX));
                            let sent = rows.send(&mut self.wire, running, give, silent).await?;
                            count = sent.rows;
                            more = sent.suspended;
                        }
                        cursor.given += count;
                        if !more {
                            cursor.progress = Progress::Done("SELECT 0".into());
                        }
                        count
                    }
                    _ => 0,
                },
            }
        };
        if let Progress::Rows(rows) = &mut cursor.progress {
            rows.set_formats(&cursor.formats);
        }
        self.portals.put(name, cursor);
        let word = if silent { "MOVE" } else { "FETCH" };
        Ok(format!("{word} {count}"))
    }

    /// Starts a portal that was bound and has not been executed.
    async fn begin_bound(
        &mut self,
        name: &str,
        portal: &mut Portal,
        running: &Running,
    ) -> Result<(), Trouble> {
        let Progress::Ready(values) = &mut portal.progress else {
            return Ok(());
        };
        let values = std::mem::take(values);
        let statement = Arc::clone(&portal.statement);
        let (Kind::Engine(prepared), Some(told)) = (&statement.kind, &statement.columns) else {
            return Err(
                Failure::error("55000", format!("portal \"{name}\" gives no rows"))
                    .with_hint("Send Execute for it: FETCH and MOVE are for queries.")
                    .into(),
            );
        };
        portal.progress = self
            .open(prepared, values, &portal.formats, running)
            .await?;
        match &portal.progress {
            Progress::Rows(rows) if !same_types(rows.columns(), Some(told)) => {
                Err(Failure::error("0A000", "cached plan must not change result type").into())
            }
            _ => Ok(()),
        }
    }

    /// The columns FETCH gives.
    pub(super) fn columns_of_cursor(&self, command: &Command) -> Result<Vec<Column>, Failure> {
        let Command::Fetch { name, .. } = command else {
            return Ok(Vec::new());
        };
        let cursor = self.portals.get(name).ok_or_else(|| no_cursor(name))?;
        Ok(match &cursor.progress {
            Progress::Rows(rows) => rows.columns().to_vec(),
            Progress::Kept(kept) => kept.columns().to_vec(),
            _ => cursor.statement.columns.clone().unwrap_or_default(),
        })
    }
}

/// The query of a cursor, which stands behind so many characters of what the client sent.
fn one_query(session: &Session, query: &str, offset: usize) -> Result<Parsed, Failure> {
    let parsed = session.parse(query);
    let parsed = parsed.map_err(|error| Failure::from(error).after(offset))?;
    let Ok([mut parsed]) = <[_; 1]>::try_from(parsed) else {
        return Err(Failure::error("42601", "a cursor needs one query"));
    };
    parsed.offset += offset;
    Ok(parsed)
}

/// There is none of this name.
pub(super) fn no_cursor(name: &str) -> Failure {
    Failure::error("34000", format!("cursor \"{name}\" does not exist"))
}
