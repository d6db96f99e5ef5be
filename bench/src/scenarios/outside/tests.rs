//! What the crates' benchmarks print, as they printed it.

use super::*;

#[test]
fn commits_are_understood() {
    let text = "commits: of 200 rows, CPU in ms each: data file, log entry, reader, merges, checkpoints
commits:   2000: 0.52 + 0.21 + 0.33 + 0.44 + 0.10 = 1.60; 82 MiB resident, 31 live files, 120 log entries, 20 checkpoints, the newest of 21 KiB
commits: 3 sealings, 120 ms of CPU for the rows of 18000 commits
commits: 20000 in 41 s, 301 merges, at most 58 live files, 1.81 ms of CPU each, no tenth of them off by more than 12 %
commits: file and entry, at the first files: 0.73 ms of ours, 12.10 ms of delta-rs': 17 times
";
    let lines = commit_lines(text);
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "to commit 2000",
            "all",
            "file and entry, at the first files"
        ]
    );
    assert_eq!(lines[0].runs[0]["cpu_ms"], 1.60);
    assert_eq!(lines[0].runs[0]["live_files"], 31.0);
    assert_eq!(lines[1].runs[0]["off_percent"], 12.0);
    assert_eq!(lines[2].runs[0]["delta_rs_cpu_ms"], 12.10);
}

#[test]
fn medians_of_divan_are_understood() {
    let text = "decode         fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ arrow_json                │               │               │               │         │
│  ├─ clean    3.6 ms        │ 5.1 ms        │ 4.096 ms      │ 4.1 ms        │ 100     │ 100
│  │           2.2 Mitem/s   │ 1.6 Mitem/s   │ 2 Mitem/s     │ 2 Mitem/s     │         │
╰─ sluice                    │               │               │               │         │
   ├─ clean    900 µs        │ 1.9 ms        │ 819.2 µs      │ 1 ms          │ 100     │ 100
";
    let runs = decode_runs(text);
    assert_eq!(runs.len(), 2);
    assert_eq!(
        (runs[0].0.as_str(), runs[0].1["ns_per_event"].round()),
        ("arrow-json, clean", 500.0)
    );
    assert_eq!(
        (runs[1].0.as_str(), runs[1].1["ns_per_event"].round()),
        ("ours, clean", 100.0)
    );
}
