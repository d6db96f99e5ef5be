//! Format `raw`: the message as it is, in columns `key BYTEA` and `value BYTEA`. No message is ever bad.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BinaryBuilder, RecordBatch, RecordBatchOptions},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};

use super::RowDecoder;
use crate::error::{ConnectorError, Result};

/// The columns of a raw stream that declares none.
pub fn default_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Binary, true),
        Field::new("value", DataType::Binary, true),
    ]))
}

/// Refuses declared columns that a raw message cannot fill.
pub fn check_schema(schema: &Schema) -> Result<()> {
    for field in schema.fields() {
        if !matches!(field.name().as_str(), "key" | "value") {
            return Err(ConnectorError::Option {
                message: format!("format raw has no column \"{}\"", field.name()),
                hint: Some("declare key BYTEA and value BYTEA, or no columns at all".into()),
            });
        }
        let bytes = matches!(
            field.data_type(),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView
        );
        if !bytes || !field.is_nullable() {
            return Err(ConnectorError::Option {
                message: format!(
                    "column \"{}\" of format raw must be BYTEA and nullable",
                    field.name()
                ),
                hint: Some(format!(
                    "declare \"{}\" BYTEA and cast it in the query",
                    field.name()
                )),
            });
        }
    }
    Ok(())
}

/// Copies keys and payloads into binary columns.
#[derive(Debug)]
pub struct RawDecoder {
    schema: SchemaRef,
    columns: Vec<(Part, BinaryBuilder)>,
    rows: usize,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Key,
    Value,
}

impl RawDecoder {
    /// A decoder for the wanted columns (indices into the declared schema), in that order.
    pub fn new(declared: &Schema, wanted: &[usize]) -> Result<Self> {
        check_schema(declared)?;
        let schema = Arc::new(declared.project(wanted)?);
        let columns = schema
            .fields()
            .iter()
            .map(|field| {
                let part = if field.name() == "key" {
                    Part::Key
                } else {
                    Part::Value
                };
                (part, BinaryBuilder::new())
            })
            .collect();
        Ok(Self {
            schema,
            columns,
            rows: 0,
        })
    }
}

impl RowDecoder for RawDecoder {
    fn push(&mut self, key: Option<&[u8]>, payload: Option<&[u8]>) -> Result<(), String> {
        for (part, builder) in &mut self.columns {
            builder.append_option(match part {
                Part::Key => key,
                Part::Value => payload,
            });
        }
        self.rows += 1;
        Ok(())
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let arrays = self
            .columns
            .iter_mut()
            .zip(self.schema.fields())
            .map(|((_, builder), field)| {
                let array: ArrayRef = Arc::new(builder.finish());
                match field.data_type() {
                    DataType::Binary => Ok(array),
                    other => cast(&array, other),
                }
            })
            .collect::<Result<Vec<_>, ArrowError>>()?;
        let rows = std::mem::take(&mut self.rows);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
    }
}

#[cfg(test)]
mod tests;
