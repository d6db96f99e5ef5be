//! PostgreSQL has its line, whether it was there or not.

use super::*;

fn of(name: &'static str) -> Served {
    Served {
        name,
        asked: 100,
        wall_s: 2.0,
        cpu_s: 1.0,
        half: Some((0.5, 1.0)),
    }
}

fn told(postgresql: Result<Served, String>) -> Outcome {
    outcome([of("Sluice"), of("DataFusion alone")], 0.1, postgresql)
}

#[test]
fn a_postgresql_that_was_there_has_its_figures() {
    let told = told(Ok(of(POSTGRESQL)));
    let names: Vec<&str> = told.lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["Sluice", "DataFusion alone", "PostgreSQL"]);
    assert!(told.lines.iter().all(|line| line.runs.len() == 1));
    assert!(!told.given.contains_key(POSTGRESQL));
}

#[test]
fn one_that_was_not_there_has_a_line_without_figures_and_the_reason() {
    let told = told(Err("no initdb".into()));
    let line = told.lines.last().unwrap();
    assert_eq!((line.name.as_str(), line.runs.len()), (POSTGRESQL, 0));
    assert_eq!(told.given[POSTGRESQL], "not measured, no initdb");
}

#[test]
fn with_peers_it_must_be_there() {
    assert_eq!(missing(false, "no initdb.\nlog").unwrap(), "no initdb");
    let refused = missing(true, "no initdb").unwrap_err();
    assert!(
        refused.contains("no initdb") && refused.contains("SLUICE_BENCH_PEERS"),
        "{refused}"
    );
}
