//! A table as of one version, for queries and for system tables.
//!
//! A [`Snapshot`] never changes; [`DeltaReader::refresh`] makes the next one from the entries that are new. The list of active files
//! comes along with every snapshot, so a refresh costs what the table has files, and belongs off the path of queries. delta-rs appends
//! to that list in pieces and never joins them, so the reader starts over every so often. And it finds an application's transaction by
//! reading the log back from its end, every entry since the last checkpoint: on a store, a request for each. So the reader looks at the
//! transactions of new entries itself.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use deltalake::{
    delta_datafusion::{DeltaScanConfig, DeltaScanNext},
    table::state::DeltaTableState,
};
use futures::StreamExt;
use serde_json::{Map, Value};

use super::{
    TableSpec,
    log::{INFO_KEY, Log, Stamp, delta_error},
    texts::TextScan,
};
use crate::{
    error::{ConnectorError, Result},
    store::Root,
};

/// Refreshes after which the reader starts over: each adds a piece to the list of files.
const START_OVER: usize = 8;

/// Versions after which it does so at the latest.
const START_OVER_VERSIONS: i64 = 1_000;

/// Versions after which it does so where there is a new checkpoint, from which that costs least.
const START_OVER_AT_CHECKPOINT: i64 = 100;

/// Entries read at the same time.
const READS: usize = 16;

/// Reads a table, again and again.
#[derive(Debug)]
pub struct DeltaReader {
    log: Log,
    state: Option<DeltaTableState>,
    /// The newest entry's file: another one in its place is another table.
    stamp: Option<Stamp>,
    /// The version at which the list of files was last read from the start.
    whole_at: i64,
    /// Refreshes since.
    followed: usize,
    /// Newest transactions in the entries after that, by application.
    transactions: Arc<HashMap<String, i64>>,
}

/// A table as of one version.
#[derive(Clone)]
pub struct Snapshot {
    version: i64,
    spec: TableSpec,
    provider: Arc<dyn TableProvider>,
    state: DeltaTableState,
    log: Log,
    /// As far as the reader has seen them; an application that is not among them is looked up in the log.
    transactions: Arc<HashMap<String, i64>>,
}

/// An active data file.
#[derive(Clone, Debug, PartialEq)]
pub struct TableFile {
    /// Path below the table's folder.
    pub path: String,
    /// Partition columns and their values as text.
    pub partition_values: BTreeMap<String, Option<String>>,
    /// Size in bytes.
    pub size: i64,
    /// When it was written, in milliseconds since the epoch.
    pub modified_ms: i64,
    /// Its number of rows, where its statistics say so.
    pub num_records: Option<u64>,
    /// Its statistics as the log has them: JSON.
    pub stats: Option<String>,
}

/// A version of the table and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// The version.
    pub version: i64,
    /// When it was committed, in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// What was done.
    pub operation: Option<String>,
    /// Its parameters.
    pub parameters: Map<String, Value>,
    /// Its figures.
    pub metrics: Map<String, Value>,
    /// Who did it.
    pub engine: Option<String>,
    /// What a query of ours said with it: positions, watermarks, epoch.
    pub info: Option<Map<String, Value>>,
}

impl DeltaReader {
    /// A reader of the table in the folder `path` below the root; nothing is read yet.
    ///
    /// # Errors
    /// `Option` for a path that cannot be one.
    pub fn new(root: &Root, path: &str) -> Result<Self> {
        Ok(Self {
            log: Log::new(root, path)?,
            state: None,
            stamp: None,
            whole_at: 0,
            followed: 0,
            transactions: Arc::default(),
        })
    }

    async fn start_over(&mut self) -> Result<DeltaTableState> {
        let state = self.log.load_present(None).await?;
        self.whole_at = state.version().cast_signed();
        self.followed = 0;
        self.transactions = Arc::default();
        Ok(state)
    }

