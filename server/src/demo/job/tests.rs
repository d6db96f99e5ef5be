//! Tests of job: see the module beside for what is promised.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn a_bounded_generator_says_how_much() {
    let start = "2026-11-22T10:00:00Z".parse().unwrap();
    let job = Job::new(Feed::Generator {
        rate: 2000,
        rows: Some(40_000),
        start,
    });
    assert_eq!(job.generated(), Some(40_000));
    let [stream, _, _] = job.statements();
    for option in [
        "connector = 'generator'",
        "rows_per_second = '2000'",
        "rows = '40000'",
        "start_time = '2026-11-22T10:00:00Z'",
        "max_future_skew = 'off'",
    ] {
        assert!(stream.contains(option), "{stream}");
    }
}

#[test]
fn names_from_the_command_line_stay_inside_their_quotes() {
    let job = Job::new(Feed::Kafka {
        bootstrap: "127.0.0.1:9092".to_owned(),
        topic: "o'clock".to_owned(),
    });
    assert_eq!(job.generated(), None);
    assert!(job.statements()[0].contains("topic = 'o''clock'"));
}
