//! What a query goes on from after a restart.
//!
//! The decision is a pure function of two facts, the newest valid manifest and the newest Delta commit of ours; carrying it out is
//! the rest of this file. A manifest that is torn, or whose state is, is passed over for the one before; what the table has of the epochs
//! between is run again and thrown away.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Map;
use sluice_connectors::source::{SplitId, SplitPosition};
use sluice_planner::api::StateSnapshot;

use super::{
    commit::{Committer, pass, retry},
    decoders::Decoders,
    manifest::{Manifest, Rebuild, Totals},
    said::Said,
    segments::{Segments, is_corrupt},
};
use crate::{
    catalog::QualifiedName,
    clock::rfc3339,
    error::{Error, Result, SqlState},
    events::Events,
    root::storage_error,
};

/// What to do, given the epoch of the newest valid manifest and the newest `txn` version in the query's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing was ever checkpointed or committed.
    Begin,
    /// The manifest's files are (or need not be) in the table: restore and go on.
    Restore,
    /// The manifest was written, its Delta commit was not: commit the same files first.
    CommitThenRestore,
    /// The table is ahead of the newest manifest (which was lost or torn): replay to the commit's positions, throwing the output away.
    ReplayTo {
        /// The table's epoch.
        epoch: i64,
    },
}

/// Decides; `manifest` is (epoch, whether it lists files for the table).
pub(super) fn decide(manifest: Option<(i64, bool)>, table_txn: Option<i64>) -> Decision {
    match (manifest, table_txn) {
        (None, None) => Decision::Begin,
        (None, Some(epoch)) => Decision::ReplayTo { epoch },
        (Some((checkpointed, _)), Some(epoch)) if epoch > checkpointed => {
            Decision::ReplayTo { epoch }
        }
        (Some((checkpointed, true)), txn) if txn.is_none_or(|epoch| epoch < checkpointed) => {
            Decision::CommitThenRestore
        }
        (Some(_), _) => Decision::Restore,
    }
}

/// How the epochs come again of which the table has the output already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hidden {
    /// As the journal has them, decision for decision.
    Replay,
    /// Out of their rows alone: what is in windows that were closed then is late now.
    Reread,
    /// Not at all: REBUILD is needed.
    Lost,
}

/// Decides; `journal` is the last epoch that can be replayed without a gap, `rebuilding` whether REBUILD has asked for this,
/// `checkpointed` whether there is any checkpoint, `reopens` whether windows can be made again from rows alone.
pub(super) fn hidden(
    epoch: i64,
    journal: Option<i64>,
    rebuilding: bool,
    checkpointed: bool,
    reopens: bool,
) -> Hidden {
    match journal {
        _ if rebuilding => Hidden::Reread,
        Some(last) if last >= epoch => Hidden::Replay,
        _ if checkpointed && reopens => Hidden::Reread,
        _ => Hidden::Lost,
    }
}

/// Output that is in the tables already.
#[derive(Clone, Debug)]
pub(super) struct Discard {
    /// Up to this epoch.
    pub(super) epoch: i64,
    /// Up to here.
    pub(super) until: Vec<SplitPosition>,
    /// The query's watermark there, microseconds.
    pub(super) watermark_us: Option<i64>,
    /// What the clock said there, microseconds.
    pub(super) now_us: i64,
    /// Whether REBUILD has asked for it.
    pub(super) rebuilding: bool,
}

/// Where a query goes on.
#[derive(Debug)]
pub(super) struct Restored {
    /// Epoch of the state.
    pub(super) epoch: i64,
    /// Where reading goes on.
    pub(super) positions: Vec<SplitPosition>,
    /// The state; `None` at the very beginning.
    pub(super) state: Option<StateSnapshot>,
    /// Counters.
    pub(super) totals: Totals,
    /// What decoded what.
    pub(super) decoders: Decoders,
    /// What is thrown away before anything new is shown.
    pub(super) discard: Option<Discard>,
    /// Whether there is no checkpoint of anything.
    pub(super) fresh: bool,
}

/// Times that the manifest log is read anew because somebody wrote to it meanwhile.
const CLAIMS: usize = 10;

impl Committer {
    /// Finds out where to go on, finishes a commit that was cut short, and claims the manifest log.
    ///
    /// The root is ours, so whoever takes the number that we claim is a server that has lost it and does not know yet: what it wrote
    /// is as good as ours, and once the claim is there it can write no more.
    pub(super) async fn recover(&mut self, events: &Events) -> Result<Restored> {
        let mut claims = 1;
        loop {
            match self.recover_once(events).await {
                Err(error) if error.state == SqlState::ObjectInUse && claims < CLAIMS => {
                    claims += 1
                }
                outcome => return outcome,
            }
        }
    }

