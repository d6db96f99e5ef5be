//! `OPTIMIZE [TABLE] name [WHERE condition]`: small files into large ones, now; the condition is over partition columns.

use std::fmt;

use sqlparser::ast::{Expr, ObjectName};

use super::Statement;
use crate::canonical::Canonical;
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str = "write OPTIMIZE name [WHERE condition over partition columns]";

/// OPTIMIZE of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimize {
    /// The table.
    pub name: ObjectName,
    /// Which partitions.
    pub condition: Option<Expr>,
}

impl fmt::Display for Optimize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OPTIMIZE {}", self.name)?;
        match &self.condition {
            Some(condition) => write!(f, " WHERE {}", Canonical(condition)),
            None => Ok(()),
        }
    }
}

/// Reads a whole OPTIMIZE.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    reader.skip(1);
    reader.take(&["TABLE"]);
    let name = reader.name(SHAPE)?;
    let condition = match reader.take(&["WHERE"]) {
        true if reader.at_end() => return Err(reader.unexpected(SHAPE)),
        true => Some(reader.expr()?),
        false => None,
    };
    if reader.at(&["ZORDER"]) || reader.at(&["FULL"]) {
        let word = reader.word(0).unwrap_or_default().to_ascii_uppercase();
        return Err(ParseError::unsupported(
            format!("OPTIMIZE … {word} is not supported"),
            reader.span(),
        )
        .offending(word)
        .hint("leave it out: rows are sorted by the columns that the table's query groups by"));
    }
    reader.finish(SHAPE)?;
    Ok(Statement::Optimize(Optimize { name, condition }))
}
