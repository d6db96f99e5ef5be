//! Which relations `pg_catalog` tells of, and the few of its own that need mending.

use std::sync::{Arc, Weak};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{CatalogProviderList, SchemaProvider, TableProvider},
    datasource::TableType,
    error::{DataFusionError, Result},
    prelude::SessionContext,
};
use datafusion_pg_catalog::pg_catalog::{
    PgCatalogSchemaProvider, catalog_info::CatalogInfo,
};

use super::Roles;

/// The database as `pg_catalog` lists it. It holds the list of catalogs weakly, as it becomes part of it.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    catalogs: Weak<dyn CatalogProviderList>,
    database: &'static str,
}

impl Listed {
    pub(super) fn new(context: &SessionContext, database: &'static str) -> Self {
        Self {
            catalogs: Arc::downgrade(context.state().catalog_list()),
            database,
        }
    }

    fn schema(&self, catalog: &str, schema: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.catalogs.upgrade()?.catalog(catalog)?.schema(schema)
    }
}

#[async_trait]
impl CatalogInfo for Listed {
    async fn catalog_names(&self) -> Result<Vec<String>, DataFusionError> {
        Ok(vec![self.database.to_owned()])
    }

    async fn schema_names(&self, catalog: &str) -> Result<Option<Vec<String>>, DataFusionError> {
        let names = self
            .catalogs
            .upgrade()
            .and_then(|list| list.catalog(catalog))
            .map(|catalog| catalog.schema_names());
        Ok(names.map(|mut names| {
            names.sort();
            names
        }))
    }

    async fn table_names(
        &self,
        catalog: &str,
        schema: &str,
    ) -> Result<Option<Vec<String>>, DataFusionError> {
        Ok(self.schema(catalog, schema).map(|schema| {
            let mut names = schema.table_names();
            names.sort();
            names
        }))
    }

    async fn table_schema(
        &self,
        catalog: &str,
        schema: &str,
        table: &str,
    ) -> Result<Option<SchemaRef>, DataFusionError> {
        match self.schema(catalog, schema) {
            // One relation that cannot be opened must not take the whole catalog with it.
            Some(schema) => Ok(schema
                .table(table)
                .await
                .ok()
                .flatten()
                .map(|table| table.schema())),
            None => Ok(None),
        }
    }

    async fn table_type(
        &self,
        catalog: &str,
        schema: &str,
        table: &str,
    ) -> Result<Option<TableType>, DataFusionError> {
        match self.schema(catalog, schema) {
            Some(schema) => Ok(schema.table_type(table).await.ok().flatten()),
            None => Ok(None),
        }
    }
}

/// `pg_catalog` with our settings, and without the extensions PostgreSQL's own would have.
#[derive(Debug)]
pub(super) struct PgCatalog {
    upstream: PgCatalogSchemaProvider<Listed, Roles>,
}

impl PgCatalog {
    pub(super) fn new(upstream: PgCatalogSchemaProvider<Listed, Roles>) -> Arc<Self> {
        Arc::new(Self { upstream })
    }
}

#[async_trait]
impl SchemaProvider for PgCatalog {
    fn table_names(&self) -> Vec<String> {
        self.upstream.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        self.upstream.table(name).await
    }

    fn table_exist(&self, name: &str) -> bool {
        self.upstream.table_exist(name)
    }
}
