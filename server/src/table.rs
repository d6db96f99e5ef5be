//! One name, one cut: a table is its committed Delta files at some version, and the final rows of the epochs that are not in it yet.
//!
//! Rows stay in the tail until the *reader's* snapshot holds them: the snapshot is swapped and the tail shortened under one lock, so a
//! scan sees every row exactly once, however a commit falls.

mod cache;
mod cached_scan;
mod provider;
mod read_snapshot;
mod since;

pub use cache::{RowCache, fits};
pub use cached_scan::{Bind, CachedTable};
pub use provider::{CutTable, Freshness, LiveTable, SluiceTable, external, no_versions};
pub use read_snapshot::ReadSnapshot;
pub use since::{Mark, Since};

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::catalog::TableProvider;
use parking_lot::{Mutex, RwLock};
use sluice_connectors::{
    delta::{Added, At, DeltaReader, DeltaSink, Snapshot, added_since, snapshot_at, stored_schema},
    error::ConnectorError,
    store::Root,
};
use tokio::sync::watch;

use crate::{catalog::QualifiedName, error::Result, root::storage_error};

/// A refresh costs what the table has files and its log entries. Of the time, this part at most goes into it: one in so many.
const REFRESH_SHARE: u32 = 800;

/// No refresh waits longer than this.
const REFRESH_WITHIN: Duration = Duration::from_secs(60);

/// Bytes of the tail from which a refresh does not wait.
const TAIL_BYTES: usize = 16 << 20;

/// A table's rows, committed and not.
#[derive(Debug)]
pub struct TableState {
    /// The table.
    pub name: QualifiedName,
    /// Its columns, as its files give them; rows of the tail are brought to it when they are read.
    pub schema: SchemaRef,
    root: Root,
    path: String,
    /// Delta application id of the query that feeds it; `None` for a table that no query feeds.
    app_id: Option<String>,
    reader: tokio::sync::Mutex<Option<DeltaReader>>,
    rows: RwLock<Rows>,
    /// Whoever commits to the table holds it meanwhile, so that no two commits get in each other's way.
    queue: tokio::sync::Mutex<()>,
    refreshed: Mutex<Option<Refreshed>>,
    /// A refresh waits for its time.
    refresh_waits: AtomicBool,
    /// Goes up with everything that a subscriber may wait for.
    changes: watch::Sender<u64>,
    /// What took its place, when the table was altered or its query started anew.
    successor: OnceLock<Arc<TableState>>,
}

/// The newest refresh.
#[derive(Clone, Copy, Debug)]
struct Refreshed {
    at: Instant,
    took: Duration,
}

#[derive(Debug, Default)]
struct Rows {
    snapshot: Option<Arc<Snapshot>>,
    committed_epoch: i64,
    tail: Vec<(i64, RecordBatch)>,
    /// The same without the epochs, once somebody has read it.
    tail_read: OnceLock<Arc<Vec<RecordBatch>>>,
    tail_bytes: usize,
    /// The tail is being rebuilt after a restart: `latest` reads must wait.
    restoring: bool,
    /// Up to this epoch the tail has what was shown before a restart; the replay gives the same rows again.
    shown_before: Option<i64>,
    /// The newest epoch whose rows can all be read, where it is not committed.
    ended: Option<i64>,
    /// Which run of decisions uncommitted epochs are of; not known before the query has looked at its journal.
    lineage: Option<u64>,
}

/// One consistent view of a table.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Committed files; `None` before the table's first commit.
    pub committed: Option<Arc<dyn TableProvider>>,
    /// Delta version of `committed`.
    pub version: Option<i64>,
    /// What `committed` reads.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Final rows that are not in `committed`.
    pub tail: Arc<Vec<RecordBatch>>,
    /// The tail is not complete yet.
    pub restoring: bool,
}

