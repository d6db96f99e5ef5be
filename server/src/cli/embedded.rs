//! A server inside the command: its runtime, its root, its end, and SQL on a session of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use sluice_server::engine::{Engine, EngineConfig};
use sluice_server::error::{Error, Result, SqlState};
use sluice_server::root::RootOptions;
use sluice_server::session::{Answer, Door, Session, Sessions};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Planning recurses on expressions; the default of 2 MiB is little for it in a debug build.
const STACK_BYTES: usize = 16 << 20;

/// The runtime every command runs on.
pub(super) fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .thread_name("sluice")
        .thread_stack_size(STACK_BYTES)
        .build()
        .map_err(|e| Error::outside(SqlState::IoError, format!("cannot start threads: {e}")))
}

/// Something to await SIGTERM and SIGINT on, as often as they come.
pub(super) fn stop_signal() -> Result<mpsc::UnboundedReceiver<()>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).map_err(|e| {
            Error::outside(SqlState::IoError, format!("cannot listen to signals: {e}"))
        })?;
        let sender = sender.clone();
        tokio::spawn(
            async move { while signals.recv().await.is_some() && sender.send(()).is_ok() {} },
        );
    }
    Ok(receiver)
}

/// Where an embedded server keeps its things: where it is told, or in a folder that goes when this value does.
#[derive(Debug)]
pub(super) struct EmbeddedRoot {
    url: String,
    scratch: Option<PathBuf>,
    temporary: Option<PathBuf>,
}

impl EmbeddedRoot {
    /// The root that was asked for, with what need not last in `scratch`; or a temporary one.
    pub(super) fn new(asked: Option<&str>, scratch: Option<&Path>) -> Result<Self> {
        let scratch = scratch.map(Path::to_owned);
        if let Some(url) = asked {
            return Ok(Self {
                url: url.to_owned(),
                scratch,
                temporary: None,
            });
        }
        let path = std::env::temp_dir().join(format!("sluice-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).map_err(|e| {
            let message = format!("cannot make a temporary folder {}: {e}", path.display());
            Error::outside(SqlState::IoError, message)
        })?;
        Ok(Self {
            url: path.display().to_string(),
            scratch,
            temporary: Some(path),
        })
    }

    /// Path or URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The folder, if it is one that goes at the end.
    pub(super) fn temporary(&self) -> Option<&Path> {
        self.temporary.as_deref()
    }
}

impl Drop for EmbeddedRoot {
    fn drop(&mut self) {
        if let Some(path) = &self.temporary
            && let Err(e) = std::fs::remove_dir_all(path)
        {
            tracing::warn!("cannot remove {}: {e}", path.display());
        }
    }
}

/// Starts a server on it.
pub(super) async fn start(root: &EmbeddedRoot) -> Result<Arc<Engine>> {
    Engine::start(EngineConfig {
        root: root.url().to_owned(),
        query_memory: crate::config::Memory::default().bytes,
        plan_only: false,
        root_options: RootOptions {
            scratch: root.scratch.clone(),
            ..RootOptions::default()
        },
    })
    .await
}

/// A session, as anybody else would get one.
pub(super) fn session(engine: &Arc<Engine>) -> Result<Arc<Session>> {
    engine.open("sluice", "sluice", Door::Embedded)
}

/// Rows of one statement, all of them; for small answers.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// Their columns.
    pub(crate) schema: SchemaRef,
    /// The rows.
    pub(crate) batches: Vec<RecordBatch>,
}

/// Runs one statement on a session.
pub(crate) async fn query(session: &Session, sql: &str) -> Result<Rows> {
    for parsed in session.parse(sql)? {
        let prepared = session.prepare(&parsed, &[]).await?;
        if let Answer::Rows { schema, stream, .. } = session.execute(&prepared, vec![]).await? {
            let batches = stream.map_err(Error::from).try_collect();
            return Ok(Rows {
                schema,
                batches: batches.await?,
            });
        }
    }
    Ok(Rows {
        schema: Arc::new(arrow::datatypes::Schema::empty()),
        batches: vec![],
    })
}
