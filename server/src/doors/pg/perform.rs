//! Planning and running statements, whichever protocol asked.

use std::{ops::ControlFlow, sync::Arc};

use arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;
use pgwire::messages::{
    extendedquery::PortalSuspended,
    response::{CommandComplete, EmptyQueryResponse},
};
use postgres_types::Type;
use sluice_sql::{
    CopyDirection,
    ast::{ArrayElemTypeDef, DataType as DataTypeName, Expr, Value, Visit, Visitor},
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    cancel::Running,
    columns::{columns, named, of_arrow},
    command::{Command, Direction},
    connection::Connection,
    cursor::no_cursor,
    failure::{Failure, Trouble, without_nul},
    portal::{Kind, Portal, Progress, Rows, Sent, Statement},
    simple::Piece,
    startup::run,
};
use crate::session::{Answer, NO_NOTIFICATIONS, Prepared};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// Plans a statement; `hints` are the types the client named for its parameters.
    pub(super) async fn plan(
        &mut self,
        piece: Piece,
        hints: &[Option<DataType>],
        running: &Running,
    ) -> Result<Statement, Trouble> {
        let nothing = |kind| Statement {
            kind,
            types: Vec::new(),
            wanted: Vec::new(),
            columns: None,
            text: Arc::from(""),
        };
        if let Some(command) = piece.command {
            let mut statement = nothing(Kind::Command(command));
            self.type_cursor(&mut statement, hints, running).await?;
            return Ok(statement);
        }
        let Some(parsed) = piece.parsed else {
            return Ok(nothing(Kind::Empty));
        };
        if let sluice_sql::Statement::Copy(copy) = &parsed.statement {
            return Ok(nothing(Kind::Copy(Box::new((copy.clone(), parsed)))));
        }
        let session = Arc::clone(&self.session);
        let planning = session.prepare_apart(&parsed, hints);
        let prepared = running.wait(&mut self.wire, planning).await??;
        let types = prepared.parameters.iter();
        let mut types: Vec<Type> = types
            .map(|known| known.as_ref().map_or(Type::TEXT, of_arrow))
            .collect();
        let beside = prepared.carried_parameters().into_iter();
        let beside =
            beside.filter_map(|(number, mark)| Some((number.checked_sub(1)?, named(&mark)?)));
        for (place, named) in beside.chain(named_types(&parsed)) {
            if let Some(known) = types.get_mut(place)
                && matches!(*known, Type::TEXT | Type::TEXT_ARRAY)
            {
                *known = named;
            }
        }
        Ok(Statement {
            types,
            wanted: prepared.parameters.clone(),
            columns: prepared.schema.as_deref().map(columns),
            kind: Kind::Engine(Box::new(prepared)),
            text: Arc::from(""),
        })
    }

    /// Starts a portal that has not run yet. Afterwards it has rows, or is done and its answer but for the tag has been given.
    pub(super) async fn begin(
        &mut self,
        portal: &mut Portal,
        running: &Running,
    ) -> Result<(), Trouble> {
        let Progress::Ready(values) = &mut portal.progress else {
            return Ok(());
        };
        let values = std::mem::take(values);
        let statement = Arc::clone(&portal.statement);
        portal.progress = match &statement.kind {
            Kind::Empty => Progress::Done(String::new()),
            Kind::Command(command @ Command::Declare { .. }) => {
                let values = (statement.types.as_slice(), values);
                Progress::Done(self.declare(command, values, running).await?)
            }
            Kind::Command(Command::Execute { name, values }) => {
                self.execute_named(name, values, &portal.formats, running)
                    .await?
            }
            Kind::Command(Command::ExplainExecute {
                explain,
                name,
                values,
            }) => {
                let formats = &portal.formats;
                self.explain_execute((explain, name), values, formats, running)
                    .await?
            }
            Kind::Command(command) => {
                Progress::Done(self.command(command, &portal.formats, running).await?)
            }
            Kind::Copy(copy) => {
                let (copy, parsed) = copy.as_ref();
                let tag = self.copy(copy, parsed, running).await?;
                if copy.direction == CopyDirection::FromStdin {
                    self.did(&tag);
                }
                Progress::Done(tag)
            }
            Kind::Engine(prepared) => {
                self.open(prepared, values, &portal.formats, running)
                    .await?
            }
        };
        Ok(())
    }

    /// Starts a statement of the engine's.
    pub(super) async fn open(
        &mut self,
        prepared: &Prepared,
        values: Vec<ScalarValue>,
        formats: &[i16],
        running: &Running,
    ) -> Result<Progress, Trouble> {
        let session = Arc::clone(&self.session);
        let work = session.execute_until(prepared, values, running.token());
        let answer = if prepared.schema.is_some() {
            running.wait(&mut self.wire, work).await??
        } else {
            running.see_through(work).await?
        };
        Ok(match answer {
            Answer::Rows {
                tag, stream, idle, ..
            } => {
                let rows = Rows::new(tag, stream, idle, formats, self.style());
                Progress::Rows(Box::new(rows))
            }
            Answer::Done { tag } => {
                self.did(&tag);
                Progress::Done(tag)
            }
        })
    }

    fn did(&mut self, tag: &str) {
        if let Some(notice) = self.transaction.did(tag) {
            self.notice(&notice);
        }
    }

    /// A transaction command has been carried out and has this tag; `began` where a block was open before it.
    async fn tell_session(
        &mut self,
        command: &Command,
        tag: &str,
        began: bool,
    ) -> Result<(), Trouble> {
        let session = Arc::clone(&self.session);
        match command {
            Command::Begin { modes, .. } if began => session.set_transaction(*modes)?,
            Command::Begin { modes, .. } => session.begin(*modes),
            Command::SetTransaction(modes) if began => session.set_transaction(*modes)?,
            Command::Commit { chain } | Command::Rollback { chain } => {
                let modes = session.end(tag == "COMMIT")?;
                if *chain {
                    session.begin(modes);
                }
            }
            Command::Savepoint(_) => session.savepoint(self.transaction.savepoints_before()),
            Command::RollbackTo(_) => session.roll_back_to(self.transaction.savepoints_before())?,
            Command::SetCharacteristics(modes) => {
                if let Some(isolation) = modes.isolation {
                    let level = isolation.name();
                    run(
                        &session,
                        &format!("SET default_transaction_isolation = '{level}'"),
                    )
                    .await?;
                }
                if let Some(only) = modes.read_only {
                    let value = if only { "on" } else { "off" };
                    run(
                        &session,
                        &format!("SET default_transaction_read_only = '{value}'"),
                    )
                    .await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Sends what a portal has, up to `limit` rows, and how it went.
    pub(super) async fn advance(
        &mut self,
        portal: &mut Portal,
        limit: Option<u64>,
        running: &Running,
    ) -> Result<(), Trouble> {
        let tag = match &mut portal.progress {
            Progress::Rows(rows) => {
                let sent = rows.send(&mut self.wire, running, limit, false).await;
                let sent = sent.map_err(|trouble| match &portal.statement.kind {
                    // A cursor's text was sent before.
                    Kind::Engine(prepared) if portal.told.is_none() => {
                        trouble.placed(&prepared.parsed)
                    }
                    _ => trouble,
                })?;
                portal.given += sent.rows;
                if sent.suspended {
                    self.send_notices();
                    self.wire.put(&PortalSuspended::new());
                    return Ok(());
                }
                let tag = counted(&rows.tag, sent);
                // Run again, it would give no more rows.
                portal.progress = Progress::Done(counted(&rows.tag, NONE));
                tag
            }
            Progress::Kept(kept) => {
                let direction = Direction::Forward(limit);
                let wire = &mut self.wire;
                let rows = kept
                    .go(wire, running, direction, &portal.formats, false)
                    .await?;
                if limit == Some(rows) {
                    self.send_notices();
                    self.wire.put(&PortalSuspended::new());
                    return Ok(());
                }
                format!("SELECT {rows}")
            }
            Progress::Done(tag) => tag.clone(),
            Progress::Ready(_) => return Err(Failure::protocol("portal has not started").into()),
        };
        self.send_notices();
        if matches!(portal.statement.kind, Kind::Empty) {
            self.wire.put(&EmptyQueryResponse::new());
        } else {
            self.wire.put(&CommandComplete::new(without_nul(&tag)));
        }
        Ok(())
    }

    /// Does a command of the door's and gives its completion tag.
    async fn command(
        &mut self,
        command: &Command,
        formats: &[i16],
        running: &Running,
    ) -> Result<String, Trouble> {
        let began = self.transaction.in_block();
        if let Some(outcome) = self.transaction.run(command) {
            let outcome = outcome?;
            self.tell_session(command, outcome.tag, began).await?;
            if outcome.ended {
                self.portals.end_transaction();
            }
            if let Some(warning) = &outcome.warning {
                self.notice(warning);
            }
            return Ok(outcome.tag.to_owned());
        }
        Ok(match command {
            Command::Fetch {
                name,
                direction,
                silent,
            } => {
                self.fetch(name, *direction, *silent, formats, running)
                    .await?
            }
            Command::Prepare { .. } => self.prepare(command, running).await?,
            Command::Close(Some(name)) => {
                self.portals.take(name).ok_or_else(|| no_cursor(name))?;
                "CLOSE CURSOR".into()
            }
            Command::Close(None) => {
                self.portals.clear();
                "CLOSE CURSOR ALL".into()
            }
            Command::Deallocate(Some(name)) => {
                self.prepared(name)?;
                self.statements.remove(name);
                "DEALLOCATE".into()
            }
            Command::Deallocate(None) => {
                self.statements.clear();
                "DEALLOCATE ALL".into()
            }
            Command::DiscardAll => {
                if self.transaction.in_block() {
                    return Err(Failure::error(
                        "25001",
                        "DISCARD ALL cannot run inside a transaction block",
                    )
                    .into());
                }
                run(&self.session, "RESET ALL").await?;
                self.session.drop_all_temp();
                self.session.unlock_all();
                self.portals.clear();
                self.statements.clear();
                "DISCARD ALL".into()
            }
            Command::Discard(tag) => {
                if *tag == "DISCARD TEMP" {
                    self.session.drop_all_temp();
                }
                (*tag).into()
            }
            Command::Listen => {
                return Err(Failure::error("0A000", "LISTEN is not supported")
                    .with_hint(NO_NOTIFICATIONS)
                    .into());
            }
            Command::Unlisten => "UNLISTEN".into(),
            // Done above, or begun.
            Command::Declare { .. }
            | Command::Execute { .. }
            | Command::ExplainExecute { .. }
            | Command::Begin { .. }
            | Command::Commit { .. }
            | Command::Rollback { .. }
            | Command::Savepoint(_)
            | Command::Release(_)
            | Command::RollbackTo(_)
            | Command::SetTransaction(_)
            | Command::SetCharacteristics(_) => String::new(),
        })
    }
}

/// The type of a cast, where a text carries it.
fn carried(data_type: &DataTypeName) -> Option<Type> {
    Some(match data_type {
        DataTypeName::Uuid => Type::UUID,
        DataTypeName::JSON => Type::JSON,
        DataTypeName::JSONB => Type::JSONB,
        DataTypeName::Array(ArrayElemTypeDef::SquareBracket(element, _)) => {
            match carried(element)? {
                Type::UUID => Type::UUID_ARRAY,
                Type::JSON => Type::JSON_ARRAY,
                Type::JSONB => Type::JSONB_ARRAY,
                nested => nested,
            }
        }
        _ => return None,
    })
}

/// Parameters that are cast to a type which a text carries, by their places: a driver picks its encoder by that.
fn named_types(parsed: &sluice_sql::Parsed) -> Vec<(usize, Type)> {
    struct Casts(Vec<(usize, Type)>);
    impl Visitor for Casts {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Cast {
                expr, data_type, ..
            } = expr
                && let Some(named) = carried(data_type)
                && let Expr::Value(value) = expr.as_ref()
                && let Value::Placeholder(name) = &value.value
                && let Some(number) = name.strip_prefix('$')
                && let Ok(number) = number.parse::<usize>()
            {
                self.0.push((number.saturating_sub(1), named));
            }
            ControlFlow::Continue(())
        }
    }
    let mut casts = Casts(Vec::new());
    if let sluice_sql::Statement::Sql(statement) = &parsed.statement {
        let _ = statement.visit(&mut casts);
    }
    casts.0
}

const NONE: Sent = Sent {
    rows: 0,
    suspended: false,
};

/// A completion tag: some count their rows.
fn counted(tag: &str, sent: Sent) -> String {
    match tag {
        "SELECT" | "FETCH" | "MOVE" => format!("{tag} {}", sent.rows),
        _ => tag.to_owned(),
    }
}
