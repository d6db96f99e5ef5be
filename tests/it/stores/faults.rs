//! Everything a store does wrong on purpose, at every step of a commit: the job goes on, and gold is what it must be.

use std::time::Duration;

use sluice_tests::{
    fault_proxy::{About, Fault, FaultProxy, Rule, Seen, count},
    parts::stores::Kind,
    server::Server,
};

use super::{start, under_load};
use crate::{
    support::SOON,
    under_load::{GOLD, Shown},
};

const FAULTS: [Fault; 9] = [
    Fault::Status(500),
    Fault::Status(503),
    Fault::Status(429),
    Fault::Reset,
    Fault::LostReply,
    Fault::DoneButStatus(500),
    Fault::DoneButStatus(503),
    Fault::Hang,
    Fault::DoneButHang,
];
const STEPS: [About; 5] = [
    About::Data,
    About::State,
    About::Manifest,
    About::Log,
    About::Lease,
];

fn server(url: &str, environment: &[(&'static str, String)], kind: Kind) -> Server {
    let mut server = Server::idle_at(url, environment);
    let timeout = match kind {
        Kind::S3 => "AWS_TIMEOUT",
        Kind::Azure => "AZURE_TIMEOUT",
    };
    server.set_env(timeout, "1 second");
    server.add_args(&["--root-lease", "6 s"]);
    server
}

fn committed(server: &Server) -> i64 {
    let sql = format!(
        "SELECT coalesce(last_commit_version, 0) FROM system.queries WHERE name = '{GOLD}'"
    );
    server.connect().number(&sql)
}

fn wait_commits(server: &Server, what: &str, commits: i64) {
    let from = committed(server);
    server.wait(&format!("{commits} commits after {what}"), SOON, || {
        (committed(server) >= from + commits).then_some(())
    });
}

/// The job under load on a root behind a proxy, with the trouble that the proxy makes once it has committed.
fn through_a_proxy(kind: Kind, root: &str, trouble: impl FnOnce(&Server, &FaultProxy, &mut Shown)) {
    let store = start(kind);
    let proxy = FaultProxy::start(store.port);
    let first = server(&store.url(root), &store.environment(proxy.port), kind);
    under_load(
        &store,
        root,
        first,
        |server, script| {
            server.up();
            server.connect().run(script);
            wait_commits(server, "the start", 3);
        },
        |server, shown| {
            trouble(&server, &proxy, shown);
            server
        },
    );
}

fn every_fault(kind: Kind) {
    through_a_proxy(kind, "faults", |server, proxy, shown| {
        for about in STEPS {
            for fault in FAULTS {
                // more than the client tries by itself, of what it tries again
                let times = if fault == Fault::Status(503) { 7 } else { 1 };
                meet(server, proxy, about, fault, times, shown);
            }
        }
        outage(server, proxy, shown);
    });
}

fn meet(
    server: &Server,
    proxy: &FaultProxy,
    about: About,
    fault: Fault,
    times: usize,
    shown: &mut Shown,
) {
    proxy.add(Rule {
        method: "PUT",
        about,
        fault,
        times,
    });
    let what = format!("{times} times {fault:?} of a put of {about:?}");
    server.wait(&format!("{what} to be met"), SOON, || {
        (proxy.left() == 0).then_some(())
    });
    wait_commits(server, &what, 1);
    shown.look(server, 0);
}

/// The store is away for longer than the lease: nobody else can take the root then either, and the server goes on when it is back.
fn outage(server: &Server, proxy: &FaultProxy, shown: &mut Shown) {
    proxy.set_down(true);
    let status = |column: &str| {
        let sql = format!("SELECT {column} FROM system.queries WHERE name = '{GOLD}'");
        server.connect().value(&sql)
    };
    server.wait("system.queries to say that the store is away", SOON, || {
        let error = status("coalesce(last_error, '')");
        error.contains("cannot ").then_some(())
    });
    let read: i64 = status("rows_in").parse().unwrap();
    std::thread::sleep(Duration::from_secs(8));
    assert_ne!(status("state"), "failed");
    assert!(
        status("rows_in").parse::<i64>().unwrap() > read,
        "reading stopped with the store"
    );
    proxy.set_down(false);
    wait_commits(server, "the outage", 2);
    shown.look(server, 0);
}

/// Credentials expire in the middle of a commit, at each of its steps, and are good again later: the query says so, waits, and goes on.
fn credentials_expire(kind: Kind) {
    through_a_proxy(kind, "expired", |server, proxy, shown| {
        let status = |column: &str| {
            let sql = format!("SELECT {column} FROM system.queries WHERE name = '{GOLD}'");
            server.connect().value(&sql)
        };
        for about in STEPS {
            proxy.expire_at_put(about);
            server.wait(&format!("a put of {about:?} to be refused"), SOON, || {
                proxy.has_expired().then_some(())
            });
            let read: i64 = status("rows_in").parse().unwrap();
            server.wait("system.queries to say that the store refuses", SOON, || {
                let error = status("coalesce(last_error, '')");
                let told = error.contains("the store refuses us") && error.contains("Expired");
                told.then_some(())
            });
            server.wait("reading to go on", SOON, || {
                (status("rows_in").parse::<i64>().unwrap() > read).then_some(())
            });
            assert_ne!(status("state"), "failed", "{about:?}");
            proxy.renew();
            wait_commits(server, &format!("expiry at {about:?}"), 2);
            shown.look(server, 0);
            server.wait("the error to be over", SOON, || {
                (status("coalesce(last_error, '')").is_empty()).then_some(())
            });
        }
    });
}

#[test]
#[ignore = "needs versitygw (built with Go): make test-stores"]
fn credentials_that_expire_in_a_commit_cost_time_and_nothing_else_on_s3() {
    credentials_expire(Kind::S3);
}

#[test]
#[ignore = "needs Azurite (from npm): make test-stores"]
fn credentials_that_expire_in_a_commit_cost_time_and_nothing_else_on_azure() {
    credentials_expire(Kind::Azure);
}

#[test]
#[ignore = "needs versitygw (built with Go): make test-stores"]
fn every_fault_at_every_step_costs_time_and_nothing_else_on_s3() {
    every_fault(Kind::S3);
}

#[test]
#[ignore = "needs Azurite (from npm): make test-stores"]
fn every_fault_at_every_step_costs_time_and_nothing_else_on_azure() {
    every_fault(Kind::Azure);
}

/// What a commit asks of the store. The bounds are those of docs/stores.md.
fn requests_of_a_commit(kind: Kind) {
    let store = start(kind);
    let proxy = FaultProxy::start(store.port);
    let mut first = Server::idle_at(&store.url("count"), &store.environment(proxy.port));
    first.add_args(&["--root-lease", "60 s"]);
    under_load(
        &store,
        "count",
        first,
        |server, script| {
            server.up();
            server.connect().run(script);
            wait_commits(server, "the start", 3);
        },
        |server, _| {
            // dead letters have commits of their own in the same time, so all commits are counted by what they put
            proxy.take_seen();
            wait_commits(&server, "the count began", 32);
            let seen = proxy.take_seen();
            let counts = count(&seen);
            let of = |about, method: &str| {
                counts
                    .get(&(about, method.to_owned()))
                    .copied()
                    .unwrap_or(0)
            };
            let commits = of(About::Log, "PUT");
            let mut took: Vec<_> = seen
                .iter()
                .filter(|one| one.method == "PUT" && one.about == About::Log)
                .map(|one| one.took)
                .collect();
            took.sort();
            eprintln!(
                "{kind:?}: {commits} commits, {} requests, one put of a log entry {:?} (median)",
                seen.len(),
                took[took.len() / 2]
            );
            for ((about, method), requests) in &counts {
                eprintln!(
                    "  {method:7} {about:?}: {:.2} a commit",
                    *requests as f64 / commits as f64
                );
            }
            let (_, metrics) = server.get("/metrics").unwrap();
            for line in metrics.lines().filter(|line| {
                line.contains("commit_seconds_sum") || line.contains("commit_seconds_count")
            }) {
                eprintln!("  {line}");
            }
            assert!(commits >= 32);
            // A commit that finds its version taken by a merge of small files takes the next one.
            let expected = |one: &Seen| match one.about {
                About::Log => matches!(one.status, 200 | 201 | 409 | 412),
                _ => matches!(one.status, 200 | 201),
            };
            let failed = seen
                .iter()
                .find(|one| one.method == "PUT" && !expected(one));
            assert!(failed.is_none(), "a request failed by itself: {failed:?}");
            // however long the log is
            let limit = 12 * commits;
            assert!(
                seen.len() <= limit,
                "{} requests in {commits} commits",
                seen.len()
            );
            server
        },
    );
}

#[test]
#[ignore = "needs versitygw (built with Go): make test-stores"]
fn requests_of_a_commit_are_few_on_s3() {
    requests_of_a_commit(Kind::S3);
}

#[test]
#[ignore = "needs Azurite (from npm): make test-stores"]
fn requests_of_a_commit_are_few_on_azure() {
    requests_of_a_commit(Kind::Azure);
}
