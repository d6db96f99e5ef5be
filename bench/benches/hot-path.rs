//! The work per event, alone and in one thread: `hot-path STEP ROUNDS` does a step so many times and ends.
//!
//! What it takes is counted from outside, in instructions: the difference of two runs of different length is that of the rounds alone
//! (`bench/tests/instructions.rs`). Steps: `decode` and `dirty` are JSON to columns, `windows` is columns to windows that close.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::{collections::BTreeSet, hint::black_box, process::ExitCode, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType},
};
use datafusion::prelude::SessionContext;
use sluice_connectors::{
    format::json::{JsonDecoder, JsonOptions},
    source::{SplitBatch, SplitId},
};
use sluice_planner::{
    ContinuousPlan, EpochInput, Sketches, SplitInput, StreamDefinition, StreamTable,
    TargetDefinition, TimeRules, WatermarkDefinition, new_session_state, plan_continuous,
    session_config,
};
use sluice_sql::ast::{Expr, Ident, Query, SelectItem, SetExpr, Statement};
use sqlparser::{dialect::PostgreSqlDialect, parser::Parser};

/// Events of a round.
const EVENTS: usize = 4096;
/// Event time of a round: four windows.
const ROUND_US: i64 = 240_000_000;
/// The main job's query.
const QUERY: &str = "SELECT window_start, event_type, user_segment, count(*) AS n, avg(value) AS mean, approx_percentile(value, 0.95) AS p95
    FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, event_type, user_segment";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let (step, rounds) = match args.as_slice() {
        [_, step, rounds] => (step.as_str(), rounds.parse().unwrap_or(0)),
        _ => ("", 0),
    };
    match step {
        "decode" => decode(&clean(), rounds),
        "dirty" => decode(&dirty(), rounds),
        "windows" => windows(rounds),
        _ => {
            eprintln!("usage: hot-path decode|dirty|windows ROUNDS");
            return ExitCode::from(2);
        }
    }
    println!("{EVENTS} events a round");
    ExitCode::SUCCESS
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("ts", time, true),
        Field::new("event_type", DataType::Utf8, true),
        Field::new("user_segment", DataType::Utf8, true),
        Field::new("value", DataType::Float64, true),
    ]))
}

fn event(n: usize) -> String {
    let (minute, second, milli) = (n * 4 / EVENTS, n * 240 / EVENTS % 60, n * 7 % 1000);
    let kind = ["page_view", "click", "search", "purchase", "signup"][n % 5];
    let segment = ["free", "premium", "trial", "enterprise"][n % 4];
    let value = (n * 7919 % 100_000) as f64 / 1000.0;
    let session = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!(
        r#"{{"ts":"2026-03-01T22:{minute:02}:{second:02}.{milli:03}Z","event_type":"{kind}","user_segment":"{segment}","value":{value},"user_id":"u{n:07}","session":"{session:016x}"}}"#
    )
}

fn clean() -> Vec<String> {
    (0..EVENTS).map(event).collect()
}

/// What producers make of it: every other event with its fields in another order, one missing, an escape, or a longer text.
fn dirty() -> Vec<String> {
    (0..EVENTS)
        .map(|n| match n % 8 {
            1 => format!(r#"{{"value":{n}.25,"ts":"2026-03-01 22:50:01","user_segment":"free","event_type":"click"}}"#),
            3 => event(n).replace(r#""user_segment":"free","#, ""),
            5 => event(n).replace("click", r"cl\u0069ck \ud83d\ude00"),
            7 => event(n).replace("page_view", &"a longer text than usual ".repeat(8)),
            _ => event(n),
        })
        .collect()
}

fn decode(events: &[String], rounds: usize) {
    let mut decoder = JsonDecoder::new(&schema(), &JsonOptions::default()).unwrap();
    for _ in 0..rounds {
        for event in events {
            decoder.push(event.as_bytes()).unwrap();
        }
        black_box(decoder.finish().unwrap());
    }
}

fn windows(rounds: usize) {
    let mut decoder = JsonDecoder::new(&schema(), &JsonOptions::default()).unwrap();
    for event in clean() {
        decoder.push(event.as_bytes()).unwrap();
    }
    let rows = decoder.finish().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let plan = runtime.block_on(plan());
    let columns = plan.streams[0].columns.iter();
    let columns: Vec<usize> = columns
        .map(|name| schema().index_of(name).unwrap())
        .collect();
    let split = SplitId {
        stream: 0,
        topic: "events".to_owned(),
        partition: 0,
    };
    let mut query = plan.start_within(None, 1 << 30).unwrap();
    let mut closed = 0;
    for round in 0..rounds as i64 {
        let rows = later(&rows, round * ROUND_US).project(&columns).unwrap();
        let from = round * EVENTS as i64;
        let batch = SplitBatch {
            split: split.clone(),
            range: from..from + EVENTS as i64,
            rows,
            timestamps_ms: vec![0; EVENTS].into(),
            offsets: (from..from + EVENTS as i64).collect(),
            bad: Vec::new(),
            payload_bytes: 0,
            leader_epoch: None,
            worked_out: None,
        };
        let input = EpochInput {
            now_us: i64::MAX,
            splits: vec![SplitInput {
                split: split.clone(),
                batches: vec![batch],
            }],
            known: BTreeSet::from([split.clone()]),
            ..EpochInput::default()
        };
        let output = runtime.block_on(query.run_epoch(input)).unwrap();
        closed += output.rows.iter().map(RecordBatch::num_rows).sum::<usize>();
    }
    // Twenty groups a window, the last of each round still open.
    assert_eq!(
        closed,
        (rounds * 4).saturating_sub(1) * 20,
        "a wrong result has no speed"
    );
}

/// The same rows at a later time.
fn later(rows: &RecordBatch, by_us: i64) -> RecordBatch {
    let mut columns = rows.columns().to_vec();
    let times = columns[0].as_primitive::<TimestampMicrosecondType>();
    let times = times.unary::<_, TimestampMicrosecondType>(|time| time + by_us);
    columns[0] = Arc::new(times.with_timezone("UTC")) as ArrayRef;
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}

async fn plan() -> ContinuousPlan {
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
    let target = TargetDefinition {
        name: "gold.t".to_owned(),
        partitioned_by: Vec::new(),
        emit: sluice_sql::Emit::default(),
        sketches: Sketches::Dropped,
    };
    let plan = plan_continuous(&context.state(), &query(QUERY), &target).await;
    plan.unwrap().unwrap()
}

fn query(sql: &str) -> Query {
    let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql)
        .unwrap()
        .remove(0);
    match statement {
        Statement::Query(query) => *query,
        other => unreachable!("not a query: {other}"),
    }
}

fn expr(sql: &str) -> Expr {
    let SetExpr::Select(select) = *query(&format!("SELECT {sql}")).body else {
        unreachable!("not an expression: {sql}");
    };
    match select.projection.into_iter().next() {
        Some(SelectItem::UnnamedExpr(expr)) => expr,
        _ => unreachable!("not an expression: {sql}"),
    }
}
