//! Medians, ratios run by run, and files that come back as they went.

use super::*;

fn line(name: &str, figures: &[f64]) -> Line {
    Line {
        name: name.into(),
        runs: figures
            .iter()
            .map(|figure| run([("cpu_s", *figure)]))
            .collect(),
    }
}

#[test]
fn a_median_is_in_the_middle() {
    let odd = Spread::of([3.0, 1.0, 9.0]).unwrap();
    assert_eq!((odd.median, odd.min, odd.max, odd.runs), (3.0, 1.0, 9.0, 3));
    assert_eq!(Spread::of([4.0, 1.0]).unwrap().median, 2.5);
    assert_eq!(Spread::of([]), None);
}

#[test]
fn ratios_are_taken_run_by_run() {
    // a machine that became three times slower leaves the ratio as it was
    let (theirs, ours) = (line("Spark", &[10.0, 30.0]), line("Sluice", &[1.0, 3.0]));
    let ratio = theirs.ratio(&ours, "cpu_s").unwrap();
    assert_eq!((ratio.min, ratio.median, ratio.max), (10.0, 10.0, 10.0));
    assert_eq!(theirs.ratio(&ours, "wall_s"), None);
}

#[test]
fn ranks_are_the_nearest() {
    let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
    assert_eq!(rank(&sorted, 0.95), Some(95.0));
    assert_eq!(rank(&sorted, 1.0), Some(100.0));
    assert_eq!(rank(&sorted, 0.0), Some(1.0));
    assert_eq!(rank(&[], 0.5), None);
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = Scenario {
        name: "drain".into(),
        checked: "the oracle".into(),
        at: "2026-11-28T00:00:00Z".into(),
        checkout: Checkout {
            commit: "abc".into(),
            changed: vec!["x".into()],
        },
        busy_percent: 1.5,
        machine: BTreeMap::new(),
        settings: BTreeMap::new(),
        given: BTreeMap::new(),
        lines: vec![line("Sluice", &[0.1])],
    };
    scenario.write(folder.path()).unwrap();
    let read = Scenario::read_all(folder.path()).unwrap();
    assert_eq!(read["drain"].lines, scenario.lines);
    assert!(
        Scenario::read_all(&folder.path().join("none"))
            .unwrap()
            .is_empty()
    );
}
