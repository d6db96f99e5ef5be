//! Rows into a table, any number of them, in one commit at the end.
//!
//! Until then their files are named by no version, and [`UnderWay`] keeps a vacuum from them.

use std::sync::Arc;

use arrow::{
    array::{Array, RecordBatch},
    datatypes::SchemaRef,
    util::display::{ArrayFormatter, FormatOptions},
};
use serde_json::Map;
use sluice_connectors::{
    delta::{DataFile, DeltaSink, TableSpec},
    error::ConnectorError,
    failpoint,
};

use super::{Target, as_declared, commit_error, under_way::UnderWay};
use crate::{
    error::{Error, Result, SqlState},
    root::storage_error,
};

/// Bytes of rows that go into one round of files.
const ROUND_BYTES: usize = 64 << 20;

/// Rows on their way into a table. Dropped before [`Append::finish`], it leaves nothing.
#[derive(Debug)]
pub(crate) struct Append {
    target: Target,
    sink: DeltaSink,
    spec: TableSpec,
    files: Vec<DataFile>,
    round: Vec<RecordBatch>,
    bytes: usize,
    rows: u64,
    under_way: Arc<UnderWay>,
}

impl Append {
    /// Begins to write to the table.
    pub(crate) async fn begin(target: Target) -> Result<Self> {
        let sink = open(&target).await?;
        let under_way = target.engine.writings().of(target.table.path());
        Ok(Self {
            spec: sink.spec().clone(),
            sink,
            target,
            files: Vec::new(),
            round: Vec::new(),
            bytes: 0,
            rows: 0,
            under_way,
        })
    }

    /// The table's columns: those of the rows to be given.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.spec.schema)
    }

    /// Takes rows: all of the table's columns in their order.
    pub(crate) async fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let batch = in_columns(&self.target, &self.spec.schema, &batch)?;
        self.rows += batch.num_rows() as u64;
        self.bytes += batch.get_array_memory_size();
        self.round.push(batch);
        if self.bytes >= ROUND_BYTES {
            self.write().await?;
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<()> {
        let round = std::mem::take(&mut self.round);
        self.bytes = 0;
        let work = async {
            let files = self.sink.write_files(&round, "insert").await;
            files.map_err(storage_error)
        };
        let files = self.under_way.write(work).await?;
        self.files.extend(files);
        Ok(())
    }

    /// Writes what is left, for a caller that may still change its mind: [`Append::finish`] then only commits.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        match self.round.is_empty() {
            true => Ok(()),
            false => self.write().await,
        }
    }

    /// Makes the rows part of the table; how many they were. Must not be dropped half way.
    pub(crate) async fn finish(mut self) -> Result<u64> {
        self.flush().await?;
        if self.files.is_empty() {
            return Ok(0);
        }
        let target = self.target.clone();
        let _turn = target.table.queue().lock().await;
        target.engine.holding().confirm().await?;
        let mut sink = open(&target).await?;
        let now = sink.spec();
        if now.schema != self.spec.schema || now.partition_columns != self.spec.partition_columns {
            return Err(Error::user(
                SqlState::SerializationFailure,
                format!("table \"{}\" was altered meanwhile", target.name),
            )
            .with_hint("Nothing was written; run the statement again."));
        }
        failpoint::hit("write.commit").map_err(storage_error)?;
        // From here on nobody but the log knows whose the files are.
        let files = std::mem::take(&mut self.files);
        let committed = sink.commit(&files, None, &Map::new()).await;
        self.under_way.end(&files);
        if let Err(error) = committed {
            if matches!(error, ConnectorError::Conflict { .. }) {
                self.files = files;
            }
            return Err(commit_error(&target.name, error));
        }
        target.table.refresh().await?;
        Ok(self.rows)
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        self.under_way.end(&self.files);
        forget(&self.target, std::mem::take(&mut self.files));
    }
}

/// Deletes files that came into no version; what cannot be deleted goes with a vacuum.
pub(super) fn forget(target: &Target, files: Vec<DataFile>) {
    if files.is_empty() {
        return;
    }
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let (root, folder) = (target.engine.root().clone(), target.table.path().to_owned());
    runtime.spawn(async move {
        for file in files {
            if let Err(error) = root.delete(&format!("{folder}/{}", file.path())).await {
                tracing::info!("a file of a statement that failed stays for a while: {error}");
            }
        }
    });
}

/// The table as it is now, to be written to.
async fn open(target: &Target) -> Result<DeltaSink> {
    target.table.sink().await?.ok_or_else(|| {
        Error::outside(
            SqlState::UndefinedTable,
            format!("the Delta folder of table \"{}\" is gone", target.name),
        )
    })
}

/// The rows under the table's own fields, which they must fit.
pub(super) fn in_columns(
    target: &Target,
    schema: &SchemaRef,
    batch: &RecordBatch,
) -> Result<RecordBatch> {
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(null_in(target, field.name(), batch, column.as_ref()));
        }
    }
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns.map(|(field, column)| as_declared(field, column));
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_>>()?)
        .map_err(|error| Error::internal(format!("rows for \"{}\": {error}", target.name)))
}

fn null_in(target: &Target, name: &str, batch: &RecordBatch, column: &dyn Array) -> Error {
    let row = (0..column.len())
        .find(|row| column.is_null(*row))
        .unwrap_or(0);
    let options = FormatOptions::default().with_null("null");
    let values: Vec<String> = batch
        .columns()
        .iter()
        .map(|column| match ArrayFormatter::try_new(column, &options) {
            Ok(shown) => shown.value(row).to_string(),
            Err(_) => "…".into(),
        })
        .collect();
    Error::user(
        SqlState::NotNullViolation,
        format!(
            "null value in column \"{name}\" of relation \"{}\" violates not-null constraint",
            target.name.name
        ),
    )
    .with_detail(format!("Failing row contains ({}).", values.join(", ")))
}
