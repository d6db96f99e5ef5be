//! Catalogs, schemas and tables, from the session's query context: what a query can name is what is listed,
//! but for PostgreSQL's own relations: those are asked by name.

use std::sync::Arc;

use arrow::{
    array::{RecordBatch, StringArray},
    compute::like,
    datatypes::Schema,
};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables,
};
use datafusion::{catalog::SchemaProvider, datasource::TableType};
use sluice_sql::Privilege;

use super::{columns::Place, failed};
use crate::{access::Target, doors::flight::wire, error::Result, session::Session};

/// The schema whose relations the server makes up.
const SYSTEM: &str = "system";
/// Schemas that answer tools' questions, and are in no list of what there is.
const HIDDEN: [&str; 2] = ["information_schema", "pg_catalog"];
const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";
const SYSTEM_TABLE: &str = "SYSTEM TABLE";
const TEMPORARY: &str = "LOCAL TEMPORARY";

pub(super) fn catalogs(session: &Session, command: CommandGetCatalogs) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    for name in session.context().catalog_names() {
        builder.append(name);
    }
    builder.build().map_err(failed)
}

pub(super) fn schemas(session: &Session, command: CommandGetDbSchemas) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    for (catalog, name, _) in every_schema(session) {
        builder.append(catalog, name);
    }
    builder.build().map_err(failed)
}

pub(super) fn table_types(command: CommandGetTableTypes) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    for name in [TABLE, VIEW, SYSTEM_TABLE, TEMPORARY] {
        builder.append(name);
    }
    builder.build().map_err(failed)
}

pub(super) async fn tables(session: &Session, command: CommandGetTables) -> Result<RecordBatch> {
    let with_schema = command.include_schema;
    let mut builder = command.clone().into_builder();
    for (catalog, schema, provider) in every_schema(session) {
        // The builder filters by itself; looking first spares opening tables nobody asked for.
        if command
            .catalog
            .as_ref()
            .is_some_and(|wanted| *wanted != catalog)
        {
            continue;
        }
        if let Some(pattern) = &command.db_schema_filter_pattern
            && matching(vec![schema.clone()], pattern)?.is_empty()
        {
            continue;
        }
        let mut names = provider.table_names();
        if let Some(pattern) = &command.table_name_filter_pattern {
            names = matching(names, pattern)?;
        }
        for name in names {
            // A table that went away or cannot be opened now is left out: one broken table must not hide the others.
            let (table_type, columns) = if with_schema {
                match provider.table(&name).await {
                    Ok(Some(table)) => {
                        let place = Place {
                            catalog: &catalog,
                            schema: &schema,
                            table: &name,
                        };
                        let columns = wire::schema(&table.schema());
                        (table.table_type(), place.described(session, &columns))
                    }
                    _ => continue,
                }
            } else {
                match provider.table_type(&name).await {
                    Ok(Some(table_type)) => (table_type, Arc::new(Schema::empty())),
                    _ => continue,
                }
            };
            let table_type = type_name(&schema, table_type);
            builder
                .append(&catalog, &schema, &name, table_type, &columns)
                .map_err(failed)?;
        }
    }
    builder.build().map_err(failed)
}

fn type_name(schema: &str, table_type: TableType) -> &'static str {
    if schema == SYSTEM {
        return SYSTEM_TABLE;
    }
    match table_type {
        TableType::Base => TABLE,
        TableType::View => VIEW,
        TableType::Temporary => TEMPORARY,
    }
}

/// Every schema but those of people that the session's role may not use.
fn every_schema(session: &Session) -> Vec<(String, String, Arc<dyn SchemaProvider>)> {
    let context = session.context();
    let (state, role) = (session.engine().catalog(), session.role());
    let usable = |name: &str| {
        !state.has_schema(name) || state.may(&role, Privilege::Usage, Target::Schema(name))
    };
    let mut all = vec![];
    for catalog in context.catalog_names() {
        let Some(provider) = context.catalog(&catalog) else {
            continue;
        };
        let names = provider.schema_names();
        for name in names
            .into_iter()
            .filter(|name| !HIDDEN.contains(&name.as_str()) && usable(name))
        {
            if let Some(schema) = provider.schema(&name) {
                all.push((catalog.clone(), name, schema));
            }
        }
    }
    all
}

/// The names a LIKE pattern matches.
fn matching(names: Vec<String>, pattern: &str) -> Result<Vec<String>> {
    let matches = like(
        &StringArray::from(names.clone()),
        &StringArray::new_scalar(pattern),
    )
    .map_err(failed)?;
    let kept = names.into_iter().zip(&matches);
    Ok(kept
        .filter_map(|(name, matched)| matched.unwrap_or(false).then_some(name))
        .collect())
}
