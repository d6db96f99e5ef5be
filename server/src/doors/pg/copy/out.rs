//! Rows to COPY data: a message a row, as PostgreSQL sends them.

use arrow::array::RecordBatch;
use bytes::{BufMut, BytesMut};
use sluice_sql::{CopyFormat, CopyOptions};

use super::{binary::SIGNATURE, fields::Dialect};
use crate::doors::pg::{
    columns::Column,
    encode::{Style, Values},
    failure::Failure,
};

/// Writes COPY data.
pub(super) struct Writer {
    format: CopyFormat,
    dialect: Dialect,
    columns: Vec<Column>,
    style: Style,
    rows: u64,
    /// A value as it is before anything in it is escaped.
    plain: BytesMut,
    /// The binary signature, until there is a row to send it with.
    head: Option<BytesMut>,
}

/// A batch being sent.
pub(super) struct Page {
    columns: Vec<Values>,
    rows: usize,
}

impl Page {
    pub(super) fn rows(&self) -> usize {
        self.rows
    }
}

impl Writer {
    pub(super) fn new(
        options: &CopyOptions,
        columns: &[Column],
        style: Style,
    ) -> Result<Self, Failure> {
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        Ok(Self {
            format: options.format,
            dialect: Dialect::of(options, &names)?,
            columns: columns.to_vec(),
            style,
            rows: 0,
            plain: BytesMut::new(),
            head: None,
        })
    }

    /// Rows written.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes what stands before the rows.
    pub(super) fn begin(&mut self, out: &mut BytesMut) {
        if self.format == CopyFormat::Binary {
            let mut head = BytesMut::from(SIGNATURE);
            head.put_u32(0);
            head.put_u32(0);
            self.head = Some(head);
        }
        if self.dialect.header {
            let message = Message::open(out);
            let names: Vec<String> = self
                .columns
                .iter()
                .map(|column| column.name.clone())
                .collect();
            for (number, name) in names.iter().enumerate() {
                self.separate(number, out);
                self.plain.clear();
                self.plain.put_slice(name.as_bytes());
                self.put_value(number, false, out);
            }
            out.put_u8(b'\n');
            message.close(out);
        }
    }

    /// Writes what stands behind them.
    pub(super) fn end(&mut self, out: &mut BytesMut) {
        if self.format == CopyFormat::Binary {
            let message = Message::open(out);
            if let Some(head) = self.head.take() {
                out.put_slice(&head);
            }
            out.put_i16(-1);
            message.close(out);
        }
    }

    pub(super) fn page(&self, batch: &RecordBatch) -> Result<Page, Failure> {
        let columns = self.columns.iter().zip(batch.columns());
        Ok(Page {
            columns: columns
                .map(|(column, array)| Values::new(array, &column.pg))
                .collect::<Result<_, _>>()?,
            rows: batch.num_rows(),
        })
    }

    /// Writes a row of a batch.
    pub(super) fn row(
        &mut self,
        page: &Page,
        row: usize,
        out: &mut BytesMut,
    ) -> Result<(), Failure> {
        let start = out.len();
        let written = self.message(page, row, out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    fn message(&mut self, page: &Page, row: usize, out: &mut BytesMut) -> Result<(), Failure> {
        let message = Message::open(out);
        if self.format == CopyFormat::Binary {
            if let Some(head) = self.head.take() {
                out.put_slice(&head);
            }
            out.put_i16(self.columns.len() as i16);
        }
        for (number, values) in page.columns.iter().enumerate() {
            if self.format == CopyFormat::Binary {
                if values.is_null(row) {
                    out.put_i32(-1);
                    continue;
                }
                self.plain.clear();
                values.binary(row, &mut self.plain)?;
                out.put_i32(self.plain.len() as i32);
                out.put_slice(&self.plain);
                continue;
            }
            self.separate(number, out);
            if values.is_null(row) {
                out.put_slice(&self.dialect.null);
                continue;
            }
            self.plain.clear();
            values.text(row, self.style, &mut self.plain)?;
            self.put_value(number, true, out);
        }
        if self.format != CopyFormat::Binary {
            out.put_u8(b'\n');
        }
        message.close(out);
        self.rows += 1;
        Ok(())
    }

    fn separate(&self, number: usize, out: &mut BytesMut) {
        if number > 0 {
            out.put_u8(self.dialect.delimiter);
        }
    }

    fn put_value(&self, number: usize, is_value: bool, out: &mut BytesMut) {
        match self.format {
            CopyFormat::Csv => self.put_csv(number, is_value, out),
            _ => self.put_text(out),
        }
    }

    fn put_text(&self, out: &mut BytesMut) {
        for byte in &self.plain {
            let letter = match *byte {
                8 => b'b',
                12 => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                11 => b'v',
                byte if byte == b'\\' || byte == self.dialect.delimiter => byte,
                byte => {
                    out.put_u8(byte);
                    continue;
                }
            };
            out.put_u8(b'\\');
            out.put_u8(letter);
        }
    }

    fn put_csv(&self, number: usize, is_value: bool, out: &mut BytesMut) {
        let Dialect {
            delimiter,
            quote,
            escape,
            ..
        } = self.dialect;
        let forced = self.dialect.force_quote.get(number).copied();
        let special =
            |byte: &u8| *byte == delimiter || *byte == quote || *byte == b'\n' || *byte == b'\r';
        let quotes = (is_value && forced == Some(true))
            || self.plain.as_ref() == self.dialect.null.as_slice()
            || self.plain.iter().any(special)
            // Alone on a line it would be the end of the data.
            || (self.columns.len() == 1 && self.plain.as_ref() == b"\\.");
        if !quotes {
            return out.put_slice(&self.plain);
        }
        out.put_u8(quote);
        for byte in &self.plain {
            if *byte == quote || *byte == escape {
                out.put_u8(escape);
            }
            out.put_u8(*byte);
        }
        out.put_u8(quote);
    }
}

/// A CopyData message whose length is known at its end.
struct Message(usize);

impl Message {
    fn open(out: &mut BytesMut) -> Self {
        out.put_u8(b'd');
        let at = out.len();
        out.put_i32(0);
        Self(at)
    }

    fn close(self, out: &mut BytesMut) {
        let length = (out.len() - self.0) as i32;
        if let Some(place) = out.get_mut(self.0..self.0 + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }
}
