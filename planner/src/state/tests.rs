//! Epochs by hand: what goes in, what comes out, what is left.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, Int32Array, RecordBatch, TimestampMicrosecondArray},
    datatypes::{Field, Schema},
};

use crate::{testing::*, *};

const COUNTS: &str = "SELECT window_start, window_end, kind, count(*) AS n, avg(value) AS mean
    FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute')
    GROUP BY window_start, window_end, kind";

#[tokio::test]
async fn a_window_closes_when_the_watermark_reaches_its_end() {
    let plan = plan(COUNTS).await.unwrap();
    assert_eq!(plan.streams[0].columns, ["ts", "kind", "value"]);
    let mut query = plan.start(None).unwrap();
    let columns = &plan.streams[0].columns;

    let first = [event(5, "a", 1.0), event(50, "b", 2.0), event(59, "a", 4.0)];
    let output = query
        .run_epoch(epoch(columns, &[(0, &first)]))
        .await
        .unwrap();
    assert_eq!(output.watermark_us, Some(MORNING + 49 * SECOND));
    assert!(output.rows.is_empty());
    assert_eq!(query.open_panes(), 1);

    // 69.999999 s less ten is just short of the window's end, 70 s is its end.
    let short = [Event {
        ts: Some(MORNING + 70 * SECOND - 1),
        ..event(0, "a", 1.0)
    }];
    let output = query
        .run_epoch(epoch(columns, &[(0, &short)]))
        .await
        .unwrap();
    assert!(output.rows.is_empty());
    let output = query
        .run_epoch(epoch(columns, &[(0, &[event(70, "a", 8.0)])]))
        .await
        .unwrap();
    assert_eq!(
        lines(&output.rows),
        [
            "2024-02-29T09:00:00Z | 2024-02-29T09:01:00Z | a | 2 | 2.5",
            "2024-02-29T09:00:00Z | 2024-02-29T09:01:00Z | b | 1 | 2.0",
        ]
    );
    assert_eq!(output.rows[0].schema(), plan.output_schema);
    assert_eq!(query.open_panes(), 1);
}

#[tokio::test]
async fn a_row_of_a_closed_window_is_late_with_its_origin() {
    let plan = plan(COUNTS).await.unwrap();
    let mut query = plan.start(None).unwrap();
    let columns = &plan.streams[0].columns;
    // What is late is decided by the watermark at the epoch's beginning: the same row in the same epoch is not.
    let output = query
        .run_epoch(epoch(
            columns,
            &[(0, &[event(75, "a", 1.0), event(1, "a", 1.0)])],
        ))
        .await
        .unwrap();
    assert_eq!(output.counts.late, 0);
    assert_eq!(lines(&output.rows).len(), 1);
    let output = query
        .run_epoch(epoch(
            columns,
            &[(0, &[event(80, "a", 1.0), event(2, "b", 7.0)])],
        ))
        .await
        .unwrap();
    assert_eq!(
        lines(&output.late),
        [
            "2024-02-29T09:00:02Z | b | 7.0 | events | 0 | 1 | 1970-01-01T00:00:01.001Z | 2024-02-29T09:01:05Z | 1 | 1"
        ]
    );
    assert_eq!(output.late[0].schema(), plan.late_schema);
    let expected = RowCounts {
        read: 2,
        aggregated: 1,
        late: 1,
        ..RowCounts::default()
    };
    assert_eq!(output.counts, expected);
}

#[tokio::test]
async fn rows_without_usable_time_are_dead_letters_and_move_nothing() {
    let plan = plan(COUNTS).await.unwrap();
    let mut query = plan.start(None).unwrap();
    let columns = &plan.streams[0].columns;
    let events = [
        Event {
            ts: None,
            ..event(0, "a", 1.0)
        },
        event(3_600 + 301, "a", 2.0),
        Event {
            ts: Some(i64::MAX),
            ..event(0, "a", 3.0)
        },
        event(3_600 + 300, "a", 4.0),
    ];
    let output = query
        .run_epoch(epoch(columns, &[(0, &events)]))
        .await
        .unwrap();
    assert_eq!(
        lines(&output.dead),
        [
            " | a | 1.0 | events | 0 | 0 | 1970-01-01T00:00:01Z | event time is null",
            "2024-02-29T10:05:01Z | a | 2.0 | events | 0 | 1 | 1970-01-01T00:00:01.001Z | event time is in the future by more than max_future_skew",
            " | a | 3.0 | events | 0 | 2 | 1970-01-01T00:00:01.002Z | event time is outside of the years 1 to 9999: 9223372036854775807 microseconds since 1970",
        ]
    );
    assert_eq!(output.dead[0].schema(), plan.dead_letter_schema);
    assert_eq!(output.watermark_us, Some(MORNING + 3_890 * SECOND));
}

