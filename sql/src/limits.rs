//! How deep and how long a statement may be, decided on its tokens before anything recursive sees it.
//!
//! The parser, the visitors, `Display`, `Clone` and `Drop` of the syntax tree all recurse. Parentheses make a tree
//! deep, and so does a chain without any (`1 + 1 + 1 …` is a tree as deep as it is long). What counts is therefore an
//! upper bound of the stack that copying the tree takes (copying costs most), measured for each construct in KiB in an
//! optimised build, whose frames are larger, and summed over everything that is open. It must never be smaller than what
//! is really needed: a worker of the server has a stack of 16 MiB, of which this takes a quarter at most.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{ParseError, ParseErrorKind};

/// The longest text that is looked at, in bytes.
pub const MAX_TEXT_BYTES: usize = 8 << 20;

/// The deepest nesting of parentheses, brackets, CASE and braces.
pub const MAX_NESTING: usize = 200;

/// The longest chain of operators.
pub const MAX_CHAIN: usize = MAX_STACK_KIB / OPERATOR_KIB;

/// The most subqueries of a statement, those of WITH among them: each may read the one before, and planning a long chain takes minutes.
pub const MAX_SUBQUERIES: usize = 1_000;

/// The deepest nesting of what costs twice as much to plan for each level: subqueries in expressions, WITH in WITH, ROW in ROW.
pub const MAX_DOUBLINGS: usize = 12;

/// The most parameters of a statement.
pub const MAX_PARAMETERS: usize = 65_535;

/// The most commas of a statement: a value of a list, or a row of VALUES, takes about two kilobytes while it is planned.
pub const MAX_COMMAS: usize = 250_000;

/// What a statement may cost in all.
const MAX_STACK_KIB: usize = 3_000;
const OPERATOR_KIB: usize = 6;
const SET_OPERATION_KIB: usize = 18;
const SUBQUERY_KIB: usize = 40;
const NESTING_KIB: usize = 12;

/// The most parts of a dotted name; the parser recurses over them, and copies them each time.
const MAX_PARTS: usize = 100;

/// One open parenthesis (or the statement itself), with what its content has cost so far.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Operators since the last comma or clause.
    operators: usize,
    /// Set operations and joins, which clauses do not end, and being a subquery.
    combined: usize,
    /// Periods since the last operator, comma or clause.
    periods: usize,
    /// Whether CASE opened it rather than a bracket.
    case: bool,
    /// Whether it is a subquery.
    subquery: bool,
}

impl Level {
    fn cost(&self) -> usize {
        self.operators + self.combined
    }
}

/// Refuses tokens whose tree would be deeper than the limits.
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<(), ParseError> {
    let mut levels = Levels {
        outer: Vec::new(),
        level: Level::default(),
        below: 0,
    };
    let mut after_period = false;
    commas(tokens)?;
    subqueries(tokens)?;
    doublings(tokens)?;
    for token in tokens {
        parameter(token)?;
        // `w.end` and `t.case` are names.
        let name = std::mem::replace(&mut after_period, token.token == Token::Period);
        if name && matches!(token.token, Token::Word(_)) {
            levels.level.periods += 1;
            if levels.level.periods > MAX_PARTS {
                return Err(too_deep(
                    token,
                    &format!("a name of more than {MAX_PARTS} parts"),
                ));
            }
            continue;
        }
        match bracket(&token.token, levels.level.case) {
            Some(Bracket::Opens) if levels.outer.len() == MAX_NESTING => {
                return Err(too_deep(
                    token,
                    &format!("nested more than {MAX_NESTING} deep"),
                ));
            }
            Some(Bracket::Opens) => {
                // `int[][][]` and `a[1][1]` are chains as well.
                if token.token == Token::LBracket {
                    levels.level.operators += OPERATOR_KIB;
                }
                levels.open(is_keyword(&token.token, Keyword::CASE));
            }
            Some(Bracket::Closes) => levels.close(),
            None => levels.level.count(&token.token, levels.outer.is_empty()),
        }
        if levels.below + levels.level.cost() > MAX_STACK_KIB {
            return Err(too_deep(
                token,
                "too many operators, functions or subqueries inside each other",
            ));
        }
    }
    Ok(())
}

/// Refuses lists that take gigabytes to be planned.
fn commas(tokens: &[TokenWithSpan]) -> Result<(), ParseError> {
    let mut commas = tokens.iter().filter(|token| token.token == Token::Comma);
    match commas.nth(MAX_COMMAS) {
        Some(token) => Err(ParseError::new(
            ParseErrorKind::TooDeep,
            format!("statement is too complex: more than {MAX_COMMAS} commas in its lists"),
            token.span.start,
        )
        .hint("give many values as a parameter (x = ANY ($1)), and rows with COPY or in several statements")
        .offending(token.token.to_string())),
        None => Ok(()),
    }
}

/// Refuses more subqueries than are planned in a bearable time.
fn subqueries(tokens: &[TokenWithSpan]) -> Result<(), ParseError> {
    let opens = |pair: &&[TokenWithSpan]| match pair {
        [first, second] => {
            first.token == Token::LParen
                && [Keyword::SELECT, Keyword::WITH]
                    .iter()
                    .any(|word| is_keyword(&second.token, *word))
        }
        _ => false,
    };
    let pair = tokens.windows(2).filter(opens).nth(MAX_SUBQUERIES);
    match pair.and_then(|pair| pair.last()) {
        Some(token) => Err(too_deep(
            token,
            &format!("more than {MAX_SUBQUERIES} subqueries"),
        )),
        None => Ok(()),
    }
}

