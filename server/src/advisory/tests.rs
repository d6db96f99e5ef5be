//! Who gets a lock, who waits, and who is next.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use futures::FutureExt;
use tokio::time::timeout;

use super::{AdvisoryLocks, Key, MOST, Mode, Told, Until, Wanted};
use crate::error::SqlState;

const KEY: Key = Key::One(7);

fn wanted(pid: i32, mode: Mode) -> Wanted {
    Wanted {
        pid,
        key: KEY,
        mode,
        until: Until::Session,
    }
}

#[test]
fn one_holds_it_or_several_share_it() {
    let locks = AdvisoryLocks::default();
    let exclusive = |pid| {
        locks
            .try_lock(&wanted(pid, Mode::Exclusive), || true)
            .unwrap()
    };
    let shared = |pid| locks.try_lock(&wanted(pid, Mode::Shared), || true).unwrap();
    assert!(exclusive(1) && exclusive(1));
    assert!(!exclusive(2) && !shared(2));
    // Whoever holds it may share it too, and lets it go as often as it was taken.
    assert!(shared(1));
    assert!(locks.unlock(1, KEY, Mode::Exclusive));
    assert!(!shared(2));
    assert!(locks.unlock(1, KEY, Mode::Exclusive));
    assert!(!locks.unlock(1, KEY, Mode::Exclusive));
    assert!(shared(2) && !exclusive(2));
    assert!(locks.unlock(1, KEY, Mode::Shared));
    assert!(exclusive(2));
    // The same number as two integers is another lock.
    let other = Wanted {
        key: Key::Two(0, 7),
        ..wanted(1, Mode::Exclusive)
    };
    assert!(locks.try_lock(&other, || true).unwrap());
}

#[test]
fn what_is_of_a_transaction_goes_with_it() {
    let locks = AdvisoryLocks::default();
    let of_transaction = Wanted {
        until: Until::Transaction,
        ..wanted(1, Mode::Exclusive)
    };
    assert!(locks.try_lock(&of_transaction, || true).unwrap());
    assert!(!locks.unlock(1, KEY, Mode::Exclusive));
    locks.unlock_all(1);
    assert_eq!(locks.all().len(), 1);
    locks.transaction_over(1);
    assert!(locks.all().is_empty());
    assert!(locks.try_lock(&wanted(1, Mode::Shared), || true).unwrap());
    locks.transaction_over(1);
    assert_eq!(
        locks.all(),
        [Told {
            pid: 1,
            key: KEY,
            mode: Mode::Shared,
            granted: true
        }]
    );
    locks.leave(1);
    assert!(locks.all().is_empty());
}

#[tokio::test]
async fn who_waits_gets_it_in_turn() {
    let locks = AdvisoryLocks::default();
    assert!(
        locks
            .try_lock(&wanted(1, Mode::Exclusive), || true)
            .unwrap()
    );
    let second = wanted(2, Mode::Exclusive);
    let third = wanted(3, Mode::Shared);
    let mut second = Box::pin(locks.lock(&second, || true));
    assert!(second.as_mut().now_or_never().is_none());
    let mut third = Box::pin(locks.lock(&third, || true));
    assert!(third.as_mut().now_or_never().is_none());
    assert_eq!(locks.all().iter().filter(|told| !told.granted).count(), 2);
    locks.leave(1);
    // The third waits for the second, who was there before.
    assert!(third.as_mut().now_or_never().is_none());
    // One who gives up makes room for those behind.
    drop(second);
    timeout(Duration::from_secs(10), third)
        .await
        .unwrap()
        .unwrap();
    assert!(
        !locks
            .try_lock(&wanted(2, Mode::Exclusive), || true)
            .unwrap()
    );
    assert!(locks.try_lock(&wanted(2, Mode::Shared), || true).unwrap());
}

#[tokio::test]
async fn two_that_wait_for_each_other_are_told() {
    let locks = AdvisoryLocks::default();
    let other = |pid| Wanted {
        key: Key::Two(1, 2),
        ..wanted(pid, Mode::Exclusive)
    };
    assert!(
        locks
            .try_lock(&wanted(1, Mode::Exclusive), || true)
            .unwrap()
    );
    assert!(locks.try_lock(&other(2), || true).unwrap());
    let first = other(1);
    let mut first = Box::pin(locks.lock(&first, || true));
    assert!(first.as_mut().now_or_never().is_none());
    let refused = locks.lock(&wanted(2, Mode::Exclusive), || true).await;
    assert_eq!(refused.unwrap_err().state, SqlState::DeadlockDetected);
    locks.leave(2);
    timeout(Duration::from_secs(10), first)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_session_that_has_ended_gets_none() {
    let locks = AdvisoryLocks::default();
    let refused = locks.lock(&wanted(1, Mode::Exclusive), || false).await;
    assert_eq!(refused.unwrap_err().state, SqlState::AdminShutdown);
    let refused = locks.try_lock(&wanted(1, Mode::Shared), || false);
    assert_eq!(refused.unwrap_err().state, SqlState::AdminShutdown);
    assert!(locks.all().is_empty());
}

#[test]
fn a_session_holds_so_many_and_no_more() {
    let locks = AdvisoryLocks::default();
    let take = |number: usize| {
        locks.try_lock(
            &Wanted {
                key: Key::One(number.try_into().unwrap()),
                ..wanted(1, Mode::Shared)
            },
            || true,
        )
    };
    for number in 0..MOST {
        assert!(take(number).unwrap());
    }
    assert_eq!(take(MOST).unwrap_err().state, SqlState::OutOfMemory);
    assert!(take(0).unwrap());
    locks.unlock_all(1);
    assert!(take(MOST).unwrap());
}