impl TableState {
    /// A table whose Delta folder is `path` under `root`; nothing is read yet.
    pub fn new(
        name: QualifiedName,
        schema: SchemaRef,
        root: Root,
        path: String,
        app_id: Option<String>,
    ) -> Self {
        Self {
            name,
            schema: stored_schema(&schema),
            root,
            path,
            app_id,
            reader: tokio::sync::Mutex::default(),
            rows: RwLock::default(),
            queue: tokio::sync::Mutex::default(),
            refreshed: Mutex::default(),
            refresh_waits: AtomicBool::new(false),
            changes: watch::Sender::default(),
            successor: OnceLock::new(),
        }
    }

    /// Another state stands for the table from now on; statements that were planned with this one read that.
    pub fn succeeded_by(&self, next: &Arc<Self>) {
        // Only the first can be: it has successors of its own.
        let _ = self.successor.set(Arc::clone(next));
    }

    /// What stands for the table now.
    pub fn newest(self: &Arc<Self>) -> Arc<Self> {
        let mut newest = self;
        while let Some(next) = newest.successor.get() {
            newest = next;
        }
        Arc::clone(newest)
    }

    /// Path of the Delta folder under the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The queue of commits to the table: held from the writing of data files to the end of the commit.
    pub fn queue(&self) -> &tokio::sync::Mutex<()> {
        &self.queue
    }

    /// The table as it was.
    pub async fn as_of(&self, at: At, now_us: i64) -> Result<Snapshot> {
        snapshot_at(&self.root, &self.path, &self.name.to_string(), at, now_us)
            .await
            .map_err(storage_error)
    }

    /// The commits of the query that feeds it after an epoch, up to a version of the table, oldest first; `None` where its log does not go
    /// back so far.
    pub async fn added_since(
        &self,
        epoch: i64,
        version: i64,
    ) -> std::result::Result<Option<Vec<Added>>, ConnectorError> {
        let app_id = self.app_id.as_deref().unwrap_or_default();
        added_since(&self.root, &self.path, app_id, epoch, version).await
    }

    /// Adds the final rows of an epoch; they can be read from now on.
    pub fn push(&self, epoch: i64, batches: &[RecordBatch]) {
        if batches.is_empty() {
            return;
        }
        let mut rows = self.rows.write();
        if rows.shown_before.is_some_and(|until| epoch <= until) {
            return;
        }
        rows.tail_read.take();
        for batch in batches {
            rows.tail_bytes += batch.get_array_memory_size();
            rows.tail.push((epoch, batch.clone()));
        }
    }

    /// The final rows that were shown before a restart and are not committed, by epoch: together with what is committed they can be read
    /// from now on, whatever is still being restored.
    pub fn shown_before(&self, epochs: Vec<(i64, Vec<RecordBatch>)>) {
        let mut rows = self.rows.write();
        rows.shown_before = epochs.last().map(|(epoch, _)| *epoch);
        rows.ended = rows.shown_before;
        rows.tail_read.take();
        for (epoch, batches) in epochs {
            for batch in batches {
                rows.tail_bytes += batch.get_array_memory_size();
                rows.tail.push((epoch, batch));
            }
        }
        rows.restoring = false;
    }

    /// The newest epoch whose rows are in the snapshot that was read; `None` where there is none.
    pub fn committed_epoch(&self) -> Option<i64> {
        let rows = self.rows.read();
        let committed = rows.snapshot.is_some().then_some(rows.committed_epoch);
        committed.filter(|epoch| *epoch > i64::MIN)
    }

    /// Drops what is not committed, before epochs are replayed or when they turned out to be void.
    pub fn clear_tail(&self, restoring: bool) {
        let mut rows = self.rows.write();
        rows.tail.clear();
        rows.tail_read.take();
        rows.tail_bytes = 0;
        rows.shown_before = None;
        rows.ended = None;
        rows.restoring = restoring;
    }

    /// The tail is complete.
    pub fn restored(&self) {
        self.rows.write().restoring = false;
    }

    /// Rows and bytes of the tail.
    pub fn tail_size(&self) -> (usize, usize) {
        let rows = self.rows.read();
        let count = rows.tail.iter().map(|(_, batch)| batch.num_rows()).sum();
        (count, rows.tail_bytes)
    }

