//! Spellings that must be rewritten before the parser sees them, because it has no grammar for them.
//!
//! * `FROM STREAM events` and `FROM STREAM(events)` (Spark);
//! * `FROM events WATERMARK ts DELAY OF INTERVAL 10 SECONDS` (Spark) → `FROM WATERMARK((SELECT * FROM events), ts, …)`;
//! * `array(1, 2)` (Spark), which the parser takes for a subquery → `make_array(1, 2)`;
//! * `from_json(…).*` and `(e).*`, where the parser allows no star: it is handed on as a field called `*`;
//! * `TABLE events` where a query may stand → `SELECT * FROM events`;
//! * `SESSION(events PARTITION BY user_id, …)` ([`super::partition`]);
//! * `t FOR SYSTEM_TIME AS OF …` and its like ([`super::time_travel`]);
//! * `THEN DO NOTHING` of MERGE ([`super::merge`]).
//!
//! Tokens keep their places, so errors in what was rewritten still point into the user's text.

use sqlparser::keywords::{Keyword, RESERVED_FOR_TABLE_ALIAS};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::error::ParseError;

/// Rewrites the tokens of a statement.
pub(crate) fn apply(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, ParseError> {
    missing_relation(&tokens)?;
    let tokens = super::time_travel::spelled(stars(arrays(streams(lengths(tables(tokens))))));
    let tokens = super::merge::nothings(tokens);
    watermarks(super::partition::to_the_end(tokens))
}

/// `TABLE t` as a query: at the start, after UNION and its like, after EXPLAIN, and after AS.
fn tables(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    const BEFORE: [&str; 7] = [
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "ALL",
        "DISTINCT",
        "EXPLAIN",
        "AS",
    ];
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.iter().enumerate() {
        let is_query = is_word(token, "TABLE")
            && tokens.get(at + 1).is_some_and(can_be_alias)
            && (at == 0 || is_any(out.last(), &BEFORE));
        if is_query {
            let words = [
                Token::make_keyword("SELECT"),
                Token::Mul,
                Token::make_keyword("FROM"),
            ];
            out.extend(words.map(|word| TokenWithSpan::new(word, token.span)));
        } else {
            out.push(token.clone());
        }
    }
    out
}

/// `1m` as an argument (Timeplus) → `INTERVAL '1m'`: a number with a unit right behind it, alone between commas or parentheses.
fn lengths(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    const UNITS: [&str; 6] = ["ms", "s", "m", "h", "d", "w"];
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let opens = matches!(
            out.last().map(|token| &token.token),
            Some(Token::Comma | Token::LParen | Token::RArrow)
        );
        let closes = matches!(
            tokens.get(at + 2).map(|token| &token.token),
            Some(Token::Comma | Token::RParen)
        );
        if let Token::Number(number, _) = &token.token
            && let Some(next) = tokens.get(at + 1)
            && let Token::Word(unit) = &next.token
            && is_any(Some(next), &UNITS)
            && opens
            && closes
            && token.span.end == next.span.start
        {
            let text = format!("{number}{}", unit.value);
            out.push(TokenWithSpan::new(
                Token::make_keyword("INTERVAL"),
                token.span,
            ));
            out.push(TokenWithSpan::new(
                Token::SingleQuotedString(text),
                next.span,
            ));
            at += 2;
            continue;
        }
        out.push(token.clone());
        at += 1;
    }
    out
}

/// Refuses `FROM WHERE`, which the parser takes for a relation called where.
fn missing_relation(tokens: &[TokenWithSpan]) -> Result<(), ParseError> {
    const CLAUSES: [&str; 8] = [
        "FROM", "GROUP", "HAVING", "JOIN", "LIMIT", "ORDER", "UNION", "WHERE",
    ];
    let pair = tokens
        .windows(2)
        .find(|pair| is_any(pair.first(), &["FROM", "JOIN"]) && is_any(pair.last(), &CLAUSES));
    match pair.and_then(|pair| pair.last()) {
        Some(clause) => Err(ParseError::syntax(clause).hint("write a relation before it")),
        None => Ok(()),
    }
}

