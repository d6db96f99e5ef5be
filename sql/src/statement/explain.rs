//! `EXPLAIN [ANALYZE] [VERBOSE] statement`, of a query or of a CREATE TABLE … AS, and `EXPLAIN [ANALYZE] QUERY name` of one that runs.
//!
//! Of PostgreSQL's parenthesised options ANALYZE, VERBOSE and FORMAT TEXT or JSON say something; the others are accepted where they change
//! nothing we print.

use std::fmt;

use sqlparser::{ast::ObjectName, tokenizer::Token};

use super::Statement;
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str =
    "write EXPLAIN [ANALYZE] [VERBOSE] SELECT …, of a CREATE TABLE … AS SELECT …, or QUERY name";

/// How a plan is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExplainFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON document, shaped as PostgreSQL's.
    Json,
}

/// EXPLAIN of a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// ANALYZE: run it and measure.
    pub analyze: bool,
    /// VERBOSE: every plan, with schemas.
    pub verbose: bool,
    /// FORMAT: how it is written.
    pub format: ExplainFormat,
    /// What is explained.
    pub statement: Box<Statement>,
}

/// EXPLAIN of a continuous query that is there: its plan, or with ANALYZE what its steps have taken.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainQuery {
    /// ANALYZE: with what it has taken since it started.
    pub analyze: bool,
    /// FORMAT: how it is written.
    pub format: ExplainFormat,
    /// The query, called like its table.
    pub name: ObjectName,
}

impl fmt::Display for ExplainQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = match (self.analyze, self.format) {
            (false, ExplainFormat::Text) => "",
            (true, ExplainFormat::Text) => "ANALYZE ",
            (false, ExplainFormat::Json) => "(FORMAT JSON) ",
            (true, ExplainFormat::Json) => "(ANALYZE, FORMAT JSON) ",
        };
        write!(f, "EXPLAIN {options}QUERY {}", self.name)
    }
}

impl Explain {
    /// The same statement with the values of secret options replaced by `***`.
    pub fn redacted(&self) -> Self {
        Self {
            statement: Box::new(self.statement.redacted()),
            ..self.clone()
        }
    }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.format == ExplainFormat::Json {
            let analyze = if self.analyze { "ANALYZE, " } else { "" };
            let verbose = if self.verbose { "VERBOSE, " } else { "" };
            return write!(
                f,
                "EXPLAIN ({analyze}{verbose}FORMAT JSON) {}",
                self.statement
            );
        }
        let analyze = if self.analyze { "ANALYZE " } else { "" };
        let verbose = if self.verbose { "VERBOSE " } else { "" };
        write!(f, "EXPLAIN {analyze}{verbose}{}", self.statement)
    }
}

/// Reads a whole EXPLAIN.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    reader.skip(1);
    let mut analyze = false;
    let mut verbose = false;
    let mut format = ExplainFormat::default();
    if reader.at_token(&Token::LParen)
        && !["SELECT", "WITH", "VALUES"]
            .iter()
            .any(|word| reader.word_is(1, word))
    {
        utility_options(reader, &mut analyze, &mut verbose, &mut format)?;
    } else {
        loop {
            if reader.take(&["ANALYZE"]) || reader.take(&["ANALYSE"]) {
                analyze = true;
            } else if reader.take(&["VERBOSE"]) || reader.take(&["EXTENDED"]) {
                verbose = true;
            } else {
                break;
            }
        }
    }
    if reader.at_end() || reader.at(&["EXPLAIN"]) {
        return Err(reader.unexpected(SHAPE));
    }
    if reader.take(&["QUERY"]) {
        let shape = "write EXPLAIN [ANALYZE] QUERY name";
        let name = reader.name(shape)?;
        reader.finish(shape)?;
        return Ok(Statement::ExplainQuery(ExplainQuery {
            analyze,
            format,
            name,
        }));
    }
    let at = reader.peek(0).clone();
    let statement = match super::ours(reader)? {
        Some(statement) => statement,
        None => super::sql(reader)?,
    };
    if !matches!(
        statement,
        Statement::CreateTable(_) | Statement::CreateView(_) | Statement::Sql(_)
    ) {
        return Err(
            ParseError::unsupported("this statement has no plan to explain", at.span)
                .offending(at.token.to_string())
                .hint(SHAPE),
        );
    }
    Ok(Statement::Explain(Explain {
        analyze,
        verbose,
        format,
        statement: Box::new(statement),
    }))
}

/// Reads `(ANALYZE, VERBOSE true, COSTS off, FORMAT TEXT)`.
fn utility_options(
    reader: &mut Reader<'_>,
    analyze: &mut bool,
    verbose: &mut bool,
    format: &mut ExplainFormat,
) -> Result<(), ParseError> {
    reader.skip(1);
    loop {
        let at = reader.span();
        let Some(option) = reader.word(0).map(str::to_ascii_uppercase) else {
            return Err(reader.unexpected(SHAPE));
        };
        reader.skip(1);
        let value = match &reader.peek(0).token {
            Token::Word(word) => Some(word.value.to_ascii_uppercase()),
            Token::Number(number, _) => Some(number.clone()),
            _ => None,
        };
        if value.is_some() {
            reader.skip(1);
        }
        let on = !matches!(value.as_deref(), Some("FALSE" | "OFF" | "0"));
        match (option.as_str(), value.as_deref()) {
            ("ANALYZE" | "ANALYSE", _) => *analyze = on,
            ("VERBOSE", _) => *verbose = on,
            ("FORMAT", Some("TEXT")) => *format = ExplainFormat::Text,
            ("FORMAT", Some("JSON")) => *format = ExplainFormat::Json,
            ("FORMAT", Some(other)) if !["XML", "YAML"].contains(&other) => {
                let other = other.to_lowercase();
                return Err(ParseError::invalid_value(
                    format!("unrecognized value for EXPLAIN option \"format\": \"{other}\""),
                    at,
                )
                .hint("write FORMAT TEXT or FORMAT JSON"));
            }
            (
                "COSTS" | "BUFFERS" | "TIMING" | "SUMMARY" | "SETTINGS" | "WAL" | "GENERIC_PLAN"
                | "MEMORY",
                _,
            ) => {}
            _ => {
                return Err(ParseError::unsupported(
                    format!("EXPLAIN option {option} is not supported"),
                    at,
                )
                .offending(option)
                .hint(SHAPE));
            }
        }
        if !reader.take_token(&Token::Comma) {
            return reader.expect_token(&Token::RParen, SHAPE);
        }
    }
}
