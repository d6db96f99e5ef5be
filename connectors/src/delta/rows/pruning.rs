//! Which files may have rows that a condition holds for, by their partition values and statistics.
//!
//! A file too many costs time, a file too few a row that does not change: where anything is unknown the file stays. Other engines cut
//! timestamps to milliseconds downwards, upper bounds too; floats have values that compare with nothing.

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, Int64Array, StringArray, UInt64Array},
    compute::{cast, kernels::numeric::add_wrapping},
    datatypes::{DataType, SchemaRef, TimeUnit},
};
use datafusion::{
    catalog::Session,
    common::{Column, DFSchema, Result, ScalarValue, pruning::PruningStatistics},
    logical_expr::{Expr, utils::conjunction},
    physical_optimizer::pruning::PruningPredicateBuilder,
};
use serde_json::Value;

use super::TableFile;

#[cfg(test)]
mod tests;

/// The files that may have rows for which all filters hold.
pub(super) fn pruned(
    session: &dyn Session,
    files: &[(i64, TableFile)],
    schema: &SchemaRef,
    partition_columns: &[String],
    filters: &[Expr],
) -> Result<Vec<(i64, TableFile)>> {
    let Some(filter) = conjunction(filters.to_vec()) else {
        return Ok(files.to_vec());
    };
    let planned = DFSchema::try_from(Arc::clone(schema))?;
    let filter = session.create_physical_expr(filter, &planned)?;
    let predicate = PruningPredicateBuilder::new()
        .with_file_schema(Arc::clone(schema))
        .try_build(filter)?;
    let bounds = Bounds {
        files: files.iter().map(|(_, file)| file).collect(),
        stats: files
            .iter()
            .map(|(_, file)| serde_json::from_str(file.stats.as_deref()?).ok())
            .collect(),
        schema,
        partition_columns,
    };
    let kept = predicate.prune(&bounds)?;
    let files = files.iter().zip(kept).filter(|(_, kept)| *kept);
    Ok(files.map(|(file, _)| file.clone()).collect())
}

struct Bounds<'a> {
    files: Vec<&'a TableFile>,
    stats: Vec<Option<Value>>,
    schema: &'a SchemaRef,
    partition_columns: &'a [String],
}

/// A millisecond, in microseconds.
const CUT_US: i64 = 1_000;

impl Bounds<'_> {
    /// A bound of a column in each file.
    fn bounds(&self, column: &Column, key: &str) -> Option<ArrayRef> {
        let name = column.name.as_str();
        let data_type = self.schema.field_with_name(name).ok()?.data_type();
        let bounded = matches!(
            data_type,
            DataType::Int8
                | DataType::Int16
                | DataType::Int32
                | DataType::Int64
                | DataType::Utf8
                | DataType::Date32
                | DataType::Decimal128(..)
                | DataType::Timestamp(TimeUnit::Microsecond, _)
        );
        if !bounded {
            return None;
        }
        let partition = self.partition_columns.iter().any(|known| known == name);
        let texts: StringArray = match partition {
            true => {
                let values = self
                    .files
                    .iter()
                    .map(|file| file.partition_values.get(name)?.clone());
                values.collect()
            }
            false => {
                let values = self.stats.iter().map(|stats| {
                    Some(match stats.as_ref()?.get(key)?.get(name)? {
                        Value::String(text) => text.clone(),
                        Value::Number(number) => number.to_string(),
                        _ => return None,
                    })
                });
                values.collect()
            }
        };
        // What cannot be read as the column's type is unknown.
        let values = cast(&texts, data_type).ok()?;
        match (partition, key, data_type) {
            (false, "maxValues", DataType::Timestamp(_, zone)) => {
                let times = cast(&values, &DataType::Int64).ok()?;
                let raised = add_wrapping(&times, &Int64Array::new_scalar(CUT_US)).ok()?;
                let to = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
                cast(&raised, &to).ok()
            }
            _ => Some(values),
        }
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, "minValues")
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, "maxValues")
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let name = column.name.as_str();
        let partition = self.partition_columns.iter().any(|known| known == name);
        let counts = self.files.iter().zip(&self.stats).map(|(file, stats)| {
            if partition {
                let value = file.partition_values.get(name).cloned().flatten();
                return match value {
                    Some(_) => Some(0),
                    None => file.num_records,
                };
            }
            stats.as_ref()?.get("nullCount")?.get(name)?.as_u64()
        });
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let counts = self.files.iter().map(|file| file.num_records);
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
