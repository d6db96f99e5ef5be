//! The Kafka source against a real broker.
//!
//! Runs when `SLUICE_TEST_KAFKA` names one (`127.0.0.1:9092`); without it every test says that it was skipped. With
//! `SLUICE_TEST_KAFKA_PID` the broker's process is stopped and continued as well.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{
    array::{Array, AsArray},
    datatypes::{
        DataType, Field, Float64Type, Int32Type, Int64Type, Schema, SchemaRef, TimeUnit,
        TimestampMicrosecondType,
    },
};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{
        AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
        TopicReplication,
    },
    client::DefaultClientContext,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use sluice_connectors::{
    error::ConnectorError,
    open_source,
    source::{ReadRequest, Source, SourceEvent, SourceReader, SplitBatch, SplitId, SplitPosition},
};

const WAIT: Duration = Duration::from_secs(30);

/// Each test with either one fetching.
macro_rules! both_ways {
    ($($test:ident),+ $(,)?) => {
        mod direct {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test("direct").await;
            })+
        }
        mod librdkafka {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test("librdkafka").await;
            })+
        }
    };
}

both_ways!(
    rows_bad_rows_and_metadata,
    every_codec_and_ten_megabytes,
    bounds_over_transactions,
    partitions_that_appear_are_read_from_their_start,
    startup_positions,
    offsets_that_are_gone_are_an_error,
    a_topic_made_anew_is_not_gone_on_with,
    pressure_holds_the_reader_and_loses_nothing,
    a_broker_that_stands_still_is_trouble_and_then_over,
);

/// The broker to test with, or a word on why nothing is tested.
fn broker(test: &str) -> Option<String> {
    let broker = std::env::var("SLUICE_TEST_KAFKA").ok();
    if broker.is_none() {
        eprintln!("{test}: skipped, SLUICE_TEST_KAFKA names no broker");
    }
    broker
}

struct Topic {
    broker: String,
    /// Who fetches: every test is told both ways.
    fetch: &'static str,
    name: String,
    admin: AdminClient<DefaultClientContext>,
}

impl Topic {
    async fn new(broker: String, fetch: &'static str, partitions: i32) -> Self {
        let admin = ClientConfig::new()
            .set("bootstrap.servers", &broker)
            .create()
            .unwrap();
        let name = format!("t{}", uuid::Uuid::new_v4().simple());
        let topic = Self {
            broker,
            fetch,
            name,
            admin,
        };
        topic.create(partitions).await;
        topic
    }

    async fn create(&self, partitions: i32) {
        let new = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(1));
        // A busy machine, or a test beside that has the broker stand still for a while.
        let patient = AdminOptions::new().request_timeout(Some(Duration::from_secs(60)));
        let done = self.admin.create_topics([&new], &patient).await;
        assert!(done.unwrap().iter().all(Result::is_ok));
        // Metadata spreads a moment later.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    async fn delete(&self) {
        let done = self
            .admin
            .delete_topics(&[&self.name], &AdminOptions::new())
            .await;
        assert!(done.unwrap().iter().all(Result::is_ok));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    fn producer(&self, transactional: bool) -> BaseProducer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.broker);
        config.set("queue.buffering.max.messages", "1000000");
        config.set("linger.ms", "5");
        if transactional {
            config.set("transactional.id", &self.name);
        }
        config.create().unwrap()
    }

    fn send(&self, messages: impl IntoIterator<Item = (i32, String)>) {
        let producer = self.producer(false);
        for (partition, payload) in messages {
            put(&producer, &self.name, partition, &payload);
        }
        producer.flush(WAIT).unwrap();
    }

    fn source(&self, more: &[(&str, &str)]) -> Arc<dyn Source> {
        let base = [
            ("bootstrap_servers", self.broker.as_str()),
            ("topic", self.name.as_str()),
            ("format", "json"),
            ("metadata_refresh", "300 ms"),
            ("fetch", self.fetch),
        ];
        let options: BTreeMap<String, String> = base
            .iter()
            .chain(more)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        open_source("kafka", schema(), &options).unwrap()
    }

    fn split(&self, partition: i32) -> SplitId {
        SplitId {
            stream: 0,
            topic: self.name.clone(),
            partition,
        }
    }
}

