//! The parenthesised columns of streams and tables, their watermark, and the columns of PARTITIONED BY.

use std::fmt;

use sqlparser::ast::{BinaryOperator, DataType, Expr, Ident, ObjectName};
use sqlparser::tokenizer::Token;

use super::types::{self, Flavour, Shown};
use crate::error::ParseError;
use crate::interval;
use crate::reader::Reader;

const COLUMN: &str = "write a column as: name TYPE [NOT NULL]";

/// A column of a stream or a table.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: Ident,
    /// Its type, in a spelling the engine plans.
    pub data_type: DataType,
    /// NOT NULL.
    pub not_null: bool,
}

impl fmt::Display for ColumnDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, Shown(&self.data_type))?;
        if self.not_null {
            f.write_str(" NOT NULL")?;
        }
        Ok(())
    }
}

/// WATERMARK FOR column AS expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Watermark {
    /// The event time.
    pub column: Ident,
    /// Up to where the stream is complete once a row has been seen.
    pub expr: Expr,
}

/// A column of PARTITIONED BY; without a type it must be selected by the query.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionColumn {
    /// Its name.
    pub name: Ident,
    /// Its type, where the column is to be derived.
    pub data_type: Option<DataType>,
}

impl fmt::Display for PartitionColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.data_type {
            Some(data_type) => write!(f, "{} {}", self.name, Shown(data_type)),
            None => self.name.fmt(f),
        }
    }
}

/// What stood between the parentheses.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) columns: Vec<ColumnDef>,
    pub(crate) watermark: Option<Watermark>,
    /// Relations whose columns stand among them, each with how many stand before.
    pub(crate) like: Vec<(usize, ObjectName)>,
}

/// Reads `(column TYPE, …, WATERMARK FOR column AS expression)`.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Columns, ParseError> {
    reader.expect_token(&Token::LParen, COLUMN)?;
    let mut columns = Columns::default();
    if reader.take_token(&Token::RParen) {
        return Ok(columns);
    }
    loop {
        if reader.at_token(&Token::RParen) {
            return Err(reader.unexpected("remove the comma before )"));
        }
        item(reader, &mut columns)?;
        if reader.take_token(&Token::Comma) {
            continue;
        }
        reader.expect_token(
            &Token::RParen,
            "separate columns with a comma and close the list with )",
        )?;
        return Ok(columns);
    }
}

fn item(reader: &mut Reader<'_>, columns: &mut Columns) -> Result<(), ParseError> {
    let at = reader.span();
    if reader.at(&["WATERMARK", "FOR"]) {
        let watermark = watermark(reader)?;
        return add_watermark(columns, watermark, at);
    }
    for (first, second) in [("PRIMARY", "KEY"), ("FOREIGN", "KEY")] {
        if reader.at(&[first, second]) {
            return Err(
                ParseError::unsupported(format!("{first} {second} is not supported"), at)
                    .offending(first)
                    .hint("leave it out: rows of a stream have no key"),
            );
        }
    }
    if reader.word_is(0, "LIKE") {
        return like(reader, columns);
    }
    if let Some(word) = table_constraint(reader) {
        return Err(
            ParseError::unsupported(format!("constraint {word} is not supported"), at)
                .offending(word)
                .hint("leave it out: nothing would check it"),
        );
    }
    let name = reader.ident(COLUMN)?;
    if let Some(twin) = columns
        .columns
        .iter()
        .find(|column| column.name.value == name.value)
    {
        return Err(ParseError::invalid(
            format!("column \"{}\" specified more than once", twin.name.value),
            at,
        )
        .offending(name.value)
        .hint("give each column a name of its own"));
    }
    if reader.word_is(0, "AS") {
        let hint = format!(
            "compute it in a view: CREATE VIEW name AS SELECT *, expression AS {name} FROM stream"
        );
        return Err(
            ParseError::unsupported("computed columns are not supported", reader.span())
                .offending("AS")
                .hint(hint),
        );
    }
    let data_type = match types::missing(reader) {
        true => return Err(reader.unexpected(COLUMN)),
        false => types::parse(reader, Flavour::Postgres)?,
    };
    let mut column = ColumnDef {
        name,
        data_type,
        not_null: false,
    };
    let lateness = constraints(reader, &mut column)?;
    if let Some(lateness) = lateness {
        let watermark = Watermark {
            column: column.name.clone(),
            expr: Expr::BinaryOp {
                left: Box::new(Expr::Identifier(column.name.clone())),
                op: BinaryOperator::Minus,
                right: Box::new(lateness),
            },
        };
        add_watermark(columns, watermark, at)?;
    }
    columns.columns.push(column);
    Ok(())
}

