//! Sessions that grow, join and are cut, with restarts in between.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use crate::{ContinuousPlan, ContinuousQuery, EpochOutput, StateFile, StateSnapshot, testing::*};

/// An epoch in which split 0 brings these events; then the query is saved and started again.
async fn tell(plan: &ContinuousPlan, query: &mut ContinuousQuery, events: &[Event]) -> EpochOutput {
    let input = epoch(&plan.streams[0].columns, &[(0, events)]);
    let output = query.run_epoch(input).await.unwrap();
    *query = plan.start(Some(query.snapshot().unwrap())).unwrap();
    output
}

#[tokio::test]
async fn the_groups_of_a_session_have_its_times_and_join_with_it() {
    let plan = plan(
        "SELECT window_start, window_end, kind, value > 0 AS positive, count(*) AS n, sum(value) AS total
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '10 seconds', partition_by(kind))
         GROUP BY window_start, window_end, kind, value > 0",
    )
    .await
    .unwrap();
    let mut query = plan.start(None).unwrap();
    let apart = [event(0, "a", 1.0), event(18, "a", -2.0), event(3, "b", 5.0)];
    assert!(tell(&plan, &mut query, &apart).await.rows.is_empty());
    assert_eq!(query.open_panes(), 3);
    // Nine seconds from the one, and nine from the other.
    tell(&plan, &mut query, &[event(9, "a", 4.0)]).await;
    assert_eq!(query.open_panes(), 2);
    let live = lines(&query.live().await.unwrap());
    let output = query.run_epoch(the_end(&[0])).await.unwrap();
    let rows = lines(&output.rows);
    assert_eq!(
        rows,
        [
            "2024-02-29T09:00:03Z | 2024-02-29T09:00:13Z | b | true | 1 | 5.0",
            "2024-02-29T09:00:00Z | 2024-02-29T09:00:28Z | a | false | 1 | -2.0",
            "2024-02-29T09:00:00Z | 2024-02-29T09:00:28Z | a | true | 2 | 5.0",
        ]
    );
    assert_eq!(live, rows);
}

#[tokio::test]
async fn sessions_of_different_keys_come_together_in_a_group() {
    let plan = plan(
        "SELECT window_end, count(*) AS n, min(kind) AS low, max(kind) AS high
         FROM SESSION((SELECT * FROM events), ts, INTERVAL '10 seconds', partition_by(kind)) GROUP BY window_end",
    )
    .await
    .unwrap();
    let mut query = plan.start(None).unwrap();
    let events = [
        event(0, "a", 1.0),
        event(5, "a", 1.0),
        event(5, "b", 1.0),
        event(6, "c", 1.0),
    ];
    tell(&plan, &mut query, &events).await;
    let output = query.run_epoch(the_end(&[0])).await.unwrap();
    assert_eq!(
        lines(&output.rows),
        [
            "2024-02-29T09:00:15Z | 3 | a | b",
            "2024-02-29T09:00:16Z | 1 | c | c",
        ]
    );
}

const CUT: &str = "SELECT window_start, window_end, count(*) AS n, sum(value) AS total
     FROM SESSION((SELECT * FROM events), ts, INTERVAL '10 seconds', INTERVAL '15 seconds') GROUP BY window_start, window_end";

#[tokio::test]
async fn the_pieces_of_a_session_come_while_it_goes_on() {
    let plan = plan(CUT).await.unwrap();
    let mut query = plan.start(None).unwrap();
    let mut told = Vec::new();
    for seconds in [0, 10, 20, 30, 35, 40, 50, 54, 60] {
        let output = tell(&plan, &mut query, &[event(seconds, "a", 1.0)]).await;
        let rows = lines(&output.rows).into_iter();
        told.extend(rows.map(|row| format!("{seconds}: {row}")));
    }
    let output = query.run_epoch(the_end(&[0])).await.unwrap();
    told.extend(lines(&output.rows));
    assert_eq!(
        told,
        [
            // The watermark is ten seconds behind, and a piece final ten seconds after its end.
            "35: 2024-02-29T09:00:00Z | 2024-02-29T09:00:15Z | 2 | 2.0",
            "50: 2024-02-29T09:00:15Z | 2024-02-29T09:00:30Z | 1 | 1.0",
            "2024-02-29T09:00:30Z | 2024-02-29T09:00:45Z | 3 | 3.0",
            "2024-02-29T09:00:45Z | 2024-02-29T09:01:00Z | 2 | 2.0",
            "2024-02-29T09:01:00Z | 2024-02-29T09:01:10Z | 1 | 1.0",
        ]
    );
}

