//! The JSON decoder beside arrow-json, over events of the main job in memory: four columns of six fields, 151 bytes.
//!
//! `dirty` is what producers make of it: every other event with its fields in another order, one missing, an escape, or a longer text.
//! `broken` is that with 3 % that are not JSON, which arrow-json would not survive.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::{fmt::Write, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use divan::{Bencher, counter::ItemsCount};
use sluice_connectors::format::json::{JsonDecoder, JsonOptions};

const EVENTS: usize = 8192;

fn main() {
    divan::main();
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

fn clean() -> Vec<String> {
    (0..EVENTS).map(event).collect()
}

fn event(n: usize) -> String {
    let (second, milli) = (n / 200 % 60, n * 7 % 1000);
    let kind = ["page_view", "click", "search", "purchase", "signup"][n % 5];
    let segment = ["free", "premium", "trial", "enterprise"][n % 4];
    let value = (n * 7919 % 100_000) as f64 / 1000.0;
    let session = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut text = String::new();
    write!(
        text,
        r#"{{"timestamp":"2026-03-01T22:50:{second:02}.{milli:03}Z","event_type":"{kind}","user_segment":"{segment}","#,
    )
    .unwrap();
    write!(
        text,
        r#""value":{value},"user_id":"u{n:07}","session":"{session:016x}"}}"#
    )
    .unwrap();
    text
}

fn dirty() -> Vec<String> {
    (0..EVENTS)
        .map(|n| match n % 8 {
            1 => format!(r#"{{"value":{n}.25,"timestamp":"2026-03-01 22:50:01","user_segment":"free","event_type":"click"}}"#),
            3 => event(n).replace(r#""user_segment":"free","#, ""),
            5 => event(n).replace("click", r"cl\u0069ck \ud83d\ude00"),
            7 => event(n).replace("page_view", &"a longer text than usual ".repeat(8)),
            _ => event(n),
        })
        .collect()
}

/// Every 33rd is cut short.
fn broken() -> Vec<String> {
    let mut events = dirty();
    for event in events.iter_mut().step_by(33) {
        event.truncate(70);
    }
    events
}

#[divan::bench(args = ["clean", "dirty", "broken"])]
fn sluice(bencher: Bencher<'_, '_>, kind: &str) {
    let (events, bad) = match kind {
        "clean" => (clean(), 0),
        "dirty" => (dirty(), 0),
        _ => (broken(), EVENTS.div_ceil(33)),
    };
    let mut decoder = JsonDecoder::new(&schema(), &JsonOptions::default()).unwrap();
    bencher
        .counter(ItemsCount::new(EVENTS))
        .bench_local(move || {
            let pushed = events.iter().map(|event| decoder.push(event.as_bytes()));
            assert_eq!(pushed.filter(Result::is_err).count(), bad);
            decoder.finish().unwrap()
        });
}

#[divan::bench(args = ["clean", "dirty"])]
fn arrow_json(bencher: Bencher<'_, '_>, kind: &str) {
    let events = if kind == "clean" { clean() } else { dirty() };
    let mut decoder = arrow_json::ReaderBuilder::new(schema())
        .with_batch_size(EVENTS)
        .build_decoder()
        .unwrap();
    bencher
        .counter(ItemsCount::new(EVENTS))
        .bench_local(move || {
            for event in &events {
                decoder.decode(event.as_bytes()).unwrap();
            }
            decoder.flush().unwrap().unwrap()
        });
}
