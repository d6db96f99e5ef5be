//! `pg_catalog`: its relations, each made when it is read.
//!
//! Made when planned, the answer of a prepared statement would grow old: drivers prepare what they ask often, and keep it.

mod activity;
mod cluster;
mod listed;
mod objects;
mod opened;

use std::sync::Arc;

use arrow::{array::RecordBatch, compute::concat_batches, datatypes::SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{SchemaProvider, TableProvider, streaming::StreamingTable},
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchStreamAdapter, streaming::PartitionStream},
};

pub(super) use self::{
    cluster::{role, role_oid},
    listed::Listed,
    objects::{Described, definition, described, described_shape},
};
use super::{
    Facts, builtin,
    rows::{self, Row},
    shapes::{self, Shape},
};

/// The schema's name.
pub(super) const NAME: &str = "pg_catalog";

/// The schema.
#[derive(Debug)]
pub(super) struct PgCatalog {
    pub(super) listed: Listed,
    pub(super) facts: Arc<Facts>,
}

#[async_trait]
impl SchemaProvider for PgCatalog {
    fn table_names(&self) -> Vec<String> {
        shapes::of_schema(NAME)
            .map(|shape| shape.name.to_owned())
            .collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some(shape) = shapes::find(NAME, &name.to_ascii_lowercase()) else {
            return Ok(None);
        };
        let (listed, facts) = (self.listed.clone(), Arc::clone(&self.facts));
        lazy(shape, move || {
            let (listed, facts) = (listed.clone(), Arc::clone(&facts));
            Box::pin(async move { rows_of(shape, &listed, &facts).await })
        })
        .map(Some)
    }

    fn table_exist(&self, name: &str) -> bool {
        shapes::find(NAME, &name.to_ascii_lowercase()).is_some()
    }
}

/// What a relation holds now.
async fn rows_of(shape: &'static Shape, listed: &Listed, facts: &Facts) -> Result<RecordBatch> {
    if let Some(batch) = builtin::table(shape)? {
        return match shape.name {
            "pg_description" => {
                let mut ours = objects::descriptions(&listed.relations().await);
                ours.extend(objects::schema_descriptions(&facts.catalog()));
                let ours = rows::batch(shape, &ours)?;
                Ok(concat_batches(&batch.schema(), [&batch, &ours])?)
            }
            "pg_proc" => objects::with_rights(batch, &facts.catalog()),
            _ => Ok(batch),
        };
    }
    let catalog = facts.catalog();
    let rows: Vec<Row> = match shape.name {
        "pg_attribute" => objects::attributes(&listed.relations().await),
        "pg_auth_members" => cluster::members(&catalog),
        "pg_authid" => cluster::roles(&catalog),
        "pg_class" => objects::classes(&listed.relations().await, &catalog),
        "pg_cursors" => opened::cursors(&facts.opened),
        "pg_database" => cluster::databases(&catalog),
        "pg_group" => cluster::groups(&catalog),
        "pg_locks" => activity::locks(facts),
        "pg_namespace" => objects::namespaces(&listed.schemas(), &catalog),
        "pg_prepared_statements" => opened::statements(&facts.opened),
        "pg_roles" => cluster::roles_without_passwords(&catalog),
        "pg_settings" => cluster::settings(facts),
        "pg_shdescription" => cluster::descriptions(&catalog),
        "pg_stat_activity" => activity::sessions(facts, &catalog),
        "pg_shadow" | "pg_user" => cluster::users(&catalog),
        "pg_stat_all_tables"
        | "pg_stat_user_tables"
        | "pg_statio_all_tables"
        | "pg_statio_user_tables" => objects::statistics(&listed.relations().await),
        "pg_tables" => objects::tables(&listed.relations().await),
        "pg_views" => objects::views(&listed.relations().await),
        _ => Vec::new(),
    };
    rows::batch(shape, &rows)
}

type Made = std::pin::Pin<Box<dyn Future<Output = Result<RecordBatch>> + Send>>;

/// A table of this shape whose rows are made when it is read.
pub(super) fn lazy(
    shape: &Shape,
    make: impl Fn() -> Made + Send + Sync + 'static,
) -> Result<Arc<dyn TableProvider>> {
    let schema = shape.arrow();
    let partition = Arc::new(Lazy {
        name: shape.name,
        schema: Arc::clone(&schema),
        make: Box::new(make),
    });
    Ok(Arc::new(StreamingTable::try_new(schema, vec![partition])?))
}

struct Lazy {
    name: &'static str,
    schema: SchemaRef,
    make: Box<dyn Fn() -> Made + Send + Sync>,
}

impl std::fmt::Debug for Lazy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lazy({})", self.name)
    }
}

impl PartitionStream for Lazy {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = futures::stream::once((self.make)());
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            rows,
        ))
    }
}
