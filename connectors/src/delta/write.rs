//! Rows to data files.
//!
//! A file is encoded in memory and put whole: nothing half written can be seen, and a store of any kind makes it durable with one
//! request. Files end at a size that keeps that affordable. Encoding runs off the async threads.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    compute::cast,
    datatypes::{DataType, SchemaRef},
};
use bytes::Bytes;
use deltalake::kernel::Add;
use futures::{StreamExt, TryStreamExt};
use parquet::{
    arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions},
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::{EnabledStatistics, WriterProperties},
};
use uuid::Uuid;

use super::{DataFile, TableSpec, epochs::Epochs, partition, stats::Gathered};
use crate::{
    error::{ConnectorError, Result},
    failpoint,
    store::Root,
};

/// Encoded bytes after which a file ends and the next begins.
pub(super) const FILE_BYTES: usize = 64 << 20;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// So few rows that starting Zstandard for each column would cost more than all else: merged soon, read often until then.
    Few,
    /// In a hurry: a large commit, or a merge that is merged again.
    Quick,
    /// For good.
    Tight,
}

/// Rows in memory up to which they are [`Packing::Few`], and encoded where they are: to hand them to another thread would cost as much.
const FEW_BYTES: usize = 256 << 10;

/// Rows between two looks at a file's size.
const STEP_ROWS: usize = 65_536;

/// Files put at the same time: their syncs wait for the disk together.
const PUTS: usize = 8;

/// Writes rows as data files below `path`; all of them are durable on return. Where the rows are of epochs, the files say which of theirs
/// are of which.
pub(super) async fn write_files(
    root: &Root,
    path: &str,
    spec: &TableSpec,
    rows: impl Iterator<Item = (Option<i64>, &RecordBatch)>,
    tag: &str,
) -> Result<Vec<DataFile>> {
    let rows = rows.filter(|(_, batch)| batch.num_rows() > 0);
    let rows: Vec<(Option<i64>, RecordBatch)> = rows
        .map(|(epoch, batch)| Ok((epoch, conform(batch, spec)?)))
        .collect::<Result<_>>()?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (epochs, rows): (Vec<Option<i64>>, Vec<RecordBatch>) = rows.into_iter().unzip();
    let tag = file_tag(tag);
    let bytes: usize = rows.iter().map(RecordBatch::get_array_memory_size).sum();
    let encoded = if bytes <= FEW_BYTES {
        encode(spec, Packing::Few, &epochs, &rows, &tag)?
    } else {
        let spec = spec.clone();
        blocking(path, move || {
            encode(&spec, Packing::Quick, &epochs, &rows, &tag)
        })
        .await?
    };
    put_all(root, path, encoded).await
}

/// Writes rows of one partition, without its columns and in the order they have, as data files that hold what others held before: no
/// change of data, to those who follow the table's changes.
pub(super) async fn rewrite_files(
    root: &Root,
    path: &str,
    spec: &TableSpec,
    values: &partition::Values,
    rows: RecordBatch,
    packing: Packing,
) -> Result<Vec<DataFile>> {
    let (spec, values) = (spec.clone(), values.clone());
    let encoded = blocking(path, move || {
        let mut files = Files::new(&spec, packing, "merged");
        files.add(&values, std::iter::once(Ok((None, rows))))?;
        Ok(files.done)
    })
    .await?;
    let encoded = encoded.into_iter().map(|(mut add, bytes)| {
        add.data_change = false;
        (add, bytes)
    });
    put_all(root, path, encoded.collect()).await
}

/// Runs what keeps a processor busy off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    path: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ConnectorError::Storage {
            message: format!("the writer of data files of {path} ended: {error}"),
            retry: false,
        })?
}

async fn put_all(root: &Root, path: &str, encoded: Vec<(Add, Bytes)>) -> Result<Vec<DataFile>> {
    futures::stream::iter(encoded)
        .map(|(add, bytes)| async move {
            failpoint::hit("data.put")?;
            root.put(&format!("{path}/{}", add.path), bytes).await?;
            Ok(DataFile { add })
        })
        .buffered(PUTS)
        .try_collect()
        .await
}

