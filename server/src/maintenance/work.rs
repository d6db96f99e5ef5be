//! The work itself: each piece may be cut short at any moment and leaves at most files that no version names.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use sluice_connectors::{
    delta::{
        Compactor, Maintained, Merged, PartitionValues, Removal, Standing, VacuumRules, Vacuumed,
        maintain, maintain_from, merges, vacuum as vacuum_files,
    },
    error::ConnectorError,
};

use super::{Done, Subject, subjects::Writer};
use crate::{
    engine::Engine,
    error::Result,
    job::{Manifest, ManifestLog, announced_letters, app_id, checkpoint_folder},
    root::storage_error,
};

/// A file that never was part of its table is left alone for this long at least: another engine may be about to commit it.
const ORPHANS_AFTER: Duration = Duration::from_secs(86_400);

/// What a run of merges did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compacted {
    /// Partitions that were merged.
    pub(crate) merges: usize,
    /// All of them together; the version is the last one's.
    pub(crate) total: Merged,
    /// Time in which nothing was done, so that others could.
    pub(crate) rested: Duration,
}

impl Compacted {
    pub(crate) fn done(self) -> Done {
        match self.merges {
            0 => Done::default(),
            _ => Done::from(self.total),
        }
    }
}

/// Merges small files of a table, partition after partition; between two it rests `rest` times as long as one took.
pub(crate) async fn compact(
    engine: &Arc<Engine>,
    subject: &Subject,
    standing: impl Fn(&PartitionValues) -> Standing,
    rest: Option<u32>,
) -> Result<Compacted> {
    let table = &subject.table;
    let mut compacted = Compacted::default();
    // What was merged since the newest look at the table would be merged again, for nothing.
    table.settle().await?;
    let Some(snapshot) = table.snapshot() else {
        return Ok(compacted);
    };
    let compactor = Compactor::of(&snapshot).map_err(storage_error)?;
    for merge in merges(&compactor.files(), standing) {
        let began = Instant::now();
        let merged = compactor
            .merge(&merge, subject.order(), rest.is_some(), table.queue())
            .await
            .map_err(storage_error)?;
        if let Some(merged) = merged {
            compacted.merges += 1;
            let total = &mut compacted.total;
            total.version = merged.version;
            total.files_before += merged.files_before;
            total.files_after += merged.files_after;
            total.bytes_before += merged.bytes_before;
            total.bytes_after += merged.bytes_after;
            total.rows += merged.rows;
        }
        if let Some(rest) = rest {
            if engine.is_stopping() {
                break;
            }
            let rest = began.elapsed() * rest;
            tokio::time::sleep(rest).await;
            compacted.rested += rest;
        }
    }
    if compacted.merges > 0 {
        table.refresh_soon().await?;
    }
    Ok(compacted)
}

/// Makes a checkpoint of the log and removes entries past their time.
pub(super) async fn checkpoint(engine: &Arc<Engine>, subject: &Subject) -> Result<Maintained> {
    match subject.table.snapshot() {
        Some(snapshot) => maintain_from(&snapshot).await,
        None => maintain(engine.root(), subject.table.path()).await,
    }
    .map_err(storage_error)
}

/// Removes files that no version within the table's retention needs.
pub(super) async fn vacuum(engine: &Arc<Engine>, subject: &Subject) -> Result<Vacuumed> {
    let retention = subject
        .table
        .snapshot()
        .map_or(ORPHANS_AFTER, |snapshot| snapshot.deleted_file_retention());
    let rules = VacuumRules {
        removed: retention,
        orphans: Some(retention.max(ORPHANS_AFTER)),
        removal: Removal::Carried,
    };
    sweep(engine, subject, rules).await
}

/// Removes the files of a table that the rules let go.
pub(crate) async fn sweep(
    engine: &Arc<Engine>,
    subject: &Subject,
    rules: VacuumRules,
) -> Result<Vacuumed> {
    let table = &subject.table;
    // Our own readers must not be at a version whose files go.
    table.refresh().await?;
    let announced = || announced(engine, subject);
    vacuum_files(engine.root(), table.path(), rules, table.queue(), announced)
        .await
        .map_err(storage_error)
}

/// Files that the query's manifests name, or the stream's records, and the table may not have yet.
async fn announced(
    engine: &Arc<Engine>,
    subject: &Subject,
) -> std::result::Result<HashSet<String>, ConnectorError> {
    let unknown = |error: crate::error::Error| ConnectorError::Storage {
        message: format!(
            "the checkpoints of {} cannot be read: {error}",
            subject.name
        ),
        retry: true,
    };
    let id = match &subject.writer {
        Writer::Query(id) => id,
        Writer::Letters(id) => {
            let letters = announced_letters(engine.root(), id).await;
            return letters.map_err(unknown);
        }
        Writer::None => {
            let writings = engine.writings().of(subject.table.path());
            return Ok(writings.files().await);
        }
    };
    let folder = format!("{}/manifests", checkpoint_folder(id));
    let log: ManifestLog<Manifest> = ManifestLog::new(engine.root().clone(), folder);
    let manifests = log.all().await.map_err(unknown)?;
    subject.table.refresh().await.map_err(unknown)?;
    let committed = match subject.table.snapshot() {
        Some(snapshot) => snapshot.txn_version(&app_id(id)).await?,
        None => None,
    };
    Ok(manifests
        .into_iter()
        .filter(|(_, manifest)| committed.is_none_or(|epoch| manifest.epoch > epoch))
        .filter_map(|(_, mut manifest)| manifest.files.remove(subject.table.path()))
        .flatten()
        .map(|file| file.path().to_owned())
        .collect())
}