#[tokio::test]
async fn a_row_that_where_drops_is_neither_late_nor_counted_but_moves_time() {
    let plan = plan(
        "SELECT window_start, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute')
         WHERE kind = 'a' GROUP BY window_start",
    )
    .await
    .unwrap();
    let mut query = plan.start(None).unwrap();
    let columns = &plan.streams[0].columns;
    assert_eq!(columns, &["ts", "kind"]);
    let output = query
        .run_epoch(epoch(
            columns,
            &[(0, &[event(1, "a", 1.0), event(100, "b", 1.0)])],
        ))
        .await
        .unwrap();
    assert_eq!(lines(&output.rows), ["2024-02-29T09:00:00Z | 1"]);
    let output = query
        .run_epoch(epoch(
            columns,
            &[(0, &[event(2, "b", 1.0), event(3, "a", 1.0)])],
        ))
        .await
        .unwrap();
    let expected = RowCounts {
        read: 2,
        late: 1,
        filtered: 1,
        ..RowCounts::default()
    };
    assert_eq!(output.counts, expected);
}

#[tokio::test]
async fn the_end_of_every_split_closes_every_window_in_order() {
    let plan = plan(COUNTS).await.unwrap();
    let mut query = plan.start(None).unwrap();
    let columns = &plan.streams[0].columns;
    query
        .run_epoch(epoch(
            columns,
            &[
                (0, &[event(130, "b", 1.0)]),
                (1, &[event(65, "a", 1.0), event(5, "c", 1.0)]),
            ],
        ))
        .await
        .unwrap();
    let output = query.run_epoch(the_end(&[0, 1])).await.unwrap();
    assert_eq!(output.watermark_us, Some(i64::MAX));
    assert_eq!(
        lines(&output.rows),
        [
            "2024-02-29T09:00:00Z | 2024-02-29T09:01:00Z | c | 1 | 1.0",
            "2024-02-29T09:01:00Z | 2024-02-29T09:02:00Z | a | 1 | 1.0",
            "2024-02-29T09:02:00Z | 2024-02-29T09:03:00Z | b | 1 | 1.0",
        ]
    );
    assert_eq!(query.open_panes(), 0);
}

#[tokio::test]
async fn live_rows_are_those_of_open_windows_and_change_nothing() {
    let plan = plan(COUNTS).await.unwrap();
    let mut query = plan.start(None).unwrap();
    let columns = &plan.streams[0].columns;
    query
        .run_epoch(epoch(
            columns,
            &[(0, &[event(1, "a", 0.1), event(2, "a", 0.2)])],
        ))
        .await
        .unwrap();
    let live = query.live().await.unwrap();
    assert_eq!(
        lines(&live),
        ["2024-02-29T09:00:00Z | 2024-02-29T09:01:00Z | a | 2 | 0.15000000000000002"]
    );
    assert_eq!(live[0].schema(), plan.output_schema);
    assert_eq!(lines(&query.live().await.unwrap()), lines(&live));
    let output = query.run_epoch(the_end(&[0])).await.unwrap();
    assert_eq!(lines(&output.rows), lines(&live));
}

