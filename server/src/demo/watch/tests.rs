#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};

use super::*;

fn rows(columns: Vec<(&str, ArrayRef)>) -> Rows {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)));
    let batch = batch.unwrap();
    Rows {
        schema: batch.schema(),
        batches: vec![batch],
    }
}

#[test]
fn a_status_row_is_read_by_name_and_type() {
    let look = from_status(&rows(vec![
        ("state", Arc::new(StringArray::from(vec!["running"]))),
        ("rows_in", Arc::new(Int64Array::from(vec![5]))),
        (
            "watermark",
            Arc::new(TimestampMicrosecondArray::from(vec![7]).with_timezone("UTC")),
        ),
        (
            "last_commit_version",
            Arc::new(Int64Array::from(vec![None])),
        ),
        ("held_by", Arc::new(StringArray::from(vec![None::<&str>]))),
    ]));
    assert_eq!(look.state, "running");
    assert_eq!((look.rows_in, look.rows_out), (5, 0));
    assert_eq!(look.watermark_us, Some(7));
    assert_eq!((look.last_commit_version, look.held_by), (None, None));
}

#[test]
fn windows_are_read_from_gold() {
    let windows = from_gold(&rows(vec![
        (
            "window_start",
            Arc::new(TimestampMicrosecondArray::from(vec![60_000_000]).with_timezone("UTC")),
        ),
        ("event_type", Arc::new(StringArray::from(vec!["click"]))),
        ("user_segment", Arc::new(StringArray::from(vec!["free"]))),
        ("event_count", Arc::new(Int64Array::from(vec![3]))),
        ("avg_value", Arc::new(Float64Array::from(vec![1.5]))),
        ("p95_value", Arc::new(Float64Array::from(vec![2.5]))),
    ]));
    assert_eq!(windows.len(), 1);
    assert_eq!(
        (windows[0].start_us, windows[0].event_count),
        (60_000_000, 3)
    );
    assert_eq!((windows[0].avg_value, windows[0].p95_value), (1.5, 2.5));
}

#[test]
fn only_recent_partitions_are_asked() {
    assert!(
        newest_sql(Some(1_767_225_600_000_000))
            .contains("window_start > TIMESTAMPTZ '2025-12-31 23:50:00Z'")
    );
    assert!(!newest_sql(None).contains("WHERE"));
}

#[test]
fn the_rate_is_taken_between_looks() {
    let start = Instant::now();
    let mut history = History::new(start);
    assert_eq!(history.rate(), 0);
    for (second, rows_in) in [(1, 100), (2, 300), (3, 500), (4, 400)] {
        let look = Look {
            rows_in,
            ..Look::default()
        };
        history.add(start + Duration::from_secs(second), look);
    }
    assert_eq!(history.rates, [200, 200, 0]);
    assert_eq!(history.rate(), 133);
    for second in 5..1000 {
        history.add(start + Duration::from_secs(second), Look::default());
    }
    assert_eq!(history.rates.len(), REMEMBERED);
}
