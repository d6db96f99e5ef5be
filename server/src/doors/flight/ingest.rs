//! Bulk ingest: record batches of a client's into a table, in one commit at the end of the stream.
//!
//! The batches' columns find the table's by name, and take their types as an INSERT's would. A table that ingest makes is made before the
//! first row comes, and goes again when the rows cannot be had.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, new_null_array},
    compute::{CastOptions, cast_with_options},
    datatypes::{Schema, SchemaRef},
};
use arrow_flight::{
    FlightData,
    error::FlightError,
    sql::{CommandStatementIngest, TableExistsOption, TableNotExistOption},
};
use futures::Stream;
use tonic::{Code, Status};

use super::{
    MAX_MESSAGE_BYTES, actions::refuse_transaction, batches::Batches,
    session_options::check_catalog,
};
use crate::{
    catalog::{QualifiedName, TEMP_SCHEMA},
    error::{Error, Result, SqlState},
    execute::dml::assignable,
    session::Session,
    write::{Action, Named, column_error, declared_columns, ident, value_error},
};

#[cfg(test)]
mod tests;

/// About the bytes of what is put into the table's columns at a time.
const FITTED_BYTES: usize = 4 * MAX_MESSAGE_BYTES;
/// About the bytes of a value there.
const VALUE_BYTES: usize = 16;

/// Writes what the client sends into the table that its command names; how many rows they were.
pub(super) async fn ingest(
    session: &Arc<Session>,
    command: CommandStatementIngest,
    first: FlightData,
    rest: impl Stream<Item = std::result::Result<FlightData, Status>> + Send + 'static,
) -> Result<i64, Status> {
    refuse_transaction(command.transaction_id.as_ref())?;
    let name = named(session, &command)?;
    let running = session.start_of(&format!("INGEST INTO {}", ident(&command.table)));
    // The command may come with the schema, or ahead of it.
    let mut batches = Batches::new(first, rest);
    let mut next = running
        .race(async { batches.next().await.map_err(unreadable) })
        .await?;
    let Some(schema) = batches.schema().cloned() else {
        return Err(Error::user(
            SqlState::InvalidParameterValue,
            "the rows to be ingested came without a schema",
        )
        .into());
    };
    let made = prepare_table(session, &command, &name, &schema).await?;
    let taken = async {
        let target = Named::of(session, name.clone(), Action::Insert)?;
        let mut append = target.begin(Arc::clone(session)).await?;
        let table = append.schema();
        while let Some(batch) = next {
            for piece in pieces(&batch, table.fields().len()) {
                append.push(fitted(&piece, &table, &name)?).await?;
            }
            next = batches.next().await.map_err(unreadable)?;
        }
        append.flush().await?;
        Ok::<_, Status>(append)
    };
    let written = async {
        let append = running.race(taken).await?;
        // A client that goes away now does not know what became of its rows; the table must.
        let rows = tokio::spawn(append.finish()).await;
        let rows =
            rows.map_err(|error| Error::internal(format!("the commit ended early: {error}")))??;
        Ok::<_, Status>(rows)
    };
    match written.await {
        Ok(rows) => Ok(i64::try_from(rows).unwrap_or(i64::MAX)),
        Err(status) => {
            if made {
                let dropped = run(session, &format!("DROP TABLE {}", quoted(&name))).await;
                if let Err(error) = dropped {
                    tracing::warn!("table {name}, made for an ingest that failed, stays: {error}");
                }
            }
            Err(status)
        }
    }
}

/// The table that the command means.
fn named(session: &Session, command: &CommandStatementIngest) -> Result<QualifiedName> {
    let given = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    if let Some(catalog) = given(&command.catalog) {
        check_catalog(session, &catalog)?;
    }
    match (command.temporary, given(&command.schema)) {
        (true, Some(schema)) if schema != TEMP_SCHEMA => Err(Error::user(
            SqlState::InvalidTableDefinition,
            "cannot create temporary relation in non-temporary schema",
        )
        .with_hint("Leave the schema out.")),
        (true, _) => Ok(QualifiedName::new(TEMP_SCHEMA, &command.table)),
        (false, Some(schema)) => Ok(QualifiedName::new(&schema, &command.table)),
        (false, None) => session.relation_named(&command.table),
    }
}

