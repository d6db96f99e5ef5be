//! `DESCRIBE [EXTENDED] [TABLE | STREAM | VIEW | QUERY] name`, `DESCRIBE HISTORY name [LIMIT n]`, `DESCRIBE DETAIL name`, and DESC.
//!
//! DESCRIBE of a SELECT is the engine's and goes through as SQL.

use std::fmt;

use sqlparser::ast::ObjectName;
use sqlparser::tokenizer::Token;

use super::Statement;
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str = "write DESCRIBE [EXTENDED | HISTORY | DETAIL] name";

/// What is told of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Described {
    /// Its columns.
    Columns,
    /// EXTENDED: more than the columns.
    Extended,
    /// HISTORY: the versions of a table, newest first; at most so many.
    History(Option<u64>),
    /// DETAIL: what a table is and how large, in one row.
    Detail,
}

/// DESCRIBE of a relation.
#[derive(Clone, Debug, PartialEq)]
pub struct Describe {
    /// Its name.
    pub name: ObjectName,
    /// What of it.
    pub what: Described,
}

impl fmt::Display for Describe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            Described::Columns => "",
            Described::Extended => "EXTENDED ",
            Described::History(_) => "HISTORY ",
            Described::Detail => "DETAIL ",
        };
        write!(f, "DESCRIBE {what}{}", self.name)?;
        match self.what {
            Described::History(Some(limit)) => write!(f, " LIMIT {limit}"),
            _ => Ok(()),
        }
    }
}

/// Reads a whole DESCRIBE, or nothing where a query is described.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Option<Statement>, ParseError> {
    if ["SELECT", "WITH", "VALUES"]
        .iter()
        .any(|word| reader.word_is(1, word))
    {
        return Ok(None);
    }
    reader.skip(1);
    let mut what = Described::Columns;
    // A relation may be called table or history: the word before the end is the name.
    while named(reader) {
        if reader.take(&["EXTENDED"]) || reader.take(&["FORMATTED"]) {
            what = Described::Extended;
        } else if reader.take(&["HISTORY"]) {
            what = Described::History(None);
        } else if reader.take(&["DETAIL"]) {
            what = Described::Detail;
        } else if !["TABLE", "STREAM", "SOURCE", "VIEW", "QUERY"]
            .iter()
            .any(|word| reader.take(&[word]))
        {
            break;
        }
    }
    let name = reader.name(SHAPE)?;
    if let Described::History(limit) = &mut what
        && reader.take(&["LIMIT"])
    {
        const LIMIT: &str = "write DESCRIBE HISTORY name LIMIT n";
        let number = match &reader.peek(0).token {
            Token::Number(number, _) => number.parse::<u64>().ok(),
            _ => None,
        };
        *limit = Some(number.ok_or_else(|| reader.unexpected(LIMIT))?);
        reader.skip(1);
    }
    reader.finish(SHAPE)?;
    Ok(Some(Statement::Describe(Describe { name, what })))
}

/// Whether a name follows the word that comes next.
fn named(reader: &Reader<'_>) -> bool {
    let limited = reader.word_is(1, "LIMIT") && matches!(reader.peek(2).token, Token::Number(..));
    matches!(reader.peek(1).token, Token::Word(_)) && !limited
}