    /// The entries that are new; `None` where the table has to be read whole.
    async fn follow(&mut self) -> Option<DeltaTableState> {
        let mut state = self.state.take()?;
        let version = state.version().cast_signed();
        if self.followed >= START_OVER || version - self.whole_at >= START_OVER_VERSIONS {
            return None;
        }
        let checkpoint = self.log.last_checkpoint().await.ok()?;
        let checkpoint = checkpoint.map_or(0, |checkpoint| checkpoint.version);
        if checkpoint - self.whole_at >= START_OVER_AT_CHECKPOINT {
            return None;
        }
        // A table that was deleted and made anew must not be mixed with the old one, whatever version it has come to.
        let stamp = self.log.stamp(version).await.ok()??;
        if self.stamp.as_ref() != Some(&stamp) {
            return None;
        }
        // A failure may come of a log that was cleaned up; reading it whole tells.
        state.update(self.log.store.as_ref(), None).await.ok()?;
        let now = state.version().cast_signed();
        self.followed += usize::from(now > version);
        self.see(version, now).await?;
        Some(state)
    }

    /// Looks at the transactions of the entries after `from` up to `to`; `None` where one of them cannot be read any more.
    async fn see(&mut self, from: i64, to: i64) -> Option<()> {
        let log = &self.log;
        let mut entries = futures::stream::iter(from + 1..=to)
            .map(|version| log.read(version))
            .buffered(READS);
        let transactions = Arc::make_mut(&mut self.transactions);
        while let Some(entry) = entries.next().await {
            let seen = entry.ok()??.transactions.into_iter();
            transactions.extend(seen.map(|txn| (txn.app_id, txn.version)));
        }
        Some(())
    }

    /// The table as it is now.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub async fn refresh(&mut self) -> Result<Snapshot> {
        let state = match self.follow().await {
            Some(state) => state,
            None => self.start_over().await?,
        };
        self.stamp = self.log.stamp(state.version().cast_signed()).await?;
        self.state = Some(state.clone());
        Snapshot::of(self.log.clone(), state, Arc::clone(&self.transactions))
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({} at version {})", self.log.path, self.version)
    }
}

impl Snapshot {
    pub(super) fn of(
        log: Log,
        state: DeltaTableState,
        transactions: Arc<HashMap<String, i64>>,
    ) -> Result<Self> {
        let spec = TableSpec::of(state.metadata())?;
        let provider = scan(&log, &state, |scan| scan)?;
        Ok(Self {
            version: state.version().cast_signed(),
            spec,
            provider,
            state,
            log,
            transactions,
        })
    }

    /// What it is made of.
    pub(super) fn parts(&self) -> (&Log, &DeltaTableState) {
        (&self.log, &self.state)
    }

    /// The version.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// What the table is.
    pub fn spec(&self) -> &TableSpec {
        &self.spec
    }

