//! A producer that remembers what it produced, offset by offset.
//!
//! Idempotent and in order within a partition, so on a topic of its own the n-th message sent to a partition is at offset n; that is
//! checked against the broker's own end offsets on every flush, and a message not acknowledged is a failure.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig, ClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};

use crate::{
    load::{
        Event, Message, Messages, Produced, Shape, dirtied, malformed, no_json, write_dirty_event,
        write_event,
    },
    parts::kafka::Broker,
};

struct Acks;

impl ClientContext for Acks {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
}

impl ProducerContext for Acks {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((e, message)) = result {
            use rdkafka::Message as _;
            // Not a panic: this runs inside a C callback. The flush below sees the missing offset.
            eprintln!("not delivered to partition {}: {e}", message.partition());
        }
    }
}

/// Sends to one topic and keeps the record.
pub struct Producer<'a> {
    broker: &'a Broker,
    topic: String,
    inner: BaseProducer<Acks>,
    payload: Vec<u8>,
    sent: usize,
    dirty: bool,
    /// Users that there are.
    users: usize,
    /// What was produced so far.
    pub produced: Produced,
}

impl<'a> Producer<'a> {
    /// To an empty topic of this many partitions.
    pub fn new(broker: &'a Broker, topic: &str, partitions: usize) -> Self {
        Self::with_linger(broker, topic, partitions, 5)
    }

    /// As [`Producer::new`]; messages wait at most this many milliseconds for company.
    pub fn with_linger(broker: &'a Broker, topic: &str, partitions: usize, linger_ms: u32) -> Self {
        Self::with(broker, topic, partitions, linger_ms, "lz4")
    }

    /// As [`Producer::with_linger`], compressed by this codec of Kafka's (`none`, `lz4`, `zstd`, `snappy`, `gzip`).
    pub fn with(
        broker: &'a Broker,
        topic: &str,
        partitions: usize,
        linger_ms: u32,
        codec: &str,
    ) -> Self {
        let inner = ClientConfig::new()
            .set("bootstrap.servers", broker.bootstrap())
            .set("enable.idempotence", "true")
            .set("linger.ms", linger_ms.to_string())
            .set("batch.num.messages", "20000")
            .set("queue.buffering.max.messages", "200000")
            .set("message.max.bytes", "20000000")
            .set("message.timeout.ms", "60000")
            .set("compression.type", codec)
            .create_with_context(Acks)
            .expect("a producer");
        Self {
            broker,
            topic: topic.to_owned(),
            inner,
            payload: Vec::with_capacity(256),
            sent: 0,
            dirty: false,
            users: usize::MAX,
            produced: Produced::new(partitions),
        }
    }

    /// From now on events look as producers make them, not all the same ([`write_dirty_event`]); malformed ones are no JSON at all.
    pub fn dirty(&mut self) {
        self.dirty = true;
    }

    /// From now on the `n`th event sent is of user `n` modulo this many.
    pub fn users(&mut self, users: usize) {
        self.users = users;
    }

    /// Sends all messages of a shape, round robin over the partitions.
    pub fn send_all(&mut self, shape: &Shape) {
        for message in Messages::new(shape.clone()) {
            let partition = self.sent % self.produced.partitions.len();
            self.send(partition, message);
        }
    }

    /// Sends one event per partition at `ts_ms`, so that every window before it closes.
    pub fn close_windows(&mut self, ts_ms: i64) {
        for partition in 0..self.produced.partitions.len() {
            self.send(
                partition,
                Message::Event(Event {
                    ts_ms,
                    event_type: 0,
                    segment: 0,
                    value: 1.0,
                }),
            );
        }
        self.flush();
    }

    /// Sends one message of the load.
    pub fn send(&mut self, partition: usize, message: Message) {
        let mut payload = std::mem::take(&mut self.payload);
        let message = match message {
            Message::Event(event) if self.dirty => Message::Event(dirtied(event, self.sent)),
            Message::Behind(event) if self.dirty => Message::Behind(dirtied(event, self.sent)),
            other => other,
        };
        let turn = self.sent / self.produced.partitions.len();
        let bytes = match message {
            Message::Event(event) | Message::Behind(event) => {
                let write = if self.dirty {
                    write_dirty_event
                } else {
                    write_event
                };
                write(&event, self.sent % self.users, &mut payload);
                Some(payload.as_slice())
            }
            Message::Malformed if self.dirty => no_json(turn),
            Message::Malformed => malformed(turn),
        };
        self.enqueue(partition, bytes);
        self.payload = payload;
        self.sent += 1;
        self.produced.partitions[partition].push(message);
    }

    /// Sends bytes of one's own; they count as malformed in the record.
    pub fn send_raw(&mut self, partition: usize, payload: Option<&[u8]>) {
        self.enqueue(partition, payload);
        self.produced.partitions[partition].push(Message::Malformed);
    }

    fn enqueue(&self, partition: usize, payload: Option<&[u8]>) {
        let number = i32::try_from(partition).expect("a partition number");
        let mut record: BaseRecord<'_, (), [u8]> = BaseRecord::to(&self.topic).partition(number);
        if let Some(payload) = payload {
            record = record.payload(payload);
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match self.inner.send(record) {
                Ok(()) => break,
                // A partition that was just added is known after the next look at the metadata.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::UnknownPartition), again))
                    if Instant::now() < deadline =>
                {
                    let _ = self
                        .inner
                        .client()
                        .fetch_metadata(Some(&self.topic), Duration::from_secs(5));
                    self.inner.poll(Duration::from_millis(100));
                    record = again;
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    self.inner.poll(Duration::from_millis(20));
                    record = again;
                }
                Err((e, _)) => panic!("produce to {}/{partition}: {e}", self.topic),
            }
        }
        if self.sent.is_multiple_of(1000) {
            self.inner.poll(Duration::ZERO);
        }
    }

    /// Waits until everything is acknowledged and the broker's end offsets say the same as the record.
    pub fn flush(&self) {
        self.inner
            .flush(Duration::from_secs(60))
            .unwrap_or_else(|e| panic!("flush of {}: {e}", self.topic));
        for (messages, partition) in self.produced.partitions.iter().zip(0..) {
            let (_, end) = self.broker.offsets(&self.topic, partition);
            assert_eq!(
                end,
                messages.len() as i64,
                "end offset of {}/{partition} is not what was produced",
                self.topic
            );
        }
    }
}

#[cfg(test)]
mod tests;
