//! Two servers on one root: the second is refused while the first lives, and goes on in its place when it does not; the first, should it
//! wake, writes nothing more.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use sluice_tests::{
    job,
    oracle::Gold,
    parts::stores::{Kind, Store},
    server::Server,
};

use super::{start, under_load};
use crate::{
    support::{SOON, setting},
    under_load::{GOLD, Shown},
};

const LEASE: &str = "2 s";

/// A server that might run on another machine: it shares nothing but the store.
fn server(store: &Store, root: &str) -> Server {
    let mut server = Server::idle_at(&store.url(root), &store.environment(store.port));
    server.add_args(&["--root-lease", LEASE]);
    server
}

#[test]
#[ignore = "needs versitygw and Azurite: make test-stores"]
fn a_second_server_is_refused_while_the_first_lives() {
    for kind in [Kind::S3, Kind::Azure] {
        let store = start(kind);
        let mut first = server(&store, "held");
        first.up();
        let mut second = server(&store, "held");
        second.launch();
        let status = second.wait_ended(SOON);
        let said = second.log_text();
        assert_eq!(status.code(), Some(3), "{said}");
        let holder = format!("It is held by process {} on host", first.pid());
        for part in ["is in use by another server", &holder, "Stop that server"] {
            assert!(said.contains(part), "{part} is not in:\n{said}");
        }
        // on the same machine it is known at once
        let mut third = server(&store, "held");
        let scratch = first.folder().join("sluice-scratch");
        third.add_args(&["--scratch", scratch.to_str().unwrap()]);
        third.launch();
        assert_eq!(third.wait_ended(SOON).code(), Some(3));
        let holder = format!("It is held by process {}.", first.pid());
        assert!(third.log_text().contains(&holder), "{}", third.log_text());

        assert!(first.is_running());
        first.connect().run("CREATE SCHEMA still_here");
        // whoever leaves lets go of it
        assert!(first.terminate().success());
        second.up();
        let schemas =
            "SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'still_here'";
        assert_eq!(second.connect().number(schemas), 1);
    }
}

/// The root changes hands again and again while its owner sleeps, at any moment of its work.
fn takeovers(kind: Kind) {
    let store = start(kind);
    let rounds = setting("SLUICE_TEST_TAKEOVERS", 4);
    let seed = setting("SLUICE_TEST_SEED", 20_261_127) as u64;
    eprintln!("{rounds} takeovers, seed {seed} (SLUICE_TEST_TAKEOVERS, SLUICE_TEST_SEED)");
    let mut rng = StdRng::seed_from_u64(seed);
    let first = server(&store, "taken");
    under_load(
        &store,
        "taken",
        first,
        |server, script| {
            server.up();
            server.connect().run(script);
        },
        |mut owner, shown| {
            for round in 1..=rounds {
                look_for(&owner, shown, round, rng.random_range(1_000..3_000));
                let before = committed(&owner);
                owner.signal(libc::SIGSTOP);
                let slept = owner.pid();
                let mut next = server(&store, "taken");
                next.up();
                // What was committed stays. What was only shown stays on its machine, whose journal this one does not have.
                let after = committed(&next);
                for (key, row) in &before {
                    assert_eq!(
                        after.get(key),
                        Some(row),
                        "round {round}: {key:?} was committed"
                    );
                }
                *shown = Shown::default();
                look_for(&next, shown, round, 1_000);
                // the old one wakes in the middle of whatever it did
                owner.signal(libc::SIGCONT);
                let status = owner.wait_ended(SOON);
                let said = owner.log_text();
                assert_eq!(status.code(), Some(3), "round {round}:\n{said}");
                let holder = format!("It is held by process {} on host", next.pid());
                for part in ["was taken over by another server", &holder] {
                    assert!(
                        said.contains(part),
                        "round {round}: {part} is not in:\n{said}"
                    );
                }
                if kind == Kind::S3 {
                    check_owners(&store, round);
                }
                eprintln!("round {round}: {slept} gave way to {}", next.pid());
                owner = next;
            }
            owner
        },
    );
}

/// Gold as it is committed.
fn committed(server: &Server) -> Gold {
    let sql = format!(
        "SET freshness = 'committed'; SELECT {} FROM {GOLD}",
        job::COLUMNS
    );
    job::gold_of(&server.connect().run(&sql)).unwrap()
}

/// Final rows of one server stay as they were.
fn look_for(server: &Server, shown: &mut Shown, round: usize, ms: u64) {
    let end = Instant::now() + Duration::from_millis(ms);
    while Instant::now() < end {
        shown.look(server, round);
        thread::sleep(Duration::from_millis(100));
    }
}

/// Once a server has claimed a manifest log, nobody else writes to it: along the numbers, no owner comes back.
fn check_owners(store: &Store, round: usize) {
    let mut logs = 0;
    for query in fs::read_dir(store.on_disk("taken/checkpoints"))
        .unwrap()
        .flatten()
    {
        let Ok(files) = fs::read_dir(query.path().join("manifests")) else {
            continue;
        };
        let mut files: Vec<_> = files.flatten().map(|file| file.path()).collect();
        files.sort();
        let mut owners: Vec<String> = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let Some(manifest) = text.lines().find_map(|line| {
                serde_json::from_str::<Value>(line.trim_start_matches(|c| c != '{')).ok()
            }) else {
                continue;
            };
            // a stream's dead letters are everybody's
            if manifest.get("epoch").is_none() {
                continue;
            }
            logs += 1;
            let owner = manifest["owner"].as_str().unwrap().to_owned();
            if owners.last() != Some(&owner) {
                assert!(
                    !owners.contains(&owner),
                    "round {round}: {owner} came back in {}",
                    file.display()
                );
                owners.push(owner);
            }
        }
    }
    assert!(logs > 0, "no manifest was found");
}

#[test]
#[ignore = "needs versitygw (built with Go): make test-stores"]
fn a_server_that_slept_past_its_lease_writes_nothing_more_on_s3() {
    takeovers(Kind::S3);
}

#[test]
#[ignore = "needs Azurite (from npm): make test-stores"]
fn a_server_that_slept_past_its_lease_writes_nothing_more_on_azure() {
    takeovers(Kind::Azure);
}

#[test]
#[ignore = "needs versitygw (built with Go): make test-stores"]
fn a_server_that_was_killed_is_followed_at_once_here_and_after_its_lease_elsewhere() {
    let store = start(Kind::S3);
    let mut first = server(&store, "killed");
    first.up();
    first.connect().run("CREATE SCHEMA before");
    first.kill_and_restart();
    assert!(
        !first.log_text().contains("waiting 2 s to see"),
        "it waited for itself:\n{}",
        first.log_text()
    );
    first.kill();
    let mut elsewhere = server(&store, "killed");
    elsewhere.up();
    let said = elsewhere.log_text();
    assert!(said.contains("waiting 2 s to see"), "{said}");
    assert!(said.contains("taking it over"), "{said}");
    elsewhere.connect().run("CREATE SCHEMA after");
}
