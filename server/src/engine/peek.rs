//! `SELECT … FROM a stream`: a bounded look, from the start to the end as it was when the look began.

use std::{sync::Arc, time::Duration};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};
use async_trait::async_trait;
use datafusion::{
    common::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{
        ExecutionPlan,
        stream::RecordBatchStreamAdapter,
        streaming::{PartitionStream, StreamingTableExec},
    },
};
use sluice_connectors::source::{ReadRequest, Source, SourceEvent, SourceReader};
use sluice_planner::{PlanError, StreamPeek};

use super::StreamRuntime;
use crate::{
    error::{Error, SqlState},
    root::storage_error,
    table::external,
};

/// How long a look may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Looks into one stream.
#[derive(Debug)]
pub(super) struct Peek {
    name: String,
    source: Arc<dyn Source>,
    schema: SchemaRef,
}

impl Peek {
    pub(super) fn new(stream: &StreamRuntime) -> Self {
        Self {
            name: stream.name.to_string(),
            source: Arc::clone(&stream.source),
            schema: Arc::clone(&stream.definition.columns),
        }
    }
}

#[async_trait]
impl StreamPeek for Peek {
    async fn peek(
        &self,
        columns: &[String],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, PlanError> {
        let fields = columns
            .iter()
            .map(|column| self.schema.field_with_name(column).cloned())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| PlanError::internal(error.to_string()))?;
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let partition = Arc::new(PeekStream {
            name: self.name.clone(),
            source: Arc::clone(&self.source),
            schema: Arc::clone(&schema),
            columns: columns.to_vec(),
        });
        let plan = StreamingTableExec::try_new(schema, vec![partition], None, None, false, limit)
            .map_err(PlanError::from)?;
        Ok(Arc::new(plan))
    }
}

/// The rows of a look, read when they are asked for.
#[derive(Debug)]
struct PeekStream {
    name: String,
    source: Arc<dyn Source>,
    schema: SchemaRef,
    columns: Vec<String>,
}

impl PartitionStream for PeekStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let source = Arc::clone(&self.source);
        let columns = self.columns.clone();
        let name = self.name.clone();
        let deadline = tokio::time::Instant::now() + TIME_LIMIT;
        let rows = futures::stream::try_unfold(Look::Begin { source, columns }, move |look| {
            let name = name.clone();
            async move {
                tokio::time::timeout_at(deadline, look.next())
                    .await
                    .map_err(|_| too_long(&name))?
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            rows,
        ))
    }
}

/// A look in progress.
enum Look {
    Begin {
        source: Arc<dyn Source>,
        columns: Vec<String>,
    },
    Reading {
        reader: SourceReader,
        unfinished: usize,
    },
}

impl Look {
    async fn next(self) -> Result<Option<(RecordBatch, Self)>> {
        let (mut reader, mut unfinished) = match self {
            Self::Begin { source, columns } => begin(source.as_ref(), columns).await?,
            Self::Reading { reader, unfinished } => (reader, unfinished),
        };
        while unfinished > 0 {
            match reader.events.recv().await {
                Some(SourceEvent::Batch(batch)) => {
                    reader.release(&batch);
                    if batch.rows.num_rows() > 0 {
                        return Ok(Some((batch.rows, Self::Reading { reader, unfinished })));
                    }
                }
                Some(SourceEvent::Finished { .. }) => unfinished -= 1,
                Some(SourceEvent::Failed(error) | SourceEvent::Trouble(error)) => {
                    return Err(external(storage_error(error)));
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok(None)
    }
}

async fn begin(source: &dyn Source, columns: Vec<String>) -> Result<(SourceReader, usize)> {
    let splits = source
        .probe()
        .await
        .map_err(|error| external(storage_error(error)))?;
    let until: std::collections::BTreeMap<_, _> = splits
        .into_iter()
        .map(|info| (info.split, info.end_offset))
        .collect();
    let unfinished = until.len();
    let reader = source
        .read(ReadRequest {
            columns,
            positions: Vec::new(),
            until,
            inbox_bytes: 8 << 20,
            batch_rows: 1024,
        })
        .map_err(|error| external(storage_error(error)))?;
    Ok((reader, unfinished))
}

fn too_long(name: &str) -> DataFusionError {
    external(
        Error::user(
            SqlState::QueryCanceled,
            format!(
                "looking into stream \"{name}\" took longer than {} seconds",
                TIME_LIMIT.as_secs()
            ),
        )
        .with_hint("Add LIMIT, or aggregate the stream in a continuous table."),
    )
}
