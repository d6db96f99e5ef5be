//! The scan of a plan that is made once and run many times: it takes its cut when it runs, and decoded rows where they are kept.
//!
//! Hard about it: values that the rows are compared with are known only when it runs, so neither files nor batches can be passed by when it
//! is planned. And a table may have outgrown the cache by then: its files are planned and read as for any other statement.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{DFSchema, Result, tree_node::TreeNodeRecursion},
    datasource::TableType,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, Operator, TableProviderFilterPushDown,
        utils::split_conjunction,
    },
    physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
        execute_stream,
        execution_plan::{Boundedness, EmissionType},
        stream::RecordBatchStreamAdapter,
    },
    prelude::SessionContext,
};
use futures::TryStreamExt;

use super::{
    Cut, SluiceTable,
    cache::{Comparison, Known},
    provider::{scan_cut, stored},
};

/// Puts the values in the place of parameters.
pub type Bind = Arc<dyn Fn(Expr) -> Result<Expr> + Send + Sync>;

/// A table whose scans are run many times.
pub struct CachedTable {
    table: SluiceTable,
    context: SessionContext,
    bind: Bind,
    outgrown: Arc<AtomicBool>,
}

impl CachedTable {
    /// Of a table, as a session of this context sees it.
    pub fn new(table: SluiceTable, context: SessionContext, bind: Bind) -> Self {
        Self {
            table,
            context,
            bind,
            outgrown: Arc::default(),
        }
    }

    /// Whether a scan had to read the files: it is better planned as for any other statement.
    pub fn outgrown(&self) -> bool {
        self.outgrown.load(Ordering::Relaxed)
    }

    /// Number of rows of the table, where a scan has them at hand or reads them in a moment.
    pub fn at_hand(&self) -> Option<usize> {
        let cut = self.table.cut_now().ok()??;
        let tail: usize = cut.tail.iter().map(RecordBatch::num_rows).sum();
        let committed = match &cut.snapshot {
            None => 0,
            Some(snapshot) => self
                .table
                .cache()
                .at_hand(self.table.state().path(), snapshot)?,
        };
        Some(committed + tail)
    }
}

impl fmt::Debug for CachedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CachedTable({:?})", self.table)
    }
}

#[async_trait]
impl TableProvider for CachedTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.table.schema();
        let shown = match projection {
            Some(columns) => Arc::new(schema.project(columns)?),
            None => Arc::clone(&schema),
        };
        let all = filters.iter().flat_map(split_conjunction);
        let comparisons = all.filter_map(|filter| comparison(filter, &schema, session));
        Ok(Arc::new(CachedScanExec {
            properties: Arc::new(PlanProperties::new(
                EquivalenceProperties::new(shown),
                Partitioning::UnknownPartitioning(1),
                EmissionType::Incremental,
                Boundedness::Bounded,
            )),
            scan: Arc::new(Scan {
                table: self.table.clone(),
                context: self.context.clone(),
                bind: Arc::clone(&self.bind),
                projection: projection.cloned(),
                filters: filters.to_vec(),
                comparisons: comparisons.collect(),
                outgrown: Arc::clone(&self.outgrown),
            }),
        }))
    }
}

/// A column compared with something that is the same for all rows.
type Compared = (usize, Operator, Arc<dyn PhysicalExpr>);

fn comparison(filter: &Expr, schema: &Schema, session: &dyn Session) -> Option<Compared> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else {
        return None;
    };
    let (column, op, value) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), value) => (column, *op, value),
        (value, Expr::Column(column)) => (column, op.swap()?, value),
        _ => return None,
    };
    let ordered = [
        Operator::Eq,
        Operator::Lt,
        Operator::LtEq,
        Operator::Gt,
        Operator::GtEq,
    ];
    if !ordered.contains(&op) || !value.column_refs().is_empty() {
        return None;
    }
    let value = session.create_physical_expr(value.clone(), &DFSchema::empty());
    Some((schema.index_of(&column.name).ok()?, op, value.ok()?))
}

/// Rows of a table by the cut of the moment.
#[derive(Debug)]
struct CachedScanExec {
    properties: Arc<PlanProperties>,
    scan: Arc<Scan>,
}

struct Scan {
    table: SluiceTable,
    context: SessionContext,
    bind: Bind,
    projection: Option<Vec<usize>>,
    filters: Vec<Expr>,
    comparisons: Vec<Compared>,
    outgrown: Arc<AtomicBool>,
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scan({:?})", self.table)
    }
}

impl Scan {
    /// The rows of a cut, where all of them are at hand.
    fn rows_of(&self, cut: &Cut) -> Result<Option<Vec<RecordBatch>>> {
        let mut batches = Vec::new();
        if let Some(snapshot) = &cut.snapshot {
            let Known::Rows(rows) = self.table.cache().get(self.table.state().path(), snapshot)
            else {
                return Ok(None);
            };
            for batch in rows.matching(&self.values()?)? {
                batches.push(self.projected(batch)?);
            }
        }
        let schema = self.table.schema();
        for batch in cut.tail.iter() {
            batches.push(self.projected(&stored(batch, &schema)?)?);
        }
        Ok(Some(batches))
    }

    fn projected(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        Ok(match &self.projection {
            Some(columns) => batch.project(columns)?,
            None => batch.clone(),
        })
    }

    /// What rows are compared with, this time.
    fn values(&self) -> Result<Vec<Comparison>> {
        let none = RecordBatch::new_empty(Arc::new(Schema::empty()));
        let mut values = Vec::with_capacity(self.comparisons.len());
        for (column, operator, value) in &self.comparisons {
            if let ColumnarValue::Scalar(value) = value.evaluate(&none)? {
                values.push((*column, *operator, value));
            }
        }
        Ok(values)
    }

    /// The rows, which have to be waited for.
    async fn fetch(
        self: Arc<Self>,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let cut = self.table.cut().await?;
        let state = self.context.state();
        if let Some(snapshot) = &cut.snapshot
            && self.table.is_newest(snapshot)
        {
            let (path, schema) = (self.table.state().path(), self.table.schema());
            let loaded = self
                .table
                .cache()
                .load(path, snapshot, &schema, &state)
                .await?;
            if loaded.is_none() {
                self.outgrown.store(true, Ordering::Relaxed);
            }
        }
        if let Some(rows) = self.rows_of(&cut)? {
            return Ok(stream(self.shown()?, rows));
        }
        let filters = self
            .filters
            .iter()
            .cloned()
            .map(|filter| (self.bind)(filter));
        let filters = filters.collect::<Result<Vec<_>>>()?;
        let (schema, projection) = (self.table.schema(), self.projection.as_ref());
        let plan = scan_cut(&schema, cut, &state, projection, &filters, None).await?;
        execute_stream(plan, context)
    }

    fn shown(&self) -> Result<SchemaRef> {
        let schema = self.table.schema();
        Ok(match &self.projection {
            Some(columns) => Arc::new(schema.project(columns)?),
            None => schema,
        })
    }
}

fn stream(schema: SchemaRef, rows: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let rows = futures::stream::iter(rows.into_iter().map(Ok));
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

impl DisplayAs for CachedScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CachedScanExec: {:?}", self.scan.table)
    }
}

impl ExecutionPlan for CachedScanExec {
    fn name(&self) -> &str {
        "CachedScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        _partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if let Some(cut) = self.scan.table.cut_now()?
            && let Some(rows) = self.scan.rows_of(&cut)?
        {
            return Ok(stream(self.schema(), rows));
        }
        let rows = Arc::clone(&self.scan).fetch(context);
        let rows = futures::stream::once(rows).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}
