//! A data file read from front to back in stretches of a bounded size, so that a file of any size costs the memory of one stretch.
//!
//! A stretch is a range of rows, of which the file's offset index tells the pages; files without one are small. Where two stretches meet a
//! page is read for both, which is why a stretch has many of them.

use std::{ops::Range, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use bytes::Bytes;
use futures::{FutureExt, TryStreamExt, future::BoxFuture};
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, path::Path};
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection},
        async_reader::{AsyncFileReader, ParquetRecordBatchStream},
    },
    errors::{ParquetError, Result as ParquetResult},
    file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
};

use crate::{
    delta::compact::fitted,
    error::{ConnectorError, Result},
    store::{Root, storage_error},
};

/// Bytes of the file that a stretch has, about.
const STRETCH_BYTES: usize = 2 << 20;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 8192;

/// The end of a file, where most of them have all that tells what is where.
const FOOTER_BYTES: usize = 32 << 10;

/// A data file in its store.
#[derive(Clone)]
struct Object {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

impl AsyncFileReader for Object {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move { Ok(self.store.get_range(&self.path, range).await?) }.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move { Ok(self.store.get_ranges(&self.path, &ranges).await?) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let size = self.size;
            let metadata = ParquetMetaDataReader::new()
                .with_prefetch_hint(Some(FOOTER_BYTES))
                .with_arrow_reader_options(options)
                .load_and_finish(self, size)
                .await?;
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}

/// A data file that is being read.
pub(super) struct Stretches {
    object: Object,
    metadata: ArrowReaderMetadata,
    schema: SchemaRef,
    rows: usize,
    /// Rows of a stretch.
    length: usize,
    /// The next row that was not given yet.
    at: usize,
    /// The stretch that is being decoded, and where it ends.
    open: Option<(ParquetRecordBatchStream<Object>, usize)>,
    /// What was decoded and not given yet.
    decoded: Option<RecordBatch>,
}

impl Stretches {
    /// Of the file of this size at `path` below the root, whose columns become those of `schema`; `None` where it is not there any more.
    pub(super) async fn open(
        root: &Root,
        path: &str,
        size: i64,
        schema: SchemaRef,
    ) -> Result<Option<Self>> {
        let mut object = Object {
            store: Arc::clone(&root.store),
            path: Path::parse(path).map_err(|error| ConnectorError::Corrupt {
                message: format!("a data file's path in the log is not usable: {error}"),
            })?,
            size: size.unsigned_abs(),
        };
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = match ArrowReaderMetadata::load_async(&mut object, options).await {
            Ok(metadata) => metadata,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(read_error(path, error)),
        };
        let rows = metadata.metadata().file_metadata().num_rows();
        let rows = usize::try_from(rows).unwrap_or_default();
        let stretches = usize::try_from(object.size).unwrap_or(usize::MAX) / STRETCH_BYTES + 1;
        Ok(Some(Self {
            object,
            metadata,
            schema,
            rows,
            length: (rows / stretches).max(1),
            at: 0,
            open: None,
            decoded: None,
        }))
    }

    /// How many rows it has.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that it holds in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let decoded = self.decoded.as_ref();
        let decoded = decoded.map_or(0, RecordBatch::get_array_memory_size);
        let stretch = self.open.as_ref().map_or(0, |_| STRETCH_BYTES);
        let size = usize::try_from(self.object.size).unwrap_or(usize::MAX);
        self.metadata.metadata().memory_size() + stretch.min(size) + decoded
    }

    /// The rows from one on, one at least and so many at most; `None` where the file is not there any more.
    pub(super) async fn read(&mut self, from: usize, most: usize) -> Result<Option<RecordBatch>> {
        if from != self.at {
            (self.at, self.open, self.decoded) = (from, None, None);
        }
        loop {
            if let Some(batch) = self.decoded.take() {
                let rows = most.min(batch.num_rows());
                if rows < batch.num_rows() {
                    self.decoded = Some(batch.slice(rows, batch.num_rows() - rows));
                }
                self.at += rows;
                return Ok(Some(batch.slice(0, rows)));
            }
            if self.open.is_none() {
                self.open = Some(self.begin()?);
            }
            let Some((stream, end)) = &mut self.open else {
                continue;
            };
            let end = *end;
            match stream.try_next().await {
                Ok(Some(batch)) => self.decoded = self.conformed(&batch)?,
                Ok(None) if self.at == end => self.open = None,
                Ok(None) => return Err(self.corrupt("has fewer rows than it says")),
                Err(error) if is_gone(&error) => return Ok(None),
                Err(error) => return Err(read_error(self.object.path.as_ref(), error)),
            }
        }
    }

    /// The stretch from the next row on.
    fn begin(&self) -> Result<(ParquetRecordBatchStream<Object>, usize)> {
        let end = self.rows.min(self.at + self.length);
        if self.at >= end {
            return Err(self.corrupt("has fewer rows than the log says"));
        }
        let range = std::iter::once(self.at..end);
        let selection = RowSelection::from_consecutive_ranges(range, self.rows);
        let (object, metadata) = (self.object.clone(), self.metadata.clone());
        let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(object, metadata)
            .with_batch_size(BATCH_ROWS.min(self.length))
            .with_row_selection(selection)
            .build()
            .map_err(|error| read_error(self.object.path.as_ref(), error))?;
        Ok((stream, end))
    }

    /// In the table's columns; `None` for no rows.
    fn conformed(&self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let path = self.object.path.as_ref();
        let columns = self.schema.fields().iter();
        let columns = columns.map(|field| fitted(batch, field, path));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(Some(RecordBatch::try_new(
            Arc::clone(&self.schema),
            columns,
        )?))
    }

    fn corrupt(&self, what: &str) -> ConnectorError {
        ConnectorError::Corrupt {
            message: format!("data file {} {what}", self.object.path),
        }
    }
}

/// Whether there is no such file.
fn is_gone(error: &ParquetError) -> bool {
    let ParquetError::External(cause) = error else {
        return false;
    };
    let cause = cause.downcast_ref::<StoreError>();
    matches!(cause, Some(StoreError::NotFound { .. }))
}

fn read_error(path: &str, error: ParquetError) -> ConnectorError {
    let error = match error {
        ParquetError::External(cause) => match cause.downcast::<StoreError>() {
            Ok(error) => return storage_error(&format!("read {path}"), *error),
            Err(cause) => ParquetError::External(cause),
        },
        error => error,
    };
    ConnectorError::Corrupt {
        message: format!("data file {path} cannot be read: {error}"),
    }
}