/// A batch with exactly the table's columns, by name, in the table's types.
fn conform(batch: &RecordBatch, spec: &TableSpec) -> Result<RecordBatch> {
    let wrong = |message: String| ConnectorError::Option {
        message,
        hint: Some("The rows must have the table's columns; was the table defined anew?".into()),
    };
    if batch.num_columns() != spec.schema.fields().len() {
        return Err(wrong(format!(
            "rows of {} columns do not fit a table of {}",
            batch.num_columns(),
            spec.schema.fields().len()
        )));
    }
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for field in spec.schema.fields() {
        let column = batch.column_by_name(field.name()).ok_or_else(|| {
            wrong(format!(
                "column \"{}\" is missing from the rows",
                field.name()
            ))
        })?;
        let column = if column.data_type() == field.data_type() {
            Arc::clone(column)
        } else if same_kind(column.data_type(), field.data_type()) {
            cast(column, field.data_type())?
        } else {
            return Err(wrong(format!(
                "column \"{}\" has type {} in the rows and {} in the table",
                field.name(),
                column.data_type(),
                field.data_type()
            )));
        };
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(wrong(format!(
                "column \"{}\" is NOT NULL and has a null in the rows",
                field.name()
            )));
        }
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::clone(&spec.schema), columns)?)
}

/// Whether a cast between the two keeps every value (a timestamp's nanoseconds aside).
pub(super) fn same_kind(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Dictionary(_, value), to) => value.as_ref() == to || same_kind(value, to),
        (DataType::LargeUtf8 | DataType::Utf8View, DataType::Utf8)
        | (
            DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_),
            DataType::Binary,
        )
        | (DataType::Date64, DataType::Date32)
        | (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, Some(_)))
        | (DataType::Timestamp(_, None), DataType::Timestamp(_, None)) => true,
        (
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal256(p, s),
            DataType::Decimal128(p2, s2),
        ) => p == p2 && s == s2,
        (DataType::List(_) | DataType::LargeList(_) | DataType::ListView(_), DataType::List(_))
        | (DataType::FixedSizeList(..), DataType::List(_))
        | (DataType::Map(..), DataType::Map(..)) => true,
        (DataType::Struct(from), DataType::Struct(to)) => {
            from.len() == to.len() && from.iter().zip(to).all(|(a, b)| a.name() == b.name())
        }
        _ => false,
    }
}

/// The caller's tag as part of a file's name.
fn file_tag(tag: &str) -> String {
    tag.chars()
        .take(100)
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn encode(
    spec: &TableSpec,
    packing: Packing,
    epochs: &[Option<i64>],
    rows: &[RecordBatch],
    tag: &str,
) -> Result<Vec<(Add, Bytes)>> {
    let mut files = Files::new(spec, packing, tag);
    let indices: Vec<usize> = files
        .schema
        .fields()
        .iter()
        .map(|field| spec.schema.index_of(field.name()))
        .collect::<Result<_, _>>()?;
    for (values, batches) in partition::split(spec, rows)? {
        let batches = batches.iter().map(|(number, batch)| {
            let epoch = epochs.get(*number).copied().flatten();
            Ok((epoch, batch.project(&indices)?))
        });
        files.add(&values, batches)?;
    }
    Ok(files.done)
}

/// Files being encoded, partition after partition.
struct Files<'a> {
    spec: &'a TableSpec,
    schema: SchemaRef,
    packing: Packing,
    tag: &'a str,
    done: Vec<(Add, Bytes)>,
}

impl<'a> Files<'a> {
    fn new(spec: &'a TableSpec, packing: Packing, tag: &'a str) -> Self {
        Self {
            spec,
            schema: Arc::new(spec.file_schema()),
            packing,
            tag,
            done: Vec::new(),
        }
    }

