//! What of a table's rows came after an epoch: what subscribers are fed from.
//!
//! Uncommitted epochs are in the tail, committed ones in the table's log. Nothing is kept for a subscriber: one that is slow finds its next
//! rows committed and reads them there.

use std::sync::Arc;

use arrow::array::RecordBatch;
use tokio::sync::watch;

use super::{Cut, Freshness, TableState};

/// Rows of the tail from which the next epochs wait until these were shown: whoever is slow keeps them from going when they are committed.
const ROWS: usize = 65_536;

/// How far somebody has come: an epoch, and which run of decisions it is of.
///
/// Epochs that were decided and not committed are decided anew, and perhaps otherwise, when the machine that had their journal is lost. The
/// lineage tells one from the other; of committed epochs there is one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Everything up to this epoch.
    pub epoch: i64,
    /// The lineage of the epoch.
    pub lineage: u64,
}

/// What there is after a mark.
#[derive(Debug)]
pub enum Since {
    /// Not known yet: the table is being restored.
    Restoring,
    /// Rows of the tail by epoch, oldest first, perhaps none, and not more of them than are soon shown; up to the mark.
    Tail(Vec<(i64, Vec<RecordBatch>)>, Mark),
    /// Committed ones, up to the mark; the table's version has them.
    Committed(i64, Mark),
    /// The epoch of the mark was lost before it was committed; this is the newest that is committed.
    Lost(Mark),
}

impl TableState {
    /// The rows of an epoch, if it has any, can all be read.
    pub fn end_epoch(&self, epoch: i64) {
        {
            let mut rows = self.rows.write();
            rows.ended = rows.ended.max(Some(epoch));
        }
        self.changed();
    }

    /// The run of decisions that uncommitted epochs are of from now on.
    pub fn set_lineage(&self, lineage: u64) {
        self.rows.write().lineage = Some(lineage);
        self.changed();
    }

    /// To wait for: changes whenever there may be something new.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Delta application id of the query that feeds it.
    pub fn app_id(&self) -> Option<&str> {
        self.app_id.as_deref()
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// What came after a mark.
    pub fn since(&self, mark: Mark) -> Since {
        let rows = self.rows.read();
        let committed = rows.committed_epoch;
        let version = rows.snapshot.as_ref().map(|snapshot| snapshot.version());
        let lineage = rows.lineage.unwrap_or_default();
        let to = |epoch| Mark { epoch, lineage };
        match version {
            Some(version) if mark.epoch < committed => {
                return Since::Committed(version, to(committed));
            }
            _ if rows.restoring => return Since::Restoring,
            // Before the first epoch there was nothing to lose.
            _ if mark.epoch <= committed.max(0) => {}
            _ if rows.lineage.is_none() => return Since::Restoring,
            _ if mark.lineage != lineage => return Since::Lost(to(committed)),
            _ => {}
        }
        let mut epochs: Vec<(i64, Vec<RecordBatch>)> = Vec::new();
        let new = |epoch: i64| epoch > mark.epoch && Some(epoch) <= rows.ended;
        let mut until = rows.ended.unwrap_or(mark.epoch).max(mark.epoch);
        let mut count = 0;
        for (epoch, batch) in rows.tail.iter().filter(|(epoch, _)| new(*epoch)) {
            match epochs.last_mut() {
                Some((last, batches)) if last == epoch => batches.push(batch.clone()),
                Some((last, _)) if count >= ROWS => {
                    until = *last;
                    break;
                }
                _ => epochs.push((*epoch, vec![batch.clone()])),
            }
            count += batch.num_rows();
        }
        Since::Tail(epochs, to(until))
    }

    /// One consistent view, of committed rows alone where these are asked for, and the epoch up to which it has all rows.
    pub fn cut_at(&self, freshness: Freshness) -> (Cut, Mark) {
        let rows = self.rows.read();
        let ended = match freshness {
            Freshness::Latest => rows.ended.unwrap_or(i64::MIN),
            Freshness::Committed => i64::MIN,
        };
        let epoch = rows.committed_epoch.max(ended);
        let lineage = rows.lineage.unwrap_or_default();
        let tail = rows.tail.iter().filter(|(other, _)| *other <= epoch);
        let cut = Cut {
            committed: rows.snapshot.as_ref().map(|snapshot| snapshot.provider()),
            version: rows.snapshot.as_ref().map(|snapshot| snapshot.version()),
            snapshot: rows.snapshot.clone(),
            tail: Arc::new(tail.map(|(_, batch)| batch.clone()).collect()),
            restoring: rows.restoring,
        };
        (cut, Mark { epoch, lineage })
    }
}

#[cfg(test)]
mod tests;
