//! A door over plain in-memory tables.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arrow::{
    array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use datafusion::{
    catalog::{MemorySchemaProvider, streaming::StreamingTable},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchStreamAdapter, streaming::PartitionStream},
    prelude::{SessionConfig, SessionContext},
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    dialect::install,
    doors::pg::{Limits, serve_with},
    error::{Error, Result, SqlState},
    session::{Door, Login, Session, Sessions},
};

/// Sessions over [`context`].
struct Plain {
    made: Arc<AtomicUsize>,
}

impl Sessions for Plain {
    fn login(&self, user: &str) -> Login {
        Login::trusted(user)
    }

    fn open(&self, user: &str, database: &str, door: Door) -> Result<Arc<Session>> {
        if database != "sluice" {
            return Err(Error::user(
                SqlState::InvalidCatalogName,
                format!("database \"{database}\" does not exist"),
            ));
        }
        let context = context(&self.made);
        install(&context)?;
        Ok(Arc::new(Session::over(
            crate::engine::for_tests(),
            context,
            user,
            door,
        )))
    }
}

/// Schemas and tables as a Sluice has them, and `endless`, which counts the rows it makes.
fn context(made: &Arc<AtomicUsize>) -> SessionContext {
    let config = SessionConfig::new()
        .with_default_catalog_and_schema("sluice", "public")
        .with_information_schema(true)
        .set_str("datafusion.execution.time_zone", "UTC");
    let context = SessionContext::new_with_config(config);
    let catalog = context.catalog("sluice").unwrap();
    for schema in ["bronze", "silver", "gold"] {
        let empty = Arc::new(MemorySchemaProvider::new());
        catalog.register_schema(schema, empty).unwrap();
    }
    let start: ArrayRef = Arc::new(
        TimestampMicrosecondArray::from(vec![1_795_366_800_123_000, 1_795_366_860_000_000])
            .with_timezone("UTC"),
    );
    let kinds: ArrayRef = Arc::new(StringArray::from(vec![Some("click"), None]));
    let counts: ArrayRef = Arc::new(Int64Array::from(vec![7, 9]));
    let averages: ArrayRef = Arc::new(Float64Array::from(vec![1.5, f64::NAN]));
    let columns = [
        ("window_start", start),
        ("event_type", kinds),
        ("event_count", counts),
        ("avg_value", averages),
    ];
    let columns = columns.map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    for table in ["gold.metrics", "public.orders", "silver.sessions"] {
        context.register_batch(table, batch.clone()).unwrap();
    }
    let endless = Endless {
        schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)])),
        made: Arc::clone(made),
    };
    let schema = Arc::clone(&endless.schema);
    let table = StreamingTable::try_new(schema, vec![Arc::new(endless)]).unwrap();
    context.register_table("endless", Arc::new(table)).unwrap();
    context
}

/// Rows without end.
#[derive(Debug)]
struct Endless {
    schema: SchemaRef,
    made: Arc<AtomicUsize>,
}

impl PartitionStream for Endless {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (schema, made) = (Arc::clone(&self.schema), Arc::clone(&self.made));
        let rows = futures::stream::unfold((), move |()| {
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
            made.fetch_add(1000, Ordering::Relaxed);
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![numbers]);
            async move {
                tokio::task::yield_now().await;
                Some((Ok(batch.unwrap()), ()))
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            rows,
        ))
    }
}

/// A door that is open as long as this lives.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    made: Arc<AtomicUsize>,
    _open: DropGuard,
}

impl Server {
    /// How many rows `endless` has made.
    pub(crate) fn rows_made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }
}

pub(crate) async fn server() -> Server {
    server_with(Limits::default()).await
}

pub(crate) async fn server_with(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(listener, limits)
}

fn serve(listener: TcpListener, limits: Limits) -> Server {
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let made = Arc::new(AtomicUsize::new(0));
    let sessions = Arc::new(Plain {
        made: Arc::clone(&made),
    });
    let guard = crate::doors::guard::Guard::open();
    tokio::spawn(serve_with(
        listener,
        sessions,
        guard,
        limits,
        shutdown.clone(),
    ));
    Server {
        address,
        made,
        _open: shutdown.drop_guard(),
    }
}
