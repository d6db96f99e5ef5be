//! Tables as DataFusion sees them: a scan takes one cut and plans `committed ∪ tail` over it.

use std::{fmt, sync::Arc, time::Duration};

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{
        DataFusionError, Result,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    datasource::{MemTable, TableType},
    execution::SessionState,
    logical_expr::{Expr, TableProviderFilterPushDown},
    physical_plan::{ExecutionPlan, union::UnionExec},
};

use sluice_connectors::delta::Snapshot;

use super::{Cut, ReadSnapshot, RowCache, TableState};
use crate::{
    error::{Error, SqlState},
    job::JobHandle,
};

/// How long a `latest` read waits for a table that is being restored.
const RESTORE_WAIT: Duration = Duration::from_secs(10);

/// Parts of a condition that files are looked at with, at most.
const MOST_PARTS: usize = 200;

/// Which rows of a table a session sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// Committed files and the final rows that are not committed yet.
    #[default]
    Latest,
    /// Committed files alone.
    Committed,
}

/// A table under its own name.
#[derive(Clone)]
pub struct SluiceTable {
    state: Arc<TableState>,
    freshness: Freshness,
    /// What the session's transaction reads; `None` for the server's own reading.
    snapshot: Option<Arc<ReadSnapshot>>,
    cache: Arc<RowCache>,
}

impl SluiceTable {
    /// The table as a session with this freshness sees it.
    pub fn new(
        state: Arc<TableState>,
        freshness: Freshness,
        snapshot: Option<Arc<ReadSnapshot>>,
        cache: Arc<RowCache>,
    ) -> Self {
        Self {
            state,
            freshness,
            snapshot,
            cache,
        }
    }

    /// Decoded rows, of this table among others.
    pub(super) fn cache(&self) -> &RowCache {
        &self.cache
    }

    /// A plan of the decoded rows, for a statement that reads all of the table.
    async fn scan_kept(
        &self,
        cut: &Cut,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let state = session.as_any().downcast_ref::<SessionState>();
        let snapshot = cut.snapshot.as_ref();
        let (Some(state), Some(snapshot)) = (state, snapshot.filter(|cut| self.is_newest(cut)))
        else {
            return Ok(None);
        };
        let (path, schema) = (self.state.path(), &self.state.schema);
        let columns = projection.map_or(schema.fields().len(), Vec::len);
        let wide = 2 * columns >= schema.fields().len();
        let rows = self.cache.for_all(path, snapshot, schema, wide, state);
        let Some(rows) = rows.await? else {
            return Ok(None);
        };
        let mut shares = rows.shares(state.config().target_partitions());
        let tail = cut.tail.iter().map(|batch| stored(batch, schema));
        shares.push(tail.collect::<Result<_>>()?);
        let table = MemTable::try_new(Arc::clone(schema), shares)?;
        table.scan(session, projection, &[], None).await.map(Some)
    }

    /// The table.
    pub fn state(&self) -> &Arc<TableState> {
        &self.state
    }

    /// Which rows of it are seen.
    pub fn freshness(&self) -> Freshness {
        self.freshness
    }

    /// Whether its columns are others by now.
    pub(crate) fn is_altered(&self) -> bool {
        self.state.newest().schema != self.state.schema
    }

    /// Whether this is the newest version of the table that was read.
    pub(super) fn is_newest(&self, snapshot: &Arc<Snapshot>) -> bool {
        let newest = self.state.newest().snapshot();
        newest.is_some_and(|newest| Arc::ptr_eq(&newest, snapshot))
    }

    /// The table's state now; an error where its columns are others since the statement was planned.
    fn newest(&self) -> Result<Arc<TableState>> {
        let state = self.state.newest();
        if state.schema != self.state.schema {
            let changed = "cached plan must not change result type";
            let error = Error::user(SqlState::FeatureNotSupported, changed);
            return Err(external(error.with_detail(format!(
                "Table \"{}\" was altered since the statement was prepared.",
                state.name
            ))));
        }
        Ok(state)
    }

    /// What the transaction reads of the table, where it has read it before.
    fn kept(&self) -> Option<Cut> {
        let snapshot = self.snapshot.as_ref()?;
        snapshot.get(self.state.path(), &self.state.schema)
    }

    fn keep(&self, cut: Cut) -> Cut {
        match &self.snapshot {
            Some(snapshot) => snapshot.keep(self.state.path(), &self.state.schema, cut),
            None => cut,
        }
    }

    /// The cut, where it need not be waited for.
    pub(super) fn cut_now(&self) -> Result<Option<Cut>> {
        let state = self.newest()?;
        if let Some(cut) = self.kept() {
            return Ok(Some(cut));
        }
        if self.freshness == Freshness::Committed {
            return Ok(None);
        }
        let cut = state.cut();
        Ok((!cut.restoring).then(|| self.keep(cut)))
    }

