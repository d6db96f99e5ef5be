//! Seeded events of the metrics job, and the record of what was produced.
//!
//! # What is hard about it
//! What is late depends on where epochs end, so the load only says which events *may* be late: they lie five minutes behind their
//! neighbours, while every other event is within four seconds of them, well inside the stream's ten-second watermark. So: whatever
//! the server calls late must be one of ours, and everything that is not late must be in gold.

use std::fmt::Write as _;

use rand::{Rng, SeedableRng, rngs::StdRng};

/// Event types, the first far more frequent than the others, so that some groups have more than 1024 rows.
pub const EVENT_TYPES: [&str; 5] = ["page_view", "click", "search", "purchase", "signup"];
/// User segments.
pub const SEGMENTS: [&str; 4] = ["free", "premium", "trial", "enterprise"];
/// How far behind an event that may be late lies.
pub const LATE_BY_MS: i64 = 300_000;
/// 2026-03-01T22:50:00Z: late enough in a day that twenty minutes cross hours, and two hours a date.
pub const BASE_MS: i64 = 1_772_405_400_000;

/// What one produced message is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Message {
    /// A good event.
    Event(Event),
    /// A good event that may be late.
    Behind(Event),
    /// A message that does not decode.
    Malformed,
}

/// One event of the metrics job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// Event time, milliseconds since the epoch.
    pub ts_ms: i64,
    /// Index into [`EVENT_TYPES`].
    pub event_type: u8,
    /// Index into [`SEGMENTS`].
    pub segment: u8,
    /// The measured value.
    pub value: f64,
}

/// What to produce.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Seed of everything random.
    pub seed: u64,
    /// How many messages.
    pub messages: usize,
    /// Event time of the first one, milliseconds since the epoch.
    pub from_ms: i64,
    /// Event time passed between the first and the last one, milliseconds.
    pub span_ms: i64,
    /// Malformed messages in a thousand.
    pub malformed_per_mille: u32,
    /// Events that may be late in a thousand.
    pub behind_per_mille: u32,
}

impl Shape {
    /// The mix: 3 % malformed, 1 % behind, over twenty minutes of event time.
    pub fn of(messages: usize, seed: u64) -> Self {
        Self {
            seed,
            messages,
            from_ms: BASE_MS,
            span_ms: 20 * 60_000,
            malformed_per_mille: 30,
            behind_per_mille: 10,
        }
    }

    /// Only good events, none behind.
    #[must_use]
    pub fn clean(mut self) -> Self {
        self.malformed_per_mille = 0;
        self.behind_per_mille = 0;
        self
    }

    /// An event time after which every window of this load is closed, and far enough from it to have a window of its own.
    pub fn closing_ms(&self) -> i64 {
        (self.from_ms + self.span_ms) / 60_000 * 60_000 + 10 * 60_000
    }
}

/// Messages of a shape, one after the other, the same for the same seed.
#[derive(Debug)]
pub struct Messages {
    shape: Shape,
    rng: StdRng,
    made: usize,
}

impl Messages {
    /// Starts at the first message.
    pub fn new(shape: Shape) -> Self {
        let rng = StdRng::seed_from_u64(shape.seed);
        Self {
            shape,
            rng,
            made: 0,
        }
    }
}

impl Iterator for Messages {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        if self.made == self.shape.messages {
            return None;
        }
        let done = i64::try_from(self.made).ok()? * self.shape.span_ms
            / i64::try_from(self.shape.messages).ok()?;
        self.made += 1;
        let kind = self.rng.random_range(0..1000);
        let event = Event {
            ts_ms: self.shape.from_ms + done + self.rng.random_range(0..4000),
            event_type: skewed(&mut self.rng, EVENT_TYPES.len()),
            segment: skewed(&mut self.rng, SEGMENTS.len()),
            value: value(&mut self.rng),
        };
        let behind = self.shape.malformed_per_mille + self.shape.behind_per_mille;
        Some(if kind < self.shape.malformed_per_mille {
            Message::Malformed
        } else if kind < behind && done > LATE_BY_MS + 60_000 {
            Message::Behind(Event {
                ts_ms: event.ts_ms - LATE_BY_MS,
                ..event
            })
        } else {
            Message::Event(event)
        })
    }
}

/// Halves the odds from one to the next.
fn skewed(rng: &mut StdRng, of: usize) -> u8 {
    let mut index = 0;
    while index + 1 < of && rng.random_range(0..10) >= 6 {
        index += 1;
    }
    u8::try_from(index).unwrap_or_default()
}

/// Three decimals, long-tailed, sometimes negative or zero.
fn value(rng: &mut StdRng) -> f64 {
    let uniform: f64 = rng.random_range(0.0001..1.0);
    let scaled = (-uniform.ln() * 40_000.0).round() - 2_000.0;
    scaled / 1000.0
}

/// The payload of an event: about 164 bytes, with fields the stream does not declare.
pub fn write_event(event: &Event, number: usize, out: &mut Vec<u8>) {
    out.clear();
    let mut text = String::with_capacity(200);
    text.push_str("{\"timestamp\":\"");
    write_timestamp(event.ts_ms, &mut text);
    write!(
        text,
        "\",\"event_type\":\"{}\",\"user_segment\":\"{}\",\"value\":{},\"user_id\":\"u{:07}\",\"session\":\"{:016x}\"}}",
        EVENT_TYPES[usize::from(event.event_type)],
        SEGMENTS[usize::from(event.segment)],
        event.value,
        number % 1_000_000,
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
    )
    .expect("writing to a string");
    out.extend_from_slice(text.as_bytes());
}

/// The segment of an event whose payload has none: NULL in every engine.
pub const NO_SEGMENT: u8 = u8::MAX;

