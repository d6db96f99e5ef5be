//! The examples of `docs/sql` give what they say they give.

use std::{fs, process::Output};

use sluice_tests::server::command;

/// A page's blocks in order: what kind, and the text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => open = Some((kind.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// The lines. Which of several streams comes first is not said, so neither is the order of their rows.
fn rows<'a>(csv: &'a str, script: &str) -> Vec<&'a str> {
    let mut rows: Vec<_> = csv.lines().collect();
    let several = script.matches("CREATE STREAM").count() > 1;
    if let Some(rows) = rows.get_mut(1..)
        && several
    {
        rows.sort_unstable();
    }
    rows
}

/// What an example gives. A SELECT reads what the tables of its stage left behind: their queries run to their end first, under one root.
fn run(stage: &str, example: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let run = |script: &str, more: &[&str]| {
        let file = folder.path().join("example.sql");
        fs::write(&file, script).unwrap();
        command().arg("run").arg(&file).args(more).output().unwrap()
    };
    if !example.starts_with("SELECT") || !stage.contains("CREATE TABLE") {
        return run(&format!("{stage}{example}"), &[]);
    }
    let root = folder.path().join("root");
    let root = ["--root", root.to_str().unwrap()];
    let staged = run(stage, &root);
    if !staged.status.success() {
        return staged;
    }
    run(example, &root)
}

#[test]
fn the_examples_of_the_pages_give_what_they_say() {
    let folder = sluice_tests::folder().join("../docs/sql");
    let mut examples = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        // SQL without an answer is the stage for what follows.
        let mut stage = String::new();
        let mut blocks = blocks(&page).into_iter().peekable();
        while let Some((kind, text)) = blocks.next() {
            if kind != "sql" {
                continue;
            }
            let Some((_, expected)) = blocks.next_if(|(kind, _)| kind == "csv") else {
                stage.push_str(&text);
                continue;
            };
            let output = run(&stage, &text);
            let got = String::from_utf8(output.stdout).unwrap();
            assert!(
                output.status.success() && rows(&got, &stage) == rows(&expected, &stage),
                "{}: {text}{got}{}",
                path.display(),
                String::from_utf8_lossy(&output.stderr)
            );
            examples += 1;
        }
    }
    assert!(examples >= 9, "only {examples} examples were found");
}
