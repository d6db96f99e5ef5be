//! What PostgreSQL points at for kinds of errors whose message has no name of the statement's: an operator, an argument, an item.
//!
//! Where it could be one of several, none is pointed at: then the words of the message are looked for, as of any other.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::is_word;

#[cfg(test)]
mod tests;

/// Aggregates by name; those that end in `_agg` are aggregates too.
const AGGREGATES: [&str; 10] = [
    "count", "sum", "avg", "min", "max", "bool_and", "bool_or", "every", "stddev", "variance",
];

/// Words that an operand follows, and no operator between two.
const BEFORE_OPERANDS: [&str; 20] = [
    "SELECT", "DISTINCT", "ALL", "WHERE", "HAVING", "ON", "AND", "OR", "NOT", "BY", "CASE", "WHEN",
    "THEN", "ELSE", "IN", "BETWEEN", "LIKE", "LIMIT", "OFFSET", "SET",
];

/// The token that an error of one of these kinds points at.
pub(super) fn pointed_at(tokens: &[TokenWithSpan], message: &str) -> Option<usize> {
    if let Some(keyword) = whose_argument(message) {
        return expression(tokens, after_sole(tokens, keyword)?);
    }
    if let Some(expression) = operated(message) {
        return operator(tokens, expression);
    }
    if let Some((kind, clause)) = message.split_once(" functions are not allowed in ") {
        return function_in(tokens, kind, clause);
    }
    if let Some((clause, number)) = item_number(message) {
        let by = sole(tokens, |at| {
            is(tokens, at, clause) && is(tokens, at + 1, "BY")
        })?;
        let mut items = by..tokens.len();
        return items.find(
            |at| matches!(token(tokens, *at), Some(Token::Number(found, _)) if found == number),
        );
    }
    if let Some(set) = set_operation(message) {
        return second_list(tokens, set);
    }
    let name = called(message)?;
    (0..tokens.len()).find(|at| is(tokens, *at, name) && is(tokens, at + 1, "("))
}

fn token(tokens: &[TokenWithSpan], at: usize) -> Option<&Token> {
    tokens.get(at).map(|token| &token.token)
}

fn is(tokens: &[TokenWithSpan], at: usize, word: &str) -> bool {
    token(tokens, at).is_some_and(|token| is_word(token, word))
}

/// The only place that is so.
fn sole(tokens: &[TokenWithSpan], is_it: impl Fn(usize) -> bool) -> Option<usize> {
    let mut all = (0..tokens.len()).filter(|at| is_it(*at));
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// The place after a keyword that stands once.
fn after_sole(tokens: &[TokenWithSpan], keyword: &str) -> Option<usize> {
    sole(tokens, |at| is(tokens, at, keyword)).map(|at| at + 1)
}

/// The first token of an expression: parentheses around it are not its own.
fn expression(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    (at..tokens.len()).find(|at| !is(tokens, *at, "("))
}

/// The keyword whose argument must be something else.
fn whose_argument(message: &str) -> Option<&str> {
    let (of, _) = message.strip_prefix("argument of ")?.split_once(" must ")?;
    let keyword = of.rsplit('/').next()?;
    // Of these two it may be the one before or the one after.
    (!["AND", "OR"].contains(&keyword)).then_some(keyword)
}

/// The operator with the types around it.
fn operated(message: &str) -> Option<&str> {
    let kinds = ["operator does not exist: ", "operator is not unique: "];
    if message.starts_with("unary operator '-'") {
        return Some("-");
    }
    kinds.iter().find_map(|kind| message.strip_prefix(kind))
}

/// The only operator that is written so: between two operands, or before one.
fn operator(tokens: &[TokenWithSpan], expression: &str) -> Option<usize> {
    let is_operator = |word: &&str| word.chars().all(|c| "+-*/<>=~!@#%^&|`?".contains(c));
    let operator = expression.split_whitespace().find(is_operator)?;
    let is_unary = expression.starts_with(operator);
    sole(tokens, |at| {
        let after_operand = at
            .checked_sub(1)
            .and_then(|before| token(tokens, before))
            .is_some_and(ends_operand);
        token(tokens, at).is_some_and(|token| token.to_string() == operator)
            && after_operand != is_unary
    })
}

fn ends_operand(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            word.quote_style.is_some()
                || !BEFORE_OPERANDS.iter().any(|before| is_word(token, before))
        }
        Token::RParen
        | Token::RBracket
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::Placeholder(_) => true,
        _ => false,
    }
}

/// The first aggregate or window function of a clause that may have none.
fn function_in(tokens: &[TokenWithSpan], kind: &str, clause: &str) -> Option<usize> {
    let from = after_sole(tokens, clause.split_whitespace().next()?)?;
    (from..tokens.len()).find(|at| {
        let Some(Token::Word(name)) = token(tokens, *at) else {
            return false;
        };
        let name = name.value.to_ascii_lowercase();
        is(tokens, at + 1, "(")
            && match kind {
                "window" => closing(tokens, at + 1).is_some_and(|end| is(tokens, end + 1, "OVER")),
                _ => AGGREGATES.contains(&name.as_str()) || name.ends_with("_agg"),
            }
    })
}

/// The parenthesis that closes the one here.
fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    (open..tokens.len()).find(|at| {
        match token(tokens, *at) {
            Some(Token::LParen) => depth += 1,
            Some(Token::RParen) => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    })
}

/// `ORDER` and the number of an item that the SELECT list does not have.
fn item_number(message: &str) -> Option<(&str, &str)> {
    let (clause, rest) = message.split_once(" BY position ")?;
    Some((clause, rest.split(' ').next()?))
}

/// The set operation whose two lists are not equally long.
fn set_operation(message: &str) -> Option<&str> {
    let (set, rest) = message.strip_prefix("each ")?.split_once(' ')?;
    rest.starts_with("query must have the same number of columns")
        .then_some(set)
}

/// The first item of the SELECT after the only one of these set operations.
fn second_list(tokens: &[TokenWithSpan], set: &str) -> Option<usize> {
    let skip = |from: usize, words: &[&str]| {
        (from..tokens.len()).find(|at| !words.iter().any(|word| is(tokens, *at, word)))
    };
    let select = skip(after_sole(tokens, set)?, &["ALL", "DISTINCT", "("])?;
    if !is(tokens, select, "SELECT") {
        return None;
    }
    skip(select + 1, &["ALL", "DISTINCT", "("])
}

/// The function that is not there for these types.
fn called(message: &str) -> Option<&str> {
    let name = message
        .strip_prefix("function ")?
        .split(['(', ' '])
        .next()?;
    name.rsplit('.').next()
}
