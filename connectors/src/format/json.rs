//! Format `json`: one message is one JSON object, its fields are the declared columns.
//!
//! # What is accepted
//! Strict JSON (RFC 8259, UTF-8, at most 512 levels), one object per message. Names are compared case-sensitively; a field that is not
//! declared is ignored, one that is missing is null, of two fields with one name the last counts.
//!
//! | column | JSON |
//! |---|---|
//! | BOOLEAN | `true`, `false` |
//! | SMALLINT INTEGER BIGINT | a number without a fraction (`1`, `1.0`, `1e3`), or a string that holds one |
//! | REAL, DOUBLE PRECISION | a number within range, or a string that holds one, `NaN`, `Infinity`, `-Infinity` |
//! | NUMERIC(p,s) | a number or a string that holds one, rounded to the scale; never through a float |
//! | TEXT | a string (without `\u0000`) |
//! | JSON (marked text) | any value, as its own text |
//! | UUID (marked text) | a string: 32 hexadecimal digits, hyphens after any four of them, braces around; kept in lower case with the usual hyphens |
//! | BYTEA | a string in base64, or PostgreSQL's `\x` and hexadecimal digits |
//! | DATE | a string `YYYY-MM-DD` |
//! | TIMESTAMP, TIMESTAMPTZ | an RFC 3339 string, or `YYYY-MM-DD HH:MM:SS[.f][+HH[:MM]]`, UTC where no zone is written; or a number since 1970 in `timestamp_unit`; `timestamp_format` narrows it to one of the two |
//! | STRUCT, LIST | an object, an array |
//! | MAP | an object; keys are strings that hold what the key type takes; of two equal keys the last counts |
//!
//! Anything else is a bad message: an error with field and byte offset, and no trace in the batch.
//!
//! # Why not arrow-json
//! Its tape accepts text that is not JSON (`{"a":1 "b":2,,}`), cuts `1.5` to `1` in an integer column, takes numbers of a timestamp
//! column in the column's own unit, names neither row nor byte, and describes a deeply nested value of the wrong type recursively: one
//! such message overflows the stack and ends the process. It serves as the reference in the tests instead. Where the two differ on
//! purpose: it reads bytes as hexadecimal digits, keeps both of two equal keys of a map, cuts a number's digits beyond the scale where we
//! round, and takes a plain number for a date's days.

mod base64;
mod column;
mod cursor;
mod map;
mod nulls;
mod number;
mod object;
mod order;
mod plain;
mod problem;
mod scan;
mod time;
mod uuid;
mod value;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
};

pub(crate) use self::time::parse_timestamp;
use self::{cursor::Cursor, object::Object, problem::Problem};
use super::RowDecoder;
use crate::error::{ConnectorError, Result};

/// A UUID in any spelling of PostgreSQL's in the usual one; `None` for a text that is none.
pub fn usual_uuid(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(36);
    uuid::canonical(text, &mut out)?;
    String::from_utf8(out).ok()
}

/// Unit of numbers in timestamp columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampUnit {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    #[default]
    Milliseconds,
    /// Microseconds since 1970.
    Microseconds,
    /// Nanoseconds since 1970.
    Nanoseconds,
}

impl TimestampUnit {
    fn scale_to_micros(self) -> i32 {
        match self {
            Self::Seconds => 6,
            Self::Milliseconds => 3,
            Self::Microseconds => 0,
            Self::Nanoseconds => -3,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }
}

/// What a timestamp column takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Text and numbers.
    #[default]
    Auto,
    /// Text alone: RFC 3339, or as PostgreSQL writes it.
    Iso,
    /// Numbers alone, or strings that hold one.
    Epoch,
}

/// How JSON is read where the text alone does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonOptions {
    /// Whether timestamps are text or numbers.
    pub timestamp_format: TimestampFormat,
    /// Unit of numbers in timestamp columns.
    pub timestamp_unit: TimestampUnit,
}

/// Options of this format.
pub const OPTIONS: [&str; 2] = ["timestamp_format", "timestamp_unit"];

