//! Functions of values that PostgreSQL has and the engine has not: quoting, formats, ages.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::Field,
};
use chrono::{DateTime, Datelike, Days, Months, NaiveDateTime};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::ScalarUDF,
    scalar::ScalarValue,
};
use sluice_connectors::format::json::usual_uuid;

use super::called::{Called, number, text};
use crate::{
    dialect::{
        catalog::{names, rows::Value},
        spelling::{self, malformed_list, similar_to_regex},
    },
    doors::pg::TYPE,
    error::{Error, SqlState},
    table::external,
    write::as_declared,
};

pub(super) fn all() -> Vec<ScalarUDF> {
    let mut all = vec![
        Called::strict("quote_ident", "text", |arguments| {
            Ok(text(arguments, 0).map(|name| names::quoted(&name)).into())
        }),
        Called::strict("quote_literal", "text", |arguments| {
            Ok(text(arguments, 0).map(|text| literal(&text)).into())
        }),
        Called::lax("quote_nullable", "text", |arguments| {
            Ok(text(arguments, 0)
                .map_or_else(|| "NULL".to_owned(), |text| literal(&text))
                .into())
        }),
        Called::lax("format", "text", formatted),
        Called::lax("num_nulls", "integer", |arguments| {
            Ok(nulls(arguments).into())
        }),
        Called::lax("num_nonnulls", "integer", |arguments| {
            Ok((arguments.len() as i64 - nulls(arguments)).into())
        }),
        // Of one moment it is the time since then.
        Called::strict_stable("age", "interval", |arguments| Ok(age(arguments))),
        Called::strict("sluice_make_interval", "interval", made_interval),
        Called::strict("sluice_like_escape", "text", |arguments| {
            let pattern = text(arguments, 0).unwrap_or_default();
            let escape = text(arguments, 1).unwrap_or_default();
            Ok(like_escape(&pattern, escape.chars().next()).into())
        }),
        Called::strict("sluice_similar", "text", |arguments| {
            let pattern = text(arguments, 0).unwrap_or_default();
            let escape = text(arguments, 1).unwrap_or_default();
            Ok(similar_to_regex(&pattern, escape.chars().next()).into())
        }),
        Called::strict("sluice_uuid", "uuid", |arguments| {
            let written = text(arguments, 0).unwrap_or_default();
            match usual_uuid(written.trim()) {
                Some(id) => Ok(id.into()),
                None => Err(invalid(format!(
                    "invalid input syntax for type uuid: \"{written}\""
                ))),
            }
        }),
        Called::strict("sluice_malformed_array", "text[]", |arguments| {
            let written = text(arguments, 0).unwrap_or_default();
            let why = spelling::list_of(&written, None).err();
            Err(external(why.unwrap_or_else(|| malformed_list(&written))))
        }),
        Called::strict("array_dims", "text", |arguments| Ok(dimensions(arguments))),
        Called::strict("sluice_chr", "text", character),
        list_of("sluice_uuid_list", "uuid[]"),
        list_of("sluice_json_texts", "json[]"),
        list_of("sluice_jsonb_texts", "jsonb[]"),
    ];
    for (name, reduce) in [
        ("justify_hours", (true, false)),
        ("justify_days", (false, true)),
        ("justify_interval", (true, true)),
    ] {
        all.push(Called::strict(name, "interval", move |arguments| {
            Ok(justified(arguments, reduce.0, reduce.1))
        }));
    }
    all
}

fn invalid(message: String) -> DataFusionError {
    external(Error::user(SqlState::InvalidTextRepresentation, message))
}

/// A list of texts as one of a type that a text carries.
fn list_of(name: &'static str, pg: &'static str) -> ScalarUDF {
    Called::strict(name, pg, move |arguments| {
        let Some(ScalarValue::List(list)) = arguments.first() else {
            return Ok(Value::Null);
        };
        let mark = [(TYPE.to_owned(), pg.to_owned())].into();
        let field = Field::new(name, list.data_type().clone(), true).with_metadata(mark);
        let list: ArrayRef = Arc::clone(list) as ArrayRef;
        let list = as_declared(&field, &list).map_err(external)?;
        Ok(Value::Ready(ScalarValue::try_from_array(&list, 0)?))
    })
}