#[tokio::test]
async fn first_and_last_go_by_event_time_whatever_order_rows_come_in() {
    let query = "SELECT minute, first, last, second, first_value(n) AS n
        FROM TUMBLE((
            SELECT window_start AS minute, window_time, kind AS first, last, second, n FROM (
                SELECT window_start, window_time, first_value(kind) AS kind, last_value(kind) AS last, nth_value(kind, 2) AS second, count(*) AS n
                FROM TUMBLE((SELECT kind, ts FROM events), ts, INTERVAL '1 minute')
                GROUP BY window_start, window_time
            ) AS minutes
        ), window_time, INTERVAL '1 hour')
        GROUP BY window_start, minute, first, last, second";
    let plan = plan(query).await.unwrap();
    let columns = &plan.streams[0].columns;
    let mut query = plan.start(None).unwrap();
    let (one, other) = (
        [event(30, "c", 1.0), event(20, "b", 1.0)],
        [event(40, "d", 1.0), event(10, "a", 1.0)],
    );
    let mut rows = vec![];
    for events in [&one, &other] {
        let output = query.run_epoch(epoch(columns, &[(0, events)])).await;
        rows.extend(output.unwrap().rows);
    }
    let end = [event(3_610, "z", 1.0)];
    let output = query.run_epoch(epoch(columns, &[(0, &end)])).await;
    rows.extend(output.unwrap().rows);
    assert_eq!(lines(&rows), ["2024-02-29T09:00:00Z | a | d | b | 4"]);
}

#[tokio::test]
async fn a_restored_query_goes_on_where_it_was() {
    let plan = plan(COUNTS).await.unwrap();
    let columns = &plan.streams[0].columns;
    let mut query = plan.start(None).unwrap();
    query
        .run_epoch(epoch(
            columns,
            &[(0, &[event(1, "a", 1.0), event(62, "b", 2.0)])],
        ))
        .await
        .unwrap();
    let snapshot = query.snapshot().unwrap();
    assert_eq!(snapshot.panes.len(), 2);
    assert_eq!(snapshot.watermark_us, Some(MORNING + 52 * SECOND));
    let mut restored = plan.start(Some(snapshot)).unwrap();
    for query in [&mut query, &mut restored] {
        let output = query
            .run_epoch(epoch(
                columns,
                &[(0, &[event(3, "a", 3.0), event(75, "c", 1.0)])],
            ))
            .await
            .unwrap();
        assert_eq!(
            lines(&output.rows),
            ["2024-02-29T09:00:00Z | 2024-02-29T09:01:00Z | a | 2 | 2.0"]
        );
    }
}

#[tokio::test]
async fn state_of_another_query_is_refused() {
    let counts = plan(COUNTS).await.unwrap();
    let other = plan(
        "SELECT window_start, max(kind) AS k FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start",
    )
    .await
    .unwrap();
    assert_ne!(counts.fingerprint, other.fingerprint);
    let mut query = counts.start(None).unwrap();
    query
        .run_epoch(epoch(
            &counts.streams[0].columns,
            &[(0, &[event(1, "a", 1.0)])],
        ))
        .await
        .unwrap();
    let error = other.start(Some(query.snapshot().unwrap())).unwrap_err();
    assert_eq!(error.message, "the saved state is of another query");
}

#[tokio::test]
async fn after_an_error_the_state_is_void() {
    let plan = plan(COUNTS).await.unwrap();
    let mut query = plan.start(None).unwrap();
    let mut input = epoch(&plan.streams[0].columns, &[(0, &[event(1, "a", 0.0)])]);
    input.splits[0].batches[0].offsets = Vec::new().into();
    let error = query.run_epoch(input).await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (
            PlanErrorKind::Internal,
            "a batch has rows without an offset"
        )
    );
    let error = query.run_epoch(the_end(&[0])).await.unwrap_err();
    assert_eq!(
        error.message,
        "the query's state is void after an error and must be restored"
    );
    assert!(query.snapshot().is_err());
}

