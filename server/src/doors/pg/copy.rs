//! COPY: rows to the client as fast as it takes them, and rows from the client into a table, all of them or none.
//!
//! Neither way is a result or a batch of rows held as a whole: out goes a message a row, pushed out when the buffer is full; in come messages
//! cut anywhere, which are taken apart into records as they come. What is wrong with a record is told with the line and the column it stands
//! in. While rows come, Flush and Sync mean nothing: libpq has sent them already, behind the statement.

mod apart;
mod binary;
mod columns;
mod csv;
mod fields;
mod out;
mod text;

#[cfg(test)]
mod tests;

use std::{io, sync::Arc};

use arrow::datatypes::{FieldRef, SchemaRef};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use pgwire::messages::copy::{CopyDone, CopyInResponse, CopyOutResponse};
use sluice_sql::{Copy, CopyDirection, CopyFormat, CopyWhat, Parsed, Statement, ast};
use tokio::io::{AsyncRead, AsyncWrite};

use self::{
    binary::Tuples,
    columns::Columns,
    fields::{Dialect, Record},
    out::Writer,
};
use super::{
    cancel::Running,
    columns::columns as described,
    connection::Connection,
    failure::{Failure, Trouble},
    frontend::Frontend,
};
use crate::{
    catalog::{Object, QualifiedName, fold},
    error::{Error, Result, SqlState},
    session::{Answer, Session},
    write::{Action, Named},
};

/// Rows of this data, which comes whole or in pieces of so many bytes; `None` where it cannot be read. For `fuzz/`.
pub(super) fn decode(form: u8, data: &[u8], piece: usize) -> Option<usize> {
    apart::rows(form, data.chunks(piece.max(1))).ok()
}

/// Rows that go into the table together.
const ROWS: usize = 8192;
/// Bytes of values from which so many rows are not waited for.
const BYTES: usize = 4 << 20;

/// The table that rows go into, and the names of the columns that they have.
fn named(session: &Session, copy: &Copy) -> Result<(Named, Vec<String>)> {
    let CopyWhat::Table { name, columns } = &copy.what else {
        return Err(Error::user(
            SqlState::SyntaxError,
            "COPY FROM needs a table",
        ));
    };
    let relation = QualifiedName::from_sql(name)?;
    let named = Named::of(session, relation, Action::CopyFrom)?;
    Ok((named, columns.iter().map(fold).collect()))
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// Does a COPY; its completion tag.
    pub(super) async fn copy(
        &mut self,
        copy: &Copy,
        parsed: &Parsed,
        running: &Running,
    ) -> std::result::Result<String, Trouble> {
        let found = self.session.parsed_in_search_path(parsed)?;
        let (copy, parsed) = match &found {
            Some(found) => match &found.statement {
                Statement::Copy(copy) => (copy, found),
                _ => return Err(Error::internal("COPY became another statement").into()),
            },
            None => (copy, parsed),
        };
        let done = match copy.direction {
            CopyDirection::ToStdout => self.copy_out(copy, parsed, running).await,
            CopyDirection::FromStdin => self.copy_in(copy, parsed, running).await,
        };
        if copy.direction == CopyDirection::FromStdin {
            self.session.copied(done.is_ok());
        }
        done.map(|rows| format!("COPY {rows}"))
    }

    async fn copy_out(
        &mut self,
        copy: &Copy,
        parsed: &Parsed,
        running: &Running,
    ) -> std::result::Result<u64, Trouble> {
        let session = Arc::clone(&self.session);
        let query = Parsed {
            statement: query_of(&session, copy).map_err(|error| error.placed(parsed))?,
            text: parsed.text.clone(),
            offset: parsed.offset,
        };
        let prepared = running
            .wait(&mut self.wire, session.prepare_apart(&query, &[]))
            .await??;
        if !prepared.parameters.is_empty() {
            return Err(Failure::error("42P02", "there is no parameter $1").into());
        }
        let executing = session.execute_until(&prepared, Vec::new(), running.token());
        let Answer::Rows {
            mut stream, schema, ..
        } = running.wait(&mut self.wire, executing).await??
        else {
            return Err(Failure::error("42601", "COPY needs a query that gives rows").into());
        };
        let shown = described(&schema);
        let mut writer = Writer::new(&copy.options, &shown, self.style())?;
        let (format, count) = formats(copy, shown.len())?;
        self.wire.put(&CopyOutResponse::new(
            format as i8,
            count,
            vec![format; shown.len()],
        ));
        writer.begin(self.wire.out());
        loop {
            // What has come is sent before anything is waited for: rows of a subscription show at once.
            let batch = match stream.next().now_or_never() {
                Some(batch) => batch,
                None => {
                    running.race(self.wire.flush()).await??;
                    running.wait(&mut self.wire, stream.next()).await?
                }
            };
            let Some(batch) = batch else { break };
            let page = writer.page(&batch?)?;
            for row in 0..page.rows() {
                writer.row(&page, row, self.wire.out())?;
                if self.wire.is_full() {
                    running.race(self.wire.flush()).await??;
                }
            }
            running.race(tokio::task::yield_now()).await?;
        }
        writer.end(self.wire.out());
        self.wire.put(&CopyDone::new());
        Ok(writer.rows())
    }

    async fn copy_in(
        &mut self,
        copy: &Copy,
        parsed: &Parsed,
        running: &Running,
    ) -> std::result::Result<u64, Trouble> {
        self.session.admit_writing("COPY FROM")?;
        let (target, names) = named(&self.session, copy).map_err(|error| error.placed(parsed))?;
        let relation = target.name().clone();
        let name = relation.name.clone();
        let beginning = target.begin(Arc::clone(&self.session));
        let mut append = running.wait(&mut self.wire, beginning).await??;
        let table = append.schema();
        let chosen = chosen(&table, &names, &name).map_err(|error| error.placed(parsed))?;
        let mut rows = Incoming::new(copy, &table, chosen, &name)?;
        let (format, count) = formats(copy, rows.columns.len())?;
        self.wire.put(&CopyInResponse::new(
            format as i8,
            count,
            vec![format; rows.columns.len()],
        ));
        self.wire.flush().await?;
        loop {
            match running.race(self.wire.next()).await?? {
                Some(Frontend::CopyData(data)) => {
                    rows.take(&data)?;
                    while rows.next(false)? {
                        if rows.columns.rows() >= ROWS || rows.columns.bytes() >= BYTES {
                            running.race(append.push(rows.columns.batch()?)).await??;
                        }
                    }
                }
                Some(Frontend::CopyDone) => break,
                Some(Frontend::CopyFail(why)) => {
                    let message = format!("COPY from stdin failed: {why}");
                    return Err(Failure::error("57014", message).into());
                }
                Some(Frontend::Flush | Frontend::Sync) => {}
                Some(Frontend::Refused { failure, .. }) => return Err(Trouble::Told(failure)),
                Some(Frontend::Terminate) | None => {
                    return Err(Trouble::Lost(io::ErrorKind::UnexpectedEof.into()));
                }
                Some(_) => {
                    return Err(
                        Failure::protocol("unexpected message during COPY from stdin").into(),
                    );
                }
            }
        }
        while rows.next(true)? {
            if rows.columns.rows() >= ROWS || rows.columns.bytes() >= BYTES {
                running.race(append.push(rows.columns.batch()?)).await??;
            }
        }
        running.race(append.push(rows.columns.batch()?)).await??;
        running.race(append.flush()).await??;
        let rows = running.see_through(append.finish()).await?;
        if let Some(table) = self.session.engine().table(&relation) {
            self.session.wrote(table.tables.table.path());
        }
        Ok(rows)
    }
}

