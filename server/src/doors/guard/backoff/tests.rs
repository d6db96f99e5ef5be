//! What failures cost; the clock is an argument.

use super::*;

fn peer(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

#[test]
fn a_pair_pays_more_each_time_and_others_nothing() {
    let (backoff, now) = (Backoff::default(), Instant::now());
    for _ in 0..3 {
        assert_eq!(backoff.wait("ada", peer(1), now), Ok(Duration::ZERO));
        backoff.tried("ada", peer(1), false, now);
    }
    assert_eq!(backoff.wait("ada", peer(1), now), Ok(Duration::ZERO));
    backoff.tried("ada", peer(1), false, now);
    let first = backoff.wait("ada", peer(1), now);
    assert_eq!(first, Ok(Duration::from_millis(250)));
    // A second connection at the same moment has the next place in the row.
    let second = backoff.wait("ada", peer(1), now);
    assert_eq!(second, Ok(Duration::from_millis(500)));
    assert_eq!(backoff.wait("ada", peer(2), now), Ok(Duration::ZERO));
    assert_eq!(backoff.wait("bob", peer(1), now), Ok(Duration::ZERO));
    for _ in 0..20 {
        backoff.tried("ada", peer(1), false, now);
    }
    assert!(backoff.wait("ada", peer(1), now).is_err());
    // From elsewhere it is a second at most.
    assert!(backoff.wait("ada", peer(2), now) <= Ok(Duration::from_secs(1)));
    let later = now + Duration::from_secs(40);
    assert_eq!(backoff.wait("ada", peer(1), later), Ok(Duration::ZERO));
}

#[test]
fn a_right_password_clears_the_pair_and_not_the_address() {
    let (backoff, now) = (Backoff::default(), Instant::now());
    for user in ["a", "b", "c", "d"] {
        for _ in 0..4 {
            backoff.tried(user, peer(1), false, now);
        }
    }
    backoff.tried("a", peer(1), true, now);
    assert_ne!(backoff.wait("a", peer(1), now), Ok(Duration::ZERO));
    assert_eq!(
        backoff.wait("a", peer(1), now + FORGOTTEN),
        Ok(Duration::ZERO)
    );
}

#[test]
fn what_is_remembered_is_bounded() {
    let backoff = Backoff::default();
    let mut now = Instant::now();
    for user in 0..REMEMBERED {
        backoff.tried(&user.to_string(), peer(1), false, now);
        now += Duration::from_millis(1);
    }
    assert!(backoff.0.lock().len() <= REMEMBERED + 2);
}
