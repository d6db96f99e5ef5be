//! Which rows of a table have not been printed yet.

use std::collections::HashMap;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use sluice_server::error::{Error, Result};

#[cfg(test)]
mod tests;

/// The rows printed, with how often.
#[derive(Debug, Default)]
pub(super) struct Printed {
    rows: HashMap<Box<[u8]>, usize>,
}

impl Printed {
    /// The rows of a table's whole content that were not there the last time. Content only grows.
    pub(super) fn take_new(&mut self, content: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
        self.new_rows(content)
            .map_err(|e| Error::internal(format!("cannot compare rows: {e}")))
    }

    fn new_rows(&mut self, content: &[RecordBatch]) -> Result<Vec<RecordBatch>, ArrowError> {
        let Some(first) = content.first() else {
            return Ok(vec![]);
        };
        let fields = first.schema();
        let fields = fields.fields().iter();
        let fields = fields.map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(fields.collect())?;
        let mut now: HashMap<Box<[u8]>, usize> = HashMap::with_capacity(self.rows.len());
        let mut new = vec![];
        for batch in content {
            let rows = converter.convert_columns(batch.columns())?;
            let is_new: BooleanArray = rows
                .iter()
                .map(|row| {
                    let seen = now.entry(row.as_ref().into()).or_default();
                    *seen += 1;
                    Some(*seen > self.rows.get(row.as_ref()).copied().unwrap_or(0))
                })
                .collect();
            if is_new.true_count() > 0 {
                new.push(filter_record_batch(batch, &is_new)?);
            }
        }
        self.rows = now;
        Ok(new)
    }
}
