//! Reads our own statements: the parser of SQL underneath plus words it has no keyword for.
//!
//! A reader stands on one statement's tokens. Words are compared without regard to case and never match quoted
//! identifiers, so `CREATE STREAM "with" …` has a name. Every refusal carries what to write instead.

use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, Query};
use sqlparser::dialect::Dialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::error::{END_OF_INPUT, ParseError};
use crate::rewrite;
use crate::statement::EmitClause;

/// Words that cannot be a bare name, because what follows a missing name starts with them.
const NEVER_NAMES: &[&str] = &[
    "ADD",
    "ALTER",
    "AND",
    "AS",
    "CASE",
    "CREATE",
    "CROSS",
    "DROP",
    "EXCEPT",
    "EXISTS",
    "FROM",
    "GROUP",
    "HAVING",
    "IF",
    "IN",
    "INSERT",
    "INTERSECT",
    "INTO",
    "IS",
    "JOIN",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "PARTITIONED",
    "SELECT",
    "TABLE",
    "THEN",
    "UNION",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
];

/// The nesting the parser may use; deeper statements are refused by [`crate::limits`] first.
const RECURSION_LIMIT: usize = 4_000;

/// One statement being read.
pub(crate) struct Reader<'a> {
    /// The parser underneath, for everything that is plain SQL.
    pub(crate) parser: Parser<'a>,
    /// EMIT … at the end of the statement.
    pub(crate) emit: Option<EmitClause>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        dialect: &'a dyn Dialect,
        tokens: Vec<TokenWithSpan>,
        emit: Option<EmitClause>,
    ) -> Self {
        Self {
            parser: Parser::new(dialect)
                .with_recursion_limit(RECURSION_LIMIT)
                .with_tokens_with_locations(tokens),
            emit,
        }
    }

    /// The token so many places ahead.
    pub(crate) fn peek(&self, ahead: usize) -> &TokenWithSpan {
        self.parser.peek_nth_token_ref(ahead)
    }

    /// The unquoted word so many places ahead.
    pub(crate) fn word(&self, ahead: usize) -> Option<&str> {
        match &self.peek(ahead).token {
            Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    /// Whether this word stands so many places ahead.
    pub(crate) fn word_is(&self, ahead: usize, word: &str) -> bool {
        self.word(ahead)
            .is_some_and(|found| found.eq_ignore_ascii_case(word))
    }

    /// Whether these words come next.
    pub(crate) fn at(&self, words: &[&str]) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(ahead, word)| self.word_is(ahead, word))
    }

    /// Goes past these words if they come next.
    pub(crate) fn take(&mut self, words: &[&str]) -> bool {
        let found = self.at(words);
        if found {
            self.skip(words.len());
        }
        found
    }

    pub(crate) fn skip(&mut self, tokens: usize) {
        for _ in 0..tokens {
            self.parser.advance_token();
        }
    }

    /// Goes past these words or says what to write.
    pub(crate) fn expect(&mut self, words: &[&str], hint: &str) -> Result<(), ParseError> {
        for word in words {
            if !self.take(&[word]) {
                return Err(self.unexpected(hint));
            }
        }
        Ok(())
    }

    pub(crate) fn at_token(&self, token: &Token) -> bool {
        &self.peek(0).token == token
    }

    pub(crate) fn take_token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    pub(crate) fn expect_token(&mut self, token: &Token, hint: &str) -> Result<(), ParseError> {
        if self.take_token(token) {
            Ok(())
        } else {
            Err(self.unexpected(hint))
        }
    }

    /// Where the next token stands.
    pub(crate) fn span(&self) -> Span {
        self.peek(0).span
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at_token(&Token::EOF)
    }

    /// `syntax error at or near` the next token.
    pub(crate) fn unexpected(&self, hint: &str) -> ParseError {
        let error = ParseError::syntax(self.peek(0));
        if hint.is_empty() {
            error
        } else {
            error.hint(hint)
        }
    }

    /// Refuses whatever still follows.
    pub(crate) fn finish(&self, hint: &str) -> Result<(), ParseError> {
        if self.at_end() {
            Ok(())
        } else {
            Err(self.unexpected(hint))
        }
    }

    /// A name of one part.
    pub(crate) fn ident(&mut self, hint: &str) -> Result<Ident, ParseError> {
        match &self.peek(0).token {
            Token::Word(word)
                if word.quote_style.is_some()
                    || !NEVER_NAMES
                        .iter()
                        .any(|never| never.eq_ignore_ascii_case(&word.value)) =>
            {
                let ident = word.clone().into_ident(self.span());
                self.skip(1);
                if ident.value.is_empty() {
                    return Err(ParseError::invalid(
                        "zero-length delimited identifier",
                        ident.span,
                    )
                    .offending("\"\"")
                    .hint(hint));
                }
                Ok(ident)
            }
            _ => Err(self.unexpected(hint)),
        }
    }

    /// A name with its schema.
    pub(crate) fn name(&mut self, hint: &str) -> Result<ObjectName, ParseError> {
        let mut parts = vec![ObjectNamePart::Identifier(self.ident(hint)?)];
        while self.take_token(&Token::Period) {
            parts.push(ObjectNamePart::Identifier(self.ident(hint)?));
        }
        Ok(ObjectName(parts))
    }

    /// A string literal.
    pub(crate) fn string(&mut self, hint: &str) -> Result<String, ParseError> {
        match &self.peek(0).token {
            Token::SingleQuotedString(text)
            | Token::EscapedStringLiteral(text)
            | Token::UnicodeStringLiteral(text) => {
                let text = text.clone();
                self.skip(1);
                Ok(text)
            }
            Token::DollarQuotedString(text) => {
                let text = text.value.clone();
                self.skip(1);
                Ok(text)
            }
            _ => Err(self.unexpected(hint)),
        }
    }

    /// A query, its spellings brought to the canonical ones.
    pub(crate) fn query(&mut self) -> Result<Box<Query>, ParseError> {
        let mut query = self.sql(Parser::parse_query)?;
        rewrite::query(&mut query)?;
        Ok(query)
    }

    /// An expression, its spellings brought to the canonical ones.
    pub(crate) fn expr(&mut self) -> Result<Expr, ParseError> {
        let mut expr = self.sql(Parser::parse_expr)?;
        rewrite::expr(&mut expr)?;
        Ok(expr)
    }

    /// For `SELECT a, FROM` the parser names FROM and the place of the token after it.
    fn at_what_was_found(&self, error: &mut ParseError) {
        let found = self.parser.get_current_token();
        let next = self.peek(0).span.start;
        let shifted = (error.line, error.column) == (next.line, next.column)
            && error.near.as_ref().is_some_and(|near| {
                *near == found.token.to_string() && *near != self.peek(0).token.to_string()
            });
        if shifted {
            error.line = found.span.start.line;
            error.column = found.span.start.column;
            if self.parser.get_previous_token().token == Token::Comma {
                error.hint = Some(format!("remove the comma before {}", found.token));
            }
        }
    }

    /// Lets the parser of SQL read something.
    pub(crate) fn sql<T>(
        &mut self,
        read: impl FnOnce(&mut Parser<'a>) -> Result<T, ParserError>,
    ) -> Result<T, ParseError> {
        read(&mut self.parser).map_err(|error| {
            let mut error = ParseError::from_parser(&error);
            self.at_what_was_found(&mut error);
            if error.line == 0 && error.message != END_OF_INPUT && !self.at_end() {
                // The parser knows no place for some refusals; where it stopped is the nearest there is.
                let at = self.span().start;
                error.line = at.line;
                error.column = at.column;
            }
            error
        })
    }
}