/// The format's number, and the columns' count as the protocol has it.
fn formats(copy: &Copy, columns: usize) -> std::result::Result<(i16, i16), Failure> {
    let count =
        i16::try_from(columns).map_err(|_| Failure::error("54011", "COPY of too many columns"))?;
    Ok((i16::from(copy.options.format == CopyFormat::Binary), count))
}

/// The query whose rows are copied.
fn query_of(session: &Session, copy: &Copy) -> Result<Statement> {
    let (name, columns) = match &copy.what {
        CopyWhat::Query(query) => {
            let query = ast::Statement::Query(query.clone());
            return Ok(Statement::Sql(Box::new(query)));
        }
        CopyWhat::Subscribe(subscribe) => {
            return Ok(Statement::Subscribe(subscribe.as_ref().clone()));
        }
        CopyWhat::Table { name, columns } => (name, columns),
    };
    let relation = QualifiedName::from_sql(name)?;
    let catalog = session.engine().catalog();
    if let Some(Object::View(_) | Object::Stream(_)) = catalog.get(&relation).map(Arc::as_ref) {
        let kind = catalog
            .get(&relation)
            .map_or("view", |object| object.kind());
        return Err(Error::user(
            SqlState::WrongObjectType,
            format!("cannot copy from {kind} \"{relation}\""),
        )
        .with_hint("Try the COPY (SELECT ...) TO variant."));
    }
    let columns = match columns.is_empty() {
        true => "*".to_owned(),
        false => columns
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    };
    let text = format!("SELECT {columns} FROM {name}");
    match sluice_sql::parse(&text).map(|mut all| all.pop()) {
        Ok(Some(parsed)) => Ok(parsed.statement),
        _ => Err(Error::internal(format!("cannot be read: {text}"))),
    }
}

