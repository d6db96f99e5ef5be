//! Upkeep of a table's log, off the commit path.
//!
//! A log without checkpoints is read from its first entry by every reader. A checkpoint holds the list of files and the newest
//! transaction of every application; entries before it go once they are older than the table's retention.

use deltalake::{DeltaTable, DeltaTableError, checkpoints, table::state::DeltaTableState};

use super::{
    Snapshot,
    log::{Checkpoint, Log, delta_error},
};
use crate::{
    error::{ConnectorError, Result},
    store::Root,
};

/// Versions between two checkpoints, at least.
const CHECKPOINT_INTERVAL: i64 = 100;

/// A checkpoint costs what it holds, all of it, however little has changed: one that holds more than this for each version since the last
/// waits for more. So a version's part of it stays the same, however long a table remembers.
const CHECKPOINT_SIZE: i64 = 20;

/// The version at which a log whose newest checkpoint this is should have its next, unless the table says otherwise.
pub fn next_checkpoint(newest: Option<Checkpoint>) -> i64 {
    match newest {
        Some(Checkpoint { version, size }) => {
            version + CHECKPOINT_INTERVAL.max(size / CHECKPOINT_SIZE)
        }
        // Version 0 is an entry too.
        None => CHECKPOINT_INTERVAL - 1,
    }
}

/// What upkeep has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maintained {
    /// The table's version.
    pub version: i64,
    /// The checkpoint that was made, if one was due.
    pub checkpoint: Option<Checkpoint>,
    /// Log entries that went.
    pub entries_removed: usize,
}

/// The newest checkpoint of the table in the folder `path`.
pub async fn last_checkpoint(root: &Root, path: &str) -> Result<Option<Checkpoint>> {
    Log::new(root, path)?.last_checkpoint().await
}

/// Makes a checkpoint of the table in the folder `path` when one is due, and then removes log entries past their retention.
///
/// To be called from time to time beside the table's sink; the two do not get in each other's way.
pub async fn maintain(root: &Root, path: &str) -> Result<Maintained> {
    let log = Log::new(root, path)?;
    let state = log.load_present(None).await?;
    maintain_log(&log, state).await
}

/// As [`maintain`], of a table that was read already: the checkpoint is of the snapshot's version, and the log is not read once more to
/// find out what the table is.
pub async fn maintain_from(snapshot: &Snapshot) -> Result<Maintained> {
    let (log, state) = snapshot.parts();
    maintain_log(log, state.clone()).await
}

async fn maintain_log(log: &Log, state: DeltaTableState) -> Result<Maintained> {
    let version = state.version().cast_signed();
    let property = |name: &str| state.metadata().configuration().get(name).cloned();
    let interval = property("delta.checkpointInterval")
        .and_then(|text| text.parse::<i64>().ok())
        .filter(|interval| *interval > 0);
    let newest = log.last_checkpoint().await?;
    let next = match interval {
        Some(interval) => newest.map_or(-1, |newest| newest.version) + interval,
        None => next_checkpoint(newest),
    };
    if version < next {
        return Ok(Maintained {
            version,
            checkpoint: None,
            entries_removed: 0,
        });
    }
    let clean_up = property("delta.enableExpiredLogCleanup").is_none_or(|text| text != "false");
    let mut table = DeltaTable::new(log.store.clone());
    table.state = Some(state);
    let runtime = tokio::runtime::Handle::current();
    // delta-rs calls the kernel's blocking checkpoint writer from its async function: it needs a thread that may block.
    let work = move || -> Result<usize, DeltaTableError> {
        runtime.block_on(async {
            checkpoints::create_checkpoint(&table, None).await?;
            if clean_up {
                checkpoints::cleanup_metadata(&table, None).await
            } else {
                Ok(0)
            }
        })
    };
    let what = format!("make a checkpoint of {}", log.path);
    let entries_removed = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ConnectorError::Storage {
            message: format!("cannot {what}: {error}"),
            retry: true,
        })?
        .map_err(|error| delta_error(&what, error))?;
    Ok(Maintained {
        version,
        checkpoint: log.last_checkpoint().await?,
        entries_removed,
    })
}
