//! System tables: what the process knows of itself, as plain SQL. One table per file; each is built from a moment's state when it is scanned.

mod broken;
mod events;
mod failed_logins;
mod maintenance;
mod moment;
mod queries;
mod secrets;
mod splits;
mod streams;

use std::{future::ready, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray},
    compute::filter_record_batch,
    datatypes::{Field, Schema},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{SchemaProvider, TableProvider},
    common::Result,
};

use sluice_planner::AsOf;

pub(crate) use self::{
    moment::MomentTable,
    secrets::{options_of, usage_of},
};
use crate::{
    access::Viewer,
    engine::Engine,
    table::{external, no_versions},
};

/// The tables of the schema.
pub const TABLES: [&str; 8] = [
    "broken_objects",
    "events",
    "failed_logins",
    "maintenance",
    "queries",
    "secrets",
    "splits",
    "streams",
];

/// The schema `system`.
#[derive(Debug)]
pub struct SystemSchema {
    engine: Arc<Engine>,
    viewer: Viewer,
}

impl SystemSchema {
    /// Of this engine, for this viewer.
    pub fn new(engine: Arc<Engine>, viewer: Viewer) -> Self {
        Self { engine, viewer }
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        TABLES.iter().map(|name| (*name).to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let rows: fn(&Engine) -> Result<RecordBatch> = match name {
            "broken_objects" => broken::rows,
            "events" => events::rows,
            "failed_logins" => failed_logins::rows,
            "maintenance" => maintenance::rows,
            "queries" => queries::rows,
            "secrets" => secrets::rows,
            "splits" => splits::rows,
            "streams" => streams::rows,
            _ => {
                return match AsOf::of_relation(name) {
                    Some((table, _)) if TABLES.contains(&table) => Err(external(no_versions(
                        &format!("system.{table}"),
                        "system table",
                    ))),
                    _ => Ok(None),
                };
            }
        };
        let subject = match name {
            "events" => Subject::Column("subject"),
            "failed_logins" => Subject::None,
            "secrets" => Subject::Secret,
            "splits" => Subject::Column("query"),
            "broken_objects" | "streams" => Subject::Qualified,
            _ => Subject::Column("name"),
        };
        let (engine, viewer) = (Arc::clone(&self.engine), self.viewer.clone());
        let schema = rows(&engine)?.schema();
        let table = MomentTable::told_by(schema, move || {
            let told = rows(&engine).and_then(|rows| heard(&engine, &viewer, &rows, subject));
            Box::pin(ready(told))
        });
        Ok(Some(table))
    }

    fn table_exist(&self, name: &str) -> bool {
        TABLES.contains(&name)
    }
}

/// Where a system table names the relation that a row is about.
#[derive(Clone, Copy, Debug)]
enum Subject {
    /// A column has the name as it prints.
    Column(&'static str),
    /// Two columns, `schema` and `name`.
    Qualified,
    /// It is about the secret of the column `name`.
    Secret,
    /// It is about no relation: whoever does not see all of it sees nothing.
    None,
}

/// The rows that are about relations the viewer may read, and secrets it may name.
fn heard(
    engine: &Engine,
    viewer: &Viewer,
    rows: &RecordBatch,
    subject: Subject,
) -> Result<RecordBatch> {
    let catalog = engine.catalog();
    if viewer.monitors(&catalog) {
        return Ok(rows.clone());
    }
    let text = |column: &str, row: usize| {
        let column = rows.column_by_name(column)?;
        let texts = column.as_string_opt::<i32>()?;
        texts.is_valid(row).then(|| texts.value(row).to_owned())
    };
    let kept: BooleanArray = (0..rows.num_rows())
        .map(|row| {
            let name = match subject {
                Subject::Column(column) => text(column, row),
                Subject::None => None,
                Subject::Secret => {
                    let secret = text("name", row).and_then(|name| engine.secrets().get(&name));
                    return Some(secret.is_some_and(|it| viewer.hears_of_secret(&catalog, &it)));
                }
                Subject::Qualified => text("schema", row)
                    .zip(text("name", row))
                    .map(|(schema, name)| format!("{schema}.{name}")),
            };
            Some(name.is_some_and(|name| viewer.hears_of(&catalog, &name)))
        })
        .collect();
    Ok(filter_record_batch(rows, &kept)?)
}

/// A batch from named columns; every column may be null.
pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

/// A TIMESTAMPTZ column from microseconds.
pub(crate) fn timestamps(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter(values).with_timezone("UTC"))
}