#[tokio::test]
async fn a_row_that_missed_some_of_its_windows_is_in_the_others() {
    let plan = plan(
        "SELECT window_start, window_end, count(*) AS n
         FROM HOP((SELECT * FROM events), ts, INTERVAL '1 minute', INTERVAL '2 minutes') GROUP BY window_start, window_end",
    )
    .await
    .unwrap();
    let mut query = plan.start(None).unwrap();
    let columns = &plan.streams[0].columns;
    // The watermark goes to 9:01:05.
    let output = query
        .run_epoch(epoch(columns, &[(0, &[event(75, "a", 1.0)])]))
        .await
        .unwrap();
    assert!(output.rows.is_empty());
    // 9:00:30 is in [8:59, 9:01), which has closed, and in [9:00, 9:02); 8:58:30 is in none that is open.
    let late = [event(30, "a", 1.0), event(-90, "a", 1.0)];
    let output = query
        .run_epoch(epoch(columns, &[(0, &late)]))
        .await
        .unwrap();
    assert_eq!((output.counts.late, output.counts.aggregated), (1, 1));
    assert_eq!(
        lines(&output.late),
        [
            "2024-02-29T09:00:30Z | events | 0 | 0 | 1970-01-01T00:00:01Z | 2024-02-29T09:01:05Z | 1 | 2",
            "2024-02-29T08:58:30Z | events | 0 | 1 | 1970-01-01T00:00:01.001Z | 2024-02-29T09:01:05Z | 2 | 2",
        ]
    );
    let live = query.live().await.unwrap();
    assert_eq!(
        lines(&live),
        [
            "2024-02-29T09:00:00Z | 2024-02-29T09:02:00Z | 2",
            "2024-02-29T09:01:00Z | 2024-02-29T09:03:00Z | 1",
        ]
    );
    let output = query.run_epoch(the_end(&[0])).await.unwrap();
    assert_eq!(lines(&output.rows), lines(&live));
}

#[tokio::test]
async fn hours_out_of_minutes_close_with_their_last_minute() {
    let plan = plan(
        "SELECT window_start, kind, sum(n) AS n FROM TUMBLE((
           SELECT window_time, kind, count(*) AS n FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute')
           GROUP BY window_time, kind), window_time, INTERVAL '1 hour') GROUP BY window_start, kind",
    )
    .await
    .unwrap();
    let mut query = plan.start(None).unwrap();
    let columns = &plan.streams[0].columns;
    let hour = [
        event(5, "a", 1.0),
        event(3_599, "a", 1.0),
        event(65, "b", 1.0),
    ];
    let output = query
        .run_epoch(epoch(columns, &[(0, &hour)]))
        .await
        .unwrap();
    assert!(output.rows.is_empty());
    assert_eq!(
        lines(&query.live().await.unwrap()),
        [
            "2024-02-29T09:00:00Z | a | 2",
            "2024-02-29T09:00:00Z | b | 1"
        ]
    );
    // A restart in the middle of both stages.
    let saved = query.snapshot().unwrap();
    assert_eq!(
        saved
            .panes
            .iter()
            .map(|pane| pane.stage)
            .collect::<Vec<_>>(),
        [0, 1]
    );
    let mut query = plan.start(Some(saved)).unwrap();
    let end = [event(3_610, "a", 1.0)];
    let output = query.run_epoch(epoch(columns, &[(0, &end)])).await.unwrap();
    assert_eq!(
        lines(&output.rows),
        [
            "2024-02-29T09:00:00Z | a | 2",
            "2024-02-29T09:00:00Z | b | 1"
        ]
    );
    assert_eq!(query.open_panes(), 1);
}

#[tokio::test]
async fn rows_of_a_query_without_windows_come_at_once() {
    let plan = plan("SELECT ts, upper(kind) AS kind FROM events WHERE value > 0")
        .await
        .unwrap();
    let mut query = plan.start(None).unwrap();
    let columns = &plan.streams[0].columns;
    let nobody = Event {
        ts: None,
        ..event(0, "a", 1.0)
    };
    let rows = [
        event(5, "a", 1.0),
        event(-900, "b", 1.0),
        event(6, "c", -1.0),
        nobody,
    ];
    let output = query
        .run_epoch(epoch(columns, &[(0, &rows)]))
        .await
        .unwrap();
    assert_eq!(
        lines(&output.rows),
        ["2024-02-29T09:00:05Z | A", "2024-02-29T08:45:00Z | B"]
    );
    let RowCounts {
        read,
        aggregated,
        dead,
        filtered,
        ..
    } = output.counts;
    assert_eq!((read, aggregated, dead, filtered), (4, 2, 1, 1));
    assert!(query.snapshot().unwrap().panes.is_empty());
}