/// How the `number`th event of a dirty load is written.
fn form(number: usize) -> usize {
    // over the partitions evenly, though messages go to them round robin
    (number / 4 + number) % 8
}

/// The event as a dirty load has it: every eighth has no segment.
pub fn dirtied(event: Event, number: usize) -> Event {
    match form(number) {
        3 => Event {
            segment: NO_SEGMENT,
            ..event
        },
        _ => event,
    }
}

/// The payload of an event as producers make it: half have their fields in another order, one missing, escapes, or long texts. The event
/// has come through [`dirtied`].
pub fn write_dirty_event(event: &Event, number: usize, out: &mut Vec<u8>) {
    let form = form(number);
    if form.is_multiple_of(2) {
        return write_event(event, number, out);
    }
    out.clear();
    let mut text = String::with_capacity(400);
    let kind = EVENT_TYPES[usize::from(event.event_type)];
    let segment = SEGMENTS.get(usize::from(event.segment));
    let segment = segment.map_or(String::new(), |name| {
        format!("\"user_segment\":\"{name}\",")
    });
    let value = event.value;
    let mut time = String::with_capacity(24);
    write_timestamp(event.ts_ms, &mut time);
    match form {
        1 => write!(
            text,
            "{{\"value\":{value},\"session\":\"{number:016x}\",{segment}\"event_type\":\"{kind}\",\"timestamp\":\"{time}\"}}"
        ),
        3 => write!(
            text,
            "{{\"timestamp\":\"{time}\",\"event_type\":\"{kind}\",{segment}\"value\":{value},\"user_id\":\"u{number:07}\"}}"
        ),
        5 => {
            let (first, rest) = kind.split_at(1);
            let code = u32::from(first.as_bytes()[0]);
            write!(
                text,
                "{{\"timestamp\":\"{time}\",\"event_type\":\"\\u{code:04x}{rest}\",{segment}\"value\":{value},\"note\":\"a \\\"quoted\\\" \\ud83d\\ude00\\n\"}}"
            )
        }
        _ => write!(
            text,
            "{{\"timestamp\":\"{time}\",\"event_type\":\"{kind}\",{segment}\"note\":\"{}\",\"value\":{value}}}",
            "a longer text than usual ".repeat(10)
        ),
    }
    .expect("writing to a string");
    out.extend_from_slice(text.as_bytes());
}

/// RFC 3339 in UTC with milliseconds.
pub fn write_timestamp(ts_ms: i64, out: &mut String) {
    let time = chrono::DateTime::from_timestamp_millis(ts_ms).expect("a time within range");
    write!(out, "{}", time.format("%Y-%m-%dT%H:%M:%S%.3fZ")).expect("writing to a string");
}

/// The `n`th way of being malformed; `None` is a null payload.
pub fn malformed(n: usize) -> Option<&'static [u8]> {
    const WAYS: [Option<&[u8]>; 9] = [
        Some(b"{\"timestamp\":\"2026-03-01T22:51:00.000Z\",\"event_type\":\"click\",\"user_seg"),
        Some(b"not json at all"),
        Some(b""),
        None,
        Some(b"[1,2,3]"),
        Some(b"{\"timestamp\":\"2026-03-01T22:51:00Z\",\"event_type\":\"click\",\"user_segment\":\"free\",\"value\":\"much\"}"),
        Some(b"{\"timestamp\":\"yesterday\",\"event_type\":\"click\",\"user_segment\":\"free\",\"value\":1.5}"),
        Some(b"{\"timestamp\":\"2026-03-01T22:51:00Z\",\"event_type\":\"cl\xff\xfeick\",\"user_segment\":\"free\",\"value\":1}"),
        Some(b"{\"timestamp\":\"2026-03-01T22:51:00Z\",\"event_type\":\"click\",\"user_segment\":\"free\",\"value\":{\"amount\":1}}"),
    ];
    WAYS[n % WAYS.len()]
}

/// The `n`th way of not being JSON at all, which engines agree about; `None` is a null payload.
pub fn no_json(n: usize) -> Option<&'static [u8]> {
    malformed(n % 4)
}

/// What was produced to one topic: per partition, the message at each offset.
#[derive(Clone, Debug, Default)]
pub struct Produced {
    /// `partitions[p][offset]`.
    pub partitions: Vec<Vec<Message>>,
}

impl Produced {
    /// Nothing yet, to a topic of `partitions`.
    pub fn new(partitions: usize) -> Self {
        Self {
            partitions: vec![Vec::new(); partitions],
        }
    }

    /// All messages.
    pub fn total(&self) -> usize {
        self.partitions.iter().map(Vec::len).sum()
    }

    /// The malformed ones.
    pub fn malformed(&self) -> usize {
        self.iter()
            .filter(|(_, _, message)| *message == Message::Malformed)
            .count()
    }

    /// The ones that may be late.
    pub fn behind(&self) -> usize {
        self.iter()
            .filter(|(_, _, message)| matches!(message, Message::Behind(_)))
            .count()
    }

    /// Partition, offset, message.
    pub fn iter(&self) -> impl Iterator<Item = (i32, i64, Message)> + '_ {
        self.partitions.iter().zip(0..).flat_map(|(messages, p)| {
            messages
                .iter()
                .zip(0..)
                .map(move |(message, offset)| (p, offset, *message))
        })
    }

    /// The message at an offset.
    pub fn get(&self, partition: i32, offset: i64) -> Option<Message> {
        self.partitions
            .get(usize::try_from(partition).ok()?)?
            .get(usize::try_from(offset).ok()?)
            .copied()
    }
}

#[cfg(test)]
mod tests;
