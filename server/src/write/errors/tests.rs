//! The texts are Arrow's own: each is made here by a conversion that fails.
#![expect(clippy::panic, reason = "tests")]

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, Float64Array, Int64Array, StringArray},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, TimeUnit},
};
use datafusion::error::DataFusionError;

use super::{cast_error, value_error};
use crate::{
    error::{Error, SqlState},
    execute::engine_error,
};

/// What is told of a conversion that fails.
fn told(array: &dyn Array, to: &DataType) -> Error {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    match cast_with_options(array, to, &strict) {
        Ok(_) => panic!("{array:?} is a {to}"),
        Err(error) => value_error(engine_error(DataFusionError::from(error))),
    }
}

fn text(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

#[test]
fn texts_that_are_no_values_are_told_as_postgresql_tells_them() {
    for (value, to, code, message) in [
        (
            "abc",
            DataType::Int32,
            "22P02",
            "invalid input syntax for type integer: \"abc\"",
        ),
        (
            "1.5x",
            DataType::Float64,
            "22P02",
            "invalid input syntax for type double precision: \"1.5x\"",
        ),
        (
            "maybe",
            DataType::Boolean,
            "22P02",
            "invalid input syntax for type boolean: \"maybe\"",
        ),
        (
            "yesterday",
            DataType::Date32,
            "22007",
            "invalid input syntax for type date: \"yesterday\"",
        ),
        (
            "99999999999",
            DataType::Int32,
            "22003",
            "value \"99999999999\" is out of range for type integer",
        ),
        (
            "noon",
            DataType::Timestamp(TimeUnit::Microsecond, None),
            "22007",
            "invalid input syntax for type timestamp: \"noon\"",
        ),
    ] {
        let error = told(text(value).as_ref(), &to);
        assert_eq!(
            (error.state.code(), error.message.as_str()),
            (code, message)
        );
    }
}

#[test]
fn numbers_that_do_not_fit_are_out_of_range() {
    let long = Int64Array::from(vec![99_999_999_999]);
    let error = told(&long, &DataType::Int32);
    assert_eq!(error.state.code(), "22003");
    assert_eq!(error.message, "integer out of range");
    let error = told(&long, &DataType::Decimal128(5, 2));
    assert_eq!(error.state.code(), "22003", "{error}");
    let large = Float64Array::from(vec![1e300]);
    let error = told(&large, &DataType::Int32);
    assert_eq!(error.state.code(), "22003", "{error}");
}

#[test]
fn a_cast_that_fails_in_a_query_is_told_as_one_that_fails_in_a_column() {
    for (text, code, message, detail) in [
        (
            "can't cast value 40000 to type Int16",
            "22003",
            "smallint out of range",
            None,
        ),
        (
            "cannot cast value 'maybe' to value of Boolean type",
            "22P02",
            "invalid input syntax for type boolean: \"maybe\"",
            None,
        ),
        (
            "123456.00 is too large to store in a Decimal128 of precision 5. Max is 999.99",
            "22003",
            "numeric field overflow",
            Some(
                "A field with precision 5, scale 2 must round to an absolute value less than 10^3.",
            ),
        ),
        (
            "-1.00 is too small to store in a Decimal128 of precision 2. Min is -0.99",
            "22003",
            "numeric field overflow",
            Some("A field with precision 2, scale 2 must round to an absolute value less than 1."),
        ),
        (
            "no value of that name",
            "22000",
            "no value of that name",
            None,
        ),
    ] {
        let error = cast_error(Error::user(SqlState::DataException, text));
        assert_eq!(error.state.code(), code, "{text}");
        assert_eq!(error.message, message);
        assert_eq!(error.detail.as_deref(), detail, "{text}");
    }
}
