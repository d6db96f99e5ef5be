//! `docs/benchmarks.md`, made of what is in `bench/results` and of nothing else.

mod charts;
mod flame;
mod pages;
mod targets;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
};

use self::pages::{PAGES, Page};
use crate::{
    Failure,
    checkout::Checkout,
    results::{Line, Scenario, Spread},
    settings,
};

/// Figures in the order of a table's columns, as they are called there, and their decimals.
const FIGURES: [(&str, &str, usize); 47] = [
    ("cpu_s_per_million", "CPU-s per million more events", 3),
    (
        "total_cpu_s_per_million",
        "CPU-s per million, start included",
        3,
    ),
    ("broker_cpu_s_per_million", "broker's CPU-s per million", 3),
    ("events_per_s", "more events a second", 0),
    ("total_events_per_s", "events a second, start included", 0),
    ("cpu_s", "CPU-s", 2),
    ("wall_s", "seconds", 2),
    ("p50_ms", "p50 ms", 1),
    ("p95_ms", "p95 ms", 1),
    ("p99_ms", "p99 ms", 1),
    ("max_ms", "max ms", 1),
    ("windows", "windows", 0),
    ("cpu_percent", "CPU, % of a core", 2),
    ("broker_cpu_percent", "broker's CPU, %", 1),
    ("producer_cpu_percent", "producer's CPU, %", 1),
    (
        "producer_and_reader_cpu_percent",
        "producer's and reader's CPU, %",
        1,
    ),
    ("resident_mib", "resident MiB", 0),
    ("own_mib", "of it not the mapped binary, MiB", 0),
    ("peak_mib", "peak resident MiB", 0),
    ("left_mib", "MiB on disk", 1),
    ("data_files", "data files", 0),
    ("commits", "commits", 0),
    ("rows", "rows", 0),
    ("readers", "readers at the end", 0),
    ("rows_per_s", "rows a second", 0),
    ("rows_per_cpu_s", "rows a CPU-second", 0),
    ("once_ms", "ms a scan", 0),
    ("gib_per_s", "GiB a second", 2),
    ("gib_per_cpu_s", "GiB a CPU-second", 2),
    ("login_cpu_ms", "CPU ms a login", 2),
    ("more_mib", "MiB more", 0),
    ("state_mib", "state MiB", 0),
    ("checkpoint_mib", "checkpoints MiB", 0),
    ("first_answer_s", "first answer, s", 2),
    ("fresh_s", "all read, s", 2),
    ("queries_per_cpu_s", "queries a CPU-second", 0),
    ("queries_per_s", "queries a second", 0),
    ("half_p50_ms", "p50 ms at half", 2),
    ("half_p99_ms", "p99 ms at half", 2),
    ("count_cpu_ms", "CPU ms of count(*)", 2),
    ("cpu_ms", "CPU ms a commit", 2),
    ("delta_rs_cpu_ms", "delta-rs' CPU ms", 2),
    ("times", "times", 0),
    ("off_percent", "a tenth is off by at most %", 0),
    ("live_files", "live files", 0),
    ("ns_per_event", "ns an event", 0),
    ("share_percent", "share, %", 1),
];

/// In the place of figures that are not there.
const NOT_MEASURED: &str = "not measured";

/// Everything measured, by scenario.
type All = BTreeMap<String, Scenario>;

/// Writes the page and its charts.
pub fn write() -> Result<(), Failure> {
    let root = crate::root();
    let checkout = Checkout::of(&root)?;
    checkout.judge(settings::text("DIRTY_CHECKOUT").is_some())?;
    let all = Scenario::read_all(&crate::folder().join("results"))?;
    if all.is_empty() {
        eprintln!(
            "[bench] bench/results is empty, so nothing is measured: make bench-peers fills it"
        );
    }
    let folder = root.join("docs/benchmarks");
    let told = |e: std::io::Error| Failure::Refused(format!("{}: {e}", folder.display()));
    fs::create_dir_all(&folder).map_err(told)?;
    let mut drawn = charts::draw(&all);
    if all.contains_key("profile") {
        drawn.extend(flame::draw(&crate::folder().join("results/profile.folded")));
    }
    // charts of before would stand beside figures of now
    for entry in fs::read_dir(&folder).map_err(told)?.flatten() {
        fs::remove_file(entry.path()).map_err(told)?;
    }
    for (name, svg) in &drawn {
        fs::write(folder.join(name), svg).map_err(told)?;
    }
    let names: BTreeSet<&str> = drawn.iter().map(|(name, _)| name.as_str()).collect();
    let path = root.join("docs/benchmarks.md");
    fs::write(&path, page(&all, &checkout, &names)).map_err(told)?;
    eprintln!("[bench] docs/benchmarks.md of {} scenarios", all.len());
    Ok(())
}

