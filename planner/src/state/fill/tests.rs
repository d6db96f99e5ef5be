//! Windows without rows: which are told, with what, in which order, at what cost.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;
use sluice_sql::{Emit, Fill, FillWith};
use tokio::runtime::Runtime;

use super::CHUNK;
use crate::{testing::*, *};

const PER_SECOND: &str = "SELECT window_start, kind, count(*) AS n, sum(value) AS total
    FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 second') GROUP BY window_start, kind";
const PER_TEN: &str = "SELECT window_start, kind, count(*) AS n, sum(value) AS total
    FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds') GROUP BY window_start, kind";

fn filling(with: FillWith, windows: u32) -> TargetDefinition {
    TargetDefinition {
        emit: Emit::OnWindowCloseFill(Fill { with, windows }),
        ..target()
    }
}

async fn filled(sql: &str, with: FillWith, windows: u32) -> ContinuousPlan {
    plan_into(sql, &filling(with, windows)).await.unwrap()
}

async fn refused(sql: &str) -> String {
    let error = plan_into(sql, &filling(FillWith::Null, 3)).await;
    let error = error.unwrap_err();
    let hint = error.hint.clone().unwrap();
    format!("{error} · {hint}")
}

/// An epoch of one split, at a time at which nothing is in the future.
fn of(plan: &ContinuousPlan, events: &[Event]) -> EpochInput {
    EpochInput {
        now_us: MORNING + 1_000 * 86_400 * SECOND,
        ..epoch(&plan.streams[0].columns, &[(0, events)])
    }
}

async fn run(query: &mut ContinuousQuery, input: EpochInput) -> Vec<String> {
    lines(&query.run_epoch(input).await.unwrap().rows)
}

/// What some events give, each in an epoch of its own, and then the end.
async fn told(plan: &ContinuousPlan, events: &[Event]) -> Vec<String> {
    let mut query = plan.start(None).unwrap();
    let mut rows = Vec::new();
    for event in events {
        rows.extend(run(&mut query, of(plan, std::slice::from_ref(event))).await);
    }
    rows.extend(run(&mut query, the_end(&[0])).await);
    rows
}

/// What some events give in one epoch, which is the last.
async fn told_at_once(plan: &ContinuousPlan, events: &[Event]) -> Vec<String> {
    let mut query = plan.start(None).unwrap();
    let mut input = of(plan, events);
    input.finished = BTreeSet::from([split(0)]);
    run(&mut query, input).await
}

#[tokio::test]
async fn rows_of_the_stream_come_first_then_the_keys_in_order() {
    let plan = filled(PER_TEN, FillWith::Null, 2).await;
    let events = [
        event(1, "b", 1.0),
        event(2, "a", 2.0),
        Event {
            kind: None,
            ..event(3, "", 3.0)
        },
        event(21, "b", 4.0),
        event(60, "c", 5.0),
    ];
    let expected = [
        "2024-02-29T09:00:00Z | b | 1 | 1.0",
        "2024-02-29T09:00:00Z | a | 1 | 2.0",
        "2024-02-29T09:00:00Z |  | 1 | 3.0",
        // Nobody has rows.
        "2024-02-29T09:00:10Z |  | 0 | ",
        "2024-02-29T09:00:10Z | a | 0 | ",
        "2024-02-29T09:00:10Z | b | 0 | ",
        // One has, the others were there two windows ago.
        "2024-02-29T09:00:20Z | b | 1 | 4.0",
        "2024-02-29T09:00:20Z |  | 0 | ",
        "2024-02-29T09:00:20Z | a | 0 | ",
        "2024-02-29T09:00:30Z | b | 0 | ",
        "2024-02-29T09:00:40Z | b | 0 | ",
        // Everybody is forgotten, until the next.
        "2024-02-29T09:01:00Z | c | 1 | 5.0",
    ];
    assert_eq!(told(&plan, &events).await, expected);
    assert_eq!(told_at_once(&plan, &events).await, expected);
}

