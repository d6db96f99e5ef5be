//! The hash is the published one, and does not change between builds: checkpoints depend on it.

use super::*;

#[test]
fn a_fingerprint_never_changes() {
    // FNV-1a of nothing is the offset basis.
    assert_eq!(fingerprint([]), "6c62272e07bb014262b821756295c58d");
    let fixed = fingerprint(["plan", "state"]);
    assert_eq!(fixed, fingerprint(["plan", "state"]));
    assert_ne!(fixed, fingerprint(["plans", "tate"]));
    assert_ne!(fixed, fingerprint(["state", "plan"]));
}
