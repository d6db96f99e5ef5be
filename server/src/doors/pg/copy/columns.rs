//! Values of rows that come, gathered into columns of the table.
//!
//! What most data are made of (texts, whole numbers, floats) goes straight into an array; everything else is read as a parameter of a
//! statement would be and converted, so that both read the same.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, Float64Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
        new_null_array,
    },
    datatypes::{DataType, SchemaRef},
};
use datafusion::scalar::ScalarValue;
use postgres_types::Type;

use crate::doors::pg::{
    columns::{of_arrow, pg_type},
    failure::Failure,
    parameters::{fit, from_binary, from_text},
};

/// Rows that are not in the table yet.
pub(super) struct Columns {
    table: SchemaRef,
    /// Where the columns of the data stand in the table.
    places: Vec<usize>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

struct Column {
    pg: Type,
    to: DataType,
    values: Gathered,
}

enum Gathered {
    Text(StringBuilder),
    Int4(Int32Builder),
    Int8(Int64Builder),
    Float8(Float64Builder),
    Any(Vec<ScalarValue>),
}

impl Gathered {
    fn of(data_type: &DataType, pg: &Type) -> Self {
        match data_type {
            // These have another form in binary than a text.
            DataType::Utf8 if matches!(*pg, Type::UUID | Type::JSONB) => Self::Any(Vec::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Int32 => Self::Int4(Int32Builder::new()),
            DataType::Int64 => Self::Int8(Int64Builder::new()),
            DataType::Float64 => Self::Float8(Float64Builder::new()),
            _ => Self::Any(Vec::new()),
        }
    }
}

impl Columns {
    pub(super) fn new(table: &SchemaRef, places: Vec<usize>) -> Result<Self, Failure> {
        let mut columns = Vec::with_capacity(places.len());
        for place in &places {
            let field = table.field(*place);
            let to = field.data_type().clone();
            let pg = pg_type(field);
            if of_arrow(&to) == Type::JSON {
                return Err(Failure::error(
                    "0A000",
                    format!(
                        "column \"{}\" cannot be read from COPY data: it is a structure or a map",
                        field.name()
                    ),
                )
                .with_hint("Leave it out of the column list, or write it with INSERT … SELECT."));
            }
            columns.push(Column {
                values: Gathered::of(&to, &pg),
                pg,
                to,
            });
        }
        Ok(Self {
            table: Arc::clone(table),
            places,
            columns,
            rows: 0,
            bytes: 0,
        })
    }

    /// Columns of the data.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The name of a column of the data.
    pub(super) fn name(&self, column: usize) -> &str {
        let place = self.places.get(column).copied().unwrap_or_default();
        self.table.field(place).name()
    }

    /// Adds a value of the row under way.
    pub(super) fn add(
        &mut self,
        column: usize,
        value: Option<&[u8]>,
        binary: bool,
    ) -> Result<(), Failure> {
        self.bytes += 8 + value.map_or(0, <[u8]>::len);
        match self.columns.get_mut(column) {
            Some(column) => column.add(value, binary),
            None => Ok(()),
        }
    }

    pub(super) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// The rows gathered so far, in all columns of the table.
    pub(super) fn batch(&mut self) -> Result<RecordBatch, Failure> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let mut gathered = self
            .columns
            .iter_mut()
            .map(Column::finish)
            .collect::<Result<Vec<ArrayRef>, Failure>>()?;
        let fields = self.table.fields().iter().enumerate();
        let arrays = fields.map(|(place, field)| {
            let column = self.places.iter().position(|known| *known == place);
            match column.and_then(|column| gathered.get_mut(column)) {
                Some(array) => Arc::clone(array),
                None => new_null_array(field.data_type(), rows),
            }
        });
        let arrays: Vec<ArrayRef> = arrays.collect();
        // Nulls where there must be none are the table's to refuse.
        let fields: Vec<_> = self
            .table
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        let schema = Arc::new(arrow::datatypes::Schema::new(fields));
        Ok(RecordBatch::try_new(schema, arrays)?)
    }
}

impl Column {
    fn add(&mut self, value: Option<&[u8]>, binary: bool) -> Result<(), Failure> {
        let Some(bytes) = value else {
            match &mut self.values {
                Gathered::Text(values) => values.append_null(),
                Gathered::Int4(values) => values.append_null(),
                Gathered::Int8(values) => values.append_null(),
                Gathered::Float8(values) => values.append_null(),
                Gathered::Any(values) => values.push(ScalarValue::try_from(&self.to)?),
            }
            return Ok(());
        };
        if let Gathered::Text(values) = &mut self.values {
            values.append_value(utf8(bytes)?);
            return Ok(());
        }
        let value = match binary {
            true => from_binary(&self.pg, bytes)
                .ok_or_else(|| Failure::error("22P03", "incorrect binary data format"))?,
            false => {
                let text = utf8(bytes)?;
                // The commonest, without a detour.
                match &mut self.values {
                    Gathered::Int4(values) => {
                        if let Ok(value) = text.parse() {
                            values.append_value(value);
                            return Ok(());
                        }
                    }
                    Gathered::Int8(values) => {
                        if let Ok(value) = text.parse() {
                            values.append_value(value);
                            return Ok(());
                        }
                    }
                    _ => {}
                }
                from_text(&self.pg, text)?
            }
        };
        match (&mut self.values, value) {
            (Gathered::Int4(values), ScalarValue::Int32(value)) => values.append_option(value),
            (Gathered::Int8(values), ScalarValue::Int64(value)) => values.append_option(value),
            (Gathered::Float8(values), ScalarValue::Float64(value)) => values.append_option(value),
            (Gathered::Any(_), value) => {
                let value = fit(value, Some(&self.to))?;
                let value = match value.data_type() == self.to {
                    true => value,
                    false => self.converted(&value)?,
                };
                if let Gathered::Any(values) = &mut self.values {
                    values.push(value);
                }
            }
            (_, value) => {
                let message = format!("a value of type {} for another", value.data_type());
                return Err(Failure::error("XX000", message));
            }
        }
        Ok(())
    }

    fn converted(&self, value: &ScalarValue) -> Result<ScalarValue, Failure> {
        value.cast_to(&self.to).map_err(|error| {
            let mut failure = Failure::from(error);
            if self.to.is_decimal() {
                failure = Failure::error("22003", "numeric field overflow");
            }
            failure
        })
    }

    fn finish(&mut self) -> Result<ArrayRef, Failure> {
        Ok(match &mut self.values {
            Gathered::Text(values) => Arc::new(values.finish()),
            Gathered::Int4(values) => Arc::new(values.finish()),
            Gathered::Int8(values) => Arc::new(values.finish()),
            Gathered::Float8(values) => Arc::new(values.finish()),
            Gathered::Any(values) if values.is_empty() => new_null_array(&self.to, 0),
            Gathered::Any(values) => ScalarValue::iter_to_array(std::mem::take(values))?,
        })
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Failure> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        Ok(_) => Err(Failure::error(
            "22021",
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        )),
        Err(error) => {
            let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            Err(Failure::error(
                "22021",
                format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}"),
            ))
        }
    }
}