#[tokio::test]
async fn a_jump_of_a_year_costs_what_it_tells() {
    let plan = filled(PER_SECOND, FillWith::Zero, 5).await;
    let mut query = plan.start(None).unwrap();
    let first = [event(0, "a", 1.0), event(0, "b", 1.0)];
    assert!(run(&mut query, of(&plan, &first)).await.is_empty());
    let year = 365 * 86_400;
    let rows = run(&mut query, of(&plan, &[event(year, "a", 1.0)])).await;
    // Two rows, and five windows of two keys: not one for each of 31 million seconds.
    assert_eq!(rows.len(), 12);
    assert_eq!(rows[11], "2024-02-29T09:00:05Z | b | 0 | 0.0");
    assert_eq!(query.open_panes(), 1);
    // Every key is forgotten, and takes no room.
    assert_eq!(query.snapshot().unwrap().panes.len(), 1);
    // The end is no window either.
    let rows = run(&mut query, the_end(&[0])).await;
    assert_eq!(rows, ["2025-02-28T09:00:00Z | a | 1 | 1.0"]);
    assert_eq!(query.snapshot().unwrap().panes.len(), 0);
    assert_eq!(query.state_bytes(), 0);
}

#[tokio::test]
async fn a_query_without_keys_is_filled_as_well_and_in_as_many_windows_as_it_says() {
    let sql = "SELECT window_start, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 second') GROUP BY window_start";
    let plan = filled(sql, FillWith::Null, 20_000).await;
    let events = [event(0, "a", 1.0), event(86_400, "a", 1.0)];
    let rows = told(&plan, &events).await;
    assert_eq!(rows.len(), 20_002);
    const { assert!(20_000 > 2 * CHUNK, "several batches") };
    assert_eq!(rows[1], "2024-02-29T09:00:01Z | 0");
    assert_eq!(rows[20_000], "2024-02-29T14:33:20Z | 0");
    assert_eq!(rows[20_001], "2024-03-01T09:00:00Z | 1");
    // Within that, there is no gap.
    let plan = filled(sql, FillWith::Null, 100_000).await;
    assert_eq!(told(&plan, &events).await.len(), 86_401);
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_gap_changes_nothing() {
    let time = |seconds| [event(seconds, "z", 0.0)];
    let sql = PER_SECOND.replace("GROUP BY", "WHERE kind <> 'z' GROUP BY");
    for with in [FillWith::Null, FillWith::Zero, FillWith::Previous] {
        let plan = filled(&sql, with, 4).await;
        let mut steady = plan.start(None).unwrap();
        let mut restarted = plan.start(None).unwrap();
        let (mut expected, mut got) = (Vec::new(), Vec::new());
        let first = [event(0, "a", 7.0), event(1, "b", 8.0)];
        for events in [
            &first[..],
            &time(12),
            &time(13),
            &time(14),
            &time(15),
            &time(40),
        ] {
            expected.extend(run(&mut steady, of(&plan, events)).await);
            got.extend(run(&mut restarted, of(&plan, events)).await);
            let bytes = restarted.state_bytes();
            let saved = restarted.snapshot().unwrap();
            let windows = saved.panes.iter().filter(|pane| pane.stage == 1);
            assert!(windows.clone().count() <= 1);
            // What did not change is not written again.
            let again = restarted.snapshot().unwrap();
            for (pane, again) in saved.panes.iter().zip(&again.panes) {
                assert!(Arc::ptr_eq(&pane.state, &again.state));
            }
            restarted = plan.start(Some(saved)).unwrap();
            assert_eq!(bytes > 0, restarted.state_bytes() > 0);
        }
        assert_eq!(got, expected);
        assert_eq!(got.len(), 2 + 4 + 4, "{got:?}");
        assert_eq!(got[2], {
            let value = match with {
                FillWith::Previous => "1 | 7.0",
                FillWith::Zero => "0 | 0.0",
                _ => "0 | ",
            };
            format!("2024-02-29T09:00:01Z | a | {value}")
        });
        assert_eq!(restarted.state_bytes(), 0);
    }
}

#[tokio::test]
async fn state_of_another_filling_is_refused() {
    let null = filled(PER_TEN, FillWith::Null, 3).await;
    let previous = filled(PER_TEN, FillWith::Previous, 3).await;
    let mut query = null.start(None).unwrap();
    run(
        &mut query,
        of(&null, &[event(0, "a", 1.0), event(25, "a", 1.0)]),
    )
    .await;
    let saved = query.snapshot().unwrap();
    assert_eq!(saved.panes.iter().filter(|pane| pane.stage == 1).count(), 1);
    let error = previous.start(Some(saved.clone())).unwrap_err();
    assert_eq!(error.message, "the saved state is of another query");
    let error = plan(PER_TEN).await.unwrap().start(Some(saved)).unwrap_err();
    assert_eq!(error.message, "the saved state is of another query");
}

#[tokio::test]
async fn the_fingerprint_and_explain_tell_of_the_filling() {
    let mut fingerprints = BTreeSet::new();
    for with in [FillWith::Null, FillWith::Zero, FillWith::Previous] {
        for windows in [3, 4] {
            fingerprints.insert(filled(PER_TEN, with, windows).await.fingerprint);
        }
    }
    fingerprints.insert(plan(PER_TEN).await.unwrap().fingerprint);
    assert_eq!(fingerprints.len(), 7);
    let text = filled(PER_TEN, FillWith::Previous, 1).await.explain();
    assert!(
        text.contains("\n  windows without rows: FILL PREVIOUS FOR 1 WINDOW\n"),
        "{text}"
    );
}

#[tokio::test]
async fn an_epoch_that_would_fill_a_window_may_close_one() {
    let plan = filled(PER_TEN, FillWith::Null, 3).await;
    let mut query = plan.start(None).unwrap();
    run(&mut query, of(&plan, &[event(0, "a", 1.0)])).await;
    // The last window with rows is through, and no other has a pane.
    let sql = PER_TEN.replace("GROUP BY", "WHERE kind = 'a' GROUP BY");
    let plan_of_a = filled(&sql, FillWith::Null, 3).await;
    let mut of_a = plan_of_a.start(None).unwrap();
    run(
        &mut of_a,
        of(&plan_of_a, &[event(0, "a", 1.0), event(25, "b", 1.0)]),
    )
    .await;
    assert_eq!(of_a.open_panes(), 0);
    let known = BTreeSet::from([split(0)]);
    let columns = &plan_of_a.streams[0].columns;
    let closes = |query: &ContinuousQuery, seconds| {
        let rows = rows(columns, &[event(seconds, "b", 1.0)]);
        query.may_close([(&split(0), &rows)], &known, &BTreeSet::new())
    };
    assert!(!closes(&of_a, 29));
    assert!(closes(&of_a, 30));
    // Every key is forgotten: time alone closes nothing more.
    run(&mut of_a, of(&plan_of_a, &[event(70, "b", 1.0)])).await;
    assert!(!closes(&of_a, 75));
}

#[tokio::test]
async fn at_the_end_windows_are_filled_as_far_as_time_was_seen() {
    // Rows that WHERE drops move time, and however they come the same windows are told.
    let sql = PER_TEN.replace("GROUP BY", "WHERE kind = 'a' GROUP BY");
    let plan = filled(&sql, FillWith::Zero, 10).await;
    let events = [event(0, "a", 1.0), event(3, "b", 1.0), event(45, "b", 1.0)];
    let expected = [
        "2024-02-29T09:00:00Z | a | 1 | 1.0",
        "2024-02-29T09:00:10Z | a | 0 | 0.0",
        "2024-02-29T09:00:20Z | a | 0 | 0.0",
    ];
    assert_eq!(told(&plan, &events).await, expected);
    assert_eq!(told_at_once(&plan, &events).await, expected);
    // Without them there is nothing after the last window with rows.
    assert_eq!(told(&plan, &events[..2]).await, expected[..1]);
}

#[tokio::test]
async fn what_stands_above_the_aggregation_sees_filled_rows_like_others() {
    let events = [
        event(0, "a", 6.0),
        event(1, "b", 4.0),
        event(12, "a", 1.0),
        event(31, "a", 9.0),
    ];
    // HAVING and expressions.
    let plan = filled(
        "SELECT kind, count(*) AS n, coalesce(sum(value), -1) AS total, sum(value) / nullif(count(*), 0) AS mean
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds')
         GROUP BY window_start, kind HAVING count(*) = 0 OR kind = 'a'",
        FillWith::Null,
        2,
    )
    .await;
    let expected = [
        "a | 1 | 6.0 | 6.0",
        "a | 1 | 1.0 | 1.0",
        "b | 0 | -1.0 | ",
        "a | 0 | -1.0 | ",
        "b | 0 | -1.0 | ",
        "a | 1 | 9.0 | 9.0",
    ];
    assert_eq!(told(&plan, &events).await, expected);
    // Another aggregation within the window, and OVER.
    let plan = filled(
        "SELECT window_start, count(*) AS kinds, min(n) AS least FROM (
         SELECT window_start, window_end, kind, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds')
         GROUP BY window_start, window_end, kind) AS c GROUP BY window_start",
        FillWith::Zero,
        1,
    )
    .await;
    let mut rows = told(&plan, &events).await;
    rows.sort();
    let expected = [
        "2024-02-29T09:00:00Z | 2 | 1",
        "2024-02-29T09:00:10Z | 2 | 0",
        "2024-02-29T09:00:20Z | 1 | 0",
        "2024-02-29T09:00:30Z | 1 | 1",
    ];
    assert_eq!(rows, expected);
    let plan = filled(
        "SELECT window_start, kind, rank() OVER (PARTITION BY window_start ORDER BY n DESC, kind) AS place FROM (
         SELECT window_start, kind, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds')
         GROUP BY window_start, kind) AS c",
        FillWith::Zero,
        1,
    )
    .await;
    let mut rows = told(&plan, &events[..3]).await;
    rows.sort();
    let expected = [
        "2024-02-29T09:00:00Z | a | 1",
        "2024-02-29T09:00:00Z | b | 2",
        "2024-02-29T09:00:10Z | a | 1",
        "2024-02-29T09:00:10Z | b | 2",
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn partition_columns_are_those_of_the_filled_window() {
    let target = TargetDefinition {
        partitioned_by: vec![("minute".to_owned(), Some(arrow::datatypes::DataType::Int32))],
        ..filling(FillWith::Zero, 5)
    };
    let sql = "SELECT count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start";
    let plan = plan_into(sql, &target).await.unwrap();
    let rows = told(&plan, &[event(0, "a", 1.0), event(150, "a", 1.0)]).await;
    assert_eq!(rows, ["1 | 0", "0 | 1", "1 | 2"]);
}

#[tokio::test]
async fn a_zero_is_for_numbers_alone_and_of_their_type() {
    let sql = "SELECT count(*) AS n, count(DISTINCT kind) AS kinds, approx_distinct(kind) AS about, max(kind) AS last,
        min(value) AS least, sum(CAST(value AS BIGINT)) AS total, array_agg(value) AS every, bool_or(value > 1) AS some, max(ts) AS latest,
        approx_percentile(value, 0.5) AS median
        FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds') GROUP BY window_start";
    let events = [event(0, "a", 2.0), event(20, "a", 2.0)];
    let first = "1 | 1 | 1 | a | 2.0 | 2 | [2.0] | true | 2024-02-29T09:00:00Z | 2.0";
    let rows = told(&filled(sql, FillWith::Zero, 1).await, &events).await;
    assert_eq!(rows[..2], [first, "0 | 0 | 0 |  | 0.0 | 0 |  |  |  | 0.0"]);
    let rows = told(&filled(sql, FillWith::Null, 1).await, &events).await;
    assert_eq!(rows[..2], [first, "0 | 0 | 0 |  |  |  |  |  |  | "]);
    let rows = told(&filled(sql, FillWith::Previous, 1).await, &events).await;
    assert_eq!(rows[..2], [first, first]);
}

#[tokio::test]
async fn grouping_sets_are_filled_set_by_set() {
    let plan = filled(
        "SELECT window_start, kind, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds')
         GROUP BY window_start, ROLLUP (kind)",
        FillWith::Zero,
        1,
    )
    .await;
    let events = [
        event(0, "a", 1.0),
        Event {
            kind: None,
            ..event(1, "", 1.0)
        },
        event(11, "a", 1.0),
    ];
    let mut rows = told(&plan, &events).await;
    rows.sort();
    let expected = [
        "2024-02-29T09:00:00Z |  | 1",
        "2024-02-29T09:00:00Z |  | 2",
        "2024-02-29T09:00:00Z | a | 1",
        // The key NULL has no rows, all keys together have one.
        "2024-02-29T09:00:10Z |  | 0",
        "2024-02-29T09:00:10Z |  | 1",
        "2024-02-29T09:00:10Z | a | 1",
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn of_windows_over_windows_those_that_are_written_are_filled() {
    let sql = "SELECT window_start, kind, sum(n) AS n, count(*) AS parts FROM TUMBLE((
        SELECT window_time, kind, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds') GROUP BY window_time, kind),
        window_time, INTERVAL '1 minute') GROUP BY window_start, kind";
    let plan = filled(sql, FillWith::Zero, 2).await;
    let events = [
        event(0, "a", 1.0),
        event(15, "a", 1.0),
        event(200, "b", 1.0),
        event(400, "b", 1.0),
    ];
    let expected = [
        "2024-02-29T09:00:00Z | a | 2 | 2",
        "2024-02-29T09:01:00Z | a | 0 | 0",
        "2024-02-29T09:02:00Z | a | 0 | 0",
        "2024-02-29T09:03:00Z | b | 1 | 1",
        "2024-02-29T09:04:00Z | b | 0 | 0",
        "2024-02-29T09:05:00Z | b | 0 | 0",
        "2024-02-29T09:06:00Z | b | 1 | 1",
    ];
    assert_eq!(told(&plan, &events).await, expected);
    assert_eq!(told_at_once(&plan, &events).await, expected);
}

#[tokio::test]
async fn what_cannot_be_filled_is_refused_with_what_to_write() {
    let from = "FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute')";
    assert_eq!(
        refused("SELECT window_start, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, window_end").await,
        "sessions cannot be filled: EMIT ON WINDOW CLOSE FILL · leave FILL out, or use TUMBLE, HOP or CUMULATE"
    );
    let no_windows = "EMIT ON WINDOW CLOSE FILL needs windows · write SELECT window_start, …, count(*) AS n FROM TUMBLE(stream, …) GROUP BY window_start, … EMIT ON WINDOW CLOSE FILL NULL";
    assert_eq!(refused("SELECT ts, kind FROM events").await, no_windows);
    assert_eq!(refused("SELECT 1 AS one").await, no_windows);
    assert_eq!(
        refused(&format!("SELECT DISTINCT window_start, kind {from}")).await,
        "EMIT ON WINDOW CLOSE FILL needs an aggregate in the query · add count(*) to the SELECT list: it is 0 where a row was filled in"
    );
    let follows = |name: &str| {
        format!(
            "group key \"{name}\" follows from time, and windows cannot be filled by it · leave it out of GROUP BY, and compute it from window_start in the SELECT list"
        )
    };
    for (name, sql) in [
        (
            "h",
            format!(
                "SELECT h, count(*) AS n FROM (SELECT *, date_trunc('hour', window_start) AS h {from}) AS w GROUP BY window_start, h"
            ),
        ),
        (
            "d",
            format!(
                "SELECT d, count(*) AS n FROM (SELECT *, CAST(ts AS DATE) AS d {from}) AS w GROUP BY window_start, d"
            ),
        ),
        (
            "ts",
            format!("SELECT ts, count(*) AS n {from} GROUP BY window_start, ts"),
        ),
        (
            "first",
            format!(
                "SELECT first, count(*) AS n FROM TUMBLE((SELECT window_time, min(ts) AS first {from} GROUP BY window_time), window_time, INTERVAL '1 hour') GROUP BY window_start, first"
            ),
        ),
    ] {
        assert_eq!(refused(&sql).await, follows(name), "{sql}");
    }
    // A key that is computed from other columns is a key like any other.
    let sql = format!(
        "SELECT upper(kind) AS k, value > 1 AS high, count(*) AS n {from} GROUP BY window_start, upper(kind), value > 1"
    );
    filled(&sql, FillWith::Null, 3).await;
}

#[derive(Clone, Debug)]
struct Case {
    /// Seconds after the one before, and the kind.
    events: Vec<(i64, &'static str)>,
    /// Whether an epoch ends behind each event, and whether the query is started again then.
    ends: Vec<(bool, bool)>,
    windows: u32,
    with: FillWith,
}

fn case() -> impl Strategy<Value = Case> {
    let step = prop_oneof![4 => 0..8_i64, 2 => 8..60_i64, 1 => 60..5_000_i64];
    let kind = prop::sample::select(vec!["a", "b", "c"]);
    let with = prop::sample::select(vec![FillWith::Null, FillWith::Zero, FillWith::Previous]);
    let events = prop::collection::vec(((step, kind), (any::<bool>(), any::<bool>())), 1..40);
    (events, 1..6_u32, with).prop_map(|(events, windows, with)| {
        let (events, ends) = events.into_iter().unzip();
        Case {
            events,
            ends,
            windows,
            with,
        }
    })
}

/// The rows by their definition: a window and a key have a row if they have rows, or if the key had some a few windows before.
fn model(case: &Case) -> Vec<String> {
    let mut rows: BTreeMap<(i64, &str), (i64, String)> = BTreeMap::new();
    let mut at = 0;
    for (step, kind) in &case.events {
        at += step;
        let (n, total) = rows.entry((at / 10, *kind)).or_default();
        *n += 1;
        *total = format!("{n}.0");
    }
    let last = (at / 10).max((at - 10).div_euclid(10) - 1);
    let mut filled = rows.clone();
    for window in 0..=last {
        for kind in ["a", "b", "c"] {
            let before =
                (1..=i64::from(case.windows)).find_map(|ago| rows.get(&(window - ago, kind)));
            if let Some(before) = before
                && !rows.contains_key(&(window, kind))
            {
                let row = match case.with {
                    FillWith::Previous => before.clone(),
                    FillWith::Zero => (0, "0.0".to_owned()),
                    _ => (0, String::new()),
                };
                filled.insert((window, kind), row);
            }
        }
    }
    let line = |((window, kind), (n, total)): (&(i64, &str), &(i64, String))| {
        format!("{} | {kind} | {n} | {total}", window * 10)
    };
    let mut lines: Vec<String> = filled.iter().map(line).collect();
    lines.sort();
    lines
}

/// A window of many groups that was on disk comes in several batches, and is one window all the same.
#[tokio::test]
async fn a_window_that_was_on_disk_is_filled_as_one() {
    let sql = "SELECT window_start, value, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds') GROUP BY window_start, value";
    let plan = filled(sql, FillWith::Null, 2).await;
    let mut told = Vec::new();
    for on_disk in [false, true] {
        let mut query = plan.start(None).unwrap();
        if on_disk {
            query.spill_above(0);
        }
        let mut rows = Vec::new();
        for (window, groups) in [(0, 0..100), (1, 50..150), (3, 0..1), (9, 0..1)] {
            let events: Vec<Event> = groups
                .map(|value| event(window * 10, "a", f64::from(value)))
                .collect();
            rows.extend(run(&mut query, of(&plan, &events)).await);
        }
        told.push(rows);
    }
    // 100 with rows; 100 with rows and 50 filled; the gap has 150, and the window behind it one with rows and the 100 of the second.
    assert!(told[0].len() > 400, "{}", told[0].len());
    assert_eq!(told[0], told[1]);
}

/// What would not fit in memory is refused before it is made.
#[tokio::test]
async fn a_gap_of_too_many_rows_is_refused() {
    let sql = "SELECT window_start, value, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 second') GROUP BY window_start, value";
    let plan = filled(sql, FillWith::Null, 100_000).await;
    let mut query = plan.start(None).unwrap();
    let crowd: Vec<Event> = (0..200).map(|n| event(0, "a", f64::from(n))).collect();
    run(&mut query, of(&plan, &crowd)).await;
    let error = query
        .run_epoch(of(&plan, &[event(100_000, "a", 0.0)]))
        .await
        .unwrap_err();
    assert_eq!(error.kind, PlanErrorKind::Resources, "{}", error.message);
    assert!(error.hint.unwrap().contains("FOR fewer WINDOWS"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_epochs_and_restarts_each_window_is_filled_by_its_definition(case in case()) {
        let got = Runtime::new().unwrap().block_on(async {
            let sql = "SELECT CAST(extract(epoch from window_start) AS BIGINT) - 1709197200 AS s, kind, count(*) AS n, sum(value) AS total
                FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '10 seconds') GROUP BY window_start, kind";
            let plan = filled(sql, case.with, case.windows).await;
            let mut query = plan.start(None).unwrap();
            let mut rows = Vec::new();
            let (mut at, mut epoch) = (0, Vec::new());
            for ((step, kind), (ends, restarts)) in case.events.iter().zip(&case.ends) {
                at += step;
                epoch.push(event(at, kind, 1.0));
                if *ends {
                    rows.extend(run(&mut query, of(&plan, &epoch)).await);
                    epoch.clear();
                    if *restarts {
                        let saved = query.snapshot().unwrap();
                        query = plan.start(Some(saved)).unwrap();
                    }
                }
            }
            let mut last = of(&plan, &epoch);
            last.finished = BTreeSet::from([split(0)]);
            rows.extend(run(&mut query, last).await);
            rows.sort();
            rows
        });
        prop_assert_eq!(got, model(&case));
    }
}
