//! Casts, and the literals in them: PostgreSQL reads more forms of a value than the engine, and cuts off or rounds where a type has a length.
//!
//! What is written out is brought to the form that the engine reads, so a value never goes through a lesser type on the way: the digits of a
//! number become those of its `numeric`, the words of an interval its parts, the text of a list its elements.

use sluice_sql::{
    MAX_COMMAS,
    ast::{
        Array, ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, Expr, Interval,
        TimezoneInfo, TypedString, UnaryOperator, Value,
    },
};

use super::{expression, text, text_of};
use crate::{
    doors::pg::{
        IntervalFields, Letters, bytea_of, check_dimensions, interval_of, list_item,
        plain_interval, skip_blanks,
    },
    error::{Error, Result, SqlState},
};

/// Digits that the engine's `numeric` has.
const DIGITS: usize = 38;
/// Those of them that are behind the point, where a type does not say how many.
const SCALE: usize = 10;

/// A cast in the engine's words; `None` where it may stand as it is.
pub(super) fn cast(inner: &Expr, data_type: &DataType) -> Option<Expr> {
    match data_type {
        DataType::Bytea => bytea(&literal(inner)?),
        DataType::Interval { fields, precision } => {
            let fields = fields.as_ref().map(ToString::to_string);
            let fields = fields.as_deref().unwrap_or_default();
            let (first, last) = match fields.split_once(" TO ") {
                Some((first, last)) => (Some(first), Some(last)),
                None => (Some(fields).filter(|name| !name.is_empty()), None),
            };
            let fields = IntervalFields {
                first,
                last,
                precision: *precision,
            };
            interval(&literal(inner)?, fields)
        }
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => {
            numeric(inner, *info)
        }
        DataType::Varchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length) => cut(inner, length.as_ref()?),
        DataType::Char(length) | DataType::Character(length) => {
            let one = CharacterLength::IntegerLength {
                length: 1,
                unit: None,
            };
            // Blanks at the end are none of its value.
            let value = cut(inner, length.as_ref().unwrap_or(&one))?;
            expression(&format!("rtrim({value}, ' ')"))
        }
        DataType::Timestamp(precision, zone) => moment(inner, *precision, *zone),
        DataType::Date => {
            let day = day_of(&literal(inner)?)?;
            expression(&day)
        }
        DataType::Array(element) => array(inner, data_type, element),
        _ => None,
    }
}

/// `DATE '…'`, `UUID '…'` and their like: a cast in another spelling.
pub(super) fn typed(typed: &TypedString) -> Option<Expr> {
    let value = Expr::Value(typed.value.clone());
    if let Some(other) = cast(&value, &typed.data_type) {
        return Some(other);
    }
    match typed.data_type {
        DataType::Date | DataType::Time(..) | DataType::Timestamp(..) => None,
        _ => expression(&format!("CAST({value} AS {})", typed.data_type)),
    }
}

fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => text_of(&value.value),
        _ => None,
    }
}

/// The bytes of a text as PostgreSQL reads it; what it does not read, a function refuses.
fn bytea(written: &str) -> Option<Expr> {
    match bytea_of(written) {
        Some(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Some(Expr::Value(Value::HexStringLiteral(digits).into()))
        }
        None => expression(&format!("sluice_bytea({})", text(written))),
    }
}

/// The literal of an interval, for one that the engine does not read or whose type is restricted.
pub(super) fn interval(written: &str, fields: IntervalFields<'_>) -> Option<Expr> {
    let value = interval_of(written, fields)?;
    Some(Expr::Interval(Interval {
        value: Box::new(text(&plain_interval(value))),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    }))
}

/// `INTERVAL '…'` with whatever stands behind it.
pub(super) fn written_interval(given: &Interval) -> Option<Expr> {
    let written = literal(&given.value)?;
    let name = |field: &sluice_sql::ast::DateTimeField| field.to_string();
    let first = given.leading_field.as_ref().map(name);
    let last = given.last_field.as_ref().map(name);
    if first.is_none() && is_plain(&written) {
        return None;
    }
    let fields = IntervalFields {
        first: first.as_deref(),
        last: last.as_deref(),
        precision: given.fractional_seconds_precision,
    };
    interval(&written, fields)
}

