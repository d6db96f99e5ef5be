//! Rows for people and for programs: tables on a terminal, CSV elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::csv::WriterBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches;
use sluice_server::error::{Error, Result};

use super::{Outcome, output};

#[cfg(test)]
mod tests;

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Boxes, with a header each time.
    Table,
    /// CSV, with one header per result.
    Csv,
}

impl Style {
    /// What suits standard output.
    pub(crate) fn of_stdout() -> Self {
        if std::io::stdout().is_terminal() {
            Self::Table
        } else {
            Self::Csv
        }
    }
}

/// Prints results, one after the other.
#[derive(Debug)]
pub(crate) struct Printer {
    style: Style,
    /// Whose header stands above what is printed next.
    under: Option<(String, SchemaRef)>,
}

impl Printer {
    /// A printer.
    pub(crate) fn new(style: Style) -> Self {
        Self { style, under: None }
    }

    /// Prints rows of a result; `name` tells results apart. No rows print nothing but, the first time, a header.
    pub(crate) fn rows(&mut self, name: &str, schema: &SchemaRef, rows: &[RecordBatch]) -> Outcome {
        let text = self.text(name, schema, rows)?;
        output::bytes(text.as_bytes())
    }

    fn text(&mut self, name: &str, schema: &SchemaRef, rows: &[RecordBatch]) -> Result<String> {
        let same = |under: &(String, SchemaRef)| under.0 == name && under.1 == *schema;
        let first = !self.under.as_ref().is_some_and(same);
        if !first && rows.iter().all(|batch| batch.num_rows() == 0) {
            return Ok(String::new());
        }
        let apart = if first && self.under.is_some() {
            "\n"
        } else {
            ""
        };
        self.under = Some((name.to_owned(), Arc::clone(schema)));
        let body = match self.style {
            Style::Table => table(schema, rows),
            Style::Csv => csv(schema, rows, first),
        };
        let body = body.map_err(|e| Error::internal(format!("cannot print rows: {e}")))?;
        Ok(format!("{apart}{body}"))
    }
}

/// Rows in boxes.
pub(crate) fn table(schema: &SchemaRef, rows: &[RecordBatch]) -> Result<String, ArrowError> {
    let none = [RecordBatch::new_empty(Arc::clone(schema))];
    let rows = if rows.is_empty() { &none } else { rows };
    Ok(format!("{}\n", pretty_format_batches(rows)?))
}

fn csv(schema: &SchemaRef, rows: &[RecordBatch], header: bool) -> Result<String, ArrowError> {
    let mut bytes = vec![];
    {
        let mut writer = WriterBuilder::new().with_header(header).build(&mut bytes);
        if rows.is_empty() {
            writer.write(&flat(&RecordBatch::new_empty(Arc::clone(schema)))?)?;
        }
        for batch in rows {
            writer.write(&flat(batch)?)?;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// CSV has no nested values: they become text.
fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    if !schema.fields().iter().any(|f| f.data_type().is_nested()) {
        return Ok(batch.clone());
    }
    let mut fields = vec![];
    let mut columns = vec![];
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if field.data_type().is_nested() {
            fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
            columns.push(as_text(column)?);
        } else {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn as_text(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    let texts = (0..column.len()).map(|row| {
        let text = column
            .is_valid(row)
            .then(|| formatter.value(row).try_to_string());
        text.transpose()
    });
    Ok(Arc::new(texts.collect::<Result<StringArray, _>>()?))
}
