//! A relation by its name, as statements that ask for its columns alone find it.

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::TableReference;
use std::sync::Arc;

use super::Session;
use crate::{
    catalog::QualifiedName,
    error::{Fault, Result},
    execute::engine_error,
};

impl Session {
    /// The columns of a relation that the session's role may read; of a stream those that were declared.
    pub(crate) async fn relation_schema(&self, name: &QualifiedName) -> Result<SchemaRef> {
        let reference = TableReference::partial(name.schema.clone(), name.name.clone());
        let provider = match self.context().table_provider(reference).await {
            Ok(provider) => provider,
            Err(error) => {
                let error = engine_error(error);
                let catalog = self.engine.catalog();
                let unknown = error.fault == Fault::User && catalog.get(name).is_none();
                return Err(match unknown {
                    true => catalog.undefined(name),
                    false => error,
                });
            }
        };
        // A stream's metadata columns are there for those who name them.
        let declared = self.engine.stream(name);
        let declared = declared.map_or(usize::MAX, |stream| stream.definition.declared);
        let schema = provider.schema();
        let fields = schema.fields().iter().take(declared).cloned();
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }
}
