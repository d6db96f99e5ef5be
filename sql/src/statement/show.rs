//! `SHOW STREAMS | TABLES | VIEWS | QUERIES | SCHEMAS | SECRETS [FROM schema] [LIKE 'pattern']` and `SHOW CREATE kind name`.
//!
//! Every other SHOW is PostgreSQL's SHOW of a variable; one that is nearly a list of ours is taken for a slip.

use std::fmt;

use sqlparser::ast::ObjectName;
use sqlparser::tokenizer::Token;

use super::{ObjectKind, Statement};
use crate::error::ParseError;
use crate::hints;
use crate::reader::Reader;

/// Which of a list is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShowFilter {
    /// FROM or IN a schema.
    pub schema: Option<ObjectName>,
    /// LIKE a pattern.
    pub like: Option<String>,
}

impl fmt::Display for ShowFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, " FROM {schema}")?;
        }
        match &self.like {
            Some(like) => write!(f, " LIKE '{}'", like.replace('\'', "''")),
            None => Ok(()),
        }
    }
}

/// SHOW of a list or of a definition.
#[derive(Clone, Debug, PartialEq)]
pub enum Show {
    /// SHOW STREAMS.
    Streams(ShowFilter),
    /// SHOW TABLES.
    Tables(ShowFilter),
    /// SHOW VIEWS.
    Views(ShowFilter),
    /// SHOW QUERIES.
    Queries(ShowFilter),
    /// SHOW SCHEMAS.
    Schemas(ShowFilter),
    /// SHOW SECRETS.
    Secrets(ShowFilter),
    /// SHOW CREATE kind name.
    Create {
        /// What it is.
        kind: ObjectKind,
        /// Its name.
        name: ObjectName,
    },
}

impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Streams(filter) => write!(f, "SHOW STREAMS{filter}"),
            Self::Tables(filter) => write!(f, "SHOW TABLES{filter}"),
            Self::Views(filter) => write!(f, "SHOW VIEWS{filter}"),
            Self::Queries(filter) => write!(f, "SHOW QUERIES{filter}"),
            Self::Schemas(filter) => write!(f, "SHOW SCHEMAS{filter}"),
            Self::Secrets(filter) => write!(f, "SHOW SECRETS{filter}"),
            Self::Create { kind, name } => write!(f, "SHOW CREATE {kind} {name}"),
        }
    }
}

const LISTS: &str =
    "write SHOW STREAMS, TABLES, VIEWS, QUERIES, SCHEMAS or SECRETS [FROM schema] [LIKE 'pattern']";

/// What a SHOW of several things becomes.
type List = fn(ShowFilter) -> Show;

/// Reads a whole SHOW, or nothing where it shows a variable.
pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Option<Statement>, ParseError> {
    if reader.take(&["SHOW", "CREATE"]) {
        return create(reader).map(|show| Some(Statement::Show(show)));
    }
    const LISTS_OF: &[(&[&str], List)] = &[
        (&["SHOW", "STREAMS"], Show::Streams),
        (&["SHOW", "SOURCES"], Show::Streams),
        (&["SHOW", "TABLES"], Show::Tables),
        (&["SHOW", "MATERIALIZED", "VIEWS"], Show::Tables),
        (&["SHOW", "VIEWS"], Show::Views),
        (&["SHOW", "QUERIES"], Show::Queries),
        (&["SHOW", "SCHEMAS"], Show::Schemas),
        (&["SHOW", "DATABASES"], Show::Schemas),
        (&["SHOW", "SECRETS"], Show::Secrets),
    ];
    for (words, show) in LISTS_OF {
        if reader.take(words) {
            let filter = filter(reader)?;
            return Ok(Some(Statement::Show(show(filter))));
        }
    }
    misspelt(reader)?;
    Ok(None)
}

fn create(reader: &mut Reader<'_>) -> Result<Show, ParseError> {
    const SHAPE: &str = "write SHOW CREATE STREAM | VIEW | TABLE name";
    let kind = if reader.take(&["STREAM"]) || reader.take(&["SOURCE"]) {
        ObjectKind::Stream
    } else if reader.take(&["VIEW"]) {
        ObjectKind::View
    } else if reader.take(&["TABLE"]) || reader.take(&["MATERIALIZED", "VIEW"]) {
        ObjectKind::Table
    } else {
        let near = reader
            .word(0)
            .and_then(|word| hints::nearest(word, &["STREAM", "VIEW", "TABLE"]));
        return Err(match near {
            Some(near) => reader.unexpected(&format!("did you mean SHOW CREATE {near}?")),
            None => reader.unexpected(SHAPE),
        });
    };
    let name = reader.name(SHAPE)?;
    reader.finish(SHAPE)?;
    Ok(Show::Create { kind, name })
}

fn filter(reader: &mut Reader<'_>) -> Result<ShowFilter, ParseError> {
    let mut filter = ShowFilter::default();
    if reader.take(&["FROM"]) || reader.take(&["IN"]) {
        filter.schema = Some(reader.name(LISTS)?);
    }
    if reader.take(&["LIKE"]) {
        filter.like = Some(reader.string(LISTS)?);
    }
    reader.finish(LISTS)?;
    Ok(filter)
}

/// Refuses `SHOW STREEMS`; leaves `SHOW server_version` alone.
fn misspelt(reader: &Reader<'_>) -> Result<(), ParseError> {
    let Some(word) = reader.word(1) else {
        return match reader.peek(1).token {
            Token::Word(_) => Ok(()),
            _ => Err(ParseError::syntax(reader.peek(1)).hint(LISTS)),
        };
    };
    const OURS: [&str; 7] = [
        "STREAMS", "TABLES", "VIEWS", "QUERIES", "SCHEMAS", "SECRETS", "CREATE",
    ];
    match hints::nearest(word, &OURS) {
        Some(near) => {
            Err(ParseError::syntax(reader.peek(1)).hint(format!("did you mean SHOW {near}?")))
        }
        None => Ok(()),
    }
}
