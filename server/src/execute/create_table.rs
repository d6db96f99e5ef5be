//! `CREATE TABLE`: over a stream it starts a query that keeps the table up to date; over tables it runs once; with columns alone it is empty.
//!
//! The order is Delta first, catalog second: a crash between the two leaves a Delta folder that carries an id no catalog has, which the
//! next CREATE of that name takes over.

mod like;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::{
    common::Column,
    logical_expr::{Cast, Expr, LogicalPlan, LogicalPlanBuilder},
};
use futures::StreamExt;
use serde_json::{Map, Value};
use sluice_connectors::{
    delta::{DataFile, DeltaSink, TableSpec},
    failpoint,
};
use sluice_planner::api::Sketches;
use sluice_sql::{CreateTable, OnCommit, WithData, ast};

use super::{
    Outcome, Taken, check_taken, continuous_plan, engine_error, new_meta, plan_error, renamed,
    replace_refused, secret, table_path,
};
use crate::{
    catalog::{
        Catalog, CatalogFiles, Object, QualifiedName, TEMP_SCHEMA, TableObject, fold, relations,
    },
    dialect,
    engine::Engine,
    error::{Error, Result, SqlState},
    options::{
        check_table_options, history_properties, maintenance_option, plain_history,
        sketches_option, table_options,
    },
    root::storage_error,
    session::Session,
    write::{declared_field, rows_as_declared},
};

/// Table property that says whose a Delta folder is.
const ID_PROPERTY: &str = "sluice.table.id";
/// Bytes of a run-once result that go into one round of files.
const ROUND_BYTES: usize = 64 << 20;

pub(super) async fn run(session: &Session, create: &CreateTable) -> Result<Outcome> {
    let spelled_out = like::spelled_out(session, create).await?;
    let create = spelled_out.as_ref().unwrap_or(create);
    let name = QualifiedName::from_sql(&create.name)?;
    let plain = create.partitioned_by.is_empty() && create.options.is_empty();
    if create.temporary || name.schema == TEMP_SCHEMA && plain {
        return session.create_temp(create).await.map(Outcome::Done);
    }
    if create.on_commit != OnCommit::PreserveRows {
        return Err(Error::user(
            SqlState::InvalidTableDefinition,
            "ON COMMIT can only be used on temporary tables",
        )
        .with_hint("Write CREATE TEMP TABLE, or leave ON COMMIT out."));
    }
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let done = || Outcome::Done("CREATE TABLE".into());
    match check_taken(
        session,
        &name,
        "table",
        create.if_not_exists,
        create.or_replace,
    )? {
        Taken::Free => {}
        Taken::Skip => return Ok(done()),
        Taken::Replace => {
            if let Object::Table(table) = engine.catalog().require(&name)?.as_ref()
                && same_definition(&table.statement, create)
            {
                return Ok(done());
            }
            return Err(replace_refused(&name, "table"));
        }
    }
    secret::check_options(session, &create.options)?;
    check_table_options(&create.options)?;
    maintenance_option(&create.options)?;
    if sketches_option(&create.options)? == Sketches::Kept && create.query.is_none() {
        return Err(Error::user(
            SqlState::InvalidObjectDefinition,
            "sketches = true is for a table that a query fills",
        )
        .with_hint("Write CREATE TABLE … WITH (sketches = true) AS SELECT …, or declare the sketches as columns of type BYTEA."));
    }
    let mut statement = create.clone();
    statement.or_replace = false;
    statement.if_not_exists = false;
    let mut object = TableObject {
        name: name.clone(),
        meta: new_meta(session),
        statement,
        continuous: false,
    };
    // The folder of its name may be that of a table which had the name before it was renamed.
    let own = table_path(&name);
    let catalog = engine.catalog();
    let has_it =
        |other: &Arc<Object>| matches!(other.as_ref(), Object::Table(table) if table.path() == own);
    // Nobody knows which folder a table has whose file cannot be read.
    if catalog.all().any(has_it) || catalog.all_broken().next().is_some() {
        // No name has a point in it.
        object.meta.location = Some(format!("{own}.{}", object.meta.id));
    }
    CatalogFiles::check(&Object::Table(object.clone()))?;
    let context = session.continuous_context();
    let once = create
        .query
        .as_deref()
        .is_some_and(|query| is_read_once(&catalog, query));
    let plan = match once {
        true => None,
        false => continuous_plan(&context, &name, create).await?,
    };
    let tag = match (&plan, &create.query) {
        (Some(plan), _) => {
            object.continuous = true;
            let partitions = partition_names(create);
            if !engine.plans_only() {
                claim_folder(engine, &object, &plan.output_schema, partitions).await?;
            }
            for suffix in ["__late", "__dead_letter"] {
                clear_companion(engine, &object, suffix).await?;
            }
            "CREATE TABLE".to_owned()
        }
        (None, Some(query)) => {
            let rows = run_once(session, &object, query).await?;
            once_tag(create, rows)
        }
        (None, None) => {
            let schema = declared_schema(create)?;
            claim_folder(engine, &object, &schema, partition_names(create)).await?;
            "CREATE TABLE".to_owned()
        }
    };
    failpoint::hit("ddl.create").map_err(storage_error)?;
    engine.files().put(&Object::Table(object.clone())).await?;
    engine.start_table(&object).await?;
    engine.change_catalog(|catalog| catalog.put(Arc::new(Object::Table(object))));
    Ok(Outcome::Done(tag))
}

