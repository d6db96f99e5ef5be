//! How many are kept, and how much of a name.

use std::net::Ipv4Addr;

use super::*;
use crate::clock::SystemClock;

#[test]
fn the_newest_are_kept_and_names_are_cut() {
    let logins = FailedLogins::new(Arc::new(SystemClock));
    let long = "é".repeat(10_000);
    for number in 0..CAPACITY + 5 {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        logins.note(&long, address, Door::Postgres, &number.to_string());
    }
    let all = logins.all();
    assert_eq!(all.len(), CAPACITY);
    assert_eq!(all.first().map(|one| one.reason.as_str()), Some("5"));
    assert!(all.iter().all(|one| one.user.chars().count() == NAME));
}
