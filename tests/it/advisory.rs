//! Advisory locks between sessions: who gets one, who waits, and when they are let go.

use std::time::Duration;

use sluice_tests::{
    pg::{Pg, block_on},
    server::Server,
};

use crate::support::SOON;

/// Runs a statement on a connection of its own, in a thread.
fn begin(server: &Server, sql: &str) -> std::thread::JoinHandle<String> {
    let pg = server.connect();
    let sql = sql.to_owned();
    std::thread::spawn(move || match pg.try_run(&sql) {
        Ok(_) => "ok".to_owned(),
        Err(refusal) => refusal.to_string(),
    })
}

/// Waits until so many sessions wait for a lock.
fn wait_for(server: &Server, watch: &Pg, waiting: i64) {
    let question = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    server.wait(&format!("{waiting} who wait for a lock"), SOON, || {
        (watch.number(question) == waiting).then_some(())
    });
}

#[test]
fn one_session_at_a_time_has_a_lock() {
    let server = Server::start();
    let (one, two) = (server.connect(), server.connect());
    one.run("SELECT pg_advisory_lock(72707369)");
    assert_eq!(two.value("SELECT pg_try_advisory_lock(72707369)"), "f");
    assert_eq!(
        two.value("SELECT pg_try_advisory_lock_shared(72707369)"),
        "f"
    );
    // The same number as two integers is another lock.
    assert_eq!(two.value("SELECT pg_try_advisory_lock(0, 72707369)"), "t");
    assert_eq!(
        one.run("SELECT classid, objid, objsubid, mode, granted, pid = pg_backend_pid() FROM pg_locks WHERE locktype = 'advisory' ORDER BY objsubid"),
        [
            ["0", "72707369", "1", "ExclusiveLock", "t", "t"],
            ["0", "72707369", "2", "ExclusiveLock", "t", "f"],
        ]
        .map(|row| row.map(|text| Some(text.to_owned())).to_vec())
    );
    let waits = begin(&server, "SELECT pg_advisory_lock(72707369)");
    wait_for(&server, &two, 1);
    assert_eq!(one.value("SELECT pg_advisory_unlock(72707369)"), "t");
    assert_eq!(waits.join().unwrap(), "ok");
    // It went with its session.
    server.wait("the lock of a session that has ended", SOON, || {
        (two.value("SELECT pg_try_advisory_lock(72707369)") == "t").then_some(())
    });
    // Who does not hold one is warned.
    one.take_notices();
    assert_eq!(one.value("SELECT pg_advisory_unlock(1)"), "f");
    let told = one.take_notices();
    assert!(
        told.iter()
            .any(|told| told.message == "you don't own a lock of type ExclusiveLock"),
        "{told:?}"
    );
    two.run("SELECT pg_advisory_unlock_all()");
    assert_eq!(two.number("SELECT count(*) FROM pg_locks"), 0);
    // By the extended protocol, with parameters.
    let row = block_on(
        two.client()
            .query_one("SELECT pg_try_advisory_lock($1)", &[&5_i64]),
    );
    assert!(row.unwrap().get::<_, bool>(0));
    let row = block_on(two.client().query_one(
        "SELECT pg_try_advisory_lock_shared($1, $2)",
        &[&1_i32, &2_i32],
    ));
    assert!(row.unwrap().get::<_, bool>(0));
    two.run("DISCARD ALL");
    assert_eq!(one.value("SELECT pg_try_advisory_lock(5)"), "t");
}

#[test]
fn locks_of_a_transaction_end_with_it() {
    let server = Server::start();
    let (one, two) = (server.connect(), server.connect());
    let free = || two.value("SELECT pg_try_advisory_xact_lock(1, 2)");
    one.run("BEGIN; SELECT pg_advisory_xact_lock(1, 2)");
    assert_eq!(free(), "f");
    one.run("COMMIT");
    assert_eq!(free(), "t");
    one.run("BEGIN; SELECT pg_try_advisory_xact_lock_shared(1, 2)");
    one.try_run("SELECT 1/0").unwrap_err();
    assert_eq!(free(), "f");
    one.run("ROLLBACK");
    assert_eq!(free(), "t");
    // One of the session stays.
    one.run("BEGIN; SELECT pg_advisory_lock_shared(1, 2); ROLLBACK");
    assert_eq!(free(), "f");
    assert_eq!(
        two.value("SELECT pg_try_advisory_xact_lock_shared(1, 2)"),
        "t"
    );
    one.refused(
        "SELECT pg_advisory_lock(1, 5000000000)",
        "22003",
        &["integer out of range"],
    );
}

#[test]
fn who_waits_can_be_stopped() {
    let server = Server::start();
    let (one, two) = (server.connect(), server.connect());
    one.run("SELECT pg_advisory_lock(1)");
    two.run("SET statement_timeout = '300ms'");
    two.refused(
        "SELECT pg_advisory_lock(1)",
        "57014",
        &["statement timeout"],
    );
    two.run("SET statement_timeout = 0; SET lock_timeout = '300ms'");
    two.refused("SELECT pg_advisory_lock(1)", "55P03", &["lock timeout"]);
    two.run("RESET lock_timeout");
    let waits = begin(&server, "SELECT pg_advisory_lock(1)");
    wait_for(&server, &two, 1);
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted";
    assert_eq!(two.value(cancel), "t");
    assert!(waits.join().unwrap().starts_with("57014"));
    wait_for(&server, &two, 0);
    // Two that wait for each other.
    two.run("SELECT pg_advisory_lock(2)");
    let two_waits = std::thread::spawn(move || {
        let refused = two.try_run_within("SELECT pg_advisory_lock(1)", Duration::from_secs(60));
        (two, refused)
    });
    let watch = server.connect();
    wait_for(&server, &watch, 1);
    one.refused(
        "SELECT pg_advisory_lock(2)",
        "40P01",
        &["deadlock detected"],
    );
    one.run("SELECT pg_advisory_unlock(1)");
    let (two, done) = two_waits.join().unwrap();
    done.unwrap();
    assert_eq!(two.number("SELECT count(*) FROM pg_locks"), 2);
}