    async fn recover_once(&mut self, events: &Events) -> Result<Restored> {
        self.segments = Segments::default();
        self.sinks.clear();
        pass("recover.begin")?;
        let table = Arc::clone(&self.tables.table);
        if !self.has_table(table.path()).await? {
            return Err(folder_gone(&table.name, table.path()));
        }
        let commit = self.newest_commit().await?;
        let txn = commit.as_ref().map(|(epoch, _)| *epoch);
        let (manifest, mut restored) = match self.newest_restorable(events).await? {
            Some((manifest, restored)) => (Some(manifest), restored),
            None => (None, Restored::nothing()),
        };
        pass("recover.state")?;
        let facts = manifest
            .as_ref()
            .map(|manifest| (manifest.epoch, manifest.files.contains_key(table.path())));
        match decide(facts, txn) {
            Decision::Begin | Decision::Restore => {}
            Decision::CommitThenRestore => {
                events.info(
                    &table.name,
                    format!(
                        "finishing the commit of epoch {} that was cut short",
                        restored.epoch
                    ),
                );
            }
            Decision::ReplayTo { epoch } => {
                let said = commit.and_then(|(_, said)| said);
                let said = said.ok_or_else(|| {
                    let why = "That commit does not say where reading stood.";
                    lost(&table.name, epoch, why)
                })?;
                if said.replayed_rows != restored.decoders.rows {
                    let why = "Dead letters were taken in since the newest checkpoint that can be read, and they do not come again with the rows around them.";
                    return Err(lost(&table.name, epoch, why));
                }
                events.warn(
                    &table.name,
                    format!(
                        "the table is at epoch {epoch}, the newest checkpoint at {}: replaying what the table has already",
                        restored.epoch
                    ),
                );
                if let Some(manifest) = &manifest {
                    // The process may have died between the table's commit and those of its companions.
                    self.commit_files(&said.manifest(manifest)).await?;
                }
                restored.discard = Some(Discard {
                    epoch,
                    until: said.positions,
                    watermark_us: said.watermark_us,
                    now_us: said.now_us,
                    rebuilding: false,
                });
            }
        }
        if let Some(manifest) = &manifest {
            if manifest.rebuild == Some(Rebuild::Anew) {
                self.empty_tables(manifest).await?;
            }
            // Companions are committed after the table, so they may be behind even where the table is not.
            self.commit_files(manifest).await?;
            pass("recover.files")?;
        }
        let mut claim = manifest.unwrap_or_else(|| self.nothing_yet());
        claim.owner.clone_from(&self.owner);
        claim.number = self.next_number;
        self.put_manifest(&claim).await?;
        pass("recover.claim")?;
        for table in [&self.tables.table, &self.tables.late, &self.tables.dead] {
            table.refresh().await?;
        }
        Ok(restored)
    }

    /// The manifest of a query that has read nothing: the claim on a log that is empty.
    fn nothing_yet(&self) -> Manifest {
        Manifest {
            format: Manifest::format_of(&[], &Decoders::default(), None),
            number: 0,
            owner: String::new(),
            epoch: 0,
            app_id: self.app_id.clone(),
            fingerprint: self.plan.fingerprint.clone(),
            positions: Vec::new(),
            split_watermarks_us: Vec::new(),
            watermark_us: None,
            totals: Totals::default(),
            decoders: Decoders::default(),
            panes: Vec::new(),
            files: BTreeMap::new(),
            written_at: rfc3339(self.clock.now_us()),
            opened: Vec::new(),
            rebuild: None,
        }
    }

    /// Epoch of the newest commit in any of the query's tables, and what it says; the table's own where several have it.
    pub(super) async fn newest_commit(&mut self) -> Result<Option<(i64, Option<Said>)>> {
        let mut newest: Option<(i64, Option<Said>)> = None;
        for table in [&self.tables.table, &self.tables.late, &self.tables.dead].map(Arc::clone) {
            if !self.has_table(table.path()).await? {
                continue;
            }
            self.open_sink(&table).await?;
            let Some(sink) = self.sinks.get_mut(table.path()) else {
                continue;
            };
            let app_id = &self.app_id;
            let Some(epoch) = sink.txn_version(app_id).await.map_err(storage_error)? else {
                continue;
            };
            if newest.as_ref().is_none_or(|(known, _)| epoch > *known) {
                let said = sink.last_commit_of(app_id).await.map_err(storage_error)?;
                let said = said.and_then(|(_, said)| Said::of(said));
                newest = Some((epoch, said.filter(|said| said.epoch == epoch)));
            }
        }
        Ok(newest)
    }

    /// Whether there is a Delta table in a folder; companions have none before their first rows.
    async fn has_table(&self, path: &str) -> Result<bool> {
        let log = format!("{path}/_delta_log");
        retry(&self.status, async || {
            let entries = self.root.list(&log).await.map_err(storage_error)?;
            Ok(!entries.is_empty())
        })
        .await
    }

