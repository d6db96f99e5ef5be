//! `REBUILD QUERY name [FROM LAST COMMIT | FROM BEGINNING | FROM TIMESTAMP '…']`: a query that lost its state is made again.
//!
//! Without FROM it is the last commit, the way that keeps the table as it is.

use std::fmt;

use sqlparser::ast::ObjectName;

use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str =
    "write REBUILD QUERY name [FROM LAST COMMIT | FROM BEGINNING | FROM TIMESTAMP '…']";

/// REBUILD QUERY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuildQuery {
    /// The query: its table's name.
    pub name: ObjectName,
    /// From what.
    pub from: RebuildFrom,
}

/// What a query is made again from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RebuildFrom {
    /// The table's last commit, and the messages of the windows that were open then.
    LastCommit,
    /// The stream's beginning; the table is emptied.
    Beginning,
    /// The table, and the messages of at least this time, as written.
    Timestamp(String),
}

impl fmt::Display for RebuildQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "REBUILD QUERY {} FROM ", self.name)?;
        match &self.from {
            RebuildFrom::LastCommit => f.write_str("LAST COMMIT"),
            RebuildFrom::Beginning => f.write_str("BEGINNING"),
            RebuildFrom::Timestamp(text) => {
                write!(f, "TIMESTAMP '{}'", text.replace('\'', "''"))
            }
        }
    }
}

/// Reads a whole REBUILD.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<RebuildQuery, ParseError> {
    reader.skip(1);
    reader.expect(&["QUERY"], SHAPE)?;
    let name = reader.name(SHAPE)?;
    let from = if !reader.take(&["FROM"]) || reader.take(&["LAST", "COMMIT"]) {
        RebuildFrom::LastCommit
    } else if reader.take(&["BEGINNING"]) {
        RebuildFrom::Beginning
    } else if reader.take(&["TIMESTAMP"]) {
        RebuildFrom::Timestamp(reader.string(SHAPE)?)
    } else {
        return Err(reader.unexpected(SHAPE));
    };
    reader.finish(SHAPE)?;
    Ok(RebuildQuery { name, from })
}
