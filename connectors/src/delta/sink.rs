//! Appending to a table exactly once.
//!
//! What is hard is the put of a log entry whose answer is an error or lost: the entry may be there all the same, and writing it once
//! more would double the rows. So every commit carries an id and, from a query, an application transaction (`txn`); an entry found
//! where ours was to go is judged by these ([`judge`]), and nothing is put at a later version before that. The same look makes a
//! replay harmless: a transaction that is in the log already is not written again, whoever wrote it.
//!
//! The cost of a commit does not grow with the table: the sink knows the version it has seen everything up to, and puts the next
//! one. That the put succeeds proves that nobody else was there in between, so what it knows of transactions is complete.

mod change;
mod rewrite;

pub use change::Change;

use std::{collections::HashMap, time::Duration};

use arrow::array::RecordBatch;
use bytes::Bytes;
use chrono::Utc;
use deltalake::table::state::DeltaTableState;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Committed, DataFile, Snapshot, TableSpec,
    commit::{Attempt, Verdict, judge},
    entry::{commit_info, definition, lines, transaction},
    log::{Entry, INFO_KEY, Log, Put, delta_error},
    spec::check_writable,
    write,
};
use crate::{
    error::{ConnectorError, Result},
    store::Root,
};

/// Entries of others passed in one commit before it gives up for now.
const PASSES: usize = 1_000;

/// Puts of one entry whose outcome stayed open.
const PUTS: u32 = 4;

/// A table that is appended to.
#[derive(Debug)]
pub struct DeltaSink {
    log: Log,
    /// Everything up to here has been seen.
    version: i64,
    spec: TableSpec,
    /// The table's identity and the time it was made.
    id: String,
    created_ms: i64,
    /// What is known of applications as of `version`: `None` for one that has no transaction.
    known: HashMap<String, Option<Recorded>>,
    /// The table as it was opened, for the applications not known yet; given up with the first commit, for it holds the list of files.
    opened: Option<DeltaTableState>,
}

/// The newest transaction of an application.
#[derive(Clone, Copy, Debug)]
struct Recorded {
    txn: i64,
    /// The table version that has it, where we saw it.
    at: Option<i64>,
}

impl DeltaSink {
    /// Opens the table in the folder `path` below the root; `None` where there is none.
    ///
    /// # Errors
    /// `Conflict` for a table that we must not append to: it uses features that we do not keep up.
    pub async fn open(root: &Root, path: &str) -> Result<Option<Self>> {
        let log = Log::new(root, path)?;
        match log.load(None).await? {
            None => Ok(None),
            Some(state) => Self::of(log, state).map(Some),
        }
    }

    /// Appends to the table that was read, which is not read once more.
    ///
    /// # Errors
    /// As [`DeltaSink::open`].
    pub fn over(snapshot: &Snapshot) -> Result<Self> {
        let (log, state) = snapshot.parts();
        Self::of(log.clone(), state.clone())
    }

    /// Makes the table in the folder `path` below the root, as version 0.
    ///
    /// # Errors
    /// `Option` for a spec that cannot be, `Conflict` where there is a log already.
    pub async fn create(
        root: &Root,
        path: &str,
        spec: &TableSpec,
        info: &Map<String, Value>,
    ) -> Result<Self> {
        let spec = spec.checked()?;
        let log = Log::new(root, path)?;
        let id = Uuid::new_v4().to_string();
        let created_ms = Utc::now().timestamp_millis();
        let attempt_id = Uuid::new_v4().to_string();
        let body = lines(&[
            commit_info(&attempt_id, "CREATE TABLE", definition(&spec), None, info),
            spec.protocol_action(),
            spec.metadata_action(&id, created_ms)?,
        ]);
        let made = Self {
            log,
            version: 0,
            spec,
            id,
            created_ms,
            known: HashMap::new(),
            opened: None,
        };
        let failed = match made.log.put(0, body).await {
            Put::Done => return Ok(made),
            Put::Unsynced(error) => return Err(error),
            Put::Exists => None,
            Put::Unknown(error) => Some(error),
        };
        match (made.log.read(0).await?, failed) {
            (Some(entry), _) if entry.commit_id() == Some(attempt_id.as_str()) => Ok(made),
            (None, Some(error)) => Err(error),
            _ => Err(ConnectorError::Conflict {
                message: format!("there is a Delta table in {path} already"),
                hint: Some("Choose another name, or move that folder away.".into()),
            }),
        }
    }

