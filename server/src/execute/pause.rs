//! `PAUSE QUERY` and `RESUME QUERY`; a pause outlives a restart.

use std::sync::Arc;

use sluice_sql::ast::ObjectName;

use super::Outcome;
use crate::{
    access::Target,
    catalog::{Object, QualifiedName},
    error::{Error, Result, SqlState},
    session::Session,
};

pub(super) async fn run(session: &Session, name: &ObjectName, pause: bool) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let name = QualifiedName::from_sql(name)?;
    let catalog = engine.catalog();
    let object = catalog.require(&name)?;
    let (Object::Table(table), Some(job)) = (
        object.as_ref(),
        engine.table(&name).and_then(|running| running.job),
    ) else {
        return Err(Error::user(
            SqlState::WrongObjectType,
            format!("no query feeds \"{name}\""),
        )
        .with_hint("SHOW QUERIES lists the queries; a query's name is its table's."));
    };
    session.require_owner(Target::Relation(object))?;
    let mut table = table.clone();
    table.meta.paused = pause;
    let object = Object::Table(table);
    engine.files().put(&object).await?;
    engine.change_catalog(|catalog| catalog.put(Arc::new(object)));
    if pause {
        job.pause().await?;
    } else {
        job.resume().await?;
    }
    Ok(Outcome::Done(
        if pause { "PAUSE QUERY" } else { "RESUME QUERY" }.into(),
    ))
}
