//! `system.broken_objects`: objects whose files could not be read at the start.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::common::Result;

use super::batch;
use crate::{catalog::Broken, engine::Engine};

pub(super) fn rows(engine: &Engine) -> Result<RecordBatch> {
    let catalog = engine.catalog();
    let column = |of: fn(&Broken) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(catalog.all_broken().map(of)))
    };
    batch(vec![
        ("schema", column(|broken| &broken.name.schema)),
        ("name", column(|broken| &broken.name.name)),
        ("kind", column(|broken| &broken.kind)),
        ("path", column(|broken| &broken.path)),
        ("reason", column(|broken| &broken.why)),
    ])
}
