//! `DELETE FROM t [USING …] [WHERE …]`, from tables that a query feeds as well: erasure is a right.
//!
//! There the query is stopped first, which commits what is final, so that all rows that were ever shown are in files; the rows go in a commit
//! of their own, which says nothing of the query; and the query starts from its manifest as after any restart. So neither its positions
//! nor its transactions know of it, and no row comes back: what is committed is never computed again.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::scalar::ScalarValue;
use sluice_sql::{
    Canonical,
    ast::{Delete, FromTable},
};
use tokio_util::sync::CancellationToken;

use super::{
    Rewritten,
    statement::{Named, no_returning, unsupported},
};
use crate::{
    catalog::Object,
    error::{Error, Result, SqlState},
    session::Session,
    write::{Action, Target},
};

pub(super) fn rewrite(session: &Session, delete: &Delete) -> Result<Rewritten> {
    no_returning(delete.returning.is_some() || delete.output.is_some())?;
    if !delete.order_by.is_empty() || delete.limit.is_some() {
        return Err(unsupported("DELETE with ORDER BY or LIMIT"));
    }
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let ([table], true) = (from.as_slice(), delete.tables.is_empty()) else {
        return Err(unsupported("DELETE from several tables")
            .with_hint("Delete from one, and name the others after USING."));
    };
    let named = Named::of(session, table, Action::Delete)?;
    let using: String = delete
        .using
        .iter()
        .flatten()
        .map(|relation| format!(", {relation}"))
        .collect();
    let condition = delete
        .selection
        .as_ref()
        .map(|condition| Canonical(condition).to_string());
    let sql = format!(
        "SELECT {}, CAST(0 AS BIGINT) AS stays FROM {}{using}{}",
        named.place(),
        named.relation(),
        condition
            .as_ref()
            .map(|condition| format!(" WHERE {condition}"))
            .unwrap_or_default(),
    );
    Ok(Rewritten {
        name: named.target.name,
        action: Action::Delete,
        everything: condition.is_none() && using.is_empty(),
        predicate: condition,
        hits: vec![sql],
        sets: Vec::new(),
        inserts: Vec::new(),
        parameters: Vec::new(),
        carried: BTreeMap::new(),
    })
}

/// Rows out of a table that a query feeds.
pub(super) async fn from_fed(
    session: &Session,
    target: &Target,
    rewritten: &Rewritten,
    values: Vec<ScalarValue>,
    token: &CancellationToken,
) -> Result<u64> {
    let engine = session.engine();
    if engine.plans_only() {
        return Ok(0);
    }
    let _ddl = engine.begin_ddl().await?;
    let catalog = engine.catalog();
    let object = match catalog.require(&target.name)?.as_ref() {
        Object::Table(table) => table.clone(),
        _ => return Err(catalog.undefined(&target.name)),
    };
    let shown = Arc::clone(&target.table);
    engine
        .restart_query(&object, async |parts| {
            shown.refresh().await?;
            let (rows, _) = shown.tail_size();
            if rows > 0 {
                return Err(Error::outside(
                    SqlState::ObjectNotInPrerequisiteState,
                    format!("{rows} rows of table \"{}\" are final and could not be committed", target.name),
                )
                .with_hint("Nothing was deleted. SELECT last_error FROM system.queries says what keeps them; try again then."));
            }
            let table = Arc::clone(&parts.tables.table);
            table.refresh().await?;
            let target = Target {
                table,
                ..target.clone()
            };
            // A table that has no version yet has no rows.
            match target.table.snapshot() {
                Some(_) => rewritten.run(session, &target, values, token).await,
                None => Ok(0),
            }
        })
        .await
}
