//! A stream as a table of the engine.
//!
//! A continuous query never scans it: the streaming rewrite takes the scan out and puts the epoch's batches in its place. An ad-hoc
//! query does, and then it is a bounded peek that the server carries out through [`StreamPeek`].

use std::{fmt, sync::Arc};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    error::Result as EngineResult,
    logical_expr::{Expr, TableType},
    physical_plan::ExecutionPlan,
};

use crate::{PlanError, StreamDefinition};

/// How a stream is looked into by an ad-hoc query: from its start to its end as recorded at that moment.
///
/// # Contract
/// * The plan's columns are `columns`, in this order, with the stream's types.
/// * The plan ends: it reads what was there when `peek` was called, at most `limit` rows where there is a limit, within a time limit.
#[async_trait]
pub trait StreamPeek: fmt::Debug + Send + Sync {
    /// A bounded plan over the stream's present content.
    async fn peek(
        &self,
        columns: &[String],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, PlanError>;
}

/// A stream as a table of the engine.
#[derive(Debug)]
pub struct StreamTable {
    definition: Arc<StreamDefinition>,
    peek: Option<Arc<dyn StreamPeek>>,
}

impl StreamTable {
    /// A stream that can be planned over, and looked into where there is a `peek`.
    pub fn new(definition: Arc<StreamDefinition>, peek: Option<Arc<dyn StreamPeek>>) -> Self {
        Self { definition, peek }
    }

    /// What is known of the stream.
    pub fn definition(&self) -> &Arc<StreamDefinition> {
        &self.definition
    }
}

#[async_trait]
impl TableProvider for StreamTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.definition.columns)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let Some(peek) = &self.peek else {
            return Err(PlanError::unsupported(format!(
                "stream \"{}\" cannot be read by an ad-hoc query here",
                self.definition.name
            ))
            .into_engine());
        };
        let fields = self.definition.columns.fields();
        let columns: Vec<String> = match projection {
            Some(indices) => indices
                .iter()
                .filter_map(|index| fields.get(*index))
                .map(|field| field.name().clone())
                .collect(),
            None => fields.iter().map(|field| field.name().clone()).collect(),
        };
        peek.peek(&columns, limit)
            .await
            .map_err(PlanError::into_engine)
    }
}
