//! `system.maintenance`: one row for each table and kind of work that keeps it in order.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::common::Result;

use super::{batch, timestamps};
use crate::{engine::Engine, maintenance::Entry};

pub(super) fn rows(engine: &Engine) -> Result<RecordBatch> {
    let all = engine.maintenance().entries();
    let count = |value: fn(&Entry) -> Option<i64>| -> ArrayRef {
        let values = all.iter().map(|(_, _, entry)| value(entry));
        Arc::new(values.collect::<Int64Array>())
    };
    let state = |entry: &Entry| match (entry.running, entry.failures) {
        (true, _) => "running",
        (false, _) if entry.off => "off",
        (false, 0) => "waiting",
        (false, _) => "failed",
    };
    let names = all.iter().map(|(name, _, _)| name);
    let tasks = all.iter().map(|(_, task, _)| *task);
    let states = all.iter().map(|(_, _, entry)| state(entry));
    let seconds = all
        .iter()
        .map(|(_, _, entry)| Some(entry.took?.as_secs_f64()));
    let errors = all.iter().map(|(_, _, entry)| entry.last_error.as_deref());
    batch(vec![
        ("name", Arc::new(StringArray::from_iter_values(names))),
        ("task", Arc::new(StringArray::from_iter_values(tasks))),
        ("state", Arc::new(StringArray::from_iter_values(states))),
        ("runs", count(|entry| i64::try_from(entry.runs).ok())),
        (
            "last_run_at",
            timestamps(all.iter().map(|(_, _, entry)| entry.last_run_us)),
        ),
        ("seconds", Arc::new(seconds.collect::<Float64Array>())),
        ("files_before", count(|entry| entry.done.files_before)),
        ("files_after", count(|entry| entry.done.files_after)),
        ("bytes_before", count(|entry| entry.done.bytes_before)),
        ("bytes_after", count(|entry| entry.done.bytes_after)),
        ("version", count(|entry| entry.done.version)),
        (
            "next_due_at",
            timestamps(all.iter().map(|(_, _, entry)| entry.next_due_us)),
        ),
        ("last_error", Arc::new(errors.collect::<StringArray>())),
    ])
}
