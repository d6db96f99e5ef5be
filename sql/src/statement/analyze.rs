//! `ANALYZE [VERBOSE] [name [(columns)], …]` and `VACUUM … ANALYZE …`, as tools send them after they have filled tables.
//!
//! Files carry their statistics, so there is little to do; what the options of PostgreSQL's VACUUM ask for, but for FULL, is either done
//! anyway or means nothing here.

use std::fmt;

use sqlparser::ast::{Ident, ObjectName};
use sqlparser::tokenizer::Token;

use super::{Statement, vacuum};
use crate::error::ParseError;
use crate::reader::Reader;

const SHAPE: &str = "write ANALYZE [VERBOSE] [name [(column, …)], …]";

/// Options of VACUUM and ANALYZE that change nothing here.
const OPTIONS: [&str; 11] = [
    "ANALYZE",
    "ANALYSE",
    "DISABLE_PAGE_SKIPPING",
    "FREEZE",
    "INDEX_CLEANUP",
    "PARALLEL",
    "PROCESS_MAIN",
    "PROCESS_TOAST",
    "SKIP_LOCKED",
    "TRUNCATE",
    "VERBOSE",
];

/// Which statement it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnalyzeKind {
    /// ANALYZE.
    Analyze,
    /// VACUUM ANALYZE.
    VacuumAnalyze,
}

impl fmt::Display for AnalyzeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Analyze => "ANALYZE",
            Self::VacuumAnalyze => "VACUUM ANALYZE",
        })
    }
}

/// ANALYZE of relations.
#[derive(Clone, Debug, PartialEq)]
pub struct Analyze {
    /// ANALYZE, or VACUUM ANALYZE.
    pub kind: AnalyzeKind,
    /// The relations, each with the columns that are named; none stands for all of them.
    pub relations: Vec<(ObjectName, Vec<Ident>)>,
}

impl fmt::Display for Analyze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        for (at, (name, columns)) in self.relations.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma} {name}")?;
            if !columns.is_empty() {
                f.write_str(" ")?;
                crate::canonical::inline(f, columns)?;
            }
        }
        Ok(())
    }
}

/// Reads a whole ANALYZE.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    reader.skip(1);
    if reader.at_token(&Token::LParen) {
        options(reader, SHAPE)?;
    } else {
        reader.take(&["VERBOSE"]);
    }
    relations(reader, AnalyzeKind::Analyze)
}

/// Reads a whole VACUUM: PostgreSQL's with ANALYZE is here, any other in [`vacuum`].
pub(super) fn parse_vacuum(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    reader.skip(1);
    let mut analyze = false;
    if reader.at_token(&Token::LParen) {
        analyze = options(reader, vacuum::SHAPE)?;
    } else {
        while reader.take(&["FREEZE"]) || reader.take(&["VERBOSE"]) {}
        if reader.take(&["ANALYZE"]) || reader.take(&["ANALYSE"]) {
            analyze = true;
        }
    }
    match analyze {
        true => relations(reader, AnalyzeKind::VacuumAnalyze),
        false => vacuum::parse(reader),
    }
}

/// Reads `(VERBOSE, ANALYZE on, PARALLEL 2)`; whether ANALYZE is among them.
fn options(reader: &mut Reader<'_>, shape: &str) -> Result<bool, ParseError> {
    reader.skip(1);
    let mut analyze = false;
    loop {
        let at = reader.span();
        let Some(option) = reader.word(0).map(str::to_ascii_uppercase) else {
            return Err(reader.unexpected(shape));
        };
        if option == "FULL" {
            return Err(vacuum::no_such_option(reader));
        }
        if !OPTIONS.contains(&option.as_str()) {
            let option = option.to_lowercase();
            return Err(ParseError::invalid(
                format!("unrecognized VACUUM option \"{option}\""),
                at,
            )
            .offending(option)
            .hint(shape));
        }
        reader.skip(1);
        let value = match &reader.peek(0).token {
            Token::Word(word) => Some(word.value.to_ascii_uppercase()),
            Token::Number(number, _) => Some(number.clone()),
            _ => None,
        };
        if value.is_some() {
            reader.skip(1);
        }
        if option.starts_with("ANALY") {
            analyze = !matches!(value.as_deref(), Some("FALSE" | "OFF" | "0"));
        }
        if !reader.take_token(&Token::Comma) {
            reader.expect_token(&Token::RParen, shape)?;
            return Ok(analyze);
        }
    }
}

fn relations(reader: &mut Reader<'_>, kind: AnalyzeKind) -> Result<Statement, ParseError> {
    let mut relations = Vec::new();
    while !reader.at_end() {
        let name = reader.name(SHAPE)?;
        let mut columns = Vec::new();
        if reader.take_token(&Token::LParen) {
            columns.push(reader.ident(SHAPE)?);
            while reader.take_token(&Token::Comma) {
                columns.push(reader.ident(SHAPE)?);
            }
            reader.expect_token(&Token::RParen, SHAPE)?;
        }
        relations.push((name, columns));
        if !reader.take_token(&Token::Comma) {
            break;
        }
        if reader.at_end() {
            return Err(reader.unexpected(SHAPE));
        }
    }
    reader.finish(SHAPE)?;
    Ok(Statement::Analyze(Analyze { kind, relations }))
}
