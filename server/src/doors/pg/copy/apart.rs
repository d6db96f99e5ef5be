//! Data of a COPY, read without a session: for `fuzz/`, and for the property tests that do the same.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use postgres_types::Type;
use sluice_sql::Statement;

use super::{BYTES, Incoming, ROWS};
use crate::doors::pg::{
    columns::{TYPE, to_arrow},
    failure::Failure,
};

/// The rows in pieces of data, for tables of columns of several types. `form` chooses format and table: of 0 to 2 the formats are text, csv and
/// binary, and every third number from there is the same format for another table.
pub(super) fn rows<'a>(
    form: u8,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<usize, Failure> {
    let format = match form % 3 {
        0 => "text",
        1 => "csv",
        _ => "binary",
    };
    let text = format!("COPY t FROM STDIN (FORMAT {format})");
    let parsed = sluice_sql::parse(&text).map(|mut all| all.pop());
    let Ok(Some(Statement::Copy(copy))) = parsed.map(|one| one.map(|one| one.statement)) else {
        return Err(Failure::error("XX000", format!("cannot be read: {text}")));
    };
    let table = Arc::new(table(form / 3));
    let places = (0..table.fields().len()).collect();
    let mut incoming = Incoming::new(&copy, &table, places, "t")?;
    let mut rows = 0;
    for piece in pieces {
        incoming.take(&Bytes::copy_from_slice(piece))?;
        rows += drained(&mut incoming, false)?;
    }
    rows += drained(&mut incoming, true)?;
    Ok(rows + incoming.columns.batch()?.num_rows())
}

/// Takes what rows there are; those that make batches are counted.
fn drained(incoming: &mut Incoming, end: bool) -> Result<usize, Failure> {
    let mut rows = 0;
    while incoming.next(end)? {
        if incoming.columns.rows() >= ROWS || incoming.columns.bytes() >= BYTES {
            rows += incoming.columns.batch()?.num_rows();
        }
    }
    Ok(rows)
}

/// One of the tables: columns `a`, `b`, …
fn table(which: u8) -> Schema {
    let types = match which % 8 {
        0 => vec![Type::INT4, Type::TEXT, Type::FLOAT8],
        1 => vec![Type::BOOL, Type::INT2, Type::INT8, Type::FLOAT4],
        2 => vec![Type::NUMERIC, Type::INTERVAL],
        3 => vec![Type::DATE, Type::TIME, Type::TIMESTAMP, Type::TIMESTAMPTZ],
        4 => vec![Type::UUID, Type::JSONB, Type::BYTEA, Type::VARCHAR],
        5 => vec![Type::INT4_ARRAY, Type::TEXT_ARRAY],
        6 => vec![Type::NUMERIC_ARRAY, Type::TIMESTAMPTZ_ARRAY],
        _ => vec![Type::BYTEA],
    };
    let names = 'a'..='z';
    let fields = names.zip(&types).map(|(name, pg)| {
        let data_type = match *pg {
            Type::NUMERIC => DataType::Decimal128(10, 2),
            _ => to_arrow(pg).unwrap_or(DataType::Utf8),
        };
        let marked = match *pg {
            Type::UUID => Some("uuid"),
            Type::JSONB => Some("jsonb"),
            _ => None,
        };
        let metadata = marked.map(|name| (TYPE.to_owned(), name.to_owned()));
        let metadata: HashMap<String, String> = metadata.into_iter().collect();
        Field::new(name, data_type, true).with_metadata(metadata)
    });
    Schema::new(fields.collect::<Vec<_>>())
}
