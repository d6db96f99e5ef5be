//! What a stream costs beside the engine alone: the same rows, in memory, through a continuous query in epochs and through one plain
//! DataFusion query, on one thread. Every result is checked against the plain one before its time counts.
//!
//! `SLUICE_BENCH_ROWS` (2,000,000) and `SLUICE_BENCH_ROUNDS` (5; the best counts) say how much, `SLUICE_BENCH_ONLY` a word of the names of those to run.
//! `SLUICE_BENCH_SIDE=stream` runs the plain query in the first round alone, for a profile of the other.
//! Every round runs every case, so that two cases are compared by what the machine gave at the same time.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{
    array::{
        Array, AsArray, Float64Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    compute::cast,
    datatypes::{DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit},
};
use datafusion::{catalog::MemTable, execution::SessionState, prelude::SessionContext};
use sluice_connectors::source::{SplitBatch, SplitId};
use sluice_planner::{
    ContinuousPlan, EpochInput, Sketches, SplitInput, StreamDefinition, StreamTable,
    TargetDefinition, TimeRules, WatermarkDefinition, logical_plan, new_session_state,
    plan_continuous, session_config,
};
use sluice_sql::ast::{Ident, Query, SelectItem, SetExpr, Statement};
use sqlparser::{dialect::PostgreSqlDialect, parser::Parser};
use tokio::runtime::Runtime;

/// The server's.
#[path = "../../server/src/allocator.rs"]
mod allocator;

/// 2026-03-01T00:00:00Z.
const START_US: i64 = 1_772_323_200_000_000;
const BATCH_ROWS: usize = 8192;
/// As many as a drain on a small machine has.
const EPOCH_BATCHES: usize = 8;

struct Case {
    name: &'static str,
    /// The stream is called `events`, and so is the table.
    stream: &'static str,
    plain: &'static str,
    /// Bytes of memory that the stream's state may take.
    state_memory: usize,
}

/// What the cases with one aggregate more are compared with, and what their names begin with.
const BASE: &str = "TUMBLE 1 minute, count and avg";
const BASE_AND: &str = "TUMBLE 1 minute, count, avg and";

/// More than any of them takes.
const PLENTY: usize = 4 << 30;

const CASES: [Case; 8] = [
    Case {
        name: "TUMBLE 1 minute, count and avg",
        stream: "SELECT window_start, kind, segment, count(*) AS n, avg(value) AS mean
                 FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, kind, segment",
        plain: "SELECT date_bin(INTERVAL '1 minute', ts) AS w, kind, segment, count(*) AS n, avg(value) AS mean FROM events GROUP BY 1, 2, 3",
        state_memory: PLENTY,
    },
    Case {
        name: "TUMBLE 1 minute, count, avg and p95",
        stream: "SELECT window_start, kind, segment, count(*) AS n, avg(value) AS mean, approx_percentile(value, 0.95) AS p95
                 FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, kind, segment",
        plain: "SELECT date_bin(INTERVAL '1 minute', ts) AS w, kind, segment, count(*) AS n, avg(value) AS mean, approx_percentile(value, 0.95) AS p95 FROM events GROUP BY 1, 2, 3",
        state_memory: PLENTY,
    },
    Case {
        name: "TUMBLE 1 minute, count, avg and stddev",
        stream: "SELECT window_start, kind, segment, count(*) AS n, avg(value) AS mean, stddev(value) AS s
                 FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, kind, segment",
        plain: "SELECT date_bin(INTERVAL '1 minute', ts) AS w, kind, segment, count(*) AS n, avg(value) AS mean, stddev(value) AS s FROM events GROUP BY 1, 2, 3",
        state_memory: PLENTY,
    },
    Case {
        name: "HOP 1 hour every 5 minutes, count and avg",
        stream: "SELECT window_start, window_end, kind, segment, count(*) AS n, avg(value) AS mean
                 FROM HOP((SELECT * FROM events), ts, INTERVAL '5 minutes', INTERVAL '1 hour') GROUP BY window_start, window_end, kind, segment",
        plain: "SELECT window_start, window_end, kind, segment, count(*) AS n, avg(value) AS mean
                FROM HOP((SELECT * FROM events), ts, INTERVAL '5 minutes', INTERVAL '1 hour') GROUP BY window_start, window_end, kind, segment",
        state_memory: PLENTY,
    },
    Case {
        name: "SESSION gap 30 seconds by 5,000 users, count and avg",
        stream: "SELECT window_start, window_end, user_id, count(*) AS n, avg(value) AS mean
                 FROM SESSION((SELECT * FROM events), ts, INTERVAL '30 seconds') GROUP BY window_start, window_end, user_id",
        plain: "SELECT window_start, window_end, user_id, count(*) AS n, avg(value) AS mean
                FROM SESSION((SELECT * FROM events), ts, INTERVAL '30 seconds') GROUP BY window_start, window_end, user_id",
        state_memory: PLENTY,
    },
    Case {
        name: "TUMBLE 1 day by 1,000,000 keys, count and avg",
        stream: "SELECT window_start, many, count(*) AS n, avg(value) AS mean
                 FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 day') GROUP BY window_start, many",
        plain: "SELECT date_bin(INTERVAL '1 day', ts) AS w, many, count(*) AS n, avg(value) AS mean FROM events GROUP BY 1, 2",
        state_memory: PLENTY,
    },
    Case {
        name: "TUMBLE 1 day by 5,000,000 keys in 256 MB, count and avg",
        stream: "SELECT window_start, more, count(*) AS n, avg(value) AS mean
                 FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 day') GROUP BY window_start, more",
        plain: "SELECT date_bin(INTERVAL '1 day', ts) AS w, more, count(*) AS n, avg(value) AS mean FROM events GROUP BY 1, 2",
        state_memory: 256 << 20,
    },
    Case {
        name: "bronze copy, filter and project",
        stream: "SELECT ts, upper(kind) AS kind, value * 2 AS twice FROM events WHERE value > 10",
        plain: "SELECT ts, upper(kind) AS kind, value * 2 AS twice FROM events WHERE value > 10",
        state_memory: PLENTY,
    },
];

