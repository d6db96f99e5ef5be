//! Where the server's processor time goes while it drains: sampled by `perf`, told by steps, kept as folded stacks for the flame graph.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use sluice_tests::{install, job, server::Server};

use super::{Bench, Outcome};
use crate::{
    engines::Engine,
    results::{Line, run},
    topic::{Mix, Topic},
    usage,
};

const GOLD: &str = "gold.real_time_metrics";
/// Samples a second of processor time; no multiple of what anything else does.
const RATE: &str = "299";

/// What a function is for, by what is in its name; the innermost that says something counts.
const STEPS: [(&str, &[&str]); 7] = [
    (
        "the kernel: reading the socket",
        &["sys_recv", "tcp_recvmsg", "sys_read", "sock_recv"],
    ),
    (
        "the kernel: memory",
        &["page_fault", "sys_madvise", "sys_mmap", "sys_munmap"],
    ),
    ("decode JSON", &["format::json", "simdutf8"]),
    (
        "fetch: Kafka's protocol, checksums",
        &["connectors::kafka", "crc32c", "kafka_protocol", "rdkafka"],
    ),
    (
        "windows, groups, aggregates",
        &[
            "sluice_planner",
            "datafusion_functions",
            "GroupValues",
            "arrow_row",
            "physical_plan::aggregates",
        ],
    ),
    (
        "write and commit",
        &[
            "parquet",
            "deltalake",
            "delta_kernel",
            "connectors::delta",
            "object_store",
        ],
    ),
    (
        "epochs, doors, everything else of the server",
        &["sluice_server", "tokio", "pgwire", "datafusion"],
    ),
];

/// A drain of one topic under `perf`.
pub fn measure(bench: &Bench) -> Result<Outcome, String> {
    let perf = install::on_path("perf").ok_or("there is no perf on the path")?;
    let (broker, settings) = (&bench.broker, &bench.settings);
    let topic = Topic::preload(broker, settings.events[0], Mix::Clean, &settings.codec);
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let data = folder.path().join("perf.data");
    eprintln!("[bench] draining under perf");
    let server = Server::start();
    let pg = server.connect();
    let mut recording = record(&perf, server.pid(), &data)?;
    thread::sleep(Duration::from_millis(500));
    let cpu = usage::cpu_s(server.pid());
    pg.run(&job::script(&broker.bootstrap(), &topic.name));
    job::wait_drained(&server, &pg, GOLD, &topic.shape, Duration::from_secs(1800));
    let cpu_s = usage::cpu_s(server.pid()) - cpu;
    // SAFETY: the child has not been waited for, so its id is its own.
    unsafe { libc::kill(recording.id().cast_signed(), libc::SIGINT) };
    recording.wait().map_err(|e| format!("perf record: {e}"))?;
    topic.check(job::read_gold(&pg, GOLD), Engine::Sluice.percentile())?;
    drop(server);
    eprintln!("[bench] reading what perf saw (a minute or so)");
    let output = Command::new(&perf)
        .args(["script", "--no-inline", "-F", "comm,ip,sym", "-i"])
        .arg(&data)
        .stderr(Stdio::null())
        .output()
        .map_err(|e| format!("perf script: {e}"))?;
    let stacks = folded(&String::from_utf8_lossy(&output.stdout));
    let samples: u64 = stacks.values().sum();
    if samples == 0 {
        return Err("perf saw nothing: is it allowed to look (kernel.perf_event_paranoid)?".into());
    }
    let mut text = String::new();
    for (stack, samples) in &stacks {
        let _ = writeln!(text, "{stack} {samples}");
    }
    let results = crate::folder().join("results");
    let kept = results.join("profile.folded");
    fs::create_dir_all(&results)
        .and_then(|()| fs::write(&kept, text))
        .map_err(|e| format!("{}: {e}", kept.display()))?;
    broker.delete_topic(&topic.name);

    let mut outcome = Outcome::new("every row equals the oracle")
        .given("events", topic.events)
        .given("samples", samples)
        .given("CPU-seconds of the drain", format!("{cpu_s:.2}"));
    let ns = cpu_s / topic.events as f64 * 1e9;
    for (step, of) in by_step(&stacks) {
        let share = of as f64 / samples as f64;
        let mut line = Line::new(step);
        line.runs.push(run([
            ("ns_per_event", share * ns),
            ("share_percent", share * 100.0),
        ]));
        outcome = outcome.line(line);
    }
    Ok(outcome)
}

fn record(perf: &Path, pid: u32, data: &Path) -> Result<Child, String> {
    Command::new(perf)
        .args([
            "record",
            "-q",
            "-e",
            "cpu-clock",
            "-F",
            RATE,
            "--call-graph",
            "dwarf,16384",
            "-p",
        ])
        .arg(pid.to_string())
        .arg("-o")
        .arg(data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("perf record: {e}"))
}

/// Samples by step, most first.
fn by_step(stacks: &BTreeMap<String, u64>) -> Vec<(&'static str, u64)> {
    let mut steps: BTreeMap<&str, u64> = BTreeMap::new();
    for (stack, samples) in stacks {
        let step = stack.rsplit(';').find_map(step_of).unwrap_or("unknown");
        *steps.entry(step).or_default() += samples;
    }
    let mut steps: Vec<_> = steps.into_iter().collect();
    steps.sort_by_key(|(_, samples)| std::cmp::Reverse(*samples));
    steps
}

fn step_of(function: &str) -> Option<&'static str> {
    let is = |words: &[&str]| words.iter().any(|word| function.contains(word));
    STEPS
        .iter()
        .find(|(_, words)| is(words))
        .map(|(step, _)| *step)
}

/// `perf script`'s stacks, outermost first, with how often each was seen. Samples are set apart by empty lines; a stack is innermost first.
fn folded(script: &str) -> BTreeMap<String, u64> {
    let mut stacks = BTreeMap::new();
    for sample in script.split("\n\n") {
        let mut lines = sample.lines().filter(|line| !line.trim().is_empty());
        let Some(thread) = lines.next() else { continue };
        let mut frames: Vec<String> = lines
            .filter_map(|line| line.trim().split_once(' '))
            .map(|(_, name)| shorter(name))
            .collect();
        if frames.is_empty() {
            continue;
        }
        frames.push(thread.trim().replace(';', ","));
        frames.reverse();
        *stacks.entry(frames.join(";")).or_default() += 1;
    }
    stacks
}

/// A function's name without hash and with no more than fits.
fn shorter(name: &str) -> String {
    let name = name.trim().replace(';', ",");
    let name = match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 => name.to_owned(),
        _ => name,
    };
    name.chars().take(100).collect()
}

#[cfg(test)]
mod tests;
