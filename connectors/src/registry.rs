//! Connectors by name: what stands in `WITH (connector = '…')` becomes a source.

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::SchemaRef;

use crate::{
    error::{ConnectorError, Result},
    generator,
    kafka::KafkaSource,
    source::Source,
};

/// Connectors that can be read from.
pub const SOURCES: [&str; 2] = ["generator", "kafka"];

/// Options that every stream has, whatever its connector. The server takes them out before a source is opened; here they are known so
/// that a misspelt one is recognised.
const STREAM_OPTIONS: [&str; 3] = ["idle_timeout", "max_future_skew", "on_error"];

/// Opens a source for the declared columns. Options are those of the connector and its format; a `connector` among them is ignored.
///
/// Nothing is asked from the outside yet: [`Source::probe`] does that.
pub fn open_source(
    connector: &str,
    schema: SchemaRef,
    options: &BTreeMap<String, String>,
) -> Result<Arc<dyn Source>> {
    match connector {
        "generator" => generator::open(schema, options),
        "kafka" => Ok(Arc::new(KafkaSource::open(schema, options)?)),
        other => Err(ConnectorError::Option {
            message: format!("unknown connector '{other}'"),
            hint: Some(match nearest(other, SOURCES) {
                Some(known) => format!("did you mean '{known}'?"),
                None => format!("known connectors: {}", SOURCES.join(", ")),
            }),
        }),
    }
}

/// The options with every default that depends on the clock filled in: what a catalog has to keep, so that a stream read again after a
/// restart has the rows it had.
pub fn resolve_options(
    connector: &str,
    options: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    match connector {
        "generator" => crate::generator::resolve(options),
        _ => Ok(options.clone()),
    }
}

/// The known name that a misspelt one most likely means.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// Refuses an option nobody knows, naming the nearest one that exists.
pub fn unknown_option(name: &str, of: &str, known: &[&str]) -> ConnectorError {
    ConnectorError::Option {
        message: format!("unknown option {name} for {of}"),
        hint: Some(
            match nearest(name, known.iter().copied().chain(STREAM_OPTIONS)) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("known options: {}", known.join(", ")),
            },
        ),
    }
}

#[cfg(test)]
mod tests;