    pub(super) fn of(log: Log, state: DeltaTableState) -> Result<Self> {
        let spec = TableSpec::of(state.metadata())?;
        check_writable(state.protocol(), &spec).map_err(|reason| ConnectorError::Conflict {
            message: format!("cannot write to the Delta table in {}: {reason}", log.path),
            hint: Some("Write to a table of its own.".into()),
        })?;
        Ok(Self {
            version: state.version().cast_signed(),
            spec,
            id: state.metadata().id().to_owned(),
            created_ms: state.metadata().created_time().unwrap_or_default(),
            log,
            known: HashMap::new(),
            opened: Some(state),
        })
    }

    /// The newest version seen.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// What the table is.
    pub fn spec(&self) -> &TableSpec {
        &self.spec
    }

    /// The table's log.
    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// The table's folder below the root.
    pub fn path(&self) -> &str {
        &self.log.path
    }

    /// Writes rows as data files, one for each partition (more where they get large), durable on return and in no version yet.
    ///
    /// `tag` (query and epoch) becomes part of the files' names.
    pub async fn write_files(&self, rows: &[RecordBatch], tag: &str) -> Result<Vec<DataFile>> {
        let rows = rows.iter().map(|batch| (None, batch));
        write::write_files(&self.log.root, &self.log.path, &self.spec, rows, tag).await
    }

    /// The same of the epochs of a query, in their order: the files tell which rows are of which, for [`super::added_since`].
    pub async fn write_epochs(
        &self,
        rows: &[(i64, RecordBatch)],
        tag: &str,
    ) -> Result<Vec<DataFile>> {
        let rows = rows.iter().map(|(epoch, batch)| (Some(*epoch), batch));
        write::write_files(&self.log.root, &self.log.path, &self.spec, rows, tag).await
    }

    /// Commits files, and with them that the application `txn.0` has come to `txn.1`.
    ///
    /// # Contract
    /// * A transaction that is in the log already, or an older one, is not written again: `already`.
    /// * On an error nobody knows whether the files are committed; the same call again finds out and is harmless, given a transaction.
    /// * `Conflict`: the table is not any more what the files were written for. It has to be opened anew.
    pub async fn commit(
        &mut self,
        files: &[DataFile],
        txn: Option<(&str, i64)>,
        info: &Map<String, Value>,
    ) -> Result<Committed> {
        self.check_head().await?;
        if let Some((app_id, version)) = txn
            && let Some(recorded) = self.recorded(app_id).await?
            && recorded.txn >= version
        {
            return Ok(Committed {
                version: recorded.at.unwrap_or(self.version),
                already: true,
            });
        }
        let id = Uuid::new_v4().to_string();
        let adds = files
            .iter()
            .map(|file| json!({ "add": file }))
            .collect::<Vec<_>>();
        let paths: Vec<String> = adds
            .iter()
            .filter_map(|add| add.pointer("/add/path")?.as_str().map(str::to_owned))
            .collect();
        let (operation, parameters) = match txn {
            Some((app_id, version)) => (
                "STREAMING UPDATE",
                json!({ "outputMode": "Append", "queryId": app_id, "epochId": version.to_string() }),
            ),
            None => ("WRITE", json!({ "mode": "Append" })),
        };
        let mut actions = vec![commit_info(&id, operation, parameters, Some(files), info)];
        actions.extend(adds);
        actions.extend(txn.map(transaction));
        let attempt = Attempt {
            id: &id,
            txn,
            paths: &paths,
        };
        self.put(&lines(&actions), &attempt).await
    }

