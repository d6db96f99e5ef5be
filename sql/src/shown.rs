//! A statement's text as others may see it: without what is secret in it.
//!
//! What is shown is a text that somebody has typed, right or wrong: it need not parse, and may end anywhere. So nothing is known but its
//! tokens, and what may be a secret counts as one: every literal of a statement about a secret or a role, whatever follows the name of a
//! password-like option, a password in an address. From where a text cannot be read on, nothing of it is shown.

use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::{
    dialect::SluiceDialect,
    statement::{REDACTED, holds_secret, without_password},
    text::Walker,
};

#[cfg(test)]
mod tests;

/// What statements are about whose literals are all secret.
const WHOLE: [&str; 4] = ["SECRET", "ROLE", "USER", "GROUP"];

/// The text with `***` in the place of what may be a secret.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    let dialect = SluiceDialect::new(0);
    let mut tokens: Vec<TokenWithSpan> = Vec::new();
    let read = Tokenizer::new(&dialect, text).tokenize_with_location_into_buf(&mut tokens);
    let mut shown = String::with_capacity(text.len());
    let mut walker = Walker::new(text);
    let mut copied = 0;
    let mut state = State::default();
    for token in &tokens {
        let replacement = state.take(&token.token);
        let (start, _) = walker.to(token.span.start);
        let (end, _) = walker.to(token.span.end);
        if let Some(replacement) = replacement {
            shown.push_str(text.get(copied..start).unwrap_or_default());
            shown.push_str(&replacement);
            copied = end;
        } else if read.is_err() {
            shown.push_str(text.get(copied..end).unwrap_or_default());
            copied = end;
        }
    }
    match read {
        Ok(()) => shown.push_str(text.get(copied..).unwrap_or_default()),
        Err(_) => shown.push_str(REDACTED),
    }
    shown
}

/// What was read of a statement so far, as far as it says what comes.
#[derive(Default)]
struct State {
    /// CREATE or ALTER came, and what it makes comes.
    makes: bool,
    /// All literals are secret.
    whole: bool,
    /// What comes is the value of something secret.
    next: Next,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Anything,
    /// A secret's name was the last token; whether a column may be called so.
    Named { column: bool },
    /// So it was, as a text: an argument of `set_config`.
    Quoted,
    /// And then an equals sign or what stands for one.
    Value { column: bool },
}

impl State {
    /// What is shown in the place of a token, if not the token.
    fn take(&mut self, token: &Token) -> Option<String> {
        match token {
            Token::Whitespace(_) => return None,
            Token::SemiColon => {
                *self = Self::default();
                return None;
            }
            _ => {}
        }
        let before = std::mem::take(&mut self.next);
        match token {
            Token::Word(word) => {
                let plain = word.quote_style.is_none();
                let is = |what: &str| plain && word.value.eq_ignore_ascii_case(what);
                if self.makes && !is("OR") && !is("REPLACE") {
                    self.makes = false;
                    self.whole |= WHOLE.iter().any(|what| is(what));
                }
                self.makes |= is("CREATE") || is("ALTER");
                match before {
                    Next::Named { column } if is("TO") => self.next = Next::Value { column },
                    // `= SECRET name` names one and gives nothing away, and so does `a.key = b.key`.
                    Next::Value { column: false } if !is("SECRET") => {
                        return Some(REDACTED.to_owned());
                    }
                    Next::Value { .. } => {}
                    _ if holds_secret(&word.value) => {
                        let column = word.value.to_ascii_lowercase().ends_with("key");
                        self.next = Next::Named { column };
                    }
                    _ => {}
                }
                None
            }
            Token::Eq | Token::RArrow | Token::Assignment | Token::Comma => {
                self.next = match before {
                    Next::Named { column } if *token != Token::Comma => Next::Value { column },
                    Next::Quoted => Next::Value { column: true },
                    _ => Next::Anything,
                };
                None
            }
            Token::RParen => None,
            _ => {
                let Some(text) = literal(token) else {
                    // The other half of a value may follow an operator.
                    self.next = before;
                    return None;
                };
                if self.whole || before != Next::Anything {
                    self.next = Next::Value { column: true };
                    return Some(format!("'{REDACTED}'"));
                }
                if holds_secret(text) {
                    self.next = Next::Quoted;
                }
                let struck = without_password(text);
                (struck != text).then(|| format!("'{}'", struck.replace('\'', "''")))
            }
        }
    }
}

/// The text of a value that is written out.
fn literal(token: &Token) -> Option<&str> {
    match token {
        Token::Number(text, _)
        | Token::SingleQuotedString(text)
        | Token::DoubleQuotedString(text)
        | Token::TripleSingleQuotedString(text)
        | Token::TripleDoubleQuotedString(text)
        | Token::EscapedStringLiteral(text)
        | Token::UnicodeStringLiteral(text)
        | Token::NationalStringLiteral(text)
        | Token::HexStringLiteral(text)
        | Token::SingleQuotedByteStringLiteral(text)
        | Token::DoubleQuotedByteStringLiteral(text)
        | Token::SingleQuotedRawStringLiteral(text)
        | Token::DoubleQuotedRawStringLiteral(text) => Some(text),
        Token::DollarQuotedString(text) => Some(&text.value),
        _ => None,
    }
}
