//! A door over plain in-memory tables.

use std::{net::SocketAddr, sync::Arc};

use arrow::{
    array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray},
    record_batch::RecordBatch,
};
use datafusion::{
    catalog::MemorySchemaProvider,
    prelude::{SessionConfig, SessionContext},
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    doors::pg::{Limits, serve_with},
    error::{Error, Result, SqlState},
    session::{Door, Session, Sessions},
};

/// Sessions over [`context`].
struct Plain;

impl Sessions for Plain {
    fn open(&self, user: &str, database: &str, door: Door) -> Result<Arc<Session>> {
        if database != "sluice" {
            return Err(Error::user(
                SqlState::InvalidCatalogName,
                format!("database \"{database}\" does not exist"),
            ));
        }
        let context = context();
        crate::doors::pg::install(&context)?;
        Ok(Arc::new(Session::over(crate::engine::for_tests(), context, user, door)))
    }
}

/// Schemas and tables as a Sluice has them.
pub(crate) fn context() -> SessionContext {
    let config = SessionConfig::new()
        .with_default_catalog_and_schema("sluice", "public")
        .with_information_schema(true);
    let config = config.set_str("datafusion.execution.time_zone", "UTC");
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
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    for table in ["gold.metrics", "public.orders", "silver.sessions"] {
        context.register_batch(table, batch.clone()).unwrap();
    }
    context
}

/// A door that is open as long as this lives.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _open: DropGuard,
}

pub(crate) async fn server() -> Server {
    server_with(Limits::default()).await
}

pub(crate) async fn server_with(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(listener, limits)
}

pub(crate) async fn server_at(address: &str) -> Server {
    serve(TcpListener::bind(address).await.unwrap(), Limits::default())
}

fn serve(listener: TcpListener, limits: Limits) -> Server {
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(serve_with(
        listener,
        Arc::new(Plain),
        limits,
        shutdown.clone(),
    ));
    Server {
        address,
        _open: shutdown.drop_guard(),
    }
}