    /// After a commit: the newest committed state is read, at once or when it is time. Rows are in the tail until then, so readers miss
    /// nothing; who asks for what is committed asks [`TableState::settle`] first.
    pub async fn refresh_soon(self: &Arc<Self>) -> Result<()> {
        let wait = match *self.refreshed.lock() {
            Some(last) => (last.took * REFRESH_SHARE)
                .min(REFRESH_WITHIN)
                .saturating_sub(last.at.elapsed()),
            None => Duration::ZERO,
        };
        if wait.is_zero() || self.tail_size().1 >= TAIL_BYTES {
            return self.refresh().await;
        }
        if self.refresh_waits.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let table = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            // A table that was dropped meanwhile needs none.
            if let Some(table) = table.upgrade()
                && let Err(error) = table.settle().await
            {
                tracing::warn!("table {} was not read after a commit: {error}", table.name);
            }
        });
        Ok(())
    }

    /// Returns when everything that was committed before is in the snapshot: a refresh that waits for its time is carried out.
    pub async fn settle(&self) -> Result<()> {
        if self.refresh_waits.load(Ordering::Acquire) {
            return self.refresh().await;
        }
        // One that is under way has begun after the commit; its end is waited for.
        drop(self.reader.lock().await);
        Ok(())
    }

    /// Reads the newest committed state; tail rows that it holds are dropped in the same step.
    pub async fn refresh(&self) -> Result<()> {
        let mut guard = self.reader.lock().await;
        let reader = match guard.as_mut() {
            Some(reader) => reader,
            None => guard.insert(DeltaReader::new(&self.root, &self.path).map_err(storage_error)?),
        };
        // A commit that comes from now on waits for the next one.
        self.refresh_waits.store(false, Ordering::Release);
        let began = Instant::now();
        let snapshot = match reader.refresh().await {
            Ok(snapshot) => Arc::new(snapshot),
            // A companion has no folder before its first rows.
            Err(ConnectorError::NotFound { .. }) if self.rows.read().snapshot.is_none() => {
                return Ok(());
            }
            Err(error) => return Err(storage_error(error)),
        };
        let committed_epoch = match &self.app_id {
            Some(app_id) => snapshot
                .txn_version(app_id)
                .await
                .map_err(storage_error)?
                .unwrap_or(i64::MIN),
            None => i64::MIN,
        };
        *self.refreshed.lock() = Some(Refreshed {
            at: Instant::now(),
            took: began.elapsed(),
        });
        let mut rows = self.rows.write();
        rows.snapshot = Some(snapshot);
        rows.committed_epoch = committed_epoch;
        rows.tail_read.take();
        rows.tail.retain(|(epoch, _)| *epoch > committed_epoch);
        rows.tail_bytes = rows
            .tail
            .iter()
            .map(|(_, batch)| batch.get_array_memory_size())
            .sum();
        drop(rows);
        self.changed();
        Ok(())
    }

    /// What appends to the table; it is read for this and for readers in one. `None` where there is no table yet.
    pub async fn sink(&self) -> Result<Option<DeltaSink>> {
        self.refresh().await?;
        let snapshot = self.snapshot();
        let sink = snapshot.map(|snapshot| DeltaSink::over(&snapshot));
        sink.transpose().map_err(storage_error)
    }

    /// The newest snapshot read, for `__files` and `__history`.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.rows.read().snapshot.clone()
    }

    /// One consistent view.
    pub fn cut(&self) -> Cut {
        let rows = self.rows.read();
        Cut {
            committed: rows.snapshot.as_ref().map(|snapshot| snapshot.provider()),
            version: rows.snapshot.as_ref().map(|snapshot| snapshot.version()),
            snapshot: rows.snapshot.clone(),
            tail: Arc::clone(rows.tail_read.get_or_init(|| {
                let tail = rows.tail.iter().map(|(_, batch)| batch.clone());
                Arc::new(tail.collect())
            })),
            restoring: rows.restoring,
        }
    }
}
