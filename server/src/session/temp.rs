//! Tables and views of one session: in memory, gone with it, seen by nobody else.
//!
//! Each is a list of batches that statements read and replace whole, so one that fails halfway has changed nothing. What they take counts
//! against the memory of ad-hoc queries. The engine plans what is written as queries; nothing here goes to disk or into the catalog.
//!
//! long because what such a table is and how it is written to are read together

mod commit;
mod merge;
mod views;
mod written;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{SchemaProvider, Session as EngineSession, TableProvider},
    common::{ParamValues, Result as EngineResult},
    datasource::{MemTable, TableType},
    execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation},
    logical_expr::{Expr, LogicalPlan},
    physical_plan::ExecutionPlan,
    scalar::ScalarValue,
};
use futures::StreamExt;
use parking_lot::{Mutex, RwLock};
use sluice_sql::{
    CreateTable, OnCommit, Privilege,
    ast::{self, ObjectName, TableFactor, TableObject},
};
use tokio_util::sync::CancellationToken;

use self::{
    views::TempView,
    written::{MATCH, called, matched, one_of, query_of, quoted, updated},
};
use super::{Planned, Session, cancelled, parameters};
use crate::{
    access::Target,
    catalog::{QualifiedName, TEMP_SCHEMA},
    dialect::{shown_label, twice},
    engine::Admission,
    error::{Error, Result, SqlState},
    execute::{
        dml::{self, WritePlan},
        engine_error,
    },
    write::as_declared,
};

/// The tables and views, as a schema of the session's catalog.
#[derive(Debug, Default)]
pub(crate) struct TempTables {
    tables: RwLock<BTreeMap<String, Arc<TempTable>>>,
    views: RwLock<BTreeMap<String, Arc<TempView>>>,
    /// What the views' plans were made under.
    planned_under: Mutex<Option<views::Marks>>,
    /// Counts what was made and dropped.
    changes: AtomicU64,
}

/// One of them.
#[derive(Debug)]
struct TempTable {
    schema: SchemaRef,
    rows: RwLock<Rows>,
    on_commit: OnCommit,
}

#[derive(Debug)]
struct Rows {
    batches: Vec<RecordBatch>,
    held: MemoryReservation,
}

/// What is done to the rows of one.
#[derive(Clone, Debug)]
pub(super) struct TempWrite {
    name: String,
    kind: Kind,
    /// Gives the rows that are added, or all that are left.
    plan: Arc<LogicalPlan>,
}

impl TempWrite {
    /// As of a [`super::Prepared`].
    pub(super) fn carried_parameters(&self) -> BTreeMap<usize, String> {
        parameters::carried(&self.plan)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Insert,
    Delete,
    /// The rows have a column more: whether they were changed.
    Update,
    /// The rows have a column more: what was done to them.
    Merge,
    Truncate,
}

impl Kind {
    fn cannot(self) -> &'static str {
        match self {
            Self::Insert => "insert into",
            Self::Delete => "delete from",
            Self::Update => "update",
            Self::Merge => "merge into",
            Self::Truncate => "truncate",
        }
    }
}

impl TempWrite {
    /// As EXPLAIN tells of it.
    pub(super) fn told(self) -> WritePlan {
        WritePlan {
            operation: match self.kind {
                Kind::Insert => "Insert",
                Kind::Delete | Kind::Truncate => "Delete",
                Kind::Update => "Update",
                Kind::Merge => "Merge",
            },
            relation: QualifiedName::new(TEMP_SCHEMA, self.name),
            plans: vec![Arc::unwrap_or_clone(self.plan)],
        }
    }
}

impl TempTables {
    pub(super) fn has(&self, name: &str) -> bool {
        self.tables.read().contains_key(name) || self.has_view(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.read().is_empty() && self.views.read().is_empty()
    }

    /// What was planned over them holds as long as this stays.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn get(&self, name: &str) -> Option<Arc<TempTable>> {
        self.tables.read().get(name).cloned()
    }

    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}

