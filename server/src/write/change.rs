//! Changing rows where they are: the files they lie in are written anew, and one commit exchanges old for new.
//!
//! The files are gone through a bounded stretch at a time: which of the stretch's rows change and how is asked of a query over just these
//! files, and then they are read once more and written with the changes. So the memory it takes is that of the changes in a stretch, whatever
//! the size of the table. The table's queue is held from the first look to the commit, so nothing of ours comes between; where another
//! engine has changed one of the files meanwhile, the statement begins again with what the table is then.

mod hits;

use std::{collections::HashSet, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use datafusion::execution::{SendableRecordBatchStream, memory_pool::MemoryPool};
use futures::StreamExt;
use serde_json::{Value, json};
use sluice_connectors::{
    delta::{Change, DataFile, DeltaSink, FileRows, Snapshot, TableFile},
    failpoint,
};
use tokio_util::sync::CancellationToken;

use self::hits::Hits;
use super::{
    Target,
    append::{forget, in_columns},
    commit_error,
};
use crate::{
    error::{Error, Result, SqlState},
    execute::engine_error,
    root::storage_error,
    session::cancelled,
};

/// Files of a stretch, and their bytes.
const STRETCH_FILES: usize = 256;
const STRETCH_BYTES: i64 = 128 << 20;

/// Bytes of rows that go into one round of files.
pub(super) const ROUND_BYTES: usize = 64 << 20;

/// Times that a statement is carried out before it gives way to other engines.
pub(super) const ATTEMPTS: usize = 8;

/// Which rows change, and how.
#[async_trait]
pub(crate) trait Changes: Send + Sync {
    /// What history calls the statement.
    fn operation(&self) -> &'static str;

    /// The statement's parameters in history.
    fn parameters(&self) -> Value;

    /// Columns that are set, by place in the table.
    fn sets(&self) -> &[usize];

    /// Whether a row may be found more than once (the first counts), or the statement is refused then.
    fn tolerates_twice(&self) -> bool;

    /// The rows of these files that change: number of the file, number of the row, whether it stays (1) or goes (0), the columns that are set.
    async fn hits(&self, rows: FileRows) -> Result<Vec<SendableRecordBatchStream>>;

    /// Rows that are new: all columns of the table. `rows` are all files.
    async fn inserts(&self, rows: FileRows) -> Result<Vec<SendableRecordBatchStream>>;
}

/// How many rows a statement changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    pub(crate) inserted: u64,
    copied: u64,
}

impl Changed {
    /// All of them.
    pub(crate) fn rows(self) -> u64 {
        self.updated + self.deleted + self.inserted
    }

    fn metrics(self, removed: usize, added: &[DataFile]) -> Value {
        json!({
            "numRemovedFiles": removed.to_string(),
            "numAddedFiles": added.len().to_string(),
            "numAddedBytes": added.iter().map(DataFile::size).sum::<i64>().to_string(),
            "numDeletedRows": self.deleted.to_string(),
            "numUpdatedRows": self.updated.to_string(),
            "numInsertedRows": self.inserted.to_string(),
            "numCopiedRows": self.copied.to_string(),
        })
    }
}

/// Carries changes out, all or nothing; `token` stops it as long as nothing is committed.
pub(crate) async fn change(
    target: &Target,
    pool: &Arc<dyn MemoryPool>,
    token: &CancellationToken,
    changes: &dyn Changes,
) -> Result<Changed> {
    let _turn = unless(token, async { Ok(target.table.queue().lock().await) }).await?;
    for _ in 0..ATTEMPTS {
        let mut exchange = unless(token, exchange(target, pool, changes)).await?;
        if exchange.removed.is_empty() && exchange.written.files.is_empty() {
            return Ok(exchange.changed);
        }
        let changed = exchange.changed;
        let files = std::mem::take(&mut exchange.written.files);
        let change = Change {
            operation: changes.operation(),
            parameters: changes.parameters(),
            metrics: changed.metrics(exchange.removed.len(), &files),
        };
        let Exchange {
            mut sink, removed, ..
        } = exchange;
        if commit(target, &mut sink, &removed, &files, &change).await? {
            return Ok(changed);
        }
        forget(target, files);
    }
    Err(outpaced(target))
}

/// Takes all rows out of a table; how many they were, as far as its statistics tell.
pub(crate) async fn remove_all(
    target: &Target,
    token: &CancellationToken,
    operation: &'static str,
) -> Result<u64> {
    let _turn = unless(token, async { Ok(target.table.queue().lock().await) }).await?;
    for _ in 0..ATTEMPTS {
        let (snapshot, mut sink) = unless(token, open(target)).await?;
        let files = snapshot.files();
        if files.is_empty() {
            return Ok(0);
        }
        let changed = Changed {
            deleted: files.iter().filter_map(|file| file.num_records).sum(),
            ..Changed::default()
        };
        let removed: HashSet<String> = files.into_iter().map(|file| file.path).collect();
        let change = Change {
            operation,
            parameters: json!({ "predicate": "[]" }),
            metrics: changed.metrics(removed.len(), &[]),
        };
        if commit(target, &mut sink, &removed, &[], &change).await? {
            return Ok(changed.deleted);
        }
    }
    Err(outpaced(target))
}

pub(super) fn outpaced(target: &Target) -> Error {
    Error::user(
        SqlState::SerializationFailure,
        format!(
            "other engines change table \"{}\" faster than the statement can be carried out",
            target.name
        ),
    )
    .with_hint("Nothing was written; run the statement again when they are done.")
}

