//! `system.streams`: one row for each stream.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::common::Result;

use super::batch;
use crate::{catalog::Object, engine::Engine};

pub(super) fn rows(engine: &Engine) -> Result<RecordBatch> {
    let catalog = engine.catalog();
    let streams: Vec<_> = catalog
        .all()
        .filter_map(|object| match object.as_ref() {
            Object::Stream(stream) => Some(stream),
            Object::View(_) | Object::Table(_) => None,
        })
        .collect();
    let option = |key: &'static str| -> Arc<StringArray> {
        Arc::new(
            streams
                .iter()
                .map(|stream| stream.statement.options.get(key))
                .collect(),
        )
    };
    let readers = streams.iter().map(|stream| {
        let running = engine
            .stream(&stream.name)
            .map_or(0, |stream| stream.readers.running());
        i64::try_from(running).ok()
    });
    batch(vec![
        (
            "schema",
            Arc::new(StringArray::from_iter_values(
                streams.iter().map(|stream| &stream.name.schema),
            )),
        ),
        (
            "name",
            Arc::new(StringArray::from_iter_values(
                streams.iter().map(|stream| &stream.name.name),
            )),
        ),
        ("connector", option("connector")),
        ("topic", option("topic")),
        ("format", option("format")),
        (
            "watermark",
            Arc::new(
                streams
                    .iter()
                    .map(|stream| {
                        let watermark = stream.statement.watermark.as_ref()?;
                        Some(format!("{} AS {}", watermark.column, watermark.expr))
                    })
                    .collect::<StringArray>(),
            ),
        ),
        ("readers", Arc::new(readers.collect::<Int64Array>())),
        (
            "created_at",
            Arc::new(StringArray::from_iter_values(
                streams.iter().map(|stream| &stream.meta.created_at),
            )),
        ),
    ])
}