#[async_trait]
impl SchemaProvider for TempTables {
    fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.tables.read().keys().cloned().collect();
        names.extend(self.views.read().keys().cloned());
        names
    }

    async fn table(&self, name: &str) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        match self.get(name) {
            Some(table) => Ok(Some(table as Arc<dyn TableProvider>)),
            None => self.view(name).map(|view| view.relation()).transpose(),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.has(name)
    }
}

#[async_trait]
impl TableProvider for TempTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn EngineSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let batches = self.rows.read().batches.clone();
        let table = MemTable::try_new(self.schema(), vec![batches])?;
        table.scan(state, projection, filters, limit).await
    }
}

impl TempTable {
    fn new(
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
        held: MemoryReservation,
        on_commit: OnCommit,
    ) -> Self {
        Self {
            schema,
            rows: RwLock::new(Rows { batches, held }),
            on_commit,
        }
    }

    /// Lets all rows go.
    fn empty(&self) {
        let mut rows = self.rows.write();
        rows.batches = Vec::new();
        rows.held.resize(0);
    }

    /// Takes other rows, if there is memory for them.
    fn put(&self, batches: Vec<RecordBatch>) -> Result<()> {
        let mut rows = self.rows.write();
        rows.held
            .try_resize(bytes(&batches))
            .map_err(engine_error)?;
        rows.batches = batches;
        Ok(())
    }
}

fn bytes(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::get_array_memory_size).sum()
}

/// Whether a name is one of a temporary table; its own then.
fn temporary(name: &ObjectName) -> Result<Option<String>> {
    let name = QualifiedName::from_sql(name)?;
    Ok((name.schema == TEMP_SCHEMA).then_some(name.name))
}

fn unsupported(what: &str, hint: &str) -> Error {
    let message = format!("{what} is not supported");
    Error::user(SqlState::FeatureNotSupported, message).with_hint(hint)
}

impl Session {
    /// Makes a table of the session; its completion tag.
    pub(crate) async fn create_temp(&self, create: &CreateTable) -> Result<String> {
        let name = QualifiedName::from_sql(&create.name)?;
        self.require(Privilege::Temporary, Target::Database)?;
        of_session(&name)?;
        if self.temp.has(&name.name) {
            let there = format!("relation \"{}\" already exists", name.name);
            let there = Error::user(SqlState::DuplicateTable, there);
            if !create.if_not_exists {
                return Err(there.with_hint(self.temp.removed_by(&name.name)));
            }
            self.notice(Error {
                message: format!("{}, skipping", there.message),
                ..there
            });
            return Ok("CREATE TABLE".into());
        }
        let (schema, batches, tag) = match &create.query {
            Some(query) => {
                crate::dialect::check_no_parameter(query)?;
                let query = ast::Statement::Query(query.clone());
                let plan = self.plan(&self.as_planned(query)).await?;
                let plan = crate::execute::once_plan(create, plan)?;
                let (schema, batches) = self.collected(plan, None).await?;
                let count: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
                (schema, batches, crate::execute::once_tag(create, count))
            }
            None => {
                let schema = crate::execute::declared_schema(create)?;
                (schema, Vec::new(), "CREATE TABLE".to_owned())
            }
        };
        let schema = loose(&schema)?;
        let batches = fitted(batches, &schema)?;
        let consumer = MemoryConsumer::new(format!("temporary table {}", name.name));
        let held = consumer.register(&self.memory_pool());
        held.try_resize(bytes(&batches)).map_err(engine_error)?;
        let table = Arc::new(TempTable::new(schema, batches, held, create.on_commit));
        self.temp.tables.write().insert(name.name, table);
        self.temp.changed();
        self.show_temp()?;
        Ok(tag)
    }

    /// Drops all of them.
    pub(crate) fn drop_all_temp(&self) {
        self.temp.views.write().clear();
        self.temp.tables.write().clear();
        self.temp.changed();
    }

    /// Makes them part of the session's catalog, once there are any.
    pub(super) fn show_temp(&self) -> Result<()> {
        if self.temp.is_empty() {
            return Ok(());
        }
        let catalog = match &self.made_of {
            Some(made_of) => made_of.catalogs.catalog("sluice"),
            None => self.context().catalog("sluice"),
        };
        let catalog = catalog.ok_or_else(|| Error::internal("a session without a catalog"))?;
        let tables = Arc::clone(&self.temp) as Arc<dyn SchemaProvider>;
        catalog
            .register_schema(TEMP_SCHEMA, tables)
            .map(drop)
            .map_err(engine_error)
    }

