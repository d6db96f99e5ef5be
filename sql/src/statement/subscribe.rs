//! `SUBSCRIBE [TO] {name | (query)} [AS OF 'token'] [WITH (snapshot [= bool], progress [= bool])]`: rows of a table as they become final.

use std::fmt;

use sqlparser::ast::{ObjectName, Query};
use sqlparser::tokenizer::Token;

use super::Statement;
use crate::canonical::Canonical;
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str =
    "write SUBSCRIBE {name | (query)} [AS OF 'token'] [WITH (snapshot = false, progress = true)]";

/// SUBSCRIBE.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribe {
    /// To what.
    pub to: SubscribedTo,
    /// AS OF: the token to go on from.
    pub as_of: Option<String>,
    /// WITH (snapshot): whether the rows there are come first; by default they do, unless there is a token.
    pub snapshot: Option<bool>,
    /// WITH (progress): whether a row tells how far it has come where there are none.
    pub progress: bool,
}

/// What is subscribed to.
#[derive(Clone, Debug, PartialEq)]
pub enum SubscribedTo {
    /// A table, or a view of one.
    Relation(ObjectName),
    /// A query that filters and projects one.
    Query(Box<Query>),
}

impl fmt::Display for Subscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            SubscribedTo::Relation(name) => write!(f, "SUBSCRIBE {name}")?,
            SubscribedTo::Query(query) => write!(f, "SUBSCRIBE ({})", Canonical(query.as_ref()))?,
        }
        if let Some(token) = &self.as_of {
            write!(f, " AS OF '{}'", token.replace('\'', "''"))?;
        }
        let snapshot = self
            .snapshot
            .map(|snapshot| format!("snapshot = {snapshot}"));
        let progress = self.progress.then(|| "progress = true".to_owned());
        let options: Vec<String> = snapshot.into_iter().chain(progress).collect();
        match options.is_empty() {
            true => Ok(()),
            false => write!(f, " WITH ({})", options.join(", ")),
        }
    }
}

/// Reads a whole SUBSCRIBE.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    let statement = inner(reader)?;
    reader.finish(SHAPE)?;
    Ok(Statement::Subscribe(statement))
}

/// Reads one that may stand inside of another statement.
pub(super) fn inner(reader: &mut Reader<'_>) -> Result<Subscribe, ParseError> {
    reader.skip(1);
    reader.take(&["TO"]);
    let to = if reader.at_token(&Token::LParen) {
        reader.skip(1);
        let query = reader.query()?;
        reader.expect_token(&Token::RParen, SHAPE)?;
        SubscribedTo::Query(query)
    } else if reader.at(&["SELECT"]) || reader.at(&["WITH"]) || reader.at(&["VALUES"]) {
        return Err(reader.unexpected("put the query in brackets: SUBSCRIBE (SELECT …)"));
    } else {
        SubscribedTo::Relation(reader.name(SHAPE)?)
    };
    let mut statement = Subscribe {
        to,
        as_of: None,
        snapshot: None,
        progress: false,
    };
    let mut with = false;
    loop {
        if statement.as_of.is_none() && reader.take(&["AS", "OF"]) {
            statement.as_of = Some(reader.string(SHAPE)?);
        } else if !with && reader.take(&["WITH"]) {
            with = true;
            options(reader, &mut statement)?;
        } else {
            break;
        }
    }
    Ok(statement)
}

/// Reads `(snapshot, progress = false)`; the brackets may be left out around one of them.
fn options(reader: &mut Reader<'_>, statement: &mut Subscribe) -> Result<(), ParseError> {
    let bracket = reader.take_token(&Token::LParen);
    loop {
        let at = reader.peek(0).clone();
        if reader.take(&["SNAPSHOT"]) {
            statement.snapshot = Some(value(reader)?);
        } else if reader.take(&["PROGRESS"]) {
            statement.progress = value(reader)?;
        } else {
            return Err(ParseError::invalid(
                "SUBSCRIBE has the options snapshot and progress",
                at.span,
            )
            .offending(at.token.to_string())
            .hint(SHAPE));
        }
        if !bracket || !reader.take_token(&Token::Comma) {
            break;
        }
    }
    match bracket {
        true => reader.expect_token(&Token::RParen, SHAPE),
        false => Ok(()),
    }
}

/// The value of an option; alone, its name means yes.
fn value(reader: &mut Reader<'_>) -> Result<bool, ParseError> {
    let equals = reader.take_token(&Token::Eq);
    for (word, value) in [
        ("TRUE", true),
        ("ON", true),
        ("FALSE", false),
        ("OFF", false),
    ] {
        if reader.take(&[word]) {
            return Ok(value);
        }
    }
    match equals {
        true => Err(reader.unexpected("write true or false")),
        false => Ok(true),
    }
}
