//! `REPLAY stream__dead_letter [WHERE condition]`: messages that did not decode are decoded again and fed to the queries that met them.

use std::fmt;

use sqlparser::ast::{Expr, ObjectName};

use super::Statement;
use crate::canonical::Canonical;
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str = "write REPLAY stream__dead_letter [WHERE condition]";

/// REPLAY of a stream's dead letters.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// The relation that holds them.
    pub name: ObjectName,
    /// Which of them; all, if there is none.
    pub selection: Option<Expr>,
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "REPLAY {}", self.name)?;
        match &self.selection {
            Some(selection) => write!(f, " WHERE {}", Canonical(selection)),
            None => Ok(()),
        }
    }
}

/// Reads a whole REPLAY.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    reader.skip(1);
    let name = reader.name(SHAPE)?;
    let selection = match reader.take(&["WHERE"]) {
        true => Some(reader.expr()?),
        false => None,
    };
    reader.finish(SHAPE)?;
    Ok(Statement::Replay(Replay { name, selection }))
}
