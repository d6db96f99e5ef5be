//! What the user probably meant: the nearest word we know.

use crate::error::ParseError;

const HEADS: &[&str] = &[
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "COMMIT",
    "COPY",
    "CREATE",
    "DELETE",
    "DESCRIBE",
    "DROP",
    "EXPLAIN",
    "GRANT",
    "INSERT",
    "MERGE",
    "PAUSE",
    "REBUILD",
    "REPLAY",
    "RESET",
    "RESUME",
    "REVOKE",
    "ROLLBACK",
    "SELECT",
    "SET",
    "SHOW",
    "START",
    "SUBSCRIBE",
    "TRUNCATE",
    "UPDATE",
    "VACUUM",
    "VALUES",
    "WITH",
];
const CREATED: &[&str] = &[
    "MATERIALIZED",
    "ROLE",
    "SCHEMA",
    "SOURCE",
    "STREAM",
    "STREAMING",
    "TABLE",
    "VIEW",
];
const DROPPED: &[&str] = &["ROLE", "SCHEMA", "SOURCE", "STREAM", "TABLE", "VIEW"];

/// The nearest of some words, where one is near enough to be meant and not the word itself.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_ascii_uppercase();
    let most = if word.len() <= 3 { 1 } else { 2 };
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&word, known), *known))
        .filter(|(distance, _)| (1..=most).contains(distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Adds to a refusal of plain SQL what its first words probably were.
pub(crate) fn for_sql(error: ParseError, words: &[String]) -> ParseError {
    let Some(head) = words.first() else {
        return error;
    };
    if let Some(meant) = nearest(head, HEADS)
        && !HEADS.iter().any(|known| known.eq_ignore_ascii_case(head))
    {
        let rest = words
            .get(1)
            .map(|word| format!(" {}", word.to_ascii_uppercase()));
        return error.hint(format!("did you mean {meant}{}?", rest.unwrap_or_default()));
    }
    let kinds = match head.to_ascii_uppercase().as_str() {
        "CREATE" => CREATED,
        "DROP" => DROPPED,
        _ => return error,
    };
    let replace = words
        .get(1)
        .is_some_and(|word| word.eq_ignore_ascii_case("or"));
    let kind = words.get(if replace { 3 } else { 1 });
    match kind.and_then(|kind| nearest(kind, kinds)) {
        Some(meant) => error.hint(format!(
            "did you mean {} {meant}?",
            head.to_ascii_uppercase()
        )),
        None => error,
    }
}
