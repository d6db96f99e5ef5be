//! What a record is to all formats, and the options that say how one is written.

use sluice_sql::{CopyColumns, CopyFormat, CopyHeader, CopyOptions};

use crate::{catalog::fold, doors::pg::failure::Failure};

/// Bytes of the longest record.
pub(super) const LONGEST: usize = 256 << 20;

/// The values of a row, one after the other in one buffer.
#[derive(Debug, Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
    /// Where each ends; `None` for a null.
    fields: Vec<Option<(usize, usize)>>,
    start: usize,
}

impl Record {
    /// Where the value being read is written to.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What has been read of the value.
    pub(super) fn current(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The value ends.
    pub(super) fn end_field(&mut self) {
        self.fields.push(Some((self.start, self.bytes.len())));
        self.start = self.bytes.len();
    }

    /// The value is a null.
    pub(super) fn null_field(&mut self) {
        self.bytes.truncate(self.start);
        self.fields.push(None);
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A value; `None` for a null.
    pub(super) fn get(&self, column: usize) -> Option<&[u8]> {
        let (start, end) = self.fields.get(column).copied().flatten()?;
        self.bytes.get(start..end)
    }
}

/// What was found in the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A row.
    Row,
    /// Not a whole one yet.
    Nothing,
    /// The end of the data.
    End,
}

/// How values are written.
#[derive(Clone, Debug)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) null: Vec<u8>,
    pub(super) quote: u8,
    pub(super) escape: u8,
    pub(super) header: bool,
    pub(super) match_header: bool,
    /// By column.
    pub(super) force_quote: Vec<bool>,
    pub(super) force_not_null: Vec<bool>,
    pub(super) force_null: Vec<bool>,
}

impl Dialect {
    /// Of the options, for columns of these names.
    pub(super) fn of(options: &CopyOptions, names: &[String]) -> Result<Self, Failure> {
        let csv = options.format == CopyFormat::Csv;
        let byte = |text: &Option<String>, default: u8| {
            let first = text.as_ref().and_then(|text| text.bytes().next());
            first.unwrap_or(default)
        };
        let quote = byte(&options.quote, b'"');
        let forced = |columns: &CopyColumns| -> Result<Vec<bool>, Failure> {
            match columns {
                CopyColumns::None => Ok(vec![false; names.len()]),
                CopyColumns::All => Ok(vec![true; names.len()]),
                CopyColumns::These(these) => {
                    let these: Vec<String> = these.iter().map(fold).collect();
                    if let Some(unknown) = these.iter().find(|name| !names.contains(name)) {
                        return Err(Failure::error(
                            "42P10",
                            format!("column \"{unknown}\" is not referenced by COPY"),
                        ));
                    }
                    Ok(names.iter().map(|name| these.contains(name)).collect())
                }
            }
        };
        let null = match &options.null {
            Some(null) => null.clone(),
            None if csv => String::new(),
            None => "\\N".into(),
        };
        Ok(Self {
            delimiter: byte(&options.delimiter, if csv { b',' } else { b'\t' }),
            null: null.into_bytes(),
            quote,
            escape: byte(&options.escape, quote),
            header: options.header != CopyHeader::None,
            match_header: options.header == CopyHeader::Match,
            force_quote: forced(&options.force_quote)?,
            force_not_null: forced(&options.force_not_null)?,
            force_null: forced(&options.force_null)?,
        })
    }
}

impl Dialect {
    /// Whether a record has more values than there are columns: it is refused, and the rest of a line may be millions of them.
    pub(super) fn is_beyond(&self, record: &Record) -> bool {
        record.len() > self.force_null.len()
    }
}

/// `line too long`.
pub(super) fn too_long() -> Failure {
    Failure::error("54000", "a line of COPY data is too long")
        .with_detail(format!("A line may have up to {LONGEST} bytes."))
}
