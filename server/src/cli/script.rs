//! A SQL script: its statements one by one, and where in the file an error is.
//!
//! The parser refuses a whole text at its first error; a script is cut into statements before, so that every wrong one is told. Positions
//! of errors count in the text that was parsed; here they become `file:line:column`.

use std::io::Read;
use std::path::Path;

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use sluice_server::error::{Error, Result, SqlState};
use sluice_server::session::{Prepared, Session};

#[cfg(test)]
mod tests;

/// A script.
#[derive(Clone, Debug)]
pub(super) struct Script {
    name: String,
    text: String,
}

/// One statement of it, not parsed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// Its text, from its first word.
    pub(super) text: &'a str,
    /// Bytes before it in the script.
    offset: usize,
}

impl Script {
    /// Reads a file, or standard input for `-`.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let (name, bytes) = if path == Path::new("-") {
            let mut bytes = vec![];
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            ("<stdin>".to_owned(), read.map(|_| bytes))
        } else {
            (path.display().to_string(), std::fs::read(path))
        };
        let cannot = |why: String| {
            Error::user(
                SqlState::InvalidParameterValue,
                format!("cannot read {name}: {why}"),
            )
        };
        let text = String::from_utf8(bytes.map_err(|e| cannot(e.to_string()))?).map_err(|e| {
            cannot(format!(
                "not UTF-8 at byte {}",
                e.utf8_error().valid_up_to()
            ))
        })?;
        Ok(Self { name, text })
    }

    /// A script from its text.
    #[cfg(test)]
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Its statements. What cannot even be cut into words is one piece: parsing will say why.
    pub(super) fn pieces(&self) -> Vec<Piece<'_>> {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, &self.text).tokenize_with_location();
        let Ok(tokens) = tokens else {
            return vec![self.piece(0, self.text.len())];
        };
        let mut at = Cursor::new(&self.text);
        let mut pieces = vec![];
        let mut start = None;
        for token in &tokens {
            match token.token {
                Token::Whitespace(_) | Token::EOF => {}
                Token::SemiColon => {
                    let end = at.offset_of(token.span.start.line, token.span.start.column);
                    pieces.extend(start.take().map(|start| self.piece(start, end)));
                }
                _ if start.is_none() => {
                    start = Some(at.offset_of(token.span.start.line, token.span.start.column));
                }
                _ => {}
            }
        }
        pieces.extend(start.map(|start| self.piece(start, self.text.len())));
        pieces
    }

    fn piece(&self, start: usize, end: usize) -> Piece<'_> {
        Piece {
            text: self.text.get(start..end).unwrap_or_default().trim_end(),
            offset: start,
        }
    }

    /// Parses and plans a statement; an error is told with its place. A piece of comments alone gives `None`.
    pub(super) async fn prepare(
        &self,
        session: &Session,
        piece: Piece<'_>,
    ) -> Result<Option<Prepared>, String> {
        let parsed = session.parse(piece.text).map_err(|e| {
            // It names line and column of the piece; the file's are right before it.
            let detail = e.detail.as_deref().filter(|d| !d.starts_with("At line "));
            let detail = detail.map(str::to_owned);
            self.tell(piece, &Error { detail, ..e })
        })?;
        let Some(parsed) = parsed.into_iter().next() else {
            return Ok(None);
        };
        match session.prepare(&parsed, &[]).await {
            Ok(prepared) => Ok(Some(prepared)),
            Err(e) => Err(self.tell(piece, &e)),
        }
    }

    /// `file:line:column: message`, with detail and hint.
    pub(super) fn tell(&self, piece: Piece<'_>, error: &Error) -> String {
        let within = char_offset(piece.text, error.position.unwrap_or(1));
        let before = self.text.get(..piece.offset + within);
        let before = before.unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        format!("{}:{line}:{column}: {error}", self.name)
    }
}

/// Bytes before a character that is counted from 1.
fn char_offset(text: &str, position: usize) -> usize {
    let mut offsets = text.char_indices().map(|(at, _)| at);
    offsets
        .nth(position.saturating_sub(1))
        .unwrap_or(text.len())
}

/// Finds byte offsets of rising lines and columns in one pass.
struct Cursor<'a> {
    rest: std::str::CharIndices<'a>,
    len: usize,
    line: u64,
    column: u64,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.char_indices(),
            len: text.len(),
            line: 1,
            column: 1,
        }
    }

    fn offset_of(&mut self, line: u64, column: u64) -> usize {
        while (self.line, self.column) < (line, column) {
            match self.rest.next() {
                Some((_, '\n')) => {
                    self.line += 1;
                    self.column = 1;
                }
                Some(_) => self.column += 1,
                None => return self.len,
            }
        }
        self.len - self.rest.as_str().len()
    }
}
