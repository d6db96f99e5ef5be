//! `CREATE [OR REPLACE] [TEMP] VIEW [IF NOT EXISTS] name [(columns)] AS query`.

use std::fmt;

use sqlparser::ast::{Ident, ObjectName, Query};
use sqlparser::tokenizer::Token;

use super::CreateHead;
use crate::canonical::{Canonical, inline};
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str = "write CREATE VIEW name [(column, …)] AS SELECT …";

/// A query under a name.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateView {
    /// OR REPLACE.
    pub or_replace: bool,
    /// TEMP: for the session alone.
    pub temporary: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its name.
    pub name: ObjectName,
    /// New names for the query's columns; empty keeps the query's own.
    pub columns: Vec<Ident>,
    /// The query.
    pub query: Box<Query>,
}

impl fmt::Display for CreateView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CREATE ")?;
        if self.or_replace {
            f.write_str("OR REPLACE ")?;
        }
        if self.temporary {
            f.write_str("TEMP ")?;
        }
        f.write_str("VIEW ")?;
        if self.if_not_exists {
            f.write_str("IF NOT EXISTS ")?;
        }
        write!(f, "{}", self.name)?;
        if !self.columns.is_empty() {
            f.write_str(" ")?;
            inline(f, &self.columns)?;
        }
        write!(f, " AS\n{}", Canonical(self.query.as_ref()))
    }
}

/// Reads what follows CREATE VIEW.
pub(super) fn parse(reader: &mut Reader<'_>, head: CreateHead) -> Result<CreateView, ParseError> {
    let name = reader.name(SHAPE)?;
    let mut columns: Vec<Ident> = Vec::new();
    if reader.take_token(&Token::LParen) {
        loop {
            if reader.at_token(&Token::RParen) && !columns.is_empty() {
                return Err(reader.unexpected("remove the comma before )"));
            }
            columns.push(reader.ident(SHAPE)?);
            if !reader.take_token(&Token::Comma) {
                reader.expect_token(&Token::RParen, SHAPE)?;
                break;
            }
        }
    }
    if reader.word_is(0, "WITH") {
        return Err(
            ParseError::unsupported("a view has no options", reader.span())
                .offending("WITH")
                .hint("write the options on the stream it reads, or on the table it feeds"),
        );
    }
    reader.expect(&["AS"], SHAPE)?;
    if reader.at_end() {
        return Err(reader.unexpected("write a query after AS"));
    }
    let query = reader.query()?;
    reader.finish("the query ends here; check the word before it")?;
    Ok(CreateView {
        or_replace: head.or_replace,
        temporary: head.temporary,
        if_not_exists: head.if_not_exists,
        name,
        columns,
        query,
    })
}