fn put(producer: &BaseProducer, topic: &str, partition: i32, payload: &str) {
    loop {
        let record = BaseRecord::<(), str>::to(topic)
            .partition(partition)
            .payload(payload);
        if producer.send(record).is_ok() {
            producer.poll(Duration::ZERO);
            return;
        }
        producer.poll(Duration::from_millis(10));
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
        Field::new("value", DataType::Float64, true),
    ]))
}

fn numbered(partition: i32, numbers: std::ops::Range<i64>) -> Vec<(i32, String)> {
    numbers
        .map(|n| (partition, format!("{{\"n\":{n},\"value\":{n}.5}}")))
        .collect()
}

fn request(columns: &[&str]) -> ReadRequest {
    ReadRequest {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        positions: Vec::new(),
        until: BTreeMap::new(),
        inbox_bytes: 64 << 20,
        batch_rows: 1000,
    }
}

/// The reader ended because something is gone, and says what.
fn assert_lost(error: &ConnectorError, says: &str) {
    assert!(
        matches!(error, ConnectorError::DataLost { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(says), "{error}");
}

/// What a reader has said so far, with the contract checked on the way.
#[derive(Default)]
struct Heard {
    found: BTreeMap<i32, (SplitPosition, i64)>,
    next: BTreeMap<i32, i64>,
    rows: BTreeMap<i32, Vec<i64>>,
    bad: Vec<(i32, i64, String)>,
    ends: BTreeMap<i32, i64>,
    end_events: usize,
    finished: BTreeSet<i32>,
    troubles: Vec<ConnectorError>,
    recovered: usize,
    batches: Vec<SplitBatch>,
}

impl Heard {
    fn total(&self) -> usize {
        self.rows.values().map(Vec::len).sum()
    }

    fn take(&mut self, reader: &SourceReader, event: SourceEvent) -> Option<ConnectorError> {
        match event {
            SourceEvent::SplitFound {
                position,
                end_offset,
            } => {
                let partition = position.split.partition;
                self.next.insert(partition, position.next_offset);
                assert!(
                    self.found
                        .insert(partition, (position, end_offset))
                        .is_none()
                );
            }
            SourceEvent::Batch(batch) => {
                let partition = batch.split.partition;
                let next = self.next.get_mut(&partition).unwrap();
                assert_eq!(batch.range.start, *next, "a gap or an overlap");
                assert!(batch.range.end > batch.range.start);
                *next = batch.range.end;
                assert_eq!(batch.rows.num_rows(), batch.offsets.len());
                assert_eq!(batch.rows.num_rows(), batch.timestamps_ms.len());
                assert!(batch.offsets.is_sorted());
                assert!(
                    batch
                        .offsets
                        .iter()
                        .all(|offset| batch.range.contains(offset))
                );
                if let Some(n) = batch.rows.column_by_name("n") {
                    let values = n.as_primitive::<Int64Type>().values();
                    self.rows.entry(partition).or_default().extend(values);
                }
                for bad in &batch.bad {
                    self.bad.push((partition, bad.offset, bad.error.clone()));
                }
                reader.release(&batch);
                self.batches.push(batch);
            }
            SourceEvent::EndOffset { split, end_offset } => {
                self.ends.insert(split.partition, end_offset);
                self.end_events += 1;
            }
            SourceEvent::Finished { split } => {
                assert!(self.finished.insert(split.partition));
            }
            SourceEvent::Trouble(error) => self.troubles.push(error),
            SourceEvent::Recovered => self.recovered += 1,
            SourceEvent::Failed(error) => return Some(error),
        }
        None
    }

    /// Listens until `enough`, or panics.
    async fn listen(&mut self, reader: &mut SourceReader, enough: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + WAIT;
        while !enough(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, reader.events.recv()).await {
                Ok(Some(event)) => {
                    if let Some(error) = self.take(reader, event) {
                        panic!("failed: {error}");
                    }
                }
                Ok(None) => panic!("the reader ended with {} rows", self.total()),
                Err(_) => panic!(
                    "nothing more after {} rows, splits {:?}, ends {:?}, troubles {:?}",
                    self.total(),
                    self.found.keys(),
                    self.ends,
                    self.troubles
                ),
            }
        }
    }

    /// Listens until the reader fails.
    async fn failure(&mut self, reader: &mut SourceReader) -> ConnectorError {
        loop {
            let event = tokio::time::timeout(WAIT, reader.events.recv()).await;
            if let Some(error) = self.take(reader, event.unwrap().unwrap()) {
                return error;
            }
        }
    }
}

async fn rows_bad_rows_and_metadata(fetch: &'static str) {
    let Some(broker) = broker("rows_bad_rows_and_metadata") else {
        return;
    };
    let topic = Topic::new(broker, fetch, 3).await;
    topic.send(numbered(0, 0..5000));
    topic.send(numbered(1, 0..10));
    let producer = topic.producer(false);
    for (index, payload) in [Some("{\"n\":1}"), Some("{\"n\":\"x\"}"), None, Some("")]
        .into_iter()
        .enumerate()
    {
        let headers = OwnedHeaders::new()
            .insert(Header {
                key: "h",
                value: Some("v"),
            })
            .insert(Header {
                key: "h",
                value: None::<&str>,
            });
        let mut record = BaseRecord::<str, str>::to(&topic.name)
            .partition(2)
            .key("key")
            .timestamp(1_700_000_000_000 + index as i64)
            .headers(headers);
        if let Some(payload) = payload {
            record = record.payload(payload);
        }
        producer.send(record).unwrap();
    }
    producer.flush(WAIT).unwrap();

    let source = topic.source(&[]);
    let splits = source.probe().await.unwrap();
    let ends: Vec<_> = splits
        .iter()
        .map(|split| (split.first_offset, split.end_offset))
        .collect();
    assert_eq!(ends, [(0, 5000), (0, 10), (0, 4)]);
    let id = splits[0].topic_id.clone().unwrap();
    assert_eq!(source.topic_ids().await.unwrap()[&topic.name], id);

    let columns = [
        "_key",
        "n",
        "_offset",
        "_topic",
        "_partition",
        "_timestamp",
        "_headers",
        "value",
    ];
    let mut reader = source.read(request(&columns)).unwrap();
    let mut heard = Heard::default();
    heard
        .listen(&mut reader, |heard| {
            heard.ends.len() == 3 && heard.total() == 5011
        })
        .await;
    assert_eq!(heard.found[&0].0.topic_id, Some(id));
    assert_eq!(heard.found[&2].1, 4);
    assert_eq!(heard.rows[&0], (0..5000).collect::<Vec<_>>());
    assert_eq!(heard.ends, [(0, 5000), (1, 10), (2, 4)].into());
    let mut bad = heard.bad.clone();
    bad.sort();
    assert_eq!(bad.len(), 3);
    assert_eq!((bad[0].0, bad[0].1), (2, 1));
    assert!(bad[0].2.contains("field \"n\""), "{}", bad[0].2);
    assert!(bad[1].2.contains("null"), "{}", bad[1].2);
    assert!(bad[2].2.contains("empty"), "{}", bad[2].2);
    let batch = heard
        .batches
        .iter()
        .find(|batch| batch.split.partition == 2)
        .unwrap();
    let rows = &batch.rows;
    let names: Vec<_> = rows
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    assert_eq!(names, columns);
    assert_eq!(rows.num_rows(), 1);
    assert_eq!(rows["_key"].as_binary::<i32>().value(0), b"key");
    assert_eq!(rows["_topic"].as_string::<i32>().value(0), topic.name);
    assert_eq!(rows["_partition"].as_primitive::<Int32Type>().value(0), 2);
    let stamp = rows["_timestamp"]
        .as_primitive::<TimestampMicrosecondType>()
        .value(0);
    assert_eq!(stamp, 1_700_000_000_000_000);
    let headers = rows["_headers"].as_list::<i32>().value(0);
    let headers = headers.as_struct();
    assert_eq!(headers.column(0).as_string::<i32>().value(1), "h");
    assert_eq!(headers.column(1).as_binary::<i32>().value(0), b"v");
    assert!(headers.column(1).is_null(1));
    assert!(rows["value"].as_primitive::<Float64Type>().is_null(0));

    // Live: a message sent now is there in milliseconds, the ends are fresh when asked for.
    let begun = Instant::now();
    topic.send([(1, "{\"n\":77}".to_owned())]);
    heard
        .listen(&mut reader, |heard| heard.rows[&1].last() == Some(&77))
        .await;
    eprintln!(
        "live: {:?} from before the producer's start to the row",
        begun.elapsed()
    );
    let events = heard.end_events;
    reader.ask_ends();
    heard
        .listen(&mut reader, |heard| heard.end_events >= events + 3)
        .await;
    assert_eq!(heard.ends[&1], 11);
    let position = SplitPosition {
        next_offset: 11,
        ..heard.found[&1].0.clone()
    };
    source.advertise(&[position]).await.unwrap();
}

async fn every_codec_and_ten_megabytes(fetch: &'static str) {
    let Some(broker) = broker("every_codec_and_ten_megabytes") else {
        return;
    };
    let topic = Topic::new(broker, fetch, 1).await;
    let config = AlterConfig::new(ResourceSpecifier::Topic(&topic.name))
        .set("max.message.bytes", "20000000");
    let done = topic
        .admin
        .alter_configs([&config], &AdminOptions::new())
        .await;
    assert!(done.unwrap().iter().all(Result::is_ok));
    for (index, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].iter().enumerate() {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &topic.broker)
            .set("compression.type", *codec)
            .set("message.max.bytes", "20000000")
            .create()
            .unwrap();
        let first = index as i64 * 100;
        for n in first..first + 99 {
            put(
                &producer,
                &topic.name,
                0,
                &format!("{{\"n\":{n},\"x\":\"{}\"}}", "y".repeat(200)),
            );
        }
        producer.flush(WAIT).unwrap();
        let last = format!(
            "{{\"x\":\"{}\",\"n\":{}}}",
            "z".repeat(10 << 20),
            first + 99
        );
        put(&producer, &topic.name, 0, &last);
        // Ten megabytes that are cut off.
        put(&producer, &topic.name, 0, &last[..last.len() - 3]);
        producer.flush(WAIT).unwrap();
    }
    let mut reader = topic.source(&[]).read(request(&["n"])).unwrap();
    let mut heard = Heard::default();
    heard
        .listen(&mut reader, |heard| heard.ends.get(&0) == Some(&505))
        .await;
    assert_eq!(heard.rows[&0], (0..500).collect::<Vec<_>>());
    assert_eq!(heard.bad.len(), 5);
    let bad = heard.batches.iter().flat_map(|batch| &batch.bad);
    assert!(
        bad.map(|bad| bad.payload.as_ref().unwrap().len())
            .all(|length| length > 10 << 20)
    );
}

