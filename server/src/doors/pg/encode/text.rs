//! Values as text: what PostgreSQL's output functions print with DateStyle ISO, IntervalStyle postgres and bytea_output hex.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Offset, TimeZone};
use postgres_types::Type;

use super::{
    Style, float,
    number::Decimal,
    values::{Values, days_of},
};
use crate::{dialect::shown_oid, doors::pg::failure::Failure};

const DAY: i64 = 86_400_000_000;

impl Values {
    /// Writes the value of a row, which must not be NULL.
    pub(in crate::doors::pg) fn text(
        &self,
        row: usize,
        style: Style,
        out: &mut BytesMut,
    ) -> Result<(), Failure> {
        match self {
            Self::Null => {}
            Self::Bool(a) => out.put_u8(if a.value(row) { b't' } else { b'f' }),
            Self::Int2(a) => print(out, format_args!("{}", a.value(row))),
            Self::Int4(a) => print(out, format_args!("{}", a.value(row))),
            Self::Int8(a) => print(out, format_args!("{}", a.value(row))),
            Self::Oid(a, pg) => match shown_oid(pg, a.value(row)) {
                Some(name) => out.put_slice(name.as_bytes()),
                None => print(out, format_args!("{}", a.value(row) as u32)),
            },
            Self::Float4(a) => float::write(a.value(row), 6, out),
            Self::Float8(a) => float::write(a.value(row), 15, out),
            Self::Numeric(a, scale) => Decimal::new(&a.value(row).to_string(), *scale).text(out),
            Self::LongNumeric(a, scale) => {
                Decimal::new(&a.value(row).to_string(), *scale).text(out)
            }
            Self::Text(a) | Self::Char(a) | Self::Jsonb(a) | Self::Uuid(a) => {
                out.put_slice(a.value(row).as_bytes());
            }
            Self::LargeText(a) => out.put_slice(a.value(row).as_bytes()),
            Self::TextView(a) => out.put_slice(a.value(row).as_bytes()),
            Self::Bytea(a) => hex(a.value(row), out),
            Self::Date(a) => {
                let bc = date(i64::from(a.value(row)), out);
                out.put_slice(bc);
            }
            Self::Time(a) => time(a.value(row), out),
            Self::Timestamp(a) => {
                let bc = timestamp(a.value(row), out);
                out.put_slice(bc);
            }
            Self::TimestampTz(a) => timestamptz(a.value(row), style, out),
            Self::Interval(a) => {
                let v = a.value(row);
                interval(v.months, v.days, v.nanoseconds / 1000, out);
            }
            Self::Duration(a) => {
                let (days, micros) = days_of(a.value(row));
                interval(0, days, micros, out);
            }
            Self::List(a, _, values) => {
                let offsets = a.value_offsets();
                let (start, end) = bounds(offsets, row);
                list(start, end, values, style, out)?;
            }
            Self::Record(_, parts) => record(row, parts, style, out)?,
            Self::Vector(a, _, values) => {
                let (start, end) = bounds(a.value_offsets(), row);
                for i in start..end {
                    if i > start {
                        out.put_u8(b' ');
                    }
                    values.text(i, style, out)?;
                }
            }
        }
        Ok(())
    }
}

/// Where a row's elements stand.
pub(super) fn bounds(offsets: &[i32], row: usize) -> (usize, usize) {
    let at = |i: usize| offsets.get(i).copied().unwrap_or(0).max(0) as usize;
    (at(row), at(row + 1))
}

fn print(out: &mut BytesMut, args: std::fmt::Arguments<'_>) {
    // A `BytesMut` grows; writing into it cannot fail.
    let _ = out.write_fmt(args);
}

fn hex(bytes: &[u8], out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 + 2 * bytes.len());
    out.put_slice(b"\\x");
    for byte in bytes {
        out.put_u8(DIGITS[usize::from(byte >> 4)]);
        out.put_u8(DIGITS[usize::from(byte & 15)]);
    }
}

/// Year, month and day of a count of days from 1970 (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Writes a date and gives what has to follow it: years before 1 are counted backwards and marked.
fn date(days: i64, out: &mut BytesMut) -> &'static [u8] {
    let (year, month, day) = civil(days);
    let (year, mark): (_, &[u8]) = if year > 0 {
        (year, b"")
    } else {
        (1 - year, b" BC")
    };
    print(out, format_args!("{year:04}-{month:02}-{day:02}"));
    mark
}

fn time(micros: i64, out: &mut BytesMut) {
    let seconds = micros / 1_000_000;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    print(out, format_args!("{h:02}:{m:02}:{s:02}"));
    fraction(micros % 1_000_000, out);
}