    fn require_temp(&self, name: &str) -> Result<Arc<TempTable>> {
        if self.temp.has_view(name) {
            return Err(views::not_written(&format!(
                "cannot copy to view \"{name}\""
            )));
        }
        self.temp.get(name).ok_or_else(|| {
            let name = QualifiedName::new(TEMP_SCHEMA, name);
            self.engine.catalog().undefined(&name)
        })
    }

    /// The columns of a table of the session.
    pub(crate) fn temp_schema(&self, name: &QualifiedName) -> Result<SchemaRef> {
        Ok(self.require_temp(&name.name)?.schema())
    }

    /// Refuses rows beside those of a table that there is no memory for.
    pub(crate) fn room_for_temp(&self, name: &str, rows: &[RecordBatch]) -> Result<()> {
        let held = MemoryConsumer::new(format!("rows for temporary table {name}"))
            .register(&self.memory_pool());
        held.try_resize(bytes(rows)).map_err(engine_error)
    }

    /// Adds rows to a table of the session; how many.
    pub(crate) fn append_temp(&self, name: &str, rows: Vec<RecordBatch>) -> Result<u64> {
        let table = self.require_temp(name)?;
        let new = fitted(rows, &table.schema)?;
        let added = new.iter().map(|batch| batch.num_rows() as u64).sum();
        let before = table.rows.read().batches.clone();
        table.put(before.into_iter().chain(new).collect())?;
        Ok(added)
    }

    pub(crate) fn memory_pool(&self) -> Arc<dyn MemoryPool> {
        Arc::clone(&self.context().runtime_env().memory_pool)
    }

