//! Whom there is room for.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn places() -> Arc<Places> {
    Arc::new(Places::new(Limits {
        sessions: 10,
        reserved: 2,
        of_a_role: 4,
    }))
}

fn refused(places: &Arc<Places>, role: &str, superuser: bool) -> String {
    let error = places.take(role, superuser).unwrap_err();
    assert_eq!(error.state, SqlState::TooManyConnections);
    error.message
}

#[test]
fn one_role_leaves_room_for_others() {
    let places = places();
    let mut anns: Vec<_> = (0..4).map(|_| places.take("ann", false).unwrap()).collect();
    assert_eq!(
        refused(&places, "ann", false),
        "too many connections for role \"ann\""
    );
    let _bob = places.take("bob", false).unwrap();
    anns.pop();
    places.take("ann", false).unwrap();
    // A superuser is held to no share.
    let _owners: Vec<_> = (0..6)
        .map(|_| places.take("sluice", true).unwrap())
        .collect();
    assert_eq!(
        refused(&places, "sluice", true),
        "sorry, too many clients already"
    );
}

#[test]
fn the_last_places_are_for_superusers() {
    let places = places();
    let roles = ["a", "a", "a", "a", "b", "b", "b", "b"];
    let _taken: Vec<_> = roles.map(|role| places.take(role, false).unwrap()).into();
    for role in ["a", "c"] {
        assert_eq!(
            refused(&places, role, false),
            "remaining connection slots are reserved for superusers"
        );
    }
    let first = places.take("sluice", true).unwrap();
    let _second = places.take("sluice", true).unwrap();
    refused(&places, "sluice", true);
    drop(first);
    places.take("sluice", true).unwrap();
}
