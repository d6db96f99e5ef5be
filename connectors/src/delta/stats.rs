//! Statistics of a file: number of rows, and per column the number of nulls, the least and the greatest value.
//!
//! Readers skip files by them, so a bound may be wider than the values and never narrower: long strings are cut and the upper one
//! raised, timestamps go to milliseconds outwards, and where a bound cannot be written (not-a-number, infinity, a year beyond 9999)
//! there is none.

use std::collections::BTreeMap;

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, RecordBatch},
    compute::{max, max_string, min, min_string},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
        Int32Type, Int64Type, TimestampMicrosecondType,
    },
};
use chrono::{DateTime, Datelike};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::partition::date;

/// Columns that get statistics, from the first, unless the table says otherwise.
const INDEXED_COLUMNS: usize = 32;

/// Characters of a string that go into a bound.
const STRING_CHARS: usize = 32;

/// Greater than any other character.
const LAST_CHAR: char = '\u{10FFFF}';

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats<'a> {
    num_records: u64,
    min_values: BTreeMap<&'a str, Box<RawValue>>,
    max_values: BTreeMap<&'a str, Box<RawValue>>,
    null_count: BTreeMap<&'a str, u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rows {
    num_records: u64,
}

/// The number of rows in a file's statistics.
pub(super) fn rows(stats: &str) -> Option<u64> {
    serde_json::from_str::<Rows>(stats)
        .ok()
        .map(|stats| stats.num_records)
}

/// Bounds gathered over the batches of one file.
#[derive(Debug)]
pub(super) struct Gathered {
    rows: u64,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    nulls: u64,
    bounds: Bounds,
}

#[derive(Debug)]
enum Bounds {
    /// No value yet.
    Empty,
    Int(i64, i64),
    Float(f64, f64),
    Text(String, String),
    Day(i32, i32),
    Micros(i64, i64, bool),
    Decimal(i128, i128, i8),
    /// A type without bounds, or a value that cannot be written.
    Unbounded,
    /// A nested column, of which not even nulls are counted.
    Nested,
}

impl Gathered {
    /// For files of these columns; `indexed` is the table's `delta.dataSkippingNumIndexedCols`.
    pub(super) fn new(columns: &[arrow::datatypes::FieldRef], indexed: Option<&str>) -> Self {
        let indexed = match indexed.and_then(|text| text.parse::<i64>().ok()) {
            None => INDEXED_COLUMNS,
            // Minus one is all.
            Some(number) => usize::try_from(number).unwrap_or(usize::MAX),
        };
        let columns = columns
            .iter()
            .take(indexed)
            .map(|field| Column {
                name: field.name().clone(),
                nulls: 0,
                bounds: match field.data_type() {
                    data_type if data_type.is_nested() => Bounds::Nested,
                    DataType::Boolean | DataType::Binary => Bounds::Unbounded,
                    _ => Bounds::Empty,
                },
            })
            .collect();
        Self { rows: 0, columns }
    }

    pub(super) fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for (column, values) in self.columns.iter_mut().zip(batch.columns()) {
            column.nulls += values.null_count() as u64;
            if !matches!(column.bounds, Bounds::Unbounded | Bounds::Nested)
                && let Some(found) = bounds_of(values)
            {
                let before = std::mem::replace(&mut column.bounds, Bounds::Unbounded);
                column.bounds = before.with(found);
            }
        }
    }

    /// The JSON text of the log.
    pub(super) fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut stats = Stats {
            num_records: self.rows,
            min_values: BTreeMap::new(),
            max_values: BTreeMap::new(),
            null_count: BTreeMap::new(),
        };
        for column in &self.columns {
            if matches!(column.bounds, Bounds::Nested) {
                continue;
            }
            stats.null_count.insert(&column.name, column.nulls);
            let (least, greatest) = column.bounds.to_json();
            if let Some(text) = least {
                stats
                    .min_values
                    .insert(&column.name, RawValue::from_string(text)?);
            }
            if let Some(text) = greatest {
                stats
                    .max_values
                    .insert(&column.name, RawValue::from_string(text)?);
            }
        }
        serde_json::to_string(&stats)
    }
}

