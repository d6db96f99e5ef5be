//! Every type in binary, as a parameter and as a result: the bytes that PostgreSQL's `*_send` functions write go in and come back.

use std::error::Error;

use bytes::BytesMut;
use sluice_tests::{
    pg::{Pg, block_on},
    server::Server,
};
use tokio_postgres::{
    error::SqlState,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};

/// Bytes as they are, of whatever type.
#[derive(Clone, Debug, PartialEq)]
struct Raw(Vec<u8>);

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A list of one dimension, with elements of which some are NULL.
fn list(element: &Type, elements: &[Option<&[u8]>]) -> Vec<u8> {
    let has_null = i32::from(elements.contains(&None));
    let mut bytes = Vec::new();
    bytes.extend(1_i32.to_be_bytes());
    bytes.extend(has_null.to_be_bytes());
    bytes.extend(element.oid().to_be_bytes());
    bytes.extend((elements.len() as i32).to_be_bytes());
    bytes.extend(1_i32.to_be_bytes());
    for element in elements {
        match element {
            Some(element) => {
                bytes.extend((element.len() as i32).to_be_bytes());
                bytes.extend_from_slice(element);
            }
            None => bytes.extend((-1_i32).to_be_bytes()),
        }
    }
    bytes
}

const UUID: &[u8] = b"\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11";
/// -12.50.
const NUMERIC: &[u8] = b"\0\x02\0\0\x40\0\0\x02\0\x0c\x13\x88";
/// 2026-01-31 12:00:00.123456, in microseconds since 2000.
const MOMENT: i64 = 823_176_000_123_456;