    pub(super) async fn cut(&self) -> Result<Cut> {
        let state = self.newest()?;
        if let Some(cut) = self.kept() {
            return Ok(cut);
        }
        if self.freshness == Freshness::Committed {
            state.settle().await.map_err(external)?;
            let mut cut = state.cut();
            cut.tail = Arc::default();
            return Ok(self.keep(cut));
        }
        let deadline = tokio::time::Instant::now() + RESTORE_WAIT;
        loop {
            let cut = state.cut();
            if !cut.restoring {
                return Ok(self.keep(cut));
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(external(
                    Error::outside(
                        SqlState::CannotConnectNow,
                        format!("table \"{}\" is being restored", state.name),
                    )
                    .with_hint("SELECT state, last_error FROM system.queries says what it waits for. What is committed can be read now: SET freshness = 'committed';"),
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl fmt::Debug for SluiceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SluiceTable({})", self.state.name)
    }
}

#[async_trait]
impl TableProvider for SluiceTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.state.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // Files are pruned by filters; rows of the tail are not, so the filter stays above.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let cut = self.cut().await?;
        if filters.is_empty()
            && limit.is_none()
            && let Some(kept) = self.scan_kept(&cut, session, projection).await?
        {
            return Ok(kept);
        }
        scan_cut(&self.state.schema, cut, session, projection, filters, limit).await
    }
}

/// One cut of a table, whatever comes after it.
#[derive(Debug)]
pub struct CutTable {
    schema: SchemaRef,
    cut: Cut,
}

impl CutTable {
    /// Of a table with these columns.
    pub fn new(schema: SchemaRef, cut: Cut) -> Self {
        Self { schema, cut }
    }
}

#[async_trait]
impl TableProvider for CutTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let cut = self.cut.clone();
        scan_cut(&self.schema, cut, session, projection, filters, limit).await
    }
}

/// Plans `committed ∪ tail`.
pub(super) async fn scan_cut(
    schema: &SchemaRef,
    cut: Cut,
    session: &dyn Session,
    projection: Option<&Vec<usize>>,
    filters: &[Expr],
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let rows = cut.tail.iter().map(|batch| stored(batch, schema));
    let tail = MemTable::try_new(Arc::clone(schema), vec![rows.collect::<Result<_>>()?])?;
    let tail = tail.scan(session, projection, &[], limit).await?;
    match cut.committed {
        None => Ok(tail),
        Some(committed) => {
            let filters: Vec<Expr> = filters.iter().filter(|f| is_small(f)).cloned().collect();
            let filters = filters.as_slice();
            let committed = committed.scan(session, projection, filters, limit).await?;
            UnionExec::try_new(vec![committed, tail])
        }
    }
}

/// Whether a condition is worth looking at files with. A long list becomes a chain as deep as it is long there, deeper than a thread's stack;
/// it is looked at again for every row in any case.
fn is_small(filter: &Expr) -> bool {
    let mut parts = 0;
    let counted = filter.apply(|_| {
        parts += 1;
        Ok(match parts > MOST_PARTS {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    });
    counted.is_ok() && parts <= MOST_PARTS
}

/// `t__live`: the table, and the open windows flagged as provisional.
pub struct LiveTable {
    state: Arc<TableState>,
    job: JobHandle,
    schema: SchemaRef,
}

impl LiveTable {
    /// The live relation of a table that `job` feeds.
    pub fn new(state: Arc<TableState>, job: JobHandle) -> Self {
        let mut fields: Vec<Arc<Field>> = state.schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(
            "provisional",
            DataType::Boolean,
            false,
        )));
        let schema = Arc::new(Schema::new(fields));
        Self { state, job, schema }
    }
}

impl fmt::Debug for LiveTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveTable({})", self.state.name)
    }
}

#[async_trait]
impl TableProvider for LiveTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // Open windows and the cut are taken by the job itself, between two epochs: one moment for both.
        let live = self.job.live().await.map_err(external)?;
        let open = live
            .open
            .iter()
            .map(|batch| flagged(batch, &self.schema, true))
            .collect::<Result<Vec<_>>>()?;
        let open = MemTable::try_new(Arc::clone(&self.schema), vec![open])?;
        let open = open.scan(session, projection, &[], None).await?;
        let table_schema = &self.state.schema;
        let closed = scan_cut(table_schema, live.cut, session, None, &[], None).await?;
        let closed = with_flag(closed, &self.schema, projection)?;
        UnionExec::try_new(vec![closed, open])
    }
}

fn flagged(batch: &RecordBatch, schema: &SchemaRef, provisional: bool) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns.push(Arc::new(BooleanArray::from(vec![
        provisional;
        batch.num_rows()
    ])));
    in_types_of(columns, schema)
}

/// Rows of a query as rows of its table: lists and maps name what lies in them differently.
pub(super) fn stored(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    in_types_of(batch.columns().to_vec(), schema)
}

fn in_types_of(mut columns: Vec<ArrayRef>, schema: &SchemaRef) -> Result<RecordBatch> {
    for (column, field) in columns.iter_mut().zip(schema.fields()) {
        if column.data_type() != field.data_type() {
            *column = cast(column, field.data_type())?;
        }
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// Adds `provisional = false` to a plan of final rows and projects.
fn with_flag(
    plan: Arc<dyn ExecutionPlan>,
    schema: &SchemaRef,
    projection: Option<&Vec<usize>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    use datafusion::physical_plan::{
        expressions::{Column, Literal},
        projection::ProjectionExec,
    };
    let flag = schema.fields().len() - 1;
    let all: Vec<usize> = (0..schema.fields().len()).collect();
    let wanted = projection.unwrap_or(&all);
    let exprs: Vec<(Arc<dyn datafusion::physical_plan::PhysicalExpr>, String)> = wanted
        .iter()
        .map(|index| {
            let name = schema.field(*index).name().clone();
            let expr: Arc<dyn datafusion::physical_plan::PhysicalExpr> = if *index == flag {
                Arc::new(Literal::new(false.into()))
            } else {
                Arc::new(Column::new(&name, *index))
            };
            (expr, name)
        })
        .collect();
    Ok(Arc::new(ProjectionExec::try_new(exprs, plan)?))
}

/// `"x" is a view, which has no versions`.
pub fn no_versions(name: &str, kind: &str) -> Error {
    Error::user(
        SqlState::WrongObjectType,
        format!("\"{name}\" is a {kind}, which has no versions"),
    )
    .with_hint("Only tables can be read as they were.")
}

/// Our error inside DataFusion's, to be taken out again at the door.
pub fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
