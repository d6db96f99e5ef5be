//! Options and start positions: what is refused before any broker is asked.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;

use super::{
    KafkaSource, Startup,
    columns::Projection,
    failure::plain_reason,
    options::{Fetch, KafkaOptions},
};
use crate::{
    error::ConnectorError,
    source::{KeptMessage, ReadRequest, Source, SplitId, SplitPosition},
};

fn options(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let base = [
        ("connector", "kafka"),
        ("bootstrap_servers", "127.0.0.1:1"),
        ("topic", "events"),
        ("format", "json"),
    ];
    base.iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn declared() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("b", DataType::Utf8, true),
    ]))
}

/// Message and hint of refused options.
fn refused(more: &[(&str, &str)]) -> (String, String) {
    let error = KafkaOptions::parse(&options(more)).unwrap_err();
    assert!(matches!(error, ConnectorError::Option { .. }), "{error:?}");
    let hint = error.hint().unwrap_or_default().to_owned();
    (error.to_string(), hint)
}

#[test]
fn who_fetches() {
    let fetch = |more: &[(&str, &str)]| KafkaOptions::parse(&options(more)).unwrap().fetch;
    assert_eq!(fetch(&[]), Fetch::Direct);
    assert_eq!(fetch(&[("fetch", "direct")]), Fetch::Direct);
    assert_eq!(fetch(&[("fetch", "librdkafka")]), Fetch::Library);
    let plain = ("kafka.security.protocol", "PLAINTEXT");
    assert_eq!(fetch(&[plain]), Fetch::Direct);
    for protocol in ["ssl", "SASL_PLAINTEXT", "sasl_ssl"] {
        let secured = ("kafka.security.protocol", protocol);
        assert_eq!(fetch(&[secured]), Fetch::Library, "{protocol}");
        let (message, hint) = refused(&[secured, ("fetch", "direct")]);
        assert!(
            message.contains("'direct'") && message.contains(protocol),
            "{message}"
        );
        assert!(hint.contains("leave fetch out"), "{hint}");
    }
    let (message, hint) = refused(&[("fetch", "fast")]);
    assert!(
        message.contains("option fetch cannot be 'fast'"),
        "{message}"
    );
    assert!(hint.contains("'librdkafka'"), "{hint}");
}

#[test]
fn start_positions() {
    assert_eq!(Startup::parse("earliest").unwrap(), Startup::Earliest);
    assert_eq!(Startup::parse("latest").unwrap(), Startup::Latest);
    assert_eq!(
        Startup::parse("timestamp:1970-01-01T00:00:01.5Z").unwrap(),
        Startup::Timestamp(1500)
    );
    assert_eq!(
        Startup::parse("timestamp: 2026-01-01 00:00:00").unwrap(),
        Startup::Timestamp(1_767_225_600_000)
    );
    assert_eq!(
        Startup::parse("timestamp:1767225600000").unwrap(),
        Startup::Timestamp(1_767_225_600_000)
    );
    assert_eq!(
        Startup::parse("offsets:0=12, 1=34").unwrap(),
        Startup::Offsets([(0, 12), (1, 34)].into())
    );
    for bad in [
        "",
        "Earliest",
        "timestamp",
        "timestamp:",
        "timestamp:soon",
        "offsets:",
        "offsets:0",
        "offsets:0=-1",
        "offsets:-1=0",
        "offsets:0=1,0=2",
        "offsets:0=1,",
        "beginning",
    ] {
        let error = Startup::parse(bad).unwrap_err();
        assert!(
            error.to_string().contains("option startup"),
            "{bad}: {error}"
        );
        assert!(error.hint().unwrap().contains("earliest"));
    }
}

#[test]
fn needed_options_are_asked_for() {
    for name in ["bootstrap_servers", "topic", "format"] {
        let mut options = options(&[]);
        options.remove(name);
        let error = KafkaOptions::parse(&options).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("connector kafka needs the option {name}")
        );
    }
}

#[test]
fn unknown_options_are_named_with_the_nearest() {
    let (message, hint) = refused(&[("start_up", "earliest")]);
    assert_eq!(message, "unknown option start_up for connector kafka");
    assert_eq!(hint, "did you mean startup?");
    let (_, hint) = refused(&[("sasl.password", "x")]);
    assert!(hint.contains("kafka.sasl.password"), "{hint}");
    let (message, hint) = refused(&[("kafka.sasl.pasword", "hunter2")]);
    assert!(
        message.starts_with("option kafka.sasl.pasword: "),
        "{message}"
    );
    assert_eq!(hint, "did you mean kafka.sasl.password?");
    let (message, _) = refused(&[("kafka.security.protocol", "tls")]);
    assert!(
        message.contains("security.protocol") && message.contains("tls"),
        "{message}"
    );
}