#[tokio::test]
async fn an_earlier_row_moves_every_cut_and_a_row_between_joins_two_sessions() {
    let plan = plan(CUT).await.unwrap();
    let mut query = plan.start(None).unwrap();
    tell(
        &plan,
        &mut query,
        &[event(10, "a", 1.0), event(21, "a", 1.0)],
    )
    .await;
    assert_eq!(query.open_panes(), 2);
    // Ten seconds before the first session, then between the two: one session from the third second on.
    tell(&plan, &mut query, &[event(3, "a", 1.0)]).await;
    tell(&plan, &mut query, &[event(14, "a", 1.0)]).await;
    assert_eq!(query.open_panes(), 1);
    let output = query.run_epoch(the_end(&[0])).await.unwrap();
    assert_eq!(
        lines(&output.rows),
        [
            "2024-02-29T09:00:03Z | 2024-02-29T09:00:18Z | 3 | 3.0",
            "2024-02-29T09:00:18Z | 2024-02-29T09:00:31Z | 1 | 1.0",
        ]
    );
}

#[tokio::test]
async fn a_row_of_a_piece_is_late_by_its_own_stretch() {
    let plan = plan(CUT).await.unwrap();
    let mut query = plan.start(None).unwrap();
    let session: Vec<Event> = (0..4).map(|step| event(step * 9, "a", 1.0)).collect();
    tell(&plan, &mut query, &session).await;
    // The watermark is at 17 seconds: a row is late if its ten seconds are over by then.
    let output = tell(&plan, &mut query, &[event(7, "a", 1.0), event(8, "a", 1.0)]).await;
    assert_eq!(lines(&output.late).len(), 1);
    let output = query.run_epoch(the_end(&[0])).await.unwrap();
    assert_eq!(
        lines(&output.rows),
        [
            "2024-02-29T09:00:00Z | 2024-02-29T09:00:15Z | 3 | 3.0",
            "2024-02-29T09:00:15Z | 2024-02-29T09:00:30Z | 2 | 2.0",
        ]
    );
}

#[tokio::test]
async fn a_session_without_end_is_remembered_by_a_few_states() {
    let plan = plan(CUT).await.unwrap();
    let mut query = plan.start(None).unwrap();
    let mut pieces = 0;
    for seconds in 0..200 {
        let events: Vec<Event> = ["a", "b"].map(|kind| event(seconds, kind, 1.0)).into();
        pieces += lines(&tell(&plan, &mut query, &events).await.rows).len();
        let saved = query.snapshot().unwrap();
        let states: usize = saved.panes.iter().map(|pane| pane.state.num_rows()).sum();
        // Until twenty seconds a row might still come before the first.
        assert!(states <= 8 || seconds <= 21, "{states} after {seconds}");
    }
    assert_eq!(pieces, 11);
}

#[tokio::test]
async fn a_checkpoint_writes_the_sessions_that_changed() {
    let plan = plan(
        "SELECT window_start, window_end, kind, count(*) AS n FROM SESSION((SELECT * FROM events), ts, INTERVAL '10 seconds')
         GROUP BY window_start, window_end, kind",
    )
    .await
    .unwrap();
    let mut query = plan.start(None).unwrap();
    let columns = &plan.streams[0].columns;
    // Split 1 holds time back.
    let (rests, goes_on) = ([event(0, "a", 1.0)], [event(100, "b", 1.0)]);
    query
        .run_epoch(epoch(columns, &[(0, &goes_on), (1, &rests)]))
        .await
        .unwrap();
    let before = query.snapshot().unwrap().panes;
    let again = query.snapshot().unwrap().panes;
    let same = |one: usize| Arc::ptr_eq(&before[one].state, &again[one].state);
    assert!(before.len() == 2 && same(0) && same(1));
    let mut input = epoch(columns, &[(0, &[event(101, "b", 1.0)])]);
    input.known.insert(split(1));
    query.run_epoch(input).await.unwrap();
    let after = query.snapshot().unwrap().panes;
    let same: Vec<bool> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| Arc::ptr_eq(&before.state, &after.state))
        .collect();
    assert_eq!(same, [true, false]);
    let mut query = plan.start(Some(query.snapshot().unwrap())).unwrap();
    let output = query.run_epoch(the_end(&[0, 1])).await.unwrap();
    assert_eq!(
        lines(&output.rows),
        [
            "2024-02-29T09:00:00Z | 2024-02-29T09:00:10Z | a | 1",
            "2024-02-29T09:01:40Z | 2024-02-29T09:01:51Z | b | 2",
        ]
    );
}

const BY_KIND: &str = "SELECT window_start, window_end, kind, count(*) AS n, sum(value) AS total, array_agg(value ORDER BY ts, value) AS all_values
     FROM SESSION((SELECT * FROM events), ts, INTERVAL '10 seconds') GROUP BY window_start, window_end, kind";

/// The same with everything on disk that can be, after every epoch.
fn on_disk(plan: &ContinuousPlan, from: Option<StateSnapshot>) -> ContinuousQuery {
    let mut query = plan.start(from).unwrap();
    query.spill_above(0);
    query
}

/// How many states a snapshot has in memory, and the rows of its files.
fn saved(query: &mut ContinuousQuery) -> (usize, Vec<Arc<StateFile>>) {
    let saved = query.snapshot().unwrap();
    let loose = saved.panes.iter().map(|pane| pane.state.num_rows()).sum();
    let files = saved.spilled.into_iter().map(|spilled| spilled.file);
    (loose, files.collect())
}