/// `chr`: the character of a number; a text has no zero in it.
fn character(arguments: &[ScalarValue]) -> Result<Value> {
    let wrong = |state, message: String| Err(external(Error::user(state, message)));
    let Some(code) = number(arguments, 0) else {
        let written = text(arguments, 0).unwrap_or_default();
        return Err(invalid(format!(
            "invalid input syntax for type integer: \"{written}\""
        )));
    };
    let character = u32::try_from(code).ok().map(char::from_u32);
    match (code, character) {
        (0, _) => wrong(
            SqlState::ProgramLimitExceeded,
            "null character not permitted".into(),
        ),
        (..0, _) => wrong(
            SqlState::InvalidParameterValue,
            "character number must be positive".into(),
        ),
        (_, Some(Some(character))) => Ok(character.to_string().into()),
        (0x11_0000.., _) => wrong(
            SqlState::ProgramLimitExceeded,
            format!("requested character too large for encoding: {code}"),
        ),
        _ => wrong(
            SqlState::ProgramLimitExceeded,
            format!("requested character not valid for encoding: {code}"),
        ),
    }
}

/// `array_dims`: `[1:2][1:3]`; of an empty one nothing.
fn dimensions(arguments: &[ScalarValue]) -> Value {
    let mut lengths = String::new();
    let mut list = match arguments.first() {
        Some(ScalarValue::List(list)) => Some(list.value(0)),
        _ => None,
    };
    while let Some(values) = list.filter(|values| !values.is_empty()) {
        lengths.push_str(&format!("[1:{}]", values.len()));
        list = values.as_list_opt::<i32>().map(|inner| inner.value(0));
    }
    match lengths.is_empty() {
        true => Value::Null,
        false => lengths.into(),
    }
}

fn nulls(arguments: &[ScalarValue]) -> i64 {
    arguments.iter().filter(|value| value.is_null()).count() as i64
}

fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

/// `format`: `%s`, `%I`, `%L` and `%%`, with a place (`%2$s`) or without.
fn formatted(arguments: &[ScalarValue]) -> Result<Value> {
    let Some(format) = text(arguments, 0) else {
        return Ok(Value::Null);
    };
    let wrong = |message: String| {
        let error = Error::user(SqlState::InvalidParameterValue, message);
        DataFusionError::External(Box::new(error))
    };
    let mut given = 1;
    let mut letters = format.chars().peekable();
    let mut out = String::new();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        // `%2$s` is the second argument, and the next is the third.
        let mut ahead = letters.clone();
        let mut place = String::new();
        while let Some(digit) = ahead.next_if(char::is_ascii_digit) {
            place.push(digit);
        }
        if !place.is_empty() && ahead.next_if_eq(&'$').is_some() {
            given = match place.parse() {
                Ok(0) | Err(_) => {
                    return Err(wrong(
                        "format specifies argument 0, but arguments are numbered from 1".into(),
                    ));
                }
                Ok(place) => place,
            };
            letters = ahead;
        }
        let kind = letters
            .next()
            .ok_or_else(|| wrong("unterminated format() type specifier".into()))?;
        if kind == '%' {
            out.push('%');
            continue;
        }
        if given >= arguments.len() {
            return Err(wrong("too few arguments for format()".into()));
        }
        let value = text(arguments, given);
        given += 1;
        match (kind, value) {
            ('s', value) => out.push_str(&value.unwrap_or_default()),
            ('I', Some(value)) => out.push_str(&names::quoted(&value)),
            ('I', None) => {
                return Err(wrong(
                    "null values cannot be formatted as an SQL identifier".into(),
                ));
            }
            ('L', value) => {
                out.push_str(&value.map_or_else(|| "NULL".to_owned(), |text| literal(&text)))
            }
            (other, _) => {
                return Err(wrong(format!(
                    "unrecognized format() type specifier \"{other}\""
                )));
            }
        }
    }
    Ok(out.into())
}

/// A LIKE pattern whose escape is another than the backslash, as one whose is.
fn like_escape(pattern: &str, escape: Option<char>) -> String {
    let mut out = String::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            letter if Some(letter) == escape => {
                out.push('\\');
                out.extend(letters.next());
            }
            '\\' => out.push_str("\\\\"),
            letter => out.push(letter),
        }
    }
    out
}

