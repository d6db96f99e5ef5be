//! What the page says of figures that are there, and of those that are not.

use super::*;
use crate::results::run;

fn scenario(name: &str, lines: &[(&str, &str, &[f64])]) -> Scenario {
    Scenario {
        name: name.into(),
        checked: "checked".into(),
        at: "2026-11-28T00:00:00Z".into(),
        checkout: Checkout {
            commit: "abc".into(),
            changed: Vec::new(),
        },
        busy_percent: 1.0,
        machine: BTreeMap::new(),
        settings: BTreeMap::new(),
        given: BTreeMap::new(),
        lines: lines
            .iter()
            .map(|(name, figure, values)| Line {
                name: (*name).into(),
                runs: values
                    .iter()
                    .map(|value| run([(*figure, *value)]))
                    .collect(),
            })
            .collect(),
    }
}

fn all(scenarios: impl IntoIterator<Item = Scenario>) -> All {
    scenarios
        .into_iter()
        .map(|one| (one.name.clone(), one))
        .collect()
}

#[test]
fn numbers_are_grouped() {
    assert_eq!(grouped(1_234_567.6, 0), "1,234,568");
    assert_eq!(grouped(-1234.5, 2), "-1,234.50");
    assert_eq!(grouped(0.346, 2), "0.35");
}

#[test]
fn targets_are_met_not_met_or_not_measured() {
    let drain = scenario(
        "drain",
        &[
            ("Sluice", "cpu_s_per_million", &[0.3, 0.4, 0.3]),
            ("Spark", "cpu_s_per_million", &[3.0, 4.0, 3.0]),
        ],
    );
    let text = targets::table(&all([drain]));
    let of = |what: &str| {
        text.lines()
            .find(|line| line.contains(what))
            .unwrap()
            .to_owned()
    };
    assert!(
        of("| drain: CPU-seconds").ends_with("0.300 (0.300 to 0.400) | met |"),
        "{text}"
    );
    assert!(
        of("| drain: Spark takes").ends_with("10.0 (10.0 to 10.0) times that | **not met** |"),
        "{text}"
    );
    assert!(of("| drain: Flink takes").ends_with("| not measured |"));
}

#[test]
fn a_page_says_what_was_not_measured_and_what_was_overruled() {
    let checkout = Checkout {
        commit: "abc".into(),
        changed: vec!["x".into()],
    };
    let text = page(
        &all([scenario("idle", &[("no query", "cpu_percent", &[0.1])])]),
        &checkout,
        &BTreeSet::new(),
    );
    assert!(text.contains("| no query | 1 | 0.10 |"), "{text}");
    assert!(text.contains("## Recovery") && text.contains("Not measured.\n"));
    assert!(text.contains("was not as committed (1 paths)"));
}

#[test]
fn a_peer_that_was_not_there_keeps_its_line() {
    let mut serving = scenario(
        "serving",
        &[
            ("Sluice", "queries_per_cpu_s", &[20_000.0]),
            ("PostgreSQL", "queries_per_cpu_s", &[]),
        ],
    );
    let why = (
        "PostgreSQL".to_owned(),
        "not measured, no initdb".to_owned(),
    );
    serving.given.extend([why]);
    let text = section(&serving);
    assert!(text.contains("| Sluice | 1 | 20,000 |"), "{text}");
    assert!(text.contains("| PostgreSQL | not measured |  |"), "{text}");
    assert!(text.contains("PostgreSQL: not measured, no initdb."));
    let text = as_text(&serving);
    assert!(text.contains("  PostgreSQL\n    not measured\n"), "{text}");
    assert!(!targets::table(&all([serving])).is_empty());
}

#[test]
fn every_scenario_has_a_page_and_every_figure_a_title() {
    let told: BTreeSet<&str> = PAGES.iter().map(|page| page.scenario).collect();
    let known: BTreeSet<&str> = crate::scenarios::ALL
        .into_iter()
        .filter(|name| *name != "profile")
        .collect();
    assert_eq!(told, known);
    let mut names: Vec<&str> = FIGURES.iter().map(|(name, _, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FIGURES.len());
}