fn page(all: &All, checkout: &Checkout, charts: &BTreeSet<&str>) -> String {
    let mut text = String::from(pages::BEFORE);
    text.push_str("\n## Targets\n\n");
    text.push_str(&targets::table(all));
    text.push_str("\n## Machine, versions, code\n\n");
    text.push_str(&provenance(all, checkout));
    for Page {
        scenario,
        title,
        about,
        chart,
    } in &PAGES
    {
        let _ = write!(text, "\n## {title}\n\n{about}\n\n");
        match all.get(*scenario) {
            None => text.push_str("Not measured.\n"),
            Some(scenario) => {
                if charts.contains(chart) {
                    let _ = write!(text, "![{title}](benchmarks/{chart})\n\n");
                }
                text.push_str(&section(scenario));
            }
        }
    }
    text.push_str("\n## Where the remaining time goes\n\n");
    text.push_str(&remaining(all, charts));
    text
}

/// What was run where, and what was overruled.
fn provenance(all: &All, checkout: &Checkout) -> String {
    let mut text = String::new();
    let Some(newest) = all.values().max_by(|a, b| a.at.cmp(&b.at)) else {
        return text;
    };
    for (name, fact) in &newest.machine {
        let _ = writeln!(text, "* {name}: {fact}");
    }
    text.push_str("\n| scenario | when | commit | others' share of the processors before | settings that were given |\n|---|---|---|---|---|\n");
    for scenario in all.values() {
        let Scenario {
            name,
            at,
            checkout,
            busy_percent,
            settings,
            machine,
            ..
        } = scenario;
        let mut given: Vec<String> = settings
            .iter()
            .map(|(name, value)| format!("`{name}={value}`"))
            .collect();
        if *machine != newest.machine {
            given.push("**on another machine, or of another build**".into());
        }
        let changed = match checkout.changed.len() {
            0 => String::new(),
            n => format!(" **and {n} paths not as committed**"),
        };
        let _ = writeln!(
            text,
            "| {name} | {at} | `{}`{changed} | {busy_percent:.0} % | {} |",
            checkout.commit,
            given.join(" ")
        );
    }
    let _ = writeln!(
        text,
        "\nThis page was written at commit `{}`.",
        checkout.commit
    );
    if !checkout.changed.is_empty() {
        let _ = writeln!(
            text,
            "**The checkout was not as committed ({} paths), which `SLUICE_BENCH_DIRTY_CHECKOUT` overruled.**",
            checkout.changed.len()
        );
    }
    text
}

/// A scenario's table, with how it was checked and what it was run with.
fn section(scenario: &Scenario) -> String {
    let mut text = table(&scenario.lines);
    let given: Vec<String> = scenario
        .given
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let _ = writeln!(
        text,
        "\nChecked: {}. {}.",
        scenario.checked,
        given.join(" · ")
    );
    text.push_str(&ratios(scenario));
    text
}

/// How many times ours the peers take, run by run.
fn ratios(scenario: &Scenario) -> String {
    let Some(ours) = scenario.line("Sluice") else {
        return String::new();
    };
    let peers = scenario
        .lines
        .iter()
        .filter(|line| matches!(line.name.as_str(), "Flink" | "Spark"));
    let told: Vec<String> = peers
        .filter_map(|peer| {
            let ratio = peer.ratio(ours, "cpu_s_per_million")?;
            Some(format!("{} {} times", peer.name, shown(ratio, 1)))
        })
        .collect();
    match told.is_empty() {
        true => String::new(),
        false => format!(
            "\nProcessor time of an event beside ours, run by run: {}.\n",
            told.join(", ")
        ),
    }
}