/// Refuses what is nested deeper than can be planned in a bearable time.
fn doublings(tokens: &[TokenWithSpan]) -> Result<(), ParseError> {
    let is = |token: Option<&TokenWithSpan>, words: &[Keyword]| {
        token.is_some_and(|token| words.iter().any(|word| is_keyword(&token.token, *word)))
    };
    // Subqueries that are a relation, or a side of a UNION, are planned once.
    let relation = [
        Keyword::FROM,
        Keyword::JOIN,
        Keyword::LATERAL,
        Keyword::AS,
        Keyword::UNION,
        Keyword::ALL,
        Keyword::EXCEPT,
        Keyword::INTERSECT,
        Keyword::USING,
    ];
    let mut open = Vec::new();
    let mut doubled = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen => {
                let before = at.checked_sub(1).and_then(|at| tokens.get(at));
                let first = tokens.get(at + 1);
                // `TUMBLE((SELECT …), …)` is a relation, too.
                let around = at.checked_sub(2).and_then(|at| tokens.get(at));
                let windowed = before.is_some_and(|token| token.token == Token::LParen)
                    && around.is_some_and(is_window);
                let doubles = is(first, &[Keyword::WITH])
                    || is(before, &[Keyword::ROW, Keyword::STRUCT])
                    || (is(first, &[Keyword::SELECT]) && !is(before, &relation) && !windowed);
                doubled += usize::from(doubles);
                open.push(doubles);
                if doubled > MAX_DOUBLINGS {
                    return Err(too_deep(
                        token,
                        &format!("subqueries, WITH or ROW nested more than {MAX_DOUBLINGS} deep"),
                    ));
                }
            }
            Token::RParen => doubled -= usize::from(open.pop().unwrap_or(false)),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a token is the name of a function of relations.
fn is_window(token: &TokenWithSpan) -> bool {
    const NAMES: [&str; 5] = ["TUMBLE", "HOP", "CUMULATE", "SESSION", "WATERMARK"];
    let Token::Word(word) = &token.token else {
        return false;
    };
    NAMES
        .iter()
        .any(|name| word.value.eq_ignore_ascii_case(name))
}

/// Refuses `$65536` and beyond: the protocols count parameters in two bytes, and whoever lists all up to it would list very many.
fn parameter(token: &TokenWithSpan) -> Result<(), ParseError> {
    let Token::Placeholder(name) = &token.token else {
        return Ok(());
    };
    let number = name.trim_start_matches('$');
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if !digits
        || number
            .parse()
            .is_ok_and(|number: usize| number <= MAX_PARAMETERS)
    {
        return Ok(());
    }
    Err(ParseError::new(
        ParseErrorKind::TooDeep,
        format!("statement is too complex: there is no parameter {name}"),
        token.span.start,
    )
    .hint(format!(
        "parameters are $1 to ${MAX_PARAMETERS}; give many values as a list (x = ANY ($1)), or with COPY"
    ))
    .offending(name.clone()))
}

/// The open levels.
struct Levels {
    outer: Vec<Level>,
    level: Level,
    /// What the outer ones have cost.
    below: usize,
}

impl Levels {
    fn open(&mut self, case: bool) {
        self.below += self.level.cost() + NESTING_KIB;
        self.outer.push(self.level);
        self.level = Level {
            case,
            ..Level::default()
        };
    }

    fn close(&mut self) {
        if let Some(level) = self.outer.pop() {
            self.level = level;
            self.below -= level.cost() + NESTING_KIB;
        }
    }
}

fn too_deep(token: &TokenWithSpan, how: &str) -> ParseError {
    ParseError::new(
        ParseErrorKind::TooDeep,
        format!("statement is too complex: {how}"),
        token.span.start,
    )
    .hint("write a list (x IN (…), VALUES …) or split it into views")
    .offending(token.token.to_string())
}

enum Bracket {
    Opens,
    Closes,
}

/// Whether a token opens or closes a level. END closes CASE only.
fn bracket(token: &Token, in_case: bool) -> Option<Bracket> {
    match token {
        Token::LParen | Token::LBracket | Token::LBrace => Some(Bracket::Opens),
        Token::RParen | Token::RBracket | Token::RBrace => Some(Bracket::Closes),
        Token::Word(word) => match word.keyword {
            Keyword::CASE => Some(Bracket::Opens),
            Keyword::END if in_case => Some(Bracket::Closes),
            _ => None,
        },
        _ => None,
    }
}

fn is_keyword(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword)
}

/// What a token does to the cost of its level.
enum Effect {
    Nothing,
    /// Another expression starts.
    Starts,
    Operator,
    Combines(usize),
}

impl Level {
    fn count(&mut self, token: &Token, outermost: bool) {
        if is_keyword(token, Keyword::SELECT) && !outermost && !self.subquery {
            self.subquery = true;
            self.combined += SUBQUERY_KIB;
        }
        match effect(token) {
            Effect::Nothing => return,
            Effect::Starts => self.operators = 0,
            Effect::Operator => self.operators += OPERATOR_KIB,
            Effect::Combines(cost) => self.combined += cost,
        }
        self.periods = 0;
    }
}

fn effect(token: &Token) -> Effect {
    match token {
        Token::Comma => Effect::Starts,
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
            | Keyword::VALUES => Effect::Starts,
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS => {
                Effect::Combines(SET_OPERATION_KIB)
            }
            Keyword::JOIN => Effect::Combines(OPERATOR_KIB),
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
            | Keyword::LATERAL => Effect::Operator,
            _ => Effect::Nothing,
        },
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Placeholder(_)
        | Token::Period
        | Token::SemiColon
        | Token::EOF => Effect::Nothing,
        // Every other token is an operator, or rare enough to be counted as one.
        _ => Effect::Operator,
    }
}

#[cfg(test)]
mod tests;
