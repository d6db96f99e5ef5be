//! Instructions an event of the hot path, against the recorded ones: a change that makes it five per cent dearer is seen with that change.
//!
//! Counted by valgrind, so that neither the machine's speed nor what else it does matters. The build is the one under test: our own crates
//! as `make test` builds them. Where valgrind is not installed nothing is counted, and the test says so.
//! `SLUICE_WRITE_INSTRUCTIONS=1` (`make instructions`) records what there is now.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeMap, env, fs, path::Path, process::Command};

const STEPS: [&str; 3] = ["decode", "dirty", "windows"];
/// Events of a round of `hot-path`.
const EVENTS: f64 = 4096.0;
/// Rounds of the shorter and the longer run.
const ROUNDS: (u32, u32) = (2, 6);
/// How much dearer a step may get, in per cent.
const DEARER: f64 = 5.0;

#[test]
fn an_event_takes_the_instructions_it_took() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("not counted: valgrind is not installed (make needs installs it where it may)");
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json");
    let taken: BTreeMap<&str, f64> = STEPS.map(|step| (step, an_event(step))).into();
    if env::var_os("SLUICE_WRITE_INSTRUCTIONS").is_some() {
        let text = serde_json::to_string_pretty(&taken).unwrap();
        fs::write(&path, text + "\n").unwrap();
    }
    let recorded: BTreeMap<String, f64> =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let mut dearer = Vec::new();
    for (step, now) in taken {
        let before = recorded[step];
        let more = (now / before - 1.0) * 100.0;
        println!("{step}: {now:.0} instructions an event, {before:.0} recorded, {more:+.1} %");
        if more > DEARER {
            dearer.push(step);
        }
    }
    assert!(
        dearer.is_empty(),
        "dearer by more than {DEARER} %: {dearer:?}. Find out why (valgrind --tool=callgrind on hot-path), or record it with `make instructions` and say why in the commit"
    );
}

/// The rounds that the longer run has more, an event.
fn an_event(step: &str) -> f64 {
    let (short, long) = ROUNDS;
    let rounds = f64::from(long - short);
    ((instructions(step, long) - instructions(step, short)) / (rounds * EVENTS)).round()
}

fn instructions(step: &str, rounds: u32) -> f64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env!("CARGO_BIN_EXE_hot-path"))
        .args([step, &rounds.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    match collected {
        Some((_, count)) if output.status.success() => count.trim().parse().unwrap(),
        _ => panic!(
            "hot-path {step} {rounds} under valgrind: {}\n{said}",
            output.status
        ),
    }
}
