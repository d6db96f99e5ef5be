//! `ALTER TABLE | VIEW [IF EXISTS] name RENAME TO name`.

use std::fmt;

use sqlparser::ast::{Ident, ObjectName};
use sqlparser::tokenizer::Token;

use super::ObjectKind;
use crate::error::ParseError;
use crate::reader::Reader;

/// A relation gets another name, in the schema that it is in.
#[derive(Clone, Debug, PartialEq)]
pub struct Rename {
    /// What it is; a view may be called a table, as in PostgreSQL.
    pub kind: ObjectKind,
    /// IF EXISTS.
    pub if_exists: bool,
    /// Its name.
    pub name: ObjectName,
    /// Its name from now on.
    pub to: Ident,
}

impl fmt::Display for Rename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        let (kind, name, to) = (self.kind, &self.name, &self.to);
        write!(f, "ALTER {kind} {if_exists}{name} RENAME TO {to}")
    }
}

/// Reads a whole ALTER … RENAME TO, or nothing where it alters something else.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Option<Rename>, ParseError> {
    let kind = match () {
        () if reader.word_is(1, "TABLE") => ObjectKind::Table,
        () if reader.word_is(1, "VIEW") => ObjectKind::View,
        () => return Ok(None),
    };
    let if_exists = reader.word_is(2, "IF") && reader.word_is(3, "EXISTS");
    let start = if if_exists { 4 } else { 2 };
    let mut ahead = start;
    while reader.peek(ahead + 1).token == Token::Period {
        ahead += 2;
    }
    if !reader.word_is(ahead + 1, "RENAME") || !reader.word_is(ahead + 2, "TO") {
        return Ok(None);
    }
    let shape = format!("write ALTER {kind} name RENAME TO name");
    reader.skip(start);
    let name = reader.name(&shape)?;
    reader.expect(&["RENAME", "TO"], &shape)?;
    let to = reader.ident(&shape)?;
    if reader.at_token(&Token::Period) {
        return Err(reader.unexpected("write the new name alone: the relation stays in its schema"));
    }
    reader.finish(&shape)?;
    Ok(Some(Rename {
        kind,
        if_exists,
        name,
        to,
    }))
}
