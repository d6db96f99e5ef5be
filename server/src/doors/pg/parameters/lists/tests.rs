//! Lists, by their texts and their bytes.
#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::datatypes::{DataType, Field};
use datafusion::scalar::ScalarValue;
use postgres_types::Type;

use super::{from_text, in_shape};
use crate::doors::pg::texts;

/// A list as it would be sent, or the code of the error.
fn read(element: &Type, text: &str) -> String {
    match from_text(element, text) {
        Ok(value) => {
            let field = Field::new("", value.data_type(), true);
            let texts = texts(&value.to_array().unwrap(), &field, None).unwrap();
            texts.value(0).to_owned()
        }
        Err(failure) => failure.code.to_owned(),
    }
}

#[test]
fn texts_of_lists_are_read() {
    for (text, expected) in [
        ("{1,2,NULL}", "{1,2,NULL}"),
        (" { 1 , 2 } ", "{1,2}"),
        ("{}", "{}"),
        ("{{1,2},{3,4}}", "{{1,2},{3,4}}"),
        ("{{{1},{2}}}", "{{{1},{2}}}"),
        ("{{1,2},{3}}", "22P02"),
        ("{{1,2},3}", "22P02"),
        ("{1,{2}}", "22P02"),
        ("{{},1}", "22P02"),
        ("1,2", "22P02"),
        ("{1,2", "22P02"),
        ("{1,,2}", "22P02"),
        ("{1,2,}", "22P02"),
        ("{1,2}x", "22P02"),
        ("{{{{{{1}}}}}}", "{{{{{{1}}}}}}"),
        ("{{{{{{{1}}}}}}}", "54000"),
        ("{{{{{{{", "54000"),
        ("{x}", "22P02"),
    ] {
        assert_eq!(read(&Type::INT4, text), expected, "{text}");
    }
    for (text, expected) in [
        ("{a b, \"c,d\" ,\"NULL\"}", "{\"a b\",\"c,d\",\"NULL\"}"),
        ("{\"{{{{{{{\",\\{\\{}", "{\"{{{{{{{\",\"{{\"}"),
        ("{\"a\"b}", "22P02"),
        ("{\"a\"", "22P02"),
    ] {
        assert_eq!(read(&Type::TEXT, text), expected, "{text}");
    }
}

#[test]
fn dimensions_are_counted_before_they_are_read() {
    let deep = format!("{}1{}", "{".repeat(100_000), "}".repeat(100_000));
    let failure = from_text(&Type::INT4, &deep).unwrap_err();
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (
            "54000",
            "number of array dimensions (100000) exceeds the maximum allowed (6)"
        )
    );
}

#[test]
fn a_list_has_the_dimensions_of_its_place() {
    let of = |item: DataType| DataType::List(Field::new_list_field(item, true).into());
    let (one, two) = (of(DataType::Int32), of(of(DataType::Int32)));
    let value = |text: &str| from_text(&Type::INT4, text).unwrap();
    assert_eq!(in_shape(value("{1}"), &one).unwrap(), value("{1}"));
    assert_eq!(in_shape(value("{1}"), &two).unwrap_err().code, "0A000");
    assert_eq!(in_shape(value("{{1}}"), &one).unwrap_err().code, "0A000");
    let empty = in_shape(value("{}"), &two).unwrap();
    assert_eq!(empty.data_type(), two);
    let number = ScalarValue::Int32(Some(1));
    assert_eq!(in_shape(number.clone(), &one).unwrap(), number);
}