    /// Puts an entry at the first version that is free for it.
    async fn put(&mut self, body: &Bytes, attempt: &Attempt<'_>) -> Result<Committed> {
        let mut puts = 0;
        for _ in 0..PASSES {
            let next = self.version + 1;
            let open = match self.log.put(next, body.clone()).await {
                Put::Done => {
                    self.advance(next, attempt.txn);
                    return Ok(Committed {
                        version: next,
                        already: false,
                    });
                }
                // Visible, perhaps not for long: not even our own entry may be taken for written now.
                Put::Unsynced(error) => return Err(error),
                Put::Exists => None,
                Put::Unknown(error) => Some(error),
            };
            match (self.log.read(next).await, open) {
                (Ok(Some(entry)), _) => match judge(&entry, attempt) {
                    Verdict::Done => {
                        self.absorb(next, &entry);
                        return Ok(Committed {
                            version: next,
                            already: true,
                        });
                    }
                    Verdict::Conflict(what) => return Err(self.changed(next, what)),
                    Verdict::Next => self.absorb(next, &entry),
                },
                // Not there, or not to be seen yet: the same put again is safe, since it creates or finds itself.
                (Ok(None), Some(error)) => {
                    puts += 1;
                    if puts == PUTS || !error.is_transient() {
                        return Err(error);
                    }
                    tokio::time::sleep(Duration::from_millis(10 << (2 * puts))).await;
                }
                (Ok(None), None) => {
                    return Err(ConnectorError::Storage {
                        message: format!(
                            "version {next} of {} exists and cannot be read",
                            self.log.path
                        ),
                        retry: true,
                    });
                }
                (Err(_), Some(error)) | (Err(error), None) => return Err(error),
            }
        }
        Err(ConnectorError::Storage {
            message: format!(
                "others commit to {} faster than this commit gets through",
                self.log.path
            ),
            retry: true,
        })
    }

    /// Gives the table another definition in one commit that removes all its files; its history is kept.
    ///
    /// # Errors
    /// As [`DeltaSink::create`] and [`DeltaSink::commit`].
    pub async fn replace(
        &mut self,
        spec: &TableSpec,
        txn: Option<(&str, i64)>,
        info: &Map<String, Value>,
    ) -> Result<i64> {
        let spec = spec.checked()?;
        let id = Uuid::new_v4().to_string();
        for _ in 0..PASSES {
            // What is to be removed has to be known, so here the table is read, each time anew.
            let state = self.log.load_present(None).await?;
            let mut now = Self::of(self.log.clone(), state.clone())?;
            if let Some((app_id, version)) = txn
                && let Some(recorded) = now.recorded(app_id).await?
                && recorded.txn >= version
            {
                *self = now;
                return Ok(self.version);
            }
            let mut actions = vec![commit_info(
                &id,
                "CREATE OR REPLACE TABLE",
                definition(&spec),
                None,
                info,
            )];
            if now.spec.protocol_action() != spec.protocol_action() {
                actions.push(spec.protocol_action());
            }
            actions.push(spec.metadata_action(&now.id, now.created_ms)?);
            for file in state.log_data().iter() {
                actions.push(json!({ "remove": file.remove_action(true) }));
            }
            actions.extend(txn.map(transaction));
            let next = now.version + 1;
            let open = match now.log.put(next, lines(&actions)).await {
                Put::Done => None,
                Put::Unsynced(error) => return Err(error),
                Put::Exists => Some(None),
                Put::Unknown(error) => Some(Some(error)),
            };
            let done = match open {
                None => true,
                Some(error) => match (now.log.read(next).await?, error) {
                    (Some(entry), _) => entry.commit_id() == Some(id.as_str()),
                    (None, Some(error)) => return Err(error),
                    (None, None) => false,
                },
            };
            if done {
                now.spec = spec;
                now.advance(next, txn);
                *self = now;
                return Ok(next);
            }
        }
        Err(ConnectorError::Storage {
            message: format!(
                "others commit to {} faster than it can be replaced",
                self.log.path
            ),
            retry: true,
        })
    }

    /// The newest transaction of an application, from the log as it is now.
    pub async fn txn_version(&mut self, app_id: &str) -> Result<Option<i64>> {
        self.catch_up().await?;
        Ok(self.recorded(app_id).await?.map(|recorded| recorded.txn))
    }