async fn bounds_over_transactions(fetch: &'static str) {
    let Some(broker) = broker("bounds_over_transactions") else {
        return;
    };
    let topic = Topic::new(broker, fetch, 1).await;
    let producer = topic.producer(true);
    producer.init_transactions(WAIT).unwrap();
    for (numbers, commit) in [
        (0..10, true),
        (10..20, false),
        (20..30, true),
        (30..40, false),
    ] {
        producer.begin_transaction().unwrap();
        for n in numbers {
            put(&producer, &topic.name, 0, &format!("{{\"n\":{n}}}"));
        }
        producer.flush(WAIT).unwrap();
        if commit {
            producer.commit_transaction(WAIT).unwrap();
        } else {
            producer.abort_transaction(WAIT).unwrap();
        }
    }
    let source = topic.source(&[]);
    let splits = source.probe().await.unwrap();
    // 40 messages and 4 markers; the log ends in an aborted transaction, whose messages nobody will ever see.
    assert_eq!(splits[0].end_offset, 44);
    let expected: Vec<i64> = (0..10).chain(20..30).collect();
    // Bounds on a message, on a marker, inside of an aborted transaction, on its marker, at the end.
    for (until, rows) in [
        (5, 5),
        (10, 10),
        (11, 10),
        (15, 10),
        (22, 10),
        (23, 11),
        (33, 20),
        (40, 20),
        (43, 20),
        (44, 20),
    ] {
        let mut bounded = request(&["n"]);
        bounded.until.insert(topic.split(0), until);
        let mut reader = source.read(bounded).unwrap();
        let mut heard = Heard::default();
        heard
            .listen(&mut reader, |heard| heard.finished.contains(&0))
            .await;
        assert_eq!(
            heard.rows.get(&0).cloned().unwrap_or_default(),
            expected[..rows],
            "until {until}"
        );
        assert_eq!(heard.next[&0], until);
        assert!(reader.events.recv().await.is_none());
    }
    // Nothing to read: finished at once.
    let mut bounded = request(&["n"]);
    bounded.until.insert(topic.split(0), 0);
    let mut reader = source.read(bounded).unwrap();
    let mut heard = Heard::default();
    heard
        .listen(&mut reader, |heard| heard.finished.contains(&0))
        .await;
    assert_eq!(heard.total(), 0);

    // An open transaction holds the end back: what is not committed is not there.
    producer.begin_transaction().unwrap();
    put(&producer, &topic.name, 0, "{\"n\":100}");
    producer.flush(WAIT).unwrap();
    assert_eq!(source.probe().await.unwrap()[0].end_offset, 44);
    let mut reader = source.read(request(&["n"])).unwrap();
    let mut heard = Heard::default();
    heard
        .listen(&mut reader, |heard| heard.ends.get(&0) == Some(&44))
        .await;
    assert_eq!(heard.rows[&0], expected);
    producer.commit_transaction(WAIT).unwrap();
    heard
        .listen(&mut reader, |heard| heard.rows[&0].last() == Some(&100))
        .await;
}

