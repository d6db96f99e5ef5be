//! What was asked for, beside what was measured: met, not met, or not measured.

use std::fmt::Write as _;

use super::{All, grouped, shown};
use crate::results::{Line, Spread};

/// A bound on a figure.
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// One line of the list.
struct Target {
    what: &'static str,
    bound: Bound,
    decimals: usize,
    unit: &'static str,
    measured: fn(&All) -> Option<Spread>,
}

fn line<'a>(all: &'a All, scenario: &str, name: &str) -> Option<&'a Line> {
    all.get(scenario)?.line(name)
}

fn figure(all: &All, scenario: &str, name: &str, figure: &str) -> Option<Spread> {
    line(all, scenario, name)?.spread(figure)
}

fn ratio(all: &All, scenario: &str, [above, below]: [&str; 2], figure: &str) -> Option<Spread> {
    line(all, scenario, above)?.ratio(line(all, scenario, below)?, figure)
}

const PER_MILLION: &str = "cpu_s_per_million";
const BY_SQL: &str = "Sluice, read by SQL";
const BY_DELTA: &str = "Sluice, read from Delta";

const TARGETS: [Target; 32] = [
    Target {
        what: "drain: CPU-seconds per million more events",
        bound: Bound::AtMost(0.35),
        decimals: 3,
        unit: "",
        measured: |all| figure(all, "drain", "Sluice", PER_MILLION),
    },
    Target {
        what: "drain: Flink takes",
        bound: Bound::AtLeast(10.0),
        decimals: 1,
        unit: " times that",
        measured: |all| ratio(all, "drain", ["Flink", "Sluice"], PER_MILLION),
    },
    Target {
        what: "drain: Spark takes",
        bound: Bound::AtLeast(15.0),
        decimals: 1,
        unit: " times that",
        measured: |all| ratio(all, "drain", ["Spark", "Sluice"], PER_MILLION),
    },
    Target {
        what: "dirty drain: CPU-seconds per million more events",
        bound: Bound::AtMost(0.35),
        decimals: 3,
        unit: "",
        measured: |all| figure(all, "drain-dirty", "Sluice", PER_MILLION),
    },
    Target {
        what: "dirty drain: Flink takes",
        bound: Bound::AtLeast(10.0),
        decimals: 1,
        unit: " times that",
        measured: |all| ratio(all, "drain-dirty", ["Flink", "Sluice"], PER_MILLION),
    },
    Target {
        what: "dirty drain: Spark takes",
        bound: Bound::AtLeast(15.0),
        decimals: 1,
        unit: " times that",
        measured: |all| ratio(all, "drain-dirty", ["Spark", "Sluice"], PER_MILLION),
    },
    Target {
        what: "the whole job beside reading and decoding alone, CPU",
        bound: Bound::AtMost(1.20),
        decimals: 2,
        unit: " times",
        measured: |all| {
            ratio(
                all,
                "baseline",
                ["Sluice, the whole job", "consume, decode with ours"],
                PER_MILLION,
            )
        },
    },
    Target {
        what: "drain: more events a second",
        bound: Bound::AtLeast(2_500_000.0),
        decimals: 0,
        unit: "",
        measured: |all| figure(all, "drain", "Sluice", "events_per_s"),
    },
    Target {
        what: "drain: peak resident memory",
        bound: Bound::AtMost(300.0),
        decimals: 0,
        unit: " MiB",
        measured: |all| figure(all, "drain", "Sluice", "peak_mib"),
    },
    Target {
        what: "final row readable over the Postgres wire, 10,000 events a second, p99",
        bound: Bound::AtMost(50.0),
        decimals: 1,
        unit: " ms",
        measured: |all| figure(all, "freshness-10000", BY_SQL, "p99_ms"),
    },
    Target {
        what: "10,000 events a second: CPU of one core",
        bound: Bound::AtMost(5.0),
        decimals: 2,
        unit: " %",
        measured: |all| figure(all, "trickle", "10000 events a second", "cpu_percent"),
    },
    Target {
        what: "10,000 events a second: peak resident memory",
        bound: Bound::AtMost(150.0),
        decimals: 0,
        unit: " MiB",
        measured: |all| figure(all, "trickle", "10000 events a second", "peak_mib"),
    },
    Target {
        what: "final row in Delta, 10,000 events a second, p95",
        bound: Bound::AtMost(350.0),
        decimals: 0,
        unit: " ms",
        measured: |all| figure(all, "freshness-10000", BY_DELTA, "p95_ms"),
    },
    Target {
        what: "final row in Delta, 200,000 events a second, p95",
        bound: Bound::AtMost(500.0),
        decimals: 0,
        unit: " ms",
        measured: |all| figure(all, "freshness-200000", BY_DELTA, "p95_ms"),
    },
    Target {
        what: "116 events a second: CPU of one core",
        bound: Bound::AtMost(1.0),
        decimals: 2,
        unit: " %",
        measured: |all| figure(all, "trickle", "116 events a second", "cpu_percent"),
    },
    Target {
        what: "116 events a second: resident memory",
        bound: Bound::AtMost(120.0),
        decimals: 0,
        unit: " MiB",
        measured: |all| figure(all, "trickle", "116 events a second", "resident_mib"),
    },
    Target {
        what: "ten queries on one topic beside one, CPU",
        bound: Bound::AtMost(2.5),
        decimals: 2,
        unit: " times",
        measured: |all| ratio(all, "many", ["10 queries", "one query"], "cpu_s"),
    },
    Target {
        what: "arrow-json takes, of the decoder's time, clean",
        bound: Bound::AtLeast(2.0),
        decimals: 2,
        unit: " times",
        measured: |all| {
            ratio(
                all,
                "decode",
                ["arrow-json, clean", "ours, clean"],
                "ns_per_event",
            )
        },
    },
    Target {
        what: "the same, dirty",
        bound: Bound::AtLeast(2.0),
        decimals: 2,
        unit: " times",
        measured: |all| {
            ratio(
                all,
                "decode",
                ["arrow-json, dirty", "ours, dirty"],
                "ns_per_event",
            )
        },
    },
    Target {
        what: "freshness by SQL beside the drain of a backlog, p99 over that without it",
        bound: Bound::AtMost(3.0),
        decimals: 2,
        unit: " times",
        measured: |all| {
            ratio(
                all,
                "freshness-10000",
                ["Sluice, by SQL beside a drain", BY_SQL],
                "p99_ms",
            )
        },
    },
    Target {
        what: "freshness by subscription beside a runaway query, p99 over that without it",
        bound: Bound::AtMost(1.2),
        decimals: 2,
        unit: " times",
        measured: |all| {
            ratio(
                all,
                "freshness-10000",
                [
                    "Sluice, by subscription beside a runaway query",
                    "Sluice, by subscription",
                ],
                "p99_ms",
            )
        },
    },
    Target {
        what: "the same by SQL",
        bound: Bound::AtMost(1.2),
        decimals: 2,
        unit: " times",
        measured: |all| {
            ratio(
                all,
                "freshness-10000",
                ["Sluice, by SQL beside a runaway query", BY_SQL],
                "p99_ms",
            )
        },
    },
    Target {
        what: "freshness by SQL while hours are sealed (one every 30 s), slowest window over p99",
        bound: Bound::AtMost(3.0),
        decimals: 2,
        unit: " times",
        measured: |all| {
            let line = line(all, "freshness-10000", BY_SQL)?;
            let pairs = line
                .runs
                .iter()
                .filter_map(|run| Some(run.get("max_ms")? / run.get("p99_ms")?));
            Spread::of(pairs)
        },
    },
    Target {
        what: "point queries by a prepared statement, a second of the server's processor time",
        bound: Bound::AtLeast(3_000.0),
        decimals: 0,
        unit: "",
        measured: |all| figure(all, "serving", "Sluice", "queries_per_cpu_s"),
    },
    Target {
        what: "point queries at half load, p99",
        bound: Bound::AtMost(2.0),
        decimals: 2,
        unit: " ms",
        measured: |all| figure(all, "serving", "Sluice", "half_p99_ms"),
    },
    Target {
        what: "a scan by Flight SQL of a table whose rows are kept, of a second of the server's processor time",
        bound: Bound::AtLeast(0.93),
        decimals: 2,
        unit: " GiB",
        measured: |all| figure(all, "bronze", "scan by Flight SQL, again", "gib_per_cpu_s"),
    },
    Target {
        what: "the same of a table that is too large to be kept and is read from its files",
        bound: Bound::AtLeast(0.93),
        decimals: 2,
        unit: " GiB",
        measured: |all| {
            figure(
                all,
                "bronze",
                "scan by Flight SQL, the larger table",
                "gib_per_cpu_s",
            )
        },
    },
    Target {
        what: "ten million rows over the Postgres wire, rows a second of the server's processor time",
        bound: Bound::AtLeast(1_000_000.0),
        decimals: 0,
        unit: "",
        measured: |all| figure(all, "doors", "10 million rows", "rows_per_cpu_s"),
    },
    Target {
        what: "their memory beside that of one million",
        bound: Bound::AtMost(1.5),
        decimals: 2,
        unit: " times",
        measured: |all| {
            ratio(
                all,
                "doors",
                ["10 million rows", "1 million rows"],
                "more_mib",
            )
        },
    },
    Target {
        what: "a login without a password, p50",
        bound: Bound::AtMost(3.0),
        decimals: 2,
        unit: " ms",
        measured: |all| figure(all, "doors", "login", "p50_ms"),
    },
    Target {
        what: "a login with a password (SCRAM-SHA-256), p50",
        bound: Bound::AtMost(6.0),
        decimals: 2,
        unit: " ms",
        measured: |all| {
            figure(
                all,
                "doors",
                "login with a password (SCRAM-SHA-256)",
                "p50_ms",
            )
        },
    },
    Target {
        what: "997 idle connections, memory",
        bound: Bound::AtMost(95.0),
        decimals: 0,
        unit: " MiB",
        measured: |all| figure(all, "doors", "997 idle connections", "more_mib"),
    },
];

/// All of them as a table.
pub fn table(all: &All) -> String {
    let mut text = String::from("| target | asked | measured, median | |\n|---|---|---|---|\n");
    for Target {
        what,
        bound,
        decimals,
        unit,
        measured,
    } in &TARGETS
    {
        let (sign, asked) = match bound {
            Bound::AtMost(asked) => ("≤", *asked),
            Bound::AtLeast(asked) => ("≥", *asked),
        };
        // a bound has the digits that it needs
        let digits = if asked.fract() == 0.0 { 0 } else { 2 };
        let (found, verdict) = match measured(all) {
            None => (String::new(), "not measured"),
            Some(spread) => {
                let met = match bound {
                    Bound::AtMost(most) => spread.median <= *most,
                    Bound::AtLeast(least) => spread.median >= *least,
                };
                (
                    format!("{}{unit}", shown(spread, *decimals)),
                    if met { "met" } else { "**not met**" },
                )
            }
        };
        let _ = writeln!(
            text,
            "| {what} | {sign} {}{unit} | {found} | {verdict} |",
            grouped(asked, digits)
        );
    }
    text
}
