//! Groups that are made beside the epochs are the groups that would have been made before them.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::testing::*;

const SUMS: &str = "SELECT window_start, kind, count(*) AS n, sum(value) AS total, avg(value) AS mean, min(value) AS least
    FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 hour')
    GROUP BY window_start, kind";

/// Values whose sum depends on the order in which they are added.
fn rows(round: i64) -> Vec<Event> {
    let kinds = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let of_kind = |(number, kind): (usize, &'static str)| {
        let value = [0.1, 1e17, -1e17, 3.3][(number + round as usize) % 4];
        event(round * 10 + number as i64, kind, value)
    };
    // Some groups are new in later rounds, some have no rows in some.
    let kinds = kinds.into_iter().enumerate();
    let kinds = kinds
        .filter(|(number, _)| (*number as i64) < 4 + round && (*number as i64 + round) % 5 != 0);
    kinds.map(of_kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_come_meanwhile_give_what_they_give_in_order() {
    let plan = plan(SUMS).await.unwrap();
    let columns = &plan.streams[0].columns;
    let mut untouched = plan.start(None).unwrap();
    let mut saved = plan.start(None).unwrap();
    let mut restarted = plan.start(None).unwrap();
    for round in 0..12 {
        let rows = rows(round);
        for query in [&mut untouched, &mut saved, &mut restarted] {
            let output = query
                .run_epoch(epoch(columns, &[(0, &rows)]))
                .await
                .unwrap();
            assert!(output.rows.is_empty());
        }
        // Every few epochs the groups become a batch, out of which the next rows make them again.
        if round % 3 == 1 {
            let of_saved = saved.snapshot().unwrap();
            let of_restarted = restarted.snapshot().unwrap();
            assert_eq!(of_saved.panes[0].state, of_restarted.panes[0].state);
            restarted = plan.start(Some(of_restarted)).unwrap();
            assert!(restarted.state_bytes() > 0);
        }
        if round % 4 == 3 {
            let live = lines(&saved.live().await.unwrap());
            assert_eq!(live, lines(&restarted.live().await.unwrap()));
        }
    }
    let end = [event(3_700, "z", 1.0)];
    let mut results = Vec::new();
    for query in [&mut untouched, &mut saved, &mut restarted] {
        let output = query.run_epoch(epoch(columns, &[(0, &end)])).await.unwrap();
        results.push(lines(&output.rows));
    }
    assert_eq!(results[0].len(), 8);
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}
