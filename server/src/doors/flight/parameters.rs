//! Parameters a client binds: record batches in, one row of values for each execution out.

use arrow::{
    array::{ArrayRef, RecordBatch},
    compute::{CastOptions, cast_with_options},
    datatypes::DataType,
};
use arrow_flight::{FlightData, error::FlightError};
use datafusion::scalar::ScalarValue;
use futures::Stream;
use tonic::Status;

use super::{batches::Batches, statement::Row};
use crate::error::{Error, Result, SqlState};

/// Bounds of what is held for one binding.
const MAX_ROWS: usize = 100_000;
const MAX_BYTES: usize = 64 << 20;
/// Nulls have no bytes in a batch, but each is a value in a row.
const MAX_VALUES: usize = 8 << 20;

/// Reads the batches behind the first message of a DoPut, which carries the command and may carry the schema; `None` when nothing was bound.
pub(super) async fn read(
    first: FlightData,
    rest: impl Stream<Item = std::result::Result<FlightData, Status>> + Send + 'static,
) -> Result<Option<Vec<RecordBatch>>, Status> {
    // A client without parameters sends the command alone.
    let mut batches = Batches::new(first, rest);
    let (mut kept, mut rows, mut bytes, mut values) = (vec![], 0, 0, 0);
    while let Some(batch) = batches.next().await.map_err(malformed)? {
        rows += batch.num_rows();
        bytes += batch.get_array_memory_size();
        values += batch.num_rows() * batch.num_columns();
        if rows > MAX_ROWS || bytes > MAX_BYTES || values > MAX_VALUES {
            return Err(Error::user(
                SqlState::ProgramLimitExceeded,
                format!(
                    "more than {MAX_ROWS} rows, {MAX_VALUES} values or 64 MiB of parameters in one call"
                ),
            )
            .with_hint("Bind them in several calls.")
            .into());
        }
        kept.push(batch);
    }
    Ok((rows > 0).then_some(kept))
}

/// What the client sent cannot be read; an error of the connection itself passes as it is.
fn malformed(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => Error::user(
            SqlState::InvalidParameterValue,
            format!("bound parameters cannot be read: {other}"),
        )
        .into(),
    }
}

/// The types of what was bound, by position.
pub(super) fn types(batches: &[RecordBatch]) -> Vec<Option<DataType>> {
    batches.first().map_or_else(Vec::new, |batch| {
        let types = batch.columns().iter().map(|c| match c.data_type() {
            DataType::Null => None,
            other => Some(other.clone()),
        });
        types.collect()
    })
}

/// One row of values for each execution, cast to the types the statement expects.
pub(super) fn rows(batches: &[RecordBatch], expected: &[Option<DataType>]) -> Result<Vec<Row>> {
    let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        if batch.num_columns() != expected.len() {
            return Err(Error::user(
                SqlState::InvalidParameterValue,
                format!(
                    "{} parameters were bound, but the statement requires {}",
                    batch.num_columns(),
                    expected.len()
                ),
            ));
        }
        let columns = batch
            .columns()
            .iter()
            .zip(expected)
            .enumerate()
            .map(|(i, (column, ty))| cast(i + 1, column, ty.as_ref()))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let values = columns
                .iter()
                .map(|column| ScalarValue::try_from_array(column, row))
                .collect::<std::result::Result<Row, _>>()
                .map_err(|e| Error::internal(e.strip_backtrace()))?;
            rows.push(values);
        }
    }
    Ok(rows)
}

fn cast(number: usize, column: &ArrayRef, ty: Option<&DataType>) -> Result<ArrayRef> {
    let Some(ty) = ty.filter(|ty| *ty != column.data_type()) else {
        return Ok(ArrayRef::clone(column));
    };
    let strict = CastOptions {
        safe: false,
        ..Default::default()
    };
    cast_with_options(column, ty, &strict).map_err(|e| {
        Error::user(
            SqlState::InvalidTextRepresentation,
            format!("parameter ${number} cannot be read as {ty}"),
        )
        .with_detail(e.to_string())
    })
}

#[cfg(test)]
mod tests;
