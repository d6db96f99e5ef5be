//! What is due when.

use std::time::Duration;

use sluice_connectors::delta::Checkpoint;

use super::{
    FIRST_VACUUM_US, Facts, HOUR_US, SECOND_US, Task, backoff_us, due, first_vacuum_us,
    vacuum_every_us,
};

const QUIET: Facts = Facts {
    now_us: 1_000,
    merges: 0,
    merge_after_us: None,
    version: 99,
    checkpoint: Some(Checkpoint {
        version: 0,
        size: 9,
    }),
    checkpoint_after_us: None,
    vacuum_at_us: Some(1_001),
};

#[test]
fn a_quiet_table_is_left_alone() {
    assert_eq!(due(&QUIET), []);
}

#[test]
fn each_is_due_by_itself() {
    let merges = Facts { merges: 1, ..QUIET };
    assert_eq!(due(&merges), [Task::Compact]);
    let entries = Facts {
        version: 100,
        ..QUIET
    };
    assert_eq!(due(&entries), [Task::Checkpoint]);
    let never = Facts {
        checkpoint: None,
        ..QUIET
    };
    assert_eq!(due(&never), [Task::Checkpoint]);
    // What costs much waits for much.
    let large = |version| Facts {
        checkpoint: Some(Checkpoint {
            version: 0,
            size: 20_000,
        }),
        version,
        ..QUIET
    };
    assert_eq!(due(&large(999)), []);
    assert_eq!(due(&large(1_000)), [Task::Checkpoint]);
    let time = Facts {
        now_us: 1_001,
        ..QUIET
    };
    assert_eq!(due(&time), [Task::Vacuum]);
}

#[test]
fn all_in_order() {
    let all = Facts {
        merges: 3,
        version: 1_000,
        now_us: 2_000,
        ..QUIET
    };
    assert_eq!(due(&all), [Task::Compact, Task::Checkpoint, Task::Vacuum]);
}

#[test]
fn what_failed_waits_and_keeps_nothing_else_back() {
    let waiting = Facts {
        merges: 1,
        merge_after_us: Some(1_001),
        checkpoint_after_us: Some(1_001),
        version: 1_000,
        vacuum_at_us: Some(1_000),
        ..QUIET
    };
    assert_eq!(due(&waiting), [Task::Vacuum]);
}

#[test]
fn it_waits_longer_each_time_and_an_hour_at_most() {
    assert_eq!(backoff_us(1), 5_000_000);
    assert_eq!(backoff_us(2), 10_000_000);
    assert_eq!(backoff_us(40), HOUR_US);
    assert_eq!(backoff_us(u32::MAX), HOUR_US);
}

#[test]
fn files_are_looked_through_four_times_within_the_retention() {
    assert_eq!(vacuum_every_us(Duration::from_secs(2 * 3_600)), HOUR_US);
    assert_eq!(
        vacuum_every_us(Duration::from_secs(12 * 3_600)),
        3 * HOUR_US
    );
    assert_eq!(vacuum_every_us(Duration::MAX), 24 * HOUR_US);
}

#[test]
fn a_history_shorter_than_an_hour_is_kept_to_as_well() {
    let minute = Duration::from_secs(60);
    assert_eq!(vacuum_every_us(minute), 60 * SECOND_US);
    assert_eq!(vacuum_every_us(Duration::from_millis(1)), SECOND_US);
    assert_eq!(first_vacuum_us(minute / 10), 6 * SECOND_US);
    assert_eq!(first_vacuum_us(minute * 600), FIRST_VACUUM_US);
}
