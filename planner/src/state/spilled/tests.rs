//! State beyond its limit, by hand: what goes to disk, what comes back, and what is refused.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::{testing::*, *};

const BY_VALUE: &str =
    "SELECT window_start, value, count(*) AS n, sum(value) AS total, stddev(value / 3) AS s
    FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 hour') GROUP BY window_start, value";

/// Events of many groups in one window, the same groups in every epoch.
fn crowd(epoch: i64) -> Vec<Event> {
    (0..20_000)
        .map(|n| event((epoch + n) % 50, "a", n as f64))
        .collect()
}

fn end_of_hour() -> Vec<Event> {
    vec![event(3 * 3600, "z", -1.0)]
}

/// The rows of the hour, and the most bytes that the state took between epochs.
async fn hour(limit: Option<usize>, restart: bool) -> (Vec<String>, usize, u64) {
    let plan = plan(BY_VALUE).await.unwrap();
    let columns = &plan.streams[0].columns;
    let start = |from| {
        plan.start_within(from, limit.unwrap_or(usize::MAX))
            .unwrap()
    };
    let mut query = start(None);
    let (mut rows, mut most, mut spilled) = (Vec::new(), 0, 0);
    let epochs = (0..4).map(crowd).chain([end_of_hour()]);
    for (number, events) in epochs.enumerate() {
        let mut input = epoch(columns, &[(0, &events)]);
        input.now_us = MORNING + 3 * 3600 * SECOND;
        rows.extend(lines(&query.run_epoch(input).await.unwrap().rows));
        most = most.max(query.state_bytes());
        spilled = spilled.max(query.spilled_bytes());
        if restart && number == 1 {
            query = start(Some(query.snapshot().unwrap()));
        }
    }
    (rows, most, spilled)
}

#[tokio::test]
async fn a_window_larger_than_its_memory_closes_with_the_same_rows_in_the_same_order() {
    let (expected, unlimited, none) = hour(None, false).await;
    assert_eq!(expected.len(), 20_000);
    assert_eq!(none, 0);
    let limit = 1 << 20;
    assert!(unlimited > limit, "{unlimited}");
    for restart in [false, true] {
        let (rows, most, spilled) = hour(Some(limit), restart).await;
        assert!(rows == expected, "restart: {restart}");
        assert!(most <= limit, "{most} bytes");
        assert!(spilled > 100_000, "{spilled} bytes on disk");
    }
}

#[tokio::test]
async fn on_a_runtime_with_threads_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let told = runtime.spawn(hour(Some(1 << 20), true));
    let rows = std::thread::spawn(move || runtime.block_on(told).unwrap().0);
    assert!(rows.join().unwrap() == hour(None, false).await.0);
}

#[tokio::test]
async fn what_cannot_go_to_disk_is_refused_beyond_the_limit() {
    let cases = [(
        "SELECT window_start, window_end, value, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '1 hour') GROUP BY window_start, window_end, value",
        "sessions",
    )];
    for (sql, why) in cases {
        let plan = plan(sql).await.unwrap();
        let mut query = plan.start_within(None, 1 << 20).unwrap();
        let input = epoch(&plan.streams[0].columns, &[(0, &crowd(0))]);
        let error = query.run_epoch(input).await.unwrap_err();
        assert_eq!(error.kind, PlanErrorKind::Resources);
        assert!(
            error.message.contains("state_memory is 1 MB"),
            "{}",
            error.message
        );
        assert!(error.detail.unwrap().contains(why), "{sql}");
    }
}

#[tokio::test]
async fn open_windows_on_disk_can_be_looked_at() {
    let plan = plan(BY_VALUE).await.unwrap();
    let columns = &plan.streams[0].columns;
    let mut live = Vec::new();
    for limit in [None, Some(1 << 20)] {
        let limit = limit.unwrap_or(usize::MAX);
        let mut query = plan.start_within(None, limit).unwrap();
        for number in 0..2 {
            let input = epoch(columns, &[(0, &crowd(number))]);
            query.run_epoch(input).await.unwrap();
        }
        live.push(lines(&query.live().await.unwrap()));
        // Looking takes nothing away.
        assert_eq!(query.open_panes(), 1);
        live.push(lines(&query.live().await.unwrap()));
    }
    assert_eq!(live[0].len(), 20_000);
    assert!(live.iter().all(|rows| *rows == live[0]));
}

#[tokio::test]
async fn a_scratch_file_that_is_gone_is_an_error_with_a_hint() {
    let plan = plan(BY_VALUE).await.unwrap();
    let columns = &plan.streams[0].columns;
    let mut query = plan.start_within(None, 1 << 20).unwrap();
    let input = epoch(columns, &[(0, &crowd(0))]);
    query.run_epoch(input).await.unwrap();
    let saved = query.snapshot().unwrap();
    for spilled in &saved.spilled {
        std::fs::remove_file(spilled.file.path().unwrap()).unwrap();
    }
    let input = epoch(columns, &[(0, &end_of_hour())]);
    let input = EpochInput {
        now_us: MORNING + 3 * 3600 * SECOND,
        ..input
    };
    let error = query.run_epoch(input).await.unwrap_err();
    assert_eq!(error.kind, PlanErrorKind::Scratch, "{}", error.message);
    assert!(error.hint.unwrap().contains("state_memory"));
}
