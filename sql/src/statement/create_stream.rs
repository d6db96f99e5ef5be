//! `CREATE STREAM name (columns, WATERMARK FOR column AS expression) WITH (options)`.
//!
//! Synonyms: CREATE SOURCE (RisingWave), CREATE EXTERNAL STREAM … SETTINGS (Timeplus), a `FORMAT PLAIN ENCODE JSON`
//! tail (RisingWave), a `LATENESS INTERVAL …` on a column (Feldera). Columns may be missing: the connector may know them.

use std::fmt;

use sqlparser::ast::ObjectName;
use sqlparser::tokenizer::Token;

use super::CreateHead;
use super::columns::{self, ColumnDef, Columns, Watermark};
use super::options::{self, Options};
use crate::canonical::{Canonical, lines};
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str = "write CREATE STREAM name (column TYPE, …, WATERMARK FOR column AS expression) WITH (connector = '…', …)";

/// A source of rows that never ends.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateStream {
    /// OR REPLACE.
    pub or_replace: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its name.
    pub name: ObjectName,
    /// Its columns in order; empty where the connector knows them.
    pub columns: Vec<ColumnDef>,
    /// How its watermark follows from a row.
    pub watermark: Option<Watermark>,
    /// WITH (…), keys in their canonical spelling.
    pub options: Options,
}

impl CreateStream {
    /// The same stream with the values of secret options replaced by `***`.
    pub fn redacted(&self) -> Self {
        Self {
            options: self.options.redacted(),
            ..self.clone()
        }
    }
}

impl fmt::Display for CreateStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CREATE ")?;
        if self.or_replace {
            f.write_str("OR REPLACE ")?;
        }
        f.write_str("STREAM ")?;
        if self.if_not_exists {
            f.write_str("IF NOT EXISTS ")?;
        }
        write!(f, "{}", self.name)?;
        let mut inside: Vec<String> = self.columns.iter().map(ToString::to_string).collect();
        if let Some(Watermark { column, expr }) = &self.watermark {
            inside.push(format!("WATERMARK FOR {column} AS {}", Canonical(expr)));
        }
        if !inside.is_empty() {
            f.write_str(" ")?;
            lines(f, &inside)?;
        }
        f.write_str(" WITH ")?;
        lines(f, &self.options.items())
    }
}

/// Reads what follows CREATE STREAM.
pub(super) fn parse(reader: &mut Reader<'_>, head: CreateHead) -> Result<CreateStream, ParseError> {
    let name = reader.name(SHAPE)?;
    let columns = if reader.at_token(&Token::LParen) {
        columns::parse(reader)?
    } else {
        Columns::default()
    };
    if reader.word_is(0, "AS") {
        return Err(reader.unexpected(
            "a stream reads a connector; write CREATE TABLE name AS SELECT … for a continuous query, \
             or CREATE VIEW name AS SELECT … to name a query",
        ));
    }
    if reader.word_is(0, "INCLUDE") {
        return Err(columns::metadata(reader));
    }
    if !reader.at(&["WITH"]) && !reader.at(&["SETTINGS"]) {
        return Err(reader.unexpected("a stream needs WITH (connector = '…', …)"));
    }
    let options = options::parse(reader)?;
    finish(reader, head, name, columns, options)
}

/// Reads what follows the options. Also the end of `CREATE TABLE … WITH (connector = …)`, Flink's spelling.
pub(super) fn finish(
    reader: &mut Reader<'_>,
    head: CreateHead,
    name: ObjectName,
    columns: Columns,
    mut options: Options,
) -> Result<CreateStream, ParseError> {
    if reader.at(&["FORMAT"]) {
        options::format_tail(reader, &mut options)?;
    }
    if reader.word_is(0, "AS") {
        return Err(reader.unexpected(
            "a stream reads a connector; write CREATE TABLE name AS SELECT … for a continuous query",
        ));
    }
    reader.finish("a stream ends after WITH (…)")?;
    if let Some((_, like)) = columns.like.first() {
        return Err(
            ParseError::unsupported("a stream takes no LIKE", reader.span())
                .offending(like.to_string())
                .hint("declare its columns: name TYPE, …"),
        );
    }
    Ok(CreateStream {
        or_replace: head.or_replace,
        if_not_exists: head.if_not_exists,
        name,
        columns: columns.columns,
        watermark: columns.watermark,
        options,
    })
}
