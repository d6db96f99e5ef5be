//! The extended protocol: parse, bind, describe, execute, close, each its own message.

use std::sync::Arc;

use bytes::Bytes;
use pgwire::messages::{
    data::{NoData, ParameterDescription},
    extendedquery::{BindComplete, CloseComplete, ParseComplete},
};
use postgres_types::Type;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    columns::{Column, columns, format_of, row_description},
    command::Command,
    connection::Connection,
    failure::{Failure, Trouble},
    frontend::Target,
    parameters::{decode, fit, hint},
    portal::{Kind, Portal, Progress, Statement},
};
use crate::{activity::kept, execute::outcome_schema, session::OpenCursor};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// Parse.
    pub(super) async fn parse(
        &mut self,
        name: &str,
        query: &str,
        oids: &[u32],
    ) -> Result<(), Trouble> {
        let text = kept(query);
        self.canceller.asked(&text);
        self.statements.admit(name)?;
        let mut pieces = self.pieces(query)?;
        if pieces.len() > 1 {
            return Err(Failure::error(
                "42601",
                "cannot insert multiple commands into a prepared statement",
            )
            .into());
        }
        let piece = pieces.pop().unwrap_or_default();
        if piece.command.is_some() || piece.parsed.is_some() {
            self.transaction.admit(piece.command.as_ref())?;
        }
        let named: Vec<Option<Type>> = oids
            .iter()
            .map(|oid| match oid {
                0 => None,
                oid => Some(Type::from_oid(*oid).unwrap_or(Type::TEXT)),
            })
            .collect();
        let hints: Vec<_> = named
            .iter()
            .map(|named| named.as_ref().and_then(hint))
            .collect();
        let running = self.canceller.start();
        let mut statement = self.plan(piece, &hints, &running).await?;
        statement.text = text;
        statement.name_types(named);
        let now = self.session.engine().clock().now_us();
        self.statements.put(name, statement, query, (now, false));
        self.send_notices();
        self.wire.put(&ParseComplete::new());
        Ok(())
    }

    /// Bind.
    pub(super) fn bind(
        &mut self,
        portal: &str,
        statement: &str,
        formats: &[i16],
        values: &[Option<Bytes>],
        result_formats: Vec<i16>,
    ) -> Result<(), Trouble> {
        let name = statement;
        let statement = self.prepared(name)?;
        self.admit(&statement)?;
        if formats.len() > 1 && formats.len() != values.len() {
            return Err(Failure::protocol(format!(
                "bind message has {} parameter formats but {} parameters",
                formats.len(),
                values.len()
            ))
            .into());
        }
        if values.len() != statement.types.len() {
            return Err(Failure::protocol(format!(
                "bind message supplies {} parameters, but prepared statement \"{name}\" requires {}",
                values.len(),
                statement.types.len()
            ))
            .into());
        }
        let columns = self.described(&statement)?;
        let columns = columns.as_ref().map_or(0, Vec::len);
        if result_formats.len() > 1 && result_formats.len() != columns {
            return Err(Failure::protocol(format!(
                "bind message has {} result formats but query has {columns} columns",
                result_formats.len()
            ))
            .into());
        }
        let parameters = statement.types.iter().zip(values).enumerate();
        let parameters = parameters
            .map(|(i, (pg, value))| {
                let value = decode(i + 1, pg, format_of(formats, i), value.as_deref())?;
                fit(value, statement.wanted.get(i).and_then(Option::as_ref))
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.portals.admit(portal)?;
        // A portal with a name is a cursor to whoever knows it.
        let told = match &statement.kind {
            Kind::Engine(prepared) if !portal.is_empty() => Some(OpenCursor {
                text: prepared.parsed.text.clone(),
                opened_us: self.session.engine().clock().now_us(),
                held: false,
                binary: false,
                scrolls: false,
            }),
            _ => None,
        };
        let bound = Portal {
            statement,
            formats: result_formats,
            progress: Progress::Ready(parameters),
            held: false,
            given: 0,
            told,
        };
        self.portals.put(portal, bound);
        self.wire.put(&BindComplete::new());
        Ok(())
    }

    /// Describe.
    pub(super) fn describe(&mut self, target: Target, name: &str) -> Result<(), Trouble> {
        let (statement, formats) = match target {
            Target::Statement => {
                let statement = self.prepared(name)?;
                self.admit(&statement)?;
                let oids = statement.types.iter().map(Type::oid).collect();
                self.wire.put(&ParameterDescription::new(oids));
                (statement, Vec::new())
            }
            Target::Portal => {
                let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
                (Arc::clone(&portal.statement), portal.formats.clone())
            }
        };
        self.admit(&statement)?;
        match self.described(&statement)? {
            Some(columns) => self.wire.put(&row_description(&columns, &formats)?),
            None => self.wire.put(&NoData::new()),
        }
        Ok(())
    }

    /// Execute.
    pub(super) async fn execute(&mut self, name: &str, limit: Option<u64>) -> Result<(), Trouble> {
        let mut portal = self.portals.take(name).ok_or_else(|| no_portal(name))?;
        self.admit(&portal.statement)?;
        self.canceller.asked(&portal.statement.text);
        let running = self.canceller.start();
        let fresh = matches!(portal.progress, Progress::Ready(_));
        let told = match &portal.statement.kind {
            Kind::Command(_) if fresh => self.described(&portal.statement)?,
            _ => None,
        };
        self.begin(&mut portal, &running).await?;
        let told = told.as_deref().or(portal.statement.columns.as_deref());
        if let Progress::Rows(rows) = &portal.progress
            && fresh
            && !same_types(rows.columns(), told)
        {
            return Err(Failure::error("0A000", "cached plan must not change result type").into());
        }
        self.advance(&mut portal, limit, &running).await?;
        // COMMIT and its like ended the portal that ran them, too.
        if !portal
            .statement
            .command()
            .is_some_and(Command::ends_failed_block)
        {
            self.portals.put(name, portal);
        }
        Ok(())
    }

    /// Close, which what does not exist survives.
    pub(super) fn close(&mut self, target: Target, name: &str) {
        match target {
            Target::Statement => {
                self.statements.remove(name);
            }
            Target::Portal => {
                self.portals.take(name);
            }
        }
        self.wire.put(&CloseComplete::new());
    }

    /// Refuses what may not run in a failed block; nothing at all always may.
    fn admit(&self, statement: &Statement) -> Result<(), Failure> {
        match statement.kind {
            Kind::Empty => Ok(()),
            _ => self.transaction.admit(statement.command()),
        }
    }

    /// The columns a statement is described with.
    fn described(&self, statement: &Statement) -> Result<Option<Vec<Column>>, Failure> {
        match &statement.kind {
            Kind::Command(command @ Command::Fetch { silent: false, .. }) => {
                self.columns_of_cursor(command).map(Some)
            }
            Kind::Command(Command::Execute { name, .. }) => {
                let prepared = self.statements.get(name);
                Ok(prepared.and_then(|prepared| prepared.columns.clone()))
            }
            Kind::Command(Command::ExplainExecute { explain, .. }) => {
                let parsed = self.session.parse(&format!("{explain} SELECT 1")).ok();
                let schema = parsed.and_then(|all| outcome_schema(&all.first()?.statement));
                Ok(schema.as_deref().map(columns))
            }
            _ => Ok(statement.columns.clone()),
        }
    }
}

/// Whether rows are of the types the client was told.
pub(super) fn same_types(rows: &[Column], told: Option<&[Column]>) -> bool {
    let types = |columns: &[Column]| columns.iter().map(|c| c.pg.clone()).collect::<Vec<_>>();
    told.is_some_and(|told| types(told) == types(rows))
}

fn no_portal(name: &str) -> Failure {
    Failure::error("34000", format!("portal \"{name}\" does not exist"))
}
