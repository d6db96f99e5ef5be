//! `EMIT ON WINDOW CLOSE [FILL NULL | 0 | PREVIOUS [FOR n WINDOWS]]`, at the end of CREATE TABLE … AS.
//!
//! The parser underneath would take EMIT for the alias of a table, so the clause is cut off the tokens before it sees them. Only the very
//! words are taken for it: a column may be called `emit`, and one after it `final`.
//! Synonyms: EMIT AFTER WINDOW CLOSE, EMIT FINAL; FILL(NULL), FILL(PREV), FILL(VALUE, 0) and FILL(NONE) of QuestDB, TDengine and InfluxDB.

use std::fmt;

use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::error::ParseError;
use crate::hints::nearest;

/// For how many windows a key is filled where the statement does not say.
pub const DEFAULT_FILL_WINDOWS: u32 = 10;
/// For how many at most.
pub const MOST_FILL_WINDOWS: u32 = 100_000;

const SHAPE: &str =
    "write EMIT ON WINDOW CLOSE FILL NULL, FILL 0 or FILL PREVIOUS, then FOR 10 WINDOWS";

/// When a continuous query's rows are written, and which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Emit {
    /// Once, when the watermark has passed their window.
    #[default]
    OnWindowClose,
    /// The same, with rows for windows in which a key has none.
    OnWindowCloseFill(Fill),
}

impl Emit {
    /// What is filled, if anything is.
    pub fn fill(&self) -> Option<Fill> {
        match self {
            Self::OnWindowClose => None,
            Self::OnWindowCloseFill(fill) => Some(*fill),
        }
    }
}

/// Rows for windows without rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fill {
    /// What they hold.
    pub with: FillWith,
    /// A key is filled in so many windows after the last that had rows of it.
    pub windows: u32,
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = match self.with {
            FillWith::Null => "NULL",
            FillWith::Zero => "0",
            FillWith::Previous => "PREVIOUS",
        };
        let plural = if self.windows == 1 { "" } else { "S" };
        write!(f, "FILL {with} FOR {} WINDOW{plural}", self.windows)
    }
}

/// What the rows of a window without rows hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FillWith {
    /// What each aggregate gives over no rows: NULL, of counts 0.
    Null,
    /// The same, with 0 for every number that would be NULL.
    Zero,
    /// What the key had in the last window with rows of it.
    Previous,
}

/// EMIT … as it stood at the end of a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EmitClause {
    /// Where EMIT stood.
    pub(crate) span: Span,
    /// What it says.
    pub(crate) emit: Emit,
}

/// Cuts EMIT … off the end of a statement.
pub(crate) fn take(tokens: &mut Vec<TokenWithSpan>) -> Result<Option<EmitClause>, ParseError> {
    const CLAUSES: [(&[&str], bool); 5] = [
        (&["EMIT", "ON", "WINDOW", "CLOSE"], true),
        (&["EMIT", "AFTER", "WINDOW", "CLOSE"], true),
        (&["EMIT", "FINAL"], true),
        (&["EMIT", "CHANGES"], false),
        (&["EMIT", "ON", "UPDATE"], false),
    ];
    let Some(start) = tokens.iter().rposition(|token| is_word(token, "EMIT")) else {
        return Ok(None);
    };
    let clause = tokens.get(start..).unwrap_or_default();
    let words = CLAUSES
        .iter()
        .find(|(words, _)| clause.len() >= words.len() && starts_with(clause, words));
    let Some((words, supported)) = words.filter(|_| start > 0) else {
        return Ok(None);
    };
    let rest = clause.get(words.len()..).unwrap_or_default();
    // `SELECT emit final FROM …` is a column under another name.
    let is_clause = match rest.first() {
        None => true,
        Some(next) => words.contains(&"CLOSE") || is_word(next, "FILL"),
    };
    if !is_clause {
        return Ok(None);
    }
    let span = clause.first().map_or(Span::empty(), |token| token.span);
    if !supported {
        let clause = words.join(" ");
        return Err(ParseError::unsupported(format!("{clause} is not supported"), span)
            .offending(clause)
            .hint("rows are written when their window closes (EMIT ON WINDOW CLOSE); read name__live for open windows"));
    }
    let emit = match rest.is_empty() {
        true => Emit::OnWindowClose,
        false => Rest(rest).fill()?,
    };
    tokens.truncate(start);
    Ok(Some(EmitClause { span, emit }))
}