#[tokio::test]
async fn sessions_on_disk_grow_join_and_close() {
    let plan = plan(BY_KIND).await.unwrap();
    let columns = &plan.streams[0].columns;
    let epochs: [&[Event]; 4] = [
        &[event(0, "a", 0.1), event(18, "a", 0.2), event(3, "b", 0.3)],
        &[event(9, "a", 0.4), event(2, "b", 0.6)],
        &[event(40, "c", 0.5)],
        &[event(50, "c", 0.7)],
    ];
    for restart in [false, true] {
        let mut query = on_disk(&plan, None);
        let mut told = Vec::new();
        for events in epochs {
            let input = epoch(columns, &[(0, events)]);
            told.extend(lines(&query.run_epoch(input).await.unwrap().rows));
            assert!(query.spilled_bytes() > 0);
            if restart {
                let saved = query.snapshot().unwrap();
                assert!(saved.panes.is_empty(), "{:?}", saved.panes);
                query = on_disk(&plan, Some(saved));
            }
        }
        let live = lines(&query.live().await.unwrap());
        let rest = lines(&query.run_epoch(the_end(&[0])).await.unwrap().rows);
        assert_eq!(live, rest);
        told.extend(rest);
        assert_eq!(
            told,
            [
                "2024-02-29T09:00:02Z | 2024-02-29T09:00:13Z | b | 2 | 0.8999999999999999 | [0.6, 0.3]",
                "2024-02-29T09:00:00Z | 2024-02-29T09:00:28Z | a | 3 | 0.7000000000000001 | [0.1, 0.4, 0.2]",
                "2024-02-29T09:00:40Z | 2024-02-29T09:01:00Z | c | 2 | 1.2 | [0.5, 0.7]",
            ],
            "restart: {restart}"
        );
        assert_eq!(query.spilled_bytes(), 0);
    }
}

#[tokio::test]
async fn a_checkpoint_names_the_files_it_named_before() {
    let plan = plan(BY_KIND).await.unwrap();
    let columns = &plan.streams[0].columns;
    let mut query = on_disk(&plan, None);
    let first = [event(0, "a", 1.0), event(1, "b", 1.0)];
    query
        .run_epoch(epoch(columns, &[(0, &first)]))
        .await
        .unwrap();
    let (loose, before) = saved(&mut query);
    assert_eq!((loose, before.len()), (0, 2));
    let (_, again) = saved(&mut query);
    assert!(before.iter().zip(&again).all(|(a, b)| Arc::ptr_eq(a, b)));
    // One session goes on: its new state is in a file of its own, and what says which rows there are is another one.
    query
        .run_epoch(epoch(columns, &[(0, &[event(5, "a", 1.0)])]))
        .await
        .unwrap();
    let (loose, after) = saved(&mut query);
    assert_eq!((loose, after.len()), (0, 3));
    assert!(!Arc::ptr_eq(&before[0], &after[0]));
    assert!(Arc::ptr_eq(&before[1], &after[1]));
    // What is in memory is saved beside them.
    query.spill_above(1 << 20);
    query
        .run_epoch(epoch(columns, &[(0, &[event(6, "b", 1.0)])]))
        .await
        .unwrap();
    let (loose, last) = saved(&mut query);
    assert_eq!((loose, last.len()), (1, 3));
    let mut query = on_disk(&plan, Some(query.snapshot().unwrap()));
    let rows = lines(&query.run_epoch(the_end(&[0])).await.unwrap().rows);
    assert_eq!(
        rows,
        [
            "2024-02-29T09:00:00Z | 2024-02-29T09:00:15Z | a | 2 | 2.0 | [1.0, 1.0]",
            "2024-02-29T09:00:01Z | 2024-02-29T09:00:16Z | b | 2 | 2.0 | [1.0, 1.0]",
        ]
    );
}

#[tokio::test]
async fn what_sessions_leave_on_disk_goes() {
    let plan = plan(BY_KIND).await.unwrap();
    let columns = &plan.streams[0].columns;
    let mut query = on_disk(&plan, None);
    let mut most = 0;
    for seconds in 0..300 {
        // One goes on for ever, others come and go.
        let own = ["b", "c", "d"][seconds as usize / 15 % 3];
        let events = [event(seconds, "a", 1.0), event(seconds, own, 1.0)];
        query
            .run_epoch(epoch(columns, &[(0, &events)]))
            .await
            .unwrap();
        let (_, files) = saved(&mut query);
        most = most.max(files.len());
    }
    assert!(most < 40, "{most} files");
    assert_eq!(query.open_panes(), 3);
}

#[tokio::test]
async fn a_file_of_sessions_that_is_missing_is_noticed() {
    let plan = plan(BY_KIND).await.unwrap();
    let mut query = on_disk(&plan, None);
    let events = [event(0, "a", 1.0)];
    let input = epoch(&plan.streams[0].columns, &[(0, &events)]);
    query.run_epoch(input).await.unwrap();
    let mut saved = query.snapshot().unwrap();
    saved.spilled.truncate(1);
    assert!(plan.start(Some(saved)).is_err());
}
