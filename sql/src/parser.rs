//! From a text to its statements: tokens, limits, spellings that only tokens show, then statement by statement.

use crate::dialect::SluiceDialect;
use crate::error::{ParseError, ParseErrorKind};
use crate::limits::{self, MAX_TEXT_BYTES};
use crate::reader::Reader;
use crate::rewrite::{refused, tokens as token_rewrite};
use crate::statement::{self, Statement, take_emit};
use crate::text::{self, Walker};

use sqlparser::tokenizer::{Location, Span, TokenWithSpan};

/// A statement and where it stood.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The statement.
    pub statement: Statement,
    /// Its own text, from its first word to its last, without the semicolon.
    pub text: String,
    /// Characters before it in the whole text.
    pub offset: usize,
}

/// All statements of a text; a text of comments alone has none.
///
/// # Errors
/// The first statement that is wrong refuses the whole text.
pub fn parse(text: &str) -> Result<Vec<Parsed>, ParseError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(ParseError::new(
            ParseErrorKind::TooLong,
            format!(
                "text of {} bytes is longer than {MAX_TEXT_BYTES}",
                text.len()
            ),
            Location { line: 1, column: 1 },
        )
        .hint("send the statements one at a time, and rows with COPY or through the stream"));
    }
    all(text).map_err(|mut error| {
        error.offset = Walker::new(text)
            .to(Location {
                line: error.line,
                column: error.column,
            })
            .1;
        error
    })
}

fn all(text: &str) -> Result<Vec<Parsed>, ParseError> {
    let mut walker = Walker::new(text);
    let mut parsed = Vec::new();
    for tokens in text::statements(text::tokenize(text)?) {
        let extent = text::extent(&tokens);
        let statement = one(tokens, extent)?;
        let (start, offset) = walker.to(extent.start);
        let (end, _) = walker.to(extent.end);
        parsed.push(Parsed {
            statement,
            text: text.get(start..end).unwrap_or_default().to_owned(),
            offset,
        });
    }
    Ok(parsed)
}

/// Parses the tokens of one statement.
fn one(mut tokens: Vec<TokenWithSpan>, extent: Span) -> Result<Statement, ParseError> {
    limits::check(&tokens)?;
    refused::check(&tokens)?;
    let emit = take_emit(&mut tokens).map_err(|error| error.resolve(extent.end))?;
    let tokens = token_rewrite::apply(tokens)?;
    let dialect = SluiceDialect::new(tokens.len());
    let mut reader = Reader::new(&dialect, tokens, emit);
    statement::parse(&mut reader).map_err(|error| error.resolve(extent.end))
}
