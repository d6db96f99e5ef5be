//! Rows by partition, and partition values as the log writes them.
//!
//! The value in the log decides; the folder's name is for people and for nobody else to read, so it may be shortened.

use std::{collections::BTreeMap, fmt::Write};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array},
    compute::take_record_batch,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type,
        TimestampMicrosecondType,
    },
    row::{RowConverter, SortField},
};
use chrono::{DateTime, Days, NaiveDate};

use super::TableSpec;
use crate::error::{ConnectorError, Result};

/// A folder's name for a null, as Hive and every engine after it has it.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

/// Bytes of a value that go into a folder's name; file systems take 255 in all.
const FOLDER_BYTES: usize = 120;

/// Partition columns with their values, in the table's order of partition columns.
pub(super) type Values = Vec<(String, Option<String>)>;

/// Rows of one partition, each batch with the number of the one it is of.
type Parts = Vec<(usize, RecordBatch)>;

/// Splits rows by the values of the partition columns; the rows keep their order and all their columns.
pub(super) fn split(spec: &TableSpec, rows: &[RecordBatch]) -> Result<Vec<(Values, Parts)>> {
    if spec.partition_columns.is_empty() {
        let all = rows.iter().cloned().enumerate();
        return Ok(vec![(Vec::new(), all.collect())]);
    }
    let fields = spec
        .partition_columns
        .iter()
        .map(|name| {
            Ok(SortField::new(
                spec.schema.field_with_name(name)?.data_type().clone(),
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    let converter = RowConverter::new(fields)?;
    // Ordered, so that the same rows give the same files in the same order.
    let mut parts: BTreeMap<Vec<u8>, (Values, Parts)> = BTreeMap::new();
    for (number, batch) in rows.iter().enumerate() {
        let columns: Vec<ArrayRef> = spec
            .partition_columns
            .iter()
            .map(|name| Ok(batch.column(spec.schema.index_of(name)?).clone()))
            .collect::<Result<_>>()?;
        let keys = converter.convert_columns(&columns)?;
        let mut picked: BTreeMap<&[u8], Vec<u32>> = BTreeMap::new();
        for (row, key) in (0..).zip(keys.iter()) {
            picked.entry(key.data()).or_default().push(row);
        }
        let whole = picked.len() == 1;
        for (key, indices) in picked {
            let Some(first) = indices.first().map(|first| *first as usize) else {
                continue;
            };
            let part = if whole {
                batch.clone()
            } else {
                take_record_batch(batch, &UInt32Array::from(indices))?
            };
            match parts.get_mut(key) {
                Some((_, batches)) => batches.push((number, part)),
                None => {
                    let values = spec
                        .partition_columns
                        .iter()
                        .zip(&columns)
                        .map(|(name, column)| Ok((name.clone(), text(column, first, name)?)))
                        .collect::<Result<Values>>()?;
                    parts.insert(key.to_vec(), (values, vec![(number, part)]));
                }
            }
        }
    }
    // An empty string is a null to Delta: two keys may be one partition.
    let mut merged: Vec<(Values, Parts)> = Vec::with_capacity(parts.len());
    for (values, mut batches) in parts.into_values() {
        match merged.iter_mut().find(|(other, _)| *other == values) {
            Some((_, into)) => into.append(&mut batches),
            None => merged.push((values, batches)),
        }
    }
    Ok(merged)
}

/// A value as the log writes it; `None` for a null (and for an empty string, which Delta cannot tell from one).
fn text(column: &ArrayRef, row: usize, name: &str) -> Result<Option<String>> {
    if column.is_null(row) {
        return Ok(None);
    }
    let out_of_range = || ConnectorError::Option {
        message: format!("a value of partition column \"{name}\" is out of the range of dates"),
        hint: None,
    };
    Ok(Some(match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Utf8 => match column.as_string::<i32>().value(row) {
            "" => return Ok(None),
            value => value.to_owned(),
        },
        DataType::Date32 => date(column.as_primitive::<Date32Type>().value(row))
            .ok_or_else(out_of_range)?
            .to_string(),
        DataType::Timestamp(_, zone) => {
            let value = column.as_primitive::<TimestampMicrosecondType>().value(row);
            let time = DateTime::from_timestamp_micros(value).ok_or_else(out_of_range)?;
            // With the zone it is the same instant to every reader, whatever zone its session has.
            let form = match zone {
                Some(_) => "%Y-%m-%dT%H:%M:%S%.6fZ",
                None => "%Y-%m-%d %H:%M:%S%.6f",
            };
            time.format(form).to_string()
        }
        DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().value_as_string(row),
        other => {
            return Err(ConnectorError::Option {
                message: format!("cannot partition by column \"{name}\" of type {other}"),
                hint: None,
            });
        }
    }))
}

/// A day number as a date.
pub(super) fn date(days: i32) -> Option<NaiveDate> {
    let distance = Days::new(u64::from(days.unsigned_abs()));
    if days < 0 {
        NaiveDate::default().checked_sub_days(distance)
    } else {
        NaiveDate::default().checked_add_days(distance)
    }
}

/// The folder of a partition below the table's, with a slash at its end; empty for a table without partitions.
pub(super) fn folder(values: &Values) -> String {
    let mut folder = String::new();
    for (name, value) in values {
        escape(name, &mut folder);
        folder.push('=');
        match value {
            None => folder.push_str(NULL_FOLDER),
            Some(value) => escape(value, &mut folder),
        }
        folder.push('/');
    }
    folder
}

/// Letters, digits and a few marks as they are, all else as %XX; shortened beyond what a folder's name can be.
fn escape(text: &str, into: &mut String) {
    let start = into.len();
    for byte in text.bytes() {
        if into.len() - start >= FOLDER_BYTES {
            break;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') {
            into.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}
