//! `sluice demo` in a pipe: ends by itself with 0 and the final table, and its counts add up.

use std::{
    fs::File,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use sluice_tests::{
    parts::{feed, kafka::Broker},
    process::{Process, spawn},
    server::command,
    wait::wait_for,
};

const SECONDS: u64 = 20;

struct Ended {
    out: String,
    err: String,
    code: Option<i32>,
    took: Duration,
}

fn demo(more: &[&str]) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let (out, err) = (dir.path().join("out"), dir.path().join("err"));
    let mut command: Command = command();
    command
        .args(["demo", "--seconds", &SECONDS.to_string()])
        .args(more)
        .current_dir(dir.path())
        .stdin(std::process::Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap());
    let start = Instant::now();
    let mut child = spawn(command).unwrap();
    let status = wait_for("the demo to end", Duration::from_secs(SECONDS + 60), || {
        child.try_wait().unwrap()
    });
    child.kill().ok();
    child.wait().ok();
    let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let (out, err) = (read(&out), read(&err));
    let status = status.unwrap_or_else(|e| panic!("{e}\n{out}\n{err}"));
    Ended {
        out,
        err,
        code: status.code(),
        took: start.elapsed(),
    }
}

fn check(ended: &Ended) {
    let Ended { out, err, .. } = ended;
    assert_eq!(ended.code, Some(0), "{out}\n{err}");
    assert!(
        ended.took >= Duration::from_secs(SECONDS - 2),
        "over after {:?}",
        ended.took
    );
    assert!(!out.contains('\x1b'), "escape codes in a pipe:\n{out}");
    for said in [
        "event_type",
        "user_segment",
        "event_count",
        "avg_value",
        "p95_value",
        "psql",
    ] {
        assert!(out.contains(said), "{said} is not in\n{out}");
    }
    let rows = out.lines().filter(|line| line.starts_with("| 20"));
    assert!(rows.count() > 5, "hardly a table:\n{out}");
    let line = out
        .lines()
        .find(|line| line.contains(" events = "))
        .unwrap_or_else(|| panic!("no line `N events = …` in\n{out}"));
    assert!(line.ends_with("the counts are equal"), "{line}");
    let (left, right) = line.split_once('=').unwrap();
    let events: u64 = numbers(left).iter().sum();
    let parts = numbers(right);
    assert!(events > 10_000, "{line}");
    assert!(parts[0] > 0, "nothing in windows: {line}");
    assert_eq!(events, parts.iter().sum::<u64>(), "{line}");
}

/// Whole numbers of a line; digits may be grouped with spaces, commas or underscores.
fn numbers(text: &str) -> Vec<u64> {
    let joined: String = text
        .chars()
        .filter(|c| !matches!(c, ',' | '_' | '\u{2009}' | '\u{a0}'))
        .collect();
    joined
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[test]
fn the_demo_ends_with_the_final_table_and_counts_that_add_up() {
    check(&demo(&[]));
}

/// `make demo`, as a stranger runs it first.
#[test]
fn the_demo_without_an_end_goes_on_until_it_is_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut command: Command = command();
    command.arg("demo").current_dir(dir.path());
    let mut demo = Process::start("demo", command, &log).unwrap();
    let filled = wait_for("gold to fill", Duration::from_secs(60), || {
        let lines = demo.log_tail(usize::MAX).lines().count();
        (lines > 15 || demo.ended().is_some()).then_some(())
    });
    assert!(
        filled.is_ok() && demo.ended().is_none(),
        "{}",
        demo.log_tail(50)
    );
    demo.signal(libc::SIGINT);
    let status = wait_for("the demo to end", Duration::from_secs(30), || demo.ended());
    let out = demo.log_tail(usize::MAX);
    assert_eq!(status.map(|status| status.code()), Ok(Some(0)), "{out}");
    let rows = out.lines().filter(|line| line.starts_with("| 20"));
    assert!(rows.count() > 5, "hardly a table:\n{out}");
}

#[test]
fn the_demo_does_the_same_on_a_real_broker() {
    let broker = Broker::shared();
    let topic = broker.fresh_topic("demo", feed::PARTITIONS as i32);
    let over = AtomicBool::new(false);
    let (ended, fed) = thread::scope(|scope| {
        let fed = scope.spawn(|| {
            let start = Instant::now();
            // it stops before the demo does, or the counts could not hold still
            feed::feed(broker, &topic, 2_000, || {
                over.load(Ordering::Relaxed) || start.elapsed() > Duration::from_secs(SECONDS - 5)
            })
        });
        let ended = demo(&["--kafka", &broker.bootstrap(), "--topic", &topic]);
        over.store(true, Ordering::Relaxed);
        (ended, fed.join().unwrap())
    });
    check(&ended);
    assert!(
        ended.out.contains(&format!("{fed} events = ")),
        "{fed} were produced:\n{}",
        ended.out
    );
}