    /// Adds the rows of one partition, without the partition columns.
    fn add(
        &mut self,
        values: &partition::Values,
        batches: impl Iterator<Item = Result<(Option<i64>, RecordBatch)>>,
    ) -> Result<()> {
        let mut open: Option<OpenFile> = None;
        for batch in batches {
            let (epoch, batch) = batch?;
            for start in (0..batch.num_rows()).step_by(STEP_ROWS) {
                let step = batch.slice(start, STEP_ROWS.min(batch.num_rows() - start));
                let mut file = match open.take() {
                    Some(file) => file,
                    None => OpenFile::begin(&self.schema, self.spec, self.packing)?,
                };
                file.add(epoch, &step)?;
                if file.bytes() < FILE_BYTES {
                    open = Some(file);
                } else {
                    self.end(file, values)?;
                }
            }
        }
        match open {
            Some(file) => self.end(file, values),
            None => Ok(()),
        }
    }

    fn end(&mut self, file: OpenFile, values: &partition::Values) -> Result<()> {
        let folder = partition::folder(values);
        let name = file_name(self.done.len(), self.tag, self.packing);
        let name = format!("{folder}{name}");
        self.done.push(file.finish(name, values)?);
        Ok(())
    }
}

fn file_name(number: usize, tag: &str, packing: Packing) -> String {
    let codec = match packing {
        Packing::Few => "snappy",
        Packing::Quick | Packing::Tight => "zstd",
    };
    format!(
        "part-{number:05}-{tag}-{}.{codec}.parquet",
        Uuid::new_v4().simple()
    )
}

impl Packing {
    fn properties(self) -> Result<WriterProperties> {
        let zstandard = |level| {
            let level = ZstdLevel::try_new(level).map_err(|error| parquet_error(&error))?;
            Ok::<_, ConnectorError>(Compression::ZSTD(level))
        };
        let properties = WriterProperties::builder().set_created_by(super::log::ENGINE.to_owned());
        let properties = match self {
            // A column is one page: what the page's index would say, the column's statistics do.
            Self::Few => properties
                .set_compression(Compression::SNAPPY)
                .set_statistics_enabled(EnabledStatistics::Chunk)
                .set_offset_index_disabled(true),
            Self::Quick => properties.set_compression(zstandard(1)?),
            Self::Tight => properties.set_compression(zstandard(3)?),
        };
        Ok(properties.build())
    }
}

/// A file being encoded.
struct OpenFile {
    writer: ArrowWriter<Vec<u8>>,
    stats: Gathered,
    epochs: Epochs,
}

impl OpenFile {
    fn begin(schema: &SchemaRef, spec: &TableSpec, packing: Packing) -> Result<Self> {
        let options = ArrowWriterOptions::new()
            .with_properties(packing.properties()?)
            // Every reader takes the types from the table; the copy of the Arrow schema would only cost bytes.
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(schema), options)
            .map_err(|error| parquet_error(&error))?;
        let indexed = spec
            .properties
            .get("delta.dataSkippingNumIndexedCols")
            .map(String::as_str);
        Ok(Self {
            writer,
            stats: Gathered::new(schema.fields(), indexed),
            epochs: Epochs::default(),
        })
    }

    fn add(&mut self, epoch: Option<i64>, batch: &RecordBatch) -> Result<()> {
        self.stats.add(batch);
        self.epochs.add(epoch, batch.num_rows());
        self.writer
            .write(batch)
            .map_err(|error| parquet_error(&error))
    }

    fn bytes(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    fn finish(self, path: String, values: &partition::Values) -> Result<(Add, Bytes)> {
        let bytes = self
            .writer
            .into_inner()
            .map_err(|error| parquet_error(&error))?;
        let stats = self
            .stats
            .to_json()
            .map_err(|error| ConnectorError::Corrupt {
                message: format!("the statistics of {path} cannot be written as JSON: {error}"),
            })?;
        let size = i64::try_from(bytes.len()).map_err(|_| ConnectorError::Storage {
            message: format!("{path} is too large"),
            retry: false,
        })?;
        let add = Add {
            path,
            partition_values: values.iter().cloned().collect(),
            size,
            modification_time: chrono::Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(stats),
            tags: self.epochs.to_tags(),
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        };
        Ok((add, bytes.into()))
    }
}

pub(super) fn parquet_error(error: &ParquetError) -> ConnectorError {
    ConnectorError::Storage {
        message: format!("cannot encode a data file: {error}"),
        retry: false,
    }
}
