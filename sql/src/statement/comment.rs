//! `COMMENT ON STREAM name IS 'text' | NULL`; COMMENT ON what PostgreSQL has is SQL of the parser's.

use std::fmt;

use sqlparser::ast::ObjectName;

use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str = "write COMMENT ON STREAM name IS 'text', or IS NULL";

/// What is said of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct CommentOnStream {
    /// Its name.
    pub name: ObjectName,
    /// The text; `None` takes it away.
    pub comment: Option<String>,
}

impl fmt::Display for CommentOnStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "COMMENT ON STREAM {} IS ", self.name)?;
        match &self.comment {
            Some(text) => write!(f, "'{}'", text.replace('\'', "''")),
            None => f.write_str("NULL"),
        }
    }
}

/// Reads a whole COMMENT ON STREAM, or nothing where it is on something else.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Option<CommentOnStream>, ParseError> {
    let heads: [&[&str]; 3] = [
        &["COMMENT", "ON", "STREAM"],
        &["COMMENT", "ON", "SOURCE"],
        &["COMMENT", "ON", "EXTERNAL", "STREAM"],
    ];
    if !heads.iter().any(|words| reader.take(words)) {
        return Ok(None);
    }
    let name = reader.name(SHAPE)?;
    reader.expect(&["IS"], SHAPE)?;
    let comment = match reader.take(&["NULL"]) {
        true => None,
        false => Some(reader.string(SHAPE)?),
    };
    reader.finish(SHAPE)?;
    Ok(Some(CommentOnStream { name, comment }))
}