async fn partitions_that_appear_are_read_from_their_start(fetch: &'static str) {
    let Some(broker) = broker("partitions_that_appear_are_read_from_their_start") else {
        return;
    };
    let topic = Topic::new(broker, fetch, 1).await;
    topic.send(numbered(0, 0..3));
    let source = topic.source(&[("startup", "latest")]);
    let mut reader = source.read(request(&["n"])).unwrap();
    let mut heard = Heard::default();
    heard
        .listen(&mut reader, |heard| heard.ends.len() == 1)
        .await;
    assert_eq!(heard.found[&0].0.next_offset, 3);
    // so long that the broker holds questions for seconds: whoever adds a partition interrupts one
    tokio::time::sleep(Duration::from_secs(12)).await;
    let grown = NewPartitions::new(&topic.name, 3);
    let done = topic
        .admin
        .create_partitions([&grown], &AdminOptions::new())
        .await;
    assert!(done.unwrap().iter().all(Result::is_ok));
    tokio::time::sleep(Duration::from_millis(100)).await;
    topic.send(numbered(2, 0..5));
    heard
        .listen(&mut reader, |heard| {
            heard.found.len() == 3 && heard.total() == 5
        })
        .await;
    assert_eq!(heard.rows[&2], [0, 1, 2, 3, 4]);
    topic.send(numbered(0, 3..4));
    heard.listen(&mut reader, |heard| heard.total() == 6).await;
}

