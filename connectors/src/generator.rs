//! Generated events: a source that needs no broker, for the demo, for tests and for trying a query out.
//!
//! A row is a pure function of the options, its split and its offset. So a replay gives the same rows to the last bit, however fast
//! the reader went the first time and wherever it was stopped; that is what makes this a source one can recover on, and nothing
//! here may ever look at the clock to decide what a row holds. Row number n of the whole stream is offset n / splits of split
//! n % splits, and its event time follows from n alone.

mod options;
mod reader;
mod rows;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use chrono::{SecondsFormat, Utc};

pub use options::OPTIONS;

use self::{
    options::Settings,
    rows::{Filler, plan_columns},
};
use crate::{
    error::{ConnectorError, Result},
    source::{
        KeptMessage, ReadRequest, Source, SourceReader, SplitBatch, SplitId, SplitInfo,
        SplitPosition, outlet,
    },
};

/// Opens a generator for the declared columns.
///
/// # Errors
/// `Option` for an option or a column that it does not know, by name and with the nearest one it does.
pub fn open(schema: SchemaRef, options: &BTreeMap<String, String>) -> Result<Arc<dyn Source>> {
    let settings = Settings::parse(options)?;
    let declared: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let shown = crate::format::plain(&schema);
    let mut fields: Vec<_> = shown.fields().iter().cloned().collect();
    fields.extend(metadata_fields().map(Arc::new));
    let schema = Arc::new(Schema::new(fields));
    // Every column is looked at now, so that CREATE STREAM and not the first query says what is wrong.
    let all: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    plan_columns(&schema, &all)?;
    Ok(Arc::new(Generator {
        payload: Arc::new(Filler::new(&schema, &declared, &settings)?),
        schema,
        settings,
    }))
}

/// The options with every default that depends on the clock filled in: what a catalog has to keep, so that rows stay what they were
/// after a restart.
///
/// # Errors
/// As [`open`].
pub fn resolve(options: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    Settings::parse(options)?;
    let mut resolved = options.clone();
    if !Settings::has_fixed_start(options) {
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        resolved.insert("start_time".into(), now);
    }
    Ok(resolved)
}

/// The columns that every message has besides the declared ones.
fn metadata_fields() -> impl Iterator<Item = Field> {
    [
        ("_topic", DataType::Utf8),
        ("_partition", DataType::Int32),
        ("_offset", DataType::Int64),
        (
            "_timestamp",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ),
    ]
    .into_iter()
    .map(|(name, data_type)| Field::new(name, data_type, true))
}

struct Generator {
    /// Declared columns, then metadata.
    schema: SchemaRef,
    settings: Settings,
    /// Fills the declared columns, for the payload of a row that does not decode.
    payload: Arc<Filler>,
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Generator {
    fn split(&self, partition: i32) -> SplitId {
        SplitId {
            stream: 0,
            topic: self.settings.shape.into(),
            partition,
        }
    }

    fn splits(&self) -> impl Iterator<Item = SplitId> + '_ {
        (0..self.settings.splits).map(|partition| self.split(partition))
    }
}

#[async_trait]
impl Source for Generator {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn probe(&self) -> Result<Vec<SplitInfo>> {
        Ok(self
            .splits()
            .map(|split| SplitInfo {
                first_offset: 0,
                // An endless one always has more than anybody asks for in a peek.
                end_offset: self.settings.end_of(split.partition).unwrap_or(i64::MAX),
                topic_id: None,
                split,
            })
            .collect())
    }

    async fn topic_ids(&self) -> Result<BTreeMap<String, String>> {
        Ok(BTreeMap::new())
    }

    async fn positions_at(&self, _time_ms: i64) -> Result<Vec<SplitPosition>> {
        Err(ConnectorError::Option {
            message: "generated events cannot be looked up by time".into(),
            hint: Some("read them from the beginning".into()),
        })
    }

    fn read(&self, request: ReadRequest) -> Result<SourceReader> {
        let filler = Filler::new(&self.schema, &request.columns, &self.settings)?;
        for position in &request.positions {
            if !self.splits().any(|split| split == position.split) {
                return Err(ConnectorError::DataLost {
                    message: format!(
                        "the generator has no split {} of \"{}\"",
                        position.split.partition, position.split.topic
                    ),
                    hint: Some("Its shape or its number of splits was changed; put it back, or start a new query.".into()),
                });
            }
        }
        let positions = self
            .splits()
            .map(|split| {
                request
                    .positions
                    .iter()
                    .find(|position| position.split == split)
                    .cloned()
                    .unwrap_or(SplitPosition {
                        split,
                        next_offset: 0,
                        topic_id: None,
                        leader_epoch: None,
                    })
            })
            .collect();
        let (outlet, asked, inbox) = outlet::open(&request);
        let reader = reader::Reader::new(
            self.settings.clone(),
            filler,
            Arc::clone(&self.payload),
            positions,
            &request,
            reader::Channels { outlet, asked },
        );
        std::thread::Builder::new()
            .name("generator".into())
            .spawn(move || reader.run())
            .map_err(|error| ConnectorError::Unreachable {
                message: format!("cannot start a thread for the generator: {error}"),
                hint: Some("The process may have come to its limit of threads.".into()),
            })?;
        Ok(inbox)
    }

    fn decode(&self, columns: &[String], messages: &[KeptMessage]) -> Result<Vec<SplitBatch>> {
        // What a message holds follows from its offset, and whether it decodes as well.
        let filler = Filler::new(&self.schema, columns, &self.settings)?;
        let again = |message: &KeptMessage| {
            let offsets = message.offset..message.offset + 1;
            filler.batch(&message.split, offsets, &self.payload)
        };
        messages.iter().map(again).collect()
    }

    async fn advertise(&self, _positions: &[SplitPosition]) -> Result<()> {
        Ok(())
    }
}
