//! A relation that is told when it is scanned: a prepared statement answers with what is, not with what was when it was prepared.

use std::{fmt, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::{
    catalog::{Session, TableProvider},
    common::Result,
    datasource::{MemTable, TableType},
    logical_expr::Expr,
    physical_plan::ExecutionPlan,
};
use futures::future::BoxFuture;
use tokio::sync::Mutex;

/// Tells the rows.
type Tell = Box<dyn Fn() -> BoxFuture<'static, Result<RecordBatch>> + Send + Sync>;

/// The relation.
pub(crate) struct MomentTable {
    schema: SchemaRef,
    tell: Tell,
    /// When the statement began that was told last, and what: it sees one moment, however often it names the relation.
    told: Mutex<Option<(DateTime<Utc>, RecordBatch)>>,
}

impl fmt::Debug for MomentTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MomentTable({})", self.schema)
    }
}

impl MomentTable {
    /// A relation of these columns, told by `tell`.
    pub(crate) fn told_by(
        schema: SchemaRef,
        tell: impl Fn() -> BoxFuture<'static, Result<RecordBatch>> + Send + Sync + 'static,
    ) -> Arc<dyn TableProvider> {
        Arc::new(Self {
            schema,
            tell: Box::new(tell),
            told: Mutex::default(),
        })
    }

    async fn rows(&self, began: Option<DateTime<Utc>>) -> Result<RecordBatch> {
        let mut told = self.told.lock().await;
        if let Some((at, rows)) = &*told
            && began == Some(*at)
        {
            return Ok(rows.clone());
        }
        let rows = (self.tell)().await?;
        *told = began.map(|began| (began, rows.clone()));
        Ok(rows)
    }
}

#[async_trait]
impl TableProvider for MomentTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let began = state.execution_props().query_execution_start_time;
        let rows = self.rows(began).await?;
        let table = MemTable::try_new(Arc::clone(&self.schema), vec![vec![rows]])?;
        table.scan(state, projection, filters, limit).await
    }
}
