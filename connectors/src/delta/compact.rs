//! Many small files into few large ones: which, and how.
//!
//! Which is a pure decision ([`merges`]). A partition that gets no more rows is *sealed*: all its small files become one, or as few as
//! their size allows. One that still gets rows is merged in tiers, a tier when it has [`FAN_IN`] files, so that a table of any commit
//! interval has few files at any time and a row is written a few times at most.
//!
//! How: the files are read, their rows sorted by the query's keys and written again, and one commit removes the old and adds the new, as no
//! change of data. It is put only if every file that was read is still live; rows that are committed meanwhile are none of its business.
//! What is in memory at a time is bounded, so a large partition becomes several files, each sorted.

use std::{collections::BTreeMap, pin::pin, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, UInt32Array, new_null_array},
    compute::{LexicographicalComparator, SortColumn, cast, concat_batches, take_record_batch},
    datatypes::{DataType, Field, SchemaRef},
};
use bytes::Bytes;
use deltalake::table::state::DeltaTableState;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    DataFile, DeltaSink, Snapshot, TableFile, TableSpec,
    partition::Values,
    reader::table_files,
    write::{self, FILE_BYTES, Packing, blocking, parquet_error, same_kind},
};
use crate::{
    error::{ConnectorError, Result},
    store::Root,
};

/// Files of a tier that are worth being one.
pub const FAN_IN: usize = 32;

/// A file from half the target on is left as it is.
const SMALL_BYTES: i64 = FILE_BYTES as i64 / 2;

/// The first tier ends here; each further one is sixteen times as large.
const FIRST_TIER_BYTES: u64 = 64 << 10;

/// Decoded rows in memory at a time.
const ROUND_BYTES: usize = 128 << 20;

/// Files read at the same time.
const READS: usize = 8;

/// Files decoded together, and the bytes from which they are enough.
const DECODES: usize = 64;
const DECODE_BYTES: usize = 8 << 20;

/// Partition columns with their values as the log has them.
pub type PartitionValues = BTreeMap<String, Option<String>>;

/// What is known of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may get more rows.
    Open,
    /// It gets no more rows.
    Sealed,
    /// It is not asked for.
    LeftAlone,
}

/// Files of one partition that are to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// The partition.
    pub partition: PartitionValues,
    /// Paths of the files, oldest first.
    pub files: Vec<String>,
    /// Their size together.
    pub bytes: i64,
    /// Whether the partition is sealed.
    pub sealed: bool,
}

/// What a merge has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The version that it is.
    pub version: i64,
    /// Files removed from the table, and their bytes.
    pub files_before: usize,
    /// Their size together.
    pub bytes_before: i64,
    /// Files that took their place.
    pub files_after: usize,
    /// Their size together.
    pub bytes_after: i64,
    /// Rows in them.
    pub rows: u64,
}

/// Which files are to be merged, partition after partition.
pub fn merges(files: &[TableFile], standing: impl Fn(&PartitionValues) -> Standing) -> Vec<Merge> {
    let mut small: BTreeMap<&PartitionValues, Vec<&TableFile>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.size < SMALL_BYTES) {
        small.entry(&file.partition_values).or_default().push(file);
    }
    let mut merges = Vec::new();
    for (partition, files) in small {
        let mut add = |mut files: Vec<&TableFile>, sealed| {
            files.sort_by_key(|file| (file.modified_ms, &file.path));
            merges.push(Merge {
                partition: partition.clone(),
                bytes: files.iter().map(|file| file.size).sum(),
                files: files.iter().map(|file| file.path.clone()).collect(),
                sealed,
            });
        };
        match standing(partition) {
            Standing::LeftAlone => {}
            Standing::Sealed if files.len() > 1 => add(files, true),
            Standing::Sealed => {}
            Standing::Open => {
                let mut tiers: BTreeMap<u32, Vec<&TableFile>> = BTreeMap::new();
                for file in files {
                    tiers.entry(tier(file.size)).or_default().push(file);
                }
                for files in tiers.into_values().filter(|files| files.len() >= FAN_IN) {
                    add(files, false);
                }
            }
        }
    }
    merges
}

/// The tier of a file of this size.
fn tier(bytes: i64) -> u32 {
    let firsts = u64::try_from(bytes).unwrap_or_default() / FIRST_TIER_BYTES;
    firsts.checked_ilog(16).map_or(0, |power| power + 1)
}

/// Merges files of one table.
#[derive(Debug)]
pub struct Compactor {
    root: Root,
    sink: DeltaSink,
    state: DeltaTableState,
}

impl Compactor {
    /// For the table as it was read: files that came since are not looked at.
    ///
    /// # Errors
    /// `Conflict` for a table that we must not write to.
    pub fn of(snapshot: &Snapshot) -> Result<Self> {
        let (log, state) = snapshot.parts();
        Ok(Self {
            root: log.root.clone(),
            sink: DeltaSink::of(log.clone(), state.clone())?,
            state: state.clone(),
        })
    }

