//! The text as tokens and statements, and places in it as lines, columns, characters and bytes.
//!
//! The tokenizer counts lines and columns; a statement's own text needs bytes and `psql`'s caret needs characters.
//! A [`Walker`] goes over the text once, forward, however many statements it has.

use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace};

use crate::dialect::SluiceDialect;
use crate::error::{ParseError, ParseErrorKind};

/// Goes forward over a text, from place to place.
pub(crate) struct Walker<'a> {
    text: &'a str,
    line: u64,
    column: u64,
    bytes: usize,
    chars: usize,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            line: 1,
            column: 1,
            bytes: 0,
            chars: 0,
        }
    }

    /// Bytes and characters before a place, which must not lie before the last one asked for.
    pub(crate) fn to(&mut self, place: Location) -> (usize, usize) {
        let rest = self.text.get(self.bytes..).unwrap_or_default();
        for letter in rest.chars() {
            if (self.line, self.column) >= (place.line, place.column) {
                break;
            }
            if letter == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
            self.bytes += letter.len_utf8();
            self.chars += 1;
        }
        (self.bytes, self.chars)
    }
}

/// The tokens of a text without white space and comments.
pub(crate) fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>, ParseError> {
    let dialect = SluiceDialect::new(0);
    let mut tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| unreadable(&error.message, error.location))?;
    join_lines(&mut tokens);
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    for token in &mut tokens {
        canonical_quotes(token)?;
    }
    Ok(tokens)
}

/// `'a'` and, on a later line, `'b'` are one text, as in PostgreSQL. On one line they are not.
fn join_lines(tokens: &mut Vec<TokenWithSpan>) {
    let mut joined: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // Where in `joined` the text stands that the next could go on with, and whether a line has ended since.
    let mut open: Option<(usize, bool)> = None;
    for token in tokens.drain(..) {
        match (&token.token, open) {
            (Token::Whitespace(Whitespace::Newline), Some((at, _))) => open = Some((at, true)),
            (Token::Whitespace(Whitespace::SingleLineComment { .. }), Some((at, _))) => {
                open = Some((at, true));
            }
            (Token::Whitespace(Whitespace::Space | Whitespace::Tab), _) => {}
            (Token::SingleQuotedString(more), Some((at, true))) => {
                if let Some(TokenWithSpan {
                    token: Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text),
                    span,
                }) = joined.get_mut(at)
                {
                    text.push_str(more);
                    span.end = token.span.end;
                    joined.truncate(at + 1);
                    open = Some((at, false));
                    continue;
                }
            }
            (Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_), _) => {
                open = Some((joined.len(), false));
            }
            _ => open = None,
        }
        joined.push(token);
    }
    *tokens = joined;
}

/// Backquoted identifiers (Spark) become double-quoted ones and N'text' 'text'. Identifiers that would not print as
/// they are read (the parser's `Display` takes their quotes for escaped) are refused.
fn canonical_quotes(token: &mut TokenWithSpan) -> Result<(), ParseError> {
    match &mut token.token {
        Token::Word(word) if word.quote_style.is_some() => {
            word.quote_style = Some('"');
            if word.value.contains("\\\"") || word.value.contains("\"\"") {
                return Err(ParseError::unsupported(
                    "a quoted identifier cannot contain two double quotes in a row, or one after a backslash",
                    token.span,
                )
                .offending(word.value.clone())
                .hint("choose another name"));
            }
        }
        Token::NationalStringLiteral(text) => {
            token.token = Token::SingleQuotedString(std::mem::take(text))
        }
        _ => {}
    }
    Ok(())
}

/// The tokenizer's refusals in PostgreSQL's words.
fn unreadable(message: &str, at: Location) -> ParseError {
    let lower = message.to_ascii_lowercase();
    let (message, hint) = if lower.contains("comment") {
        ("unterminated /* comment".to_owned(), "close it with */")
    } else if lower.contains("dollar") {
        (
            "unterminated dollar-quoted string".to_owned(),
            "close it with the $tag$ it began with",
        )
    } else if lower.contains("string literal") {
        (
            "unterminated quoted string".to_owned(),
            "close it with '; a quote inside is written ''",
        )
    } else if lower.contains("close delimiter") || lower.contains("identifier") {
        (
            "unterminated quoted identifier".to_owned(),
            "close it with \"; a quote inside is written \"\"",
        )
    } else {
        (lower, "")
    };
    let error = ParseError::new(ParseErrorKind::Syntax, message, at);
    if hint.is_empty() {
        error
    } else {
        error.hint(hint)
    }
}

/// The tokens of each statement, without the semicolons; empty ones are left out.
pub(crate) fn statements(tokens: Vec<TokenWithSpan>) -> Vec<Vec<TokenWithSpan>> {
    let mut statements = Vec::new();
    let mut current = Vec::new();
    for token in tokens {
        match token.token {
            Token::SemiColon => {
                if !current.is_empty() {
                    statements.push(std::mem::take(&mut current));
                }
            }
            Token::EOF => {}
            _ => current.push(token),
        }
    }
    if !current.is_empty() {
        statements.push(current);
    }
    statements
}

/// Where tokens begin and end.
pub(crate) fn extent(tokens: &[TokenWithSpan]) -> Span {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => Span::new(first.span.start, last.span.end),
        _ => Span::empty(),
    }
}