/// `- INTERVAL '1 day 2 hours'`, of which the engine would negate the first part.
pub(super) fn negated(given: &Interval) -> Option<Expr> {
    let plain = written_interval(given).unwrap_or_else(|| Expr::Interval(given.clone()));
    let Expr::Interval(plain) = plain else {
        return None;
    };
    let value = interval_of(&literal(&plain.value)?, IntervalFields::default())?;
    let (months, days) = (value.months.checked_neg()?, value.days.checked_neg()?);
    let nanos = value.nanoseconds.checked_neg()?;
    let value = arrow::datatypes::IntervalMonthDayNano::new(months, days, nanos);
    Some(Expr::Interval(Interval {
        value: Box::new(text(&plain_interval(value))),
        ..plain
    }))
}

/// Numbers and units one after the other, which the engine reads as everybody does.
fn is_plain(interval: &str) -> bool {
    let words: Vec<&str> = interval.split_whitespace().collect();
    !words.is_empty()
        && words.chunks(2).all(|pair| match pair {
            [number, unit] => {
                number.parse::<f64>().is_ok()
                    && [
                        "year",
                        "month",
                        "week",
                        "day",
                        "hour",
                        "minute",
                        "second",
                        "millisecond",
                    ]
                    .contains(&unit.to_lowercase().trim_end_matches('s'))
            }
            _ => false,
        })
}

/// A number as it is written, with its exponent written out.
struct Digits {
    text: String,
    whole: usize,
    fraction: usize,
}

fn digits_of(written: &str) -> Option<Digits> {
    let written = written.trim();
    let (sign, number) = match written.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", written.strip_prefix('+').unwrap_or(written)),
    };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Beyond that the engine has no digits.
    if exponent.unsigned_abs() > 100 {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()? + exponent;
    if point < 0 {
        digits = format!("{}{digits}", "0".repeat(point.unsigned_abs() as usize));
    }
    let point = usize::try_from(point.max(0)).ok()?;
    while digits.len() < point {
        digits.push('0');
    }
    let (whole, fraction) = digits.split_at(point);
    let whole = whole.trim_start_matches('0');
    Some(Digits {
        text: format!(
            "{sign}{}{}{fraction}",
            if whole.is_empty() { "0" } else { whole },
            if fraction.is_empty() { "" } else { "." }
        ),
        whole: whole.len(),
        fraction: fraction.len(),
    })
}

/// The digits of a literal as it is written, a text or a number.
fn number_of(expr: &Expr) -> Option<Digits> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits_of(digits),
            other => digits_of(&text_of(other)?),
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match expr.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => digits_of(&format!("-{digits}")),
                _ => None,
            },
            _ => None,
        },
        Expr::Nested(inner) => number_of(inner),
        _ => None,
    }
}

/// A literal that becomes a `numeric`, digit by digit.
fn numeric(inner: &Expr, info: ExactNumberInfo) -> Option<Expr> {
    let digits = number_of(inner)?;
    let (whole, fraction) = (digits.whole, digits.fraction);
    let to = match info {
        ExactNumberInfo::None if fraction > SCALE || whole + SCALE > DIGITS => {
            let scale = fraction.min(DIGITS.checked_sub(whole)?);
            format!("({DIGITS}, {scale})")
        }
        info => info.to_string(),
    };
    expression(&format!("CAST({} AS NUMERIC{to})", text(&digits.text)))
}

