//! JSON values to column values: one rule per column type (the table in `json.rs`), and what is said when a value does not fit.

use std::borrow::Cow;

use super::{
    JsonOptions, TimestampFormat,
    column::{Column, Values},
    cursor::{Cursor, Number},
    number::{self, Excess},
    plain,
    problem::Problem,
    time::{self, Clock},
};

/// Reads the value that begins here and appends it to the column.
#[inline]
pub(super) fn read_value(
    column: &mut Column,
    cursor: &mut Cursor<'_>,
    options: &JsonOptions,
) -> Result<(), Problem> {
    match read_plain(column, cursor.rest(), options) {
        Some(rest) => {
            cursor.go_to(rest);
            Ok(())
        }
        None => read_any(column, cursor, options),
    }
}

/// The same for what most values look like, and what stands behind it; where it is `None` nothing has happened.
#[inline]
pub(super) fn read_plain<'a>(
    column: &mut Column,
    text: &'a [u8],
    options: &JsonOptions,
) -> Option<&'a [u8]> {
    let rest = match &mut column.values {
        Values::Text(values) => {
            if let Some((bytes, length, rest)) = plain::short_string(text) {
                values.push_short(bytes, length)?;
                rest
            } else {
                let (bytes, rest) = plain::long_string(text)?;
                values.push(bytes)?;
                rest
            }
        }
        Values::F64(values) => {
            let (value, rest) = plain::float(text)?;
            values.push(value);
            rest
        }
        Values::I64(values) => {
            let (value, rest) = plain::integer(text)?;
            values.push(value);
            rest
        }
        Values::I32(values) => {
            let (value, rest) = plain::integer(text)?;
            values.push(value);
            rest
        }
        Values::Timestamp(times) => {
            if times.in_nanoseconds || options.timestamp_format == TimestampFormat::Epoch {
                return None;
            }
            let (micros, rest) = times.clock.plain(text)?;
            times.values.push(micros);
            rest
        }
        _ => return None,
    };
    column.nulls.append_non_null();
    Some(rest)
}

/// Any value, by the rules.
pub(super) fn read_any(
    column: &mut Column,
    cursor: &mut Cursor<'_>,
    options: &JsonOptions,
) -> Result<(), Problem> {
    let at = cursor.at();
    if cursor.peek() == Some(b'n') && cursor.take(b"null") {
        if !column.nullable() {
            return Err(Problem::new("null in a NOT NULL column", at));
        }
        column.append_null();
        return Ok(());
    }
    match &mut column.values {
        Values::Bool(values) => {
            if cursor.take(b"true") {
                values.append(true);
            } else if cursor.take(b"false") {
                values.append(false);
            } else {
                return Err(cursor.unexpected("true or false"));
            }
        }
        Values::I8(values) => values.push(integer(cursor, "SMALLINT of one byte")?),
        Values::I16(values) => values.push(integer(cursor, "SMALLINT")?),
        Values::I32(values) => values.push(integer(cursor, "INTEGER")?),
        Values::I64(values) => values.push(integer(cursor, "BIGINT")?),
        Values::F32(values) => values.push(float(
            cursor,
            |number| number.as_f32(),
            |word| word as f32,
            "REAL",
        )?),
        Values::F64(values) => values.push(float(
            cursor,
            |number| number.as_f64(),
            |word| word,
            "DOUBLE PRECISION",
        )?),
        Values::Decimal {
            values,
            precision,
            scale,
        } => values.push(decimal(cursor, *precision, *scale)?),
        Values::Date(values) => {
            let text = cursor_text(cursor, "a date 'YYYY-MM-DD'")?;
            let date = time::parse_date(&text);
            values.push(date.ok_or_else(|| unreadable(&text, "a date YYYY-MM-DD", at))?);
        }
        Values::Timestamp(times) => {
            let micros = timestamp(cursor, &mut times.clock, options)?;
            if !times.fits(micros) {
                return Err(Problem::new("timestamp out of range of its column", at));
            }
            times.values.push(micros);
        }
        Values::Text(values) => {
            if cursor.peek() != Some(b'"') {
                return Err(cursor.unexpected("a string"));
            }
            let text = cursor.string()?;
            let start = values.data.len();
            text.resolve(&mut values.data)?;
            if text.escaped && values.data.iter().skip(start).any(|byte| *byte == 0) {
                return Err(Problem::new(
                    "\\u0000 in a string: TEXT cannot hold it",
                    text.at,
                ));
            }
            end(values.end(), at)?;
        }
        Values::Json(values) => {
            cursor.skip_value()?;
            let text = cursor.between(at, cursor.at());
            values.data.extend_from_slice(text.as_bytes());
            end(values.end(), at)?;
        }
        Values::Binary(values) => {
            let text = cursor_text(cursor, "a base64 string")?;
            super::base64::decode(&text, &mut values.data).ok_or_else(|| {
                Problem::new(
                    "a string that is neither base64 nor \\x and hexadecimal digits",
                    at,
                )
            })?;
            end(values.end(), at)?;
        }
        Values::Uuid(values) => {
            let text = cursor_text(cursor, "a UUID in a string")?;
            super::uuid::canonical(&text, &mut values.data)
                .ok_or_else(|| unreadable(&text, "a UUID", at))?;
            end(values.end(), at)?;
        }
        Values::Struct(object) => object.read(cursor)?,
        Values::Map(map) => end(map.read(cursor, options)?, at)?,
        Values::List { offsets, item } => {
            cursor.require(b'[', "an array")?;
            items(item, cursor, options)?;
            match i32::try_from(item.len()) {
                Ok(length) => offsets.push(length),
                Err(_) => return end(false, at),
            }
        }
    }
    column.nulls.append_non_null();
    Ok(())
}

