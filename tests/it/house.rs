//! The house rules no compiler checks: who may know whom, one version of the big crates, file lengths, documents.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const PRODUCT: [&str; 4] = ["sql", "connectors", "planner", "server"];

fn root() -> PathBuf {
    sluice_tests::folder().parent().unwrap().to_owned()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--locked",
            "--format-version",
            "1",
            "--no-deps",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Ordinary dependencies of each crate of the workspace.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    metadata()["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let names = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| dependency["name"].as_str().unwrap().to_owned());
            (
                package["name"].as_str().unwrap().to_owned(),
                names.collect(),
            )
        })
        .collect()
}

#[test]
fn the_leaves_are_leaves_and_the_arrows_point_one_way() {
    let all = dependencies();
    let ours = |of: &str| -> Vec<&str> {
        all[of]
            .iter()
            .map(String::as_str)
            .filter(|name| name.starts_with("sluice-"))
            .collect()
    };
    assert_eq!(ours("sluice-sql"), Vec::<&str>::new());
    assert_eq!(ours("sluice-connectors"), Vec::<&str>::new());
    assert_eq!(ours("sluice-planner"), ["sluice-connectors", "sluice-sql"]);
    assert_eq!(
        ours("sluice-server"),
        ["sluice-connectors", "sluice-planner", "sluice-sql"]
    );
    assert_eq!(
        ours("sluice-tests"),
        Vec::<&str>::new(),
        "the tests are black box"
    );
    // its baselines and its hot path read, decode and aggregate as the server does
    assert_eq!(
        ours("sluice-bench"),
        [
            "sluice-connectors",
            "sluice-planner",
            "sluice-sql",
            "sluice-tests"
        ]
    );
    for engine in ["datafusion", "arrow", "rdkafka", "deltalake", "tokio"] {
        assert!(!all["sluice-sql"].contains(engine), "sql knows {engine}");
    }
    for other in ["sqlparser", "pgwire", "arrow-flight", "axum"] {
        assert!(
            !all["sluice-connectors"].contains(other),
            "connectors know {other}"
        );
    }
    let folders: BTreeSet<&str> = all
        .keys()
        .map(|name| name.trim_start_matches("sluice-"))
        .collect();
    assert_eq!(
        folders,
        BTreeSet::from(["bench", "connectors", "planner", "server", "sql", "tests"])
    );
}

#[test]
fn versions_and_lints_stand_in_the_workspace_manifest_alone() {
    for folder in PRODUCT.iter().chain(&["tests", "bench"]) {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{folder} has lints of its own"
        );
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section.contains("dependencies") && line.contains('=') {
                assert!(
                    line.contains("workspace = true"),
                    "{folder}/Cargo.toml: {line}"
                );
            }
        }
    }
}

#[test]
fn there_is_one_version_of_each_big_crate() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in [
        "arrow",
        "arrow-array",
        "datafusion",
        "deltalake-core",
        "object_store",
        "parquet",
        "rdkafka",
        "sqlparser",
        "tokio",
    ] {
        let count = lock
            .lines()
            .filter(|line| *line == format!("name = \"{name}\""))
            .count();
        assert_eq!(count, 1, "{count} versions of {name} in Cargo.lock");
    }
}

#[test]
fn no_file_is_long_without_a_reason() {
    let mut long = Vec::new();
    for file in sources(&PRODUCT.map(|folder| root().join(folder))) {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        let reason = text
            .lines()
            .take(40)
            .any(|line| line.starts_with("//! long because"));
        let path = shown(&file);
        let test = path.ends_with("tests.rs") || path.contains("/tests/");
        if lines > 500 && !reason && !test {
            long.push(format!("{} {lines}", shown(&file)));
        }
    }
    assert!(
        long.is_empty(),
        "over 500 lines and no `//! long because …`: {long:#?}"
    );
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = sources(&PRODUCT.map(|folder| root().join(folder)))
        .into_iter()
        .filter(|file| !fs::read_to_string(file).unwrap().starts_with("//!"))
        .map(|file| shown(&file))
        .collect();
    assert!(silent.is_empty(), "do not open with //!: {silent:#?}");
}

#[test]
fn product_code_does_not_unwrap() {
    let mut found = Vec::new();
    for file in sources(&PRODUCT.map(|folder| root().join(folder).join("src"))) {
        let path = shown(&file);
        if path.ends_with("tests.rs") || path.contains("/tests/") || path.ends_with("/testing.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        // a test module at a file's end is not product code
        let product = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        for (number, line) in (1..).zip(product.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            if [
                ".unwrap()",
                ".expect(\"",
                "panic!(",
                "todo!(",
                "unimplemented!(",
                "dbg!(",
            ]
            .iter()
            .any(|word| code.contains(word))
            {
                found.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn files_are_named_after_what_they_are() {
    for file in sources(&PRODUCT.map(|folder| root().join(folder))) {
        let path = shown(&file);
        for name in [
            "mod.rs",
            "common.rs",
            "util.rs",
            "utils.rs",
            "helpers.rs",
            "misc.rs",
        ] {
            assert!(!path.ends_with(&format!("/{name}")), "{path}");
        }
    }
}

#[test]
fn the_documents_are_there_and_their_links_lead_somewhere() {
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        ".ci/run",
        "rust-toolchain.toml",
        "docs/decisions",
    ] {
        assert!(root().join(name).exists(), "{name} is missing");
    }
    let license = fs::read_to_string(root().join("LICENSE")).unwrap();
    assert!(license.contains("Apache License") && license.contains("END OF TERMS AND CONDITIONS"));
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        for target in links(&text) {
            assert!(
                root().join(target).exists(),
                "{name} links to {target}, which is not there"
            );
        }
    }
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for target in [
        "demo",
        "demo-kafka",
        "test",
        "check",
        "bench",
        "bench-peers",
        "bench-report",
        "test-clients",
        "chaos",
        "help",
    ] {
        assert!(
            makefile.contains(&format!("\n{target}:")),
            "no target {target}"
        );
        assert!(
            target == "help" || readme.contains(&format!("make {target}")),
            "README does not mention make {target}"
        );
    }
}

/// Targets of relative Markdown links, anchors cut off.
fn links(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root())
        .unwrap_or(file)
        .display()
        .to_string()
}

/// Every Rust file below these folders.
fn sources(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut todo = folders.to_vec();
    let mut files = Vec::new();
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty());
    files.sort();
    files
}
