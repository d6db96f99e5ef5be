//! Values of a small answer by column name and row.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// A batch to read values from. A column that is not there reads as NULL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cells<'a> {
    batch: &'a RecordBatch,
}

impl<'a> Cells<'a> {
    /// Of this batch.
    pub(crate) fn new(batch: &'a RecordBatch) -> Self {
        Self { batch }
    }

    /// A whole number; of a timestamp, its count of units.
    pub(crate) fn int(&self, column: &str, row: usize) -> Option<i64> {
        let values = cast(self.batch.column_by_name(column)?, &DataType::Int64).ok()?;
        let values = values.as_primitive::<Int64Type>();
        values.is_valid(row).then(|| values.value(row))
    }

    /// A number.
    pub(crate) fn float(&self, column: &str, row: usize) -> Option<f64> {
        let values = cast(self.batch.column_by_name(column)?, &DataType::Float64).ok()?;
        let values = values.as_primitive::<Float64Type>();
        values.is_valid(row).then(|| values.value(row))
    }

    /// Any value as text.
    pub(crate) fn text(&self, column: &str, row: usize) -> Option<String> {
        let values = self.batch.column_by_name(column)?;
        if values.is_null(row) {
            return None;
        }
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(values.as_ref(), &options).ok()?;
        formatter.value(row).try_to_string().ok()
    }
}