fn main() {
    let rows = setting("SLUICE_BENCH_ROWS", 2_000_000);
    let rounds = setting("SLUICE_BENCH_ROUNDS", 5);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let batches = events(rows);
    println!(
        "{rows} rows in batches of {BATCH_ROWS}, epochs of {EPOCH_BATCHES} batches, one thread, best of {rounds}"
    );
    println!(
        "{:<56} {:>7} {:>7} {:>6} {:>9} {:>8}",
        "nanoseconds a row", "plain", "stream", "ratio", "state MiB", "disk MiB"
    );
    let only = std::env::var("SLUICE_BENCH_ONLY").unwrap_or_default();
    let cases = CASES.iter().filter(|case| case.name.contains(&only));
    let mut cases: Vec<(&Case, Best)> = cases.map(|case| (case, Best::default())).collect();
    let stream_alone = std::env::var("SLUICE_BENCH_SIDE").is_ok_and(|side| side == "stream");
    for round in 0..rounds {
        for (case, best) in &mut cases {
            if round == 0 || !stream_alone {
                let (plain, expected) = runtime.block_on(run_plain(case.plain, &batches));
                best.plain = best.plain.min(plain);
                best.expected = expected;
            }
            let (stream, got) = run_stream(&runtime, case, &batches, &mut best.took);
            assert_eq!(
                got, best.expected,
                "{}: a wrong result has no speed",
                case.name
            );
            best.stream = best.stream.min(stream);
        }
    }
    let each = |time: Duration| time.as_secs_f64() * 1e9 / rows as f64;
    for (case, best) in &cases {
        println!(
            "{:<56} {:>7.1} {:>7.1} {:>6.2} {:>9.1} {:>8.1}",
            case.name,
            each(best.plain),
            each(best.stream),
            best.stream.as_secs_f64() / best.plain.as_secs_f64(),
            best.took.memory as f64 / f64::from(1 << 20),
            best.took.disk as f64 / f64::from(1 << 20),
        );
    }
    let Some((_, base)) = cases.iter().find(|(case, _)| case.name == BASE) else {
        return;
    };
    let adds =
        |base: Duration, with: Duration| (with.as_secs_f64() / base.as_secs_f64() - 1.0) * 100.0;
    for (case, with) in cases
        .iter()
        .filter(|(case, _)| case.name.starts_with(BASE_AND))
    {
        println!(
            "{} over count and avg alone: plain {:+.0} %, stream {:+.0} %",
            case.name,
            adds(base.plain, with.plain),
            adds(base.stream, with.stream),
        );
    }
}