/// Whether a query reads what no continuous query does: tables of the session, which are nobody else's, or PostgreSQL's relations without a
/// stream beside them.
fn is_read_once(catalog: &Catalog, query: &ast::Query) -> bool {
    let read = relations(query);
    let of_stream = |name: &QualifiedName| {
        let object = catalog.get(name).map(Arc::as_ref);
        matches!(object, Some(Object::Stream(_) | Object::View(_)))
    };
    let is_theirs = |name: &QualifiedName| match name.schema.as_str() {
        "pg_catalog" | "information_schema" => true,
        _ => catalog.get(name).is_none() && dialect::has_relation("pg_catalog", &name.name),
    };
    read.iter().any(|name| name.schema == TEMP_SCHEMA)
        || read.iter().any(is_theirs) && !read.iter().any(of_stream)
}

fn same_definition(found: &CreateTable, wanted: &CreateTable) -> bool {
    found.columns == wanted.columns
        && found.partitioned_by == wanted.partitioned_by
        && found.options == wanted.options
        && found.renamed == wanted.renamed
        && found.query == wanted.query
        && found.data == wanted.data
        && found.emit == wanted.emit
}

/// The completion tag of a CREATE TABLE … AS that has run its query.
pub(crate) fn once_tag(create: &CreateTable, rows: u64) -> String {
    match create.data {
        WithData::Rows => format!("SELECT {rows}"),
        WithData::No => "CREATE TABLE AS".to_owned(),
    }
}

/// The plan of a query that fills a table once, under the names and with the rows that the statement wants.
pub(crate) fn once_plan(create: &CreateTable, plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = renamed(
        plan,
        &create.renamed,
        "too many column names were specified",
    )?;
    let plan = signed(plan)?;
    match create.data {
        WithData::Rows => Ok(plan),
        WithData::No => LogicalPlanBuilder::from(plan)
            .limit(0, Some(0))
            .and_then(LogicalPlanBuilder::build)
            .map_err(engine_error),
    }
}

/// The plan with numbers that have no sign (`row_number()`, `rank()`) as what PostgreSQL has them, which tables can hold.
fn signed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let schema = Arc::clone(plan.schema());
    let mut any = false;
    let exprs = schema.iter().map(|(qualifier, field)| {
        let column = Expr::Column(Column::from((qualifier, field)));
        let to = match field.data_type() {
            DataType::UInt64 | DataType::UInt32 => DataType::Int64,
            DataType::UInt16 => DataType::Int32,
            DataType::UInt8 => DataType::Int16,
            _ => return column,
        };
        any = true;
        let cast = Expr::Cast(Cast::new(Box::new(column), to));
        cast.alias_qualified(qualifier.cloned(), field.name())
    });
    let exprs: Vec<Expr> = exprs.collect();
    if !any {
        return Ok(plan);
    }
    LogicalPlanBuilder::from(plan)
        .project(exprs)
        .and_then(LogicalPlanBuilder::build)
        .map_err(engine_error)
}

fn partition_names(create: &CreateTable) -> Vec<String> {
    create
        .partitioned_by
        .iter()
        .map(|column| fold(&column.name))
        .collect()
}