    /// All rows of a plan, as long as there is memory for them.
    async fn collected(
        &self,
        plan: LogicalPlan,
        token: Option<&CancellationToken>,
    ) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let admission = Admission::InTurn(self.activity());
        let rows = self.engine.ad_hoc().run(admission, self.context(), plan);
        let mut rows = rows.await.map_err(engine_error)?;
        let held = MemoryConsumer::new("rows of a temporary table").register(&self.memory_pool());
        let mut batches = Vec::new();
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(engine_error)?;
            if token.is_some_and(CancellationToken::is_cancelled) {
                return Err(cancelled());
            }
            held.try_grow(batch.get_array_memory_size())
                .map_err(engine_error)?;
            batches.push(batch);
        }
        Ok((rows.schema(), batches))
    }

    /// Plans a statement that writes to a temporary table, and gives its parameters' types; `None` for any other.
    pub(super) async fn prepare_temp_write(
        &self,
        statement: &ast::Statement,
        hints: &[Option<DataType>],
    ) -> Result<Option<(Planned, Vec<Option<DataType>>)>> {
        if self.temp.is_empty() {
            return Ok(None);
        }
        let (statement, with) = dml::behind_with(statement);
        let Some((name, kind, mut query)) = self.temp_query(statement)? else {
            return Ok(None);
        };
        if let Some(with) = with {
            dml::give(&mut query, with);
        }
        if self.temp.has_view(&name) {
            let what = kind.cannot();
            return Err(views::not_written(&format!(
                "cannot {what} view \"{name}\""
            )));
        }
        if !self.temp.has(&name) {
            return Err(self
                .engine
                .catalog()
                .undefined(&QualifiedName::new(TEMP_SCHEMA, name)));
        }
        let plan = self.plan(&self.as_planned(query)).await?;
        let plan = match plan {
            LogicalPlan::Dml(dml) => Arc::unwrap_or_clone(dml.input),
            plan => plan,
        };
        let (plan, types) =
            parameters::typed(plan, hints, &parameters::Types::new()).map_err(engine_error)?;
        let plan = Arc::new(plan);
        let write = TempWrite { name, kind, plan };
        Ok(Some((Planned::Temp(write), types)))
    }

    /// What is written, and the query that gives the rows.
    fn temp_query(
        &self,
        statement: &ast::Statement,
    ) -> Result<Option<(String, Kind, ast::Statement)>> {
        let hint = "Write to a temporary table with INSERT, UPDATE, DELETE and MERGE, or make a plain one.";
        Ok(match statement {
            ast::Statement::Insert(insert) => {
                let TableObject::TableName(name) = &insert.table else {
                    return Ok(None);
                };
                let Some(name) = temporary(name)? else {
                    return Ok(None);
                };
                if insert.returning.is_some() || insert.on.is_some() {
                    return Err(unsupported("RETURNING and ON CONFLICT", hint));
                }
                Some((name, Kind::Insert, statement.clone()))
            }
            ast::Statement::Delete(delete) => {
                let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) =
                    &delete.from;
                let Some((name, relation)) = one_of(from.first())? else {
                    return Ok(None);
                };
                if delete.returning.is_some() || from.len() > 1 {
                    return Err(unsupported("RETURNING", hint));
                }
                let kept = match (&delete.using, &delete.selection) {
                    (Some(others), condition) => {
                        let matched = matched(others, condition.as_ref());
                        let own = called(from.first(), &name);
                        let table = quoted(&name);
                        format!(
                            "SELECT {own}.* FROM {TEMP_SCHEMA}.{table} AS {own} {matched} WHERE {MATCH} IS NULL"
                        )
                    }
                    (None, Some(condition)) => {
                        format!("SELECT * FROM {relation} WHERE ({condition}) IS NOT TRUE")
                    }
                    (None, None) => format!("SELECT * FROM {relation} WHERE false"),
                };
                let query = query_of(&kept)?;
                Some((name, Kind::Delete, query))
            }
            ast::Statement::Update(update) => {
                let Some((name, relation)) = one_of(Some(&update.table))? else {
                    return Ok(None);
                };
                if update.returning.is_some() {
                    return Err(unsupported("RETURNING", hint));
                }
                let Some(table) = self.temp.get(&name) else {
                    return Ok(Some((name, Kind::Update, statement.clone())));
                };
                let query = query_of(&updated(update, &table.schema, &name, &relation)?)?;
                Some((name, Kind::Update, query))
            }
            ast::Statement::Merge(merge) => {
                let TableFactor::Table { name, .. } = &merge.table else {
                    return Ok(None);
                };
                let Some(name) = temporary(name)? else {
                    return Ok(None);
                };
                if merge.output.is_some() {
                    return Err(unsupported("RETURNING", hint));
                }
                let Some(table) = self.temp.get(&name) else {
                    return Ok(Some((name, Kind::Merge, statement.clone())));
                };
                let query = query_of(&merge::merged(merge, &table.schema, &name)?)?;
                Some((name, Kind::Merge, query))
            }
            ast::Statement::Truncate(truncate) => {
                let [table] = truncate.table_names.as_slice() else {
                    return Ok(None);
                };
                let Some(name) = temporary(&table.name)? else {
                    return Ok(None);
                };
                let query = query_of(&format!("SELECT * FROM {} WHERE false", table.name))?;
                Some((name, Kind::Truncate, query))
            }
            _ => None,
        })
    }

    /// Writes; the completion tag.
    pub(super) async fn run_temp_write(
        &self,
        write: &TempWrite,
        values: Vec<ScalarValue>,
        token: &CancellationToken,
    ) -> Result<String> {
        let table = self.require_temp(&write.name)?;
        let plan = LogicalPlan::clone(&write.plan);
        let plan = match values.is_empty() {
            true => plan,
            false => {
                let values = values.into_iter().map(Into::into).collect();
                let bound = plan.with_param_values(ParamValues::List(values));
                bound.map_err(engine_error)?
            }
        };
        let (_, batches) = self.collected(plan, Some(token)).await?;
        let before = table.rows.read().batches.clone();
        let count =
            |batches: &[RecordBatch]| -> usize { batches.iter().map(RecordBatch::num_rows).sum() };
        match write.kind {
            Kind::Insert => {
                let new = fitted(batches, &table.schema)?;
                let added = count(&new);
                table.put(before.into_iter().chain(new).collect())?;
                Ok(format!("INSERT 0 {added}"))
            }
            Kind::Delete => {
                let gone = count(&before) - count(&batches);
                table.put(fitted(batches, &table.schema)?)?;
                Ok(format!("DELETE {gone}"))
            }
            Kind::Update => {
                let last = table.schema.fields().len();
                let changed: usize = batches
                    .iter()
                    .filter_map(|batch| batch.columns().get(last)?.as_boolean_opt())
                    .map(BooleanArray::true_count)
                    .sum();
                let all: Vec<usize> = (0..last).collect();
                let rows = batches.iter().map(|batch| batch.project(&all));
                let rows = rows
                    .collect::<std::result::Result<Vec<_>, _>>()
                    .map_err(|error| Error::internal(error.to_string()))?;
                table.put(fitted(rows, &table.schema)?)?;
                Ok(format!("UPDATE {changed}"))
            }
            Kind::Merge => {
                let (rows, count) = merged_rows(&batches, table.schema.fields().len())?;
                table.put(fitted(rows, &table.schema)?)?;
                Ok(format!("MERGE {count}"))
            }
            Kind::Truncate => {
                table.put(Vec::new())?;
                Ok("TRUNCATE TABLE".into())
            }
        }
    }
}

