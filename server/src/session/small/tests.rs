//! Which statements are small, and a plan that panics.
#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
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
        let rows = stream::once(async { unreachable!("as it must") });
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

#[tokio::test]
async fn a_plan_of_few_plain_steps_is_made_soon() {
    let context = SessionContext::new();
    let columns = [("a", DataType::Int64), ("b", DataType::Utf8)];
    let columns = columns.map(|(name, data_type)| Field::new(name, data_type, true));
    let empty = RecordBatch::new_empty(Arc::new(Schema::new(columns.to_vec())));
    context.register_batch("t", empty).unwrap();
    let soon = async |sql: &str| {
        let frame = context.sql(sql).await.unwrap();
        is_planned_soon(frame.logical_plan()).unwrap()
    };
    let many = vec!["SELECT a FROM t"; 40].join(" UNION ALL ");
    let sums: Vec<_> = (0..300).map(|n| format!("a + {n}")).collect();
    let long = format!("SELECT {} FROM t", sums.join(", "));
    for (sql, expected) in [
        ("SELECT 1", true),
        (
            "SELECT b, max(a) FROM t WHERE a > 7 GROUP BY b ORDER BY b LIMIT 3",
            true,
        ),
        ("SELECT DISTINCT b FROM t UNION ALL SELECT b FROM t", true),
        ("SELECT x.a FROM t x JOIN t y ON x.a = y.a", false),
        ("SELECT a FROM t WHERE a IN (SELECT a FROM t)", false),
        ("SELECT (SELECT max(a) FROM t)", false),
        ("SELECT a, row_number() OVER (ORDER BY a) FROM t", false),
        ("SELECT length(repeat(b, 30000)) FROM t", false),
        (many.as_str(), false),
        (long.as_str(), false),
    ] {
        assert_eq!(soon(sql).await, expected, "{sql}");
    }
}
