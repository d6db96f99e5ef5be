//! `DROP`: a table's query ends and the table is hidden at once; its folder stays for a week.

use std::sync::Arc;

use sluice_connectors::failpoint;
use sluice_sql::{Drop, ObjectKind, ast};

use super::Outcome;
use crate::{
    access::Target,
    catalog::{
        Object, QualifiedName, READY_MADE_SCHEMAS, RESERVED_SCHEMAS, TEMP_SCHEMA, schema_name,
    },
    clock::rfc3339,
    engine::Engine,
    error::{Error, Result, SqlState},
    root::storage_error,
    session::Session,
};

pub(super) async fn run(session: &Session, drop: &Drop) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    for name in &drop.names {
        if drop.kind == ObjectKind::Schema {
            drop_schema(session, drop, name).await?;
        } else {
            drop_relation(session, drop, name).await?;
        }
    }
    Ok(Outcome::Done(format!("DROP {}", drop.kind)))
}

async fn drop_relation(session: &Session, drop: &Drop, name: &ast::ObjectName) -> Result<()> {
    let engine = session.engine();
    let name = QualifiedName::from_sql(name)?;
    let kind = drop.kind.to_string().to_lowercase();
    if name.schema == TEMP_SCHEMA && session.drop_temp(&name.name, drop)? {
        return Ok(());
    }
    let catalog = engine.catalog();
    let Some(object) = catalog.get(&name) else {
        if let Some(broken) = catalog.broken(&name) {
            return Err(broken.error());
        }
        if drop.if_exists {
            session.notice(Error::user(
                SqlState::UndefinedTable,
                format!("{kind} \"{name}\" does not exist, skipping"),
            ));
            return Ok(());
        }
        let mut error = catalog.undefined(&name);
        error.message = format!("{kind} \"{name}\" does not exist");
        return Err(error);
    };
    if object.kind() != kind {
        return Err(Error::user(
            SqlState::WrongObjectType,
            format!("\"{name}\" is not a {kind}"),
        )
        .with_hint(format!(
            "Use DROP {} to remove a {}.",
            object.kind().to_uppercase(),
            object.kind()
        )));
    }
    // Whoever owns the schema may remove what is in it, as in PostgreSQL.
    if !session.owns(Target::Schema(&name.schema)) {
        session.require_owner(Target::Relation(object))?;
    }
    let dependents = all_dependents(engine, &name);
    if !dependents.is_empty() && !drop.cascade {
        return Err(still_needed(&format!("{kind} \"{name}\""), &dependents));
    }
    let what = format!("{kind} \"{name}\"");
    session.drop_temp_views_of(&name, &what, drop.cascade)?;
    // Those that read come before what they read.
    for dependent in dependents.iter().rev() {
        session.notice(Error::user(
            SqlState::DependentObjectsStillExist,
            format!("drop cascades to {} {}", dependent.kind(), dependent.name()),
        ));
        remove(engine, dependent).await?;
    }
    remove(engine, object).await
}

async fn drop_schema(session: &Session, drop: &Drop, name: &ast::ObjectName) -> Result<()> {
    let engine = session.engine();
    let schema = schema_name(name)?;
    if READY_MADE_SCHEMAS.contains(&schema.as_str()) || RESERVED_SCHEMAS.contains(&schema.as_str())
    {
        return Err(Error::user(
            SqlState::DependentObjectsStillExist,
            format!("cannot drop schema \"{schema}\" because the server needs it"),
        ));
    }
    let catalog = engine.catalog();
    if !catalog.has_schema(&schema) {
        let error = Error::user(
            SqlState::InvalidSchemaName,
            format!("schema \"{schema}\" does not exist"),
        );
        if !drop.if_exists {
            return Err(error);
        }
        session.notice(Error::user(
            SqlState::InvalidSchemaName,
            format!("schema \"{schema}\" does not exist, skipping"),
        ));
        return Ok(());
    }
    session.require_owner(Target::Schema(&schema))?;
    let mut broken = catalog.all_broken();
    if let Some(broken) = broken.find(|broken| broken.name.schema == schema) {
        return Err(broken.error());
    }
    let mut objects: Vec<Arc<Object>> = Vec::new();
    for object in catalog.objects(&schema) {
        for found in
            std::iter::once(Arc::clone(object)).chain(all_dependents(engine, object.name()))
        {
            objects.retain(|known| known.name() != found.name());
            objects.push(found);
        }
    }
    if !objects.is_empty() && !drop.cascade {
        return Err(still_needed(&format!("schema \"{schema}\""), &objects));
    }
    for object in objects.iter().rev() {
        remove(engine, object).await?;
    }
    engine.files().drop_schema(&schema).await?;
    engine.change_catalog(|catalog| catalog.remove_schema(&schema));
    Ok(())
}

/// Everything that reads `name`, directly or not, what is read before what reads it.
pub(super) fn all_dependents(engine: &Arc<Engine>, name: &QualifiedName) -> Vec<Arc<Object>> {
    let catalog = engine.catalog();
    let mut found: Vec<Arc<Object>> = Vec::new();
    let mut waiting = vec![name.clone()];
    while let Some(name) = waiting.pop() {
        for dependent in catalog.dependents(&name) {
            found.retain(|known| known.name() != dependent.name());
            waiting.push(dependent.name().clone());
            found.push(dependent);
        }
    }
    found
}

fn still_needed(what: &str, dependents: &[Arc<Object>]) -> Error {
    depend_on(what, "drop", dependents)
        .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
}

/// `cannot drop table "x" because other objects depend on it`, with what they are.
pub(super) fn depend_on(what: &str, doing: &str, dependents: &[Arc<Object>]) -> Error {
    let list: Vec<String> = dependents
        .iter()
        .map(|object| format!("{} {} depends on {what}", object.kind(), object.name()))
        .collect();
    Error::user(
        SqlState::DependentObjectsStillExist,
        format!("cannot {doing} {what} because other objects depend on it"),
    )
    .with_detail(list.join("\n"))
}

/// Ends what runs, hides the object, keeps its file among the dropped.
async fn remove(engine: &Arc<Engine>, object: &Arc<Object>) -> Result<()> {
    let name = object.name();
    if let Object::Table(_) = object.as_ref()
        && let Some(running) = engine.take_table(name)
        && let Some(job) = running.job
    {
        job.stop(true).await;
        engine.metrics().forget_query(&name.to_string());
    }
    failpoint::hit("ddl.drop").map_err(storage_error)?;
    let now = rfc3339(engine.clock().now_us());
    engine.files().drop_object(object, &now).await?;
    engine.change_catalog(|catalog| catalog.remove(name));
    engine.take_stream(name);
    Ok(())
}