/// Reads `LIKE name [INCLUDING what | EXCLUDING what] …`; of what may be included nothing is there but names, types and NOT NULL.
fn like(reader: &mut Reader<'_>, columns: &mut Columns) -> Result<(), ParseError> {
    const SHAPE: &str = "write LIKE name, with or without INCLUDING ALL";
    const WHAT: [&str; 10] = [
        "ALL",
        "COMMENTS",
        "COMPRESSION",
        "CONSTRAINTS",
        "DEFAULTS",
        "GENERATED",
        "IDENTITY",
        "INDEXES",
        "STATISTICS",
        "STORAGE",
    ];
    reader.skip(1);
    let name = reader.name(SHAPE)?;
    while reader.take(&["INCLUDING"]) || reader.take(&["EXCLUDING"]) {
        if !WHAT.iter().any(|word| reader.take(&[word])) {
            return Err(reader.unexpected(SHAPE));
        }
    }
    columns.like.push((columns.columns.len(), name));
    Ok(())
}

/// The kind of a constraint that stands among the columns.
fn table_constraint(reader: &Reader<'_>) -> Option<&'static str> {
    if reader.word_is(0, "CONSTRAINT") {
        let kinds = ["PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "EXCLUDE"];
        return kinds.into_iter().find(|kind| reader.word_is(2, kind));
    }
    let listed = reader.peek(1).token == Token::LParen;
    let kinds = ["UNIQUE", "CHECK"].into_iter();
    let mut kinds = kinds.filter(|kind| listed && reader.word_is(0, kind));
    kinds.next()
}

fn add_watermark(
    columns: &mut Columns,
    watermark: Watermark,
    at: sqlparser::tokenizer::Span,
) -> Result<(), ParseError> {
    if columns.watermark.is_some() {
        return Err(
            ParseError::invalid("multiple watermarks are not allowed", at)
                .offending("WATERMARK")
                .hint("a stream has one event time; keep one WATERMARK FOR"),
        );
    }
    columns.watermark = Some(watermark);
    Ok(())
}

fn watermark(reader: &mut Reader<'_>) -> Result<Watermark, ParseError> {
    const SHAPE: &str = "write WATERMARK FOR ts AS ts - INTERVAL '10 seconds'";
    reader.skip(2);
    let column = reader.ident(SHAPE)?;
    reader.expect(&["AS"], SHAPE)?;
    if reader.at_token(&Token::Comma) || reader.at_token(&Token::RParen) || reader.at_end() {
        return Err(reader.unexpected(SHAPE));
    }
    let expr = reader.expr()?;
    Ok(Watermark { column, expr })
}

/// Reads NOT NULL, NULL, COMMENT and LATENESS (Feldera's watermark, returned); refuses other constraints by name.
fn constraints(
    reader: &mut Reader<'_>,
    column: &mut ColumnDef,
) -> Result<Option<Expr>, ParseError> {
    let mut lateness = None;
    loop {
        if reader.take(&["NOT", "NULL"]) {
            column.not_null = true;
        } else if reader.take(&["NULL"]) {
            column.not_null = false;
        } else if reader.take(&["COMMENT"]) {
            reader.string("write COMMENT 'text'")?;
        } else if reader.take(&["LATENESS"]) {
            let at = reader.span();
            let delay = reader.expr()?;
            if interval::text_of(&delay).is_none() {
                return Err(ParseError::invalid("LATENESS must be an interval", at)
                    .hint("write LATENESS INTERVAL '10 seconds'"));
            }
            lateness = Some(delay);
        } else {
            break;
        }
    }
    if reader.word_is(0, "METADATA") {
        return Err(metadata(reader));
    }
    const REFUSED: [&str; 8] = [
        "PRIMARY",
        "UNIQUE",
        "DEFAULT",
        "CHECK",
        "REFERENCES",
        "GENERATED",
        "CONSTRAINT",
        "COLLATE",
    ];
    if let Some(word) = REFUSED.iter().find(|word| reader.word_is(0, word)) {
        return Err(ParseError::unsupported(
            format!("column constraint {word} is not supported"),
            reader.span(),
        )
        .offending(*word)
        .hint("a column is: name TYPE [NOT NULL]"));
    }
    Ok(lateness)
}

/// The refusal of what asks for a message's own columns; the reader stands on it.
pub(super) fn metadata(reader: &Reader<'_>) -> ParseError {
    let word = reader.word(0).unwrap_or_default().to_ascii_uppercase();
    ParseError::unsupported(format!("{word} is not supported"), reader.span())
        .offending(word)
        .hint("leave it out: every message brings _topic, _partition, _offset, _timestamp, _key and _headers by itself")
}

/// Reads `PARTITIONED BY (date DATE, hour INT)` or `(date, hour)`; the reader stands on PARTITIONED.
pub(super) fn partitioned_by(reader: &mut Reader<'_>) -> Result<Vec<PartitionColumn>, ParseError> {
    const SHAPE: &str = "write PARTITIONED BY (date DATE, hour INT) or PARTITIONED BY (column, …)";
    reader.skip(1);
    reader.expect(&["BY"], SHAPE)?;
    reader.expect_token(&Token::LParen, SHAPE)?;
    let mut columns: Vec<PartitionColumn> = Vec::new();
    loop {
        if reader.at_token(&Token::RParen) && !columns.is_empty() {
            return Err(reader.unexpected("remove the comma before )"));
        }
        let at = reader.span();
        let name = reader.ident(SHAPE)?;
        if columns.iter().any(|column| column.name.value == name.value) {
            return Err(ParseError::invalid(
                format!("column \"{}\" specified more than once", name.value),
                at,
            )
            .offending(name.value)
            .hint("name each partition column once"));
        }
        if reader.at_token(&Token::LParen) {
            return Err(ParseError::unsupported("partition transforms are not supported", at)
                .offending(name.value)
                .hint("select the expression under a name and partition by that name, or use the derived (date DATE, hour INT)"));
        }
        let data_type = if types::missing(reader) {
            None
        } else {
            Some(types::parse(reader, Flavour::Postgres)?)
        };
        columns.push(PartitionColumn { name, data_type });
        if reader.take_token(&Token::Comma) {
            continue;
        }
        reader.expect_token(&Token::RParen, SHAPE)?;
        return Ok(columns);
    }
}

/// Reads Spark's `a STRING, b: DOUBLE NOT NULL COMMENT '…'` to the end of the text.
pub(crate) fn spark_columns(reader: &mut Reader<'_>) -> Result<Vec<ColumnDef>, ParseError> {
    const SHAPE: &str = "write a schema as 'a STRING, b DOUBLE, c STRUCT<x: INT>, d ARRAY<STRING>'";
    let mut columns = Vec::new();
    loop {
        let name = reader.ident(SHAPE)?;
        reader.take_token(&Token::Colon);
        if types::missing(reader) {
            return Err(reader.unexpected(SHAPE));
        }
        let data_type = types::parse(reader, Flavour::Spark)?;
        let mut column = ColumnDef {
            name,
            data_type,
            not_null: false,
        };
        constraints(reader, &mut column)?;
        columns.push(column);
        if !reader.take_token(&Token::Comma) {
            reader.finish(SHAPE)?;
            return Ok(columns);
        }
    }
}