/// Makes the table, or not, as the command asks; whether it was made.
async fn prepare_table(
    session: &Arc<Session>,
    command: &CommandStatementIngest,
    name: &QualifiedName,
    schema: &Schema,
) -> Result<bool> {
    let options = command.table_definition_options.unwrap_or_default();
    let there = match name.schema == TEMP_SCHEMA {
        true => session.temp_schema(name).is_ok(),
        false => session.engine().catalog().get(name).is_some(),
    };
    if there {
        match options.if_exists() {
            TableExistsOption::Append => return Ok(false),
            TableExistsOption::Replace => {
                // What cannot be written to cannot be replaced either.
                Named::of(session, name.clone(), Action::Insert)?;
                create_text(name, schema)?;
                run(session, &format!("DROP TABLE {}", quoted(name))).await?;
            }
            TableExistsOption::Fail | TableExistsOption::Unspecified => {
                return Err(Error::user(
                    SqlState::DuplicateTable,
                    format!("relation \"{name}\" already exists"),
                )
                .with_hint("Ingest with the mode \"append\", \"create_append\" or \"replace\"."));
            }
        }
    } else if options.if_not_exist() != TableNotExistOption::Create {
        return Err(session.engine().catalog().undefined(name));
    }
    run(session, &create_text(name, schema)?).await?;
    Ok(true)
}

async fn run(session: &Session, text: &str) -> Result<()> {
    for parsed in session.parse(text)? {
        let prepared = session.prepare(&parsed, &[]).await?;
        session.execute(&prepared, Vec::new()).await?;
    }
    Ok(())
}

fn quoted(name: &QualifiedName) -> String {
    format!("{}.{}", ident(&name.schema), ident(&name.name))
}

/// The statement that makes a table of these columns.
pub(super) fn create_text(name: &QualifiedName, schema: &Schema) -> Result<String> {
    // What comes without a null now may come with one next time.
    let fields = schema.fields().iter();
    let fields: Vec<_> = fields
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let columns = declared_columns(&Schema::new(fields))?;
    let kind = match name.schema == TEMP_SCHEMA {
        true => "TEMP TABLE",
        false => "TABLE",
    };
    Ok(format!("CREATE {kind} {} ({columns})", quoted(name)))
}

/// The batch in pieces that so many columns bear: one of nulls has few bytes, whatever its rows. Most batches are one piece.
pub(super) fn pieces(batch: &RecordBatch, columns: usize) -> impl Iterator<Item = RecordBatch> {
    let step = (FITTED_BYTES / (VALUE_BYTES * columns.max(1))).max(1);
    let rows = batch.num_rows();
    let count = rows.div_ceil(step).max(1);
    (0..count).map(move |piece| {
        let from = piece * step;
        batch.slice(from, step.min(rows - from))
    })
}

/// A batch in all columns of the table.
pub(super) fn fitted(
    batch: &RecordBatch,
    table: &SchemaRef,
    name: &QualifiedName,
) -> Result<RecordBatch> {
    let given = batch.schema();
    if let Some(unknown) = given
        .fields()
        .iter()
        .find(|field| table.index_of(field.name()).is_err())
    {
        return Err(Error::user(
            SqlState::UndefinedColumn,
            format!(
                "column \"{}\" of relation \"{}\" does not exist",
                unknown.name(),
                name.name
            ),
        ));
    }
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let columns = table.fields().iter().map(|field| -> Result<ArrayRef> {
        let Some(column) = batch.column_by_name(field.name()) else {
            return Ok(new_null_array(field.data_type(), batch.num_rows()));
        };
        let (from, to) = (column.data_type(), field.data_type());
        if from == to {
            return Ok(Arc::clone(column));
        }
        if !assignable(from, to, false) {
            return Err(column_error(field.name(), to, from));
        }
        cast_with_options(column, to, &strict).map_err(|error| {
            value_error(Error::user(SqlState::DataException, error.to_string()))
                .with_detail(format!("In column \"{}\".", field.name()))
        })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let fields: Vec<_> = table
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| Error::internal(format!("ingested rows: {error}")))
}

/// What the client sent cannot be read; an error of the connection itself passes as it is.
pub(super) fn unreadable(error: FlightError) -> Status {
    match error {
        // It says so of a message's length before any of the message is taken.
        FlightError::Tonic(status) if status.code() == Code::OutOfRange => Error::user(
            SqlState::ProgramLimitExceeded,
            format!("a message of the rows to be ingested has more than {MAX_MESSAGE_BYTES} bytes"),
        )
        .with_hint("Send the rows in smaller batches.")
        .into(),
        FlightError::Tonic(status) => *status,
        other => Error::user(
            SqlState::InvalidParameterValue,
            format!("the rows to be ingested cannot be read: {other}"),
        )
        .into(),
    }
}
