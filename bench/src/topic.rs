//! A preloaded topic, with what every engine's answer must be.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use sluice_tests::{
    load::{Message, Messages, Shape, write_dirty_event, write_event},
    oracle::{self, Gold, Groups, Percentile},
    parts::{kafka::Broker, producer::Producer},
};

/// Of every topic.
pub const PARTITIONS: usize = 4;

/// What events look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Every event has its fields in the same order.
    Clean,
    /// 3 % are not JSON; of the others half have their fields in another order, one missing, escapes, or long texts.
    Dirty,
}

/// A topic that was written in one go, and is closed: every window of its load becomes final.
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What was sent.
    pub shape: Shape,
    /// What it looks like.
    pub mix: Mix,
    /// Messages, good and bad.
    pub events: usize,
    /// Bytes of one, on average.
    pub bytes_each: usize,
    /// Messages that do not decode.
    pub malformed: usize,
    groups: Groups,
}

impl Topic {
    /// Writes it.
    pub fn preload(broker: &Broker, events: usize, mix: Mix, codec: &str) -> Self {
        let shape = Shape {
            span_ms: 60 * 60_000,
            malformed_per_mille: if mix == Mix::Dirty { 30 } else { 0 },
            ..Shape::of(events, 5).clean()
        };
        eprintln!("[bench] producing {events} events ({mix:?}) to {PARTITIONS} partitions");
        let start = Instant::now();
        let name = broker.fresh_topic("bench", PARTITIONS as i32);
        let mut producer = Producer::with(broker, &name, PARTITIONS, 5, codec);
        if mix == Mix::Dirty {
            producer.dirty();
        }
        producer.send_all(&shape);
        producer.close_windows(shape.closing_ms());
        let produced = &producer.produced;
        let groups = oracle::groups(produced, &BTreeSet::new(), shape.closing_ms());
        eprintln!("[bench] produced in {:.0} s", start.elapsed().as_secs_f64());
        Self {
            events: produced.total(),
            malformed: produced.malformed(),
            bytes_each: average_size(&shape, mix),
            name,
            shape,
            mix,
            groups,
        }
    }

    /// An engine's rows against what they must be; how many rows that is.
    pub fn check(&self, mut gold: Gold, percentile: Percentile) -> Result<usize, String> {
        // the events that close the windows may have one of their own
        gold.retain(|key, _| key.window_start_ms < self.shape.closing_ms());
        oracle::compare_groups(&self.groups, &gold, percentile)?;
        Ok(gold.len())
    }

    /// Count and sum of values by event type, without the events that close the windows.
    pub fn totals(&self) -> BTreeMap<String, (u64, f64)> {
        let mut totals: BTreeMap<String, (u64, f64)> = BTreeMap::new();
        for (key, values) in &self.groups {
            let total = totals.entry(key.event_type.clone()).or_default();
            *total = (
                total.0 + values.len() as u64,
                total.1 + values.iter().sum::<f64>(),
            );
        }
        totals
    }
}

fn average_size(shape: &Shape, mix: Mix) -> usize {
    const SAMPLE: usize = 1000;
    let sample = Shape {
        messages: SAMPLE,
        ..shape.clone()
    };
    let mut payload = Vec::new();
    let bytes: usize = Messages::new(sample)
        .enumerate()
        .map(|(n, message)| match (message, mix) {
            (Message::Event(event) | Message::Behind(event), Mix::Clean) => {
                write_event(&event, n, &mut payload);
                payload.len()
            }
            (Message::Event(event) | Message::Behind(event), Mix::Dirty) => {
                write_dirty_event(&event, n, &mut payload);
                payload.len()
            }
            (Message::Malformed, _) => 0,
        })
        .sum();
    bytes / SAMPLE
}
