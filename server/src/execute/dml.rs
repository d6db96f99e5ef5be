//! INSERT, UPDATE, DELETE, MERGE and TRUNCATE: planned as far as can be before the parameters' values are known, then carried out.
//!
//! What changes rows where they are is written as queries over the rows of data files ([`Rewritten`]), which say which rows change and to
//! what; `crate::write` does the rest. Hard about it: PostgreSQL takes an expression's type for the column's only where it may be assigned
//! to it, a literal's always, and the engine would cast anything: so every column goes through [`columns::into_columns`].
//!
//! long because what such a statement is, how it is planned, told and carried out are read together

mod columns;
mod context;
mod delete;
mod insert;
mod merge;
mod statement;
mod update;

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    common::ParamValues, execution::SendableRecordBatchStream, logical_expr::LogicalPlan,
    scalar::ScalarValue,
};
use futures::StreamExt;
use serde_json::{Value, json};
use sluice_connectors::delta::FileRows;
use sluice_sql::{Statement, ast};
use tokio_util::sync::CancellationToken;

use self::context::with_rows;
use super::engine_error;
use crate::{
    catalog::QualifiedName,
    error::{Error, Result, SqlState},
    root::storage_error,
    session::{Session, cancelled, carried, typed_plan},
    write::{Action, Append, Changes, Target, change, remove_all, value_error},
};

pub(crate) use self::{
    columns::{assignable, into_columns},
    statement::{behind_with, give},
};

/// A statement that writes rows.
#[derive(Clone, Debug)]
pub(crate) enum Dml {
    /// Rows of a plan go into a table.
    Insert(QualifiedName, Arc<LogicalPlan>),
    /// Rows of a table change.
    Change(Arc<Rewritten>),
    /// All rows of tables go.
    Truncate(Vec<QualifiedName>),
}

/// A statement that changes rows, as queries over the rows of data files.
#[derive(Clone, Debug)]
pub(crate) struct Rewritten {
    /// The table.
    pub(super) name: QualifiedName,
    pub(super) action: Action,
    /// What it says of which rows, for history.
    pub(super) predicate: Option<String>,
    /// Queries that give number of the file, number of the row, 1 or 0 (it stays or goes), and the values of `sets`.
    pub(super) hits: Vec<String>,
    /// Columns that are set, by place in the table.
    pub(super) sets: Vec<usize>,
    /// Queries that give new rows, and the columns they give by place in the table.
    pub(super) inserts: Vec<(String, Vec<usize>)>,
    /// Types of the parameters.
    pub(super) parameters: Vec<Option<DataType>>,
    /// Those of them whose text carries another type.
    pub(super) carried: BTreeMap<usize, String>,
    /// All rows, without a condition.
    pub(super) everything: bool,
}

impl Rewritten {
    /// The table whose rows change.
    pub(crate) fn table(&self) -> &QualifiedName {
        &self.name
    }

    /// Parameters that are texts which carry another type of PostgreSQL's, by number.
    pub(crate) fn carried_parameters(&self) -> &BTreeMap<usize, String> {
        &self.carried
    }

    /// What is done to them.
    pub(crate) fn action(&self) -> Action {
        self.action
    }

    /// With what stands in WITH before the statement, in each of its queries.
    fn given(mut self, with: Option<&ast::With>) -> Self {
        if let Some(with) = with {
            let inserts = self.inserts.iter_mut().map(|(sql, _)| sql);
            for sql in self.hits.iter_mut().chain(inserts) {
                *sql = format!("{with} {sql}");
            }
        }
        self
    }
}

