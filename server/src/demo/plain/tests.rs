#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::*;

#[test]
fn a_line_says_what_matters() {
    let start = Instant::now();
    let clock = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let mut history = History::new(start);
    history.add(start, Look::default());
    let look = Look {
        state: "running".to_owned(),
        rows_in: 24_000,
        rows_out: 240,
        late_rows: 12,
        watermark_us: Some(1_767_225_600_000_000),
        last_commit_version: Some(3),
        last_commit_us: Some(clock.timestamp_micros() - 2_100_000),
        last_row_us: Some(clock.timestamp_micros() - 300_000),
        held_by: Some("events[2]: no rows yet".to_owned()),
        ..Look::default()
    };
    history.add(start + Duration::from_secs(12), look);
    assert_eq!(
        status_line(&history, start + Duration::from_secs(12), clock),
        "  12 s  running        24,000 events (2,000/s)  watermark 2026-01-01 00:00:00  lag 0  final rows 240  late 12  \
         dead letters 0  newest result 0.3 s ago, Delta v3 2.1 s ago  events[2]: no rows yet"
    );
}

#[test]
fn before_anything_has_happened() {
    let now = Instant::now();
    let line = status_line(&History::new(now), now, Utc::now());
    assert!(line.contains("watermark -"), "{line}");
    assert!(
        line.ends_with("newest result not yet, Delta not yet"),
        "{line}"
    );
}

#[test]
fn digits_are_grouped_by_three() {
    let texts = [0, 12, 123, 1234, 123_456, 1_234_567, -1234].map(grouped);
    assert_eq!(
        texts,
        ["0", "12", "123", "1,234", "123,456", "1,234,567", "-1,234"]
    );
}