#[tokio::test]
async fn a_row_that_an_expression_cannot_take_costs_itself_and_moves_time() {
    let plan = plan(
        "SELECT window_start, kind, sum(10 / CAST(value AS BIGINT)) AS s
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, kind",
    )
    .await
    .unwrap();
    let columns = &plan.streams[0].columns;
    let mut first: Vec<Event> = (0..40).map(|n| event(n, "a", 5.0)).collect();
    first.push(event(41, "a", 0.0));
    first.push(event(42, "b", 0.25));
    first.push(event(43, "b", 1.0));
    for parallel_rows in [0, 1_000] {
        let mut query = plan
            .clone()
            .with_parallel_rows(parallel_rows)
            .start(None)
            .unwrap();
        let output = query
            .run_epoch(epoch(columns, &[(0, &first), (1, &[event(90, "c", 0.0)])]))
            .await
            .unwrap();
        assert_eq!(
            lines(&output.dead),
            [
                "2024-02-29T09:00:41Z | a | 0.0 | events | 0 | 40 | 1970-01-01T00:00:01.040Z | division by zero",
                "2024-02-29T09:00:42Z | b | 0.25 | events | 0 | 41 | 1970-01-01T00:00:01.041Z | division by zero",
                "2024-02-29T09:01:30Z | c | 0.0 | events | 1 | 0 | 1970-01-01T00:00:01Z | division by zero",
            ]
        );
        assert_eq!(output.counts.dead, 3);
        assert_eq!(output.counts.aggregated, 41);
        let output = query
            .run_epoch(epoch(columns, &[(0, &[event(80, "a", 0.0)])]))
            .await
            .unwrap();
        assert_eq!(
            lines(&output.rows),
            [
                "2024-02-29T09:00:00Z | a | 80",
                "2024-02-29T09:00:00Z | b | 10"
            ]
        );
        assert_eq!(lines(&output.dead).len(), 1);
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_told_is_a_dead_letter_and_the_window_closes() {
    let plan = plan(
        "SELECT window_start, kind, 10 / CAST(sum(value) AS BIGINT) AS s
         FROM TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute') GROUP BY window_start, kind",
    )
    .await
    .unwrap();
    let columns = &plan.streams[0].columns;
    let mut query = plan.start(None).unwrap();
    let rows = [event(1, "a", 2.0), event(2, "b", 0.0), event(3, "c", 5.0)];
    query
        .run_epoch(epoch(columns, &[(0, &rows)]))
        .await
        .unwrap();
    // Live rows leave it out, and the state is what it was.
    assert_eq!(lines(&query.live().await.unwrap()).len(), 2);
    let output = query
        .run_epoch(epoch(columns, &[(0, &[event(90, "a", 1.0)])]))
        .await
        .unwrap();
    assert_eq!(
        lines(&output.rows),
        [
            "2024-02-29T09:00:00Z | a | 5",
            "2024-02-29T09:00:00Z | c | 2"
        ]
    );
    assert_eq!(
        lines(&output.dead),
        [
            " |  |  |  |  |  |  | division by zero, in the result window_start = 2024-02-29T09:00:00Z, kind = b, sum(events.value) = 0.0"
        ]
    );
    assert_eq!(output.counts.dead, 0);
}

/// Clicks at some seconds after the morning began, as split 0 of a query's second stream.
fn clicks(columns: &[String], seconds: &[i64]) -> SplitInput {
    let ats = seconds
        .iter()
        .map(|at| Some(MORNING + at * SECOND))
        .collect::<TimestampMicrosecondArray>()
        .with_timezone("UTC");
    let kinds: Int32Array = seconds.iter().map(|at| Some(*at as i32)).collect();
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for column in columns {
        let array: ArrayRef = match column.as_str() {
            "at" => Arc::new(ats.clone()),
            _ => Arc::new(kinds.clone()),
        };
        fields.push(Field::new(column, array.data_type().clone(), true));
        arrays.push(array);
    }
    let mut input = SplitInput {
        split: split(0),
        batches: vec![batch(
            &["ts".to_owned()],
            0,
            0,
            &seconds
                .iter()
                .map(|at| event(*at, "", 0.0))
                .collect::<Vec<_>>(),
        )],
    };
    input.split.stream = 1;
    input.batches[0].split.stream = 1;
    input.batches[0].rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    input
}

#[tokio::test]
async fn several_streams_fill_one_window_and_the_slower_one_holds_it_open() {
    let plan = plan(
        "SELECT window_start, source, count(*) AS n, max(kind) AS top FROM TUMBLE((
           SELECT ts AS time, 'event' AS source, kind FROM events WHERE value > 0
           UNION ALL SELECT at, 'click', kind::text FROM clicks), time, INTERVAL '1 minute')
         GROUP BY window_start, source",
    )
    .await
    .unwrap();
    assert_eq!(plan.streams[0].definition.name, "events");
    assert_eq!(plan.streams[0].columns, ["ts", "kind", "value"]);
    assert_eq!(plan.streams[1].definition.name, "clicks");
    assert_eq!(plan.streams[1].columns, ["at", "kind"]);
    let mut query = plan.start(None).unwrap();
    let events = [
        event(5, "a", 1.0),
        event(6, "b", -1.0),
        event(200, "c", 1.0),
    ];
    let mut input = epoch(&plan.streams[0].columns, &[(0, &events)]);
    // The clicks have not been heard of: whoever comes first may not close windows for both.
    let output = query.run_epoch(input.clone()).await.unwrap();
    assert_eq!(output.watermark_us, None);
    input.splits = vec![clicks(&plan.streams[1].columns, &[7, 8, 120])];
    input.known.insert(input.splits[0].split.clone());
    let output = query.run_epoch(input.clone()).await.unwrap();
    assert_eq!(output.watermark_us, Some(MORNING + 60 * SECOND));
    assert_eq!(
        lines(&output.rows),
        [
            "2024-02-29T09:00:00Z | event | 1 | a",
            "2024-02-29T09:00:00Z | click | 2 | 8",
        ]
    );
    let mut query = plan.start(Some(query.snapshot().unwrap())).unwrap();
    input.splits = vec![clicks(&plan.streams[1].columns, &[9])];
    let output = query.run_epoch(input).await.unwrap();
    assert_eq!(output.late[0].schema(), plan.late_schema);
    // Columns of one name and different types stand apart; what a stream does not have is NULL.
    let names: Vec<&str> = plan
        .late_schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(names[..5], ["ts", "kind", "value", "at", "kind_clicks"]);
    assert!(lines(&output.late)[0].starts_with(" |  |  | 2024-02-29T09:00:09Z | 9 | events | 0"));
}

