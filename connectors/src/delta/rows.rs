//! The rows of chosen data files, each with where it stands: for statements that change rows where they are.
//!
//! The provider for queries cannot tell where a row came from. This one reads the files itself and adds two columns, the file's number and
//! the row's in it. A number is the caller's; a row's is counted from 0 as it lies in the file, so a second reading finds the same row.

mod pruning;

use std::{fmt, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{DataFusionError, Result as EngineResult, ScalarValue},
    datasource::TableType,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, TableProviderFilterPushDown},
    physical_plan::{
        ExecutionPlan,
        stream::RecordBatchStreamAdapter,
        streaming::{PartitionStream, StreamingTableExec},
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
};

use self::pruning::pruned;
use super::{Snapshot, TableFile, TableSpec, compact::fitted, write::parquet_error};
use crate::{
    error::{ConnectorError, Result},
    store::Root,
};

/// The column of the file's number: `BIGINT`.
pub const FILE_COLUMN: &str = "__sluice_file";
/// The column of the row's number in its file: `BIGINT`, from 0.
pub const ROW_COLUMN: &str = "__sluice_row";

/// Some data files of a table, as a relation of the table's columns and the two that say where a row stands.
#[derive(Clone)]
pub struct FileRows {
    table: Arc<Table>,
    /// By number.
    files: Arc<Vec<(i64, TableFile)>>,
    schema: SchemaRef,
}

#[derive(Debug)]
struct Table {
    root: Root,
    path: String,
    spec: TableSpec,
}

impl fmt::Debug for FileRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileRows({} of {})", self.files.len(), self.table.path)
    }
}

impl FileRows {
    /// These files of the table, which are live in the snapshot.
    pub fn new(snapshot: &Snapshot, files: Vec<(i64, TableFile)>) -> Self {
        let (log, _) = snapshot.parts();
        let spec = snapshot.spec().clone();
        let mut fields: Vec<Arc<Field>> = spec.schema.fields().iter().cloned().collect();
        for name in [FILE_COLUMN, ROW_COLUMN] {
            fields.push(Arc::new(Field::new(name, DataType::Int64, false)));
        }
        Self {
            table: Arc::new(Table {
                root: log.root.clone(),
                path: log.path.clone(),
                spec,
            }),
            files: Arc::new(files),
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// The rows of one of the files, in the table's columns.
    ///
    /// # Errors
    /// `NotFound` for a number that none of them has, `DataLost` where the file is gone.
    pub async fn file(&self, number: i64) -> Result<FileBatches> {
        let file = self.files.iter().find(|(known, _)| *known == number);
        let (_, file) = file.ok_or_else(|| ConnectorError::NotFound {
            message: format!("{} has no file number {number}", self.table.path),
            hint: None,
        })?;
        let schema = Arc::clone(&self.table.spec.schema);
        FileBatches::open(&self.table, number, file, schema).await
    }
}

#[async_trait]
impl TableProvider for FileRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        // They choose files, not rows.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(wanted) => Arc::new(self.schema.project(wanted)?),
            None => Arc::clone(&self.schema),
        };
        let partitions = &self.table.spec.partition_columns;
        let files = pruned(session, &self.files, &self.schema, partitions, filters)?;
        let ways = session
            .config()
            .target_partitions()
            .clamp(1, files.len().max(1));
        let partitions = (0..ways).map(|way| {
            Arc::new(Part {
                table: Arc::clone(&self.table),
                files: files.iter().skip(way).step_by(ways).cloned().collect(),
                schema: Arc::clone(&schema),
            }) as Arc<dyn PartitionStream>
        });
        let plan = StreamingTableExec::try_new(
            Arc::clone(&schema),
            partitions.collect(),
            None,
            None,
            false,
            limit,
        )?;
        Ok(Arc::new(plan))
    }
}

/// Files that are read one after the other.
#[derive(Debug)]
struct Part {
    table: Arc<Table>,
    files: Vec<(i64, TableFile)>,
    schema: SchemaRef,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (table, schema) = (Arc::clone(&self.table), Arc::clone(&self.schema));
        let batches = stream::iter(self.files.clone())
            .then(move |(number, file)| {
                let (table, schema) = (Arc::clone(&table), Arc::clone(&schema));
                async move { FileBatches::open(&table, number, &file, schema).await }
            })
            .map_ok(stream::iter)
            .try_flatten()
            .map_err(|error| DataFusionError::External(Box::new(error)));
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        ))
    }
}

/// The rows of one file, batch after batch in the order of the file.
pub struct FileBatches {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    /// What is the same in all rows, by column of the schema: the file's number, values of partition columns.
    constant: Vec<Option<ScalarValue>>,
    next_row: i64,
    path: String,
}

impl FileBatches {
    async fn open(table: &Table, number: i64, file: &TableFile, schema: SchemaRef) -> Result<Self> {
        let path = format!("{}/{}", table.path, file.path);
        let bytes = table.root.read(&path).await?;
        let bytes = bytes.ok_or_else(|| ConnectorError::DataLost {
            message: format!("data file {path} is not there any more"),
            hint: Some("Somebody has deleted it; put it back.".into()),
        })?;
        let constant = schema
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                FILE_COLUMN => Ok(Some(ScalarValue::Int64(Some(number)))),
                name if table
                    .spec
                    .partition_columns
                    .iter()
                    .any(|column| column == name) =>
                {
                    partition_value(file, field).map(Some)
                }
                _ => Ok(None),
            })
            .collect::<Result<Vec<_>>>()?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)
            .map_err(|error| parquet_error(&error))?;
        let wanted: Vec<usize> = builder
            .parquet_schema()
            .root_schema()
            .get_fields()
            .iter()
            .enumerate()
            .filter(|(_, column)| schema.field_with_name(column.name()).is_ok())
            .map(|(place, _)| place)
            .collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let reader = builder
            .with_projection(mask)
            .build()
            .map_err(|error| parquet_error(&error))?;
        Ok(Self {
            reader,
            schema,
            constant,
            next_row: 0,
            path,
        })
    }

    fn fit(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let first = self.next_row;
        self.next_row += rows as i64;
        let columns = self.schema.fields().iter().zip(&self.constant);
        let columns = columns.map(|(field, constant)| -> Result<ArrayRef> {
            match constant {
                Some(value) => value.to_array_of_size(rows).map_err(unexpected),
                None if field.name() == ROW_COLUMN => {
                    let numbers = first..self.next_row;
                    Ok(Arc::new(Int64Array::from_iter_values(numbers)))
                }
                None => fitted(batch, field, &self.path),
            }
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

impl Iterator for FileBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(
            batch
                .map_err(ConnectorError::from)
                .and_then(|batch| self.fit(&batch)),
        )
    }
}

/// The value that all rows of a file have in a partition column.
fn partition_value(file: &TableFile, field: &Field) -> Result<ScalarValue> {
    let text = file.partition_values.get(field.name()).cloned().flatten();
    let text: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let value = cast(&text, field.data_type())?;
    ScalarValue::try_from_array(&value, 0).map_err(unexpected)
}

fn unexpected(error: DataFusionError) -> ConnectorError {
    ConnectorError::Corrupt {
        message: format!("rows of a data file: {error}"),
    }
}
