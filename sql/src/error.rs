//! What was wrong with a text, where, and what to write instead.
//!
//! Every refusal of this crate is a [`ParseError`]. The position counts in the whole text that was handed to
//! [`crate::parse`], not in the statement, because that is what an editor, `psql`'s caret and `file:line:column` need.
//! Messages read like PostgreSQL's: lower case, the offending text in double quotes, the advice in the hint. The parser
//! underneath words its errors differently; nothing of its wording but the expectation may reach a user.

use std::fmt;

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

/// The message of a text that stops too early.
pub(crate) const END_OF_INPUT: &str = "syntax error at end of input";

/// Why a text was refused, which is what decides the SQLSTATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParseErrorKind {
    /// It is not a statement of the dialect (42601).
    Syntax,
    /// An option has a value that it does not take (22023).
    InvalidValue,
    /// It is understood and not offered (0A000).
    Unsupported,
    /// It is nested too deeply, or chains too many operators, to be handled safely (54001).
    TooDeep,
    /// It is longer than [`crate::MAX_TEXT_BYTES`] (54000).
    TooLong,
}

/// A text that was refused: where it went wrong and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// What is wrong, in lower case and without a position.
    pub message: String,
    /// Line in the whole text, from 1.
    pub line: u64,
    /// Column in that line in characters, from 1.
    pub column: u64,
    /// The offending piece of the text, where there is one.
    pub near: Option<String>,
    /// What to write instead.
    pub hint: Option<String>,
    /// Characters before the offending place in the whole text (PostgreSQL's `Position` field is this plus one).
    pub offset: usize,
    /// Why it was refused.
    pub kind: ParseErrorKind,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.message
        )?;
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

impl ParseError {
    /// A refusal at a place. A location of line 0 stands for the end of the statement until
    /// [`ParseError::resolve`] fills it in.
    pub(crate) fn new(kind: ParseErrorKind, message: impl Into<String>, at: Location) -> Self {
        Self {
            message: message.into(),
            line: at.line,
            column: at.column,
            near: None,
            hint: None,
            offset: 0,
            kind,
        }
    }

    /// `syntax error at or near "…"`, or at the end of input.
    pub(crate) fn syntax(found: &TokenWithSpan) -> Self {
        let near = match &found.token {
            Token::EOF => None,
            token => Some(token.to_string()),
        };
        Self::near(near, found.span.start)
    }

    fn near(near: Option<String>, at: Location) -> Self {
        let message = match &near {
            Some(near) => format!("syntax error at or near \"{}\"", shorten(near)),
            None => END_OF_INPUT.to_owned(),
        };
        let mut error = Self::new(ParseErrorKind::Syntax, message, at);
        error.near = near;
        error
    }

    /// Something understood and not offered.
    pub(crate) fn unsupported(message: impl Into<String>, at: Span) -> Self {
        Self::new(ParseErrorKind::Unsupported, message, at.start)
    }

    /// A value that an option does not take.
    pub(crate) fn invalid_value(message: impl Into<String>, at: Span) -> Self {
        Self::new(ParseErrorKind::InvalidValue, message, at.start)
    }

    /// Something that parses and cannot mean anything.
    pub(crate) fn invalid(message: impl Into<String>, at: Span) -> Self {
        Self::new(ParseErrorKind::Syntax, message, at.start)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn offending(mut self, near: impl Into<String>) -> Self {
        self.near = Some(near.into());
        self
    }

    /// Replaces the "end of the statement" of line 0 by the place where the statement ends.
    pub(crate) fn resolve(mut self, end: Location) -> Self {
        if self.line == 0 {
            self.line = end.line;
            self.column = end.column;
        }
        self
    }

    /// Translates the parser's own error.
    pub(crate) fn from_parser(error: &ParserError) -> Self {
        let text = match error {
            ParserError::RecursionLimitExceeded => return Self::too_complex(Location::empty()),
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        };
        let (text, at) = split_location(text);
        let at = at.unwrap_or(Location { line: 0, column: 0 });
        let Some((expected, found)) = split_expectation(text) else {
            return Self::new(ParseErrorKind::Syntax, lower_first(text), at);
        };
        let near = (found != "EOF").then(|| found.to_owned());
        let error = Self::near(near, at);
        if expected.is_empty() {
            return error;
        }
        error.hint(format!("expected {expected}"))
    }

    pub(crate) fn too_complex(at: Location) -> Self {
        Self::new(ParseErrorKind::TooDeep, "statement is too complex", at)
            .hint("flatten nested parentheses and function calls, or compute parts of it in views")
    }
}

/// The first words of a text, short enough for a message.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MOST).collect();
    short.push('…');
    short
}

/// `… at Line: 3, Column: 14` → the text before it and the place.
fn split_location(text: &str) -> (&str, Option<Location>) {
    let Some((before, place)) = text.rsplit_once(" at Line: ") else {
        return (text, None);
    };
    let location = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Location {
            line: line.trim().parse().ok()?,
            column: column.trim().parse().ok()?,
        })
    });
    match location {
        Some(location) => (before, Some(location)),
        None => (text, None),
    }
}

/// `Expected: an expression, found: FROM` → both halves.
fn split_expectation(text: &str) -> Option<(&str, &str)> {
    let rest = text
        .strip_prefix("Expected:")
        .or_else(|| text.strip_prefix("Expected"))?;
    let (expected, found) = rest
        .split_once(", found: ")
        .or_else(|| rest.split_once(", found "))?;
    Some((expected.trim(), found))
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}
