//! What counts as a change, and what is said of it.

use super::*;

#[test]
fn what_the_benchmark_writes_is_no_change() {
    let status = " M server/src/main.rs\n M docs/benchmarks.md\n?? bench/results/drain.json\n?? docs/benchmarks/drain.svg\n?? bench/resultsx\nR  a.rs -> b.rs\n";
    assert_eq!(
        changed(status),
        ["server/src/main.rs", "bench/resultsx", "b.rs"]
    );
}

#[test]
fn changes_are_refused_by_name_unless_overruled() {
    let mut checkout = Checkout {
        commit: "abc".into(),
        changed: Vec::new(),
    };
    checkout.judge(false).unwrap();
    checkout.changed = (0..7).map(|n| format!("f{n}")).collect();
    let refusal = checkout.judge(false).unwrap_err();
    assert!(
        refusal.contains("7 paths: f0, f1, f2, f3, f4, …"),
        "{refusal}"
    );
    checkout.judge(true).unwrap();
}

#[test]
fn this_checkout_has_a_commit() {
    let checkout = Checkout::of(&crate::root()).unwrap();
    assert_eq!(checkout.commit.len(), 12);
}
