//! The table's log: its entries, and the one conditional put that makes a new one.
//!
//! An answer to that put is one of four, and they must be told apart: it is there, somebody else's is there, it is there but may be
//! lost with the next loss of power, or nobody knows. Only what a decision needs is read from an entry; actions unknown to us are
//! passed over, as the protocol wants it.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use deltalake::{
    DeltaTableError,
    kernel::transaction::TransactionError,
    logstore::{CommitOrBytes, LogStoreRef, StorageConfig, default_logstore},
    table::state::DeltaTableState,
};
use object_store::{Error as StoreError, ObjectStoreExt, path::Path, prefix::PrefixStore};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    error::{ConnectorError, Result},
    failpoint,
    store::{Root, condensed, is_unsynced, path_of, storage_error},
};

/// The log of one table.
#[derive(Clone)]
pub(super) struct Log {
    pub(super) root: Root,
    /// The table's folder below the root.
    pub(super) path: String,
    pub(super) store: LogStoreRef,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({})", self.path)
    }
}

/// What a put of an entry came to.
pub(super) enum Put {
    /// The entry is there and durable.
    Done,
    /// There is an entry of that version; it may be this very one.
    Exists,
    /// The entry is there but may be lost: it must not be taken for written.
    Unsynced(ConnectorError),
    /// Nobody knows.
    Unknown(ConnectorError),
}

/// An entry's file, to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    tag: Option<String>,
    modified: DateTime<Utc>,
    size: u64,
}

/// What an entry says, as far as anybody here asks.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) transactions: Vec<Transaction>,
    /// It changes the table's definition or protocol.
    pub(super) redefines: bool,
    /// Paths added or removed.
    pub(super) touched: Vec<String>,
    pub(super) info: Option<Map<String, Value>>,
}

/// The `txn` action.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transaction {
    pub(super) app_id: String,
    pub(super) version: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    txn: Option<Transaction>,
    meta_data: Option<serde::de::IgnoredAny>,
    protocol: Option<serde::de::IgnoredAny>,
    add: Option<Touched>,
    remove: Option<Touched>,
    commit_info: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Touched {
    path: String,
}

/// A checkpoint of a table's log, as `_last_checkpoint` notes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Checkpoint {
    /// The table's version that it is of.
    pub version: i64,
    /// Actions in it: files that are live, files that were removed and are still remembered, and a few others.
    #[serde(default)]
    pub size: i64,
}

impl Entry {
    /// Reads an entry's actions, one JSON object a line.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut entry = Self::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line: Line = serde_json::from_slice(line)?;
            entry.transactions.extend(line.txn);
            entry.redefines |= line.meta_data.is_some() || line.protocol.is_some();
            entry.touched.extend(
                line.add
                    .into_iter()
                    .chain(line.remove)
                    .map(|file| file.path),
            );
            entry.info = entry.info.or(line.commit_info);
        }
        Ok(entry)
    }

    /// The id its writer gave it.
    pub(super) fn commit_id(&self) -> Option<&str> {
        self.info.as_ref()?.get("txnId")?.as_str()
    }
}

impl Log {
    pub(super) fn new(root: &Root, path: &str) -> Result<Self> {
        let url = root.url_of(path)?;
        let folder = Path::from_url_path(url.path()).map_err(|error| ConnectorError::Option {
            message: format!("\"{path}\" is not a usable path: {error}"),
            hint: None,
        })?;
        // delta-rs knows by scheme which stores commit by put-if-absent; all of ours do.
        let table = Arc::new(PrefixStore::new(Arc::clone(&root.base), folder));
        let base = Arc::clone(&root.base);
        let store = default_logstore(table, base, &url, &StorageConfig::default());
        Ok(Self {
            root: root.clone(),
            path: path.to_owned(),
            store,
        })
    }

    /// The table at its newest version (or at `version`), with its list of files; `None` where there is no table.
    pub(super) async fn load(&self, version: Option<i64>) -> Result<Option<DeltaTableState>> {
        match DeltaTableState::try_new(self.store.as_ref(), version.map(i64::cast_unsigned)).await {
            Ok(state) => Ok(Some(state)),
            // The kernel has many ways to say that there is nothing; an empty log says it best.
            Err(error) => {
                let log = format!("{}/_delta_log", self.path);
                if self.root.list(&log).await?.is_empty() {
                    return Ok(None);
                }
                let what = format!("read the log of {}", self.path);
                Err(match self.damaged().await {
                    Some(damage) => ConnectorError::Storage {
                        message: format!("cannot {what}: {damage}"),
                        retry: true,
                    },
                    None => delta_error(&what, error),
                })
            }
        }
    }

