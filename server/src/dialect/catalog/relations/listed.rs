//! The relations of the database, as the catalogs of the engine have them.

use std::sync::{Arc, Weak};

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::{
    catalog::{CatalogProviderList, SchemaProvider},
    datasource::TableType,
};
use futures::FutureExt;
use sluice_sql::Privilege;

use crate::{
    access::{OWNER, Target},
    catalog::{Catalog, Object, QualifiedName, TEMP_SCHEMA},
    dialect::catalog::{DATABASE, Facts, oids},
};

/// Schemas that are PostgreSQL's, which `shapes` tells of.
const THEIRS: [&str; 2] = ["pg_catalog", "information_schema"];

/// A relation that a user made, or one of `system`.
#[derive(Clone, Debug)]
pub(in crate::dialect::catalog) struct Relation {
    pub(in crate::dialect::catalog) schema: String,
    pub(in crate::dialect::catalog) name: String,
    pub(in crate::dialect::catalog) oid: i32,
    /// `r` for what can be read like a table, `v` for a view, as in `pg_class.relkind`.
    pub(in crate::dialect::catalog) kind: &'static str,
    pub(in crate::dialect::catalog) columns: Vec<FieldRef>,
    /// The query of a view.
    pub(in crate::dialect::catalog) definition: Option<String>,
    /// Who owns it.
    pub(in crate::dialect::catalog) owner: String,
    /// The catalog's object, where it is one.
    pub(in crate::dialect::catalog) object: Option<Arc<Object>>,
}

/// The access list of a relation or a schema; `None` where nothing was given to anybody, as in PostgreSQL.
pub(in crate::dialect::catalog) fn access_list(
    catalog: &Catalog,
    on: Target<'_>,
) -> Option<Vec<String>> {
    let acl = catalog.acl(on);
    (!acl.is_empty()).then(|| acl.items(catalog.owner(on), on.all()))
}

/// The database, as a session sees it. It holds the list of catalogs weakly, as it becomes part of it.
#[derive(Clone, Debug)]
pub(in crate::dialect::catalog) struct Listed {
    list: Weak<dyn CatalogProviderList>,
    facts: Arc<Facts>,
}

impl Listed {
    pub(in crate::dialect::catalog) fn new(
        catalogs: &Arc<dyn CatalogProviderList>,
        facts: &Arc<Facts>,
    ) -> Self {
        Self {
            list: Arc::downgrade(catalogs),
            facts: Arc::clone(facts),
        }
    }

    /// What is known of the session.
    pub(in crate::dialect::catalog) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Names of the schemas that are not PostgreSQL's, in order.
    pub(in crate::dialect::catalog) fn schemas(&self) -> Vec<String> {
        let database = self.list.upgrade().and_then(|list| list.catalog(DATABASE));
        let mut names = database.map_or_else(Vec::new, |database| database.schema_names());
        names.retain(|name| !THEIRS.contains(&name.as_str()));
        names.sort();
        names.dedup();
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.list.upgrade()?.catalog(DATABASE)?.schema(name)
    }

    /// Whether there is such a relation, one of PostgreSQL's included.
    pub(in crate::dialect::catalog) fn has(&self, schema: &str, name: &str) -> bool {
        self.schema(schema)
            .is_some_and(|schema| schema.table_exist(name))
    }

    /// Whether there is such a schema.
    pub(in crate::dialect::catalog) fn has_schema(&self, name: &str) -> bool {
        self.schema(name).is_some()
    }

    /// Schemas and names of all relations that are not PostgreSQL's.
    pub(in crate::dialect::catalog) fn names(&self) -> Vec<(String, String)> {
        let of_schema = |name: String| {
            let tables = self
                .schema(&name)
                .map_or_else(Vec::new, |schema| schema.table_names());
            tables.into_iter().map(move |table| (name.clone(), table))
        };
        self.schemas().into_iter().flat_map(of_schema).collect()
    }

    /// The columns of a relation that can be opened without waiting, as those are that bear comments.
    pub(in crate::dialect::catalog) fn columns(
        &self,
        schema: &str,
        name: &str,
    ) -> Option<Vec<FieldRef>> {
        let (catalog, qualified) = (self.facts.catalog(), QualifiedName::new(schema, name));
        if let Some(object) = catalog.get(&qualified)
            && catalog.lists(&self.facts.role(), object)
            && let Some((columns, _)) = self.known_view(&catalog, &qualified)
        {
            return Some(columns.fields().iter().cloned().collect());
        }
        let schema = self.schema(schema)?;
        let table = schema.table(name).now_or_never()?.ok()??;
        Some(table.schema().fields().iter().cloned().collect())
    }

    /// The columns and the query of a view that was planned before and is listed for the session: it need not be planned again.
    fn known_view(&self, catalog: &Catalog, name: &QualifiedName) -> Option<(SchemaRef, String)> {
        let (engine, _) = self.facts.access.as_ref()?;
        let Object::View(view) = catalog.get(name)?.as_ref() else {
            return None;
        };
        let schema = Target::Schema(&name.schema);
        if !catalog.may(&self.facts.role(), Privilege::Usage, schema) {
            return None;
        }
        let columns = engine.view_columns().get(catalog, name)?;
        Some((columns, view.statement.query.to_string()))
    }

    /// All relations, by schema and name. One that cannot be opened is left out: it must not take the whole catalog with it.
    pub(in crate::dialect::catalog) async fn relations(&self) -> Vec<Relation> {
        let mut relations = Vec::new();
        let catalog = self.facts.catalog();
        // What is of the session alone is its role's.
        let role = self.facts.role();
        let owner_of = |schema: &str, object: Option<&Arc<Object>>| match object {
            Some(object) => object.meta().owner.clone(),
            None if schema == TEMP_SCHEMA => role.clone(),
            None => OWNER.to_owned(),
        };
        for schema_name in self.schemas() {
            let Some(schema) = self.schema(&schema_name) else {
                continue;
            };
            let mut names = schema.table_names();
            names.sort();
            for name in names {
                let qualified = QualifiedName::new(&schema_name, &name);
                let known = self.known_view(&catalog, &qualified);
                let (kind, columns, definition) = if let Some((columns, query)) = known {
                    ("v", columns, Some(query))
                } else {
                    let Ok(Some(table)) = schema.table(&name).await else {
                        continue;
                    };
                    let kind = match table.table_type() {
                        TableType::View => "v",
                        _ => "r",
                    };
                    let definition = table.get_table_definition().map(str::to_owned);
                    (kind, table.schema(), definition)
                };
                let object = catalog.get(&qualified);
                relations.push(Relation {
                    // A companion is its table's owner's.
                    owner: owner_of(&schema_name, catalog.readable(&qualified).or(object)),
                    object: object.cloned(),
                    oid: oids::of_relation(&schema_name, &name),
                    kind,
                    columns: columns.fields().iter().cloned().collect(),
                    definition,
                    schema: schema_name.clone(),
                    name,
                });
            }
        }
        relations
    }
}
