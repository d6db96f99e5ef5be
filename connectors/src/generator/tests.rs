//! A row is a pure function of options, split and offset, whatever the reader does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{
        DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, TimeUnit,
        TimestampMicrosecondType,
    },
};
use proptest::prelude::*;

use super::{open, resolve};
use crate::{
    error::ConnectorError,
    source::{BadRow, ReadRequest, Source, SourceEvent, SourceReader, SplitId, SplitPosition},
};

fn metrics() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(
            "timestamp",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
        Field::new("event_type", DataType::Utf8, true),
        Field::new("user_segment", DataType::Utf8, true),
        Field::new("value", DataType::Float64, true),
        Field::new("user_id", DataType::Int64, true),
        Field::new("session_id", DataType::Utf8, true),
        Field::new("row_number", DataType::Int64, true),
    ]))
}

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn generator(pairs: &[(&str, &str)]) -> Arc<dyn Source> {
    open(metrics(), &options(pairs)).unwrap()
}

fn request(source: &Arc<dyn Source>) -> ReadRequest {
    ReadRequest {
        columns: source
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect(),
        positions: Vec::new(),
        until: BTreeMap::new(),
        inbox_bytes: 64 << 20,
        batch_rows: 1_000,
    }
}

fn position(partition: i32, next_offset: i64) -> SplitPosition {
    SplitPosition {
        split: SplitId {
            stream: 0,
            topic: "metrics".into(),
            partition,
        },
        next_offset,
        topic_id: None,
        leader_epoch: None,
    }
}

fn next(reader: &mut SourceReader) -> SourceEvent {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        match reader.events.try_recv() {
            Ok(event) => return event,
            Err(tokio::sync::mpsc::error::TryRecvError::Empty) => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("the reader ended: {error}"),
        }
    }
    panic!("the reader says nothing");
}

/// Everything of every split, joined.
struct Whole {
    rows: BTreeMap<i32, RecordBatch>,
    offsets: BTreeMap<i32, Vec<i64>>,
    times: BTreeMap<i32, Vec<i64>>,
    bad: BTreeMap<i32, Vec<BadRow>>,
}

