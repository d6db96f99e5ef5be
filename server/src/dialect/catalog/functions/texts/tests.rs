//! Lists as texts, and what is in them.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::{Elements, split};
use datafusion::scalar::ScalarValue;

#[test]
fn the_text_of_a_list_is_taken_apart() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(split("{1,2}"), [some("1"), some("2")]);
    assert_eq!(
        split(r#"{a,"b c","d\"e",NULL,"NULL"}"#),
        [some("a"), some("b c"), some("d\"e"), None, some("NULL")]
    );
    assert!(split("{}").is_empty());
}

#[test]
fn what_is_not_found_beside_a_null_is_not_known() {
    let list = |text: &str| Elements::of(&ScalarValue::from(text)).unwrap();
    assert_eq!(list("{1,2}").have(Some("2")), Some(true));
    assert_eq!(list("{1,2}").have(Some("3")), Some(false));
    assert_eq!(list("{1,NULL}").have(Some("3")), None);
    assert_eq!(list("{1}").have(None), None);
    assert_eq!(
        Elements::of(&ScalarValue::Utf8(None))
            .unwrap()
            .have(Some("1")),
        None
    );
}