#[test]
fn what_is_ours_cannot_be_set() {
    for (name, word) in [
        ("kafka.auto.offset.reset", "startup"),
        ("kafka.enable.auto.commit", "checkpoints"),
        ("kafka.group.id", "group_id"),
        ("kafka.bootstrap.servers", "bootstrap_servers"),
        ("kafka.isolation.level", "committed"),
        ("kafka.plugin.library.paths", "load code"),
    ] {
        let (message, hint) = refused(&[(name, "x")]);
        assert_eq!(message, format!("option {name} cannot be set"));
        assert!(hint.contains(word), "{hint}");
    }
}

#[test]
fn values_are_checked() {
    assert!(
        refused(&[("format", "avro")])
            .0
            .contains("unknown format 'avro'")
    );
    assert!(refused(&[("topic", "a b")]).0.contains("option topic"));
    assert!(
        refused(&[("timestamp_unit", "h")])
            .0
            .contains("timestamp_unit")
    );
    for bad in ["5", "s", "5 hours", "-5 s", "0 s", "2000 m"] {
        assert!(
            refused(&[("connect_timeout", bad)])
                .0
                .contains("connect_timeout"),
            "{bad}"
        );
    }
    let parsed = KafkaOptions::parse(&options(&[("connect_timeout", "250 ms")])).unwrap();
    assert_eq!(parsed.connect_timeout, Duration::from_millis(250));
}

#[test]
fn properties_reach_the_client_and_ours_stay() {
    let parsed = KafkaOptions::parse(&options(&[
        ("kafka.fetch.wait.max.ms", "7"),
        ("group_id", "lag"),
    ]))
    .unwrap();
    let config = parsed.config();
    assert_eq!(config.get("fetch.wait.max.ms"), Some("7"));
    assert_eq!(config.get("group.id"), Some("lag"));
    assert_eq!(config.get("auto.offset.reset"), Some("error"));
    assert_eq!(config.get("isolation.level"), Some("read_committed"));
}

#[test]
fn secrets_stay_out_of_errors_and_debug_output() {
    let secret = "hunter2-canary";
    let given = options(&[
        ("kafka.security.protocol", "sasl_plaintext"),
        ("kafka.sasl.mechanism", "PLAIN"),
        ("kafka.sasl.username", "sluice"),
        ("kafka.sasl.password", secret),
        ("kafka.ssl.key.password", secret),
    ]);
    let source = KafkaSource::open(declared(), &given).unwrap();
    assert!(!format!("{source:?}").contains(secret));
    let parsed = KafkaOptions::parse(&given).unwrap();
    assert_eq!(parsed.redact(&format!("said {secret}!")), "said ***!");
    // A key that is no key fails when the client is made, and librdkafka quotes what it was given.
    let mut bad = given.clone();
    bad.insert("kafka.security.protocol".into(), "ssl".into());
    bad.insert("kafka.ssl.key.pem".into(), secret.into());
    let source = KafkaSource::open(declared(), &bad);
    let text = match source {
        Err(error) => format!("{error} {error:?}"),
        Ok(source) => match source.read(request(&["a"])) {
            Err(error) => format!("{error} {error:?}"),
            Ok(_) => String::new(),
        },
    };
    assert!(text.contains("ssl"), "{text}");
    assert!(!text.contains(secret), "{text}");
}

fn request(columns: &[&str]) -> ReadRequest {
    ReadRequest {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        positions: Vec::new(),
        until: BTreeMap::new(),
        inbox_bytes: 1 << 20,
        batch_rows: 1000,
    }
}

#[test]
fn the_schema_has_the_message_s_own_columns_behind_the_declared_ones() {
    let source = KafkaSource::open(declared(), &options(&[])).unwrap();
    let schema = source.schema();
    let names: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(
        names,
        [
            "a",
            "b",
            "_topic",
            "_partition",
            "_offset",
            "_timestamp",
            "_key",
            "_headers"
        ]
    );
    let raw = KafkaSource::open(Arc::new(Schema::empty()), &options(&[("format", "raw")])).unwrap();
    assert_eq!(raw.schema().field(1).name(), "value");
    let taken = Arc::new(Schema::new(vec![Field::new(
        "_offset",
        DataType::Int64,
        true,
    )]));
    let error = KafkaSource::open(taken, &options(&[])).unwrap_err();
    assert!(error.to_string().contains("_offset"), "{error}");
}

#[test]
fn reasons_are_told_without_librdkafka_s_name_for_the_connection() {
    let plain = "Connect to ipv4#127.0.0.1:1 failed: Connection refused";
    for prefix in [
        "127.0.0.1:1/bootstrap: ",
        "127.0.0.1:1/1: ",
        "GroupCoordinator: 127.0.0.1:1: ",
        "",
    ] {
        assert_eq!(plain_reason(&format!("{prefix}{plain}")), plain);
    }
}