/// The rows that a MERGE leaves, and how many it changed, added or deleted.
fn merged_rows(batches: &[RecordBatch], columns: usize) -> Result<(Vec<RecordBatch>, usize)> {
    let (mut rows, mut count) = (Vec::new(), 0);
    let all: Vec<usize> = (0..columns).collect();
    for batch in batches {
        let done = batch.columns().get(columns);
        let done = done.and_then(|done| done.as_primitive_opt::<Int64Type>());
        let done = done.ok_or_else(|| Error::internal("a MERGE lost what it did"))?;
        if done.values().contains(&merge::TWICE) {
            return Err(Error::user(
                SqlState::CardinalityViolation,
                "MERGE command cannot affect row a second time",
            )
            .with_hint("Ensure that not more than one source row matches any one target row."));
        }
        count += done
            .values()
            .iter()
            .filter(|done| **done != merge::KEPT)
            .count();
        let stays = done
            .values()
            .iter()
            .map(|done| Some(*done != merge::DELETED));
        let kept = batch
            .project(&all)
            .and_then(|batch| filter_record_batch(&batch, &stays.collect::<BooleanArray>()));
        rows.push(kept.map_err(|error| Error::internal(error.to_string()))?);
    }
    Ok((rows, count))
}

/// The columns, by the names that their query shows, without what the engine knows of how they came to be.
fn loose(schema: &Schema) -> Result<SchemaRef> {
    let mut names = BTreeSet::new();
    let fields = schema.fields().iter().map(|field| {
        let name = shown_label(field.name());
        if !names.insert(name.to_owned()) {
            return Err(twice(name));
        }
        let plain = Field::new(name, field.data_type().clone(), true);
        Ok(plain.with_metadata(field.metadata().clone()))
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
}

/// Refuses a name of something temporary that has a schema of another kind.
fn of_session(name: &QualifiedName) -> Result<()> {
    if name.schema == TEMP_SCHEMA {
        return Ok(());
    }
    Err(Error::user(
        SqlState::InvalidTableDefinition,
        "cannot create temporary relation in non-temporary schema",
    )
    .with_hint("Leave the schema out."))
}

/// The batches as rows of the table.
fn fitted(batches: Vec<RecordBatch>, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
    let batches = batches.into_iter().filter(|batch| batch.num_rows() > 0);
    let fitted = batches.map(|batch| {
        let columns = batch.columns().iter().zip(schema.fields());
        let wrong = |error: arrow::error::ArrowError| {
            Error::internal(format!("rows of a temporary table: {error}"))
        };
        let columns = columns.map(|(column, field)| {
            let column = arrow::compute::cast(column, field.data_type()).map_err(wrong)?;
            as_declared(field, &column)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(Arc::clone(schema), columns).map_err(wrong)
    });
    fitted.collect()
}