/// Plans a statement that writes rows, and gives its parameters' types; `None` for any other.
pub(crate) async fn prepare(
    session: &Session,
    statement: &ast::Statement,
    hints: &[Option<DataType>],
) -> Result<Option<(Dml, Vec<Option<DataType>>)>> {
    let (statement, with) = behind_with(statement);
    let rewritten = match statement {
        ast::Statement::Insert(insert) => {
            let Some(with) = with else {
                return insert::prepare(session, insert, hints).await.map(Some);
            };
            let mut insert = insert.clone();
            if let Some(source) = insert.source.as_deref_mut() {
                statement::give_query(source, with);
            }
            return insert::prepare(session, &insert, hints).await.map(Some);
        }
        ast::Statement::Truncate(truncate) => {
            return statement::truncate(session, truncate)
                .map(|names| Some((Dml::Truncate(names), Vec::new())));
        }
        ast::Statement::Update(update) => update::rewrite(session, update)?,
        ast::Statement::Delete(delete) => delete::rewrite(session, delete)?,
        ast::Statement::Merge(merge) => merge::rewrite(session, merge)?,
        _ => return Ok(None),
    }
    .given(with);
    let target = Target::named(session, rewritten.name.clone(), rewritten.action)?;
    let rows = no_rows(&target)?;
    // Once without values, for mistakes and for the parameters' types: a parameter of any of the queries is one of the statement.
    let mut types: Vec<Option<DataType>> = Vec::new();
    let mut note = |found: Vec<Option<DataType>>| {
        types.resize(types.len().max(found.len()), None);
        for (known, found) in types.iter_mut().zip(found) {
            *known = known.take().or(found);
        }
    };
    let mut carrying = BTreeMap::new();
    for (sql, places) in rewritten.queries() {
        let (plan, found) = rewritten
            .plan(session, &target, &rows, sql, places, hints)
            .await?;
        note(found);
        carrying.extend(carried(&plan));
    }
    let rewritten = Rewritten {
        parameters: types.clone(),
        carried: carrying,
        ..rewritten
    };
    Ok(Some((Dml::Change(Arc::new(rewritten)), types)))
}

/// A statement that writes rows, as EXPLAIN tells of it.
pub(crate) struct WritePlan {
    /// `Insert`, `Update`, `Delete` or `Merge`.
    pub(crate) operation: &'static str,
    /// The table that is written to.
    pub(crate) relation: QualifiedName,
    /// The queries that say which rows change, and give the new ones.
    pub(crate) plans: Vec<LogicalPlan>,
}

/// What a statement that writes rows would do; `None` for any other, and for TRUNCATE, which asks nothing.
pub(crate) async fn told(
    session: &Session,
    statement: &ast::Statement,
) -> Result<Option<WritePlan>> {
    let rewritten = match prepare(session, statement, &[]).await? {
        Some((Dml::Insert(relation, plan), _)) => {
            return Ok(Some(WritePlan {
                operation: "Insert",
                relation,
                plans: vec![Arc::unwrap_or_clone(plan)],
            }));
        }
        Some((Dml::Change(rewritten), _)) => rewritten,
        Some((Dml::Truncate(_), _)) | None => return Ok(None),
    };
    let target = Target::named(session, rewritten.name.clone(), rewritten.action)?;
    let rows = all_rows(&target)?;
    let mut plans = Vec::new();
    for (sql, places) in rewritten.queries() {
        let planned = rewritten.plan(session, &target, &rows, sql, places, &[]);
        plans.push(planned.await?.0);
    }
    Ok(Some(WritePlan {
        operation: match rewritten.action {
            Action::Update => "Update",
            Action::Merge => "Merge",
            _ => "Delete",
        },
        relation: rewritten.name.clone(),
        plans,
    }))
}

/// Carries a statement out; its completion tag. It stops at the token as long as nothing is committed, and must not be dropped.
pub(crate) async fn run(
    session: &Session,
    dml: &Dml,
    values: Vec<ScalarValue>,
    token: &CancellationToken,
) -> Result<String> {
    if session.engine().plans_only() {
        return Ok("0".into());
    }
    match dml {
        Dml::Insert(..) => run_all(session, dml, vec![values], token).await,
        Dml::Change(rewritten) => {
            let target = Target::named(session, rewritten.name.clone(), rewritten.action)?;
            let rows = match target.is_fed() {
                true => delete::from_fed(session, &target, rewritten, values, token).await?,
                false => rewritten.run(session, &target, values, token).await?,
            };
            Ok(format!("{} {rows}", rewritten.action))
        }
        Dml::Truncate(names) => {
            for name in names {
                let target = Target::named(session, name.clone(), Action::Truncate)?;
                remove_all(&target, token, "TRUNCATE").await?;
            }
            Ok("TRUNCATE TABLE".into())
        }
    }
}

/// Carries an INSERT out for many values, in one commit; its completion tag. As [`run`] otherwise.
pub(crate) async fn run_all(
    session: &Session,
    dml: &Dml,
    all: Vec<Vec<ScalarValue>>,
    token: &CancellationToken,
) -> Result<String> {
    let Dml::Insert(name, plan) = dml else {
        return Err(Error::internal("only INSERT runs for many values"));
    };
    let rows = insert(session, name, plan, all, token).await?;
    Ok(format!("INSERT 0 {rows}"))
}

