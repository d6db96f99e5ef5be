//! What a parameter's value may be, and how it is shown: as PostgreSQL takes and shows it.

use std::fmt::Write as _;

use crate::{
    error::{Error, Result, SqlState},
    session::search_path,
};

/// What a parameter is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// `on` or `off`.
    Bool,
    /// As [`Kind::Bool`], and we only have `on`, or only `off`.
    Always(bool),
    /// A whole number from the first to the second.
    Int(i64, i64),
    /// A number from the first to the second.
    Real(f64, f64),
    /// Milliseconds up to so many, from 0 or from -1.
    Time(i64, i64),
    /// Blocks of so many kilobytes, at least so many of them.
    Memory(i64, i64),
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// As [`Kind::Word`], of which we do the first alone.
    Only(&'static [&'static str]),
    /// As [`Kind::Word`], or `on` and `off`.
    WordOrBool(&'static [&'static str]),
    /// How dates are written and read.
    DateStyle,
    /// The names of schemas.
    Path,
    /// A time zone.
    Zone,
    /// An encoding.
    Encoding,
}

/// Units of time, the largest first, in microseconds.
const TIMES: [(&str, f64); 6] = [
    ("d", 86_400e6),
    ("h", 3_600e6),
    ("min", 60e6),
    ("s", 1e6),
    ("ms", 1e3),
    ("us", 1.0),
];
/// Units of memory, the largest first, in bytes.
const SIZES: [(&str, f64); 5] = [
    ("TB", (1_u64 << 40) as f64),
    ("GB", (1_u64 << 30) as f64),
    ("MB", (1_u64 << 20) as f64),
    ("kB", 1024.0),
    ("B", 1.0),
];

impl Kind {
    /// The value as it is kept and shown; an error if it is none.
    pub(super) fn take(self, name: &str, value: &str) -> Result<String> {
        let text = value.trim();
        match self {
            Self::Text => Ok(value.to_owned()),
            Self::Bool => bool_of(text).map(shown_bool).ok_or_else(|| {
                Error::user(
                    SqlState::InvalidParameterValue,
                    format!("parameter \"{name}\" requires a Boolean value"),
                )
            }),
            Self::Always(only) => {
                let value = Self::Bool.take(name, text)?;
                match value == shown_bool(only) {
                    true => Ok(value),
                    false => Err(not_here(name, &value, &shown_bool(only))),
                }
            }
            Self::Int(least, most) => {
                let number = whole(text).ok_or_else(|| invalid(name, value))?;
                within(name, number, least, most, "")?;
                Ok(number.to_string())
            }
            Self::Real(least, most) => {
                let number: f64 = text.parse().map_err(|_| invalid(name, value))?;
                match (least..=most).contains(&number) {
                    true => Ok(number.to_string()),
                    false => Err(Error::user(
                        SqlState::InvalidParameterValue,
                        format!(
                            "{number} is outside the valid range for parameter \"{name}\" ({least} .. {most})"
                        ),
                    )),
                }
            }
            Self::Time(least, most) => {
                let ms = measured(name, value, &TIMES, "ms")? / 1e3;
                let ms = ms.round() as i64;
                within(name, ms, least, most, " ms")?;
                let us = ms.saturating_mul(1000);
                Ok(shown(us, TIMES.split_last().map_or(&[], |(_, most)| most)))
            }
            Self::Memory(block_kb, least) => {
                let unit = match block_kb {
                    1 => "kB",
                    _ => "8kB",
                };
                let bytes = measured(name, value, &SIZES, unit)?;
                let blocks = (bytes / (block_kb as f64 * 1024.0)).round() as i64;
                within(
                    name,
                    blocks,
                    least,
                    i64::from(i32::MAX),
                    &format!(" {unit}"),
                )?;
                let bytes = blocks.saturating_mul(block_kb * 1024);
                Ok(shown(
                    bytes,
                    SIZES.split_last().map_or(&[], |(_, most)| most),
                ))
            }
            Self::Word(words) => word(words, text).ok_or_else(|| among(name, value, words)),
            Self::Only(words) => {
                let word = word(words, text).ok_or_else(|| among(name, value, words))?;
                match words.first() {
                    Some(only) if word != *only => Err(not_here(name, &word, only)),
                    _ => Ok(word),
                }
            }
            Self::WordOrBool(words) => word(words, text)
                .or_else(|| bool_of(text).map(shown_bool))
                .ok_or_else(|| among(name, value, words)),
            Self::DateStyle => date_style(value),
            Self::Path => match search_path::elements(value) {
                Some(_) => Ok(value.to_owned()),
                None => Err(invalid(name, value)
                    .with_hint("Write names of schemas with commas between them.")),
            },
            Self::Zone => zone(text).ok_or_else(|| {
                invalid(name, value)
                    .with_hint("Use a name such as 'Europe/Madrid' or an offset such as '+02:00'.")
            }),
            Self::Encoding => {
                let plain = text.trim_matches('\'').to_lowercase();
                match ["utf8", "utf-8", "unicode"].contains(&plain.as_str()) {
                    true => Ok("UTF8".to_owned()),
                    false => Err(invalid(name, value).with_hint("Text is UTF8 here.")),
                }
            }
        }
    }
}