    /// What the table is.
    pub fn spec(&self) -> &TableSpec {
        self.sink.spec()
    }

    /// Its files as it was opened.
    pub fn files(&self) -> Vec<TableFile> {
        table_files(&self.state)
    }

    /// Carries a merge out: rows are sorted by `order`, as far as these are columns of the files. The commit waits for its turn in `queue`.
    ///
    /// `None` when one of the files is not live any more: nothing was changed.
    pub async fn merge(
        &self,
        merge: &Merge,
        order: &[String],
        auto: bool,
        queue: &Mutex<()>,
    ) -> Result<Option<Merged>> {
        let removed = self.removals(merge)?;
        let spec = self.sink.spec().clone();
        let folder = self.sink.path().to_owned();
        let values: Values = spec
            .partition_columns
            .iter()
            .map(|name| (name.clone(), merge.partition.get(name).cloned().flatten()))
            .collect();
        let schema: SchemaRef = Arc::new(spec.file_schema());
        let mut written: Vec<DataFile> = Vec::new();
        let mut round = Round::default();
        let mut rows = 0;
        let packing = match merge.sealed {
            true => Packing::Tight,
            // It is written again soon.
            false => Packing::Quick,
        };
        let paths: Vec<String> = merge
            .files
            .iter()
            .map(|path| format!("{folder}/{path}"))
            .collect();
        let mut files = pin!(
            futures::stream::iter(paths)
                .map(|path| self.read(path))
                .buffered(READS)
        );
        loop {
            // Small files are decoded many at a time: to hand each to another thread would cost as much as the work itself.
            let mut some: Vec<(String, Bytes)> = Vec::new();
            let mut bytes = 0;
            while some.len() < DECODES
                && bytes < DECODE_BYTES
                && let Some(file) = files.try_next().await?
            {
                bytes += file.1.len();
                some.push(file);
            }
            if some.is_empty() {
                break;
            }
            let shape = Arc::clone(&schema);
            let decoded = blocking(&folder, move || {
                let files = some.into_iter();
                files
                    .map(|(path, bytes)| decode(bytes, &shape, &path))
                    .collect::<Result<Vec<_>>>()
            });
            for batch in decoded.await?.into_iter().flatten() {
                rows += batch.num_rows() as u64;
                round.add(batch);
            }
            if round.bytes >= ROUND_BYTES {
                written.extend(
                    self.write(&spec, &values, &schema, order, packing, &mut round)
                        .await?,
                );
            }
        }
        written.extend(
            self.write(&spec, &values, &schema, order, packing, &mut round)
                .await?,
        );
        let merged = Merged {
            version: 0,
            files_before: removed.len(),
            bytes_before: merge.bytes,
            files_after: written.len(),
            bytes_after: written.iter().map(DataFile::size).sum(),
            rows,
        };
        let kept: u64 = written.iter().map(DataFile::rows).sum();
        if kept != rows {
            return Err(ConnectorError::Corrupt {
                message: format!(
                    "{rows} rows of {folder} were read and {kept} written; nothing was changed"
                ),
            });
        }
        let parameters = json!({
            "predicate": predicate(&merge.partition),
            "zOrderBy": "[]",
            "auto": auto.to_string(),
        });
        let metrics = json!({
            "numRemovedFiles": merged.files_before.to_string(),
            "numRemovedBytes": merged.bytes_before.to_string(),
            "numAddedFiles": merged.files_after.to_string(),
            "numAddedBytes": merged.bytes_after.to_string(),
            "numOutputRows": merged.rows.to_string(),
        });
        let _turn = queue.lock().await;
        // From the version whose files were read on, each time: a sink that has put one merge has passed by what came before it, and
        // that may have taken files of this one.
        let mut sink = DeltaSink::of(self.sink.log().clone(), self.state.clone())?;
        let version = sink
            .rewrite(&removed, &written, parameters, metrics)
            .await?;
        Ok(version.map(|version| Merged { version, ..merged }))
    }

    /// The `remove` actions of the merge's files.
    fn removals(&self, merge: &Merge) -> Result<Vec<Value>> {
        let mut removed = Vec::with_capacity(merge.files.len());
        let wanted: std::collections::HashSet<&str> =
            merge.files.iter().map(String::as_str).collect();
        for file in self.state.log_data().iter() {
            if wanted.contains(file.path().as_ref()) {
                if file.deletion_vector_descriptor().is_some() {
                    return Err(ConnectorError::Conflict {
                        message: format!("{} has deleted rows in a vector", file.path()),
                        hint: Some("Have the engine that deletes rows purge them first.".into()),
                    });
                }
                removed.push(json!({ "remove": file.remove_action(false) }));
            }
        }
        if removed.len() != merge.files.len() {
            return Err(ConnectorError::Conflict {
                message: format!("some files of {} are not live any more", self.sink.path()),
                hint: None,
            });
        }
        Ok(removed)
    }

