//! `system.splits`: one row for each split of each continuous query.

use std::sync::Arc;

use arrow::array::{BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::common::Result;

use super::{batch, timestamps};
use crate::engine::Engine;

pub(super) fn rows(engine: &Engine) -> Result<RecordBatch> {
    let statuses = engine.query_statuses();
    let rows: Vec<_> = statuses
        .iter()
        .flat_map(|query| query.splits.iter().map(move |split| (query, split)))
        .collect();
    let number = |value: fn(&crate::job::SplitStatus) -> i64| -> Arc<Int64Array> {
        Arc::new(rows.iter().map(|(_, split)| Some(value(split))).collect())
    };
    batch(vec![
        (
            "query",
            Arc::new(StringArray::from_iter_values(
                rows.iter().map(|(query, _)| &query.name),
            )),
        ),
        (
            "stream",
            Arc::new(StringArray::from_iter_values(
                rows.iter().map(|(_, split)| &split.stream),
            )),
        ),
        (
            "topic",
            Arc::new(StringArray::from_iter_values(
                rows.iter().map(|(_, split)| &split.id.topic),
            )),
        ),
        (
            "partition",
            Arc::new(Int32Array::from_iter_values(
                rows.iter().map(|(_, split)| split.id.partition),
            )),
        ),
        ("position", number(|split| split.position)),
        ("end_position", number(|split| split.end_position)),
        (
            "lag",
            number(|split| (split.end_position - split.position).max(0)),
        ),
        (
            "watermark",
            timestamps(rows.iter().map(|(_, split)| split.watermark_us)),
        ),
        (
            "idle",
            Arc::new(BooleanArray::from_iter(
                rows.iter().map(|(_, split)| Some(split.idle)),
            )),
        ),
        (
            "last_event_at",
            timestamps(rows.iter().map(|(_, split)| split.last_event_us)),
        ),
    ])
}
