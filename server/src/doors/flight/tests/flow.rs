//! Rows on their way: not ahead of the client, not for a client that is gone.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::{
    catalog::streaming::StreamingTable,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchStreamAdapter, streaming::PartitionStream},
};
use futures::stream;

use super::*;

/// A relation of batches without end that counts what is taken of it.
#[derive(Debug)]
struct Spring {
    schema: SchemaRef,
    taken: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

/// One open stream of it.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl PartitionStream for Spring {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(Arc::clone(&self.open));
        let taken = Arc::clone(&self.taken);
        let schema = Arc::clone(&self.schema);
        // 64 KiB a batch.
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..8192));
        let batches = stream::repeat_with(move || {
            let _open = &open;
            taken.fetch_add(1, Ordering::SeqCst);
            Ok(RecordBatch::try_new(schema.clone(), vec![column.clone()]).unwrap())
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}

#[derive(Default)]
struct Springs {
    taken: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Sessions for Springs {
    fn login(&self, user: &str) -> Login {
        Login::trusted(user)
    }

    fn open(&self, user: &str, _: &str, door: Door) -> Result<Arc<Session>> {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let spring = Spring {
            schema: Arc::clone(&schema),
            taken: Arc::clone(&self.taken),
            open: Arc::clone(&self.open),
        };
        let table = StreamingTable::try_new(schema, vec![Arc::new(spring)]).unwrap();
        let context = SessionContext::new();
        context
            .register_table("spring", Arc::new(table.with_infinite_table(true)))
            .unwrap();
        Ok(Arc::new(Session::over(
            crate::engine::for_tests(),
            context,
            user,
            door,
        )))
    }
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not after five seconds: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_stops_the_query_and_one_that_leaves_ends_it() {
    let springs = Arc::new(Springs::default());
    let served = served_by(springs.clone()).await;
    let mut client = served.log_in().await;
    let info = client
        .execute("SELECT n FROM spring".into(), None)
        .await
        .unwrap();
    // Nothing runs before the ticket is redeemed.
    assert_eq!(springs.open.load(Ordering::SeqCst), 0);
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut rows = client.do_get(ticket).await.unwrap();
    rows.try_next().await.unwrap().unwrap();
    assert_eq!(springs.open.load(Ordering::SeqCst), 1);

    // Not read any more: what is on its way stays within the windows of the connection.
    let mut before = 0;
    eventually("the query stands still", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = springs.taken.load(Ordering::SeqCst);
        std::mem::replace(&mut before, now) == now
    })
    .await;
    let taken = springs.taken.load(Ordering::SeqCst);
    assert!(
        taken < 200,
        "{taken} batches of 64 KiB wait for a client that does not read"
    );

    drop(rows);
    drop(client);
    eventually("the query's stream is dropped", || {
        springs.open.load(Ordering::SeqCst) == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_session_ends_what_runs_in_it() {
    let springs = Arc::new(Springs::default());
    let served = served_by(springs.clone()).await;
    let mut client = served.log_in().await;
    let info = client
        .execute("SELECT n FROM spring".into(), None)
        .await
        .unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut rows = client.do_get(ticket).await.unwrap();
    rows.try_next().await.unwrap().unwrap();
    let mut closing = served.connect().await;
    closing.set_token(client.token().unwrap().clone());
    let close = arrow_flight::Action::new("CloseSession", vec![]);
    closing.do_action(close).await.unwrap();
    let error = status(rows.try_for_each(|_| async { Ok(()) }).await.unwrap_err());
    assert_eq!(error.code(), Code::Cancelled);
    eventually("the query's stream is dropped", || {
        springs.open.load(Ordering::SeqCst) == 0
    })
    .await;
}
