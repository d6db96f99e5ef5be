//! Shares of `/proc/stat`, and where they are too large.

use super::*;

const BEFORE: &str = "cpu  100 10 50 1000 20 1 2 3 7 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";

#[test]
fn idle_and_iowait_are_idle_and_guests_count_once() {
    let ticks = Ticks::parse(BEFORE).unwrap();
    assert_eq!((ticks.busy, ticks.all), (166, 1186));
}

#[test]
fn a_share_is_of_what_passed() {
    let before = Ticks::parse(BEFORE).unwrap();
    let after = Ticks::parse("cpu  130 10 50 1060 30 1 2 3 7 0\n").unwrap();
    assert_eq!(after.percent_since(before), 30.0);
    assert_eq!(before.percent_since(before), 0.0);
}

#[test]
fn nonsense_is_no_figure() {
    assert_eq!(Ticks::parse("cpus"), None);
    assert_eq!(Ticks::parse("cpu 1 2 3"), None);
}

#[test]
fn a_busy_machine_is_refused_and_told_how_to_go_on() {
    judge(9.9, 10.0).unwrap();
    let refusal = judge(42.4, 10.0).unwrap_err();
    assert!(
        refusal.contains("42 %") && refusal.contains("SLUICE_BENCH_BUSY_LIMIT"),
        "{refusal}"
    );
    judge(42.4, 100.0).unwrap();
}