fn items(item: &mut Column, cursor: &mut Cursor<'_>, options: &JsonOptions) -> Result<(), Problem> {
    cursor.skip_space();
    if cursor.peek() == Some(b']') {
        return cursor.require(b']', "']'");
    }
    loop {
        cursor.skip_space();
        read_value(item, cursor, options)?;
        cursor.skip_space();
        match cursor.peek() {
            Some(b',') => cursor.require(b',', "','")?,
            Some(b']') => return cursor.require(b']', "']'"),
            _ => return Err(cursor.unexpected("',' or ']'")),
        }
    }
}

fn end(room: bool, at: usize) -> Result<(), Problem> {
    if room {
        return Ok(());
    }
    Err(Problem::new("a column of this batch is full (2 GiB)", at))
}

/// A string's text with escapes resolved.
fn cursor_text<'a>(cursor: &mut Cursor<'a>, what: &str) -> Result<Cow<'a, str>, Problem> {
    if cursor.peek() != Some(b'"') {
        return Err(cursor.unexpected(what));
    }
    let quoted = cursor.string()?;
    if !quoted.escaped {
        return Ok(quoted.raw.into());
    }
    let mut text = Vec::new();
    quoted.resolve(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned().into())
}

#[cold]
fn unreadable(text: &str, what: &str, at: usize) -> Problem {
    let shown: String = text.chars().take(40).collect();
    let dots = if shown.len() < text.len() { "…" } else { "" };
    Problem::new(format!("'{shown}{dots}' is not {what}"), at)
}

#[inline]
fn integer<T: TryFrom<i128>>(cursor: &mut Cursor<'_>, what: &str) -> Result<T, Problem> {
    let at = cursor.at();
    let number = match cursor.peek() {
        Some(b'-' | b'0'..=b'9') => cursor.number()?,
        Some(b'"') => {
            let text = cursor_text(cursor, "an integer")?;
            return number::parse(&text)
                .and_then(|number| number.scaled(0, Excess::Refuse))
                .and_then(|value| T::try_from(value).ok())
                .ok_or_else(|| unreadable(&text, &format!("a whole number of type {what}"), at));
        }
        _ => return Err(cursor.unexpected("a number")),
    };
    number
        .scaled(0, Excess::Refuse)
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| unreadable(number.text, &format!("a whole number of type {what}"), at))
}

