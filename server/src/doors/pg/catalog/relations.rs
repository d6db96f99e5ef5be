//! Which relations `pg_catalog` tells of, and the few of its own that need mending.

use std::sync::{Arc, Weak};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, new_null_array},
    datatypes::{DataType, SchemaRef},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{CatalogProviderList, SchemaProvider, TableProvider},
    common::metadata::FieldMetadata,
    datasource::{MemTable, TableType, ViewTable, provider_as_source},
    error::{DataFusionError, Result},
    logical_expr::{Expr, JoinType, LogicalPlanBuilder, col, lit},
    prelude::SessionContext,
    scalar::ScalarValue,
};
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, catalog_info::CatalogInfo};

use super::{DATABASE, Facts, Roles, functions, owners, roles};

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

    /// The list, as long as its context lives.
    pub(super) fn catalogs(&self) -> Option<Arc<dyn CatalogProviderList>> {
        self.catalogs.upgrade()
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

/// `pg_catalog` with what upstream's lacks or has otherwise: an owner that exists, access lists that are lists, the session's settings.
#[derive(Debug)]
pub(super) struct PgCatalog {
    upstream: PgCatalogSchemaProvider<Listed, Roles>,
    facts: Arc<Facts>,
}

impl PgCatalog {
    pub(super) fn new(
        upstream: PgCatalogSchemaProvider<Listed, Roles>,
        facts: &Arc<Facts>,
    ) -> Arc<Self> {
        Arc::new(Self {
            upstream,
            facts: Arc::clone(facts),
        })
    }

    /// The relation with some columns replaced and others added.
    /// `schemas` are joined to tell relations of one name apart.
    fn mend(
        &self,
        name: &str,
        table: Arc<dyn TableProvider>,
        schemas: Option<Arc<dyn TableProvider>>,
    ) -> Result<Arc<dyn TableProvider>> {
        let no_list = || lit(ScalarValue::new_null_list(DataType::Utf8, true, 1));
        let text = |text: &str| lit(text);
        let (changes, only): (Vec<(&str, Expr)>, Option<Expr>) = match name {
            "pg_class" => {
                let (owner, acl) = owners::of_relations(&self.facts, "nspname", "relname");
                (
                    vec![
                        ("relowner", owner),
                        ("relacl", acl),
                        ("reloptions", no_list()),
                    ],
                    None,
                )
            }
            "pg_namespace" => {
                let (owner, acl) = owners::of_schemas(&self.facts, "nspname");
                (vec![("nspowner", owner), ("nspacl", acl)], None)
            }
            "pg_database" => (
                vec![
                    ("datacl", no_list()),
                    ("datcollate", text("C.UTF-8")),
                    ("datctype", text("C.UTF-8")),
                ],
                Some(col("datname").eq(lit(DATABASE))),
            ),
            _ => return Ok(table),
        };
        let schema = table.schema();
        let replaced = |field: &str| changes.iter().find(|(name, _)| *name == field);
        let mut columns: Vec<Expr> = schema
            .fields()
            .iter()
            .map(|field| match replaced(field.name()) {
                Some((name, expr)) => {
                    let metadata = FieldMetadata::from(field.metadata());
                    expr.clone().alias_with_metadata(*name, Some(metadata))
                }
                None => col(field.name()),
            })
            .collect();
        let added = changes
            .iter()
            .filter(|(name, _)| schema.field_with_name(name).is_err());
        columns.extend(added.map(|(name, expr)| expr.clone().alias(*name)));
        let mut plan = LogicalPlanBuilder::scan(name, provider_as_source(table), None)?;
        if let Some(schemas) = schemas {
            let schemas = LogicalPlanBuilder::scan("schemas", provider_as_source(schemas), None)?
                .project(vec![col("oid").alias("nspoid"), col("nspname")])?;
            let keys = (vec!["relnamespace"], vec!["nspoid"]);
            plan = plan.join(schemas.build()?, JoinType::Left, keys, None)?;
        }
        if let Some(only) = only {
            plan = plan.filter(only)?;
        }
        Ok(Arc::new(ViewTable::new(
            plan.project(columns)?.build()?,
            None,
        )))
    }

    /// `pg_settings`: of its many columns those that are asked for have values.
    fn settings(&self, schema: &SchemaRef) -> Result<Arc<dyn TableProvider>> {
        let settings = functions::settings(&self.facts);
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            let texts = |text: for<'a> fn(&'a (&'static str, String)) -> &'a str| -> ArrayRef {
                Arc::new(
                    settings
                        .iter()
                        .map(|s| Some(text(s)))
                        .collect::<StringArray>(),
                )
            };
            match field.name().as_str() {
                "name" => texts(|(name, _)| name),
                "setting" | "reset_val" | "boot_val" => texts(|(_, value)| value),
                "context" => texts(|_| "user"),
                "vartype" => texts(|_| "string"),
                "source" => texts(|_| "default"),
                _ => new_null_array(field.data_type(), settings.len()),
            }
        });
        let batch = RecordBatch::try_new(Arc::clone(schema), columns.collect())?;
        Ok(Arc::new(MemTable::try_new(
            Arc::clone(schema),
            vec![vec![batch]],
        )?))
    }
}

#[async_trait]
impl SchemaProvider for PgCatalog {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.upstream.table_names();
        names.extend(roles::ADDED.map(str::to_owned));
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let name = name.to_ascii_lowercase();
        match self.upstream.table(&name).await? {
            Some(table) if name == "pg_settings" => self.settings(&table.schema()).map(Some),
            Some(table) if roles::TOLD.contains(&name.as_str()) => {
                roles::relation(&name, &table.schema(), &self.facts).map(Some)
            }
            None if roles::ADDED.contains(&name.as_str()) => {
                roles::added(&name, &self.facts).map(Some)
            }
            Some(table) => {
                let schemas = match name == "pg_class" && owners::differ(&self.facts) {
                    true => self.upstream.table("pg_namespace").await?,
                    false => None,
                };
                self.mend(&name, table, schemas).map(Some)
            }
            None => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        roles::ADDED.contains(&name) || self.upstream.table_exist(name)
    }
}
