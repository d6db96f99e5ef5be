//! Raw messages keep their bytes, nulls included.
#![expect(clippy::unwrap_used, reason = "tests")]

use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType, Field, Schema},
};

use super::{RawDecoder, check_schema, default_schema};
use crate::format::RowDecoder;

#[test]
fn every_message_is_a_row() {
    let mut decoder = RawDecoder::new(&default_schema(), &[1, 0]).unwrap();
    decoder.push(Some(b"k"), Some(b"\xff\0")).unwrap();
    decoder.push(None, None).unwrap();
    decoder.push(Some(b""), Some(b"")).unwrap();
    assert_eq!(decoder.rows(), 3);
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.schema().field(0).name(), "value");
    let (value, key) = (
        batch.column(0).as_binary::<i32>(),
        batch.column(1).as_binary::<i32>(),
    );
    assert_eq!(value.value(0), b"\xff\0");
    assert_eq!(key.value(0), b"k");
    assert!(value.is_null(1) && key.is_null(1));
    assert!(value.is_valid(2) && value.value(2).is_empty());
    assert_eq!(decoder.rows(), 0);
}

#[test]
fn no_columns_are_rows_all_the_same() {
    let mut decoder = RawDecoder::new(&default_schema(), &[]).unwrap();
    decoder.push(None, Some(b"x")).unwrap();
    assert_eq!(decoder.finish().unwrap().num_rows(), 1);
}

#[test]
fn other_columns_are_refused() {
    let schema =
        |name: &str, data_type, nullable| Schema::new(vec![Field::new(name, data_type, nullable)]);
    assert!(check_schema(&schema("payload", DataType::Binary, true)).is_err());
    assert!(check_schema(&schema("value", DataType::Utf8, true)).is_err());
    assert!(check_schema(&schema("value", DataType::Binary, false)).is_err());
    assert!(check_schema(&schema("value", DataType::BinaryView, true)).is_ok());
}
