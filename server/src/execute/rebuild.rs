//! `REBUILD QUERY` and `RESUME QUERY … SKIP LOST`: the query stops, is told how to go on, and starts.

use arrow::compute::kernels::cast_utils::string_to_datetime;
use sluice_sql::{RebuildFrom, RebuildQuery, ast::ObjectName};

use super::Outcome;
use crate::{
    access::Target,
    catalog::{Object, QualifiedName, TableObject},
    error::{Error, Result, SqlState},
    job,
    session::Session,
};

pub(super) async fn run(session: &Session, rebuild: &RebuildQuery) -> Result<Outcome> {
    let from = match &rebuild.from {
        RebuildFrom::LastCommit => job::From::LastCommit,
        RebuildFrom::Beginning => job::From::Beginning,
        RebuildFrom::Timestamp(text) => job::From::Time(time_ms(text)?),
    };
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let mut table = fed_table(session, &rebuild.name)?;
    go_on(session, &mut table).await?;
    let told = engine
        .restart_query(&table, async |parts| job::rebuild(parts, from).await)
        .await?;
    engine.events().warn(&table.name, told);
    Ok(Outcome::Done("REBUILD QUERY".into()))
}

pub(super) async fn skip_lost(session: &Session, name: &ObjectName) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let mut table = fed_table(session, name)?;
    go_on(session, &mut table).await?;
    let told = engine
        .restart_query(&table, async |parts| job::skip_lost(parts).await)
        .await?;
    if told.is_empty() {
        session.notice(Error::user(
            SqlState::DataException,
            format!("nothing that query \"{}\" wants is lost", table.name),
        ));
    }
    for line in told {
        engine
            .events()
            .warn(&table.name, format!("skipped: {line}"));
        session.notice(Error::user(SqlState::DataException, line));
    }
    Ok(Outcome::Done("RESUME QUERY".into()))
}

/// The table of that name, if a query feeds it.
fn fed_table(session: &Session, name: &ObjectName) -> Result<TableObject> {
    let name = QualifiedName::from_sql(name)?;
    let catalog = session.engine().catalog();
    let object = catalog.require(&name)?;
    match object.as_ref() {
        Object::Table(table) if table.continuous => {
            session.require_owner(Target::Relation(object))?;
            Ok(table.clone())
        }
        _ => Err(Error::user(
            SqlState::WrongObjectType,
            format!("no query feeds \"{name}\""),
        )
        .with_hint("SHOW QUERIES lists the queries; a query's name is its table's.")),
    }
}

/// A query that was paused is not any more.
async fn go_on(session: &Session, table: &mut TableObject) -> Result<()> {
    if !table.meta.paused {
        return Ok(());
    }
    table.meta.paused = false;
    let engine = session.engine();
    let object = Object::Table(table.clone());
    engine.files().put(&object).await?;
    engine.change_catalog(|catalog| catalog.put(object.into()));
    Ok(())
}

/// A time as people write it; without a zone it is UTC.
fn time_ms(text: &str) -> Result<i64> {
    string_to_datetime(&chrono::Utc, text)
        .map(|time| time.timestamp_millis().max(0))
        .map_err(|_| {
            Error::user(
                SqlState::InvalidTextRepresentation,
                format!("invalid input syntax for type timestamp: \"{text}\""),
            )
            .with_hint("Write such as '2026-01-31 12:00:00' (UTC) or '2026-01-31T12:00:00+01:00'.")
        })
}