/// Whether a table has columns of other types than a plan of rows for it gives. One that is not there any more has not: whoever writes to it
/// says so.
pub(crate) fn is_of_other_columns(
    session: &Session,
    name: &QualifiedName,
    plan: &LogicalPlan,
) -> bool {
    let target = Target::named(session, name.clone(), Action::Insert);
    let schema = target.and_then(|target| table_schema(&target));
    schema.is_ok_and(|schema| !gives(plan, &schema))
}

/// Whether the rows of a plan have the types of these columns.
fn gives(plan: &LogicalPlan, table: &SchemaRef) -> bool {
    let given = plan.schema().fields().iter().map(|field| field.data_type());
    given.eq(table.fields().iter().map(|field| field.data_type()))
}

/// Rows of a plan, for each of the values, into a table, in one commit.
async fn insert(
    session: &Session,
    name: &QualifiedName,
    plan: &LogicalPlan,
    all: Vec<Vec<ScalarValue>>,
    token: &CancellationToken,
) -> Result<u64> {
    let target = Target::named(session, name.clone(), Action::Insert)?;
    let work = async {
        let mut append = Append::begin(target).await?;
        let table = append.schema();
        if !gives(plan, &table) {
            return Err(Error::user(
                SqlState::FeatureNotSupported,
                "cached plan must not change result type",
            )
            .with_detail(format!(
                "Table \"{name}\" was altered since the statement was prepared."
            )));
        }
        for values in all {
            let plan = with_values(plan.clone(), values)?;
            let mut rows = stream_of(&session.context(), plan).await?;
            while let Some(batch) = rows.next().await {
                let batch = batch.map_err(engine_error).map_err(value_error)?;
                append.push(batch).await?;
            }
        }
        append.flush().await?;
        Ok(append)
    };
    let append = tokio::select! {
        biased;
        () = token.cancelled() => return Err(cancelled()),
        append = work => append?,
    };
    append.finish().await
}

fn with_values(plan: LogicalPlan, values: Vec<ScalarValue>) -> Result<LogicalPlan> {
    if values.is_empty() {
        return Ok(plan);
    }
    let values: Vec<_> = values.into_iter().map(Into::into).collect();
    plan.with_param_values(ParamValues::List(values))
        .map_err(engine_error)
}

async fn stream_of(
    context: &datafusion::prelude::SessionContext,
    plan: LogicalPlan,
) -> Result<SendableRecordBatchStream> {
    let told = |error| value_error(engine_error(error));
    context
        .execute_logical_plan(plan)
        .await
        .map_err(told)?
        .execute_stream()
        .await
        .map_err(told)
}

/// The table's rows as a relation, without any: for planning.
fn no_rows(target: &Target) -> Result<FileRows> {
    let snapshot = target.table.snapshot().ok_or_else(|| {
        Error::outside(
            SqlState::UndefinedTable,
            format!("table \"{}\" has no version yet", target.name),
        )
    })?;
    Ok(FileRows::new(&snapshot, Vec::new()))
}

/// The rows of all its files.
fn all_rows(target: &Target) -> Result<FileRows> {
    let Some(snapshot) = target.table.snapshot() else {
        return no_rows(target);
    };
    let files = snapshot.changeable_files().map_err(storage_error)?;
    Ok(FileRows::new(&snapshot, (0..).zip(files).collect()))
}

/// An error of planning without the columns that nobody wrote.
fn shown(error: Error) -> Error {
    let ours = format!(
        "{}, {}, ",
        sluice_connectors::delta::FILE_COLUMN,
        sluice_connectors::delta::ROW_COLUMN
    );
    let detail = error
        .detail
        .as_ref()
        .map(|detail| detail.replace(&ours, ""));
    value_error(Error { detail, ..error })
}

/// The table's columns.
pub(super) fn table_schema(target: &Target) -> Result<SchemaRef> {
    let snapshot = target.table.snapshot().ok_or_else(|| {
        Error::outside(
            SqlState::UndefinedTable,
            format!("table \"{}\" has no version yet", target.name),
        )
    })?;
    Ok(snapshot.schema())
}

