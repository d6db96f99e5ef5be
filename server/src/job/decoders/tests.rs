//! What a query read under which definition, told as stories.

use super::*;

fn split(partition: i32) -> SplitId {
    SplitId {
        stream: 0,
        topic: "events".into(),
        partition,
    }
}

#[test]
fn a_message_belongs_to_the_definition_in_force_when_it_was_read() {
    let mut decoders = Decoders::default();
    decoders.begin(["first"].into_iter(), &BTreeMap::new());
    decoders.found(&split(0), 10);
    // Mended when partition 0 stood at 25; partition 1 came later.
    decoders.begin(["second"].into_iter(), &[(split(0), 25)].into());
    decoders.found(&split(0), 25);
    decoders.found(&split(1), 0);
    assert_eq!(decoders.at(&split(0), 9), None, "before the query began");
    assert_eq!(decoders.at(&split(0), 10), Some("first"));
    assert_eq!(decoders.at(&split(0), 24), Some("first"));
    assert_eq!(decoders.at(&split(0), 25), Some("second"));
    assert_eq!(decoders.at(&split(1), 0), Some("second"));
    assert_eq!(decoders.at(&split(2), 0), None, "no split of the query's");
}

#[test]
fn going_on_with_the_same_definition_changes_nothing() {
    let mut decoders = Decoders::default();
    decoders.begin(["first", "other"].into_iter(), &BTreeMap::new());
    decoders.found(&split(0), 3);
    let before = decoders.clone();
    decoders.begin(["first", "other"].into_iter(), &[(split(0), 50)].into());
    decoders.found(&split(0), 50);
    assert_eq!(decoders, before);
    assert!(!decoders.matter());
    decoders.begin(["second", "other"].into_iter(), &[(split(0), 50)].into());
    assert!(decoders.matter());
}

#[test]
fn letters_taken_are_taken_for_good() {
    let mut decoders = Decoders::default();
    decoders.begin(["first"].into_iter(), &[(split(0), 0)].into());
    decoders.take(&split(0), 5..18);
    decoders.take(&split(0), 30..31);
    assert!(decoders.is_taken(&split(0), 5) && decoders.is_taken(&split(0), 17));
    assert!(!decoders.is_taken(&split(0), 18) && !decoders.is_taken(&split(1), 5));
    let text = serde_json::to_string(&decoders).unwrap_or_default();
    assert_eq!(serde_json::from_str::<Decoders>(&text).ok(), Some(decoders));
}
