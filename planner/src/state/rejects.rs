//! Late and dead rows as batches: the columns that were read, where the row came from, and why.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray, new_null_array,
    },
    compute::interleave,
    datatypes::TimestampMicrosecondType,
};

use crate::{
    error::{PlanError, Result},
    operators::{DeadReason, EpochRun, LateRow, RowRef, is_storable},
    streaming::RejectShape,
};

/// Rows of a run that missed windows at this watermark; `None` when there are none.
pub(crate) fn late_rows(
    run: &EpochRun,
    late: &[LateRow],
    watermark_us: Option<i64>,
    shape: &RejectShape,
) -> Result<Option<RecordBatch>> {
    let rows: Vec<RowRef> = late.iter().map(|late| late.row).collect();
    let watermark =
        TimestampMicrosecondArray::from(vec![watermark_us; rows.len()]).with_timezone("UTC");
    let missed: Int32Array = late.iter().map(|late| Some(late.missed)).collect();
    let total: Int32Array = late.iter().map(|late| Some(late.total)).collect();
    rejects(
        run,
        &rows,
        shape,
        vec![Arc::new(watermark), Arc::new(missed), Arc::new(total)],
    )
}

/// Results that could not be told, for the same table as dead rows: `failed` says why and what they were. `None` when there are none.
pub(crate) fn failed_results(
    failed: &[String],
    shape: &RejectShape,
) -> Result<Option<RecordBatch>> {
    if failed.is_empty() {
        return Ok(None);
    }
    let mut columns: Vec<ArrayRef> = shape
        .schema
        .fields()
        .iter()
        .map(|field| new_null_array(field.data_type(), failed.len()))
        .collect();
    if let Some(reason) = columns.last_mut() {
        *reason = Arc::new(StringArray::from_iter_values(failed));
    }
    let schema = Arc::clone(&shape.schema);
    Ok(Some(RecordBatch::try_new(schema, columns)?))
}

/// Rows of a run without usable time, or that an expression could not take; `None` when there are none.
pub(crate) fn dead_rows(
    run: &EpochRun,
    dead: &[(RowRef, DeadReason)],
    shape: &RejectShape,
) -> Result<Option<RecordBatch>> {
    let rows: Vec<RowRef> = dead.iter().map(|(row, _)| *row).collect();
    let reasons: StringArray = dead.iter().map(|(_, reason)| Some(reason.text())).collect();
    rejects(run, &rows, shape, vec![Arc::new(reasons)])
}

fn rejects(
    run: &EpochRun,
    rows: &[RowRef],
    shape: &RejectShape,
    own: Vec<ArrayRef>,
) -> Result<Option<RecordBatch>> {
    if rows.is_empty() {
        return Ok(None);
    }
    let places: Vec<(usize, usize)> = rows.iter().map(|row| (row.batch(), row.row())).collect();
    let mut columns = Vec::with_capacity(shape.schema.fields().len());
    for (index, field) in shape.columns.iter().zip(shape.schema.fields()) {
        let Some(index) = index else {
            columns.push(new_null_array(field.data_type(), rows.len()));
            continue;
        };
        let sources: Vec<&dyn Array> = run
            .batches
            .iter()
            .map(|batch| batch.batch.rows.column(*index).as_ref())
            .collect();
        columns.push(storable(interleave(&sources, &places)?));
    }
    columns.extend(origins(run, &places)?);
    columns.extend(own);
    Ok(Some(RecordBatch::try_new(
        Arc::clone(&shape.schema),
        columns,
    )?))
}

/// Timestamps that no table can store become NULL; where they are why the row is dead, its reason has them.
fn storable(column: ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(times) if times.values().iter().any(|time| !is_storable(*time)) => {
            let kept: TimestampMicrosecondArray =
                times.unary_opt(|time| is_storable(time).then_some(time));
            Arc::new(kept.with_data_type(times.data_type().clone()))
        }
        _ => column,
    }
}

/// `_topic`, `_partition`, `_offset`, `_timestamp`.
fn origins(run: &EpochRun, places: &[(usize, usize)]) -> Result<Vec<ArrayRef>> {
    let mut topics = Vec::with_capacity(places.len());
    let mut partitions = Vec::with_capacity(places.len());
    let mut offsets = Vec::with_capacity(places.len());
    let mut timestamps = Vec::with_capacity(places.len());
    for (batch, row) in places {
        let batch = run
            .batches
            .get(*batch)
            .map(|batch| &batch.batch)
            .ok_or_else(lost)?;
        topics.push(batch.split.topic.as_str());
        partitions.push(batch.split.partition);
        offsets.push(*batch.offsets.get(*row).ok_or_else(lost)?);
        let timestamp_ms = *batch.timestamps_ms.get(*row).ok_or_else(lost)?;
        // A message without a timestamp has -1.
        timestamps.push((timestamp_ms >= 0).then(|| timestamp_ms.saturating_mul(1_000)));
    }
    Ok(vec![
        Arc::new(StringArray::from(topics)),
        Arc::new(Int32Array::from(partitions)),
        Arc::new(Int64Array::from(offsets)),
        Arc::new(TimestampMicrosecondArray::from(timestamps).with_timezone("UTC")),
    ])
}

fn lost() -> PlanError {
    PlanError::internal("a row's origin is not among the rows of its epoch")
}
