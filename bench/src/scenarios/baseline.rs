//! What reading alone costs: our own reader and decoder without any query, and arrow-json in the place of our decoder, beside the whole job.
//!
//! The lines that are not the job run in this process, on the server's allocator.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use sluice_connectors::{
    open_source,
    source::{ReadRequest, SourceEvent},
};
use sluice_tests::{parts::kafka::Broker, pg::block_on};

use super::{Bench, Outcome, drain};
use crate::{
    engines::Engine,
    results::{Line, run},
    topic::{Mix, Topic},
    usage,
};

/// Times the drains' topics: what they cost is told by the difference of two, beside which a start must be small.
const LONG: usize = 4;
/// As the server's reader has it.
const BATCH_ROWS: usize = 8192;
const INBOX_BYTES: usize = 32 << 20;

/// What is done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Nothing,
    ArrowJson,
    Ours,
}

/// Three ways of reading and the whole job, by turns.
pub fn measure(bench: &Bench) -> Result<Outcome, String> {
    let (broker, settings) = (&bench.broker, &bench.settings);
    let topics = settings
        .events
        .map(|events| Topic::preload(broker, LONG * events, Mix::Clean, &settings.codec));
    let hows = [
        (How::Nothing, "consume alone"),
        (How::ArrowJson, "consume, decode with arrow-json"),
        (How::Ours, "consume, decode with ours"),
    ];
    let mut lines: Vec<Line> = hows.iter().map(|(_, name)| Line::new(name)).collect();
    lines.push(Line::new("Sluice, the whole job"));
    let [many, few] = &topics;
    let more = (many.events - few.events) as f64;
    for n in 1..=settings.runs {
        eprintln!("[bench] baselines, run {n} of {}", settings.runs);
        for ((how, _), line) in hows.iter().zip(&mut lines) {
            let cpu_s = consumed(broker, many, *how)? - consumed(broker, few, *how)?;
            line.runs
                .push(run([("cpu_s_per_million", cpu_s / more * 1e6)]));
        }
        if let Some(line) = lines.last_mut() {
            line.runs
                .push(drain::pair(Engine::Sluice, bench, [few, many])?);
        }
    }
    for topic in &topics {
        broker.delete_topic(&topic.name);
    }
    let mut outcome =
        Outcome::new("every message is read and decoded once; the job's rows equal the oracle")
            .given("events", format!("{} and {}", few.events, many.events))
            .given("bytes each", many.bytes_each);
    outcome.lines = lines;
    Ok(outcome)
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("timestamp", time, true),
        Field::new("event_type", DataType::Utf8, true),
        Field::new("user_segment", DataType::Utf8, true),
        Field::new("value", DataType::Float64, true),
    ]))
}

/// Seconds of processor time of this process to read a topic once.
fn consumed(broker: &Broker, topic: &Topic, how: How) -> Result<f64, String> {
    let (format, declared) = match how {
        How::Ours => ("json", schema()),
        _ => (
            "raw",
            Arc::new(Schema::new(vec![Field::new(
                "value",
                DataType::Binary,
                true,
            )])),
        ),
    };
    let options = [
        ("bootstrap_servers", broker.bootstrap()),
        ("topic", topic.name.clone()),
        ("format", format.to_owned()),
    ];
    let options: BTreeMap<String, String> =
        options.map(|(name, value)| (name.to_owned(), value)).into();
    let before = usage::own_cpu_s();
    let rows = block_on(read(declared, &options, how))?;
    let cpu_s = usage::own_cpu_s() - before;
    if rows != topic.events {
        return Err(format!("{how:?}: {rows} rows of {} events", topic.events));
    }
    Ok(cpu_s)
}

async fn read(
    declared: SchemaRef,
    options: &BTreeMap<String, String>,
    how: How,
) -> Result<usize, String> {
    let told = |e: &dyn std::fmt::Display| e.to_string();
    let source = open_source("kafka", Arc::clone(&declared), options).map_err(|e| told(&e))?;
    let splits = source.probe().await.map_err(|e| told(&e))?;
    let mut open = splits.len();
    let mut reader = source
        .read(ReadRequest {
            columns: declared
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect(),
            positions: Vec::new(),
            until: splits
                .into_iter()
                .map(|split| (split.split, split.end_offset))
                .collect(),
            inbox_bytes: INBOX_BYTES,
            batch_rows: BATCH_ROWS,
        })
        .map_err(|e| told(&e))?;
    let mut decoder = arrow_json::ReaderBuilder::new(schema())
        .with_batch_size(BATCH_ROWS)
        .build_decoder()
        .map_err(|e| told(&e))?;
    let mut rows = 0;
    while open > 0 {
        match reader.events.recv().await {
            Some(SourceEvent::Batch(batch)) => {
                if how == How::ArrowJson {
                    let values = batch.rows.column(0).as_binary::<i32>();
                    for at in 0..values.len() {
                        decoder.decode(values.value(at)).map_err(|e| told(&e))?;
                    }
                    let decoded = decoder.flush().map_err(|e| told(&e))?;
                    rows += decoded.map_or(0, |batch| batch.num_rows());
                } else {
                    rows += batch.rows.num_rows();
                }
                reader.release(&batch);
            }
            Some(SourceEvent::Finished { .. }) => open -= 1,
            Some(SourceEvent::Failed(e)) => return Err(told(&e)),
            Some(_) => {}
            None => return Err("the reader ended".into()),
        }
    }
    Ok(rows)
}
