//! INTERVAL in every spelling, brought to one: `INTERVAL '10 seconds'`.
//!
//! Accepted: `INTERVAL '10 seconds'`, `INTERVAL '10s'`, `INTERVAL '10' SECOND`, `INTERVAL 10 SECONDS`,
//! `INTERVAL 1 HOUR 30 MINUTES`. What is not a list of numbers and units (ISO 8601, `01:30:00`, `'1-2' YEAR TO MONTH`)
//! is left as it stands. Units keep their size: 60 seconds do not become a minute, so that what a user wrote is
//! recognisable in SHOW CREATE. A quarter alone becomes three months.

use sqlparser::ast::{Expr, Ident, Interval, Value, ValueWithSpan};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

/// Parses INTERVAL where an expression may start; `None` leaves it to the parser (a column called interval).
pub(crate) fn parse_prefix(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let start = parser.peek_token_ref().span;
    let after = parser.peek_nth_token(1);
    match &after.token {
        Token::SingleQuotedString(text) => {
            let unit = unit_of(parser.peek_nth_token_ref(2));
            let followed_by_to = is_keyword(parser.peek_nth_token_ref(3), Keyword::TO);
            let (text, tokens) = match unit {
                Some(_) if followed_by_to => return None,
                Some(unit) => (component(text.trim(), unit)?, 3),
                None => (canonical(text)?, 2),
            };
            advance(parser, tokens);
            Some(Ok(literal(text, start.union(&after.span))))
        }
        Token::Number(..) => Some(match parse_numbers(parser, start) {
            Some(expr) => Ok(expr),
            None => parser.expected(
                "a unit, as in INTERVAL '10 seconds'",
                parser.peek_nth_token(2),
            ),
        }),
        // `interval - 1` is a column less one.
        Token::Minus | Token::Plus => Some(Ok(parse_numbers(parser, start).unwrap_or_else(|| {
            let name = parser.next_token();
            let text = name.token.to_string();
            Expr::Identifier(Ident::with_span(name.span, text))
        }))),
        // The parser would try `INTERVAL INTERVAL INTERVAL …` in twice as many ways for each word.
        Token::Word(word) if word.keyword == Keyword::INTERVAL => {
            Some(parser.expected("an interval such as INTERVAL '10 seconds'", after))
        }
        _ => None,
    }
}

/// `INTERVAL 1 HOUR 30 MINUTES`, all on one line of tokens.
fn parse_numbers(parser: &mut Parser, start: Span) -> Option<Expr> {
    let mut parts = Vec::new();
    let mut at = 1;
    let mut span = start;
    loop {
        let (sign, number_at) = match parser.peek_nth_token_ref(at).token {
            Token::Minus => ("-", at + 1),
            Token::Plus => ("", at + 1),
            _ => ("", at),
        };
        let Token::Number(number, _) = &parser.peek_nth_token_ref(number_at).token else {
            break;
        };
        let unit_token = parser.peek_nth_token_ref(number_at + 1);
        let Some(part) =
            unit_of(unit_token).and_then(|unit| component(&format!("{sign}{number}"), unit))
        else {
            break;
        };
        span = span.union(&unit_token.span);
        parts.push(part);
        at = number_at + 2;
    }
    if parts.is_empty() {
        return None;
    }
    advance(parser, at);
    Some(literal(parts.join(" "), span))
}

fn advance(parser: &mut Parser, tokens: usize) {
    for _ in 0..tokens {
        parser.advance_token();
    }
}

fn is_keyword(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword)
}

fn unit_of(token: &TokenWithSpan) -> Option<&'static str> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => unit(&word.value),
        _ => None,
    }
}

/// An interval literal in canonical form.
pub(crate) fn literal(text: String, span: Span) -> Expr {
    Expr::Interval(Interval {
        value: Box::new(Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text),
            span,
        })),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

/// The text of an interval literal, where the expression is one.
pub(crate) fn text_of(expr: &Expr) -> Option<(&str, Span)> {
    let Expr::Interval(Interval {
        value,
        leading_field: None,
        ..
    }) = expr
    else {
        return None;
    };
    match value.as_ref() {
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text),
            span,
        }) => Some((text, *span)),
        _ => None,
    }
}

/// `10s` → `10 seconds`, `1 hour 30 min` → `1 hour 30 minutes`; `None` for what is not numbers with units.
/// A number alone is seconds, as in PostgreSQL.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let parts = components(text)?;
    let parts: Option<Vec<String>> = parts
        .iter()
        .map(|(number, unit)| component(number, unit))
        .collect();
    parts.map(|parts| parts.join(" "))
}

/// Whether an interval text is longer than nothing; `None` where the text is not understood.
pub(crate) fn is_positive(text: &str) -> Option<bool> {
    let parts = components(text)?;
    let negative = parts.iter().any(|(number, _)| number.starts_with('-'));
    let nothing = parts
        .iter()
        .all(|(number, _)| !number.bytes().any(|digit| (b'1'..=b'9').contains(&digit)));
    Some(!negative && !nothing)
}

fn components(text: &str) -> Option<Vec<(String, &'static str)>> {
    let mut rest = text.trim();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')))
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let after = after.trim_start();
        let unit_end = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let (name, after) = after.split_at(unit_end);
        let unit = if name.is_empty() && parts.is_empty() && after.is_empty() {
            "second"
        } else {
            unit(name)?
        };
        parts.push((number.trim_start_matches('+').to_owned(), unit));
        rest = after.trim_start();
    }
    let well_formed = parts.iter().all(|(number, _)| is_number(number));
    (well_formed && !parts.is_empty()).then_some(parts)
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all_digits(whole) && all_digits(fraction)
}

fn component(number: &str, unit: &str) -> Option<String> {
    if !is_number(number) {
        return None;
    }
    Some(match (number, unit) {
        // The engine's intervals have no quarters.
        (number, "quarter") => match number.parse::<i64>() {
            Ok(quarters) => format!("{} months", quarters.checked_mul(3)?),
            Err(_) => format!("{} months", number.parse::<f64>().ok()? * 3.0),
        },
        ("1" | "-1", unit) => format!("{number} {unit}"),
        (_, "century") => format!("{number} centuries"),
        _ => format!("{number} {unit}s"),
    })
}

/// The one name of a unit. `m` is a minute, as in PostgreSQL; a month is `mon`.
fn unit(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "ns" | "nanosecond" | "nanoseconds" => "nanosecond",
        "us" | "usec" | "usecs" | "microsecond" | "microseconds" => "microsecond",
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => "millisecond",
        "s" | "sec" | "secs" | "second" | "seconds" => "second",
        "m" | "min" | "mins" | "minute" | "minutes" => "minute",
        "h" | "hr" | "hrs" | "hour" | "hours" => "hour",
        "d" | "day" | "days" => "day",
        "w" | "week" | "weeks" => "week",
        "mon" | "mons" | "month" | "months" => "month",
        "quarter" | "quarters" => "quarter",
        "y" | "yr" | "yrs" | "year" | "years" => "year",
        "decade" | "decades" => "decade",
        "century" | "centuries" => "century",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
