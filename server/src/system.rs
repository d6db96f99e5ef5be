//! System tables: what the process knows of itself, as plain SQL. One table per file; each is built from a moment's state when it is scanned.

mod events;
mod maintenance;
mod moment;
mod queries;
mod splits;
mod streams;

use std::{future::ready, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, TimestampMicrosecondArray},
    datatypes::{Field, Schema},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{SchemaProvider, TableProvider},
    common::Result,
};

use sluice_planner::AsOf;

pub(crate) use self::moment::MomentTable;
use crate::{
    engine::Engine,
    table::{external, no_versions},
};

/// The tables of the schema.
pub const TABLES: [&str; 5] = ["events", "maintenance", "queries", "splits", "streams"];

/// The schema `system`.
#[derive(Debug)]
pub struct SystemSchema {
    engine: Arc<Engine>,
}

impl SystemSchema {
    /// Of this engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        TABLES.iter().map(|name| (*name).to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let rows: fn(&Engine) -> Result<RecordBatch> = match name {
            "events" => events::rows,
            "maintenance" => maintenance::rows,
            "queries" => queries::rows,
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
        let engine = Arc::clone(&self.engine);
        let schema = rows(&engine)?.schema();
        let table = MomentTable::told_by(schema, move || Box::pin(ready(rows(&engine))));
        Ok(Some(table))
    }

    fn table_exist(&self, name: &str) -> bool {
        TABLES.contains(&name)
    }
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