fn is_word(token: &TokenWithSpan, expected: &str) -> bool {
    matches!(&token.token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

fn starts_with(tokens: &[TokenWithSpan], words: &[&str]) -> bool {
    tokens
        .iter()
        .zip(words)
        .all(|(token, word)| is_word(token, word))
}

/// What follows EMIT ON WINDOW CLOSE.
struct Rest<'a>(&'a [TokenWithSpan]);

impl Rest<'_> {
    fn fill(mut self) -> Result<Emit, ParseError> {
        if !self.take_word("FILL") {
            return Err(self.unexpected(&["FILL"]));
        }
        let with = match self.take_token(&Token::LParen) {
            false => self.with()?,
            true => {
                if self.take_word("VALUE") {
                    self.take_token(&Token::Comma);
                }
                let with = self.with()?;
                if !self.take_token(&Token::RParen) {
                    return Err(self.unexpected(&[]));
                }
                with
            }
        };
        let windows = self.windows()?;
        if !self.0.is_empty() {
            return Err(self.unexpected(&["FOR"]));
        }
        Ok(match with {
            None => Emit::OnWindowClose,
            Some(with) => Emit::OnWindowCloseFill(Fill { with, windows }),
        })
    }

    /// What is filled in; `FILL(NONE)` asks for nothing.
    fn with(&mut self) -> Result<Option<FillWith>, ParseError> {
        const WITH: [(&str, Option<FillWith>); 4] = [
            ("NULL", Some(FillWith::Null)),
            ("PREVIOUS", Some(FillWith::Previous)),
            ("PREV", Some(FillWith::Previous)),
            ("NONE", None),
        ];
        for (word, with) in WITH {
            if self.take_word(word) {
                return Ok(with);
            }
        }
        let Some(found) = self.0.first() else {
            return Err(self.unexpected(&[]));
        };
        if let Token::Number(number, _) = &found.token {
            if number.parse::<f64>() == Ok(0.0) {
                self.skip();
                return Ok(Some(FillWith::Zero));
            }
            let error = format!("FILL {number} is not supported");
            return Err(ParseError::unsupported(error, found.span)
                .offending(number)
                .hint("write FILL 0, or FILL NULL and coalesce() when reading the table"));
        }
        for word in ["LINEAR", "NEXT", "NEAR"] {
            if is_word(found, word) {
                return Err(ParseError::unsupported(
                    format!("FILL {word} is not supported"),
                    found.span,
                )
                .offending(word)
                .hint("a row is final when its window closes, and what comes after is not known then; write FILL PREVIOUS, or FILL NULL and fill it in when reading the table"));
            }
        }
        Err(self.unexpected(&["NULL", "PREVIOUS", "NONE"]))
    }

    /// `FOR n WINDOWS`.
    fn windows(&mut self) -> Result<u32, ParseError> {
        if !self.take_word("FOR") {
            return Ok(DEFAULT_FILL_WINDOWS);
        }
        let windows = self.number()?;
        if !self.take_word("WINDOWS") && !self.take_word("WINDOW") {
            return Err(self.unexpected(&["WINDOWS"]));
        }
        Ok(windows)
    }

    fn number(&mut self) -> Result<u32, ParseError> {
        let Some(found) = self.0.first() else {
            return Err(self.unexpected(&[]));
        };
        let Token::Number(number, _) = &found.token else {
            let error = ParseError::syntax(found);
            return Err(error.hint("FOR counts windows: FOR 10 WINDOWS"));
        };
        match number.parse::<u32>() {
            Ok(windows @ 1..=MOST_FILL_WINDOWS) => {
                self.skip();
                Ok(windows)
            }
            _ => Err(ParseError::invalid(
                format!("a key is filled for 1 to {MOST_FILL_WINDOWS} windows, not {number}"),
                found.span,
            )
            .offending(number)
            .hint("write FOR 10 WINDOWS")),
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.0.first().is_some_and(|next| is_word(next, word));
        if found {
            self.skip();
        }
        found
    }

    fn take_token(&mut self, token: &Token) -> bool {
        let found = self.0.first().is_some_and(|next| next.token == *token);
        if found {
            self.skip();
        }
        found
    }

    fn skip(&mut self) {
        self.0 = self.0.get(1..).unwrap_or_default();
    }

    /// `syntax error at or near` the next token, with the word that was probably meant.
    fn unexpected(&self, words: &[&str]) -> ParseError {
        let Some(found) = self.0.first() else {
            return ParseError::syntax(&TokenWithSpan::new(Token::EOF, Span::empty())).hint(SHAPE);
        };
        let meant = match &found.token {
            Token::Word(word) => nearest(&word.value, words),
            _ => None,
        };
        let error = ParseError::syntax(found);
        match meant {
            Some(meant) => error.hint(format!("did you mean {meant}? {SHAPE}")),
            None => error.hint(SHAPE),
        }
    }
}
