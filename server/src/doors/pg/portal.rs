//! A statement on its way: planned, bound, running, done. Cursors are portals with a name of the user's.

use std::{collections::HashMap, future::poll_fn, sync::Arc, task::Poll, time::Duration};

use arrow::{array::RecordBatch, datatypes::DataType};
use datafusion::{
    common::Result as EngineResult, execution::SendableRecordBatchStream, scalar::ScalarValue,
};
use futures::{FutureExt, StreamExt};
use postgres_types::Type;
use sluice_sql::{Copy, Parsed};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};

use super::{
    cancel::Running,
    columns::Column,
    command::Command,
    cursor::Kept,
    encode::{Encoder, Page, Style},
    failure::{Failure, Trouble},
    wire::Wire,
};
use crate::{
    session::{OpenCursor, Opened, Prepared},
    subscription::Idle,
};

/// Who has some rows already waits so long, in all, for others that are on their way.
const PATIENCE: Duration = Duration::from_secs(1);

/// Portals, cursors among them, of a connection.
const MOST: usize = 1_000;

/// A planned statement.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) kind: Kind,
    /// Types of its parameters.
    pub(super) types: Vec<Type>,
    /// What the plan wants for them.
    pub(super) wanted: Vec<Option<DataType>>,
    /// Columns of its rows as far as planning tells; `None` when it gives none.
    pub(super) columns: Option<Vec<Column>>,
    /// As others are told of it.
    pub(super) text: Arc<str>,
}

/// What there is to do.
#[derive(Debug)]
pub(super) enum Kind {
    Empty,
    Command(Command),
    Engine(Box<Prepared>),
    Copy(Box<(Copy, Parsed)>),
}

impl Statement {
    pub(super) fn command(&self) -> Option<&Command> {
        match &self.kind {
            Kind::Command(command) => Some(command),
            _ => None,
        }
    }
}

/// A statement with its parameters.
#[derive(Debug)]
pub(super) struct Portal {
    pub(super) statement: Arc<Statement>,
    pub(super) formats: Vec<i16>,
    pub(super) progress: Progress,
    /// Outlives its transaction.
    pub(super) held: bool,
    /// Rows that it gave or passed by, as long as it keeps none.
    pub(super) given: u64,
    /// What `pg_cursors` tells of it.
    pub(super) told: Option<OpenCursor>,
}

/// How far it has come.
#[derive(Debug)]
pub(super) enum Progress {
    Ready(Vec<ScalarValue>),
    Rows(Box<Rows>),
    /// Of a cursor that scrolls.
    Kept(Box<Kept>),
    /// Its completion tag; empty for a statement that was empty.
    Done(String),
}

/// All portals of a connection.
#[derive(Debug)]
pub(super) struct Portals {
    open: HashMap<String, Portal>,
    opened: Arc<Opened>,
}

impl Portals {
    pub(super) fn new(opened: Arc<Opened>) -> Self {
        Self {
            open: HashMap::new(),
            opened,
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Portal> {
        self.open.get(name)
    }

    /// Takes a portal out; what goes wrong with it then takes it along.
    pub(super) fn take(&mut self, name: &str) -> Option<Portal> {
        let portal = self.open.remove(name)?;
        if portal.told.is_some() {
            self.opened.closed(name);
        }
        Some(portal)
    }

    pub(super) fn put(&mut self, name: &str, portal: Portal) {
        if let Some(told) = &portal.told {
            self.opened.declared(name, told.clone());
        }
        self.open.insert(name.to_owned(), portal);
    }

    /// Refuses a name that is taken; the unnamed portal is replaced.
    pub(super) fn admit(&mut self, name: &str) -> Result<(), Failure> {
        if name.is_empty() {
            self.open.remove(name);
        } else if self.open.contains_key(name) {
            return Err(Failure::error(
                "42P03",
                format!("cursor \"{name}\" already exists"),
            ));
        } else if self.open.len() >= MOST {
            let many = format!("too many cursors and portals: {MOST} are open");
            return Err(Failure::error("54000", many).with_hint("CLOSE those that are done with."));
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.close_but(|_| false);
    }

    /// The transaction is over.
    pub(super) fn end_transaction(&mut self) {
        self.close_but(|portal| portal.held);
    }

    fn close_but(&mut self, stays: impl Fn(&Portal) -> bool) {
        let opened = &self.opened;
        self.open.retain(|name, portal| {
            let stays = stays(portal);
            if !stays && portal.told.is_some() {
                opened.closed(name);
            }
            stays
        });
    }
}

/// Rows that come.
pub(super) struct Rows {
    /// First word of the completion tag.
    pub(super) tag: String,
    encoder: Encoder,
    stream: SendableRecordBatchStream,
    /// Of rows without end.
    idle: Option<Idle>,
    page: Option<Page>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("tag", &self.tag).finish()
    }
}

/// How a run of a portal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) rows: u64,
    /// There may be more.
    pub(super) suspended: bool,
}

impl Rows {
    pub(super) fn new(
        tag: String,
        stream: SendableRecordBatchStream,
        idle: Option<Idle>,
        formats: &[i16],
        style: Style,
    ) -> Self {
        Self {
            tag,
            encoder: Encoder::new(&stream.schema(), formats, style),
            stream,
            idle,
            page: None,
        }
    }

