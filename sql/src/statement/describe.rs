//! `DESCRIBE [EXTENDED | DETAIL | TABLE | STREAM | VIEW | QUERY] name`, and DESC.
//!
//! DESCRIBE of a SELECT is the engine's and goes through as SQL.

use std::fmt;

use sqlparser::ast::ObjectName;

use super::Statement;
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str = "write DESCRIBE [EXTENDED] name";

/// DESCRIBE of a relation.
#[derive(Clone, Debug, PartialEq)]
pub struct Describe {
    /// Its name.
    pub name: ObjectName,
    /// EXTENDED or DETAIL: more than the columns.
    pub extended: bool,
}

impl fmt::Display for Describe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extended = if self.extended { "EXTENDED " } else { "" };
        write!(f, "DESCRIBE {extended}{}", self.name)
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
    let mut extended = false;
    loop {
        // A relation may be called table or extended: a word before the end is the name.
        let last = !named(reader);
        if last {
            break;
        }
        if reader.take(&["EXTENDED"]) || reader.take(&["DETAIL"]) || reader.take(&["FORMATTED"]) {
            extended = true;
        } else if reader.at(&["HISTORY"]) {
            return Err(ParseError::unsupported(
                "DESCRIBE HISTORY is not supported",
                reader.span(),
            )
            .offending("HISTORY")
            .hint("select from the table's companion relation: SELECT * FROM name__history"));
        } else if !["TABLE", "STREAM", "SOURCE", "VIEW", "QUERY"]
            .iter()
            .any(|word| reader.take(&[word]))
        {
            break;
        }
    }
    let name = reader.name(SHAPE)?;
    reader.finish(SHAPE)?;
    Ok(Some(Statement::Describe(Describe { name, extended })))
}

/// Whether a name follows the word that comes next.
fn named(reader: &Reader<'_>) -> bool {
    matches!(reader.peek(1).token, sqlparser::tokenizer::Token::Word(_))
}
