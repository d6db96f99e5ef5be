//! Shares of time, with a clock of our own.

use super::*;

const MS: Duration = Duration::from_millis(1);

#[test]
fn little_is_always_allowed_and_much_is_not() {
    let start = Instant::now();
    let mut light = Allowance::new(20);
    let mut heavy = Allowance::new(20);
    let (mut lights, mut heavies) = (0, 0);
    // A hundred times a second for ten seconds: 0.2 ms each time, and 3 ms.
    for tick in 0..1_000 {
        let now = start + MS * 10 * tick;
        if light.allows(now) {
            lights += 1;
            light.take(now, MS / 5);
        }
        if heavy.allows(now) {
            heavies += 1;
            heavy.take(now, MS * 3);
        }
    }
    assert_eq!(lights, 1_000);
    // Its twentieth of ten seconds, what may be taken at once, and the one by which it went beyond.
    assert!((166..=185).contains(&heavies), "{heavies}");
}

#[test]
fn what_was_taken_at_once_is_waited_for() {
    let start = Instant::now();
    let mut allowance = Allowance::new(4);
    assert!(allowance.allows(start));
    allowance.take(start, MS * 1_000);
    assert!(!allowance.allows(start + MS * 2_900));
    assert!(allowance.allows(start + MS * 3_000));
    // Time that nobody used is not kept.
    let later = start + MS * 100_000;
    allowance.take(later, MS * 1_000);
    assert!(!allowance.allows(later + MS * 2_900));
}