    /// The newest manifest whose state can be read, with it.
    async fn newest_restorable(&mut self, events: &Events) -> Result<Option<(Manifest, Restored)>> {
        let name = self.tables.table.name.clone();
        let mut below = u64::MAX;
        loop {
            let newest = self.log.newest_below(below).await?;
            self.next_number = newest.next_number;
            for skipped in &newest.skipped {
                events.warn(
                    &name,
                    format!("a checkpoint was skipped for the one before it: {skipped}"),
                );
            }
            let Some((number, manifest)) = newest.entry else {
                return Ok(None);
            };
            match self.restore(&manifest).await {
                Ok(restored) => return Ok(Some((manifest, restored))),
                Err(error) if is_corrupt(&error) => {
                    events.warn(
                        &name,
                        format!(
                            "checkpoint {number} was skipped for the one before it: {}",
                            error.message
                        ),
                    );
                    self.segments = Segments::default();
                    below = number;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn restore(&mut self, manifest: &Manifest) -> Result<Restored> {
        if manifest.epoch == 0 && manifest.positions.is_empty() && manifest.rebuild.is_none() {
            return Ok(Restored::nothing());
        }
        if manifest.fingerprint != self.plan.fingerprint {
            let query = &self.tables.table.name;
            return Err(Error::user(
                SqlState::ObjectNotInPrerequisiteState,
                format!("the state of query \"{query}\" belongs to another plan"),
            )
            .with_detail("This build plans the statement differently, or a view or stream it reads was changed.")
            .with_hint(format!("Run the build that wrote it, or REBUILD QUERY {query}: from its last commit, or FROM BEGINNING.")));
        }
        let discard = match &manifest.rebuild {
            Some(Rebuild::Reread { until, now_us }) => Some(Discard {
                epoch: manifest.epoch,
                until: until.clone(),
                watermark_us: manifest.watermark_us,
                now_us: *now_us,
                rebuilding: true,
            }),
            Some(Rebuild::Anew) | None => None,
        };
        Ok(Restored {
            epoch: manifest.epoch,
            positions: manifest.positions.clone(),
            state: Some(self.read_state(manifest).await?),
            totals: manifest.totals,
            decoders: manifest.decoders.clone(),
            discard,
            fresh: manifest.epoch == 0,
        })
    }

    /// Takes every row out of the query's tables, in one commit each; those that have done so already are left alone.
    async fn empty_tables(&mut self, manifest: &Manifest) -> Result<()> {
        let app_id = self.app_id.clone();
        for table in [&self.tables.table, &self.tables.late, &self.tables.dead].map(Arc::clone) {
            if !self.has_table(table.path()).await? {
                continue;
            }
            self.open_sink(&table).await?;
            let Some(sink) = self.sinks.get_mut(table.path()) else {
                continue;
            };
            let spec = sink.spec().clone();
            let txn = Some((app_id.as_str(), manifest.epoch));
            sink.replace(&spec, txn, &Map::new())
                .await
                .map_err(storage_error)?;
        }
        Ok(())
    }
}

impl Restored {
    fn nothing() -> Self {
        Self {
            epoch: 0,
            positions: Vec::new(),
            state: None,
            totals: Totals::default(),
            decoders: Decoders::default(),
            discard: None,
            fresh: true,
        }
    }

    /// The state with this watermark: windows that it has closed are gone without their rows being told.
    pub(super) fn close_silently(&mut self, watermark_us: Option<i64>) {
        let Some(watermark) = watermark_us else {
            return;
        };
        let state = self.state.get_or_insert_default();
        state.watermark_us = state.watermark_us.max(Some(watermark));
        state.panes.retain(|pane| pane.end_us > watermark);
        state.spilled.retain(|pane| pane.end_us > watermark);
    }
}

/// A table is made by CREATE TABLE alone: another one in its place would hide that its rows are gone.
fn folder_gone(query: &QualifiedName, path: &str) -> Error {
    Error::outside(
        SqlState::DataCorrupted,
        format!("the Delta table of query \"{query}\" in {path} is not there any more"),
    )
    .with_hint(format!(
        "Put the folder back and RESUME QUERY {query}, or drop the table and create it again."
    ))
}

/// What a query says that cannot go on by itself.
pub(super) fn lost(query: &QualifiedName, epoch: i64, why: &str) -> Error {
    Error::outside(
        SqlState::DataException,
        format!("the state of query \"{query}\" is lost: its table is at epoch {epoch}, and no checkpoint leads there"),
    )
    .with_detail(why)
    .with_hint(format!("REBUILD QUERY {query} makes it again from the table's last commit and the topic; REBUILD QUERY {query} FROM BEGINNING reads everything anew; or put the checkpoint folder back."))
}

/// Offsets by split.
pub(super) fn offsets(positions: &[SplitPosition]) -> BTreeMap<SplitId, i64> {
    positions
        .iter()
        .map(|position| (position.split.clone(), position.next_offset))
        .collect()
}

#[cfg(test)]
mod tests;
