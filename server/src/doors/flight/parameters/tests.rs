//! Binding: counts, casts and what cannot be cast.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

#[test]
fn each_row_is_an_execution_in_the_expected_types() {
    let bound = batch(vec![
        ("0", Arc::new(Int64Array::from(vec![Some(1), None]))),
        ("1", Arc::new(StringArray::from(vec!["a", "b"]))),
    ]);
    let expected = [Some(DataType::Int32), Some(DataType::Utf8View)];
    assert_eq!(
        rows(std::slice::from_ref(&bound), &expected).unwrap(),
        vec![
            vec![
                ScalarValue::Int32(Some(1)),
                ScalarValue::Utf8View(Some("a".into()))
            ],
            vec![
                ScalarValue::Int32(None),
                ScalarValue::Utf8View(Some("b".into()))
            ],
        ]
    );
    // Where nothing is expected the client's types stand.
    assert_eq!(
        rows(std::slice::from_ref(&bound), &[None, None]).unwrap()[0][0],
        ScalarValue::Int64(Some(1))
    );
    assert_eq!(
        types(&[bound]),
        vec![Some(DataType::Int64), Some(DataType::Utf8)]
    );
}

#[test]
fn another_count_is_refused() {
    let bound = batch(vec![("0", Arc::new(Int64Array::from(vec![1])))]);
    let error = rows(&[bound], &[None, None]).unwrap_err();
    assert_eq!(
        error.message,
        "1 parameters were bound, but the statement requires 2"
    );
}

#[test]
fn a_value_that_does_not_fit_names_its_parameter() {
    let bound = batch(vec![
        ("0", Arc::new(Int64Array::from(vec![1]))),
        ("1", Arc::new(StringArray::from(vec!["x"]))),
    ]);
    let error = rows(&[bound], &[None, Some(DataType::Int32)]).unwrap_err();
    assert_eq!(error.state, SqlState::InvalidTextRepresentation);
    assert!(error.message.contains("$2"), "{error}");
}