async fn startup_positions(fetch: &'static str) {
    let Some(broker) = broker("startup_positions") else {
        return;
    };
    let topic = Topic::new(broker, fetch, 2).await;
    let producer = topic.producer(false);
    for n in 0..10_i64 {
        let payload = format!("{{\"n\":{n}}}");
        let record = BaseRecord::<(), str>::to(&topic.name)
            .partition(0)
            .payload(&payload)
            .timestamp(1_000_000 + n * 1000);
        producer.send(record).unwrap();
    }
    producer.flush(WAIT).unwrap();
    for (startup, starts) in [
        ("earliest", (0, 0)),
        ("latest", (10, 0)),
        ("timestamp:1004000", (4, 0)),
        ("timestamp:1970-01-01 00:16:44.001", (5, 0)),
        ("timestamp:2030-01-01", (10, 0)),
        ("offsets:0=7", (7, 0)),
    ] {
        let source = topic.source(&[("startup", startup)]);
        let mut reader = source.read(request(&["n"])).unwrap();
        let mut heard = Heard::default();
        heard
            .listen(&mut reader, |heard| heard.ends.len() == 2)
            .await;
        let found = (heard.found[&0].0.next_offset, heard.found[&1].0.next_offset);
        assert_eq!(found, starts, "{startup}");
        assert_eq!(heard.total() as i64, 10 - starts.0, "{startup}");
    }
    // Positions win over the option; a split that they do not name begins at its first offset.
    let source = topic.source(&[("startup", "latest")]);
    let mut request = request(&["n"]);
    request.positions.push(SplitPosition {
        split: topic.split(0),
        next_offset: 8,
        topic_id: source.topic_ids().await.unwrap().remove(&topic.name),
        leader_epoch: Some(0),
    });
    let mut reader = source.read(request).unwrap();
    let mut heard = Heard::default();
    heard
        .listen(&mut reader, |heard| heard.ends.len() == 2)
        .await;
    assert_eq!(heard.rows[&0], [8, 9]);
}

