//! `WHEN … THEN DO NOTHING` of MERGE, which the parser underneath has no grammar for.
//!
//! In the tree it is an action that names a column nobody has: `UPDATE SET "?do nothing?" = NULL`, and for new rows
//! `INSERT ("?do nothing?") VALUES (NULL)`. [`does_nothing`] tells it from what people write.

use sqlparser::ast::{AssignmentTarget, MergeAction, ObjectName, ObjectNamePart};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::is_any;

/// The column of an action that does nothing.
const NOTHING: &str = "?do nothing?";

/// Whether an action of MERGE is DO NOTHING.
pub fn does_nothing(action: &MergeAction) -> bool {
    match action {
        MergeAction::Update(update) => match update.assignments.as_slice() {
            [only] => {
                matches!(&only.target, AssignmentTarget::ColumnName(name) if is_nothing(name))
            }
            _ => false,
        },
        MergeAction::Insert(insert) => {
            matches!(insert.columns.as_slice(), [only] if is_nothing(only))
        }
        MergeAction::Delete { .. } => false,
    }
}

fn is_nothing(name: &ObjectName) -> bool {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => ident.value == NOTHING,
        _ => false,
    }
}

/// `THEN DO NOTHING` as what the parser reads.
pub(super) fn nothings(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_there = |at: usize| {
        ["THEN", "DO", "NOTHING"]
            .iter()
            .enumerate()
            .all(|(ahead, word)| is_any(tokens.get(at + ahead), &[*word]))
    };
    let merges = tokens.iter().any(|token| is_any(Some(token), &["MERGE"]));
    if !merges || !(0..tokens.len()).any(is_there) {
        return tokens;
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 8);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        out.push(token.clone());
        at += 1;
        if !is_there(at - 1) {
            continue;
        }
        let span = tokens.get(at).map_or(token.span, |found| found.span);
        let action = match of_new_rows(&tokens, at) {
            true => vec![
                Token::make_keyword("INSERT"),
                Token::LParen,
                Token::make_word(NOTHING, Some('"')),
                Token::RParen,
                Token::make_keyword("VALUES"),
                Token::LParen,
                Token::make_keyword("NULL"),
                Token::RParen,
            ],
            false => vec![
                Token::make_keyword("UPDATE"),
                Token::make_keyword("SET"),
                Token::make_word(NOTHING, Some('"')),
                Token::Eq,
                Token::make_keyword("NULL"),
            ],
        };
        out.extend(
            action
                .into_iter()
                .map(|token| TokenWithSpan::new(token, span)),
        );
        at += 2;
    }
    out
}

/// Whether the WHEN before this place is of rows that the table does not have.
fn of_new_rows(tokens: &[TokenWithSpan], before: usize) -> bool {
    let matched = (0..before).rev().find(|at| {
        is_any(tokens.get(*at), &["MATCHED"])
            && at
                .checked_sub(1)
                .is_some_and(|ahead| is_any(tokens.get(ahead), &["NOT", "WHEN"]))
    });
    let Some(matched) = matched else {
        return false;
    };
    let negated = matched
        .checked_sub(1)
        .is_some_and(|ahead| is_any(tokens.get(ahead), &["NOT"]));
    let by_source =
        is_any(tokens.get(matched + 1), &["BY"]) && is_any(tokens.get(matched + 2), &["SOURCE"]);
    negated && !by_source
}

#[cfg(test)]
mod tests;
