//! Regular expressions as PostgreSQL reads them: a dot is a line end too, `\m` and `\M` are the ends of words, and of what takes the place of a
//! match `\&` is the whole and a dollar nothing special.

use sluice_sql::ast::{BinaryOperator, Expr, Value};

use super::{expression, text, text_of};

/// The pattern of a match; `None` where it may stay as it is.
pub(super) fn pattern(written: &Expr) -> Option<Expr> {
    match written {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => expression(&format!("('(?s)' || CAST({name} AS TEXT))")),
            value => {
                let written = text_of(value)?;
                let same = pattern_of(&written);
                (same != written).then(|| text(&same))
            }
        },
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
            expression(&format!("('(?s)' || {written})"))
        }
        _ => None,
    }
}

fn pattern_of(written: &str) -> String {
    let mut regex = String::with_capacity(written.len());
    let (mut letters, mut has_dot) = (written.chars(), false);
    while let Some(letter) = letters.next() {
        has_dot |= letter == '.';
        if letter != '\\' {
            regex.push(letter);
            continue;
        }
        match letters.next() {
            Some('m') => regex.push_str("\\b{start}"),
            Some('M') => regex.push_str("\\b{end}"),
            Some('y') => regex.push_str("\\b"),
            Some('Y') => regex.push_str("\\B"),
            Some('Z') => regex.push_str("\\z"),
            Some(other) => regex.extend(['\\', other]),
            None => regex.push('\\'),
        }
    }
    match has_dot && !regex.starts_with("(?") && !regex.starts_with("***") {
        true => format!("(?s){regex}"),
        false => regex,
    }
}

/// `x ~ pattern` and its like.
pub(super) fn matched(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<Expr> {
    let is_match = matches!(
        op,
        BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotIMatch
    );
    let right = is_match.then(|| pattern(right)).flatten()?;
    Some(Expr::BinaryOp {
        left: Box::new(left.clone()),
        op: op.clone(),
        right: Box::new(right),
    })
}

/// What takes the place of a match, in the engine's words.
pub(super) fn replacement(written: &str) -> String {
    let mut out = String::with_capacity(written.len());
    let mut letters = written.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '$' => out.push_str("$$"),
            '\\' => match letters.next() {
                Some('&') => out.push_str("${0}"),
                Some(digit @ '1'..='9') => out.push_str(&format!("${{{digit}}}")),
                Some('\\') | None => out.push('\\'),
                Some(other) => out.extend(['\\', other]),
            },
            letter => out.push(letter),
        }
    }
    out
}

/// The call of a function whose second argument is a pattern, and maybe its third what takes a match's place.
pub(super) fn call(name: &str, arguments: &[String]) -> Option<String> {
    let at = |place: usize| {
        arguments
            .get(place)
            .and_then(|argument| expression(argument))
    };
    let mut all = arguments.to_vec();
    let known = [
        "regexp_replace",
        "regexp_match",
        "regexp_like",
        "regexp_count",
        "regexp_instr",
    ];
    if !known.contains(&name) {
        return None;
    }
    if let Some(Expr::Value(value)) = at(1)
        && let Some(written) = text_of(&value.value)
    {
        *all.get_mut(1)? = text(&pattern_of(&written)).to_string();
    }
    if name == "regexp_replace"
        && let Some(Expr::Value(value)) = at(2)
        && let Some(written) = text_of(&value.value)
    {
        *all.get_mut(2)? = text(&replacement(&written)).to_string();
    }
    (all != arguments).then(|| format!("{name}({})", all.join(", ")))
}

#[cfg(test)]
mod tests;
