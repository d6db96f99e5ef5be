//! Tests of view: see the module beside for what is promised.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::watch::{Look, Window};
use super::*;

fn drawn(width: u16, height: u16, history: &History, now: Instant) -> String {
    let fixed = Fixed {
        connect: vec!["psql -h 127.0.0.1 -p 5455 -U sluice sluice".to_owned()],
        ends: "q ends the demo".to_owned(),
    };
    let clock = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw(frame, history, &fixed, now, clock))
        .unwrap();
    terminal.backend().to_string()
}

#[test]
fn everything_is_on_it() {
    let start = Instant::now();
    let mut history = History::new(start);
    history.add(start, Look::default());
    let look = Look {
        state: "running".to_owned(),
        rows_in: 24_000,
        watermark_us: Some(1_767_225_600_000_000),
        newest: vec![Window {
            start_us: 1_767_225_540_000_000,
            event_type: "purchase".to_owned(),
            user_segment: "premium".to_owned(),
            event_count: 1234,
            avg_value: 12.5,
            p95_value: 45.25,
        }],
        ..Look::default()
    };
    history.add(start + Duration::from_secs(12), look);
    let text = drawn(100, 32, &history, start + Duration::from_secs(12));
    for part in [
        "Sluice demo, 12 s",
        "24,000 at 2,000/s",
        "2026-01-01 00:00:00",
        "running",
        "2025-12-31 23:59:00  purchase",
        "1,234",
        "12.500",
        "45.250",
        "psql -h 127.0.0.1 -p 5455",
        "q ends the demo",
        "up to 2,000",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn a_tiny_terminal_is_no_trouble() {
    let now = Instant::now();
    for (width, height) in [(1, 1), (10, 3), (20, 50), (300, 5)] {
        drawn(width, height, &History::new(now), now);
    }
}