fn fraction(micros: i64, out: &mut BytesMut) {
    if micros != 0 {
        let mut digits = micros;
        let mut width = 6;
        while digits % 10 == 0 {
            digits /= 10;
            width -= 1;
        }
        print(out, format_args!(".{digits:0width$}"));
    }
}

fn timestamp(micros: i64, out: &mut BytesMut) -> &'static [u8] {
    let bc = date(micros.div_euclid(DAY), out);
    out.put_u8(b' ');
    time(micros.rem_euclid(DAY), out);
    bc
}

fn timestamptz(micros: i64, style: Style, out: &mut BytesMut) {
    let offset = style.zone.and_then(|zone| {
        let utc = DateTime::from_timestamp_micros(micros)?.naive_utc();
        let offset = zone.offset_from_utc_datetime(&utc).fix();
        Some(i64::from(offset.local_minus_utc()))
    });
    let offset = offset.unwrap_or(0);
    let bc = timestamp(micros.saturating_add(offset * 1_000_000), out);
    let sign = if offset < 0 { '-' } else { '+' };
    let (h, m, s) = (
        offset.abs() / 3600,
        offset.abs() / 60 % 60,
        offset.abs() % 60,
    );
    print(out, format_args!("{sign}{h:02}"));
    if m != 0 || s != 0 {
        print(out, format_args!(":{m:02}"));
    }
    if s != 0 {
        print(out, format_args!(":{s:02}"));
    }
    out.put_slice(bc);
}

/// `EncodeInterval`, style postgres: a field that follows a negative one shows its sign.
fn interval(months: i32, days: i32, micros: i64, out: &mut BytesMut) {
    let start = out.len();
    let mut after_negative = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        let space = if out.len() > start { " " } else { "" };
        let sign = if after_negative && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        print(out, format_args!("{space}{sign}{value} {unit}{plural}"));
        after_negative = value < 0;
    }
    if out.len() == start || micros != 0 {
        let space = if out.len() > start { " " } else { "" };
        let sign = match micros {
            ..0 => "-",
            _ if after_negative => "+",
            _ => "",
        };
        print(out, format_args!("{space}{sign}"));
        // Only the smallest value has no positive counterpart.
        time(micros.checked_abs().unwrap_or(i64::MAX), out);
    }
}

/// `array_out`.
fn list(
    start: usize,
    end: usize,
    values: &Values,
    style: Style,
    out: &mut BytesMut,
) -> Result<(), Failure> {
    out.put_u8(b'{');
    let mut element = BytesMut::new();
    for i in start..end {
        if i > start {
            out.put_u8(b',');
        }
        if values.is_null(i) {
            out.put_slice(b"NULL");
        } else if let Values::List(inner, _, values) = values {
            let (start, end) = bounds(inner.value_offsets(), i);
            list(start, end, values, style, out)?;
        } else {
            element.clear();
            values.text(i, style, &mut element)?;
            quote(&element, out);
        }
    }
    out.put_u8(b'}');
    Ok(())
}

/// `record_out`: NULL is nothing, and a text of nothing is in quotes.
fn record(
    row: usize,
    parts: &[(Type, Values)],
    style: Style,
    out: &mut BytesMut,
) -> Result<(), Failure> {
    out.put_u8(b'(');
    let mut part = BytesMut::new();
    for (i, (_, values)) in parts.iter().enumerate() {
        if i > 0 {
            out.put_u8(b',');
        }
        if values.is_null(row) {
            continue;
        }
        part.clear();
        values.text(row, style, &mut part)?;
        let special = |b: &u8| {
            matches!(b, b'(' | b')' | b',' | b'"' | b'\\' | 0x0b) || b.is_ascii_whitespace()
        };
        if !part.is_empty() && !part.iter().any(special) {
            out.put_slice(&part);
            continue;
        }
        out.put_u8(b'"');
        for byte in &part {
            // Within quotes, a quote is written twice, and a backslash too.
            if matches!(byte, b'"' | b'\\') {
                out.put_u8(*byte);
            }
            out.put_u8(*byte);
        }
        out.put_u8(b'"');
    }
    out.put_u8(b')');
    Ok(())
}

fn quote(element: &[u8], out: &mut BytesMut) {
    let special =
        |b: &u8| matches!(b, b'{' | b'}' | b',' | b'"' | b'\\' | 0x0b) || b.is_ascii_whitespace();
    if !element.is_empty() && !element.iter().any(special) && !element.eq_ignore_ascii_case(b"NULL")
    {
        return out.put_slice(element);
    }
    out.put_u8(b'"');
    for byte in element {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}
