//! What ours takes, alone and beside Spark and Flink, on a real broker. Never a timed test.
//!
//! `bench` runs ours alone for some minutes and prints; `bench peers` runs every scenario, peers beside, and keeps each one's figures in
//! `bench/results`; `bench report` makes `docs/benchmarks.md` of them. A wrong answer is printed and ends with 1, without figures; a machine
//! that is too busy, or a checkout that is not as committed, with 2. Settings: `bench/README.md`.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "tests"))]

mod checkout;
mod engines;
mod quiet;
mod report;
mod results;
mod scenarios;
mod settings;
mod topic;
mod usage;

/// The server's: what is measured in this process is measured on it.
#[path = "../../server/src/allocator.rs"]
mod allocator;

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use sluice_tests::{
    parts::{flink, kafka},
    server::binary,
};

use self::{
    checkout::Checkout,
    results::{Line, Scenario},
    scenarios::{Bench, Outcome},
    settings::Settings,
};

const USAGE: &str = "usage: bench [peers|report]";
/// How long a machine is looked at before it is measured on.
const LOOK: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    let done = match command.as_deref() {
        None => measure(false),
        Some("peers") => measure(true),
        Some("report") => report::write(),
        Some(_) => Err(Failure::Refused(USAGE.into())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Wrong(e)) => {
            eprintln!(
                "bench: no figures of these, for the answer was not right or did not come:\n{e}"
            );
            ExitCode::from(1)
        }
        Err(Failure::Refused(e)) => {
            eprintln!("bench: {e}");
            ExitCode::from(2)
        }
    }
}

/// Why there is no figure.
enum Failure {
    /// Something measured gave a wrong answer, or none.
    Wrong(String),
    /// Nothing was measured.
    Refused(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Refused(message)
    }
}

fn measure(full: bool) -> Result<(), Failure> {
    let settings = Settings::from_env(full)?;
    settings.check_names(&scenarios::ALL)?;
    let known: &[&str] = if full {
        &scenarios::ALL
    } else {
        &scenarios::QUICK
    };
    let wanted: Vec<&str> = scenarios::ALL
        .into_iter()
        .filter(|name| settings.wants(name) && (settings.names_some() || known.contains(name)))
        .collect();
    let checkout = Checkout::of(&root())?;
    let busy_percent = quiet::busy_percent(LOOK)?;
    quiet::judge(busy_percent, settings.busy_limit)?;
    let machine = machine();
    eprintln!(
        "[bench] {}; others take {busy_percent:.0} % of it",
        machine["processors"]
    );
    let begun = Instant::now();
    let broker = kafka::Broker::start()?;
    let bench = Bench { broker, settings };
    let mut wrong = Vec::new();
    for (n, name) in wanted.iter().enumerate() {
        eprintln!(
            "[bench] === {name} ({} of {}, after {:.0} s)",
            n + 1,
            wanted.len(),
            begun.elapsed().as_secs_f64()
        );
        // a figure of before must not stand for one that could not be had now
        if full {
            fs::remove_file(folder().join("results").join(name).with_extension("json")).ok();
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| scenarios::run(name, &bench)));
        let outcome = outcome.unwrap_or_else(|_| Err("it failed, as told above".into()));
        match outcome {
            Err(e) => {
                eprintln!("[bench] {name}: {e}");
                wrong.push(format!("{name}: {e}"));
            }
            Ok(outcome) => {
                let scenario = kept(name, outcome, &checkout, busy_percent, &machine);
                println!("{}", report::as_text(&scenario));
                if full {
                    scenario.write(&folder().join("results"))?;
                }
            }
        }
    }
    eprintln!("[bench] over after {:.0} s", begun.elapsed().as_secs_f64());
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Failure::Wrong(wrong.join("\n")))
    }
}

fn kept(
    name: &str,
    outcome: Outcome,
    checkout: &Checkout,
    busy_percent: f64,
    machine: &BTreeMap<String, String>,
) -> Scenario {
    let lines: Vec<Line> = outcome.lines;
    Scenario {
        name: name.to_owned(),
        checked: outcome.checked,
        at: chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        checkout: checkout.clone(),
        busy_percent,
        machine: machine.clone(),
        settings: settings::given(),
        given: outcome.given,
        lines,
    }
}

/// What figures depend on besides the code.
fn machine() -> BTreeMap<String, String> {
    let first = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.split_once(':'));
        line.map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok();
        let text = output.map(|output| [output.stdout, output.stderr].concat());
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        text.lines().next().unwrap_or("unknown").trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = first("/proc/meminfo", "MemTotal");
    let kib: f64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    let optimised = if cfg!(debug_assertions) {
        "a development build: its processor times say nothing"
    } else {
        "optimised (tests/bench-profile.toml)"
    };
    let build = match std::env::var_os("SLUICE_BIN") {
        Some(_) => format!(
            "of the benchmark: {optimised}; of the server: another one, given by SLUICE_BIN"
        ),
        None => optimised.to_owned(),
    };
    let facts = [
        (
            "processors",
            format!("{cores} × {}", first("/proc/cpuinfo", "model name")),
        ),
        ("memory", format!("{:.0} GiB", kib / f64::from(1 << 20))),
        ("system", said("uname", &["-sr"])),
        ("java", said("java", &["-version"])),
        ("rust", said("rustc", &["--version"])),
        ("build", build),
        (
            "sluice",
            said(&binary().display().to_string(), &["--version"]),
        ),
        (
            "kafka",
            format!("{} (one node, heap 512 MiB)", kafka::VERSION),
        ),
        (
            "flink",
            format!("{}, connector to Kafka 5.0.0-2.2", flink::VERSION),
        ),
        ("spark", "4.2.0, Delta 4.4.0".to_owned()),
    ];
    facts.map(|(name, fact)| (name.to_owned(), fact)).into()
}

/// This crate's folder.
fn folder() -> PathBuf {
    root().join("bench")
}

/// The checkout.
fn root() -> PathBuf {
    let tests = sluice_tests::folder();
    tests.parent().unwrap_or(Path::new(".")).to_owned()
}