/// A literal cast to `numeric` that is a column of the result by itself has the digits it is written with.
pub(super) fn own_scale(expr: &mut Expr) {
    // `-0.1::numeric`: the cast binds closer than the sign.
    if let Expr::UnaryOp {
        op: UnaryOperator::Minus | UnaryOperator::Plus,
        expr: inner,
    }
    | Expr::Nested(inner) = expr
    {
        own_scale(inner);
    } else if let Expr::Cast {
        expr: inner,
        data_type: DataType::Numeric(info @ ExactNumberInfo::None),
        ..
    } = expr
        && let Some(digits) = number_of(inner)
        && let Ok(scale) = i64::try_from(digits.fraction)
        && digits.whole + digits.fraction <= DIGITS
    {
        *info = ExactNumberInfo::PrecisionAndScale(DIGITS as u64, scale);
    }
}

/// A type with a length cuts off, in a cast, what is too long for it.
fn cut(inner: &Expr, length: &CharacterLength) -> Option<Expr> {
    let CharacterLength::IntegerLength { length, .. } = length else {
        return None;
    };
    expression(&format!("left(CAST({inner} AS TEXT), {length})"))
}

/// The day that a word stands for.
fn day_of(written: &str) -> Option<String> {
    Some(match written.trim().to_lowercase().as_str() {
        "now" | "today" => "current_date".into(),
        "tomorrow" => "CAST(CAST(current_date AS TIMESTAMP(6)) + INTERVAL '1 days' AS DATE)".into(),
        "yesterday" => {
            "CAST(CAST(current_date AS TIMESTAMP(6)) - INTERVAL '1 days' AS DATE)".into()
        }
        "epoch" => "CAST('1970-01-01' AS DATE)".into(),
        _ => return None,
    })
}

/// Times of the microsecond, as PostgreSQL's are: the engine's own end in the year 2262. Fewer digits are rounded to, not cut off.
fn moment(inner: &Expr, precision: Option<u64>, zone: TimezoneInfo) -> Option<Expr> {
    let to = DataType::Timestamp(Some(6), zone);
    let written = literal(inner);
    let special = written.as_deref().and_then(|written| {
        if written.trim().eq_ignore_ascii_case("now") {
            return Some("now()".to_owned());
        }
        if written.trim().eq_ignore_ascii_case("epoch") {
            return Some("'1970-01-01 00:00:00+00'".to_owned());
        }
        day_of(written)
    });
    let value = match (special, written.as_deref().and_then(with_seconds)) {
        (Some(special), _) => special,
        (None, Some(whole)) => text(&whole).to_string(),
        (None, None) => inner.to_string(),
    };
    let value = format!("CAST({value} AS {to})");
    let digits = match precision {
        Some(digits) if digits < 6 => u32::try_from(digits).ok()?,
        _ => return expression(&value),
    };
    let unit = 10_u64.pow(6 - digits);
    let seconds = |micros: u64| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let first = "CAST('1970-01-01 00:00:00' AS TIMESTAMP(6))";
    expression(&format!(
        "CAST(date_bin(INTERVAL '{} seconds', {value} + INTERVAL '{} seconds', {first}) AS {to})",
        seconds(unit),
        seconds(unit / 2)
    ))
}

/// `2026-01-02 03:04` and `2026-01-02 03:04+02` with their seconds.
fn with_seconds(text: &str) -> Option<String> {
    let (date, time) = text.trim().split_once([' ', 'T'])?;
    let end = time
        .find(|c: char| !c.is_ascii_digit() && c != ':')
        .unwrap_or(time.len());
    let (clock, zone) = time.split_at(end);
    let is_short = clock.split(':').count() == 2 && clock.len() >= 4 && !clock.ends_with(':');
    (is_short && !zone.starts_with('.')).then(|| format!("{date} {clock}:00{zone}"))
}

