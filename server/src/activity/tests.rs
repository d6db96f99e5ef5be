//! What is told of sessions, and when.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

#[derive(Debug, Default)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now_us(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

fn activities() -> Activities {
    Activities::new(Arc::new(Hand::default()))
}

#[test]
fn a_session_is_listed_until_it_leaves() {
    let all = activities();
    let (ann, bob) = (
        all.enter("ann", Door::Postgres),
        all.enter("bob", Door::FlightSql),
    );
    assert_ne!(ann.pid(), bob.pid());
    let users: Vec<_> = all.all().iter().map(|a| a.user().to_owned()).collect();
    assert_eq!(users, ["ann", "bob"]);
    all.leave(ann.pid());
    assert!(all.get(ann.pid()).is_none());
    // One that is to end is there as long as something runs in it.
    let entry = bob.run();
    bob.end();
    assert!(all.get(bob.pid()).is_some());
    drop(entry);
    assert!(all.get(bob.pid()).is_none());
}

#[test]
fn states_follow_the_doors() {
    let all = activities();
    let pg = all.enter("ann", Door::Postgres);
    assert_eq!(pg.shown().state, State::Idle);
    assert_eq!(pg.shown().wait, Some(Wait::Client));
    pg.asked(kept("BEGIN"));
    let entry = pg.run();
    let shown = pg.shown();
    assert_eq!((shown.state, shown.wait), (State::Active, None));
    assert_eq!(shown.transaction_us, shown.query_us);
    drop(entry);
    assert_eq!(pg.shown().state, State::Active);
    pg.rests(State::IdleInTransaction);
    let began = pg.shown().transaction_us;
    pg.asked(kept("SELECT 1"));
    let shown = pg.shown();
    assert_eq!(shown.transaction_us, began);
    assert!(shown.query_us > began);
    pg.rests(State::Idle);
    let shown = pg.shown();
    assert_eq!(
        (shown.state, shown.transaction_us, shown.query.as_str()),
        (State::Idle, None, "SELECT 1")
    );
    let flight = all.enter("ann", Door::FlightSql);
    flight.asked(kept("SELECT 1"));
    let (one, two) = (flight.run(), flight.run());
    drop(one);
    assert_eq!(flight.shown().state, State::Active);
    let waiting = flight.waits();
    assert_eq!(flight.shown().wait, Some(Wait::Turn));
    drop((waiting, two));
    assert_eq!(flight.shown().state, State::Idle);
}

#[test]
fn a_cancel_reaches_all_that_runs_and_nothing_that_comes() {
    let all = activities();
    let session = all.enter("ann", Door::FlightSql);
    session.cancel();
    let (one, two) = (session.run(), session.run());
    assert!(!one.token().is_cancelled());
    session.cancel();
    assert!(one.token().is_cancelled() && two.token().is_cancelled());
    assert!(!session.run().token().is_cancelled());
}

#[test]
fn of_a_long_text_the_beginning_is_told_and_no_secret_of_any() {
    let session = activities().enter("ann", Door::Postgres);
    session.asked(kept(&format!("SELECT '{}'", "ä".repeat(5000))));
    assert_eq!(session.shown().query, "SELECT ***");
    session.asked(kept(&format!("SELECT '{}'", "ä".repeat(1000))));
    let told = session.shown().query;
    assert!(
        told.starts_with("SELECT 'ä") && told.len() <= TOLD,
        "{told}"
    );
    session.asked(kept("ALTER ROLE ann PASSWORD 'hush'"));
    assert_eq!(session.shown().query, "ALTER ROLE ann PASSWORD '***'");
    let cut = "ALTER ROLE ann PASSWORD 'hush";
    session.asked(kept(cut));
    assert!(!session.shown().query.contains("hush"));
    let client = "127.0.0.1:7".parse().unwrap();
    session.came_from(client);
    assert_eq!(session.shown().address, Some((client.ip(), 7)));
}
