//! `system.queries`: one row for each continuous query.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::common::Result;

use super::{batch, timestamps};
use crate::{engine::Engine, job::QueryStatus};

pub(super) fn rows(engine: &Engine) -> Result<RecordBatch> {
    let now_us = engine.clock().now_us();
    let all = engine.all_query_statuses();
    let text = |value: fn(&QueryStatus) -> Option<String>| -> Arc<StringArray> {
        Arc::new(all.iter().map(value).collect())
    };
    let count = |value: fn(&QueryStatus) -> u64| -> Arc<Int64Array> {
        let values = all.iter().map(|status| i64::try_from(value(status)).ok());
        Arc::new(values.collect())
    };
    let moment = |value: fn(&QueryStatus) -> Option<i64>| timestamps(all.iter().map(value));
    let lag_seconds: arrow::array::Float64Array = all
        .iter()
        .map(|status| {
            let watermark = status.watermark_us?;
            (watermark < i64::MAX).then(|| (now_us - watermark) as f64 / 1e6)
        })
        .collect();
    batch(vec![
        ("name", text(|status| Some(status.name.clone()))),
        ("kind", text(|_| Some("continuous".to_owned()))),
        ("stream", text(|status| Some(status.stream.clone()))),
        (
            "state",
            text(|status| Some(status.state.as_str().to_owned())),
        ),
        (
            "epoch",
            Arc::new(Int64Array::from_iter(
                all.iter().map(|status| Some(status.epoch)),
            )),
        ),
        (
            "watermark",
            moment(|status| status.watermark_us.filter(|us| *us < i64::MAX)),
        ),
        ("lag_rows", count(|status| status.lag_rows)),
        ("lag_seconds", Arc::new(lag_seconds)),
        ("rows_in", count(|status| status.rows_in)),
        ("rows_out", count(|status| status.rows_out)),
        ("aggregated_rows", count(|status| status.aggregated_rows)),
        ("late_rows", count(|status| status.late_rows)),
        ("dead_letter_rows", count(|status| status.dead_letter_rows)),
        ("filtered_rows", count(|status| status.filtered_rows)),
        ("replayed_rows", count(|status| status.replayed_rows)),
        ("open_windows", count(|status| status.open_windows as u64)),
        ("state_bytes", count(|status| status.state_bytes as u64)),
        ("state_memory", count(|status| status.state_memory as u64)),
        ("spilled_bytes", count(|status| status.spilled_bytes)),
        (
            "checkpoint_epoch",
            Arc::new(Int64Array::from_iter(
                all.iter().map(|status| Some(status.checkpoint_epoch)),
            )),
        ),
        (
            "last_commit_version",
            Arc::new(Int64Array::from_iter(
                all.iter().map(|status| status.last_commit_version),
            )),
        ),
        ("last_commit_at", moment(|status| status.last_commit_us)),
        ("last_row_at", moment(|status| status.last_row_us)),
        ("held_by", text(|status| status.held_by.clone())),
        ("last_error", text(|status| status.last_error.clone())),
    ])
}