    /// The first entry since the newest checkpoint that cannot be read, and why: the kernel does not say which.
    async fn damaged(&self) -> Option<ConnectorError> {
        let log = format!("{}/_delta_log", self.path);
        let last = self.last_checkpoint().await.ok().flatten();
        let from = last.map_or(0, |checkpoint| checkpoint.version);
        let mut versions: Vec<i64> = self
            .root
            .list(&log)
            .await
            .ok()?
            .iter()
            .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
            .filter(|version| *version >= from)
            .collect();
        versions.sort_unstable();
        for version in versions {
            if let Err(error @ ConnectorError::Corrupt { .. }) = self.read(version).await {
                return Some(error);
            }
        }
        None
    }

    /// As [`Log::load`], of a table that must be there.
    pub(super) async fn load_present(&self, version: Option<i64>) -> Result<DeltaTableState> {
        self.load(version)
            .await?
            .ok_or_else(|| ConnectorError::NotFound {
                message: format!("there is no Delta table in {}", self.path),
                hint: None,
            })
    }

    /// One entry's text; `None` where there is none of that version.
    pub(super) async fn bytes(&self, version: i64) -> Result<Option<Bytes>> {
        let path = format!("{}/{}", self.path, entry_name(version));
        self.root.read(&path).await
    }

    /// One entry; `None` where there is none of that version.
    pub(super) async fn read(&self, version: i64) -> Result<Option<Entry>> {
        let Some(bytes) = self.bytes(version).await? else {
            return Ok(None);
        };
        Entry::parse(&bytes)
            .map(Some)
            .map_err(|error| ConnectorError::Corrupt {
                message: format!(
                    "{}/{} is not a Delta log entry: {error}",
                    self.path,
                    entry_name(version)
                ),
            })
    }

    /// What tells this entry from any other that may take its place; `None` where there is none of that version.
    pub(super) async fn stamp(&self, version: i64) -> Result<Option<Stamp>> {
        // As it is: the path that the file was put to has names of any letters.
        let path = path_of(&format!("{}/{}", self.path, entry_name(version)))?;
        match self.root.store.head(&path).await {
            Ok(meta) => Ok(Some(Stamp {
                tag: meta.e_tag,
                modified: meta.last_modified,
                size: meta.size,
            })),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(storage_error(&format!("look at {path}"), error)),
        }
    }

    /// Puts an entry unless there is one of that version.
    pub(super) async fn put(&self, version: i64, body: Bytes) -> Put {
        let told =
            |error| storage_error(&format!("commit version {version} of {}", self.path), error);
        if let Err(error) = failpoint::hit("delta.put") {
            return Put::Unknown(error);
        }
        let answer = self
            .store
            .write_commit_entry(
                version.cast_unsigned(),
                CommitOrBytes::LogBytes(body),
                Uuid::nil(),
            )
            .await;
        match answer {
            Ok(()) => match failpoint::hit("delta.reply") {
                Ok(()) => Put::Done,
                Err(error) => Put::Unknown(error),
            },
            Err(TransactionError::VersionAlreadyExists(_)) => Put::Exists,
            Err(TransactionError::ObjectStore { source }) if is_unsynced(&source) => {
                Put::Unsynced(told(source))
            }
            Err(TransactionError::ObjectStore { source }) => Put::Unknown(told(source)),
            Err(error) => Put::Unknown(ConnectorError::Storage {
                message: format!(
                    "cannot commit version {version} of {}: {}",
                    self.path,
                    condensed(&error.to_string())
                ),
                retry: true,
            }),
        }
    }

    /// The version of the newest checkpoint, where one is noted.
    pub(super) async fn last_checkpoint(&self) -> Result<Option<Checkpoint>> {
        let path = format!("{}/_delta_log/_last_checkpoint", self.path);
        // A note that cannot be read is no note: it is a hint, and is rewritten in place by other engines.
        Ok(self
            .root
            .read(&path)
            .await?
            .and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }
}

/// The entry's path below the table's folder.
fn entry_name(version: i64) -> String {
    format!("_delta_log/{version:020}.json")
}

/// Who we are, in `commitInfo` and in data files.
pub(super) const ENGINE: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"));

/// The field of `commitInfo` that holds what the caller says.
pub(super) const INFO_KEY: &str = "sluice";

/// A failure of delta-rs as ours.
pub(super) fn delta_error(what: &str, error: DeltaTableError) -> ConnectorError {
    match error {
        DeltaTableError::ObjectStore { source } => storage_error(what, source),
        DeltaTableError::NotATable(_) => ConnectorError::NotFound {
            message: format!("cannot {what}: there is no Delta table"),
            hint: None,
        },
        DeltaTableError::InvalidJsonLog { .. } | DeltaTableError::InvalidStatsJson { .. } => {
            ConnectorError::Corrupt {
                message: format!("cannot {what}: {error}"),
            }
        }
        other => ConnectorError::Storage {
            message: format!("cannot {what}: {}", condensed(said(&other.to_string()))),
            retry: true,
        },
    }
}

/// What the kernel says, without the stack that it adds where backtraces are asked for.
fn said(text: &str) -> &str {
    text.split("\n   0: ").next().unwrap_or(text)
}
