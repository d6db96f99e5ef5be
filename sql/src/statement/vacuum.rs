//! `VACUUM [TABLE] name [RETAIN n HOURS] [DRY RUN]`: files that no version within the retention needs are deleted, now.

use std::fmt;
use std::time::Duration;

use sqlparser::ast::ObjectName;
use sqlparser::tokenizer::Token;

use super::Statement;
use crate::error::ParseError;
use crate::reader::Reader;

pub(super) const SHAPE: &str = "write VACUUM name [RETAIN n HOURS] [DRY RUN]";

/// A hundred years: what is longer is a slip.
const MOST_HOURS: f64 = 876_600.0;

/// VACUUM of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Vacuum {
    /// The table.
    pub name: ObjectName,
    /// RETAIN: how long a file is kept after it left the table; the table's own retention where it is not given.
    pub retain: Option<Duration>,
    /// DRY RUN: only tell what would go.
    pub dry_run: bool,
}

impl fmt::Display for Vacuum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VACUUM {}", self.name)?;
        if let Some(retain) = self.retain {
            write!(f, " RETAIN {} HOURS", retain.as_secs_f64() / 3600.0)?;
        }
        match self.dry_run {
            true => f.write_str(" DRY RUN"),
            false => Ok(()),
        }
    }
}

/// FULL, and what else is not ours.
pub(super) fn no_such_option(reader: &Reader<'_>) -> ParseError {
    ParseError::unsupported("VACUUM takes no such option", reader.span())
        .offending(reader.peek(0).token.to_string())
        .hint(SHAPE)
}

/// Reads what follows VACUUM and those of PostgreSQL's options that mean nothing; `VACUUM;` is not ours.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Statement, ParseError> {
    if reader.at(&["FULL"]) {
        return Err(no_such_option(reader));
    }
    reader.take(&["TABLE"]);
    let name = reader.name(SHAPE)?;
    let mut retain = None;
    let mut dry_run = false;
    loop {
        if retain.is_none() && reader.take(&["RETAIN"]) {
            retain = Some(hours(reader)?);
        } else if !dry_run && reader.take(&["DRY", "RUN"]) {
            dry_run = true;
        } else {
            break;
        }
    }
    reader.finish(SHAPE)?;
    Ok(Statement::Vacuum(Vacuum {
        name,
        retain,
        dry_run,
    }))
}

fn hours(reader: &mut Reader<'_>) -> Result<Duration, ParseError> {
    let at = reader.peek(0).clone();
    let Token::Number(text, _) = &at.token else {
        return Err(reader.unexpected(SHAPE));
    };
    let wrong = || {
        ParseError::invalid(format!("RETAIN cannot be {text} HOURS"), at.span)
            .offending(text.clone())
            .hint("write a number of hours from 0 to 876600, such as RETAIN 168 HOURS")
    };
    let hours: f64 = text.parse().map_err(|_| wrong())?;
    if !hours.is_finite() || !(0.0..=MOST_HOURS).contains(&hours) {
        return Err(wrong());
    }
    reader.skip(1);
    if !reader.take(&["HOURS"]) {
        reader.expect(&["HOUR"], SHAPE)?;
    }
    // Whole seconds, so that what is printed is read back as the same.
    Ok(Duration::from_secs((hours * 3600.0).round() as u64))
}