fn is_word(token: &TokenWithSpan, expected: &str) -> bool {
    matches!(&token.token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

pub(super) fn is_any(token: Option<&TokenWithSpan>, expected: &[&str]) -> bool {
    token.is_some_and(|token| expected.iter().any(|word| is_word(token, word)))
}

/// Whether a word can be an alias that stands alone.
pub(super) fn can_be_alias(token: &TokenWithSpan) -> bool {
    match &token.token {
        Token::Word(word) => {
            word.quote_style.is_some() || !RESERVED_FOR_TABLE_ALIAS.contains(&word.keyword)
        }
        _ => false,
    }
}

/// Drops STREAM between FROM or JOIN and a relation.
fn streams(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut closing: Option<usize> = None;
    for (i, token) in tokens.iter().enumerate() {
        let after_from = is_any(kept.last(), &["FROM", "JOIN"]);
        if after_from && is_word(token, "STREAM") {
            let next = tokens.get(i + 1);
            if next.is_some_and(|next| can_be_alias(next) && !is_word(next, "AS")) {
                continue;
            }
            if next.is_some_and(|next| next.token == Token::LParen)
                && !is_any(tokens.get(i + 2), &["SELECT", "WITH"])
            {
                closing = matching_close(&tokens, i + 1);
                continue;
            }
        }
        // The parentheses of STREAM(events).
        let opens = closing.is_some() && i > 0 && is_any(tokens.get(i - 1), &["STREAM"]);
        if opens || closing == Some(i) {
            if closing == Some(i) {
                closing = None;
            }
            continue;
        }
        kept.push(token.clone());
    }
    kept
}

/// `array(1, 2)` → `make_array(1, 2)`.
fn arrays(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let calls: Vec<usize> = (0..tokens.len())
        .filter(|at| {
            is_any(tokens.get(*at), &["ARRAY"])
                && tokens.get(at + 1).map(|next| &next.token) == Some(&Token::LParen)
                && !is_any(tokens.get(at + 2), &["SELECT", "WITH", "VALUES"])
        })
        .collect();
    for at in calls {
        if let Some(token) = tokens.get_mut(at) {
            token.token = Token::make_word("make_array", None);
        }
    }
    tokens
}

/// `).*` → `)."*"`.
fn stars(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    for i in 2..tokens.len() {
        let is_star = matches!(
            tokens.get(i - 2).map(|token| &token.token),
            Some(Token::RParen)
        ) && matches!(
            tokens.get(i - 1).map(|token| &token.token),
            Some(Token::Period)
        );
        if let Some(token) = tokens.get_mut(i)
            && is_star
            && token.token == Token::Mul
        {
            token.token = Token::make_word("*", Some('"'));
        }
    }
    tokens
}

pub(super) fn matching_close(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

fn matching_open(tokens: &[TokenWithSpan], close: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate().take(close + 1).rev() {
        match token.token {
            Token::RParen => depth += 1,
            Token::LParen => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

const SHAPE: &str = "write FROM relation WATERMARK ts DELAY OF INTERVAL '10 seconds' [AS alias]";

/// Rewrites every query-level watermark, the first in the text first.
fn watermarks(mut tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, ParseError> {
    let mut from = 0;
    while let Some(clause) = find_watermark(&tokens, from) {
        let (rewritten, next) = rewrite_watermark(&tokens, &clause)?;
        tokens.splice(clause.start..clause.end, rewritten);
        from = next;
    }
    Ok(tokens)
}

/// A query-level watermark in the tokens.
struct Clause {
    /// Where the relation starts, and where its alias or WATERMARK follows.
    start: usize,
    relation_end: usize,
    /// The word WATERMARK, the word DELAY, and where the clause and its alias end.
    watermark: usize,
    delay: usize,
    end: usize,
}

/// Finds `… WATERMARK … DELAY OF …` after a relation.
fn find_watermark(tokens: &[TokenWithSpan], from: usize) -> Option<Clause> {
    (from.max(1)..tokens.len()).find_map(|watermark| {
        if !is_any(tokens.get(watermark), &["WATERMARK"])
            || is_any(tokens.get(watermark + 1), &["FOR"])
        {
            return None;
        }
        let delay = delay_of(tokens, watermark)?;
        let mut relation_end = watermark;
        // FROM events AS e WATERMARK …, FROM events e WATERMARK …
        if is_any(tokens.get(watermark.checked_sub(2)?), &["AS"]) {
            relation_end = watermark - 2;
        } else if let (Some(last), Some(before)) = (
            tokens.get(watermark - 1),
            tokens.get(watermark.checked_sub(2)?),
        ) && can_be_alias(last)
            && (can_be_alias(before) || before.token == Token::RParen)
            && !is_any(Some(before), &["JOIN", "FROM", "STREAM"])
        {
            relation_end = watermark - 1;
        }
        let start = relation_start(tokens, relation_end)?;
        Some(Clause {
            start,
            relation_end,
            watermark,
            delay,
            end: interval_end(tokens, delay + 2),
        })
    })
}

/// The place of DELAY OF at the level of WATERMARK.
fn delay_of(tokens: &[TokenWithSpan], watermark: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate().skip(watermark + 1) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return None,
            Token::RParen => depth -= 1,
            _ if depth == 0 && is_word(token, "DELAY") && is_any(tokens.get(i + 1), &["OF"]) => {
                return Some(i);
            }
            Token::Word(word)
                if matches!(
                    word.keyword,
                    Keyword::FROM | Keyword::WHERE | Keyword::GROUP | Keyword::SELECT
                ) =>
            {
                return None;
            }
            _ => {}
        }
    }
    None
}

/// Where the relation that ends here starts: a name, a call, or something in parentheses.
fn relation_start(tokens: &[TokenWithSpan], end: usize) -> Option<usize> {
    let last = end.checked_sub(1)?;
    let mut start = last;
    if tokens.get(last)?.token == Token::RParen {
        start = matching_open(tokens, last)?;
        let before = start.checked_sub(1)?;
        if !can_be_alias(tokens.get(before)?) {
            return Some(start);
        }
        start = before;
    } else if !matches!(tokens.get(last)?.token, Token::Word(_)) {
        return None;
    }
    while start >= 2
        && tokens.get(start - 1)?.token == Token::Period
        && matches!(tokens.get(start - 2)?.token, Token::Word(_))
    {
        start -= 2;
    }
    Some(start)
}

/// Where the interval that starts here ends: INTERVAL, a number or a string, units.
fn interval_end(tokens: &[TokenWithSpan], start: usize) -> usize {
    let mut end = start;
    let token = |at: usize| tokens.get(at).map(|token| &token.token);
    if is_any(tokens.get(end), &["INTERVAL"]) {
        end += 1;
    }
    while matches!(
        token(end),
        Some(Token::Number(..) | Token::SingleQuotedString(_) | Token::Minus)
    ) {
        end += 1;
        let unit = is_any(
            tokens.get(end),
            &[
                "MILLISECOND",
                "MILLISECONDS",
                "SECOND",
                "SECONDS",
                "MINUTE",
                "MINUTES",
                "HOUR",
                "HOURS",
                "DAY",
                "DAYS",
                "WEEK",
                "WEEKS",
                "s",
                "m",
                "h",
                "d",
                "ms",
            ],
        );
        if unit {
            end += 1;
        }
    }
    end
}

/// The tokens of the call, and from where the next watermark is to be looked for.
fn rewrite_watermark(
    tokens: &[TokenWithSpan],
    clause: &Clause,
) -> Result<(Vec<TokenWithSpan>, usize), ParseError> {
    let piece = |from: usize, to: usize| tokens.get(from..to).unwrap_or_default();
    let span = tokens
        .get(clause.watermark)
        .map_or(Span::empty(), |token| token.span);
    let relation = piece(clause.start, clause.relation_end);
    let alias = piece(clause.relation_end, clause.watermark);
    let mut time = piece(clause.watermark + 1, clause.delay);
    let delay = piece(clause.delay + 2, clause.end);
    if time.is_empty() || delay.is_empty() {
        return Err(
            ParseError::invalid("WATERMARK needs a time column and a delay", span)
                .offending("WATERMARK")
                .hint(SHAPE),
        );
    }
    if let Some(TokenWithSpan {
        token: Token::Number(number, _),
        span,
    }) = delay.last()
    {
        return Err(
            ParseError::invalid("the delay of a WATERMARK needs a unit", *span)
                .offending(number.clone())
                .hint(SHAPE),
        );
    }
    // WATERMARK to_timestamp(t) AS ts DELAY OF …: the expression becomes a column of the relation.
    let mut computed: &[TokenWithSpan] = &[];
    if let Some(as_at) = time.len().checked_sub(2)
        && is_any(time.get(as_at), &["AS"])
    {
        computed = time;
        time = time.get(as_at + 1..).unwrap_or_default();
    }
    let parenthesised = relation
        .first()
        .is_some_and(|token| token.token == Token::LParen);
    let plain_name = relation
        .iter()
        .all(|token| matches!(token.token, Token::Word(_) | Token::Period));
    let mut out = Tokens {
        span,
        tokens: Vec::new(),
    };
    out.word("WATERMARK").push(Token::LParen);
    if parenthesised && computed.is_empty() {
        out.extend(relation);
    } else {
        out.push(Token::LParen).word("SELECT").push(Token::Mul);
        if !computed.is_empty() {
            out.push(Token::Comma).extend(computed);
        }
        out.word("FROM").extend(relation).push(Token::RParen);
    }
    out.push(Token::Comma).extend(time).push(Token::Comma);
    if !is_any(delay.first(), &["INTERVAL"]) {
        out.word("INTERVAL");
    }
    out.extend(delay).push(Token::RParen);
    // An alias keeps `events.ts` meaning what it meant.
    let next = tokens.get(clause.end);
    let followed = next.is_some_and(|next| is_word(next, "AS") || can_be_alias(next));
    if !alias.is_empty() {
        out.extend(alias);
    } else if !followed && plain_name {
        out.word("AS").extend(
            relation
                .last()
                .map(std::slice::from_ref)
                .unwrap_or_default(),
        );
    }
    Ok((out.tokens, clause.start + 2))
}

/// Tokens being put together.
struct Tokens {
    span: Span,
    tokens: Vec<TokenWithSpan>,
}

impl Tokens {
    fn push(&mut self, token: Token) -> &mut Self {
        self.tokens.push(TokenWithSpan::new(token, self.span));
        self
    }

    fn word(&mut self, word: &str) -> &mut Self {
        self.push(Token::make_keyword(word))
    }

    fn extend(&mut self, tokens: &[TokenWithSpan]) -> &mut Self {
        self.tokens.extend_from_slice(tokens);
        self
    }
}