    /// The table's columns, and the provider's.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.spec.schema)
    }

    /// The rows, for a DataFusion session that has the root's store for the root's scheme (every session has the local one).
    pub fn provider(&self) -> Arc<dyn TableProvider> {
        Arc::clone(&self.provider)
    }

    /// The rows of one of the active files, as [`Snapshot::provider`] gives those of all.
    pub fn provider_of(&self, file: &str) -> Result<Arc<dyn TableProvider>> {
        scan(&self.log, &self.state, |scan| {
            scan.with_file_paths([file.to_owned()])
        })
    }

    /// Whether another engine has marked rows of a file as deleted without writing the file anew.
    pub fn has_deletion_vectors(&self) -> bool {
        let files = self.state.log_data();
        let mut files = files.iter();
        files.any(|file| file.deletion_vector_descriptor().is_some())
    }

    /// The newest transaction of an application in this version.
    pub async fn txn_version(&self, app_id: &str) -> Result<Option<i64>> {
        if let Some(version) = self.transactions.get(app_id) {
            return Ok(Some(*version));
        }
        self.state
            .transaction_version(self.log.store.as_ref(), app_id)
            .await
            .map_err(|error| {
                delta_error(
                    &format!("read the transactions of {}", self.log.path),
                    error,
                )
            })
    }

    /// The active files.
    pub fn files(&self) -> Vec<TableFile> {
        table_files(&self.state)
    }

    /// The active files, for a statement that changes their rows.
    ///
    /// # Errors
    /// `Conflict` where another engine has marked rows of a file as deleted without writing the file anew: that mark would be lost.
    pub fn changeable_files(&self) -> Result<Vec<TableFile>> {
        let marked = self.state.log_data();
        let mut marked = marked.iter();
        match marked.find(|file| file.deletion_vector_descriptor().is_some()) {
            None => Ok(self.files()),
            Some(file) => Err(ConnectorError::Conflict {
                message: format!("{} has deleted rows in a vector", file.path()),
                hint: Some("Have the engine that deletes rows purge them first.".into()),
            }),
        }
    }

    /// Number of the active files.
    pub fn num_files(&self) -> usize {
        self.state.log_data().num_files()
    }

    /// Number and bytes of the active files.
    pub fn size(&self) -> (usize, i64) {
        let files = self.state.log_data();
        (self.num_files(), files.iter().map(|file| file.size()).sum())
    }

    /// How long files that were removed are kept, as the table says.
    pub fn deleted_file_retention(&self) -> Duration {
        retention_of(&self.state)
    }

    /// When the table was made, in milliseconds since the epoch, and the protocol it asks readers and writers for.
    pub fn created_and_protocol(&self) -> (Option<i64>, i32, i32) {
        let protocol = self.state.protocol();
        (
            self.state.metadata().created_time(),
            protocol.min_reader_version(),
            protocol.min_writer_version(),
        )
    }

    /// The newest `limit` versions up to this one, newest first; it ends where the log has been cleaned up.
    pub async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>> {
        let mut history = Vec::new();
        let mut version = self.version;
        while version >= 0 && history.len() < limit {
            let Some(entry) = self.log.read(version).await? else {
                break;
            };
            history.push(HistoryEntry::of(version, entry.info.unwrap_or_default()));
            version -= 1;
        }
        Ok(history)
    }
}

/// The rows, in columns exactly as the table has them.
fn scan(
    log: &Log,
    state: &DeltaTableState,
    of: impl Fn(DeltaScanNext) -> DeltaScanNext,
) -> Result<Arc<dyn TableProvider>> {
    let scan = |views: bool| -> Result<Arc<dyn TableProvider>> {
        let config = DeltaScanConfig {
            schema_force_view_types: views,
            wrap_partition_values: false,
            ..DeltaScanConfig::new()
        };
        let scan = DeltaScanNext::new(state.snapshot().clone(), config);
        let scan = scan.map_err(|error| ConnectorError::Conflict {
            message: format!("cannot read the Delta table in {}: {error}", log.path),
            hint: None,
        })?;
        Ok(Arc::new(of(scan)))
    };
    Ok(Arc::new(TextScan {
        texts: scan(false)?,
        views: scan(true)?,
    }))
}

/// The active files of a state.
pub(super) fn table_files(state: &DeltaTableState) -> Vec<TableFile> {
    state
        .log_data()
        .iter()
        .map(|file| TableFile {
            path: file.path().into_owned(),
            partition_values: file.partition_values_map().into_iter().collect(),
            size: file.size(),
            modified_ms: file.modification_time(),
            num_records: file.num_records().map(|rows| rows as u64),
            stats: file.stats(),
        })
        .collect()
}

fn retention_of(state: &DeltaTableState) -> Duration {
    use deltalake::table::config::TablePropertiesExt;
    state.table_config().deleted_file_retention_duration()
}

impl HistoryEntry {
    fn of(version: i64, mut info: Map<String, Value>) -> Self {
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let map = |value: Option<Value>| match value {
            Some(Value::Object(map)) => Some(map),
            _ => None,
        };
        Self {
            version,
            timestamp_ms: info.get("timestamp").and_then(Value::as_i64),
            operation: text(info.remove("operation")),
            parameters: map(info.remove("operationParameters")).unwrap_or_default(),
            metrics: map(info.remove("operationMetrics")).unwrap_or_default(),
            engine: text(info.remove("engineInfo")),
            info: map(info.remove(INFO_KEY)),
        }
    }
}
