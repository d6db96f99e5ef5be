//! Record batches to DataRow messages, in text or binary.
//!
//! One [`Values`] per column and batch, chosen once; then rows are written straight into the connection's buffer, without a value, row or
//! batch in between: results of millions of rows are an everyday thing. What a value looks like is PostgreSQL's `*_out` and `*_send`
//! functions; `text.rs` and `binary.rs` hold them.

mod binary;
mod float;
mod number;
mod text;
mod values;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, StringBuilder, timezone::Tz},
    datatypes::{Field, SchemaRef},
};
use bytes::{BufMut, BytesMut};
use datafusion::error::DataFusionError;

pub(super) use values::Values;

use super::{
    columns::{Column, columns, format_of, pg_type},
    failure::Failure,
};

/// How values look in text: all that a session's settings can change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Where timestamps with time zone are shown; `None` is UTC.
    zone: Option<Tz>,
}

impl Style {
    /// The style of a session whose TimeZone is `zone`.
    pub(super) fn new(zone: Option<&str>) -> Self {
        let utc = |name: &str| {
            ["UTC", "Etc/UTC", "GMT", "Z", "+00", "+00:00"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        Self {
            zone: zone
                .filter(|name| !utc(name))
                .and_then(|name| name.parse().ok()),
        }
    }
}

/// The values of a column as texts, in a session of this time zone.
pub(crate) fn texts(
    array: &ArrayRef,
    field: &Field,
    zone: Option<&str>,
) -> datafusion::error::Result<StringArray> {
    let trouble = |failure: Failure| DataFusionError::Execution(failure.message);
    let values = Values::new(array, &pg_type(field)).map_err(trouble)?;
    let style = Style::new(zone);
    let mut texts = StringBuilder::new();
    let mut out = BytesMut::new();
    for row in 0..array.len() {
        if values.is_null(row) {
            texts.append_null();
            continue;
        }
        out.clear();
        values.text(row, style, &mut out).map_err(trouble)?;
        texts.append_value(String::from_utf8_lossy(&out));
    }
    Ok(texts.finish())
}

/// Turns batches of one result into rows.
#[derive(Debug)]
pub(super) struct Encoder {
    columns: Vec<Column>,
    binary: Vec<bool>,
    style: Style,
}

/// A batch being sent.
#[derive(Debug)]
pub(super) struct Page {
    columns: Vec<Values>,
    rows: usize,
    next: usize,
}

impl Page {
    /// The next row is this one, counted from 0.
    pub(super) fn go_to(&mut self, row: usize) {
        self.next = row.min(self.rows);
    }

    /// Passes the next row by; false at the end.
    pub(super) fn skip(&mut self) -> bool {
        let more = self.next < self.rows;
        self.next += usize::from(more);
        more
    }
}

impl Encoder {
    pub(super) fn new(schema: &SchemaRef, formats: &[i16], style: Style) -> Self {
        let mut encoder = Self {
            columns: columns(schema),
            binary: Vec::new(),
            style,
        };
        encoder.set_formats(formats);
        encoder
    }

    /// Changes the formats from the next row on.
    pub(super) fn set_formats(&mut self, formats: &[i16]) {
        self.binary = (0..self.columns.len())
            .map(|i| format_of(formats, i) == 1)
            .collect();
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Opens a batch.
    pub(super) fn page(&self, batch: &RecordBatch) -> Result<Page, Failure> {
        let columns = self.columns.iter().zip(batch.columns());
        Ok(Page {
            columns: columns
                .map(|(column, array)| Values::new(array, &column.pg))
                .collect::<Result<_, _>>()?,
            rows: batch.num_rows(),
            next: 0,
        })
    }

    /// Writes the page's next row; false at its end.
    pub(super) fn row(&self, page: &mut Page, out: &mut BytesMut) -> Result<bool, Failure> {
        if page.next == page.rows {
            return Ok(false);
        }
        let start = out.len();
        out.put_u8(b'D');
        let length = Length::open(out);
        out.put_i16(self.columns.len() as i16);
        for (values, binary) in page.columns.iter().zip(&self.binary) {
            if values.is_null(page.next) {
                out.put_i32(-1);
                continue;
            }
            let field = Length::open(out);
            let written = if *binary {
                values.binary(page.next, out)
            } else {
                values.text(page.next, self.style, out)
            };
            if let Err(failure) = written {
                out.truncate(start);
                return Err(failure);
            }
            field.close(out);
        }
        // Lengths are told in 31 bits, of a field as of all of them.
        let size = out.len() - start;
        if i32::try_from(size).is_err() {
            out.truncate(start);
            let message = format!("a row of {size} bytes is too large to be sent");
            return Err(Failure::error("54000", message)
                .with_hint("Ask for parts of its values with substr() or array_slice()."));
        }
        length.close_with_itself(out);
        page.next += 1;
        Ok(true)
    }
}

/// A length whose value is known later.
struct Length(usize);

impl Length {
    fn open(out: &mut BytesMut) -> Self {
        let at = out.len();
        out.put_i32(0);
        Self(at)
    }

    fn close(self, out: &mut BytesMut) {
        let length = out.len() - self.0 - 4;
        self.write(length, out);
    }

    fn close_with_itself(self, out: &mut BytesMut) {
        let length = out.len() - self.0;
        self.write(length, out);
    }

    fn write(self, length: usize, out: &mut BytesMut) {
        if let Some(place) = out.get_mut(self.0..self.0 + 4) {
            place.copy_from_slice(&(length as i32).to_be_bytes());
        }
    }
}
