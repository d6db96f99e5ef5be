//! Payload bytes to columns: one message is one row.
//!
//! A decoder is fed message by message and hands over a batch now and then. What is hard: a message that does not decode must cost
//! exactly itself. It leaves no trace in the batch, never takes a good neighbour with it, and its error says what is wrong and where.
//! Whether a message decodes is a pure function of its bytes and the declared columns: the projection decides what is kept, never
//! what is checked, because every query over a stream must agree on which messages are bad.

pub mod json;
pub mod raw;

use std::{fmt::Debug, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef},
    error::ArrowError,
};

/// Field metadata of declared columns that are text and take other forms than text: [`JSON_TEXT`], [`UUID_TEXT`].
pub const TYPE_MARK: &str = "sluice.type";
/// Any JSON value, kept as its own text.
pub const JSON_TEXT: &str = "json";
/// A UUID in any spelling of PostgreSQL's, kept in the usual one.
pub const UUID_TEXT: &str = "uuid";

/// The columns without marks, as everybody but the decoder sees them: types that differ in a mark alone would not be equal.
pub fn plain(declared: &Schema) -> SchemaRef {
    Arc::new(Schema::new(plain_fields(declared.fields())))
}

fn plain_fields(fields: &Fields) -> Fields {
    fields.iter().map(plain_field).collect()
}

fn plain_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::List(item) => DataType::List(plain_field(item)),
        DataType::Struct(fields) => DataType::Struct(plain_fields(fields)),
        DataType::Map(entries, sorted) => DataType::Map(plain_field(entries), *sorted),
        other => other.clone(),
    };
    let mut metadata = field.metadata().clone();
    metadata.remove(TYPE_MARK);
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(metadata))
}

/// Turns messages into rows.
///
/// # Contract
/// * `push` either adds exactly one row or, on error, none.
/// * `finish` gives the rows pushed since the last `finish`, in order, with the wanted columns in the wanted order.
pub trait RowDecoder: Debug + Send {
    /// Decodes one message; the error says what is wrong, and where in the payload.
    fn push(&mut self, key: Option<&[u8]>, payload: Option<&[u8]>) -> Result<(), String>;

    /// Rows waiting for `finish`.
    fn rows(&self) -> usize;

    /// The rows pushed since the last call.
    fn finish(&mut self) -> Result<RecordBatch, ArrowError>;
}