/// Types by name, and a value of each.
fn values() -> Vec<(&'static str, Type, Vec<u8>)> {
    let interval = [
        &5_i64.to_be_bytes()[..],
        &3_i32.to_be_bytes(),
        &14_i32.to_be_bytes(),
    ]
    .concat();
    let moment = MOMENT.to_be_bytes();
    let numbers = [1_i32.to_be_bytes(), (-7_i32).to_be_bytes()];
    let large = i64::MAX.to_be_bytes();
    vec![
        ("boolean", Type::BOOL, vec![1]),
        ("smallint", Type::INT2, (-7_i16).to_be_bytes().into()),
        ("int", Type::INT4, i32::MIN.to_be_bytes().into()),
        ("bigint", Type::INT8, large.into()),
        ("real", Type::FLOAT4, 1.5_f32.to_be_bytes().into()),
        (
            "double precision",
            Type::FLOAT8,
            (-2.25_f64).to_be_bytes().into(),
        ),
        // Without a precision it would have ten places.
        ("numeric(10, 2)", Type::NUMERIC, NUMERIC.into()),
        ("text", Type::TEXT, "hé".into()),
        ("bytea", Type::BYTEA, b"\x00\xffa".to_vec()),
        ("date", Type::DATE, 9_527_i32.to_be_bytes().into()),
        ("time", Type::TIME, 3_723_250_000_i64.to_be_bytes().into()),
        ("timestamp", Type::TIMESTAMP, moment.into()),
        ("timestamptz", Type::TIMESTAMPTZ, moment.into()),
        ("interval", Type::INTERVAL, interval),
        ("uuid", Type::UUID, UUID.into()),
        ("json", Type::JSON, br#"{"b":1,  "a":2}"#.to_vec()),
        ("jsonb", Type::JSONB, b"\x01{\"a\": 1, \"b\": [2]}".to_vec()),
        (
            "int[]",
            Type::INT4_ARRAY,
            list(
                &Type::INT4,
                &[Some(&numbers[0][..]), None, Some(&numbers[1][..])],
            ),
        ),
        (
            "bigint[]",
            Type::INT8_ARRAY,
            list(&Type::INT8, &[Some(&large[..])]),
        ),
        (
            "text[]",
            Type::TEXT_ARRAY,
            list(&Type::TEXT, &[Some(&b"a b"[..]), Some(&b""[..]), None]),
        ),
        (
            "uuid[]",
            Type::UUID_ARRAY,
            list(&Type::UUID, &[Some(UUID), None]),
        ),
        (
            "timestamptz[]",
            Type::TIMESTAMPTZ_ARRAY,
            list(&Type::TIMESTAMPTZ, &[Some(&moment[..]), None]),
        ),
    ]
}

/// What a statement of one row and one column answers, in binary.
fn answer(pg: &Pg, sql: &str, given: &Type, value: Option<&Raw>) -> (Type, Option<Raw>) {
    let typed = pg.client().prepare_typed(sql, std::slice::from_ref(given));
    let statement = block_on(typed).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let row = block_on(pg.client().query_one(&statement, &[&value]));
    let row = row.unwrap_or_else(|e| panic!("{sql} with {value:?}: {e}"));
    (statement.columns()[0].type_().clone(), row.get(0))
}

#[test]
fn every_type_goes_in_and_comes_back_in_binary() {
    let server = Server::start();
    let pg = server.connect();
    for (name, pg_type, bytes) in values() {
        let sql = format!("SELECT $1::{name} AS v");
        let value = Raw(bytes);
        let back = answer(&pg, &sql, &pg_type, Some(&value));
        assert_eq!(back, (pg_type.clone(), Some(value)), "{name}");
        let back = answer(&pg, &sql, &pg_type, None);
        assert_eq!(back, (pg_type, None), "{name}: NULL");
    }
}

/// Through a table's column, for types that a table has.
#[test]
fn every_type_is_kept_in_a_table_in_binary() {
    let server = Server::start();
    let pg = server.connect();
    let values = values();
    let kept = |name: &str| !["time", "interval"].contains(&name);
    for (at, (name, pg_type, bytes)) in values.into_iter().enumerate() {
        if !kept(name) {
            continue;
        }
        pg.run(&format!("CREATE TABLE kept_{at} (v {name})"));
        let value = Raw(bytes);
        for given in [Some(&value), None] {
            let sql = format!("INSERT INTO kept_{at} VALUES ($1)");
            let types = std::slice::from_ref(&pg_type);
            let statement = block_on(pg.client().prepare_typed(&sql, types));
            let statement = statement.unwrap_or_else(|e| panic!("{name}: {e}"));
            let done = block_on(pg.client().execute(&statement, &[&given]));
            assert_eq!(done.unwrap_or_else(|e| panic!("{name}: {e}")), 1, "{name}");
        }
        let sql = format!("SELECT v FROM kept_{at} ORDER BY v IS NULL");
        let rows = block_on(pg.client().query(sql.as_str(), &[]));
        let rows = rows.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(*rows[0].columns()[0].type_(), pg_type, "{name}");
        let back: Vec<Option<Raw>> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(back, [Some(value), None], "{name}");
    }
}

#[test]
fn wrong_sizes_are_refused_and_the_connection_goes_on() {
    let server = Server::start();
    let pg = server.connect();
    for (name, pg_type, bytes) in values() {
        // Bytes and texts have any size.
        if ["text", "bytea", "json", "jsonb"].contains(&name) {
            continue;
        }
        let sql = format!("SELECT $1::{name} AS v");
        let types = std::slice::from_ref(&pg_type);
        let statement = block_on(pg.client().prepare_typed(&sql, types)).unwrap();
        let short = bytes[..bytes.len() - 1].to_vec();
        let long = [&bytes[..], b"\0"].concat();
        for wrong in [short, long] {
            let refused = block_on(pg.client().query(&statement, &[&Raw(wrong.clone())]));
            let refused = refused.err().and_then(|error| error.code().cloned());
            let expected = Some(SqlState::INVALID_BINARY_REPRESENTATION);
            assert_eq!(refused, expected, "{name}: {wrong:?}");
        }
        assert_eq!(pg.value("SELECT 1"), "1", "{name}");
    }
}
