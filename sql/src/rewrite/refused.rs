//! Clauses of other products that are recognised and not offered: each says what to write instead.
//!
//! Looked for in the tokens, because the parser has no grammar for them and would name the wrong word.

use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::error::ParseError;

/// Words that come one after the other, what they are called, and what to write instead.
struct Clause {
    words: &'static [&'static str],
    /// An opening parenthesis must follow.
    call: bool,
    hint: &'static str,
}

const KSQL: &str = "write FROM TUMBLE(events, ts, INTERVAL '1 minute') (or HOP, SESSION) and GROUP BY window_start, window_end";
const READ: &str = "write SUBSCRIBE name for rows as they become final (for many drivers: DECLARE c CURSOR FOR SUBSCRIBE name), or poll name__live for open windows too";

const CLAUSES: [Clause; 6] = [
    Clause {
        words: &["WINDOW", "TUMBLING"],
        call: true,
        hint: KSQL,
    },
    Clause {
        words: &["WINDOW", "HOPPING"],
        call: true,
        hint: KSQL,
    },
    Clause {
        words: &["WINDOW", "SESSION"],
        call: true,
        hint: KSQL,
    },
    Clause {
        words: &["CLOSE", "WITH", "DELAY"],
        call: false,
        hint: "the delay belongs to the stream's watermark: WATERMARK FOR ts AS ts - INTERVAL '10 seconds'",
    },
    Clause {
        words: &["CLOSE", "AND", "TIMEOUT"],
        call: false,
        hint: "say on the stream when a silent split no longer holds windows back: WITH (idle_timeout = '30 seconds')",
    },
    Clause {
        words: &["FOR", "TAIL"],
        call: false,
        hint: READ,
    },
];

/// Statements by their first words.
const HEADS: [(&[&str], &str); 5] = [
    (&["TAIL"], READ),
    (
        &["CREATE", "SINK"],
        "every table is a Delta table that others read: write CREATE TABLE name AS SELECT …",
    ),
    (
        &["CREATE", "DYNAMIC", "TABLE"],
        "every table over a stream is kept up to date: write CREATE TABLE name AS SELECT …",
    ),
    (
        &["CREATE", "LIVE", "TABLE"],
        "every table over a stream is kept up to date: write CREATE TABLE name AS SELECT …",
    ),
    (
        &["CREATE", "CONNECTION"],
        "write the connector's options on the stream: CREATE STREAM name (…) WITH (connector = 'kafka', …)",
    ),
];

/// Refuses a statement that has one of them.
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<(), ParseError> {
    for (words, hint) in HEADS {
        if starts(tokens, words) {
            return Err(refuse(tokens, words, hint));
        }
    }
    if starts(tokens, &["COPY"])
        && let Some(inner) = tokens.get(2..)
        && starts(inner, &["TAIL"])
    {
        return Err(refuse(inner, &["TAIL"], READ));
    }
    let mut depth = 0_usize;
    for at in 0..tokens.len() {
        let rest = tokens.get(at..).unwrap_or_default();
        match rest.first().map(|token| &token.token) {
            Some(Token::LParen) => depth += 1,
            Some(Token::RParen) => depth = depth.saturating_sub(1),
            _ => {}
        }
        let found = CLAUSES.iter().find(|clause| {
            let called = rest
                .get(clause.words.len())
                .is_some_and(|next| next.token == Token::LParen);
            // In a call the words may be columns: substring(name FOR tail).
            let is_column = depth > 0 && (clause.hint == READ);
            starts(rest, clause.words) && (called || !clause.call) && !is_column
        });
        if let Some(clause) = found {
            return Err(refuse(rest, clause.words, clause.hint));
        }
    }
    Ok(())
}

fn starts(tokens: &[TokenWithSpan], words: &[&str]) -> bool {
    words
        .iter()
        .enumerate()
        .all(|(at, word)| super::tokens::is_any(tokens.get(at), &[*word]))
}

fn refuse(tokens: &[TokenWithSpan], words: &[&str], hint: &str) -> ParseError {
    // What follows FOR or CLOSE is what is not offered.
    let words = match words {
        ["FOR" | "CLOSE", rest @ ..] => rest,
        all => all,
    };
    let first = words.first().copied().unwrap_or_default();
    let at = tokens
        .iter()
        .find(|token| super::tokens::is_any(Some(token), &[first]))
        .map_or_else(Span::empty, |token| token.span);
    let clause = words.join(" ");
    ParseError::unsupported(format!("{clause} is not supported"), at)
        .offending(clause)
        .hint(hint)
}
