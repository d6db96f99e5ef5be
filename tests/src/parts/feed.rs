//! Events that keep coming, for demonstrations: event time runs faster than the clock, from a day ago until it has caught up.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    load::{Event, Message, Messages, Shape},
    parts::{kafka::Broker, producer::Producer},
};

/// Partitions of the topic that [`feed`] wants.
pub const PARTITIONS: usize = 4;
/// A minute of event time every two seconds.
const SPEED: i64 = 30;
const DAY_MS: i64 = 86_400_000;

/// Produces `rate` events a second, some malformed and some behind, until `over` says so; how many it was.
pub fn feed(broker: &Broker, topic: &str, rate: usize, over: impl Fn() -> bool) -> usize {
    let now = chrono::Utc::now().timestamp_millis();
    let seconds = 100_000;
    let shape = Shape {
        from_ms: now - DAY_MS,
        span_ms: seconds as i64 * 1000 * SPEED,
        ..Shape::of(rate * seconds, 1)
    };
    let mut producer = Producer::new(broker, topic, PARTITIONS);
    let start = Instant::now();
    for (n, message) in Messages::new(shape).enumerate() {
        if n.is_multiple_of(50) {
            if over() {
                break;
            }
            let due = start + Duration::from_secs_f64(n as f64 / rate as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        producer.send(n % PARTITIONS, not_in_the_future(message));
    }
    producer.flush();
    producer.produced.total()
}

fn not_in_the_future(message: Message) -> Message {
    let now = chrono::Utc::now().timestamp_millis();
    let cap = |event: Event| Event {
        ts_ms: event.ts_ms.min(now),
        ..event
    };
    match message {
        Message::Event(event) => Message::Event(cap(event)),
        Message::Behind(event) => Message::Behind(cap(event)),
        Message::Malformed => Message::Malformed,
    }
}