/// The shortest times, and what the state took.
struct Best {
    plain: Duration,
    stream: Duration,
    took: Took,
    expected: Digest,
}

impl Default for Best {
    fn default() -> Self {
        Self {
            plain: Duration::MAX,
            stream: Duration::MAX,
            took: Took::default(),
            expected: Digest::default(),
        }
    }
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("ts", time, true),
        Field::new("kind", DataType::Utf8, true),
        Field::new("segment", DataType::Utf8, true),
        Field::new("user_id", DataType::Int64, true),
        Field::new("many", DataType::Int64, true),
        Field::new("more", DataType::Int64, true),
        Field::new("value", DataType::Float64, true),
    ]))
}

/// An hour of events, each up to four seconds out of order.
fn events(rows: usize) -> Vec<RecordBatch> {
    const KINDS: [&str; 5] = ["page_view", "click", "search", "purchase", "signup"];
    const SEGMENTS: [&str; 4] = ["free", "premium", "trial", "enterprise"];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let step = 3_600_000_000 / rows as i64;
    let mut batches = Vec::new();
    let mut from = 0;
    while from < rows {
        let count = BATCH_ROWS.min(rows - from);
        let draws: Vec<u64> = (0..count).map(|_| random()).collect();
        let pick = |shift: u32, of: u64| move |draw: &u64| (draw >> shift) % of;
        let times = draws
            .iter()
            .zip(from as i64..)
            .map(|(draw, n)| START_US + n * step + pick(3, 4_000_000)(draw) as i64);
        let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
        let kinds = draws.iter().map(|draw| KINDS[pick(20, 5)(draw) as usize]);
        let segments = draws
            .iter()
            .map(|draw| SEGMENTS[pick(30, 4)(draw) as usize]);
        let users = draws.iter().map(|draw| pick(11, 5_000)(draw) as i64);
        let many = draws.iter().map(|draw| pick(13, 1_000_000)(draw) as i64);
        let more = draws.iter().map(|draw| pick(7, 5_000_000)(draw) as i64);
        // Whole numbers: their sums are the same in every order.
        let values = draws.iter().map(|draw| pick(40, 1_000)(draw) as f64);
        batches.push(
            RecordBatch::try_new(
                schema(),
                vec![
                    Arc::new(times),
                    Arc::new(StringArray::from_iter_values(kinds)),
                    Arc::new(StringArray::from_iter_values(segments)),
                    Arc::new(Int64Array::from_iter_values(users)),
                    Arc::new(Int64Array::from_iter_values(many)),
                    Arc::new(Int64Array::from_iter_values(more)),
                    Arc::new(Float64Array::from_iter_values(values)),
                ],
            )
            .unwrap(),
        );
        from += count;
    }
    batches
}

/// The most that the state took between two epochs.
#[derive(Debug, Default)]
struct Took {
    memory: usize,
    disk: u64,
}

/// Rows, and the sum of everything in them that is a number: enough to see a result that is wrong.
#[derive(Debug, Default, PartialEq)]
struct Digest {
    rows: usize,
    total: i128,
}

fn digest(batches: &[RecordBatch]) -> Digest {
    let mut digest = Digest::default();
    for batch in batches {
        digest.rows += batch.num_rows();
        for column in batch.columns() {
            if !column.data_type().is_numeric() {
                continue;
            }
            let column = cast(column, &DataType::Float64).unwrap();
            let values = column.as_primitive::<Float64Type>();
            // Millionths: means are sums of whole numbers over a count, rounded the same way everywhere.
            digest.total += values
                .iter()
                .flatten()
                .map(|value| (value * 1e6).round() as i128)
                .sum::<i128>();
        }
    }
    digest
}

async fn run_plain(sql: &str, batches: &[RecordBatch]) -> (Duration, Digest) {
    let config = session_config().with_target_partitions(1);
    let state = new_session_state(config, Arc::default(), None).unwrap();
    let context = SessionContext::new_with_state(state);
    let table = MemTable::try_new(schema(), vec![batches.to_vec()]).unwrap();
    context.register_table("events", Arc::new(table)).unwrap();
    let plan = logical_plan(&context.state(), &parse(sql)).await.unwrap();
    let frame = context.execute_logical_plan(plan).await.unwrap();
    let start = Instant::now();
    let rows = frame.collect().await.unwrap();
    (start.elapsed(), digest(&rows))
}

