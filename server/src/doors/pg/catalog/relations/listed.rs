//! The relations of the database, as the catalogs of the engine have them.

use std::sync::{Arc, Weak};

use arrow::datatypes::FieldRef;
use datafusion::{
    catalog::{CatalogProviderList, SchemaProvider},
    datasource::TableType,
    prelude::SessionContext,
};

use crate::doors::pg::catalog::{DATABASE, oids};

/// Schemas that are PostgreSQL's, which `shapes` tells of.
const THEIRS: [&str; 2] = ["pg_catalog", "information_schema"];

/// A relation that a user made, or one of `system`.
#[derive(Clone, Debug)]
pub(in crate::doors::pg::catalog) struct Relation {
    pub(in crate::doors::pg::catalog) schema: String,
    pub(in crate::doors::pg::catalog) name: String,
    pub(in crate::doors::pg::catalog) oid: i32,
    /// `r` for what can be read like a table, `v` for a view, as in `pg_class.relkind`.
    pub(in crate::doors::pg::catalog) kind: &'static str,
    pub(in crate::doors::pg::catalog) columns: Vec<FieldRef>,
    /// The query of a view.
    pub(in crate::doors::pg::catalog) definition: Option<String>,
}

/// The database. It holds the list of catalogs weakly, as it becomes part of it.
#[derive(Clone, Debug)]
pub(in crate::doors::pg::catalog) struct Listed(Weak<dyn CatalogProviderList>);

impl Listed {
    pub(in crate::doors::pg::catalog) fn new(context: &SessionContext) -> Self {
        Self(Arc::downgrade(context.state().catalog_list()))
    }

    /// Names of the schemas that are not PostgreSQL's, in order.
    pub(in crate::doors::pg::catalog) fn schemas(&self) -> Vec<String> {
        let database = self.0.upgrade().and_then(|list| list.catalog(DATABASE));
        let mut names = database.map_or_else(Vec::new, |database| database.schema_names());
        names.retain(|name| !THEIRS.contains(&name.as_str()));
        names.sort();
        names.dedup();
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.0.upgrade()?.catalog(DATABASE)?.schema(name)
    }

    /// Whether there is such a relation, one of PostgreSQL's included.
    pub(in crate::doors::pg::catalog) fn has(&self, schema: &str, name: &str) -> bool {
        self.schema(schema)
            .is_some_and(|schema| schema.table_exist(name))
    }

    /// Whether there is such a schema.
    pub(in crate::doors::pg::catalog) fn has_schema(&self, name: &str) -> bool {
        self.schema(name).is_some()
    }

    /// Schemas and names of all relations that are not PostgreSQL's.
    pub(in crate::doors::pg::catalog) fn names(&self) -> Vec<(String, String)> {
        let of_schema = |name: String| {
            let tables = self
                .schema(&name)
                .map_or_else(Vec::new, |schema| schema.table_names());
            tables.into_iter().map(move |table| (name.clone(), table))
        };
        self.schemas().into_iter().flat_map(of_schema).collect()
    }

    /// All relations, by schema and name. One that cannot be opened is left out: it must not take the whole catalog with it.
    pub(in crate::doors::pg::catalog) async fn relations(&self) -> Vec<Relation> {
        let mut relations = Vec::new();
        for schema_name in self.schemas() {
            let Some(schema) = self.schema(&schema_name) else {
                continue;
            };
            let mut names = schema.table_names();
            names.sort();
            for name in names {
                let Ok(Some(table)) = schema.table(&name).await else {
                    continue;
                };
                relations.push(Relation {
                    oid: oids::of_relation(&schema_name, &name),
                    kind: if table.table_type() == TableType::View {
                        "v"
                    } else {
                        "r"
                    },
                    columns: table.schema().fields().iter().cloned().collect(),
                    definition: table.get_table_definition().map(str::to_owned),
                    schema: schema_name.clone(),
                    name,
                });
            }
        }
        relations
    }
}
