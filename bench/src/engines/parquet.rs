//! A peer's rows, read from its Parquet files.

use std::path::PathBuf;

use datafusion::{
    arrow::{
        array::{Array, AsArray},
        compute::cast,
        datatypes::{DataType, Float64Type, Int64Type, TimeUnit},
        record_batch::RecordBatch,
    },
    prelude::{ParquetReadOptions, SessionContext},
};
use sluice_tests::{
    oracle::{Gold, Key, Measures},
    pg::block_on,
};

/// Gold of some files; fails on a row that comes twice.
pub fn read_gold(files: &[PathBuf]) -> Result<Gold, String> {
    let mut gold = Gold::new();
    if files.is_empty() {
        return Ok(gold);
    }
    let batches = block_on(async {
        let paths: Vec<String> = files
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let options = ParquetReadOptions {
            file_extension: "",
            ..ParquetReadOptions::default()
        };
        let rows = SessionContext::new().read_parquet(paths, options).await?;
        let columns = [
            "window_start",
            "window_end",
            "event_type",
            "user_segment",
            "event_count",
            "avg_value",
            "p95_value",
        ];
        rows.select_columns(&columns)?.collect().await
    });
    for batch in batches.map_err(|e| e.to_string())? {
        add(&batch, &mut gold)?;
    }
    Ok(gold)
}

fn add(batch: &RecordBatch, gold: &mut Gold) -> Result<(), String> {
    let as_type = |column: usize, kind: &DataType| {
        cast(batch.column(column), kind).map_err(|e| e.to_string())
    };
    let millis = |column: usize| {
        let time = as_type(column, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
        cast(&time, &DataType::Int64).map_err(|e| e.to_string())
    };
    let (starts, ends) = (millis(0)?, millis(1)?);
    let (starts, ends) = (
        starts.as_primitive::<Int64Type>(),
        ends.as_primitive::<Int64Type>(),
    );
    let (types, segments) = (as_type(2, &DataType::Utf8)?, as_type(3, &DataType::Utf8)?);
    let counts = as_type(4, &DataType::Int64)?;
    let (averages, p95s) = (
        as_type(5, &DataType::Float64)?,
        as_type(6, &DataType::Float64)?,
    );
    for row in 0..batch.num_rows() {
        let text = |column: &dyn Array| {
            let column = column.as_string::<i32>();
            if column.is_null(row) {
                String::new()
            } else {
                column.value(row).to_owned()
            }
        };
        if ends.value(row) != starts.value(row) + 60_000 {
            return Err(format!(
                "window_end does not fit window_start {}",
                starts.value(row)
            ));
        }
        let key = Key {
            window_start_ms: starts.value(row),
            event_type: text(&types),
            user_segment: text(&segments),
        };
        let measures = Measures {
            count: counts
                .as_primitive::<Int64Type>()
                .value(row)
                .cast_unsigned(),
            avg: averages.as_primitive::<Float64Type>().value(row),
            p95: p95s.as_primitive::<Float64Type>().value(row),
        };
        if let Some(other) = gold.insert(key.clone(), measures) {
            return Err(format!("twice: {key:?} {other:?} and {measures:?}"));
        }
    }
    Ok(())
}