fn run_stream(
    runtime: &Runtime,
    case: &Case,
    batches: &[RecordBatch],
    took: &mut Took,
) -> (Duration, Digest) {
    let plan = runtime.block_on(plan(case.stream));
    let split = SplitId {
        stream: 0,
        topic: "events".to_owned(),
        partition: 0,
    };
    let known = BTreeSet::from([split.clone()]);
    let columns: Vec<usize> = plan.streams[0]
        .columns
        .iter()
        .map(|name| schema().index_of(name).unwrap())
        .collect();
    let mut inputs: Vec<EpochInput> = Vec::new();
    let mut offset = 0;
    for epoch in batches.chunks(EPOCH_BATCHES) {
        let batches = epoch.iter().map(|batch| {
            let offsets: Vec<i64> = (offset..).take(batch.num_rows()).collect();
            let start = offset;
            offset += batch.num_rows() as i64;
            SplitBatch {
                split: split.clone(),
                range: start..offset,
                rows: batch.project(&columns).unwrap(),
                timestamps_ms: vec![0; offsets.len()].into(),
                offsets: offsets.into(),
                bad: Vec::new(),
                payload_bytes: 0,
                leader_epoch: None,
                worked_out: None,
            }
        });
        inputs.push(EpochInput {
            now_us: i64::MAX,
            splits: vec![SplitInput {
                split: split.clone(),
                batches: batches.collect(),
            }],
            known: known.clone(),
            ..EpochInput::default()
        });
    }
    inputs.push(EpochInput {
        known: known.clone(),
        finished: known.clone(),
        ..EpochInput::default()
    });
    let mut query = plan.start_within(None, case.state_memory).unwrap();
    let mut rows = Vec::new();
    let start = Instant::now();
    runtime.block_on(async {
        for input in inputs {
            rows.extend(query.run_epoch(input).await.unwrap().rows);
            took.memory = took.memory.max(query.state_bytes());
            took.disk = took.disk.max(query.spilled_bytes());
        }
    });
    (start.elapsed(), digest(&rows))
}

async fn plan(sql: &str) -> ContinuousPlan {
    let target = TargetDefinition {
        name: "gold.t".to_owned(),
        partitioned_by: Vec::new(),
        emit: sluice_sql::Emit::default(),
        sketches: Sketches::Dropped,
    };
    let query = query(sql);
    let plan = plan_continuous(&session(), &query, &target).await.unwrap();
    plan.unwrap()
}

fn session() -> SessionState {
    let stream = StreamDefinition {
        schema_name: "public".to_owned(),
        name: "events".to_owned(),
        declared: schema().fields().len(),
        columns: schema(),
        watermark: Some(WatermarkDefinition {
            column: Ident::new("ts"),
            expr: expr("ts - INTERVAL '10 seconds'"),
        }),
        time: TimeRules {
            max_future_skew_us: None,
            idle_timeout_us: 60_000_000,
        },
    };
    let state = new_session_state(session_config(), Arc::default(), None).unwrap();
    let context = SessionContext::new_with_state(state);
    let table = StreamTable::new(Arc::new(stream), None);
    context.register_table("events", Arc::new(table)).unwrap();
    context.state()
}

fn parse(sql: &str) -> Statement {
    Parser::parse_sql(&PostgreSqlDialect {}, sql)
        .unwrap()
        .remove(0)
}

fn query(sql: &str) -> Query {
    match parse(sql) {
        Statement::Query(query) => *query,
        other => unreachable!("not a query: {other}"),
    }
}

fn expr(sql: &str) -> sluice_sql::ast::Expr {
    let SetExpr::Select(select) = *query(&format!("SELECT {sql}")).body else {
        unreachable!("not an expression: {sql}");
    };
    match select.projection.into_iter().next() {
        Some(SelectItem::UnnamedExpr(expr)) => expr,
        _ => unreachable!("not an expression: {sql}"),
    }
}

fn setting(name: &str, default: usize) -> usize {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.replace('_', "").parse().ok())
        .unwrap_or(default)
}
