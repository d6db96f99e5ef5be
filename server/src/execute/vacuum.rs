//! `VACUUM`: the files of a table that no version within the retention needs are deleted, or told.

use std::{sync::Arc, time::Instant};

use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{Schema, SchemaRef},
};
use sluice_connectors::delta::{Removal, VacuumRules, Vacuumed};
use sluice_sql::Vacuum;

use super::{delta_table_of_ours, engine_error};
use crate::{
    error::{Error, Result, SqlState},
    maintenance::{Done, MaintenanceTask, sweep},
    session::Session,
    system::batch,
};

pub(super) async fn run(session: &Session, vacuum: &Vacuum) -> Result<RecordBatch> {
    let engine = session.engine();
    let subject = delta_table_of_ours(session, &vacuum.name)?;
    if engine.plans_only() {
        return rows(vacuum, &Vacuumed::default());
    }
    let began = Instant::now();
    let _turn = engine.maintenance().turn().await;
    subject.table.refresh().await?;
    let Some(snapshot) = subject.table.snapshot() else {
        return rows(vacuum, &Vacuumed::default());
    };
    let kept = snapshot.deleted_file_retention();
    let retain = vacuum.retain.unwrap_or(kept);
    if retain < kept && !vacuum.dry_run {
        session.notice(
            Error::user(
                SqlState::InvalidParameterValue,
                format!(
                    "versions of the last {} hours go that the table keeps by itself",
                    kept.as_secs().div_ceil(3600)
                ),
            )
            .with_hint("A reader that is still at such a version may fail."),
        );
    }
    let rules = VacuumRules {
        removed: retain,
        orphans: Some(retain),
        removal: match vacuum.dry_run {
            true => Removal::Told,
            false => Removal::Carried,
        },
    };
    let vacuumed = sweep(engine, &subject, rules).await?;
    if !vacuum.dry_run {
        let now_us = engine.clock().now_us();
        let task = MaintenanceTask::Vacuum;
        let done = Done::from(&vacuumed);
        engine
            .maintenance()
            .note(&subject.name, task, began.elapsed(), now_us, done);
    }
    rows(vacuum, &vacuumed)
}

/// Columns of the answer.
pub(super) fn schema(vacuum: &Vacuum) -> SchemaRef {
    let none = rows(vacuum, &Vacuumed::default());
    none.map_or_else(|_| Arc::new(Schema::empty()), |rows| rows.schema())
}

fn rows(vacuum: &Vacuum, vacuumed: &Vacuumed) -> Result<RecordBatch> {
    if vacuum.dry_run {
        let paths = StringArray::from_iter_values(&vacuumed.files);
        return batch(vec![("path", Arc::new(paths))]).map_err(engine_error);
    }
    let count = |value: u64| Arc::new(Int64Array::from(vec![i64::try_from(value).ok()]));
    batch(vec![
        ("files_deleted", count(vacuumed.files.len() as u64)),
        ("bytes_deleted", count(vacuumed.bytes)),
        ("files_kept", count(vacuumed.kept_files as u64)),
        ("bytes_kept", count(vacuumed.kept_bytes)),
    ])
    .map_err(engine_error)
}