fn invalid(name: &str, value: &str) -> Error {
    Error::user(
        SqlState::InvalidParameterValue,
        format!("invalid value for parameter \"{name}\": \"{value}\""),
    )
}

fn among(name: &str, value: &str, words: &[&str]) -> Error {
    invalid(name, value).with_hint(format!("Available values: {}.", words.join(", ")))
}

/// PostgreSQL would follow it.
fn not_here(name: &str, value: &str, only: &str) -> Error {
    Error::user(
        SqlState::FeatureNotSupported,
        format!("parameter \"{name}\" cannot be \"{value}\" here"),
    )
    .with_hint(format!("It is always \"{only}\"."))
}

fn word(words: &[&str], text: &str) -> Option<String> {
    let mut words = words.iter();
    let found = words.find(|word| word.eq_ignore_ascii_case(text));
    found.map(|word| (*word).to_owned())
}

fn shown_bool(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

/// A Boolean, which may be shortened as long as it can be told from the others.
pub(super) fn bool_of(text: &str) -> Option<bool> {
    let text = text.to_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    match text.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

/// A whole number, also as `1e3`.
fn whole(text: &str) -> Option<i64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number.abs() < 9e15).then_some(number.round() as i64)
}

fn within(name: &str, number: i64, least: i64, most: i64, unit: &str) -> Result<()> {
    match (least..=most).contains(&number) {
        true => Ok(()),
        false => Err(Error::user(
            SqlState::InvalidParameterValue,
            format!(
                "{number}{unit} is outside the valid range for parameter \"{name}\" ({least}{unit} .. {most}{unit})"
            ),
        )),
    }
}

/// A number with a unit, in the smallest one; without one it is of `otherwise`.
fn measured(name: &str, value: &str, units: &[(&str, f64)], otherwise: &str) -> Result<f64> {
    let text = value.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+'));
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number: f64 = number.parse().map_err(|_| invalid(name, value))?;
    let size = |unit: &str| {
        let found = units.iter().find(|(known, _)| *known == unit);
        found.map(|(_, size)| *size)
    };
    let size = match unit.trim() {
        "" if otherwise == "8kB" => Some(8192.0),
        "" => size(otherwise),
        unit => size(unit),
    };
    match size {
        // Below zero a number is none of anything: -1 is "not limited".
        Some(size) => Ok(number * size),
        None => {
            let mut known = String::new();
            for (at, (unit, _)) in units.iter().rev().enumerate() {
                let before = match at {
                    0 => "",
                    at if at + 1 == units.len() => ", and ",
                    _ => ", ",
                };
                let _ = write!(known, "{before}\"{unit}\"");
            }
            Err(invalid(name, value)
                .with_hint(format!("Valid units for this parameter are {known}.")))
        }
    }
}

/// In the largest unit that it is a whole number of; zero and what is below it without a unit.
fn shown(value: i64, units: &[(&str, f64)]) -> String {
    let smallest = units.last().map_or(1, |(_, size)| *size as i64);
    if value <= 0 {
        return (value / smallest).to_string();
    }
    let mut whole = units.iter().filter(|(_, size)| value % *size as i64 == 0);
    match whole.next() {
        Some((unit, size)) => format!("{}{unit}", value / *size as i64),
        None => value.to_string(),
    }
}

/// Dates are written as ISO has them and, where that is open, read with the month first.
fn date_style(value: &str) -> Result<String> {
    for word in value.split(',').map(|word| word.trim().to_uppercase()) {
        match word.as_str() {
            "ISO" | "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => {}
            "POSTGRES" | "SQL" | "GERMAN" | "DMY" | "EURO" | "EUROPEAN" | "YMD" => {
                return Err(Error::user(
                    SqlState::FeatureNotSupported,
                    format!("DateStyle \"{value}\" is not supported"),
                )
                .with_hint("Dates are written as in ISO 8601, and read with the month first where they are not: it is always \"ISO, MDY\"."));
            }
            _ => {
                return Err(invalid("DateStyle", value).with_detail(format!(
                    "Unrecognized key word: \"{}\".",
                    word.to_lowercase()
                )));
            }
        }
    }
    Ok("ISO, MDY".to_owned())
}