fn at(arguments: &[ScalarValue], place: usize) -> Option<NaiveDateTime> {
    let value = arguments.get(place)?;
    let micros =
        arrow::datatypes::DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
    match value.cast_to(&micros).ok()? {
        ScalarValue::TimestampMicrosecond(micros, _) => {
            DateTime::from_timestamp_micros(micros?).map(|time| time.naive_utc())
        }
        _ => None,
    }
}

/// `age(end, start)`: whole months, then days, then time.
fn age(arguments: &[ScalarValue]) -> Value {
    let (Some(end), Some(start)) = (at(arguments, 0), at(arguments, 1)) else {
        return Value::Null;
    };
    let (late, early, sign) = if end >= start {
        (end, start, 1)
    } else {
        (start, end, -1)
    };
    let mut months = (late.year() - early.year()) * 12 + late.month() as i32 - early.month() as i32;
    // Days that a month lacks are counted by the month of the earlier date, as PostgreSQL does.
    let mut days = late.day() as i32 - early.day() as i32;
    let mut time = late
        .time()
        .signed_duration_since(early.time())
        .num_microseconds()
        .unwrap_or(0);
    if time < 0 {
        time += 86_400_000_000;
        days -= 1;
    }
    if days < 0 {
        let first = early.date().with_day(1).unwrap_or_else(|| early.date());
        let next = first.checked_add_months(Months::new(1)).unwrap_or(first);
        let length = next
            .checked_sub_days(Days::new(1))
            .map_or(30, |day| day.day() as i32);
        days += length;
        months -= 1;
    }
    interval(sign * months, sign * days, i64::from(sign) * time)
}

fn interval(months: i32, days: i32, micros: i64) -> Value {
    let value =
        arrow::datatypes::IntervalMonthDayNano::new(months, days, micros.saturating_mul(1000));
    Value::Ready(ScalarValue::IntervalMonthDayNano(Some(value)))
}

/// `make_interval(years, months, weeks, days, hours, mins, secs)`.
fn made_interval(arguments: &[ScalarValue]) -> Result<Value> {
    let part = |at: usize| number(arguments, at).unwrap_or_default();
    let seconds = arguments.get(6).and_then(|seconds| {
        match seconds.cast_to(&arrow::datatypes::DataType::Float64).ok()? {
            ScalarValue::Float64(seconds) => seconds,
            _ => None,
        }
    });
    let micros = (seconds.unwrap_or_default() * 1e6).round();
    let made = || {
        let months = part(0).checked_mul(12)?.checked_add(part(1))?;
        let days = part(2).checked_mul(7)?.checked_add(part(3))?;
        let minutes = part(4).checked_mul(60)?.checked_add(part(5))?;
        // Beyond this no nanoseconds are counted.
        if micros.is_nan() || micros.abs() > 9e15 {
            return None;
        }
        let time = minutes
            .checked_mul(60_000_000)?
            .checked_add(micros as i64)?;
        time.checked_mul(1000)?;
        let (months, days) = (i32::try_from(months).ok()?, i32::try_from(days).ok()?);
        Some(interval(months, days, time))
    };
    made().ok_or_else(|| {
        let error = Error::user(SqlState::DatetimeFieldOverflow, "interval out of range");
        external(error)
    })
}

/// `justify_hours` and its like: 24 hours are a day, 30 days a month, and all parts have one sign.
fn justified(arguments: &[ScalarValue], hours: bool, months: bool) -> Value {
    const DAY: i64 = 86_400_000_000_000;
    let Some(ScalarValue::IntervalMonthDayNano(Some(value))) = arguments.first() else {
        return number(arguments, 0).map_or(Value::Null, |_| Value::Null);
    };
    let (mut month, mut day, mut nanos) = (
        i64::from(value.months),
        i64::from(value.days),
        value.nanoseconds,
    );
    if hours {
        day += nanos / DAY;
        nanos %= DAY;
    }
    if months {
        month += day / 30;
        day %= 30;
    }
    if months
        && ((month > 0 && (day < 0 || (day == 0 && nanos < 0)))
            || (month < 0 && (day > 0 || (day == 0 && nanos > 0))))
    {
        day += 30 * month.signum();
        month -= month.signum();
    }
    if hours && ((day > 0 && nanos < 0) || (day < 0 && nanos > 0)) {
        nanos += DAY * day.signum();
        day -= day.signum();
    }
    let part = |value: i64| i32::try_from(value).unwrap_or_default();
    interval(part(month), part(day), nanos / 1000)
}

#[cfg(test)]
mod tests;
