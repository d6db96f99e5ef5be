//! What is done about every lease that can be found. Two real servers on a real store are in the black-box tests.

use super::*;

fn claim(owner: &str, beat: u64, local: &str) -> Claim {
    Claim {
        generation: 3,
        owner: owner.into(),
        beat,
        host: "web-1".into(),
        pid: 4711,
        local: local.into(),
        lease_ms: 15_000,
        released: false,
        written_at: "2026-11-27T10:00:00Z".into(),
    }
}

fn released(claim: Claim) -> Claim {
    Claim {
        released: true,
        ..claim
    }
}

#[test]
fn a_newcomer_waits_only_for_an_owner_that_may_live() {
    assert_eq!(approach(None, "here"), Approach::Create);
    let elsewhere = claim("other", 7, "there");
    assert_eq!(approach(Some(&elsewhere), "here"), Approach::Watch);
    // its folder's lock is ours, so its process is no more
    let before = claim("other", 7, "here");
    assert_eq!(approach(Some(&before), "here"), Approach::Replace);
    assert_eq!(
        approach(Some(&released(elsewhere)), "here"),
        Approach::Replace
    );
}

#[test]
fn the_object_tells_what_became_of_a_renewal() {
    let put = claim("me", 8, "here");
    assert_eq!(judge(Some(&put), &put), Found::Ours);
    assert_eq!(judge(Some(&claim("me", 7, "here")), &put), Found::Before);
    assert_eq!(judge(Some(&claim("you", 8, "here")), &put), Found::Taken);
    assert_eq!(judge(None, &put), Found::Gone);
    // a release that was not done yet is not done
    assert_eq!(judge(Some(&put), &released(put.clone())), Found::Before);
    assert_eq!(
        judge(Some(&released(put.clone())), &released(put)),
        Found::Ours
    );
}

#[test]
fn the_holder_is_named_by_process_and_host() {
    assert_eq!(
        claim("me", 1, "here").holder(),
        "process 4711 on host web-1"
    );
}