/// The columns of the table that the rows have, by place; all where none is named.
fn chosen(table: &SchemaRef, names: &[String], relation: &str) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..table.fields().len()).collect());
    }
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let place = table.index_of(name).map_err(|_| {
            Error::user(
                SqlState::UndefinedColumn,
                format!("column \"{name}\" of relation \"{relation}\" does not exist"),
            )
        })?;
        if places.contains(&place) {
            return Err(Error::user(
                SqlState::DuplicateColumn,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        places.push(place);
    }
    Ok(places)
}

/// Rows that come.
struct Incoming {
    source: Source,
    columns: Columns,
    relation: String,
    /// Lines read, the header among them.
    line: u64,
    header: Option<Vec<String>>,
    match_header: bool,
    ended: bool,
}

enum Source {
    Text(text::Lines),
    Csv(csv::Records),
    Binary(Tuples),
}

impl Incoming {
    fn new(
        copy: &Copy,
        table: &SchemaRef,
        places: Vec<usize>,
        relation: &str,
    ) -> std::result::Result<Self, Failure> {
        let fields: Vec<FieldRef> = places
            .iter()
            .filter_map(|place| table.fields().get(*place).cloned())
            .collect();
        let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let dialect = Dialect::of(&copy.options, &names)?;
        let header = dialect.header.then(|| names.clone());
        let match_header = dialect.match_header;
        Ok(Self {
            source: match copy.options.format {
                CopyFormat::Text => Source::Text(text::Lines::new(dialect)),
                CopyFormat::Csv => Source::Csv(csv::Records::new(dialect)),
                CopyFormat::Binary => Source::Binary(Tuples::new(names.len())),
            },
            columns: Columns::new(table, places)?,
            relation: relation.to_owned(),
            line: 0,
            header,
            match_header,
            ended: false,
        })
    }

    fn take(&mut self, data: &Bytes) -> std::result::Result<(), Failure> {
        // What follows the end of the data is passed over.
        if self.ended {
            return Ok(());
        }
        let taken = match &mut self.source {
            Source::Text(lines) => lines.take(data),
            Source::Csv(records) => records.take(data),
            Source::Binary(tuples) => tuples.take(data),
        };
        taken.map_err(|failure| self.here(failure, None))
    }

    /// The next row into the columns; false when there is none yet, or (at the `end` of the data) any more.
    fn next(&mut self, end: bool) -> std::result::Result<bool, Failure> {
        if self.ended {
            return Ok(false);
        }
        let mut record = Record::default();
        let found = match &mut self.source {
            Source::Text(lines) => lines.next(end, &mut record),
            Source::Csv(records) => records.next(end, &mut record),
            Source::Binary(tuples) => tuples.next(end, &mut record),
        };
        self.line += 1;
        match found {
            Err(failure) => Err(self.here(failure, None)),
            Ok(fields::Found::Nothing) => {
                self.line -= 1;
                Ok(false)
            }
            Ok(fields::Found::End) => {
                self.ended = true;
                Ok(false)
            }
            Ok(fields::Found::Row) => {
                match self.header.take() {
                    Some(names) => self.check_header(&names, &record)?,
                    None => self.add(&record)?,
                }
                Ok(true)
            }
        }
    }

    fn add(&mut self, record: &Record) -> std::result::Result<(), Failure> {
        let (given, wanted) = (record.len(), self.columns.len());
        if given > wanted {
            let failure = Failure::error("22P04", "extra data after last expected column");
            return Err(self.here(failure, None));
        }
        if given < wanted {
            let name = self.columns.name(given);
            let failure = Failure::error("22P04", format!("missing data for column \"{name}\""));
            return Err(self.here(failure, None));
        }
        let binary = matches!(self.source, Source::Binary(_));
        for column in 0..given {
            let value = record.get(column);
            if let Err(failure) = self.columns.add(column, value, binary) {
                return Err(self.here(failure, Some((column, value))));
            }
        }
        self.columns.end_row();
        Ok(())
    }

    fn check_header(&self, names: &[String], record: &Record) -> std::result::Result<(), Failure> {
        if !self.match_header {
            return Ok(());
        }
        for (column, name) in names.iter().enumerate() {
            let given = record.get(column).map(String::from_utf8_lossy);
            if given.as_deref() != Some(name) {
                let failure = Failure::error(
                    "22P04",
                    format!(
                        "column name mismatch in header line field {}: got {}, expected \"{name}\"",
                        column + 1,
                        given.map_or("null value".into(), |given| format!("\"{given}\"")),
                    ),
                );
                return Err(self.here(failure, None));
            }
        }
        match record.len() > names.len() {
            true => Err(self.here(
                Failure::error("22P04", "wrong number of fields in header line"),
                None,
            )),
            false => Ok(()),
        }
    }

    /// Where in the data something went wrong.
    fn here(&self, failure: Failure, at: Option<(usize, Option<&[u8]>)>) -> Failure {
        let (relation, line) = (&self.relation, self.line.max(1));
        let binary = matches!(self.source, Source::Binary(_));
        let place = match at {
            None => format!("COPY {relation}, line {line}"),
            Some((column, value)) => {
                let name = self.columns.name(column);
                match value {
                    None => format!("COPY {relation}, line {line}, column {name}: null input"),
                    Some(_) if binary => format!("COPY {relation}, line {line}, column {name}"),
                    Some(value) => {
                        let shown: String =
                            String::from_utf8_lossy(value).chars().take(100).collect();
                        format!("COPY {relation}, line {line}, column {name}: \"{shown}\"")
                    }
                }
            }
        };
        failure.with_context(place)
    }
}
