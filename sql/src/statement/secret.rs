//! `CREATE SECRET`, `ALTER SECRET`, `DROP SECRET`: a value that statements name and nothing prints.

use std::fmt;

use sqlparser::ast::Ident;
use sqlparser::tokenizer::Token;

use super::{CreateHead, Hidden, REDACTED};
use crate::error::ParseError;
use crate::reader::Reader;

const CREATE: &str = "write CREATE SECRET [IF NOT EXISTS] name AS 'value'";
const ALTER: &str = "write ALTER SECRET name AS 'value'";
const DROP: &str = "write DROP SECRET [IF EXISTS] name";

/// CREATE SECRET, or ALTER SECRET of one that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct PutSecret {
    /// ALTER: it must be there already.
    pub alter: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its name.
    pub name: Ident,
    /// Its value.
    pub value: Hidden,
}

/// DROP SECRET.
#[derive(Clone, Debug, PartialEq)]
pub struct DropSecret {
    /// IF EXISTS.
    pub if_exists: bool,
    /// Its name.
    pub name: Ident,
}

impl fmt::Display for PutSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, if_not_exists) = match (self.alter, self.if_not_exists) {
            (true, _) => ("ALTER", ""),
            (false, true) => ("CREATE", "IF NOT EXISTS "),
            (false, false) => ("CREATE", ""),
        };
        write!(
            f,
            "{word} SECRET {if_not_exists}{} AS '{REDACTED}'",
            self.name
        )
    }
}

impl fmt::Display for DropSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        write!(f, "DROP SECRET {if_exists}{}", self.name)
    }
}

/// Reads what follows CREATE SECRET.
pub(super) fn create(reader: &mut Reader<'_>, head: CreateHead) -> Result<PutSecret, ParseError> {
    let name = reader.ident(CREATE)?;
    // RisingWave says where it is kept, and there is one place.
    if reader.take(&["WITH"]) {
        reader.expect_token(&Token::LParen, CREATE)?;
        while !reader.take_token(&Token::RParen) {
            if reader.at_end() {
                return Err(reader.unexpected(CREATE));
            }
            reader.skip(1);
        }
    }
    value(reader, name, CREATE, head.if_not_exists, false)
}

/// Reads what follows ALTER SECRET.
pub(super) fn alter(reader: &mut Reader<'_>) -> Result<PutSecret, ParseError> {
    let name = reader.ident(ALTER)?;
    value(reader, name, ALTER, false, true)
}

/// Reads what follows DROP SECRET.
pub(super) fn drop(reader: &mut Reader<'_>) -> Result<DropSecret, ParseError> {
    let if_exists = reader.take(&["IF", "EXISTS"]);
    let name = reader.ident(DROP)?;
    reader.take(&["RESTRICT"]);
    reader.finish(DROP)?;
    Ok(DropSecret { if_exists, name })
}

/// What stands where the value should is not repeated: it may be the value.
fn value(
    reader: &mut Reader<'_>,
    name: Ident,
    shape: &str,
    if_not_exists: bool,
    alter: bool,
) -> Result<PutSecret, ParseError> {
    let refused = |reader: &Reader<'_>| {
        ParseError::invalid(
            "the value of a secret must be a text in single quotes",
            reader.span(),
        )
        .hint(shape)
    };
    if !reader.take(&["AS"]) {
        return Err(refused(reader));
    }
    let value = reader.string(shape).map_err(|_| refused(reader))?;
    if !reader.at_end() {
        return Err(refused(reader));
    }
    Ok(PutSecret {
        alter,
        if_not_exists,
        name,
        value: Hidden(value),
    })
}