pub(crate) fn declared_schema(create: &CreateTable) -> Result<SchemaRef> {
    if create.columns.is_empty() {
        return Err(Error::user(
            SqlState::InvalidObjectDefinition,
            "a table needs columns or a query",
        )
        .with_hint("Write CREATE TABLE t (a INT, …) or CREATE TABLE t AS SELECT …"));
    }
    let fields = create
        .columns
        .iter()
        .map(|column| {
            let data_type = sluice_planner::arrow_type(&column.data_type).map_err(plan_error)?;
            let field = Field::new(fold(&column.name), data_type, !column.not_null);
            declared_field(field, &column.data_type)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

/// Makes the Delta table, or takes a folder over that was ours; somebody else's is refused.
async fn claim_folder(
    engine: &Arc<Engine>,
    object: &TableObject,
    schema: &SchemaRef,
    partition_columns: Vec<String>,
) -> Result<DeltaSink> {
    let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
    if let Some(missing) = partition_columns
        .iter()
        .find(|column| !names.contains(column))
    {
        return Err(Error::user(
            SqlState::UndefinedColumn,
            format!("partition column \"{missing}\" is not a column of the table"),
        ));
    }
    let path = object.path();
    let options = &object.statement.options;
    let mut properties = history_properties(match object.continuous {
        true => table_options(options)?.history,
        false => plain_history(options)?,
    });
    properties.insert(ID_PROPERTY.to_owned(), object.meta.id.clone());
    let spec = TableSpec {
        schema: Arc::clone(schema),
        partition_columns,
        properties,
        description: None,
        name: Some(object.name.to_string()),
    };
    let info = Map::from_iter([(
        "statement".to_owned(),
        Value::from(object.statement.to_string()),
    )]);
    match DeltaSink::open(engine.root(), &path)
        .await
        .map_err(storage_error)?
    {
        None => DeltaSink::create(engine.root(), &path, &spec, &info)
            .await
            .map_err(storage_error),
        Some(mut sink) => {
            check_ours(engine, object, &sink).await?;
            sink.replace(&spec, None, &info)
                .await
                .map_err(storage_error)?;
            Ok(sink)
        }
    }
}

/// A folder is ours when a dropped table left it, or a CREATE that did not finish.
async fn check_ours(engine: &Arc<Engine>, object: &TableObject, sink: &DeltaSink) -> Result<()> {
    let foreign = || {
        Error::user(
            SqlState::ObjectNotInPrerequisiteState,
            format!(
                "folder {} holds a Delta table that is not ours",
                object.path()
            ),
        )
        .with_hint("Move that folder away, or create the table under another name.")
    };
    let Some(id) = sink.spec().properties.get(ID_PROPERTY) else {
        return Err(foreign());
    };
    let taken = engine.catalog().all().any(|object| object.meta().id == *id);
    if taken { Err(foreign()) } else { Ok(()) }
}

/// A companion of an earlier table of this name starts afresh.
async fn clear_companion(engine: &Arc<Engine>, object: &TableObject, suffix: &str) -> Result<()> {
    // Its schema comes with its first rows; until then there is nothing to read.
    engine
        .root()
        .delete_all(&format!("{}{suffix}", object.path()))
        .await
        .map_err(storage_error)?;
    Ok(())
}

/// Runs a query over tables and commits its result as the table's first version.
async fn run_once(session: &Session, object: &TableObject, query: &ast::Query) -> Result<u64> {
    let engine = session.engine();
    dialect::check_no_parameter(query)?;
    let sketches = sketches_option(&object.statement.options)?;
    let query = match (sketches, dialect::definition(query)?) {
        (Sketches::Dropped, query) => query,
        (Sketches::Kept, query) => dialect::settled(query)?,
    };
    let statement = ast::Statement::Query(Box::new(query));
    let context = session.context();
    let plan = sluice_planner::bound_plan(&context.state(), &statement)
        .await
        .map_err(engine_error)?;
    let plan = match sketches {
        Sketches::Dropped => plan,
        Sketches::Kept if !object.statement.renamed.is_empty() => {
            return Err(Error::user(
                SqlState::FeatureNotSupported,
                "sketches = true with a list of column names is not supported",
            )
            .with_hint("Give the columns their names in the query: SELECT expression AS name."));
        }
        Sketches::Kept => sluice_planner::keep_sketches(&plan).map_err(plan_error)?,
    };
    let plan = once_plan(&object.statement, plan)?;
    let mut stream = context
        .execute_logical_plan(plan)
        .await
        .map_err(engine_error)?
        .execute_stream()
        .await
        .map_err(engine_error)?;
    // A computed column may claim not to be null; a table that grows makes no such promise.
    let fields: Vec<Field> = stream
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let mut sink =
        claim_folder(engine, object, &schema, partition_names(&object.statement)).await?;
    let (mut files, mut round, mut bytes, mut rows) = (Vec::<DataFile>::new(), Vec::new(), 0, 0);
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(engine_error)?;
        rows += batch.num_rows() as u64;
        bytes += batch.get_array_memory_size();
        let batch = batch
            .with_schema(Arc::clone(&schema))
            .map_err(|error| Error::internal(error.to_string()))?;
        round.push(rows_as_declared(&schema, batch)?);
        if bytes >= ROUND_BYTES {
            files.extend(
                sink.write_files(&round, "ctas")
                    .await
                    .map_err(storage_error)?,
            );
            round.clear();
            bytes = 0;
        }
    }
    if !round.is_empty() {
        files.extend(
            sink.write_files(&round, "ctas")
                .await
                .map_err(storage_error)?,
        );
    }
    sink.commit(&files, None, &Map::new())
        .await
        .map_err(storage_error)?;
    Ok(rows)
}