/// The bounds of one array; `None` where it has no value.
fn bounds_of(values: &ArrayRef) -> Option<Bounds> {
    fn both<T>(values: &ArrayRef) -> Option<(T::Native, T::Native)>
    where
        T: ArrowPrimitiveType + arrow::datatypes::ArrowNumericType,
    {
        let values = values.as_primitive::<T>();
        Some((min(values)?, max(values)?))
    }
    fn int<T>(values: &ArrayRef) -> Option<Bounds>
    where
        T: arrow::datatypes::ArrowNumericType,
        T::Native: Into<i64>,
    {
        both::<T>(values).map(|(least, greatest)| Bounds::Int(least.into(), greatest.into()))
    }
    match values.data_type() {
        DataType::Int8 => int::<Int8Type>(values),
        DataType::Int16 => int::<Int16Type>(values),
        DataType::Int32 => int::<Int32Type>(values),
        DataType::Int64 => int::<Int64Type>(values),
        DataType::Float32 => both::<Float32Type>(values)
            .map(|(least, greatest)| Bounds::Float(f64::from(least), f64::from(greatest))),
        DataType::Float64 => {
            both::<Float64Type>(values).map(|(least, greatest)| Bounds::Float(least, greatest))
        }
        DataType::Date32 => {
            both::<Date32Type>(values).map(|(least, greatest)| Bounds::Day(least, greatest))
        }
        DataType::Timestamp(_, zone) => both::<TimestampMicrosecondType>(values)
            .map(|(least, greatest)| Bounds::Micros(least, greatest, zone.is_some())),
        DataType::Decimal128(_, scale) => both::<Decimal128Type>(values)
            .map(|(least, greatest)| Bounds::Decimal(least, greatest, *scale)),
        DataType::Utf8 => {
            let values = values.as_string::<i32>();
            Some(Bounds::Text(
                min_string(values)?.to_owned(),
                max_string(values)?.to_owned(),
            ))
        }
        _ => Some(Bounds::Unbounded),
    }
    .map(|bounds| match bounds {
        // Not-a-number has a place in Arrow's order and none in JSON or in SQL's comparisons.
        Bounds::Float(least, greatest) if least.is_nan() || greatest.is_nan() => Bounds::Unbounded,
        other => other,
    })
}

impl Bounds {
    fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Empty, other) => other,
            (Self::Int(a, b), Self::Int(c, d)) => Self::Int(a.min(c), b.max(d)),
            (Self::Float(a, b), Self::Float(c, d)) => Self::Float(a.min(c), b.max(d)),
            (Self::Text(a, b), Self::Text(c, d)) => Self::Text(a.min(c), b.max(d)),
            (Self::Day(a, b), Self::Day(c, d)) => Self::Day(a.min(c), b.max(d)),
            (Self::Micros(a, b, zone), Self::Micros(c, d, _)) => {
                Self::Micros(a.min(c), b.max(d), zone)
            }
            (Self::Decimal(a, b, scale), Self::Decimal(c, d, _)) => {
                Self::Decimal(a.min(c), b.max(d), scale)
            }
            _ => Self::Unbounded,
        }
    }

    /// Least and greatest as JSON.
    fn to_json(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Empty | Self::Unbounded | Self::Nested => (None, None),
            Self::Int(least, greatest) => (Some(least.to_string()), Some(greatest.to_string())),
            Self::Float(least, greatest) => {
                // Zero has two signs that compare equal in SQL and not in every reader.
                let least = if *least == 0.0 { -0.0 } else { *least };
                let greatest = if *greatest == 0.0 { 0.0 } else { *greatest };
                (float(least), float(greatest))
            }
            Self::Text(least, greatest) => {
                (quoted(cut_down(least)), cut_up(greatest).and_then(quoted))
            }
            Self::Day(least, greatest) => (day(*least), day(*greatest)),
            Self::Micros(least, greatest, zoned) => {
                let up = greatest.div_euclid(1_000) + i64::from(greatest.rem_euclid(1_000) > 0);
                (millis(least.div_euclid(1_000), *zoned), millis(up, *zoned))
            }
            Self::Decimal(least, greatest, scale) => (
                Some(decimal(*least, *scale)),
                Some(decimal(*greatest, *scale)),
            ),
        }
    }
}

fn float(value: f64) -> Option<String> {
    // Debug writes the shortest text that reads back as the same number, always with a point or an exponent.
    value.is_finite().then(|| format!("{value:?}"))
}

fn quoted(text: impl AsRef<str>) -> Option<String> {
    serde_json::to_string(text.as_ref()).ok()
}

/// The text, or a shorter one that is not greater.
fn cut_down(text: &str) -> &str {
    match text.char_indices().nth(STRING_CHARS) {
        None => text,
        Some((end, _)) => text.get(..end).unwrap_or(text),
    }
}

/// The text, or a shorter one that is greater than it.
fn cut_up(text: &str) -> Option<String> {
    let mut rest = text.char_indices().skip(STRING_CHARS);
    match rest.find(|(_, c)| *c != LAST_CHAR) {
        // Short enough, or nothing but last characters, which can only be kept.
        None => Some(text.to_owned()),
        Some((end, _)) => text.get(..end).map(|head| format!("{head}{LAST_CHAR}")),
    }
}

fn day(days: i32) -> Option<String> {
    let date = date(days)?;
    (1..=9999)
        .contains(&date.year())
        .then(|| format!("\"{date}\""))
}

fn millis(millis: i64, zoned: bool) -> Option<String> {
    let time = DateTime::from_timestamp_millis(millis)?;
    let zone = if zoned { "Z" } else { "" };
    (1..=9999)
        .contains(&time.year())
        .then(|| format!("\"{}{zone}\"", time.format("%Y-%m-%dT%H:%M:%S%.3f")))
}

fn decimal(value: i128, scale: i8) -> String {
    let scale = usize::from(scale.unsigned_abs());
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    if part.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{part}")
    }
}
