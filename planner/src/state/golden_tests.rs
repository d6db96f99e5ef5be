//! The golden streams of `tests/streams`: one expected output each, made by the reference model beside them, whatever the epochs, the
//! threads and the restarts.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;

use sluice_sql::ast::Statement;

use crate::{ContinuousPlan, EpochInput, Result, SplitInput, plan_continuous, testing::*};

/// How a stream is told.
#[derive(Clone, Copy, Debug)]
struct Telling {
    /// Lines an epoch has at most.
    epoch: usize,
    /// Whether every split runs by itself.
    parallel: bool,
    /// Whether the query is saved and started again between epochs, every other time with the other number of threads.
    restart: bool,
}

const TELLINGS: [Telling; 6] = [
    telling(usize::MAX, false, false),
    telling(usize::MAX, true, false),
    telling(1, false, false),
    telling(7, true, false),
    telling(5, false, true),
    telling(23, true, true),
];

const fn telling(epoch: usize, parallel: bool, restart: bool) -> Telling {
    Telling {
        epoch,
        parallel,
        restart,
    }
}

/// A line of an input.
enum Line {
    Row(i32, Event),
    /// The watermark has passed this, in seconds.
    Barrier(i64),
    Idle(Vec<i32>),
}

struct Input {
    now_us: i64,
    splits: i32,
    lines: Vec<Line>,
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn split_number(value: &Value) -> i32 {
    i32::try_from(number(value)).unwrap()
}

fn input(text: &str) -> Input {
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let header = lines.next().unwrap();
    let lines = lines.map(|line| {
        if let Some(barrier) = line.get("barrier") {
            return Line::Barrier(number(barrier));
        }
        if let Some(idle) = line.get("idle") {
            return Line::Idle(idle.as_array().unwrap().iter().map(split_number).collect());
        }
        let kind = match line["kind"].as_str() {
            Some("a") => Some("a"),
            Some("b") => Some("b"),
            Some("all") => Some("all"),
            _ => None,
        };
        let event = Event {
            ts: line["ts"].as_i64().map(|seconds| seconds * SECOND),
            kind,
            value: Some(line["value"].as_f64().unwrap()),
        };
        Line::Row(split_number(&line["split"]), event)
    });
    Input {
        now_us: number(&header["now"]) * SECOND,
        splits: split_number(&header["splits"]),
        lines: lines.collect(),
    }
}

/// The lines of `expected.txt`.
async fn tell(plans: &[ContinuousPlan; 2], input: &Input, telling: Telling) -> Vec<String> {
    let columns = &plans[0].streams[0].columns;
    let mut plan = usize::from(telling.parallel);
    let mut query = plans[plan].start(None).unwrap();
    let mut offsets: BTreeMap<i32, i64> = BTreeMap::new();
    let (mut rows, mut late, mut dead) = (Vec::new(), 0, 0);
    let mut idle: Vec<i32> = Vec::new();
    let mut told = input.lines.iter().peekable();
    let mut ended = false;
    while !ended {
        let mut events: BTreeMap<i32, Vec<Event>> = BTreeMap::new();
        let mut count = 0;
        while count < telling.epoch
            && let Some(Line::Row(split, event)) =
                told.next_if(|line| matches!(line, Line::Row(_, _)))
        {
            events.entry(*split).or_default().push(event.clone());
            count += 1;
        }
        let mut epoch = EpochInput {
            now_us: input.now_us,
            known: (0..input.splits).map(split).collect(),
            excluded: idle.iter().copied().map(split).collect(),
            ..EpochInput::default()
        };
        for (number, events) in events {
            let offset = offsets.entry(number).or_default();
            epoch.splits.push(SplitInput {
                split: split(number),
                batches: vec![batch(columns, number, *offset, &events)],
            });
            *offset += events.len() as i64;
        }
        if told.peek().is_none() {
            ended = true;
            epoch.finished.clone_from(&epoch.known);
        }
        let output = query.run_epoch(epoch).await.unwrap();
        rows.extend(lines(&output.rows));
        late += lines(&output.late).len();
        dead += lines(&output.dead).len();
        match told.next_if(|line| !matches!(line, Line::Row(_, _))) {
            Some(Line::Barrier(seconds)) => {
                assert!(query.watermark_us() >= Some(seconds * SECOND));
            }
            Some(Line::Idle(splits)) => idle.clone_from(splits),
            _ => {}
        }
        if telling.restart {
            let saved = query.snapshot().unwrap();
            plan = 1 - plan;
            query = plans[plan].start(Some(saved)).unwrap();
            if plan == 1 {
                // Every pane goes to disk, and comes back from there after the next start.
                query.spill_above(0);
            }
        }
    }
    assert_eq!(query.open_panes(), 0);
    rows.sort();
    rows.push(format!("late {late}"));
    rows.push(format!("dead {dead}"));
    rows
}

#[tokio::test]
async fn golden_streams_give_what_the_model_expects() {
    let home =
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../tests/streams");
    let mut told = 0;
    for entry in fs::read_dir(home).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let name = folder.display();
        let sql = read("query.sql");
        let plans = match planned(&sql).await {
            Ok(one) => [one, planned(&sql).await.unwrap().with_parallel_rows(0)],
            Err(error) => unreachable!("{name}: {error}"),
        };
        let input = input(&read("input.jsonl"));
        let expected: Vec<String> = read("expected.txt").lines().map(str::to_owned).collect();
        for telling in TELLINGS {
            let got = tell(&plans, &input, telling).await;
            assert_eq!(got, expected, "{name}, {telling:?}");
        }
        told += 1;
    }
    assert!(told >= 80, "only {told} golden streams were found");
}

/// A query in our own dialect.
async fn planned(sql: &str) -> Result<ContinuousPlan> {
    let statement = sluice_sql::parse(sql).unwrap().remove(0).statement;
    let mut target = target();
    let query = match statement {
        sluice_sql::Statement::Sql(statement) => match *statement {
            Statement::Query(query) => query,
            other => unreachable!("not a query: {other}"),
        },
        sluice_sql::Statement::CreateTable(create) => {
            target.emit = create.emit;
            create.query.unwrap()
        }
        other => unreachable!("not a query: {other:?}"),
    };
    let plan = plan_continuous(&session(), &query, &target).await?;
    Ok(plan.unwrap())
}
