//! A plan that panics.
#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::{
    catalog::streaming::StreamingTable, physical_plan::streaming::PartitionStream,
    prelude::SessionContext,
};
use futures::stream;

use super::*;

#[derive(Debug)]
struct Panics(SchemaRef);

impl PartitionStream for Panics {
    fn schema(&self) -> &SchemaRef {
        &self.0
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = stream::once(async { panic!("as it must") });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.0), rows))
    }
}

#[tokio::test]
async fn a_query_that_panics_ends_with_an_error() {
    let schema = Arc::new(Schema::empty());
    let panics = Arc::new(Panics(Arc::clone(&schema)));
    let table = StreamingTable::try_new(schema, vec![panics]).unwrap();
    let context = SessionContext::new();
    let frame = context.read_table(Arc::new(table)).unwrap();
    let plan = frame.create_physical_plan().await.unwrap();
    let mut rows = run_here(plan, context.task_ctx()).unwrap();
    let error = rows.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("has broken down"), "{error}");
    assert!(rows.next().await.is_none());
}