/// The text of a list as one, of as many dimensions as it has.
fn array(inner: &Expr, data_type: &DataType, element: &ArrayElemTypeDef) -> Option<Expr> {
    let written = literal(inner)?;
    let element = match element {
        ArrayElemTypeDef::SquareBracket(element, _)
        | ArrayElemTypeDef::AngleBracket(element)
        | ArrayElemTypeDef::Parenthesis(element) => element,
        ArrayElemTypeDef::None => return None,
    };
    let Ok((list, depth)) = list_of(&written, Some(innermost(element))) else {
        // The function says why.
        return expression(&format!("sluice_malformed_array({})", text(&written)));
    };
    let mut to = data_type.clone();
    for _ in dimensions(data_type)..depth {
        to = DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(to), None));
    }
    Some(Expr::Cast {
        kind: sluice_sql::ast::CastKind::Cast,
        expr: Box::new(list),
        data_type: to,
        array: false,
        format: None,
    })
}

fn inside(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, _)
            | ArrayElemTypeDef::AngleBracket(element)
            | ArrayElemTypeDef::Parenthesis(element),
        ) => Some(element),
        _ => None,
    }
}

fn innermost(data_type: &DataType) -> &DataType {
    inside(data_type).map_or(data_type, innermost)
}

fn dimensions(data_type: &DataType) -> usize {
    inside(data_type).map_or(0, |inside| 1 + dimensions(inside))
}

/// The list that a text such as `{1,"a b",{NULL}}` stands for, and how many dimensions it has.
pub(crate) fn list_of(written: &str, element: Option<&DataType>) -> Result<(Expr, usize)> {
    check_dimensions(written)?;
    // It becomes as much as a list that is written out.
    if written.matches(',').nth(MAX_COMMAS).is_some() {
        return Err(Error::user(
            SqlState::StatementTooComplex,
            format!("statement is too complex: more than {MAX_COMMAS} commas in an array literal"),
        )
        .with_hint("Give many values as a parameter (x = ANY ($1)), and rows with COPY."));
    }
    let mut letters = written.trim().chars().peekable();
    list(&mut letters, element)
        .filter(|_| letters.next().is_none())
        .ok_or_else(|| malformed_list(written))
}

/// What is said of a text that is no list.
pub(crate) fn malformed_list(written: &str) -> Error {
    Error::user(
        SqlState::InvalidTextRepresentation,
        format!("malformed array literal: \"{written}\""),
    )
}

fn list(letters: &mut Letters<'_>, element: Option<&DataType>) -> Option<(Expr, usize)> {
    letters.next_if_eq(&'{')?;
    let mut elem = Vec::new();
    let mut depth = None;
    skip_blanks(letters);
    if letters.next_if_eq(&'}').is_some() {
        let list = Array { elem, named: true };
        return Some((Expr::Array(list), 1));
    }
    loop {
        skip_blanks(letters);
        let (value, below) = match letters.peek()? {
            '{' => list(letters, element)?,
            _ => (item(letters, element)?, 0),
        };
        // All of one length is left to the engine, all of one depth it does not look at.
        if depth.is_some_and(|depth| depth != below) {
            return None;
        }
        depth = Some(below);
        elem.push(value);
        skip_blanks(letters);
        match letters.next()? {
            ',' => {}
            '}' => break,
            _ => return None,
        }
    }
    let lengths = elem.iter().map(|value| match value {
        Expr::Array(list) => list.elem.len(),
        _ => 0,
    });
    let lengths: Vec<usize> = lengths.collect();
    if lengths.iter().any(|length| Some(length) != lengths.first()) {
        return None;
    }
    let list = Array { elem, named: true };
    Some((Expr::Array(list), depth.unwrap_or(0) + 1))
}

/// One element, of the list's type where its text would be read otherwise.
fn item(letters: &mut Letters<'_>, element: Option<&DataType>) -> Option<Expr> {
    let Some(written) = list_item(letters)? else {
        return Some(Expr::Value(Value::Null.into()));
    };
    let value = text(&written);
    Some(match element {
        Some(DataType::Bytea | DataType::Interval { .. } | DataType::Timestamp(..)) => {
            element.and_then(|to| cast(&value, to)).unwrap_or(value)
        }
        _ => value,
    })
}

#[cfg(test)]
mod tests;