async fn offsets_that_are_gone_are_an_error(fetch: &'static str) {
    let Some(broker) = broker("offsets_that_are_gone_are_an_error") else {
        return;
    };
    let topic = Topic::new(broker, fetch, 1).await;
    topic.send(numbered(0, 0..100));
    let mut cut = TopicPartitionList::new();
    cut.add_partition_offset(&topic.name, 0, Offset::Offset(60))
        .unwrap();
    topic
        .admin
        .delete_records(&cut, &AdminOptions::new())
        .await
        .unwrap();

    let source = topic.source(&[]);
    assert_eq!(source.probe().await.unwrap()[0].first_offset, 60);
    let at = |next_offset| {
        let mut request = request(&["n"]);
        request.positions.push(SplitPosition {
            split: topic.split(0),
            next_offset,
            topic_id: None,
            leader_epoch: None,
        });
        source.read(request).unwrap()
    };
    let error = Heard::default().failure(&mut at(10)).await;
    assert_lost(
        &error,
        "the first available offset is 60, so 50 offsets are lost",
    );
    assert!(
        error.hint().unwrap().contains("offsets:0=60"),
        "{:?}",
        error.hint()
    );
    let error = Heard::default().failure(&mut at(500)).await;
    assert_lost(
        &error,
        "beyond its end: the partition has offsets 60 to 100",
    );

    // An offset that is there, after a message of an epoch that the log does not know: it is not the log that was read.
    if fetch == "direct" {
        let mut request = request(&["n"]);
        request.positions.push(SplitPosition {
            split: topic.split(0),
            next_offset: 80,
            topic_id: None,
            leader_epoch: Some(7),
        });
        let error = Heard::default()
            .failure(&mut source.read(request).unwrap())
            .await;
        assert_lost(&error, "cannot be read on from offset 80");
    }

    // While reading: the reader stands still before a full inbox when retention passes it.
    topic.send((0..20_000).map(|n| (0, format!("{{\"n\":{n},\"x\":\"{}\"}}", "y".repeat(4000)))));
    let mut slow = request(&["n", "_key"]);
    slow.inbox_bytes = 1;
    slow.batch_rows = 10;
    let mut reader = source.read(slow).unwrap();
    let first = loop {
        match reader.events.recv().await.unwrap() {
            SourceEvent::Batch(batch) => break batch,
            other => drop(other),
        }
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    cut.set_partition_offset(&topic.name, 0, Offset::Offset(20_050))
        .unwrap();
    topic
        .admin
        .delete_records(&cut, &AdminOptions::new())
        .await
        .unwrap();
    reader.release(&first);
    let mut heard = Heard::default();
    heard.next.insert(0, first.range.end);
    let error = heard.failure(&mut reader).await;
    assert_lost(&error, "the first available offset is 20050");
}

async fn a_topic_made_anew_is_not_gone_on_with(fetch: &'static str) {
    let Some(broker) = broker("a_topic_made_anew_is_not_gone_on_with") else {
        return;
    };
    let topic = Topic::new(broker, fetch, 1).await;
    topic.send(numbered(0, 0..50));
    let source = topic.source(&[]);
    let mut reader = source.read(request(&["n"])).unwrap();
    let mut heard = Heard::default();
    heard
        .listen(&mut reader, |heard| heard.ends.get(&0) == Some(&50))
        .await;
    let position = SplitPosition {
        next_offset: 50,
        ..heard.found[&0].0.clone()
    };
    topic.delete().await;
    topic.create(1).await;
    // Higher offsets than before: by offsets alone nobody could tell.
    topic.send(numbered(0, 1000..1200));
    let error = heard.failure(&mut reader).await;
    assert_lost(&error, "was deleted and made anew");
    eprintln!(
        "made anew: {} rows of the new topic were seen before it was noticed",
        heard.total() - 50
    );

    let mut again = request(&["n"]);
    again.positions.push(position);
    let mut reader = source.read(again).unwrap();
    let mut heard = Heard::default();
    let error = heard.failure(&mut reader).await;
    assert!(
        error.to_string().contains("was deleted and made anew"),
        "{error}"
    );
    assert_eq!(heard.total(), 0);

    topic.delete().await;
    let error = source.probe().await.unwrap_err();
    assert!(
        matches!(error, ConnectorError::NotFound { .. }),
        "{error:?}"
    );
    let error = Heard::default()
        .failure(&mut source.read(request(&["n"])).unwrap())
        .await;
    assert!(
        matches!(error, ConnectorError::NotFound { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("does not exist"), "{error}");
}

async fn pressure_holds_the_reader_and_loses_nothing(fetch: &'static str) {
    let Some(broker) = broker("pressure_holds_the_reader_and_loses_nothing") else {
        return;
    };
    let topic = Topic::new(broker, fetch, 4).await;
    let count = 40_000_i64;
    topic.send((0..4).flat_map(|partition| numbered(partition, 0..count)));
    let source = topic.source(&[]);
    let mut tight = request(&["n", "value"]);
    tight.inbox_bytes = 100_000;
    tight.batch_rows = 500;
    let mut reader = source.read(tight).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut waiting = 0;
    let mut held = Vec::new();
    while let Ok(event) = reader.events.try_recv() {
        if let SourceEvent::Batch(batch) = &event {
            waiting += batch.memory_bytes();
        }
        held.push(event);
    }
    assert!(
        waiting > 50_000 && waiting <= 100_000,
        "{waiting} bytes in the inbox"
    );
    let mut heard = Heard::default();
    for event in held {
        assert!(heard.take(&reader, event).is_none());
    }
    heard
        .listen(&mut reader, |heard| heard.total() as i64 == 4 * count)
        .await;
    for partition in 0..4 {
        assert_eq!(heard.rows[&partition], (0..count).collect::<Vec<_>>());
    }
}

async fn a_broker_that_stands_still_is_trouble_and_then_over(fetch: &'static str) {
    let test = "a_broker_that_stands_still_is_trouble_and_then_over";
    let Some(broker) = broker(test) else {
        return;
    };
    let Ok(pid) = std::env::var("SLUICE_TEST_KAFKA_PID") else {
        eprintln!("{test}: skipped, SLUICE_TEST_KAFKA_PID names no process");
        return;
    };
    let signal = |name: &str| {
        let done = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(done.unwrap().success());
    };
    let topic = Topic::new(broker, fetch, 2).await;
    topic.send(numbered(0, 0..10));
    let source = topic.source(&[("connect_timeout", "1 s")]);
    let mut reader = source.read(request(&["n"])).unwrap();
    let mut heard = Heard::default();
    heard
        .listen(&mut reader, |heard| heard.ends.len() == 2)
        .await;
    signal("-STOP");
    let begun = Instant::now();
    reader.ask_ends();
    heard
        .listen(&mut reader, |heard| !heard.troubles.is_empty())
        .await;
    eprintln!(
        "stopped: trouble after {:?}: {}",
        begun.elapsed(),
        heard.troubles[0]
    );
    let events = heard.end_events;
    tokio::time::sleep(Duration::from_secs(2)).await;
    signal("-CONT");
    let begun = Instant::now();
    heard.listen(&mut reader, |heard| heard.recovered > 0).await;
    eprintln!("continued: recovered after {:?}", begun.elapsed());
    topic.send(numbered(0, 10..20));
    heard.listen(&mut reader, |heard| heard.total() == 20).await;
    let known = |heard: &Heard| heard.end_events >= events + 2 && heard.ends[&0] == 20;
    let begun = Instant::now();
    while !known(&heard) && begun.elapsed() < WAIT {
        let troubles = heard.troubles.len();
        reader.ask_ends();
        // A broker that was taken for dead leads nothing for a moment: it is asked again.
        heard
            .listen(&mut reader, |heard| {
                known(heard) || heard.troubles.len() > troubles
            })
            .await;
    }
    assert!(known(&heard), "{:?}", heard.troubles);
    assert_eq!(heard.rows[&0], (0..20).collect::<Vec<_>>());
}

/// `host:port user password` of a listener with SASL PLAIN in `SLUICE_TEST_KAFKA_SASL`.
#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_told_without_the_password() {
    let test = "refused_credentials_are_told_without_the_password";
    let (Some(broker), Ok(secured)) = (broker(test), std::env::var("SLUICE_TEST_KAFKA_SASL"))
    else {
        eprintln!("{test}: skipped, SLUICE_TEST_KAFKA_SASL names no listener");
        return;
    };
    let topic = Topic::new(broker, "librdkafka", 1).await;
    topic.send(numbered(0, 0..3));
    let parts: Vec<&str> = secured.split_whitespace().collect();
    let source = |password: &str| {
        topic.source(&[
            ("bootstrap_servers", parts[0]),
            ("kafka.security.protocol", "sasl_plaintext"),
            ("kafka.sasl.mechanism", "PLAIN"),
            ("kafka.sasl.username", parts[1]),
            ("kafka.sasl.password", password),
        ])
    };
    let right = source(parts[2]);
    assert_eq!(right.probe().await.unwrap()[0].end_offset, 3);
    let mut reader = right.read(request(&["n"])).unwrap();
    let mut heard = Heard::default();
    heard.listen(&mut reader, |heard| heard.total() == 3).await;

    let wrong = source("wrong-canary");
    let begun = Instant::now();
    let error = wrong.probe().await.unwrap_err();
    assert!(matches!(error, ConnectorError::Denied { .. }), "{error:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    let failed = Heard::default()
        .failure(&mut wrong.read(request(&["n"])).unwrap())
        .await;
    assert!(
        matches!(failed, ConnectorError::Denied { .. }),
        "{failed:?}"
    );
    eprintln!("wrong password: {error}");
    for text in [
        format!("{error:?}"),
        format!("{failed:?}"),
        format!("{wrong:?}"),
    ] {
        assert!(!text.contains("canary"), "{text}");
    }
}

/// `host:port ca.pem other-ca.pem` of a listener with TLS in `SLUICE_TEST_KAFKA_TLS`.
#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_and_certificates_are_checked() {
    let test = "tls_is_spoken_and_certificates_are_checked";
    let (Some(broker), Ok(secured)) = (broker(test), std::env::var("SLUICE_TEST_KAFKA_TLS")) else {
        eprintln!("{test}: skipped, SLUICE_TEST_KAFKA_TLS names no listener");
        return;
    };
    let topic = Topic::new(broker, "librdkafka", 1).await;
    let parts: Vec<&str> = secured.split_whitespace().collect();
    let source = |protocol: &str, ca: &str| {
        topic.source(&[
            ("bootstrap_servers", parts[0]),
            ("connect_timeout", "2 s"),
            ("kafka.security.protocol", protocol),
            ("kafka.ssl.ca.location", ca),
        ])
    };
    topic.send(numbered(0, 0..3));
    let trusted = source("ssl", parts[1]);
    assert_eq!(trusted.probe().await.unwrap()[0].end_offset, 3);
    let mut reader = trusted.read(request(&["n"])).unwrap();
    let mut heard = Heard::default();
    heard.listen(&mut reader, |heard| heard.total() == 3).await;
    let error = source("ssl", parts[2]).probe().await.unwrap_err();
    assert!(
        matches!(error, ConnectorError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("certificate"), "{error}");
    eprintln!("wrong certificate: {error}");
    let error = source("plaintext", parts[1]).probe().await.unwrap_err();
    assert!(
        matches!(error, ConnectorError::Unreachable { .. }),
        "{error:?}"
    );
    eprintln!("no TLS on a TLS port: {error}");
    let options = [
        ("kafka.security.protocol", "ssl"),
        ("kafka.ssl.ca.location", "/nowhere.pem"),
    ];
    let error = topic.source(&options).probe().await.unwrap_err();
    assert!(matches!(error, ConnectorError::Option { .. }), "{error:?}");
    assert!(error.to_string().contains("ssl.ca.location"), "{error}");
}
