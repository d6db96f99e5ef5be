//! A session's relations, and beside them the table that a statement changes: what it may read of that one is its own matter, not the role's.

use std::{fmt, sync::Arc};

use datafusion::{
    catalog::{
        CatalogProvider, CatalogProviderList, MemoryCatalogProviderList, MemorySchemaProvider,
        SchemaProvider, TableProvider,
    },
    common::Result as EngineResult,
    execution::SessionStateBuilder,
    prelude::SessionContext,
};

use crate::{
    error::{Error, Result},
    execute::engine_error,
    session::Session,
};

/// The schema and the name of the relation. No schema of anybody's can be called so: it would not be a folder.
const SCHEMA: &str = "sluice/rows";
const RELATION: &str = "target";

/// The relation in a FROM clause.
pub(super) fn relation() -> String {
    format!("\"{SCHEMA}\".\"{RELATION}\"")
}

/// The session's context with these rows under [`relation`].
pub(super) fn with_rows(session: &Session, rows: Arc<dyn TableProvider>) -> Result<SessionContext> {
    let state = session.context().state();
    let inner = state
        .catalog_list()
        .catalog("sluice")
        .ok_or_else(|| Error::internal("the session has no catalog"))?;
    let target = MemorySchemaProvider::new();
    target
        .register_table(RELATION.to_owned(), rows)
        .map_err(engine_error)?;
    let catalogs = MemoryCatalogProviderList::new();
    let catalog = WithRows {
        inner,
        target: Arc::new(target),
    };
    catalogs.register_catalog("sluice".to_owned(), Arc::new(catalog));
    let state = SessionStateBuilder::new_from_existing(state)
        .with_catalog_list(Arc::new(catalogs))
        .build();
    Ok(SessionContext::new_with_state(state))
}

struct WithRows {
    inner: Arc<dyn CatalogProvider>,
    target: Arc<dyn SchemaProvider>,
}

impl fmt::Debug for WithRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WithRows")
    }
}

impl CatalogProvider for WithRows {
    fn schema_names(&self) -> Vec<String> {
        self.inner.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            SCHEMA => Some(Arc::clone(&self.target)),
            name => self.inner.schema(name),
        }
    }

    fn register_schema(
        &self,
        name: &str,
        schema: Arc<dyn SchemaProvider>,
    ) -> EngineResult<Option<Arc<dyn SchemaProvider>>> {
        self.inner.register_schema(name, schema)
    }
}
