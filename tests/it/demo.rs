//! `sluice demo` in a pipe: ends by itself with 0 and the final table, and its counts add up.

use std::{
    fs::File,
    process::Command,
    time::{Duration, Instant},
};

use sluice_tests::{parts::kafka::Broker, ports, process::spawn, server::command, wait::wait_for};

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
    // two demos may run at once
    for door in ["PG", "FLIGHT", "HTTP"] {
        command.env(
            format!("SLUICE_{door}_LISTEN"),
            format!("127.0.0.1:{}", ports::free()),
        );
    }
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
    let rows = out
        .lines()
        .filter(|line| line.contains("page_view") || line.contains("purchase"));
    assert!(rows.count() > 5, "hardly a table:\n{out}");
    let line = out
        .lines()
        .find(|line| line.contains("generated") && line.contains('='))
        .unwrap_or_else(|| panic!("no line `N generated = …` in\n{out}"));
    let (left, right) = line.split_once('=').unwrap();
    let generated: u64 = numbers(left).iter().sum();
    let parts = numbers(right);
    assert!(generated > 10_000, "{line}");
    assert!(parts[0] > 0, "nothing in gold: {line}");
    assert_eq!(generated, parts.iter().sum::<u64>(), "{line}");
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

#[test]
fn the_demo_does_the_same_on_a_real_broker() {
    let broker = Broker::shared();
    check(&demo(&["--kafka", &broker.bootstrap()]));
}
