//! What exists, as catalogue calls ask for it: catalogs, schemas, tables, keys, types, abilities.
//!
//! Every command here is its own ticket: it holds nothing secret, costs little and may be redeemed any number of times.

mod columns;
mod keys;
mod listing;
mod sql_info;
mod xdbc_types;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::sql::Command;

use super::service::unsupported;
use crate::{
    error::{Error, Result},
    session::Session,
};

/// Columns of the answer to a metadata command.
pub(super) fn schema(command: &Command) -> Result<SchemaRef> {
    Ok(match command {
        Command::CommandGetCatalogs(command) => command.into_builder().schema(),
        Command::CommandGetDbSchemas(command) => command.clone().into_builder().schema(),
        Command::CommandGetTables(command) => command.clone().into_builder().schema(),
        Command::CommandGetTableTypes(command) => command.into_builder().schema(),
        Command::CommandGetSqlInfo(_) => sql_info::data()?.schema(),
        Command::CommandGetXdbcTypeInfo(_) => xdbc_types::data()?.schema(),
        Command::CommandGetPrimaryKeys(_) => keys::primary(),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => keys::foreign(),
        other => return Err(unsupported("command", other.type_url())),
    })
}

/// The answer to a metadata command.
pub(super) async fn answer(session: &Session, command: Command) -> Result<RecordBatch> {
    match command {
        Command::CommandGetCatalogs(command) => listing::catalogs(session, command),
        Command::CommandGetDbSchemas(command) => listing::schemas(session, command),
        Command::CommandGetTables(command) => listing::tables(session, command).await,
        Command::CommandGetTableTypes(command) => listing::table_types(command),
        Command::CommandGetSqlInfo(command) => command
            .into_builder(sql_info::data()?)
            .build()
            .map_err(failed),
        Command::CommandGetXdbcTypeInfo(command) => command
            .into_builder(xdbc_types::data()?)
            .build()
            .map_err(failed),
        // There are no keys to tell of.
        other => schema(&other).map(RecordBatch::new_empty),
    }
}

/// The crate's builders only fail on what would be a defect of ours.
fn failed(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("metadata cannot be built: {error}"))
}
