//! Bars and lines as plain SVG.

use std::fmt::Write as _;

use super::{All, grouped};
use crate::results::{Scenario, Spread};

const WIDTH: f64 = 760.0;
const LABEL: f64 = 250.0;
const BAR: f64 = 26.0;
const COLOURS: [&str; 4] = ["#2b6cb0", "#c05621", "#b7791f", "#718096"];

/// Every chart that there are figures for, by file name.
pub fn draw(all: &All) -> Vec<(String, String)> {
    let mut drawn = Vec::new();
    let mut bars = |scenario: &str, figure: &str, title: &str, decimals: usize| {
        let of = all
            .get(scenario)
            .map(|scenario| spreads(scenario, figure))
            .unwrap_or_default();
        if of.len() > 1 {
            drawn.push((format!("{scenario}.svg"), bar_chart(title, &of, decimals)));
        }
    };
    bars(
        "drain",
        "cpu_s_per_million",
        "CPU-seconds per million more events (less is better)",
        3,
    );
    bars(
        "drain-dirty",
        "cpu_s_per_million",
        "Dirty: CPU-seconds per million more events (less is better)",
        3,
    );
    bars(
        "baseline",
        "cpu_s_per_million",
        "CPU-seconds per million more events",
        3,
    );
    bars(
        "freshness-116",
        "p95_ms",
        "116 events a second: ms from closing event to row, p95",
        0,
    );
    bars(
        "freshness-10000",
        "p95_ms",
        "10,000 events a second: ms from closing event to row, p95",
        0,
    );
    bars(
        "freshness-200000",
        "p95_ms",
        "200,000 events a second: ms from closing event to row, p95",
        0,
    );
    bars(
        "decode",
        "ns_per_event",
        "Decoding in memory: ns an event",
        0,
    );
    if let Some(commits) = all.get("commits") {
        let steps: Vec<_> = spreads(commits, "cpu_ms")
            .into_iter()
            .filter(|(name, _)| name.starts_with("to commit"))
            .collect();
        if steps.len() > 1 {
            drawn.push((
                "commits.svg".into(),
                bar_chart("CPU ms a commit, by tenths of the run", &steps, 2),
            ));
        }
    }
    drawn
}

fn spreads(scenario: &Scenario, figure: &str) -> Vec<(String, Spread)> {
    let lines = scenario.lines.iter();
    lines
        .filter_map(|line| Some((line.name.clone(), line.spread(figure)?)))
        .collect()
}

/// Bars from zero, with the least and the greatest as a thin line.
fn bar_chart(title: &str, bars: &[(String, Spread)], decimals: usize) -> String {
    let most = bars
        .iter()
        .map(|(_, spread)| spread.max)
        .fold(0.0, f64::max)
        .max(f64::MIN_POSITIVE);
    let scale = (WIDTH - LABEL - 120.0) / most;
    let height = 50.0 + bars.len() as f64 * (BAR + 8.0);
    let mut svg = open(WIDTH, height);
    let _ = writeln!(
        svg,
        "<text x='10' y='24' font-size='15' font-weight='bold'>{}</text>",
        escaped(title)
    );
    for (n, (name, spread)) in bars.iter().enumerate() {
        let y = 42.0 + n as f64 * (BAR + 8.0);
        let colour = COLOURS[match name {
            name if name.starts_with("Flink") => 1,
            name if name.starts_with("Spark") => 2,
            name if name.contains("arrow-json") || name.contains("alone") => 3,
            _ => 0,
        }];
        let middle = y + BAR / 2.0;
        let _ = writeln!(
            svg,
            "<text x='{}' y='{}' text-anchor='end'>{}</text><rect x='{LABEL}' y='{y}' width='{:.1}' height='{BAR}' fill='{colour}'/>",
            LABEL - 8.0,
            middle + 5.0,
            escaped(name),
            spread.median * scale
        );
        if spread.runs > 1 {
            let _ = writeln!(
                svg,
                "<line x1='{:.1}' x2='{:.1}' y1='{middle}' y2='{middle}' stroke='#1a202c' stroke-width='2'/>",
                LABEL + spread.min * scale,
                LABEL + spread.max * scale
            );
        }
        let _ = writeln!(
            svg,
            "<text x='{:.1}' y='{}'>{}</text>",
            LABEL + spread.max * scale + 8.0,
            middle + 5.0,
            grouped(spread.median, decimals)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// The head of a picture.
pub fn open(width: f64, height: f64) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' font-family='sans-serif' font-size='13'>\n<rect width='100%' height='100%' fill='white'/>\n"
    )
}

/// Text between tags.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;")
}