    /// Version and what we said of the newest commit of an application, from the log as it is now.
    ///
    /// `None` where it has none, or where its entry has been cleaned away.
    pub async fn last_commit_of(
        &mut self,
        app_id: &str,
    ) -> Result<Option<(i64, Map<String, Value>)>> {
        self.catch_up().await?;
        let Some(recorded) = self.recorded(app_id).await? else {
            return Ok(None);
        };
        let mut version = recorded.at.unwrap_or(self.version);
        while version >= 0 {
            let Some(entry) = self.log.read(version).await? else {
                return Ok(None);
            };
            if entry.transactions.iter().any(|txn| txn.app_id == app_id) {
                let said = entry
                    .info
                    .and_then(|mut info| info.remove(INFO_KEY))
                    .and_then(|said| match said {
                        Value::Object(said) => Some(said),
                        _ => None,
                    });
                return Ok(Some((version, said.unwrap_or_default())));
            }
            version -= 1;
        }
        Ok(None)
    }

    /// Reads the entries that are newer than what has been seen.
    async fn catch_up(&mut self) -> Result<()> {
        self.check_head().await?;
        while let Some(entry) = self.log.read(self.version + 1).await? {
            if entry.redefines {
                return Err(self.changed(self.version + 1, "changed the table's definition"));
            }
            self.absorb(self.version + 1, &entry);
        }
        Ok(())
    }

    /// Makes sure that the next version is really the next: after a long while others may have gone on and cleaned up behind them,
    /// or the folder may be gone, and a put into the gap would succeed and be lost.
    async fn check_head(&self) -> Result<()> {
        // Entries go from the oldest on: while the one we know is there, nothing after it is missing.
        if self.log.stamp(self.version).await?.is_some() {
            return Ok(());
        }
        match self.log.last_checkpoint().await? {
            Some(checkpoint) if checkpoint.version == self.version => Ok(()),
            Some(checkpoint) if checkpoint.version > self.version => {
                if self.log.stamp(self.version + 1).await?.is_some() {
                    return Ok(());
                }
                let what = "has cleaned the log up past the version known here";
                Err(self.changed(checkpoint.version, what))
            }
            _ => Err(ConnectorError::DataLost {
                message: format!(
                    "version {} of the Delta table in {} is not there any more",
                    self.version, self.log.path
                ),
                hint: Some("Somebody has deleted files of it; put them back, or drop the table and create it again.".into()),
            }),
        }
    }

    fn changed(&self, version: i64, what: &str) -> ConnectorError {
        ConnectorError::Conflict {
            message: format!(
                "another writer {what} (version {version} of {})",
                self.log.path
            ),
            hint: Some("Tables that a query feeds have one writer; stop the other one and resume the query.".into()),
        }
    }

    async fn recorded(&mut self, app_id: &str) -> Result<Option<Recorded>> {
        if let Some(known) = self.known.get(app_id) {
            return Ok(*known);
        }
        // Entries read since then have told of theirs, so the state at opening has the answer for all others.
        let state = match &self.opened {
            Some(state) => state.clone(),
            None => self.log.load_present(Some(self.version)).await?,
        };
        let txn = state
            .transaction_version(self.log.store.as_ref(), app_id)
            .await
            .map_err(|error| {
                let what = format!("read the transactions of {}", self.log.path);
                delta_error(&what, error)
            })?;
        let recorded = txn.map(|txn| Recorded { txn, at: None });
        self.known.insert(app_id.to_owned(), recorded);
        Ok(recorded)
    }

    /// Our own entry is there.
    fn advance(&mut self, version: i64, txn: Option<(&str, i64)>) {
        self.version = version;
        self.opened = None;
        if let Some((app_id, txn)) = txn {
            let at = Some(version);
            self.known
                .insert(app_id.to_owned(), Some(Recorded { txn, at }));
        }
    }

    /// An entry has been read.
    fn absorb(&mut self, version: i64, entry: &Entry) {
        self.version = version;
        for txn in &entry.transactions {
            let recorded = Recorded {
                txn: txn.version,
                at: Some(version),
            };
            self.known.insert(txn.app_id.clone(), Some(recorded));
        }
    }
}