/// The zone's own name, or the offset.
fn zone(text: &str) -> Option<String> {
    let is_zone = |name: &str| name.parse::<arrow::array::timezone::Tz>().is_ok();
    if let Ok(hours) = text.parse::<f64>() {
        // Hours to the east, as in the standard.
        let minutes = (hours * 60.0).round();
        if minutes.abs() > 14.0 * 60.0 {
            return None;
        }
        let (sign, minutes) = (if minutes < 0.0 { '-' } else { '+' }, minutes.abs() as u32);
        return Some(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
    }
    let capital = |part: &str| {
        let mut chars = part.chars();
        let first = chars.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    };
    let lower = text.to_lowercase();
    let parts = |text: &str, at: char| {
        let parts: Vec<String> = text.split(at).map(capital).collect();
        parts.join(&at.to_string())
    };
    let written = parts(&parts(&lower, '/'), '_');
    [text.to_owned(), text.to_uppercase(), written]
        .into_iter()
        .find(|name| is_zone(name))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn values_are_taken_and_shown_as_in_postgresql() {
        let time = Kind::Time(0, i64::from(i32::MAX));
        let cases: &[(Kind, &str, &str)] = &[
            (time, "1500", "1500ms"),
            (time, " 2 min ", "2min"),
            (time, "0.5h", "30min"),
            (time, "90 s", "90s"),
            (time, "1d", "1d"),
            (time, "0", "0"),
            (time, "600us", "1ms"),
            (Kind::Time(-1, i64::from(i32::MAX)), "-1", "-1"),
            (Kind::Memory(1, 64), "65536", "64MB"),
            (Kind::Memory(1, 64), "100 kB", "100kB"),
            (Kind::Memory(1, 64), "1.5GB", "1536MB"),
            (Kind::Memory(8, 1), "524288", "4GB"),
            (Kind::Bool, "TRUE", "on"),
            (Kind::Bool, "of", "off"),
            (Kind::Bool, "0", "off"),
            (Kind::Real(0.0, 10.0), "1.10", "1.1"),
            (Kind::Int(-15, 3), "3", "3"),
            (Kind::Word(&["auto", "force"]), "AUTO", "auto"),
            (Kind::WordOrBool(&["local"]), "yes", "on"),
            (Kind::DateStyle, "iso", "ISO, MDY"),
            (Kind::DateStyle, "ISO, US", "ISO, MDY"),
            (Kind::Zone, "europe/madrid", "Europe/Madrid"),
            (Kind::Zone, "america/new_york", "America/New_York"),
            (Kind::Zone, "utc", "UTC"),
            (Kind::Zone, "-7", "-07:00"),
            (Kind::Zone, "5.5", "+05:30"),
            (Kind::Zone, "+02:00", "+02:00"),
            (Kind::Encoding, "utf-8", "UTF8"),
        ];
        for (kind, given, expected) in cases {
            assert_eq!(kind.take("p", given).unwrap(), *expected, "{given}");
        }
    }

    #[test]
    fn what_is_none_is_refused_with_what_may_be_written() {
        let time = Kind::Time(0, i64::from(i32::MAX));
        let cases: &[(Kind, &str, &str)] = &[
            (time, "abc", "invalid value for parameter \"p\": \"abc\""),
            (
                time,
                "5 parsecs",
                "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".",
            ),
            (
                time,
                "-5",
                "-5 ms is outside the valid range for parameter \"p\" (0 ms .. 2147483647 ms)",
            ),
            (time, "30d", "2592000000 ms is outside the valid range"),
            (
                Kind::Bool,
                "maybe",
                "parameter \"p\" requires a Boolean value",
            ),
            (Kind::Bool, "o", "requires a Boolean value"),
            (
                Kind::Int(-15, 3),
                "99",
                "99 is outside the valid range for parameter \"p\" (-15 .. 3)",
            ),
            (
                Kind::Memory(1, 64),
                "1 kB",
                "1 kB is outside the valid range",
            ),
            (
                Kind::Word(&["auto", "force"]),
                "x",
                "Available values: auto, force.",
            ),
            (
                Kind::Only(&["hex", "escape"]),
                "escape",
                "It is always \"hex\".",
            ),
            (
                Kind::Only(&["hex", "escape"]),
                "x",
                "Available values: hex, escape.",
            ),
            (Kind::Always(true), "off", "It is always \"on\"."),
            (
                Kind::DateStyle,
                "German",
                "DateStyle \"German\" is not supported",
            ),
            (Kind::DateStyle, "ISO, DMY", "is not supported"),
            (
                Kind::DateStyle,
                "nonsense",
                "Unrecognized key word: \"nonsense\".",
            ),
            (Kind::Zone, "Mars/Olympus", "invalid value"),
            (Kind::Zone, "99", "invalid value"),
            (Kind::Encoding, "LATIN1", "Text is UTF8 here."),
        ];
        for (kind, given, expected) in cases {
            let error = kind.take("p", given).unwrap_err();
            let told = format!("{} {:?} {:?}", error.message, error.detail, error.hint);
            let told = told.replace("\\\"", "\"");
            assert!(told.contains(expected), "{given}: {told}");
        }
    }
}
