//! Which type goes into which column.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::assignable;

#[test]
fn assignment_is_postgresqls() {
    use DataType as D;
    let timestamp = D::Timestamp(TimeUnit::Microsecond, None);
    let list = |item: D| D::List(Arc::new(Field::new_list_field(item, true)));
    for (from, to, expected) in [
        (D::Int64, D::Int32, true),
        (D::Float64, D::Int32, true),
        (D::Int32, D::Utf8, true),
        (D::Date32, timestamp.clone(), true),
        (timestamp.clone(), D::Date32, true),
        (D::Null, D::Int32, true),
        (list(D::Int64), list(D::Int32), true),
        (D::Utf8, D::Int32, false),
        (D::Boolean, D::Int32, false),
        (D::Int32, D::Boolean, false),
        (D::Int64, timestamp, false),
        (D::Utf8, D::Binary, false),
        (D::Binary, D::Utf8, false),
        (list(D::Utf8), list(D::Int32), false),
    ] {
        assert_eq!(assignable(&from, &to, false), expected, "{from} to {to}");
    }
    // A literal in quotes is whatever can be read from it.
    assert!(assignable(&D::Utf8, &D::Int32, true));
}