    pub(super) fn columns(&self) -> &[Column] {
        self.encoder.columns()
    }

    /// The rows that are to come, where none has been sent.
    pub(super) fn into_stream(self) -> SendableRecordBatchStream {
        self.stream
    }

    /// Whether there is always more to come.
    pub(super) fn is_endless(&self) -> bool {
        self.idle.is_some()
    }

    /// Whether the rows there are of rows without end have been given.
    fn is_idle(&self) -> bool {
        self.idle.as_ref().is_some_and(Idle::is)
    }

    pub(super) fn set_formats(&mut self, formats: &[i16]) {
        self.encoder.set_formats(formats);
    }

    /// The next of the rows there are, of rows without end; `None` where these have been given, or take long.
    async fn on_its_way(&mut self, end: Instant) -> Option<Option<EngineResult<RecordBatch>>> {
        let idle = self.idle.clone().unwrap_or_default();
        let stream = &mut self.stream;
        let next = poll_fn(|context| match stream.poll_next_unpin(context) {
            Poll::Ready(batch) => Poll::Ready(Some(batch)),
            Poll::Pending if idle.is() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        timeout_at(end, next).await.ok().flatten()
    }

    /// Sends up to `limit` rows (or only passes them by), at the client's pace.
    pub(super) async fn send<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        wire: &mut Wire<S>,
        running: &Running,
        limit: Option<u64>,
        silent: bool,
    ) -> Result<Sent, Trouble> {
        let mut rows = 0;
        // Of its patience, once it has begun to wait.
        let mut end = None;
        loop {
            while let Some(page) = &mut self.page {
                if limit == Some(rows) {
                    break;
                }
                let more = if silent {
                    page.skip()
                } else {
                    self.encoder.row(page, wire.out())?
                };
                if !more {
                    self.page = None;
                    break;
                }
                rows += 1;
                if wire.is_full() {
                    running.race(wire.flush()).await??;
                }
            }
            if limit == Some(rows) {
                return Ok(Sent {
                    rows,
                    suspended: true,
                });
            }
            // What has come is sent before anything is waited for: rows of a stream show at once.
            let batch = match self.stream.next().now_or_never() {
                Some(batch) => {
                    running.race(tokio::task::yield_now()).await?;
                    batch
                }
                // Who fetches from rows without end gets those there are.
                None if self.is_endless() && limit.is_some() && rows > 0 => {
                    let batch = match self.is_idle() {
                        true => None,
                        false => {
                            running.race(wire.flush()).await??;
                            let end = *end.get_or_insert_with(|| Instant::now() + PATIENCE);
                            running.wait(wire, self.on_its_way(end)).await?
                        }
                    };
                    let Some(batch) = batch else {
                        return Ok(Sent {
                            rows,
                            suspended: true,
                        });
                    };
                    batch
                }
                None => {
                    running.race(wire.flush()).await??;
                    running.wait(wire, self.stream.next()).await?
                }
            };
            match batch {
                Some(batch) => self.page = Some(self.encoder.page(&batch?)?),
                None => {
                    return Ok(Sent {
                        rows,
                        suspended: false,
                    });
                }
            }
        }
    }
}
