//! Which literal of a statement an error speaks of: one whose value cannot be read, or that names what is not there.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::text::{self, Walker};

#[cfg(test)]
mod tests;

/// Letters of `2026-01-02`: less is no time that would be completed.
const DATE: usize = 10;

/// Characters before the literal that could not be read, in quotes or a number; `None` where none stands in the text. The message quotes
/// its value, an element of it or what it was completed to; what `to_date` and its like read is no literal's value.
#[must_use]
pub fn place_of_literal(text: &str, message: &str) -> Option<usize> {
    let tokens = text::tokenize(text).ok()?;
    let read = |at: usize| value(&tokens, at).filter(|_| !is_read_by_a_function(&tokens, at));
    let first = |is: &dyn Fn(&str) -> bool| (0..tokens.len()).find(|at| read(*at).is_some_and(is));
    let is_json = |at: &usize| value(&tokens, *at).is_some() && is_read_as(&tokens, *at, "json");
    let said = quoted(message).and_then(|said| {
        first(&|value| value == said)
            .or_else(|| first(&|value| has_element(value, said)))
            .or_else(|| {
                let is_time = message.starts_with("date/time field value out of range");
                first(&|value| is_time && value.len() >= DATE && said.starts_with(value))
            })
    });
    let found = said.or_else(|| {
        if message.starts_with("invalid hexadecimal data") {
            return first(&|value| value.starts_with("\\x"));
        }
        let of_json = message.starts_with("invalid input syntax for type json");
        (0..tokens.len()).find(|at| of_json && is_json(at))
    })?;
    before(text, &tokens, found)
}

/// Characters before the literal that names what does not exist: `'nowhere'::regclass` and its like.
#[must_use]
pub fn place_of_named(text: &str, message: &str) -> Option<usize> {
    let name = quoted(message)?;
    let tokens = text::tokenize(text).ok()?;
    let names = |at: &usize| value(&tokens, *at) == Some(name) && is_read_as(&tokens, *at, "reg");
    before(text, &tokens, (0..tokens.len()).find(names)?)
}

fn before(text: &str, tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    Some(Walker::new(text).to(tokens.get(at)?.span.start).1)
}

fn value(tokens: &[TokenWithSpan], at: usize) -> Option<&str> {
    match &tokens.get(at)?.token {
        Token::SingleQuotedString(value)
        | Token::EscapedStringLiteral(value)
        | Token::Number(value, _) => Some(value),
        _ => None,
    }
}

/// What a message quotes.
fn quoted(message: &str) -> Option<&str> {
    ['"', '\''].into_iter().find_map(|mark| {
        let (_, rest) = message.split_once(mark)?;
        rest.rsplit_once(mark).map(|(value, _)| value)
    })
}

/// Whether a list in braces has this element.
fn has_element(list: &str, element: &str) -> bool {
    let mut elements = list.split(['{', ',', '}']);
    list.starts_with('{') && elements.any(|found| found.trim().trim_matches('"') == element)
}

/// Whether a literal is an argument of `to_date` or its like, which read it when they run.
fn is_read_by_a_function(tokens: &[TokenWithSpan], at: usize) -> bool {
    let back = |by: usize| Some(&tokens.get(at.checked_sub(by)?)?.token);
    let is_its =
        |token: &Token| matches!(token, Token::Word(word) if has_start(&word.value, "to_"));
    back(1) == Some(&Token::LParen) && back(2).is_some_and(is_its)
}

/// Whether a literal is cast to a type whose name begins so: `'x'::json`, `CAST('x' AS json)`, `json 'x'`.
fn is_read_as(tokens: &[TokenWithSpan], at: usize, kind: &str) -> bool {
    let is_kind = |at: usize| {
        let token = tokens.get(at).map(|token| &token.token);
        matches!(token, Some(Token::Word(word)) if has_start(&word.value, kind))
    };
    let casts = tokens.get(at + 1).is_some_and(|token| match &token.token {
        Token::DoubleColon => true,
        Token::Word(word) => word.value.eq_ignore_ascii_case("AS"),
        _ => false,
    });
    casts && is_kind(at + 2) || at.checked_sub(1).is_some_and(is_kind)
}

fn has_start(word: &str, start: &str) -> bool {
    word.get(..start.len())
        .is_some_and(|found| found.eq_ignore_ascii_case(start))
}
