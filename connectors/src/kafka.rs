//! Kafka topics as sources.
//!
//! Offsets are ours: partitions are assigned, never subscribed to, and where reading goes on stands in our checkpoints. What is hard is
//! to say what happened: librdkafka goes on silently in a topic that was deleted and made anew, jumps over offsets that retention took
//! unless told not to, and reports a broker that is gone on a queue of its own. All three become events here.
//!
//! Per reader two threads of ours: the *reader* takes messages from where they come in (`intake.rs`: over connections of our own, or from
//! librdkafka's queue) and decodes them in place; the *watcher* asks the broker questions that block (new partitions, end offsets, the
//! topic's id), so that decoding never waits for them.
//!
//! It must never commit a position as if it meant something: the consumer group is advertised for lag tools and nothing else.

mod client;
mod columns;
mod direct;
mod failure;
mod intake;
mod lane;
mod native;
mod options;
mod queue;
mod reader;
mod startup;
mod watcher;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use parking_lot::Mutex;

use self::{client::Control, options::KafkaOptions};
pub use self::{options::OPTIONS, startup::Startup};
use crate::{
    error::{ConnectorError, Result},
    format::{json::JsonDecoder, plain, raw},
    source::{
        KeptMessage, ReadRequest, Source, SourceReader, SplitBatch, SplitId, SplitInfo,
        SplitPosition, outlet,
    },
};

/// How long a client is kept that nobody has asked anything: its threads wake up every second.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// One Kafka topic.
#[derive(Debug)]
pub struct KafkaSource {
    options: Arc<KafkaOptions>,
    declared: SchemaRef,
    schema: SchemaRef,
    /// The client of probes and commits, made when first needed and kept while it is used.
    control: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Held while it connects.
    control: Mutex<Option<Arc<Control>>>,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    last: Option<Instant>,
    /// Whether somebody waits for it to be used no more.
    watched: bool,
}

impl Kept {
    /// Notes that it is used, and has it let go once it has not been for a while.
    fn used(self: &Arc<Self>) {
        let mut used = self.used.lock();
        used.last = Some(Instant::now());
        if !std::mem::replace(&mut used.watched, true) {
            tokio::spawn(Arc::clone(self).watch());
        }
    }

    async fn watch(self: Arc<Self>) {
        while let Some(wait) = self.wait() {
            tokio::time::sleep(wait).await;
        }
        // A client closes its connections when it goes, and waits for its threads.
        tokio::task::spawn_blocking(move || self.control.lock().take());
    }

    /// How long to wait before it may go; `None` when it may.
    fn wait(&self) -> Option<Duration> {
        let mut used = self.used.lock();
        let since = used.last.map_or(KEPT_FOR, |last| last.elapsed());
        let wait = KEPT_FOR.checked_sub(since).filter(|wait| !wait.is_zero());
        used.watched = wait.is_some();
        wait
    }
}

impl KafkaSource {
    /// A topic as the options describe it; the broker is not asked yet.
    pub fn open(declared: SchemaRef, options: &BTreeMap<String, String>) -> Result<Self> {
        let options = KafkaOptions::parse(options)?;
        let declared = match options.format {
            options::Format::Raw if declared.fields().is_empty() => raw::default_schema(),
            options::Format::Raw => {
                raw::check_schema(&declared)?;
                declared
            }
            options::Format::Json => {
                JsonDecoder::new(&declared, &options.json)?;
                declared
            }
        };
        let metadata = columns::fields();
        if let Some(taken) = declared
            .fields()
            .iter()
            .find(|field| metadata.iter().any(|column| column.name() == field.name()))
        {
            return Err(ConnectorError::Option {
                message: format!("column name {} is taken by the message's own", taken.name()),
                hint: Some(
                    "declare it under another name; the metadata column is there anyway".into(),
                ),
            });
        }
        let shown = plain(&declared);
        let fields: Vec<_> = shown.fields().iter().cloned().chain(metadata).collect();
        Ok(Self {
            options: Arc::new(options),
            schema: Arc::new(Schema::new(fields)),
            declared,
            control: Arc::default(),
        })
    }

    /// Runs a blocking question to the broker on a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Control) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let options = Arc::clone(&self.options);
        let kept = Arc::clone(&self.control);
        kept.used();
        let answer = tokio::task::spawn_blocking(move || {
            let control = {
                let mut kept = kept.control.lock();
                match &*kept {
                    Some(control) => Arc::clone(control),
                    None => {
                        let control = Arc::new(Control::connect(&options)?);
                        *kept = Some(Arc::clone(&control));
                        control
                    }
                }
            };
            let answer = question(&control);
            if answer.is_err() {
                // A client that has seen a failure is not worth keeping: the next question begins afresh.
                *kept.control.lock() = None;
            }
            answer
        });
        match answer.await {
            Ok(answer) => answer,
            Err(gone) => Err(ConnectorError::Unreachable {
                message: format!("asking Kafka was cut short: {gone}"),
                hint: None,
            }),
        }
    }
}

#[async_trait]
impl Source for KafkaSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn probe(&self) -> Result<Vec<SplitInfo>> {
        self.ask(Control::probe).await
    }

    async fn topic_ids(&self) -> Result<BTreeMap<String, String>> {
        self.ask(|control| {
            let topic = control.options().topic.clone();
            let id = control.topic_id()?;
            Ok(id.map(|id| (topic, id)).into_iter().collect())
        })
        .await
    }

    async fn positions_at(&self, time_ms: i64) -> Result<Vec<SplitPosition>> {
        self.ask(move |control| control.positions_at(time_ms)).await
    }

    fn read(&self, request: ReadRequest) -> Result<SourceReader> {
        let columns = columns::Projection::new(&plain(&self.declared), &request.columns)?;
        for position in &request.positions {
            if position.split.topic != self.options.topic {
                return Err(ConnectorError::Conflict {
                    message: format!(
                        "a position of topic '{}' cannot be used for topic '{}'",
                        position.split.topic, self.options.topic
                    ),
                    hint: None,
                });
            }
        }
        let (outlet, asked, reader) = outlet::open(&request);
        reader::spawn(reader::Job {
            options: Arc::clone(&self.options),
            declared: Arc::clone(&self.declared),
            columns,
            request,
            outlet,
            asked,
        })?;
        Ok(reader)
    }

    fn shares(&self) -> bool {
        true
    }

    fn decode(&self, columns: &[String], messages: &[KeptMessage]) -> Result<Vec<SplitBatch>> {
        let projection = Arc::new(columns::Projection::new(&plain(&self.declared), columns)?);
        let runs = messages.chunk_by(|a, b| a.split == b.split && a.offset < b.offset);
        let batches = runs.map(|run| {
            lane::decode(&self.options, &self.declared, &projection, run).map(Option::into_iter)
        });
        let batches: Vec<_> = batches.collect::<Result<_>>()?;
        Ok(batches.into_iter().flatten().collect())
    }

    async fn advertise(&self, positions: &[SplitPosition]) -> Result<()> {
        let offsets: Vec<(SplitId, i64)> = positions
            .iter()
            .map(|position| (position.split.clone(), position.next_offset))
            .collect();
        self.ask(move |control| control.commit(&offsets)).await
    }
}

#[cfg(test)]
mod tests;