/// Which columns a query gives.
#[derive(Clone, Copy)]
enum Places<'a> {
    /// Behind the place of the row, those that are set.
    Set(&'a [usize]),
    /// Those that new rows have.
    New(&'a [usize]),
}

impl Rewritten {
    fn queries(&self) -> impl Iterator<Item = (&str, Places<'_>)> {
        let hits = self.hits.iter();
        let hits = hits.map(|sql| (sql.as_str(), Places::Set(self.sets.as_slice())));
        let inserts = self.inserts.iter();
        let inserts = inserts.map(|(sql, columns)| (sql.as_str(), Places::New(columns.as_slice())));
        hits.chain(inserts)
    }

    /// Plans one of the queries over these rows; the types of its parameters.
    async fn plan(
        &self,
        session: &Session,
        target: &Target,
        rows: &FileRows,
        sql: &str,
        places: Places<'_>,
        hints: &[Option<DataType>],
    ) -> Result<(LogicalPlan, Vec<Option<DataType>>)> {
        let statement = match sluice_sql::parse(sql).map(|mut all| all.pop()) {
            Ok(Some(parsed)) => match parsed.statement {
                Statement::Sql(statement) => session.as_planned(*statement),
                _ => return Err(Error::internal(format!("not a query: {sql}"))),
            },
            _ => return Err(Error::internal(format!("cannot be read again: {sql}"))),
        };
        let context = with_rows(session, Arc::new(rows.clone()))?;
        let plan = sluice_planner::bound_plan(&context.state(), &statement)
            .await
            .map_err(|error| shown(session.nearest(engine_error(error))))?;
        let schema = table_schema(target)?;
        let fields = |places: &[usize]| -> Vec<FieldRef> {
            let all = schema.fields();
            places
                .iter()
                .filter_map(|place| all.get(*place).cloned())
                .collect()
        };
        let plan = match places {
            Places::Set(sets) => into_columns(plan, 3, &fields(sets))?,
            Places::New(columns) => {
                let plan = into_columns(plan, 0, &fields(columns))?;
                columns::spread(plan, columns, &schema)?
            }
        };
        typed_plan(plan, hints)
    }

    async fn run(
        &self,
        session: &Session,
        target: &Target,
        values: Vec<ScalarValue>,
        token: &CancellationToken,
    ) -> Result<u64> {
        if self.everything && self.action == Action::Delete && counted(target) {
            return remove_all(target, token, "DELETE").await;
        }
        let pool = Arc::clone(&session.context().runtime_env().memory_pool);
        let carried = Carried {
            rewritten: self,
            session,
            target,
            values,
        };
        change(target, &pool, token, &carried)
            .await
            .map(|changed| changed.rows())
    }
}

/// Whether the statistics of all files say how many rows they have.
fn counted(target: &Target) -> bool {
    target.table.snapshot().is_some_and(|snapshot| {
        let files = snapshot.files();
        files.iter().all(|file| file.num_records.is_some())
    })
}

/// A statement with its values.
struct Carried<'a> {
    rewritten: &'a Rewritten,
    session: &'a Session,
    target: &'a Target,
    values: Vec<ScalarValue>,
}

impl Carried<'_> {
    async fn stream(
        &self,
        rows: &FileRows,
        sql: &str,
        places: Places<'_>,
    ) -> Result<SendableRecordBatchStream> {
        let hints = &self.rewritten.parameters;
        let planned = self
            .rewritten
            .plan(self.session, self.target, rows, sql, places, hints);
        let (plan, _) = planned.await?;
        let plan = with_values(plan, self.values.clone())?;
        stream_of(&with_rows(self.session, Arc::new(rows.clone()))?, plan).await
    }
}

#[async_trait]
impl Changes for Carried<'_> {
    fn operation(&self) -> &'static str {
        match self.rewritten.action {
            Action::Update => "UPDATE",
            Action::Merge => "MERGE",
            _ => "DELETE",
        }
    }

    fn parameters(&self) -> Value {
        let predicate = self.rewritten.predicate.iter().collect::<Vec<_>>();
        json!({ "predicate": json!(predicate).to_string() })
    }

    fn sets(&self) -> &[usize] {
        &self.rewritten.sets
    }

    fn tolerates_twice(&self) -> bool {
        self.rewritten.action != Action::Merge
    }

    async fn hits(&self, rows: FileRows) -> Result<Vec<SendableRecordBatchStream>> {
        let mut streams = Vec::new();
        for sql in &self.rewritten.hits {
            let places = Places::Set(&self.rewritten.sets);
            streams.push(self.stream(&rows, sql, places).await?);
        }
        Ok(streams)
    }

    async fn inserts(&self, rows: FileRows) -> Result<Vec<SendableRecordBatchStream>> {
        let mut streams = Vec::new();
        for (sql, columns) in &self.rewritten.inserts {
            streams.push(self.stream(&rows, sql, Places::New(columns)).await?);
        }
        Ok(streams)
    }
}
