//! Where in a statement that stands which an error of planning speaks of.
//!
//! The parser knows places; planning knows names, and works on a tree that synonyms were rewritten in. The way back is the message: it
//! quotes names (`column "x" does not exist`) and has keywords in capitals (`the slide of HOP`), and each is looked for among the
//! statement's tokens, so that strings and comments are passed over. It is a guess where a name stands several times: then the first one
//! that uses it counts, not one that declares it (`AS x`) or is part of another (`a.x`). A name is pointed at from its first part on.
//! What has no name in the message has rules of its own: see `kinds` and `literals`.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::text::{self, Walker};

pub use literals::{place_of_literal, place_of_named};

mod kinds;
mod literals;
#[cfg(test)]
mod tests;

/// Characters before that which a message speaks of; `None` where nothing of it stands in the text, or the text cannot be read.
#[must_use]
pub fn place_of(text: &str, message: &str) -> Option<usize> {
    let tokens = text::tokenize(text).ok()?;
    let named = || {
        let subjects = subjects(message);
        subjects.iter().find_map(|subject| find(&tokens, subject))
    };
    let found = kinds::pointed_at(&tokens, message).or_else(named)?;
    Some(Walker::new(text).to(tokens.get(found)?.span.start).1)
}

/// What a message speaks of, as it stands in a statement.
struct Subject<'a> {
    words: Vec<&'a str>,
    /// Tokens from one word to the next: the parts of a name have a dot between them.
    step: usize,
}

impl<'a> Subject<'a> {
    fn name(parts: Vec<&'a str>) -> Self {
        Self {
            words: parts,
            step: 2,
        }
    }

    fn keyword(words: &[&'a str]) -> Self {
        Self {
            words: words.to_vec(),
            step: 1,
        }
    }
}

/// What to look for, the surest first: quoted names, then keywords, functions and parameters, then what else may be written for them.
fn subjects(message: &str) -> Vec<Subject<'_>> {
    let (mut names, mut words, mut others) = (vec![], vec![], vec![]);
    let column = message.strip_prefix("column ");
    let column = column.and_then(|rest| rest.strip_suffix(" does not exist"));
    // One with its relation's name stands without quotes.
    if let Some((relation, column)) = column.and_then(|column| column.split_once('.'))
        && !relation.contains('"')
    {
        names.push(Subject::name(vec![relation, column]));
        names.push(Subject::name(vec![column]));
    }
    for (number, part) in message.split('"').enumerate() {
        if number % 2 == 1 && part.starts_with('\'') {
            names.push(Subject::keyword(&[part]));
            continue;
        }
        if number % 2 == 1 {
            names.push(Subject::name(part.split('.').collect()));
            names.extend(
                part.rsplit('.')
                    .next()
                    .map(|last| Subject::name(vec![last])),
            );
            continue;
        }
        let mut keyword = vec![];
        for said in part.split_whitespace() {
            let word = said.trim_matches(|c: char| !c.is_alphanumeric() && c != '_' && c != '$');
            let goes_on = is_keyword(word) && !said.starts_with('(');
            if goes_on {
                keyword.push(word);
            }
            if !goes_on || said != word {
                shorter(&std::mem::take(&mut keyword), &mut words);
            }
            let function = said.contains('(') || word.contains('_') || word.starts_with('$');
            if !goes_on && function {
                words.push(Subject::keyword(&[word.split('(').next().unwrap_or(word)]));
            }
            others.extend(
                also_written(word)
                    .iter()
                    .map(|phrase| Subject::keyword(phrase)),
            );
        }
        shorter(&keyword, &mut words);
    }
    names.into_iter().chain(words).chain(others).collect()
}

fn is_keyword(word: &str) -> bool {
    word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase())
}

/// `GROUP BY` and, should it not be there, `GROUP`.
fn shorter<'a>(keyword: &[&'a str], into: &mut Vec<Subject<'a>>) {
    let parts = (1..=keyword.len()).rev();
    into.extend(parts.filter_map(|len| keyword.get(..len).map(Subject::keyword)));
}

/// What a statement has for a word of a message: other spellings of a window, and things that messages speak of in plain words.
fn also_written(word: &str) -> &'static [&'static [&'static str]] {
    match word.to_ascii_lowercase().as_str() {
        "tumble" => &[
            &["window", "("],
            &["date_bin"],
            &["date_trunc"],
            &["time_bucket"],
        ],
        "hop" => &[&["window", "("]],
        "session" => &[&["SESSION"], &["session_window"]],
        "window" => &[
            &["TUMBLE", "("],
            &["HOP", "("],
            &["CUMULATE", "("],
            &["SESSION", "("],
            &["window", "("],
        ],
        "grouping" => &[&["ROLLUP"], &["CUBE"], &["GROUPING", "SETS"]],
        "groups" => &[&["GROUP", "BY"]],
        "percentile" => &[
            &["approx_percentile"],
            &["percentile_cont"],
            &["approx_percentile_cont"],
            &["percentile_approx"],
            &["percentile"],
            &["quantile_cont"],
            &["median"],
        ],
        "subquery" => &[&["EXISTS", "("], &["IN", "(", "SELECT"], &["(", "SELECT"]],
        "join" => &[&["JOIN"], &["FROM"]],
        "table" | "stream" => &[&["FROM"]],
        _ => &[],
    }
}

/// The first token of a subject. One that is only part of a name, or that declares it, is taken when there is no other.
fn find(tokens: &[TokenWithSpan], subject: &Subject<'_>) -> Option<usize> {
    let token = |at: usize| tokens.get(at).map(|token| &token.token);
    let stands_at = |start: usize| {
        subject.words.iter().enumerate().all(|(number, word)| {
            let at = start + number * subject.step;
            let joined = number == 0 || subject.step == 1 || token(at - 1) == Some(&Token::Period);
            joined && token(at).is_some_and(|token| is_word(token, word))
        })
    };
    let uses = |at: &usize| {
        let (before, after) = (
            at.checked_sub(1).and_then(token),
            token(at + (subject.words.len() - 1) * subject.step + 1),
        );
        let is_part = [before, after].contains(&Some(&Token::Period));
        !is_part && !before.is_some_and(|before| is_word(before, "AS"))
    };
    let all = || (0..tokens.len()).filter(|at| stands_at(*at));
    let mut found = all().find(uses).or_else(|| all().next())?;
    while let Some(first) = found.checked_sub(2)
        && token(found - 1) == Some(&Token::Period)
        && matches!(token(first), Some(Token::Word(_)))
    {
        found = first;
    }
    Some(found)
}

fn is_word(token: &Token, word: &str) -> bool {
    match token {
        Token::Word(found) => found.value.eq_ignore_ascii_case(word),
        Token::Placeholder(found) => found == word,
        Token::LParen => word == "(",
        Token::SingleQuotedString(found) => {
            let inside = word.strip_prefix('\'');
            inside.and_then(|inside| inside.strip_suffix('\'')) == Some(found.as_str())
        }
        _ => false,
    }
}
