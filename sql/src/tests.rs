//! What each statement becomes, and that what it becomes is where it stays.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod canonical;
mod copy;
mod errors;
mod hostile;
mod properties;
mod roles;
mod spellings;

use crate::{Parsed, Statement, parse};

/// The one statement of a text.
fn one(text: &str) -> Statement {
    let mut parsed = parse(text).unwrap_or_else(|error| panic!("{error}\nin: {text}"));
    assert_eq!(parsed.len(), 1, "{text}");
    let Parsed { statement, .. } = parsed.remove(0);
    statement
}

/// A statement on one line, as it prints.
fn printed(text: &str) -> String {
    flat(&one(text).to_string())
}

/// White space outside of literals, folded.
fn flat(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace("( ", "(").replace(" )", ")")
}

/// Asserts what a text prints as, and that this parses to the same statement and prints the same again.
fn becomes(text: &str, canonical: &str) {
    let statement = one(text);
    let long = statement.to_string();
    assert_eq!(flat(&long), canonical, "from: {text}");
    let again = one(&long);
    assert_eq!(
        again, statement,
        "the canonical form of {text} parses to something else:\n{long}"
    );
    assert_eq!(again.to_string(), long, "{text}");
}