#[test]
fn columns_are_found_by_name_or_refused() {
    let names = ["_offset", "b", "_key", "a"].map(str::to_owned);
    let projection = Projection::new(&declared(), &names).unwrap();
    assert_eq!(projection.declared, [1, 0]);
    let error = Projection::new(&declared(), &["_ofset".to_owned()]).unwrap_err();
    assert_eq!(error.hint(), Some("did you mean \"_offset\"?"));
}

#[test]
fn positions_of_another_topic_are_refused() {
    let source = KafkaSource::open(declared(), &options(&[])).unwrap();
    let mut request = request(&["a"]);
    request.positions.push(SplitPosition {
        split: SplitId {
            stream: 0,
            topic: "other".into(),
            partition: 0,
        },
        next_offset: 0,
        topic_id: None,
        leader_epoch: None,
    });
    assert!(matches!(
        source.read(request),
        Err(ConnectorError::Conflict { .. })
    ));
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_told_with_the_reason() {
    // Port 1 of loopback: nobody listens, the connection is refused at once.
    let source = KafkaSource::open(declared(), &options(&[("connect_timeout", "700 ms")])).unwrap();
    let begun = std::time::Instant::now();
    let error = source.probe().await.unwrap_err();
    assert!(
        matches!(error, ConnectorError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    assert!(error.to_string().contains("Connection refused"), "{error}");
    assert!(error.hint().unwrap().contains("bootstrap_servers"));
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_reader_without_a_broker_says_so_and_goes_on_trying() {
    let source = KafkaSource::open(declared(), &options(&[("connect_timeout", "300 ms")])).unwrap();
    let mut reader = source.read(request(&["a"])).unwrap();
    let event = tokio::time::timeout(Duration::from_secs(5), reader.events.recv()).await;
    let event = event.unwrap().unwrap();
    let crate::source::SourceEvent::Trouble(error) = event else {
        unreachable!("{event:?}");
    };
    assert!(error.to_string().contains("Connection refused"), "{error}");
    // Nothing else is said meanwhile.
    let more = tokio::time::timeout(Duration::from_millis(700), reader.events.recv()).await;
    assert!(more.is_err(), "{more:?}");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "counts threads of the whole process; fails beside other tests"]
fn a_dropped_reader_ends_its_threads() {
    // The kernel keeps 15 bytes of a thread's name; the topic makes it this test's own.
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        tasks
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
            .filter(|name| name.starts_with("kafka") && name.contains(" zq"))
            .count()
    };
    let options = options(&[("topic", "zq"), ("connect_timeout", "300 ms")]);
    let source = KafkaSource::open(declared(), &options).unwrap();
    let reader = source.read(request(&["a"])).unwrap();
    assert_eq!(threads(), 2);
    drop(reader);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while threads() > 0 {
        assert!(
            std::time::Instant::now() < deadline,
            "still there after 10 s"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn kept_messages_decode_as_reading_them_would() {
    let source = KafkaSource::open(declared(), &options(&[])).unwrap();
    let message = |partition, offset, payload: Option<&'static str>| KeptMessage {
        split: SplitId {
            stream: 0,
            topic: "events".into(),
            partition,
        },
        offset,
        timestamp_ms: 1_700,
        key: None,
        payload: payload.map(|text| Bytes::from_static(text.as_bytes())),
    };
    let messages = [
        message(0, 4, Some(r#"{"a": 1}"#)),
        message(0, 9, Some(r#"{"a": "#)),
        message(0, 12, None),
        message(0, 20, Some(r#"{"a": 2, "b": "x"}"#)),
        message(1, 3, Some(r#"{"a": 3}"#)),
    ];
    let columns = ["a", "_offset", "_timestamp", "_headers"].map(str::to_owned);
    let batches = source.decode(&columns, &messages).unwrap();
    assert_eq!(batches.len(), 2);
    let [first, second] = &batches[..] else {
        unreachable!()
    };
    assert_eq!(
        (first.range.clone(), &first.offsets[..]),
        (4..21, &[4, 20][..])
    );
    let bad: Vec<i64> = first.bad.iter().map(|row| row.offset).collect();
    assert_eq!(bad, [9, 12]);
    assert_eq!(first.rows.num_columns(), 4);
    assert_eq!((second.split.partition, &second.offsets[..]), (1, &[3][..]));
    // Whether a message decodes does not hang on what is wanted of it.
    let none = source.decode(&[], &messages).unwrap();
    assert_eq!(none[0].offsets, first.offsets);
    assert_eq!(none[0].rows.num_rows(), 2);
    assert!(source.decode(&columns, &[]).unwrap().is_empty());
}
