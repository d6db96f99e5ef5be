//! How deep and how long a statement may be, decided on its tokens before anything recursive sees it.
//!
//! The parser, the visitors, `Display`, `Clone` and `Drop` of the syntax tree all recurse. Parentheses make a tree
//! deep, and so does a chain without any (`1 + 1 + 1 …` is a tree as deep as it is long). What counts is therefore
//! an upper bound of the tree's depth, taken from the tokens: for each open parenthesis its nesting plus the operators
//! seen at that level since the last comma or clause. It must never be smaller than the real depth.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{ParseError, ParseErrorKind};

/// The longest text that is looked at, in bytes.
pub const MAX_TEXT_BYTES: usize = 8 << 20;

/// The deepest nesting of parentheses, brackets, CASE and braces.
pub const MAX_NESTING: usize = 200;

/// The longest chain of operators, summed over the open parentheses.
pub const MAX_CHAIN: usize = 1_000;

/// One open parenthesis (or the statement itself).
#[derive(Clone, Copy, Default)]
struct Level {
    /// Operators since the last comma or clause.
    operators: usize,
    /// Set operations, joins and CTEs, which clauses do not end.
    combined: usize,
    /// Whether CASE opened it rather than a bracket.
    case: bool,
}

/// Refuses tokens whose tree would be deeper than the limits.
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<(), ParseError> {
    let mut levels = vec![Level::default()];
    // The sum of both counters over all levels but the last.
    let mut below = 0_usize;
    let mut after_period = false;
    for token in tokens {
        // `w.end` and `t.case` are names.
        let name = std::mem::replace(&mut after_period, token.token == Token::Period);
        if name && matches!(token.token, Token::Word(_)) {
            continue;
        }
        let (opens, closes) = brackets(&token.token, levels.last().is_some_and(|level| level.case));
        if opens {
            if levels.len() > MAX_NESTING {
                return Err(too_deep(token, format!("nested more than {MAX_NESTING} deep")));
            }
            let last = levels.last().copied().unwrap_or_default();
            below += last.operators + last.combined;
            levels.push(Level {
                case: is_keyword(&token.token, Keyword::CASE),
                ..Level::default()
            });
            continue;
        }
        if closes {
            if levels.len() > 1 {
                levels.pop();
                let last = levels.last().copied().unwrap_or_default();
                below -= last.operators + last.combined;
            }
            continue;
        }
        let Some(level) = levels.last_mut() else { continue };
        count(&token.token, level);
        if below + level.operators + level.combined > MAX_CHAIN {
            return Err(too_deep(token, format!("a chain of more than {MAX_CHAIN} operators")));
        }
    }
    Ok(())
}

fn too_deep(token: &TokenWithSpan, how: String) -> ParseError {
    ParseError::new(ParseErrorKind::TooDeep, format!("statement is too complex: {how}"), token.span.start)
        .hint("write a list (x IN (…), VALUES …) or split it into views")
        .offending(token.token.to_string())
}

/// Whether a token opens or closes a level. END closes CASE only.
fn brackets(token: &Token, in_case: bool) -> (bool, bool) {
    match token {
        Token::LParen | Token::LBracket | Token::LBrace => (true, false),
        Token::RParen | Token::RBracket | Token::RBrace => (false, true),
        Token::Word(word) => match word.keyword {
            Keyword::CASE => (true, false),
            Keyword::END => (false, in_case),
            _ => (false, false),
        },
        _ => (false, false),
    }
}

fn is_keyword(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword)
}

fn count(token: &Token, level: &mut Level) {
    match token {
        Token::Comma => level.operators = 0,
        Token::Word(word) => match word.keyword {
            Keyword::SELECT
            | Keyword::FROM
            | Keyword::WHERE
            | Keyword::GROUP
            | Keyword::HAVING
            | Keyword::ORDER
            | Keyword::WHEN
            | Keyword::THEN
            | Keyword::ELSE
            | Keyword::VALUES => level.operators = 0,
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS | Keyword::JOIN => {
                level.combined += 1;
            }
            Keyword::AND
            | Keyword::OR
            | Keyword::XOR
            | Keyword::NOT
            | Keyword::IS
            | Keyword::IN
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::RLIKE
            | Keyword::REGEXP
            | Keyword::SIMILAR
            | Keyword::BETWEEN
            | Keyword::COLLATE
            | Keyword::AT
            | Keyword::NOTNULL
            | Keyword::INTERVAL
            | Keyword::OVERLAPS
            | Keyword::DIV
            | Keyword::OPERATOR
            | Keyword::EXISTS
            | Keyword::PRIOR
            | Keyword::EXPLAIN
            | Keyword::LATERAL => level.operators += 1,
            _ => {}
        },
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Placeholder(_)
        | Token::Period
        | Token::SemiColon
        | Token::EOF => {}
        // Every other token is an operator, or rare enough to be counted as one.
        _ => level.operators += 1,
    }
}

#[cfg(test)]
mod tests;
