//! What a query goes on from after a restart.
//!
//! The decision is a pure function of two facts, the newest valid manifest and the newest Delta commit of ours; carrying it out is
//! the rest of this file.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};
use sluice_connectors::{
    delta::DeltaSink,
    source::{SplitId, SplitPosition},
};
use sluice_planner::api::StateSnapshot;

use super::{
    commit::{Committer, REPLAYED},
    decoders::Decoders,
    manifest::{Manifest, Totals},
    segments::Segments,
};
use crate::{
    clock::rfc3339,
    error::{Error, Result, SqlState},
    events::Events,
    root::storage_error,
};

/// What to do, given the epoch of the newest valid manifest and the `txn` version in the table.
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
    /// Output up to these positions is in the table already and is thrown away; the epoch to number it with.
    pub(super) discard: Option<(i64, Vec<SplitPosition>)>,
    /// Whether anything was ever checkpointed.
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
        let newest = self.log.newest().await?;
        for skipped in &newest.skipped {
            events.warn(
                &self.tables.table.name,
                format!("a checkpoint was skipped for the one before it: {skipped}"),
            );
        }
        self.next_number = newest.next_number;
        let table = Arc::clone(&self.tables.table);
        let mut sink = DeltaSink::open(&self.root, table.path())
            .await
            .map_err(storage_error)?;
        let last_commit = match &mut sink {
            Some(sink) => sink
                .last_commit_of(&self.app_id)
                .await
                .map_err(storage_error)?,
            None => None,
        };
        let txn = match &mut sink {
            Some(sink) => sink
                .txn_version(&self.app_id)
                .await
                .map_err(storage_error)?,
            None => None,
        };
        if let Some(sink) = sink {
            self.sinks.insert(table.path().to_owned(), sink);
        }
        let manifest = newest.entry.map(|(_, manifest)| manifest);
        let facts = manifest
            .as_ref()
            .map(|manifest| (manifest.epoch, manifest.files.contains_key(table.path())));
        let decision = decide(facts, txn);
        let mut restored = match &manifest {
            Some(manifest) => self.restore(manifest).await?,
            None => Restored::nothing(),
        };
        match decision {
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
                let info = last_commit.as_ref().map(|(_, info)| info);
                let positions = positions_of(info, epoch)?;
                let replayed = info.and_then(|info| info.get(REPLAYED)?.as_u64());
                if replayed.is_some_and(|rows| rows != restored.decoders.rows) {
                    return Err(letters_lost(epoch));
                }
                events.warn(
                    &table.name,
                    format!(
                        "the table is at epoch {epoch}, the newest checkpoint at {}: replaying what the table has already",
                        restored.epoch
                    ),
                );
                restored.discard = Some((epoch, positions));
            }
        }
        if let Some(manifest) = &manifest {
            // Companions are committed after the table, so they may be behind even where the table is not.
            self.commit_files(manifest).await?;
        }
        let mut claim = manifest.unwrap_or_else(|| self.nothing_yet());
        claim.owner.clone_from(&self.owner);
        claim.number = self.next_number;
        self.put_manifest(&claim).await?;
        for table in [&self.tables.table, &self.tables.late, &self.tables.dead] {
            table.refresh().await?;
        }
        Ok(restored)
    }

    /// The manifest of a query that has read nothing: the claim on a log that is empty.
    fn nothing_yet(&self) -> Manifest {
        Manifest {
            format: Manifest::format_of(&[]),
            number: 0,
            owner: String::new(),
            epoch: 0,
            app_id: self.app_id.clone(),
            fingerprint: self.plan.fingerprint.clone(),
            positions: Vec::new(),
            split_watermarks_us: Vec::new(),
            watermark_us: None,
            totals: Totals::default(),
            panes: Vec::new(),
            files: BTreeMap::new(),
            written_at: rfc3339(self.clock.now_us()),
        }
    }

    async fn restore(&mut self, manifest: &Manifest) -> Result<Restored> {
        if manifest.epoch == 0 {
            return Ok(Restored::nothing());
        }
        if manifest.fingerprint != self.plan.fingerprint {
            return Err(Error::user(
                SqlState::ObjectNotInPrerequisiteState,
                format!(
                    "the state of query \"{}\" belongs to another plan",
                    self.tables.table.name
                ),
            )
            .with_detail("This build plans the statement differently, or a view or stream it reads was changed.")
            .with_hint("Run the build that wrote it, or drop the table and create it again."));
        }
        Ok(Restored {
            epoch: manifest.epoch,
            positions: manifest.positions.clone(),
            state: Some(self.read_state(manifest).await?),
            totals: manifest.totals,
            decoders: manifest.decoders.clone(),
            discard: None,
            fresh: false,
        })
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
}

/// Positions in the commit that the table is at.
fn positions_of(info: Option<&Map<String, Value>>, epoch: i64) -> Result<Vec<SplitPosition>> {
    info.filter(|info| info.get("epoch").and_then(Value::as_i64) == Some(epoch))
        .and_then(|info| serde_json::from_value(info.get("positions")?.clone()).ok())
        .ok_or_else(|| {
            Error::outside(
                SqlState::DataException,
                format!("the table is at epoch {epoch}, which no checkpoint has, and its commit does not say where reading stood"),
            )
            .with_hint("Restore the checkpoint folder from a backup, or drop the table and create it again.")
        })
}

/// Dead letters cannot be read again by reading on.
fn letters_lost(epoch: i64) -> Error {
    Error::outside(
        SqlState::DataException,
        format!("the table is at epoch {epoch}, which no checkpoint has, and dead letters were replayed since the newest checkpoint that can be read"),
    )
    .with_detail("Which of them were taken stood in the lost checkpoint: going on would take them once more, or never.")
    .with_hint("Restore the checkpoint folder from a backup, or drop the table and create it again.")
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
