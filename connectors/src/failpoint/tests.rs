//! What the variable may say, and when it happens.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::armed::{Action, due, parse};
use std::time::Duration;

#[test]
fn places_are_read_and_happen_when_they_should() {
    let mut places = parse("a.b=kill; c=enospc@3*2 ;; c=sleep:20@9").unwrap();
    assert_eq!(due(&mut places, "a.b"), Some(Action::Kill));
    assert_eq!(due(&mut places, "a.b"), None);
    let passes: Vec<_> = (0..10).map(|_| due(&mut places, "c")).collect();
    let full = Some(Action::Full);
    let slow = Some(Action::Sleep(Duration::from_millis(20)));
    let expected = [None, None, full, full, None, None, None, None, slow, None];
    assert_eq!(passes, expected);
    assert_eq!(due(&mut places, "elsewhere"), None);
}

#[test]
fn what_is_no_place_is_refused() {
    for text in [
        "a",
        "a=",
        "a=stop",
        "a=kill@x",
        "a=error*",
        "a=sleep",
        "a=sleep:x",
    ] {
        let refused = parse(text).unwrap_err();
        assert!(refused.contains("is not name="), "{refused}");
    }
}