/// Lines as a Markdown table; medians, with the least and the greatest where there are several runs.
fn table(lines: &[Line]) -> String {
    let has = |figure: &str| {
        lines
            .iter()
            .any(|line| line.runs.iter().any(|run| run.contains_key(figure)))
    };
    let columns: Vec<_> = FIGURES
        .iter()
        .filter(|(figure, _, _)| has(figure))
        .collect();
    let titles: Vec<&str> = columns.iter().map(|(_, title, _)| *title).collect();
    let runs = lines
        .iter()
        .map(|line| line.runs.len())
        .max()
        .unwrap_or_default();
    let first = if runs > 1 {
        "median (least to greatest)"
    } else {
        ""
    };
    let mut text = format!(
        "| {first} | runs | {} |\n|---|---|{}\n",
        titles.join(" | "),
        "---|".repeat(titles.len())
    );
    for line in lines {
        let cells: Vec<String> = columns
            .iter()
            .map(|(figure, _, decimals)| {
                line.spread(figure)
                    .map_or(String::new(), |spread| shown(spread, *decimals))
            })
            .collect();
        let runs = match line.runs.len() {
            0 => NOT_MEASURED.to_owned(),
            runs => runs.to_string(),
        };
        let _ = writeln!(text, "| {} | {runs} | {} |", line.name, cells.join(" | "));
    }
    text
}

/// A median, with the least and the greatest of several.
fn shown(spread: Spread, decimals: usize) -> String {
    let number = |figure: f64| grouped(figure, decimals);
    if spread.runs == 1 {
        number(spread.median)
    } else {
        format!(
            "{} ({} to {})",
            number(spread.median),
            number(spread.min),
            number(spread.max)
        )
    }
}

/// A number with commas between thousands.
fn grouped(figure: f64, decimals: usize) -> String {
    let text = format!("{figure:.decimals$}");
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let digits = whole.trim_start_matches('-');
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    let sign = if whole.starts_with('-') { "-" } else { "" };
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{out}{point}{rest}")
}

/// Steps of the drain by processor time, from the profile.
fn remaining(all: &All, charts: &BTreeSet<&str>) -> String {
    let mut text = String::new();
    match all.get("profile") {
        None => text.push_str("Not measured: the scenario `profile` wants `perf`.\n"),
        Some(profile) => {
            text.push_str(pages::PROFILE);
            if charts.contains(flame::FILE) {
                let _ = write!(text, "\n[Flame graph](benchmarks/{})\n", flame::FILE);
            }
            text.push('\n');
            text.push_str(&table(&profile.lines));
            let given: Vec<String> = profile
                .given
                .iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            let _ = writeln!(text, "\n{}.", given.join(" · "));
        }
    }
    if let Some(largest) = all.get("profile").and_then(|profile| profile.lines.first())
        && let (Some(share), Some(ns)) = (
            largest.spread("share_percent"),
            largest.spread("ns_per_event"),
        )
    {
        let _ = writeln!(
            text,
            "\nNext is what stands first: {} is {:.0} % of an event's time, and half of it would take {:.0} ns off.",
            largest.name,
            share.median,
            ns.median / 2.0
        );
    }
    let _ = write!(text, "\n{}", pages::NEXT);
    text
}

/// A scenario for a terminal.
pub fn as_text(scenario: &Scenario) -> String {
    let mut text = format!("{} ({})\n", scenario.name, scenario.checked);
    for (name, value) in &scenario.given {
        let _ = writeln!(text, "  {name}: {value}");
    }
    for line in &scenario.lines {
        let _ = writeln!(text, "  {}", line.name);
        if line.runs.is_empty() {
            let _ = writeln!(text, "    {NOT_MEASURED}");
        }
        for (figure, title, decimals) in &FIGURES {
            if let Some(spread) = line.spread(figure) {
                let _ = writeln!(text, "    {title:<34} {}", shown(spread, *decimals));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
