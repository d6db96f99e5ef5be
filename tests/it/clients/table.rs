//! The table of `clients/README.md`: a row for each test of a client that has passed in `make test-clients`, written by it.

use std::{collections::BTreeSet, fs};

use super::path;
use crate::support::exercised_folder;

const BEGIN: &str = "<!-- written by make test-clients -->\n";
const END: &str = "<!-- end -->\n";
const RUN_ON: &str = "\nRun on ";
const HEAD: &str =
    "| client | version | what was exercised | verdict | test |\n|---|---|---|---|---|\n";

/// The page before the table, the table, and what follows.
fn parts(page: &str) -> [&str; 3] {
    let (before, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (table, after) = rest.split_once(END).expect("where the table ends");
    [before, table, after]
}

/// The names of all test functions that may keep a row.
fn tests() -> BTreeSet<String> {
    let folder = sluice_tests::folder().join("it");
    let files = [
        "clients.rs",
        "clients/drivers.rs",
        "clients/grafana.rs",
        "clients/tools.rs",
        "copy.rs",
        "postgres.rs",
    ];
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        for part in text.split("#[test]\n").skip(1) {
            let after = part.split_once("fn ").unwrap().1;
            names.insert(after[..after.find('(').unwrap()].to_owned());
        }
    }
    names
}

#[test]
fn the_table_lists_only_what_has_a_test() {
    let page = fs::read_to_string(path("README.md")).unwrap();
    let [_, table, _] = parts(&page);
    let rows = table.strip_prefix(HEAD).expect("the table's head");
    let (rows, day) = rows.split_once(RUN_ON).expect("the day of the run");
    assert!(day.trim().parse::<chrono::NaiveDate>().is_ok(), "{day}");
    let tests = tests();
    let mut seen = BTreeSet::new();
    for row in rows.lines() {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [client, version, what, verdict, test] = cells[..] else {
            panic!("not five cells: {row}");
        };
        assert!(
            client.len() > 2 && !version.is_empty() && !what.is_empty(),
            "{row}"
        );
        assert!(
            verdict == "works" || verdict.starts_with("works, but "),
            "{row}"
        );
        let test = test.trim_start_matches('`').trim_end_matches("` |");
        assert!(tests.contains(test), "no test is called {test}: {row}");
        assert!(seen.insert(client), "twice: {row}");
    }
    for link in page.split("](").skip(1) {
        let target = link.split(')').next().unwrap();
        assert!(path(target).exists(), "{target} is not there");
    }
    assert!(seen.len() >= 10, "only {} clients", seen.len());
}

/// Run after all the others.
#[test]
#[ignore = "writes clients/README.md: make test-clients"]
fn is_written() {
    let file = path("README.md");
    let page = fs::read_to_string(&file).unwrap();
    let [before, _, after] = parts(&page);
    let mut rows: Vec<String> = fs::read_dir(exercised_folder())
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    rows.sort_by_key(|row| row.to_lowercase());
    let table = rows.concat();
    let today = chrono::Utc::now().date_naive();
    let written = format!("{before}{BEGIN}{HEAD}{table}{RUN_ON}{today}\n{END}{after}");
    fs::write(file, written).unwrap();
}