#[inline]
fn float<T>(
    cursor: &mut Cursor<'_>,
    convert: impl Fn(&Number<'_>) -> Option<T>,
    word: impl Fn(f64) -> T,
    what: &str,
) -> Result<T, Problem> {
    let at = cursor.at();
    let out_of_range = |text: &str| unreadable(text, &format!("a number within {what}"), at);
    match cursor.peek() {
        Some(b'-' | b'0'..=b'9') => {
            let number = cursor.number()?;
            convert(&number).ok_or_else(|| out_of_range(number.text))
        }
        Some(b'"') => {
            let text = cursor_text(cursor, "a number")?;
            // The words that JSON has no numbers for, as PostgreSQL spells them.
            match text.as_ref() {
                "NaN" => return Ok(word(f64::NAN)),
                "Infinity" | "inf" => return Ok(word(f64::INFINITY)),
                "-Infinity" | "-inf" => return Ok(word(f64::NEG_INFINITY)),
                _ => {}
            }
            number::parse(&text)
                .and_then(|number| convert(&number))
                .ok_or_else(|| out_of_range(&text))
        }
        _ => Err(cursor.unexpected("a number")),
    }
}

fn decimal(cursor: &mut Cursor<'_>, precision: u8, scale: i8) -> Result<i128, Problem> {
    let at = cursor.at();
    let text = match cursor.peek() {
        Some(b'-' | b'0'..=b'9') => Cow::Borrowed(cursor.number()?.text),
        Some(b'"') => cursor_text(cursor, "a number")?,
        _ => return Err(cursor.unexpected("a number")),
    };
    let limit = 10_i128.checked_pow(u32::from(precision));
    number::parse(&text)
        .and_then(|number| number.scaled(i32::from(scale), Excess::Round))
        .filter(|value| limit.is_none_or(|limit| value.unsigned_abs() < limit.unsigned_abs()))
        .ok_or_else(|| unreadable(&text, &format!("a NUMERIC({precision},{scale})"), at))
}

fn timestamp(
    cursor: &mut Cursor<'_>,
    clock: &mut Clock,
    options: &JsonOptions,
) -> Result<i64, Problem> {
    let at = cursor.at();
    match (cursor.peek(), options.timestamp_format) {
        (Some(b'"'), TimestampFormat::Epoch) => {
            let text = cursor_text(cursor, "a timestamp")?;
            let number = number::parse(&text);
            number
                .and_then(|number| since_1970(&number, options))
                .ok_or_else(|| no_time(&text, "timestamp_format", options, at))
        }
        (Some(b'"'), _) => {
            let text = cursor_text(cursor, "a timestamp")?;
            clock
                .parse(&text)
                .ok_or_else(|| unreadable(&text, "a timestamp of the years 1 to 9999", at))
        }
        (Some(b'-' | b'0'..=b'9'), TimestampFormat::Auto | TimestampFormat::Epoch) => {
            let number = cursor.number()?;
            let option = match options.timestamp_format {
                TimestampFormat::Epoch => "timestamp_format",
                _ => "timestamp_unit",
            };
            since_1970(&number, options).ok_or_else(|| no_time(number.text, option, options, at))
        }
        (_, TimestampFormat::Iso) => {
            Err(cursor.unexpected("a timestamp in quotes (option timestamp_format)"))
        }
        _ => Err(cursor.unexpected("a timestamp")),
    }
}

/// A number of the option's unit in microseconds since 1970.
fn since_1970(number: &Number<'_>, options: &JsonOptions) -> Option<i64> {
    number
        .scaled(options.timestamp_unit.scale_to_micros(), Excess::Floor)
        .and_then(time::in_calendar)
}

#[cold]
fn no_time(text: &str, option: &str, options: &JsonOptions, at: usize) -> Problem {
    let unit = options.timestamp_unit.name();
    let what = format!("a time of the years 1 to 9999 in {unit} since 1970 (option {option})");
    unreadable(text, &what, at)
}
