//! `PAUSE QUERY` and `RESUME QUERY`; a pause outlives a restart.

use std::sync::Arc;

use sluice_sql::ast::ObjectName;

use super::Outcome;
use crate::{
    catalog::{Object, QualifiedName},
    engine::Engine,
    error::{Error, Result, SqlState},
};

pub(super) async fn run(engine: &Arc<Engine>, name: &ObjectName, pause: bool) -> Result<Outcome> {
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
