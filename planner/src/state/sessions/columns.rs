//! Columns of partial states: the keys and groups of sessions as comparable bytes, and times.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray},
    datatypes::TimestampMicrosecondType,
    row::{RowConverter, Rows, SortField},
};

use crate::{
    error::{PlanError, Result},
    streaming::Stage,
};

/// Some of a stage's group columns, as comparable bytes.
pub(super) struct Columns {
    pub(super) indices: Vec<usize>,
    rows: RowConverter,
}

impl Columns {
    pub(super) fn new(stage: &Stage, indices: Vec<usize>) -> Result<Self> {
        let fields = indices
            .iter()
            .filter_map(|index| stage.group_schema.fields().get(*index));
        let fields = fields.map(|field| SortField::new(field.data_type().clone()));
        Ok(Self {
            rows: RowConverter::new(fields.collect())?,
            indices,
        })
    }

    /// Of each state; none where there are no columns, and all are alike.
    pub(super) fn of(&self, states: &RecordBatch) -> Result<Option<Rows>> {
        if self.indices.is_empty() {
            return Ok(None);
        }
        let columns: Vec<ArrayRef> = self
            .indices
            .iter()
            .filter_map(|index| states.columns().get(*index))
            .cloned()
            .collect();
        Ok(Some(self.rows.convert_columns(&columns)?))
    }
}

/// One of them, to be shared.
pub(super) fn key(rows: &Option<Rows>, row: usize) -> Arc<[u8]> {
    let rows = rows.as_ref().map(|rows| rows.row(row));
    Arc::from(rows.as_ref().map_or(&[][..], |row| row.data()))
}

/// One of them.
pub(super) fn bytes(rows: &Option<Rows>, row: usize) -> Box<[u8]> {
    rows.as_ref()
        .map_or_else(Box::default, |rows| rows.row(row).data().into())
}

/// Puts times in the place of a column.
pub(super) fn set_times(columns: &mut [ArrayRef], index: usize, times: impl Iterator<Item = i64>) {
    if let Some(column) = columns.get_mut(index) {
        let times = TimestampMicrosecondArray::from_iter_values(times);
        *column = Arc::new(times.with_timezone("UTC"));
    }
}

/// A column of times.
pub(super) fn time_column(
    states: &RecordBatch,
    index: usize,
) -> Result<&TimestampMicrosecondArray> {
    states
        .columns()
        .get(index)
        .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
        .filter(|times| times.null_count() == 0)
        .ok_or_else(|| PlanError::internal("a state of a session has no time"))
}

/// First and last time of each partial state: its last two columns.
pub(super) fn times(
    states: &RecordBatch,
) -> Result<(&TimestampMicrosecondArray, &TimestampMicrosecondArray)> {
    let width = states.num_columns();
    Ok((
        time_column(states, width.wrapping_sub(2))?,
        time_column(states, width.wrapping_sub(1))?,
    ))
}