/// The work's result, unless the statement is to stop.
async fn unless<T>(token: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        () = token.cancelled() => Err(cancelled()),
        done = work => done,
    }
}

/// Commits; false when the statement has to begin again. Must not be dropped half way.
async fn commit(
    target: &Target,
    sink: &mut DeltaSink,
    removed: &HashSet<String>,
    files: &[DataFile],
    change: &Change,
) -> Result<bool> {
    target.engine.holding().confirm().await?;
    failpoint::hit("write.commit").map_err(storage_error)?;
    let committed = sink.change(removed, files, change).await;
    match committed {
        Ok(None) => Ok(false),
        Ok(Some(_)) => {
            target.table.refresh().await?;
            Ok(true)
        }
        Err(error) => Err(commit_error(&target.name, error)),
    }
}

/// The table as it is now, and what commits on top of that.
pub(super) async fn open(target: &Target) -> Result<(Arc<Snapshot>, DeltaSink)> {
    target.table.refresh().await?;
    let snapshot = target.table.snapshot().ok_or_else(|| {
        Error::outside(
            SqlState::UndefinedTable,
            format!("the Delta folder of table \"{}\" is gone", target.name),
        )
    })?;
    let sink = DeltaSink::over(&snapshot).map_err(storage_error)?;
    Ok((snapshot, sink))
}

/// Files that no version names yet: they go when this is dropped.
pub(super) struct Written {
    pub(super) target: Target,
    pub(super) files: Vec<DataFile>,
}

impl Drop for Written {
    fn drop(&mut self) {
        forget(&self.target, std::mem::take(&mut self.files));
    }
}

/// Old files and new ones.
struct Exchange {
    sink: DeltaSink,
    removed: HashSet<String>,
    written: Written,
    changed: Changed,
}

/// Rows on their way into files.
struct Writer<'a> {
    target: &'a Target,
    sink: &'a DeltaSink,
    schema: &'a SchemaRef,
    operation: &'static str,
    round: Vec<RecordBatch>,
    bytes: usize,
}

impl Writer<'_> {
    async fn add(&mut self, batch: &RecordBatch, into: &mut Written) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = in_columns(self.target, self.schema, batch)?;
        self.bytes += batch.get_array_memory_size();
        self.round.push(batch);
        match self.bytes >= ROUND_BYTES {
            true => self.write(into).await,
            false => Ok(()),
        }
    }

    async fn write(&mut self, into: &mut Written) -> Result<()> {
        self.bytes = 0;
        let round = std::mem::take(&mut self.round);
        let tag = self.operation.to_ascii_lowercase();
        let files = self.sink.write_files(&round, &tag).await;
        into.files.extend(files.map_err(storage_error)?);
        Ok(())
    }
}

/// Everything but the commit.
async fn exchange(
    target: &Target,
    pool: &Arc<dyn MemoryPool>,
    changes: &dyn Changes,
) -> Result<Exchange> {
    let (snapshot, sink) = open(target).await?;
    let files = snapshot.changeable_files().map_err(storage_error)?;
    let numbered: Vec<(i64, TableFile)> = (0..).zip(files).collect();
    let mut exchange = Exchange {
        removed: HashSet::new(),
        written: Written {
            target: target.clone(),
            files: Vec::new(),
        },
        changed: Changed::default(),
        sink,
    };
    let schema = snapshot.schema();
    let mut writer = Writer {
        target,
        sink: &exchange.sink,
        schema: &schema,
        operation: changes.operation(),
        round: Vec::new(),
        bytes: 0,
    };
    let (written, changed) = (&mut exchange.written, &mut exchange.changed);
    for stretch in stretches(&numbered) {
        let rows = FileRows::new(&snapshot, stretch.to_vec());
        let hits = Hits::of(changes, rows.clone(), pool).await?;
        for (number, hits_of_file) in &hits.by_file {
            let path = stretch.iter().find(|(known, _)| known == number);
            exchange
                .removed
                .extend(path.map(|(_, file)| file.path.clone()));
            let mut next = hits_of_file.as_slice();
            let mut first = 0_i64;
            for batch in rows.file(*number).await.map_err(storage_error)? {
                let batch = batch.map_err(storage_error)?;
                let end = first + batch.num_rows() as i64;
                let here = next.partition_point(|(row, _)| *row < end);
                let (here, later) = next.split_at(here);
                next = later;
                let batch = hits.applied(&batch, first, here, changes.sets(), changed)?;
                first = end;
                writer.add(&batch, written).await?;
            }
        }
    }
    for mut stream in changes.inserts(FileRows::new(&snapshot, numbered)).await? {
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(engine_error)?;
            changed.inserted += batch.num_rows() as u64;
            writer.add(&batch, written).await?;
        }
    }
    writer.write(written).await?;
    Ok(exchange)
}

/// The files in stretches of bounded size.
pub(super) fn stretches(files: &[(i64, TableFile)]) -> Vec<&[(i64, TableFile)]> {
    let mut stretches = Vec::new();
    let mut rest = files;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |(_, file): &&(i64, TableFile)| {
            bytes += file.size;
            bytes <= STRETCH_BYTES
        };
        let length = rest.iter().take(STRETCH_FILES).take_while(fits).count();
        let (stretch, later) = rest.split_at(length.max(1));
        stretches.push(stretch);
        rest = later;
    }
    stretches
}
