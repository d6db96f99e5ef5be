//! Benchmarks of single crates that have programs of their own: run as `make bench` runs them, their figures taken from what they print.

use std::{process::Command, time::Instant};

use super::Outcome;
use crate::{
    results::{Line, Run, run},
    settings::Settings,
};

/// Ours over many commits, beside delta-rs' own path.
pub fn commits(settings: &Settings) -> Result<Outcome, String> {
    let stock = 1000.min(settings.commits);
    let text = printed(
        "commits",
        &[
            ("SLUICE_BENCH_COMMITS", settings.commits),
            ("SLUICE_BENCH_STOCK", stock),
        ],
    )?;
    let mut outcome = Outcome::new("no row was lost or doubled")
        .given("commits", settings.commits)
        .given("rows each", 200)
        .given("commits of delta-rs", stock);
    for line in commit_lines(&text) {
        outcome = outcome.line(line);
    }
    if outcome.lines.len() < 3 {
        return Err(format!("commits printed something else:\n{text}"));
    }
    Ok(outcome)
}

/// The tenths of a run of ours, and the comparison.
fn commit_lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for line in text
        .lines()
        .filter_map(|line| line.strip_prefix("commits: "))
    {
        let n = numbers(line);
        let (name, figures): (String, Run) =
            if line.contains(" live files, ") && line.contains(" resident") {
                let [
                    upto,
                    write,
                    entry,
                    reader,
                    merge,
                    checkpoint,
                    sum,
                    mib,
                    files,
                    ..,
                ] = n[..]
                else {
                    continue;
                };
                let figures = run([
                    ("file_ms", write),
                    ("entry_ms", entry),
                    ("reader_ms", reader),
                    ("merge_ms", merge),
                    ("checkpoint_ms", checkpoint),
                    ("cpu_ms", sum),
                    ("resident_mib", mib),
                    ("live_files", files),
                ]);
                (format!("to commit {upto}"), figures)
            } else if let Some((when, _)) = line
                .split_once(": ")
                .filter(|_| line.contains(" of delta-rs'"))
            {
                let [.., ours, theirs, times] = n[..] else {
                    continue;
                };
                let figures = run([
                    ("cpu_ms", ours),
                    ("delta_rs_cpu_ms", theirs),
                    ("times", times),
                ]);
                (when.to_owned(), figures)
            } else if line.contains("no tenth of them off") {
                let [.., mean, off] = n[..] else { continue };
                ("all".into(), run([("cpu_ms", mean), ("off_percent", off)]))
            } else {
                continue;
            };
        let mut of = Line::new(&name);
        of.runs.push(figures);
        lines.push(of);
    }
    lines
}

/// Our decoder beside arrow-json, in memory.
pub fn decode(settings: &Settings) -> Result<Outcome, String> {
    let mut lines: Vec<Line> = Vec::new();
    for _ in 0..settings.runs.min(3) {
        for (name, figures) in decode_runs(&printed("decode", &[])?) {
            match lines.iter_mut().find(|line| line.name == name) {
                Some(line) => line.runs.push(figures),
                None => lines.push(Line {
                    name,
                    runs: vec![figures],
                }),
            }
        }
    }
    if lines.len() != 4 {
        return Err(format!("decode printed {} figures of four", lines.len()));
    }
    let mut outcome =
        Outcome::new("decoded rows are compared in the crate's own tests").given("events", 8192);
    outcome.lines = lines;
    Ok(outcome)
}

/// The medians of divan's table, as nanoseconds an event.
fn decode_runs(text: &str) -> Vec<(String, Run)> {
    let mut decoder = "";
    let mut runs = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line
            .split([' ', '│', '├', '╰', '─'])
            .filter(|word| !word.is_empty())
            .collect();
        match words[..] {
            ["sluice", ..] => decoder = "ours",
            ["arrow_json", ..] => decoder = "arrow-json",
            // fastest, slowest, median, mean
            [kind @ ("clean" | "dirty"), _, _, _, _, median, unit, ..] => {
                let ns = match unit {
                    "ns" => 1.0,
                    "µs" => 1e3,
                    "ms" => 1e6,
                    _ => continue,
                };
                if let Ok(median) = median.parse::<f64>() {
                    runs.push((
                        format!("{decoder}, {kind}"),
                        run([("ns_per_event", median * ns / 8192.0)]),
                    ));
                }
            }
            _ => {}
        }
    }
    runs
}

/// What a benchmark of a crate prints.
fn printed(name: &str, settings: &[(&str, usize)]) -> Result<String, String> {
    eprintln!("[bench] the benchmark `{name}` of its crate");
    let start = Instant::now();
    let mut command = Command::new("cargo");
    command
        .args([
            "bench",
            "--quiet",
            "--locked",
            "--workspace",
            "--profile",
            "dev",
        ])
        .args(["--config", "tests/bench-profile.toml", "--bench", name])
        .current_dir(crate::root())
        // Of the run itself; to cargo it would be a reason to build dependencies anew.
        .env_remove("CARGO_MANIFEST_DIR");
    for (name, value) in settings {
        command.env(name, value.to_string());
    }
    let output = command.output().map_err(|e| format!("cargo bench: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(format!(
            "cargo bench --bench {name}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    eprintln!("[bench]   {:.0} s", start.elapsed().as_secs_f64());
    Ok(text)
}

/// Every number in a line.
fn numbers(line: &str) -> Vec<f64> {
    let words = line.split(|c: char| !c.is_ascii_digit() && c != '.');
    words
        .filter_map(|word| word.trim_matches('.').parse().ok())
        .collect()
}

#[cfg(test)]
mod tests;