    /// A data file with its path.
    async fn read(&self, path: String) -> Result<(String, Bytes)> {
        match self.root.read(&path).await? {
            Some(bytes) => Ok((path, bytes)),
            None => Err(ConnectorError::DataLost {
                message: format!("data file {path} is not there any more"),
                hint: Some("Somebody has deleted it; put it back.".into()),
            }),
        }
    }

    async fn write(
        &self,
        spec: &TableSpec,
        values: &Values,
        schema: &SchemaRef,
        order: &[String],
        packing: Packing,
        round: &mut Round,
    ) -> Result<Vec<DataFile>> {
        let Round { batches, .. } = std::mem::take(round);
        if batches.is_empty() {
            return Ok(Vec::new());
        }
        let path = self.sink.path();
        let (schema, order) = (Arc::clone(schema), order.to_vec());
        let rows = blocking(path, move || sorted(&schema, &batches, &order)).await?;
        write::rewrite_files(&self.root, path, spec, values, rows, packing).await
    }
}

/// Rows that are written together.
#[derive(Default)]
struct Round {
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl Round {
    fn add(&mut self, batch: RecordBatch) {
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
    }
}

/// The partition as a predicate, for people.
fn predicate(partition: &PartitionValues) -> String {
    let parts = partition.iter().map(|(name, value)| match value {
        Some(value) => format!("{name} = '{value}'"),
        None => format!("{name} IS NULL"),
    });
    json!(parts.collect::<Vec<_>>()).to_string()
}

/// The rows of a data file in the table's columns.
pub(super) fn decode(bytes: Bytes, schema: &SchemaRef, path: &str) -> Result<Vec<RecordBatch>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|error| parquet_error(&error))?;
    let mut batches = Vec::new();
    for batch in reader {
        let batch = batch?;
        let columns = schema
            .fields()
            .iter()
            .map(|field| fitted(&batch, field, path));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        batches.push(RecordBatch::try_new(Arc::clone(schema), columns)?);
    }
    Ok(batches)
}

/// A column of a data file as the table has it.
pub(super) fn fitted(batch: &RecordBatch, field: &Field, path: &str) -> Result<ArrayRef> {
    match batch.column_by_name(field.name()) {
        Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
        Some(column) if same_kind(column.data_type(), field.data_type()) => {
            Ok(cast(column, field.data_type())?)
        }
        // A file from before the column was added.
        None if field.is_nullable() => Ok(new_null_array(field.data_type(), batch.num_rows())),
        found => Err(ConnectorError::Corrupt {
            message: format!(
                "column \"{}\" of {path} is {} and should be {}",
                field.name(),
                found.map_or("missing".into(), |column| column.data_type().to_string()),
                field.data_type()
            ),
        }),
    }
}

/// All rows in one batch, sorted by the columns of `order` that can be; rows that are equal in these keep their order.
///
/// Each batch is sorted first, and then all of them: files come in the order of their windows, mostly, so the batches follow one another
/// and the second sort finds nothing to do.
fn sorted(schema: &SchemaRef, batches: &[RecordBatch], order: &[String]) -> Result<RecordBatch> {
    let all = concat_batches(schema, batches)?;
    let columns: Vec<SortColumn> = order
        .iter()
        .filter_map(|name| all.column_by_name(name))
        .filter(|column| !column.data_type().is_nested() && *column.data_type() != DataType::Null)
        .map(|values| SortColumn {
            values: Arc::clone(values),
            options: None,
        })
        .collect();
    if columns.is_empty() || all.num_rows() < 2 {
        return Ok(all);
    }
    let rows = u32::try_from(all.num_rows()).map_err(|_| ConnectorError::Storage {
        message: "too many rows in one round of a merge".into(),
        retry: false,
    })?;
    let comparator = LexicographicalComparator::try_new(&columns)?;
    let compare = |a: &u32, b: &u32| comparator.compare(*a as usize, *b as usize);
    let mut indices: Vec<u32> = (0..rows).collect();
    let mut rest = indices.as_mut_slice();
    for batch in batches {
        let length = batch.num_rows().min(rest.len());
        let (own, others) = std::mem::take(&mut rest).split_at_mut(length);
        own.sort_by(compare);
        rest = others;
    }
    indices.sort_by(compare);
    if indices.is_sorted() {
        return Ok(all);
    }
    Ok(take_record_batch(&all, &UInt32Array::from(indices))?)
}

#[cfg(test)]
mod tests;
