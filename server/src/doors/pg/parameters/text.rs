//! Values as text, as PostgreSQL's `*_in` functions read them.

use datafusion::scalar::ScalarValue;
use postgres_types::Type;
use sluice_connectors::format::json::usual_uuid;

use super::{element_of, interval, lists, numeric, to_arrow};
use crate::doors::pg::failure::Failure;

/// The value of a text.
pub(in crate::doors::pg) fn decode(pg: &Type, text: &str) -> Result<ScalarValue, Failure> {
    if text.contains('\0') {
        return Err(Failure::error(
            "22021",
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    if let Some(element) = element_of(pg) {
        return lists::from_text(element, text);
    }
    let trimmed = text.trim();
    let value = match *pg {
        Type::BOOL => boolean(trimmed).map(|b| ScalarValue::Boolean(Some(b))),
        Type::INT2 => trimmed.parse().ok().map(|n| ScalarValue::Int16(Some(n))),
        Type::INT4 => trimmed.parse().ok().map(|n| ScalarValue::Int32(Some(n))),
        Type::INT8 | Type::OID => trimmed.parse().ok().map(|n| ScalarValue::Int64(Some(n))),
        Type::FLOAT4 => trimmed.parse().ok().map(|n| ScalarValue::Float32(Some(n))),
        Type::FLOAT8 => trimmed.parse().ok().map(|n| ScalarValue::Float64(Some(n))),
        Type::NUMERIC => numeric::from_text(trimmed),
        Type::BYTEA => bytes(text).map(|b| ScalarValue::Binary(Some(b))),
        Type::UUID => usual_uuid(trimmed).map(|id| ScalarValue::Utf8(Some(id))),
        Type::INTERVAL => interval::parse(text).map(|v| ScalarValue::IntervalMonthDayNano(Some(v))),
        Type::DATE | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => {
            to_arrow(pg).and_then(|data_type| {
                let text = ScalarValue::Utf8(Some(trimmed.to_owned()));
                text.cast_to(&data_type).ok().filter(|v| !v.is_null())
            })
        }
        _ => Some(ScalarValue::Utf8(Some(text.to_owned()))),
    };
    value.ok_or_else(|| invalid(pg, text))
}

/// Of a value of PostgreSQL's that no type here has: infinity, a year before 1, the end of a day as a time.
pub(super) fn beyond(pg: &Type, what: &str) -> Failure {
    let message = format!("{what} is not supported as a value of type {}", name(pg));
    Failure::error("0A000", message)
        .with_hint("Times are of the years 1 to 9999; NULL may stand for what has no end.")
}

/// Whether a text is such a value.
fn is_beyond(pg: &Type, text: &str) -> bool {
    let text = text.trim();
    let infinite = text
        .trim_start_matches(['+', '-'])
        .eq_ignore_ascii_case("infinity");
    let end = text.to_ascii_lowercase();
    match *pg {
        Type::DATE | Type::TIMESTAMP | Type::TIMESTAMPTZ => infinite || end.ends_with(" bc"),
        Type::TIME => end.starts_with("24:00"),
        _ => false,
    }
}

fn invalid(pg: &Type, text: &str) -> Failure {
    if is_beyond(pg, text) {
        return beyond(pg, &format!("\"{text}\""));
    }
    let integer = matches!(*pg, Type::INT2 | Type::INT4 | Type::INT8);
    let digits = text.trim().strip_prefix('-').unwrap_or(text.trim());
    if integer && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Failure::error(
            "22003",
            format!("value \"{text}\" is out of range for type {}", name(pg)),
        );
    }
    let code = match *pg {
        Type::DATE | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::INTERVAL => "22007",
        _ => "22P02",
    };
    Failure::error(
        code,
        format!("invalid input syntax for type {}: \"{text}\"", name(pg)),
    )
}

/// The name PostgreSQL's messages use.
fn name(pg: &Type) -> &str {
    match *pg {
        Type::BOOL => "boolean",
        Type::INT2 => "smallint",
        Type::INT4 => "integer",
        Type::INT8 => "bigint",
        Type::FLOAT4 => "real",
        Type::FLOAT8 => "double precision",
        Type::TIMESTAMPTZ => "timestamp with time zone",
        _ => pg.name(),
    }
}

/// `boolin`: any beginning of the words that is not also another's.
fn boolean(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins = |word: &str| !text.is_empty() && word.starts_with(&text);
    match text.as_str() {
        "1" | "on" => Some(true),
        "0" | "of" | "off" => Some(false),
        _ if begins("true") || begins("yes") => Some(true),
        _ if begins("false") || begins("no") => Some(false),
        _ => None,
    }
}

/// Hex (`\x0aff`) or the older escapes (`a\\b\001`).
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = digits
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| c.to_digit(16).map(|d| d as u8))
            .collect::<Option<_>>()?;
        if digits.len() % 2 == 1 {
            return None;
        }
        return Some(digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'\\' {
            out.push(*first);
            rest = tail;
        } else if tail.first() == Some(&b'\\') {
            out.push(b'\\');
            rest = tail.get(1..)?;
        } else {
            let octal = std::str::from_utf8(tail.get(..3)?).ok()?;
            out.push(u8::from_str_radix(octal, 8).ok()?);
            rest = tail.get(3..)?;
        }
    }
    Some(out)
}
