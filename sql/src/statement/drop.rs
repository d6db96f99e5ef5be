//! `DROP STREAM | VIEW | TABLE | SCHEMA [IF EXISTS] a, b [CASCADE | RESTRICT]`.

use std::fmt;

use sqlparser::ast::ObjectName;
use sqlparser::tokenizer::Token;

use super::Statement;
use crate::error::ParseError;
use crate::reader::Reader;

/// A kind of thing that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A stream.
    Stream,
    /// A view.
    View,
    /// A table.
    Table,
    /// A schema.
    Schema,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "STREAM",
            Self::View => "VIEW",
            Self::Table => "TABLE",
            Self::Schema => "SCHEMA",
        })
    }
}

/// DROP of one or more things of a kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Drop {
    /// What they are.
    pub kind: ObjectKind,
    /// IF EXISTS.
    pub if_exists: bool,
    /// Their names.
    pub names: Vec<ObjectName>,
    /// CASCADE: with everything that depends on them.
    pub cascade: bool,
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DROP {} ", self.kind)?;
        if self.if_exists {
            f.write_str("IF EXISTS ")?;
        }
        for (i, name) in self.names.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}{name}")?;
        }
        if self.cascade {
            f.write_str(" CASCADE")
        } else {
            Ok(())
        }
    }
}

/// Reads a whole DROP, or nothing where it drops something that is not ours.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Option<Statement>, ParseError> {
    let kinds: [(&[&str], ObjectKind); 9] = [
        (&["DROP", "STREAM"], ObjectKind::Stream),
        (&["DROP", "SOURCE"], ObjectKind::Stream),
        (&["DROP", "EXTERNAL", "STREAM"], ObjectKind::Stream),
        (&["DROP", "VIEW"], ObjectKind::View),
        (&["DROP", "TABLE"], ObjectKind::Table),
        (&["DROP", "STREAMING", "TABLE"], ObjectKind::Table),
        (&["DROP", "MATERIALIZED", "VIEW"], ObjectKind::Table),
        (&["DROP", "MATERIALIZED", "TABLE"], ObjectKind::Table),
        (&["DROP", "SCHEMA"], ObjectKind::Schema),
    ];
    let Some(kind) = kinds
        .iter()
        .find_map(|(words, kind)| reader.take(words).then_some(*kind))
    else {
        return Ok(None);
    };
    let shape = format!("write DROP {kind} [IF EXISTS] name [CASCADE]");
    let if_exists = reader.take(&["IF", "EXISTS"]);
    let mut names = vec![reader.name(&shape)?];
    while reader.take_token(&Token::Comma) {
        names.push(reader.name(&shape)?);
    }
    let cascade = reader.take(&["CASCADE"]);
    if !cascade {
        reader.take(&["RESTRICT"]);
    }
    reader.finish(&shape)?;
    Ok(Some(Statement::Drop(Drop {
        kind,
        if_exists,
        names,
        cascade,
    })))
}