/// Reads until every split is finished, checking that ranges join.
fn read_all(source: &Arc<dyn Source>, request: ReadRequest) -> Whole {
    let mut at: BTreeMap<i32, i64> = BTreeMap::new();
    let mut parts: BTreeMap<i32, Vec<RecordBatch>> = BTreeMap::new();
    let mut whole = Whole {
        rows: BTreeMap::new(),
        offsets: BTreeMap::new(),
        times: BTreeMap::new(),
        bad: BTreeMap::new(),
    };
    let mut open = source.schema().fields().len();
    let mut splits = 0;
    let mut reader = source.read(request).unwrap();
    while open > 0 {
        match next(&mut reader) {
            SourceEvent::SplitFound { position, .. } => {
                splits += 1;
                open = splits;
                at.insert(position.split.partition, position.next_offset);
            }
            SourceEvent::Batch(batch) => {
                let split = batch.split.partition;
                assert_eq!(at.insert(split, batch.range.end), Some(batch.range.start));
                assert_eq!(batch.rows.num_rows(), batch.offsets.len());
                assert_eq!(batch.rows.num_rows(), batch.timestamps_ms.len());
                assert_eq!(
                    i64::try_from(batch.offsets.len() + batch.bad.len()).unwrap(),
                    batch.range.end - batch.range.start
                );
                reader.release(&batch);
                whole
                    .offsets
                    .entry(split)
                    .or_default()
                    .extend(&batch.offsets);
                whole
                    .times
                    .entry(split)
                    .or_default()
                    .extend(&batch.timestamps_ms);
                whole.bad.entry(split).or_default().extend(batch.bad);
                parts.entry(split).or_default().push(batch.rows);
            }
            SourceEvent::Finished { .. } => open -= 1,
            SourceEvent::EndOffset { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    for (split, batches) in parts {
        let schema = batches.first().unwrap().schema();
        whole
            .rows
            .insert(split, concat_batches(&schema, &batches).unwrap());
    }
    whole
}

#[test]
fn a_bounded_stream_has_its_rows_once_and_ends() {
    let source = generator(&[("rows", "10_003"), ("splits", "4")]);
    let whole = read_all(&source, request(&source));
    let mut numbers: Vec<i64> = whole
        .rows
        .values()
        .flat_map(|rows| {
            rows.column_by_name("row_number")
                .unwrap()
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10_003).collect::<Vec<_>>());
    for (split, rows) in &whole.rows {
        let offsets = rows
            .column_by_name("_offset")
            .unwrap()
            .as_primitive::<Int64Type>();
        assert_eq!(offsets.values().to_vec(), whole.offsets[split]);
        let topics = rows.column_by_name("_topic").unwrap().as_string::<i32>();
        assert!(topics.iter().all(|topic| topic == Some("metrics")));
        let times = rows
            .column_by_name("_timestamp")
            .unwrap()
            .as_primitive::<TimestampMicrosecondType>();
        assert!(
            times
                .values()
                .iter()
                .zip(&whole.times[split])
                .all(|(us, ms)| us / 1_000 == *ms)
        );
    }
}

#[test]
fn nothing_to_read_ends_at_once() {
    for rows in ["0", "2"] {
        let source = generator(&[("rows", rows)]);
        let whole = read_all(&source, request(&source));
        assert_eq!(
            whole
                .offsets
                .values()
                .map(Vec::len)
                .sum::<usize>()
                .to_string(),
            rows
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Batch sizes, where reading starts and how fast it goes change nothing.
    #[test]
    fn a_replay_gives_the_same_rows(seed in 0_u64..1_000, from in 0_i64..300, batch in 1_usize..400, paced: bool) {
        let seed = seed.to_string();
        let content = [
            ("seed", seed.as_str()), ("rows", "1_500"), ("splits", "3"), ("malformed_fraction", "0.05"),
            ("late_fraction", "0.1"), ("null_time_fraction", "0.02"), ("event_interval", "7 ms"),
        ];
        let source = generator(&content);
        let whole = read_all(&source, request(&source));
        let mut again = content.to_vec();
        if paced {
            again.push(("rows_per_second", "100000"));
        }
        let source = generator(&again);
        let part = read_all(&source, ReadRequest {
            positions: (0..3).map(|split| position(split, from)).collect(),
            batch_rows: batch,
            ..request(&source)
        });
        for split in 0..3 {
            let skip = whole.offsets[&split].partition_point(|offset| *offset < from);
            let rows = &whole.rows[&split];
            prop_assert_eq!(&whole.offsets[&split][skip..], &part.offsets[&split]);
            prop_assert_eq!(&rows.slice(skip, rows.num_rows() - skip), &part.rows[&split]);
            prop_assert_eq!(&whole.times[&split][skip..], &part.times[&split]);
            let bad: Vec<_> = whole.bad[&split].iter().filter(|row| row.offset >= from).cloned().collect();
            prop_assert_eq!(&bad, &part.bad[&split]);
        }
    }
}

#[test]
fn a_column_is_the_same_whichever_others_are_read() {
    let source = generator(&[("rows", "900"), ("malformed_fraction", "0.1")]);
    let whole = read_all(&source, request(&source));
    let some = read_all(
        &source,
        ReadRequest {
            columns: vec!["_offset".into(), "value".into(), "timestamp".into()],
            ..request(&source)
        },
    );
    for (split, rows) in &some.rows {
        assert_eq!(rows.num_columns(), 3);
        for column in rows.schema().fields() {
            assert_eq!(
                rows.column_by_name(column.name()),
                whole.rows[split].column_by_name(column.name())
            );
        }
    }
    let none = read_all(
        &source,
        ReadRequest {
            columns: Vec::new(),
            ..request(&source)
        },
    );
    assert_eq!(none.rows[&0].num_rows(), whole.rows[&0].num_rows());
}

#[test]
fn seeds_differ() {
    let values = |seed| {
        let source = generator(&[("rows", "100"), ("seed", seed)]);
        read_all(&source, request(&source)).rows[&0]
            .column_by_name("value")
            .unwrap()
            .clone()
    };
    assert_eq!(&values("1"), &values("1"));
    assert_ne!(&values("1"), &values("2"));
}

#[test]
fn fractions_and_spreads_are_as_asked() {
    let source = generator(&[
        ("rows", "40000"),
        ("malformed_fraction", "0.03"),
        ("late_fraction", "0.01"),
        ("late_by", "1 hour"),
        ("null_time_fraction", "0.02"),
        ("out_of_order", "2 seconds"),
        ("event_interval", "10 ms"),
    ]);
    let whole = read_all(&source, request(&source));
    let bad: Vec<&BadRow> = whole.bad.values().flatten().collect();
    assert!((1_000..1_400).contains(&bad.len()), "{}", bad.len());
    for row in &bad {
        let payload = row.payload.as_ref().unwrap();
        let parsed = serde_json::from_slice::<serde_json::Value>(payload);
        assert!(parsed.is_err(), "{payload:?} is not malformed");
        assert_eq!(
            row.error,
            format!(
                "malformed JSON: unexpected end of input at byte {}",
                payload.len()
            )
        );
    }
    let (mut late, mut untimed, mut types, mut segments) = (0, 0, vec![], vec![]);
    let mut values: Vec<f64> = Vec::new();
    for (split, rows) in &whole.rows {
        let times = rows.column(0).as_primitive::<TimestampMicrosecondType>();
        untimed += times.null_count();
        for (time, message) in times.iter().zip(&whole.times[split]) {
            let Some(time) = time else { continue };
            let behind = message * 1_000 - time;
            assert!(behind >= -1_000, "never ahead of its message");
            if behind > 2_001_000 {
                assert!(behind >= 3_600_000_000);
                late += 1;
            }
        }
        types.extend(
            rows.column(1)
                .as_string::<i32>()
                .iter()
                .flatten()
                .map(str::to_owned),
        );
        segments.extend(
            rows.column(2)
                .as_string::<i32>()
                .iter()
                .flatten()
                .map(str::to_owned),
        );
        values.extend(rows.column(3).as_primitive::<Float64Type>().values());
    }
    assert!((300..480).contains(&late), "{late}");
    assert!((650..950).contains(&untimed), "{untimed}");
    types.sort_unstable();
    types.dedup();
    segments.sort_unstable();
    segments.dedup();
    assert_eq!((types.len(), segments.len()), (10, 20));
    values.sort_unstable_by(f64::total_cmp);
    let median = values[values.len() / 2];
    assert!((19.0..21.0).contains(&median), "{median}");
    // The 95th percentile of a log-normal of median 20 and sigma 1 is 20 * exp(1.645) = 103.6.
    let high = values[values.len() * 95 / 100];
    assert!((98.0..109.0).contains(&high), "{high}");
}

#[test]
fn event_time_follows_from_the_row_number() {
    let source = generator(&[
        ("rows", "100"),
        ("splits", "2"),
        ("start_time", "2026-03-01T12:00:00Z"),
        ("event_interval", "250 milliseconds"),
        ("out_of_order", "0 seconds"),
    ]);
    let whole = read_all(&source, request(&source));
    let start = 1_772_366_400_000_000_i64;
    for (split, rows) in &whole.rows {
        let times = rows.column(0).as_primitive::<TimestampMicrosecondType>();
        for (offset, time) in (0_i64..).zip(times.values()) {
            assert_eq!(*time, start + (offset * 2 + i64::from(*split)) * 250_000);
        }
    }
}

#[test]
fn a_bound_ends_a_split_there() {
    let source = generator(&[("seed", "5"), ("splits", "2")]);
    let until = [(0, 30), (1, 0)]
        .into_iter()
        .map(|(split, end)| (position(split, 0).split, end))
        .collect();
    let whole = read_all(
        &source,
        ReadRequest {
            until,
            ..request(&source)
        },
    );
    assert_eq!(whole.offsets.get(&0).unwrap(), &(0..30).collect::<Vec<_>>());
    assert_eq!(whole.offsets.get(&1), None);
}

/// What somebody asks for who takes the end of a stream without one for its newest rows.
#[test]
fn the_far_end_of_an_endless_stream_is_no_failure() {
    let source = generator(&[("splits", "2")]);
    let from = i64::MAX - 5;
    let whole = read_all(
        &source,
        ReadRequest {
            positions: vec![position(0, from), position(1, from)],
            until: [
                (position(0, 0).split, i64::MAX),
                (position(1, 0).split, from),
            ]
            .into(),
            ..request(&source)
        },
    );
    assert_eq!(whole.offsets.get(&0).map(Vec::len), Some(5));
}

#[test]
fn a_paced_stream_is_no_faster_and_says_where_it_ends() {
    let source = generator(&[("seed", "5"), ("rows_per_second", "2000"), ("splits", "2")]);
    let started = Instant::now();
    let mut reader = source.read(request(&source)).unwrap();
    let mut rows = 0;
    let mut ends = 0;
    while rows < 400 {
        match next(&mut reader) {
            SourceEvent::Batch(batch) => {
                rows += batch.rows.num_rows();
                reader.release(&batch);
            }
            SourceEvent::EndOffset { .. } => ends += 1,
            _ => {}
        }
        let due = started.elapsed().as_secs_f64() * 2_000.0 + 2.0;
        assert!(rows as f64 <= due, "{rows} rows when {due} were due");
    }
    assert!(started.elapsed() < Duration::from_secs(10));
    reader.ask_ends();
    while ends < 2 {
        if let SourceEvent::EndOffset { end_offset, .. } = next(&mut reader) {
            assert!(end_offset > 0);
            ends += 1;
        }
    }
}

#[test]
fn a_full_inbox_stops_it_and_a_dropped_one_ends_it() {
    let source = generator(&[("seed", "5")]);
    let mut reader = source
        .read(ReadRequest {
            inbox_bytes: 200_000,
            ..request(&source)
        })
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let mut held = Vec::new();
    while let Ok(event) = reader.events.try_recv() {
        if let SourceEvent::Batch(batch) = event {
            held.push(batch);
        }
    }
    let bytes: usize = held
        .iter()
        .map(crate::source::SplitBatch::memory_bytes)
        .sum();
    assert!(!held.is_empty());
    assert!(bytes <= 200_000, "{bytes}");
    for batch in &held {
        reader.release(batch);
    }
    assert!(matches!(next(&mut reader), SourceEvent::Batch(_)));
    // A question is answered although the inbox is full again.
    std::thread::sleep(Duration::from_millis(200));
    reader.ask_ends();
    let mut answered = 0;
    while answered < 4 {
        if let SourceEvent::EndOffset { .. } = next(&mut reader) {
            answered += 1;
        }
    }
    let budget = Arc::clone(&reader.budget);
    drop(reader);
    let deadline = Instant::now() + Duration::from_secs(5);
    while Arc::strong_count(&budget) > 1 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(Arc::strong_count(&budget), 1, "the thread has ended");
}

fn refusal(schema: SchemaRef, pairs: &[(&str, &str)]) -> (String, String) {
    let error = open(schema, &options(pairs)).unwrap_err();
    assert!(matches!(error, ConnectorError::Option { .. }));
    (
        error.to_string(),
        error.hint().unwrap_or_default().to_owned(),
    )
}

#[test]
fn what_it_cannot_do_is_refused_by_name() {
    let (text, hint) = refusal(metrics(), &[("row_per_second", "1")]);
    assert_eq!(text, "the generator has no option \"row_per_second\"");
    assert!(
        hint.starts_with("Did you mean \"rows_per_second\"?"),
        "{hint}"
    );
    for (name, value) in [
        ("rows", "many"),
        ("rows", "-1"),
        ("rows_per_second", "0"),
        ("splits", "0"),
        ("splits", "5000"),
        ("late_fraction", "1.5"),
        ("seed", "x"),
        ("start_time", "yesterday"),
        ("event_interval", "fast"),
        ("out_of_order", "2 parsecs"),
        ("shape", "orders"),
        ("time_speed", "60"),
    ] {
        let (text, hint) = refusal(metrics(), &[(name, value)]);
        assert!(text.contains(name), "{name}={value}: {text}");
        assert!(!hint.is_empty());
    }
    let one =
        |name: &str, data_type| Arc::new(Schema::new(vec![Field::new(name, data_type, true)]));
    let (text, hint) = refusal(one("user_sgment", DataType::Utf8), &[]);
    assert_eq!(text, "the generator cannot make a column \"user_sgment\"");
    assert!(hint.starts_with("Did you mean \"user_segment\"?"), "{hint}");
    let (text, hint) = refusal(one("value", DataType::Utf8), &[]);
    assert_eq!(text, "the generator cannot make column \"value\" as Utf8");
    assert_eq!(hint, "Declare it as DOUBLE.");
}

#[test]
fn a_start_that_is_now_is_written_down() {
    let endless = options(&[("rows_per_second", "100"), ("time_speed", "60")]);
    let resolved = resolve(&endless).unwrap();
    assert!(resolved.contains_key("start_time"));
    assert_eq!(resolve(&resolved).unwrap(), resolved);
    let seeded = options(&[("seed", "1")]);
    assert_eq!(resolve(&seeded).unwrap(), seeded);
}

#[test]
fn a_split_that_it_does_not_have_is_lost_data() {
    let source = generator(&[("seed", "1"), ("splits", "2")]);
    let error = source
        .read(ReadRequest {
            positions: vec![position(2, 10)],
            ..request(&source)
        })
        .unwrap_err();
    assert!(matches!(error, ConnectorError::DataLost { .. }), "{error}");
}