impl JsonOptions {
    /// Reads this format's options out of a stream's.
    pub fn parse(options: &BTreeMap<String, String>) -> Result<Self> {
        let unit = match options.get("timestamp_unit").map(String::as_str) {
            None => None,
            Some("ms") => Some(TimestampUnit::Milliseconds),
            Some("s") => Some(TimestampUnit::Seconds),
            Some("us") => Some(TimestampUnit::Microseconds),
            Some("ns") => Some(TimestampUnit::Nanoseconds),
            Some(other) => {
                return Err(refused(
                    format!("option timestamp_unit cannot be '{other}'"),
                    "use 's', 'ms', 'us' or 'ns'",
                ));
            }
        };
        let Some(format) = options.get("timestamp_format").map(String::as_str) else {
            return Ok(Self::of(TimestampFormat::Auto, unit));
        };
        let epoch = |named: TimestampUnit| match unit {
            Some(unit) if unit != named => Err(refused(
                format!("timestamp_format = '{format}' and timestamp_unit contradict each other"),
                "leave timestamp_unit out: the format names the unit",
            )),
            _ => Ok(Self::of(TimestampFormat::Epoch, Some(named))),
        };
        match format {
            "auto" => Ok(Self::of(TimestampFormat::Auto, unit)),
            "iso" if unit.is_some() => Err(refused(
                "option timestamp_unit has no use where timestamp_format is 'iso'".into(),
                "leave one of them out; timestamp_format = 'auto' takes text and numbers",
            )),
            "iso" => Ok(Self::of(TimestampFormat::Iso, None)),
            "epoch_seconds" => epoch(TimestampUnit::Seconds),
            "epoch_millis" => epoch(TimestampUnit::Milliseconds),
            "epoch_micros" => epoch(TimestampUnit::Microseconds),
            "epoch_nanos" => epoch(TimestampUnit::Nanoseconds),
            other => Err(refused(
                format!("option timestamp_format cannot be '{other}'"),
                "use 'auto', 'iso', 'epoch_seconds', 'epoch_millis', 'epoch_micros' or 'epoch_nanos'; for text in another form declare the \
                 column TEXT and write to_timestamp(column, '%d/%m/%Y %H:%M') in a view",
            )),
        }
    }

    fn of(timestamp_format: TimestampFormat, unit: Option<TimestampUnit>) -> Self {
        Self {
            timestamp_format,
            timestamp_unit: unit.unwrap_or_default(),
        }
    }
}

fn refused(message: String, hint: &str) -> ConnectorError {
    ConnectorError::Option {
        message,
        hint: Some(hint.into()),
    }
}

/// Decodes JSON objects into columns.
///
/// Every declared column is checked in every message; only the wanted ones are kept.
#[derive(Debug)]
pub struct JsonDecoder {
    schema: SchemaRef,
    wanted: Vec<usize>,
    rows: Object,
}

impl JsonDecoder {
    /// A decoder that keeps all columns of `schema`.
    pub fn new(schema: &SchemaRef, options: &JsonOptions) -> Result<Self> {
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        Self::projected(schema, &all, options)
    }

    /// A decoder that keeps the wanted columns (indices into `declared`), in that order.
    pub fn projected(
        declared: &SchemaRef,
        wanted: &[usize],
        options: &JsonOptions,
    ) -> Result<Self> {
        let fields = object::fields_of(super::plain(declared).fields(), wanted);
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            wanted: wanted.to_vec(),
            rows: Object::new(declared.fields(), Some(wanted), options)?,
        })
    }

    /// The columns of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Decodes one message; on error nothing of it is kept.
    pub fn push(&mut self, payload: &[u8]) -> Result<(), String> {
        let rows = self.rows.rows();
        self.read(payload).map_err(|problem| {
            self.rows.truncate(rows);
            problem.to_string()
        })
    }

    /// Appends a row of nulls, for callers that answer a bad text with null; every column must be nullable.
    pub fn push_null(&mut self) {
        self.rows.append_null();
    }

    /// Rows waiting for [`Self::finish`].
    pub fn rows(&self) -> usize {
        self.rows.rows()
    }

    /// The rows pushed since the last call.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.rows()));
        let columns = self.rows.finish_some(&self.wanted)?;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }

    fn read(&mut self, payload: &[u8]) -> Result<(), Problem> {
        if payload.is_empty() {
            return Err(Problem::new("the payload is empty", 0));
        }
        let text = text_of(payload)?;
        if text.starts_with('\u{feff}') {
            return Err(Problem::new(
                "a byte order mark, which JSON does not have",
                0,
            ));
        }
        let mut cursor = Cursor::new(text);
        cursor.skip_space();
        if cursor.peek() != Some(b'{') {
            return Err(cursor.unexpected("a JSON object"));
        }
        self.rows.read(&mut cursor)?;
        cursor.skip_space();
        if cursor.peek().is_some() {
            return Err(cursor.unexpected("the end of the message after one object"));
        }
        Ok(())
    }
}

/// The payload as text.
#[inline]
fn text_of(payload: &[u8]) -> Result<&str, Problem> {
    if scan::ascii(payload) {
        // SAFETY: ASCII is UTF-8. The check above takes a third of what the one below does.
        return Ok(unsafe { std::str::from_utf8_unchecked(payload) });
    }
    let invalid = |valid| Problem::new("invalid UTF-8", valid);
    // What is short costs simdutf8 more than it saves.
    if payload.len() <= 512 {
        return std::str::from_utf8(payload).map_err(|error| invalid(error.valid_up_to()));
    }
    simdutf8::compat::from_utf8(payload).map_err(|error| invalid(error.valid_up_to()))
}

impl RowDecoder for JsonDecoder {
    fn push(&mut self, _key: Option<&[u8]>, payload: Option<&[u8]>) -> Result<(), String> {
        match payload {
            Some(payload) => Self::push(self, payload),
            None => Err("the payload is null (a tombstone)".into()),
        }
    }

    fn rows(&self) -> usize {
        Self::rows(self)
    }

    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        Self::finish(self)
    }
}