#[tokio::test]
async fn streams_that_call_their_time_otherwise_are_rounded_together() {
    let plan = plan(
        "SELECT minute, count(*) AS n FROM (SELECT date_trunc('minute', time) AS minute FROM (
           SELECT ts AS time FROM events WHERE value > 0 UNION ALL SELECT at FROM clicks) AS both) AS rounded GROUP BY minute",
    )
    .await
    .unwrap();
    let mut query = plan.start(None).unwrap();
    let events = [event(5, "a", 1.0), event(65, "b", 1.0)];
    let mut input = epoch(&plan.streams[0].columns, &[(0, &events)]);
    input.splits.push(clicks(&plan.streams[1].columns, &[7, 8]));
    query.run_epoch(input).await.unwrap();
    let mut end = the_end(&[0]);
    let click = clicks(&plan.streams[1].columns, &[]).split;
    end.known.insert(click.clone());
    end.finished.insert(click);
    let output = query.run_epoch(end).await.unwrap();
    assert_eq!(
        lines(&output.rows),
        ["2024-02-29T09:00:00Z | 3", "2024-02-29T09:01:00Z | 1"]
    );
}

#[tokio::test]
async fn a_copy_of_several_streams_passes_the_rows_of_each() {
    let plan = plan(
        "SELECT ts, kind FROM events UNION ALL SELECT at, kind::text FROM clicks WHERE kind > 1",
    )
    .await
    .unwrap();
    let mut query = plan.start(None).unwrap();
    let mut input = epoch(&plan.streams[0].columns, &[(0, &[event(5, "a", 1.0)])]);
    input.splits.push(clicks(&plan.streams[1].columns, &[1, 2]));
    let output = query.run_epoch(input).await.unwrap();
    assert_eq!(
        lines(&output.rows),
        ["2024-02-29T09:00:05Z | a", "2024-02-29T09:00:02Z | 2"]
    );
    assert_eq!(output.counts.filtered, 1);
}
