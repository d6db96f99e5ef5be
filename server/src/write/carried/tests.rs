//! What is kept of values, and which are refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray},
    datatypes::{DataType, Field},
};
use sluice_planner::functions::PG_TYPE;

use super::{as_declared, declared_as, declared_field};

fn field(mark: &str) -> Field {
    Field::new("a", DataType::Utf8, true)
        .with_metadata([(PG_TYPE.to_owned(), mark.to_owned())].into())
}

/// What is kept of one value, or the code of the error.
fn kept(mark: &str, text: &str) -> String {
    let values: ArrayRef = Arc::new(StringArray::from(vec![Some(text), None]));
    match as_declared(&field(mark), &values) {
        Ok(kept) => {
            assert!(kept.is_null(1));
            kept.as_string::<i32>().value(0).to_owned()
        }
        Err(error) => error.state.code().to_owned(),
    }
}

#[test]
fn values_are_kept_as_their_type_has_them() {
    let id = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    for (mark, text, expected) in [
        ("uuid", id, id),
        ("uuid", "{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}", id),
        ("uuid", "a0ee", "22P02"),
        ("json", "{\"a\" :1}", "{\"a\" :1}"),
        ("json", "{", "22P02"),
        ("jsonb", "{\"b\":1,  \"a\":2}", "{\"a\": 2, \"b\": 1}"),
        ("jsonb", "x", "22P02"),
        ("character varying", "any length", "any length"),
        ("character varying(3)", "abc", "abc"),
        ("character varying(3)", "äöü", "äöü"),
        ("character varying(3)", "ab  ", "ab "),
        ("character varying(3)", "abcd", "22001"),
        ("character(3)", "a  ", "a"),
        ("character(3)", "abc   ", "abc"),
        ("character(3)", "abcd", "22001"),
        ("name", "as it is", "as it is"),
    ] {
        assert_eq!(kept(mark, text), expected, "{mark} {text}");
    }
}

#[test]
fn declared_types_are_marked() {
    let of = |sql: &str| {
        let parsed = sluice_sql::parse(&format!("CREATE TABLE t (a {sql})")).unwrap();
        let sluice_sql::Statement::CreateTable(create) = &parsed.first().unwrap().statement else {
            unreachable!("a table");
        };
        let data_type = &create.columns.first().unwrap().data_type;
        let carrier = sluice_planner::arrow_type(data_type).unwrap();
        let field = Field::new("a", carrier, true);
        match declared_field(field, data_type) {
            Ok(field) => declared_as(&field).unwrap_or("no mark").to_owned(),
            Err(error) => error.state.code().to_owned(),
        }
    };
    for (sql, expected) in [
        ("TEXT", "no mark"),
        ("UUID", "uuid"),
        ("JSONB", "jsonb"),
        ("VARCHAR", "character varying"),
        ("CHARACTER VARYING(7)", "character varying(7)"),
        ("CHAR", "character(1)"),
        ("CHAR(4)", "character(4)"),
        ("UUID[]", "uuid[]"),
        ("VARCHAR(0)", "22023"),
        ("VARCHAR(10485761)", "22023"),
    ] {
        assert_eq!(of(sql), expected, "{sql}");
    }
}

#[test]
fn what_another_type_carries_is_not_declared_so() {
    let list = DataType::List(Field::new_list_field(DataType::Utf8, true).into());
    for (data_type, mark, declared) in [
        (DataType::Utf8, "uuid", true),
        (DataType::Int32, "character varying(3)", false),
        (list.clone(), "uuid[]", true),
        (list, "uuid", false),
        (DataType::Utf8, "uuid[]", false),
    ] {
        let field = field(mark).with_data_type(data_type);
        assert_eq!(declared_as(&field).is_some(), declared, "{mark}");
    }
}
