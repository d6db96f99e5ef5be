//! Where rows of COPY FROM go: into a table, or into a temporary one of the session.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use sluice_sql::{Copy, CopyWhat};

use crate::{
    catalog::{QualifiedName, TEMP_SCHEMA, fold},
    error::{Error, Result, SqlState},
    session::Session,
    write::{Action, Append, Target},
};

/// The table that a statement names.
pub(super) enum Named {
    Table(Box<Target>),
    Temp(QualifiedName),
}

/// Rows on their way; dropped before [`Destination::finish`], it leaves nothing.
pub(super) enum Destination {
    Table(Box<Append>),
    Temp {
        session: Arc<Session>,
        name: String,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
    },
}

impl Named {
    /// The table, and the names of the columns that the rows have.
    pub(super) fn of(session: &Session, copy: &Copy) -> Result<(Self, Vec<String>)> {
        let CopyWhat::Table { name, columns } = &copy.what else {
            return Err(Error::user(
                SqlState::SyntaxError,
                "COPY FROM needs a table",
            ));
        };
        let relation = QualifiedName::from_sql(name)?;
        let named = match relation.schema == TEMP_SCHEMA {
            true => Self::Temp(relation),
            false => Self::Table(Box::new(Target::named(
                session,
                relation,
                Action::CopyFrom,
            )?)),
        };
        Ok((named, columns.iter().map(fold).collect()))
    }

    /// Its name.
    pub(super) fn name(&self) -> &QualifiedName {
        match self {
            Self::Table(target) => &target.name,
            Self::Temp(name) => name,
        }
    }

    /// Begins to write to it.
    pub(super) async fn begin(self, session: Arc<Session>) -> Result<Destination> {
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
    pub(super) fn schema(&self) -> SchemaRef {
        match self {
            Self::Table(append) => append.schema(),
            Self::Temp { schema, .. } => Arc::clone(schema),
        }
    }

    /// Takes rows.
    pub(super) async fn push(&mut self, batch: RecordBatch) -> Result<()> {
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
    pub(super) async fn flush(&mut self) -> Result<()> {
        match self {
            Self::Table(append) => append.flush().await,
            Self::Temp { .. } => Ok(()),
        }
    }

    /// Makes the rows part of the table; how many they were.
    pub(super) async fn finish(self) -> Result<u64> {
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
