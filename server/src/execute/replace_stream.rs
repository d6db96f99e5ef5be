//! `CREATE OR REPLACE STREAM` of a stream that is there with another definition: it is mended in place (decision 012).
//!
//! The queries that read it must go on meaning what they meant: each is planned under the new definition, and its plan, state and columns
//! must be the ones it has. Then every query commits, the definition is written, and they go on from where they stood.

use std::sync::Arc;

use sluice_connectors::source::SplitInfo;
use sluice_sql::CreateStream;

use super::{
    Outcome, continuous_plan,
    create_stream::{check_watermark, pin_defaults, sample},
    drop::all_dependents,
    view_plan,
};
use crate::{
    catalog::{Object, QualifiedName, StreamObject, TableObject},
    engine::{Engine, StreamRuntime},
    error::{Error, Result, SqlState},
    root::storage_error,
    session::Session,
    table::Freshness,
};

/// Replaces the stream `name`; the caller holds the DDL lock.
pub(super) async fn run(
    session: &Session,
    name: &QualifiedName,
    create: &CreateStream,
) -> Result<Outcome> {
    let engine = session.engine();
    let old = Arc::clone(engine.catalog().require(name)?);
    let Object::Stream(was) = old.as_ref() else {
        return Err(Error::internal(format!("\"{name}\" is no stream")));
    };
    let old_runtime = engine
        .stream(name)
        .ok_or_else(|| Error::internal(format!("stream \"{name}\" is not open")))?;
    let object = StreamObject {
        name: name.clone(),
        meta: was.meta.clone(),
        statement: statement(was, create)?,
    };
    let runtime = Arc::new(StreamRuntime::open(engine, &object)?);
    check_watermark(session, &runtime)?;
    let dependents = all_dependents(engine, name);
    if !engine.plans_only() {
        let splits = runtime.source.probe().await.map_err(storage_error)?;
        for table in tables(&dependents) {
            check_splits(engine, name, table, &splits)?;
        }
        if let Some(notice) = sample(&runtime, &splits).await? {
            session.notice(notice);
        }
        runtime.dead_letters.table.refresh().await?;
    }

    let before = fingerprints(engine, &dependents).await?;
    let new = Arc::new(Object::Stream(object));
    put(engine, name, &new, &runtime);
    let mut stopped: Vec<&TableObject> = Vec::new();
    let replaced = async {
        check_plans(engine, name, &dependents, &before).await?;
        if engine.plans_only() {
            return Ok(());
        }
        for table in tables(&dependents) {
            if let Some(job) = engine.table(&table.name).and_then(|running| running.job) {
                stopped.push(table);
                job.stop(true).await;
            }
        }
        engine.files().put(&new).await
    }
    .await;
    if replaced.is_err() {
        put(engine, name, &old, &old_runtime);
    }
    for table in stopped {
        engine.start_table(table).await?;
    }
    replaced?;
    engine
        .events()
        .info(name, "the stream was replaced by another definition");
    Ok(Outcome::Done("CREATE STREAM".into()))
}

/// The new statement, with what CREATE STREAM found out for the old one.
fn statement(was: &StreamObject, create: &CreateStream) -> Result<CreateStream> {
    let mut statement = create.clone();
    statement.or_replace = false;
    statement.if_not_exists = false;
    let given = statement.options.0.len();
    pin_defaults(&mut statement)?;
    for (key, value) in statement.options.0.iter_mut().skip(given) {
        if let Some(pinned) = was.statement.options.get(key) {
            pinned.clone_into(value);
        }
    }
    Ok(statement)
}

fn put(
    engine: &Arc<Engine>,
    name: &QualifiedName,
    object: &Arc<Object>,
    stream: &Arc<StreamRuntime>,
) {
    engine.put_stream(name.clone(), Arc::clone(stream));
    engine.change_catalog(|catalog| catalog.put(Arc::clone(object)));
}

/// The tables that queries feed.
fn tables(objects: &[Arc<Object>]) -> impl Iterator<Item = &TableObject> {
    objects.iter().filter_map(|object| match object.as_ref() {
        Object::Table(table) if table.continuous => Some(table),
        _ => None,
    })
}

/// What a query has read must be there under the new definition as well.
fn check_splits(
    engine: &Engine,
    stream: &QualifiedName,
    table: &TableObject,
    splits: &[SplitInfo],
) -> Result<()> {
    let Some(job) = engine.table(&table.name).and_then(|running| running.job) else {
        return Ok(());
    };
    let read = job.status.get().splits;
    let gone = read.iter().find(|read| {
        let same = |info: &SplitInfo| {
            (&info.split.topic, info.split.partition) == (&read.id.topic, read.id.partition)
        };
        read.stream == stream.to_string() && !splits.iter().any(same)
    });
    match gone {
        None => Ok(()),
        Some(gone) => Err(refused(
            stream,
            format!(
                "query \"{}\" has read {}[{}], which the new definition does not read",
                table.name, gone.id.topic, gone.id.partition
            ),
        )),
    }
}

/// What identifies the plan of each query.
async fn fingerprints(engine: &Arc<Engine>, dependents: &[Arc<Object>]) -> Result<Vec<String>> {
    let context = engine.context(Freshness::Latest);
    let mut found = Vec::new();
    for table in tables(dependents) {
        let plan = continuous_plan(&context, &table.name, &table.statement).await?;
        found.push(plan.map_or_else(String::new, |plan| plan.fingerprint));
    }
    Ok(found)
}

/// Views must still be queries, and queries the same ones.
async fn check_plans(
    engine: &Arc<Engine>,
    stream: &QualifiedName,
    dependents: &[Arc<Object>],
    before: &[String],
) -> Result<()> {
    let context = engine.context(Freshness::Latest);
    for object in dependents {
        if let Object::View(view) = object.as_ref() {
            view_plan(&context, &view.statement)
                .await
                .map_err(|error| {
                    let name = &view.name;
                    refused(
                        stream,
                        format!("view \"{name}\" could not be read: {}", error.message),
                    )
                })?;
        }
    }
    for (table, before) in tables(dependents).zip(before) {
        let name = &table.name;
        let plan = continuous_plan(&context, name, &table.statement).await;
        let why = match plan {
            Ok(Some(plan)) if plan.fingerprint == *before => continue,
            Ok(_) => format!("query \"{name}\" would be another one, with other state or columns"),
            Err(error) => format!("query \"{name}\" could not run: {}", error.message),
        };
        return Err(refused(stream, why));
    }
    Ok(())
}

fn refused(stream: &QualifiedName, why: String) -> Error {
    Error::user(
        SqlState::FeatureNotSupported,
        format!("stream \"{stream}\" cannot be replaced by this definition"),
    )
    .with_detail(why)
    .with_hint("Create a stream of another name and tables over it, or drop what reads this one first (DROP … CASCADE; a table's folder is kept for a week).")
}
