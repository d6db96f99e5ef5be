//! Where rows that a client sends go: into a table, or into a temporary one of the session.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};

use super::{Action, Append, Target};
use crate::{
    catalog::{QualifiedName, TEMP_SCHEMA},
    error::Result,
    session::Session,
};

/// The table that a client names.
pub(crate) enum Named {
    Table(Box<Target>),
    Temp(QualifiedName),
}

/// Rows on their way; dropped before [`Destination::finish`], it leaves nothing.
pub(crate) enum Destination {
    Table(Box<Append>),
    Temp {
        session: Arc<Session>,
        name: String,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
    },
}

impl Named {
    /// The table of this name, for this action.
    pub(crate) fn of(session: &Session, name: QualifiedName, action: Action) -> Result<Self> {
        Ok(match name.schema == TEMP_SCHEMA {
            true => Self::Temp(name),
            false => Self::Table(Box::new(Target::named(session, name, action)?)),
        })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &QualifiedName {
        match self {
            Self::Table(target) => &target.name,
            Self::Temp(name) => name,
        }
    }

    /// Begins to write to it.
    pub(crate) async fn begin(self, session: Arc<Session>) -> Result<Destination> {
        Ok(match self {
            Self::Table(target) => Destination::Table(Box::new(Append::begin(*target).await?)),
            Self::Temp(name) => Destination::Temp {
                schema: session.temp_schema(&name)?,
                name: name.name,
                session,
                batches: Vec::new(),
            },
        })
    }
}

impl Destination {
    /// The columns of the rows to be given.
    pub(crate) fn schema(&self) -> SchemaRef {
        match self {
            Self::Table(append) => append.schema(),
            Self::Temp { schema, .. } => Arc::clone(schema),
        }
    }

    /// Takes rows.
    pub(crate) async fn push(&mut self, batch: RecordBatch) -> Result<()> {
        match self {
            Self::Table(append) => append.push(batch).await,
            Self::Temp {
                session,
                name,
                batches,
                ..
            } => {
                batches.push(batch);
                session.room_for_temp(name, batches)
            }
        }
    }

    /// Writes what is left.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        match self {
            Self::Table(append) => append.flush().await,
            Self::Temp { .. } => Ok(()),
        }
    }

    /// Makes the rows part of the table; how many they were.
    pub(crate) async fn finish(self) -> Result<u64> {
        match self {
            Self::Table(append) => append.finish().await,
            Self::Temp {
                session,
                name,
                batches,
                ..
            } => session.append_temp(&name, batches),
        }
    }
}
