//! Beside the engine's cast.
#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::{
    array::{Array, AsArray, StringArray, StringViewArray},
    compute::cast,
    datatypes::DataType,
};
use proptest::prelude::*;

use super::texts_of;

fn expect_cast(views: &StringViewArray) {
    let texts = texts_of(views).unwrap();
    let data = texts.to_data();
    data.validate_full().unwrap();
    let cast = cast(views, &DataType::Utf8).unwrap();
    assert_eq!(&texts, cast.as_string::<i32>());
}

#[test]
fn nothing_and_nulls_alone_are_texts() {
    expect_cast(&StringViewArray::from(Vec::<Option<&str>>::new()));
    expect_cast(&StringViewArray::from(vec![None::<&str>, None]));
}

#[test]
fn a_view_of_null_may_say_anything() {
    let views = StringViewArray::from(vec![Some("a text of more than twelve bytes"), Some("b")]);
    let (words, buffers, _) = views.into_parts();
    let views = StringViewArray::new(words, buffers, Some(vec![false, true].into()));
    let texts = texts_of(&views).unwrap();
    assert_eq!(texts, StringArray::from(vec![None, Some("b")]));
    assert_eq!(texts.value_data(), b"b");
}

proptest! {
    #[test]
    fn texts_are_what_a_cast_makes_of_views(
        texts in prop::collection::vec(prop::option::of("\\PC{0,20}"), 0..200),
        from in 0_usize..50,
    ) {
        let views = StringViewArray::from_iter(texts);
        expect_cast(&views);
        let from = from.min(views.len());
        expect_cast(&views.slice(from, views.len() - from));
    }
}
