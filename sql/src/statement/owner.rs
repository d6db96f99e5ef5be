//! `ALTER TABLE | STREAM | VIEW | SCHEMA name OWNER TO role`.

use std::fmt;

use sqlparser::ast::{Ident, ObjectName};
use sqlparser::tokenizer::Token;

use super::{ObjectKind, role};
use crate::error::ParseError;
use crate::reader::Reader;

/// A thing gets another owner.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterOwner {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: ObjectName,
    /// Who has it from now on; `None` is CURRENT_USER.
    pub owner: Option<Ident>,
}

impl fmt::Display for AlterOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ALTER {} {} OWNER TO ", self.kind, self.name)?;
        match &self.owner {
            Some(owner) => owner.fmt(f),
            None => f.write_str("CURRENT_USER"),
        }
    }
}

/// Reads a whole ALTER … OWNER TO, or nothing where it alters something else.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Option<AlterOwner>, ParseError> {
    let kinds = [
        ("TABLE", ObjectKind::Table),
        ("STREAM", ObjectKind::Stream),
        ("VIEW", ObjectKind::View),
        ("SCHEMA", ObjectKind::Schema),
    ];
    let found = kinds.iter().find(|(word, _)| reader.word_is(1, word));
    let Some((_, kind)) = found else {
        return Ok(None);
    };
    // A name has up to three words with points between.
    let mut ahead = 2;
    while reader.peek(ahead + 1).token == Token::Period {
        ahead += 2;
    }
    if !reader.word_is(ahead + 1, "OWNER") || !reader.word_is(ahead + 2, "TO") {
        return Ok(None);
    }
    let shape = format!("write ALTER {kind} name OWNER TO role");
    reader.skip(2);
    let name = reader.name(&shape)?;
    reader.expect(&["OWNER", "TO"], &shape)?;
    let owner = if reader.take(&["CURRENT_USER"]) || reader.take(&["CURRENT_ROLE"]) {
        None
    } else {
        Some(role::role_name(reader, &shape)?)
    };
    reader.finish(&shape)?;
    Ok(Some(AlterOwner {
        kind: *kind,
        name,
        owner,
    }))
}
