//! Which rows of some files change, and what they become.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt64Array},
    compute::{interleave, take_arrays, take_record_batch},
    datatypes::Int64Type,
};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::StreamExt;
use sluice_connectors::delta::FileRows;

use super::{Changed, Changes};
use crate::{
    error::{Error, Result, SqlState},
    execute::engine_error,
};

/// What becomes of a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hit {
    Gone,
    /// Its new values: which batch, which row of it.
    Set(usize, usize),
}

/// Rows of a stretch that change.
pub(super) struct Hits {
    /// By file, in the order of rows.
    pub(super) by_file: BTreeMap<i64, Vec<(i64, Hit)>>,
    /// Columns that are set.
    values: Vec<Vec<ArrayRef>>,
    /// Kept until the changes are written.
    _memory: MemoryReservation,
}

impl Hits {
    pub(super) async fn of(
        changes: &dyn Changes,
        rows: FileRows,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<Self> {
        let memory = MemoryConsumer::new("rows that change").register(pool);
        let mut hits: BTreeMap<i64, BTreeMap<i64, Hit>> = BTreeMap::new();
        let mut values = Vec::new();
        for mut stream in changes.hits(rows).await? {
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(engine_error)?;
                let [file, row, stays, set @ ..] = batch.columns() else {
                    return Err(Error::internal(
                        "rows that change came without their places",
                    ));
                };
                let (files, rows, stays) = (number(file)?, number(row)?, number(stays)?);
                // Of a row that is found often (an UPDATE whose FROM matches many times) the first finding alone is held.
                let mut found = Vec::new();
                for place in 0..batch.num_rows() {
                    let of_file = hits.entry(files.value(place)).or_default();
                    match of_file.entry(rows.value(place)) {
                        Entry::Vacant(free) => {
                            free.insert(match stays.value(place) {
                                0 => Hit::Gone,
                                _ => Hit::Set(values.len(), found.len()),
                            });
                            found.push(place as u64);
                        }
                        Entry::Occupied(_) if changes.tolerates_twice() => {}
                        Entry::Occupied(_) => {
                            return Err(Error::user(
                                SqlState::CardinalityViolation,
                                "MERGE command cannot affect row a second time",
                            )
                            .with_hint("Ensure that not more than one source row matches any one target row."));
                        }
                    }
                }
                if found.is_empty() {
                    continue;
                }
                let held = found.len();
                let set = match held == batch.num_rows() {
                    true => set.to_vec(),
                    false => {
                        take_arrays(set, &UInt64Array::from(found), None).map_err(arrow_error)?
                    }
                };
                // A row's place in the two maps takes about as much as its three numbers.
                let bytes: usize = set
                    .iter()
                    .map(|column| column.get_array_memory_size())
                    .sum();
                memory.try_grow(bytes + 72 * held).map_err(engine_error)?;
                values.push(set);
            }
        }
        Ok(Self {
            by_file: hits
                .into_iter()
                .map(|(file, rows)| (file, rows.into_iter().collect()))
                .collect(),
            values,
            _memory: memory,
        })
    }

    /// A batch of a file, whose first row is `first`, with the changes `here`.
    pub(super) fn applied(
        &self,
        batch: &RecordBatch,
        first: i64,
        here: &[(i64, Hit)],
        sets: &[usize],
        changed: &mut Changed,
    ) -> Result<RecordBatch> {
        changed.copied += (batch.num_rows() - here.len()) as u64;
        if here.is_empty() {
            return Ok(batch.clone());
        }
        let mut next = here.iter().peekable();
        let mut kept: Vec<u64> = Vec::with_capacity(batch.num_rows());
        // Which source and which row of it: the batch itself, then those of new values.
        let mut sources: Vec<(usize, usize)> = Vec::with_capacity(batch.num_rows());
        let mut used: BTreeMap<usize, usize> = BTreeMap::new();
        for place in 0..batch.num_rows() {
            let hit = next.next_if(|(row, _)| *row == first + place as i64);
            match hit.map(|(_, hit)| *hit) {
                None => sources.push((0, place)),
                Some(Hit::Gone) => {
                    changed.deleted += 1;
                    continue;
                }
                Some(Hit::Set(source, row)) => {
                    changed.updated += 1;
                    let next_source = used.len() + 1;
                    sources.push((*used.entry(source).or_insert(next_source), row));
                }
            }
            kept.push(place as u64);
        }
        let rows = take_record_batch(batch, &UInt64Array::from(kept)).map_err(arrow_error)?;
        if used.is_empty() {
            return Ok(rows);
        }
        let mut in_order: Vec<(usize, usize)> =
            used.iter().map(|(from, at)| (*at, *from)).collect();
        in_order.sort_unstable();
        let mut columns = rows.columns().to_vec();
        for (number, set) in sets.iter().enumerate() {
            let mut arrays: Vec<&dyn Array> = vec![batch.column(*set).as_ref()];
            for (_, from) in &in_order {
                let array = self.values.get(*from).and_then(|values| values.get(number));
                arrays.push(
                    array
                        .ok_or_else(|| Error::internal("a new value is missing"))?
                        .as_ref(),
                );
            }
            let column = interleave(&arrays, &sources).map_err(arrow_error)?;
            if let Some(place) = columns.get_mut(*set) {
                *place = column;
            }
        }
        // Fields that must not be null may be: who gets the rows looks at that.
        let fields = batch.schema();
        let fields = fields.fields().iter().zip(&columns);
        let fields: Vec<_> = fields
            .map(|(field, column)| {
                let nullable = field.is_nullable() || column.null_count() > 0;
                field.as_ref().clone().with_nullable(nullable)
            })
            .collect();
        let schema = Arc::new(arrow::datatypes::Schema::new(fields));
        RecordBatch::try_new(schema, columns).map_err(arrow_error)
    }
}

fn number(column: &ArrayRef) -> Result<&Int64Array> {
    column
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(|| Error::internal("a row's place is not a number"))
}

fn arrow_error(error: arrow::error::ArrowError) -> Error {
    Error::internal(format!("rows that change: {error}"))
}
