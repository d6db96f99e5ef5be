//! The command line: help that teaches, `check` with file:line:column, `run` that ends by itself, exit codes.

use std::{fs, path::PathBuf, process::Command};

use sluice_tests::{server::command, wait::wait_for};
use tempfile::TempDir;

use crate::{
    places::{ends, left_saying},
    support::SOON,
};

fn with(args: &[&str]) -> Command {
    let mut command = command();
    command.args(args);
    command
}

fn script(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("job.sql");
    fs::write(&file, text).unwrap();
    (dir, file)
}

fn on_script(verb: &str, text: &str) -> std::process::Output {
    let (dir, file) = script(text);
    let mut command = with(&[verb]);
    command.arg(&file).current_dir(dir.path());
    ends(command)
}

/// A bounded stream of generated events, and the asked-for query over it.
fn generated(rows: u64) -> String {
    format!(
        "CREATE STREAM events (
           \"timestamp\" TIMESTAMPTZ, event_type TEXT, user_segment TEXT, value DOUBLE,
           WATERMARK FOR \"timestamp\" AS \"timestamp\" - INTERVAL '10 seconds'
         ) WITH (connector = 'generator', shape = 'metrics', rows = '{rows}', seed = '7');
         CREATE TABLE gold.real_time_metrics PARTITIONED BY (date DATE, hour INT) AS
         SELECT window_start, window_end, event_type, user_segment,
                count(*) AS event_count, avg(value) AS avg_value, approx_percentile(value, 0.95) AS p95_value
         FROM TUMBLE(events, \"timestamp\", INTERVAL '1 minute')
         GROUP BY window_start, window_end, event_type, user_segment;\n"
    )
}

#[test]
fn help_teaches_and_version_is_told() {
    let output = ends(with(&["--help"]));
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    for said in [
        "serve",
        "run",
        "check",
        "demo",
        "completions",
        "5455",
        "Exit codes",
    ] {
        assert!(
            text.contains(said),
            "--help does not mention {said}:\n{text}"
        );
    }
    let output = ends(with(&["serve", "--help"]));
    let text = String::from_utf8_lossy(&output.stdout);
    for said in [
        "--root",
        "--pg-listen",
        "--flight-listen",
        "--http-listen",
        "--config",
        "127.0.0.1:5455",
        "127.0.0.1:5456",
        "127.0.0.1:5457",
        "SLUICE_PG_LISTEN",
        "sluice-data",
    ] {
        assert!(
            text.contains(said),
            "serve --help does not mention {said}:\n{text}"
        );
    }
    let output = ends(with(&["--version"]));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        concat!("sluice ", env!("CARGO_PKG_VERSION"))
    );
    for shell in ["bash", "zsh", "fish"] {
        let output = ends(with(&["completions", shell]));
        assert!(output.status.success(), "{shell}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("sluice"),
            "{shell}"
        );
    }
}

#[test]
fn usage_errors_leave_with_two_and_name_the_nearest_word() {
    left_saying(&ends(with(&["serv"])), 2, &["serv", "serve"]);
    left_saying(
        &ends(with(&["serve", "--rot", "x"])),
        2,
        &["--rot", "--root"],
    );
    left_saying(&ends(with(&["check"])), 2, &["FILE"]);
}

#[test]
fn check_says_every_error_with_file_line_and_column() {
    let output = on_script("check", &generated(100));
    assert!(output.status.success(), "{output:?}");

    let text = "SELECT 1;\n\nSELEC 2;\nSELECT nope FROM nowhere;\nCREATE VIEW v AS\n  SELECT 1 +;\nSELECT 3;\n";
    let err = left_saying(&on_script("check", text), 1, &[]);
    for said in ["job.sql:3:1:", "job.sql:4:", "nowhere", "job.sql:6:13:"] {
        assert!(err.contains(said), "{said} is not in:\n{err}");
    }
    assert_eq!(err.matches("job.sql:").count(), 3, "three errors:\n{err}");
    left_saying(
        &ends(with(&["check", "no-such-file.sql"])),
        1,
        &["no-such-file.sql"],
    );
}

#[test]
fn check_plans_against_what_the_script_makes_and_leaves_nothing_behind() {
    let (dir, file) = script(&format!(
        "{}SELECT nope FROM gold.real_time_metrics;\n",
        generated(100)
    ));
    let mut command = with(&["check"]);
    command.arg(&file).current_dir(dir.path());
    left_saying(
        &ends(command),
        1,
        &["job.sql:", "column \"nope\" does not exist"],
    );
    let left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["job.sql"], "check wrote something");
}

#[test]
fn run_ends_by_itself_when_every_source_is_bounded_and_prints_every_window() {
    let output = on_script(
        "run",
        &format!("SELECT 6 * 7 AS answer;\n{}", generated(10_000)),
    );
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}\n{out}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(out.contains("answer") && out.contains("42"), "{out}");
    // CSV where no person is looking: the counts of all windows are all events
    let mut lines = out.lines().skip_while(|line| !line.contains("event_count"));
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let at = header
        .iter()
        .position(|name| *name == "event_count")
        .unwrap();
    let counts: u64 = lines
        .filter_map(|line| line.split(',').nth(at)?.parse::<u64>().ok())
        .sum();
    assert_eq!(counts, 10_000, "{out}");
}

#[test]
fn run_stops_at_the_first_error_with_its_place() {
    let err = left_saying(
        &on_script("run", "SELECT 1;\nSELECT * FROM nowhere;\nSELECT 2;\n"),
        1,
        &["job.sql:2:", "relation \"nowhere\" does not exist"],
    );
    assert!(!err.contains("job.sql:3"), "{err}");
}

#[test]
fn run_is_stopped_by_sigterm() {
    let (dir, file) = script(&generated(1_000_000_000));
    let mut command = with(&["run"]);
    command
        .arg(&file)
        .current_dir(dir.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut child = sluice_tests::process::spawn(command).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
    // SAFETY: the child has not been waited for.
    unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) };
    let status = wait_for("run to leave", SOON, || child.try_wait().unwrap());
    child.kill().ok();
    assert!(status.unwrap().success());
}
