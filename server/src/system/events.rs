//! `system.events`: what happened, when and to whom.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use datafusion::common::Result;

use super::{batch, timestamps};
use crate::engine::Engine;

pub(super) fn rows(engine: &Engine) -> Result<RecordBatch> {
    let events = engine.events().all();
    batch(vec![
        (
            "at",
            timestamps(events.iter().map(|event| Some(event.at_us))),
        ),
        (
            "severity",
            Arc::new(StringArray::from_iter_values(
                events.iter().map(|event| event.severity),
            )),
        ),
        (
            "subject",
            Arc::new(StringArray::from_iter_values(
                events.iter().map(|event| &event.subject),
            )),
        ),
        (
            "message",
            Arc::new(StringArray::from_iter_values(
                events.iter().map(|event| &event.message),
            )),
        ),
    ])
}
