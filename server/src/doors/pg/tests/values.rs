//! What values look like to a client.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
        DictionaryArray, DurationMillisecondArray, Float32Array, Float64Array, Int8Array,
        Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, NullArray, StringArray,
        StringViewArray, StructArray, Time64NanosecondArray, TimestampMicrosecondArray,
        TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
    },
    datatypes::{
        DataType, Field, Int32Type, Int64Type, IntervalMonthDayNano, Schema, UInt8Type, i256,
    },
    record_batch::RecordBatch,
};
use bytes::{Buf, BytesMut};
use postgres_types::Type;

use crate::doors::pg::{
    columns::{TYPE, modifier, pg_type},
    encode::{Encoder, Style},
};

/// The values of a one-column batch, one after another; `None` is NULL.
fn encode(array: ArrayRef, format: i16, zone: Option<&str>) -> Vec<Option<Vec<u8>>> {
    let field = Field::new("v", array.data_type().clone(), true);
    encode_field(field, array, format, zone)
}

fn encode_field(
    field: Field,
    array: ArrayRef,
    format: i16,
    zone: Option<&str>,
) -> Vec<Option<Vec<u8>>> {
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array]).unwrap();
    let encoder = Encoder::new(&schema, &[format], Style::new(zone));
    let mut page = encoder.page(&batch).unwrap();
    let mut out = BytesMut::new();
    let mut values = Vec::new();
    while encoder.row(&mut page, &mut out).unwrap() {
        assert_eq!(out.get_u8(), b'D');
        assert_eq!(out.get_i32() as usize, out.len() + 4);
        assert_eq!(out.get_i16(), 1);
        values.push(match out.get_i32() {
            -1 => None,
            length => Some(out.split_to(length as usize).to_vec()),
        });
        assert!(out.is_empty());
    }
    values
}

fn texts_in(array: impl Array + 'static, zone: Option<&str>) -> Vec<String> {
    encode(Arc::new(array), 0, zone)
        .into_iter()
        .map(|value| value.map_or("NULL".into(), |v| String::from_utf8(v).unwrap()))
        .collect()
}

fn texts(array: impl Array + 'static) -> Vec<String> {
    texts_in(array, None)
}

fn binary(array: impl Array + 'static) -> Vec<u8> {
    encode(Arc::new(array), 1, None).remove(0).unwrap()
}

/// `select x::float8` of PostgreSQL 15.
#[test]
fn floats_are_the_shortest_that_read_back() {
    let doubles = [
        (0.1, "0.1"),
        (1.0, "1"),
        (-0.0, "-0"),
        (100_000.0, "100000"),
        (1e14, "100000000000000"),
        (1e15, "1e+15"),
        (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
        (1e20, "1e+20"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (0.00012345, "0.00012345"),
        (1.5e300, "1.5e+300"),
        (5e-324, "5e-324"),
        (123.456, "123.456"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ];
    for (value, text) in doubles {
        assert_eq!(texts(Float64Array::from(vec![value])), [text]);
    }
    let reals = [
        (0.1, "0.1"),
        (123_456.79, "123456.79"),
        (1e5, "100000"),
        (1e6, "1e+06"),
        (3.402_823_5e38, "3.4028235e+38"),
    ];
    for (value, text) in reals {
        assert_eq!(texts(Float32Array::from(vec![value])), [text]);
    }
}

#[test]
fn plain_values() {
    assert_eq!(
        texts(BooleanArray::from(vec![Some(true), Some(false), None])),
        ["t", "f", "NULL"]
    );
    assert_eq!(texts(Int8Array::from(vec![-128])), ["-128"]);
    assert_eq!(
        texts(Int64Array::from(vec![i64::MIN])),
        [i64::MIN.to_string()]
    );
    assert_eq!(
        texts(UInt64Array::from(vec![1 << 62])),
        ["4611686018427387904"]
    );
    assert_eq!(texts(StringViewArray::from(vec!["a", ""])), ["a", ""]);
    assert_eq!(texts(NullArray::new(1)), ["NULL"]);
    assert_eq!(
        texts(BinaryArray::from(vec![&b"\x00\xffa"[..]])),
        ["\\x00ff61"]
    );
    let dictionary: DictionaryArray<UInt8Type> =
        vec![Some("x"), None, Some("x")].into_iter().collect();
    assert_eq!(texts(dictionary), ["x", "NULL", "x"]);
}

#[test]
fn decimals() {
    let decimal = |v: i128, p, s| {
        Decimal128Array::from(vec![v])
            .with_precision_and_scale(p, s)
            .unwrap()
    };
    for (value, precision, scale, text) in [
        (12_340, 10, 3, "12.340"),
        (-1, 10, 4, "-0.0001"),
        (0, 5, 2, "0.00"),
        (7, 5, 0, "7"),
        (7, 5, -2, "700"),
        (i128::from(u64::MAX), 38, 0, "18446744073709551615"),
    ] {
        assert_eq!(texts(decimal(value, precision, scale)), [text]);
    }
    // numeric_send of -12.5, 10000, 0.0001 and 0.00.
    assert_eq!(
        binary(decimal(-1250, 10, 2)),
        b"\0\x02\0\0\x40\0\0\x02\0\x0c\x13\x88"
    );
    assert_eq!(
        binary(decimal(10_000, 10, 0)),
        b"\0\x01\0\x01\0\0\0\0\0\x01"
    );
    assert_eq!(binary(decimal(1, 10, 4)), b"\0\x01\xff\xff\0\0\0\x04\0\x01");
    assert_eq!(binary(decimal(0, 10, 2)), b"\0\0\0\0\0\0\0\x02");
    let long = i256::from_string("-123456789012345678901234567890123456789012345").unwrap();
    let long = Decimal256Array::from(vec![long])
        .with_precision_and_scale(60, 5)
        .unwrap();
    assert_eq!(
        texts(long),
        ["-1234567890123456789012345678901234567890.12345"]
    );
}

#[test]
fn times() {
    assert_eq!(
        texts(Date32Array::from(vec![0, 20_000, -719_529, -141_428])),
        ["1970-01-01", "2024-10-04", "0002-12-31 BC", "1582-10-14"]
    );
    assert_eq!(binary(Date32Array::from(vec![10_958])), b"\0\0\0\x01");
    assert_eq!(
        texts(Time64NanosecondArray::from(vec![3_723_250_000_000])),
        ["01:02:03.25"]
    );
    assert_eq!(
        texts(TimestampSecondArray::from(vec![0])),
        ["1970-01-01 00:00:00"]
    );
    assert_eq!(
        texts(TimestampMillisecondArray::from(vec![-1])),
        ["1969-12-31 23:59:59.999"]
    );
    assert_eq!(
        texts(TimestampNanosecondArray::from(vec![1_000_001_000])),
        ["1970-01-01 00:00:01.000001"]
    );
    let zoned =
        || TimestampMicrosecondArray::from(vec![1_795_366_800_123_000]).with_timezone("UTC");
    assert_eq!(texts(zoned()), ["2026-11-22 17:00:00.123+00"]);
    assert_eq!(
        texts_in(zoned(), Some("Europe/Madrid")),
        ["2026-11-22 18:00:00.123+01"]
    );
    assert_eq!(
        texts_in(zoned(), Some("Asia/Kathmandu")),
        ["2026-11-22 22:45:00.123+05:45"]
    );
    assert_eq!(
        texts_in(zoned(), Some("-03:30")),
        ["2026-11-22 13:30:00.123-03:30"]
    );
    assert_eq!(
        binary(TimestampMicrosecondArray::from(vec![946_684_800_000_001])),
        1_i64.to_be_bytes()
    );
}

#[test]
fn intervals() {
    let shown = |months, days, nanos| {
        let value = IntervalMonthDayNano::new(months, days, nanos);
        texts(IntervalMonthDayNanoArray::from(vec![value])).remove(0)
    };
    assert_eq!(
        shown(14, 3, 14_706_700_000_000),
        "1 year 2 mons 3 days 04:05:06.7"
    );
    assert_eq!(shown(0, 0, 0), "00:00:00");
    assert_eq!(
        shown(-14, 3, -1_000_000_000),
        "-1 years -2 mons +3 days -00:00:01"
    );
    assert_eq!(shown(0, -1, 7_380_000_000_000), "-1 days +02:03:00");
    assert_eq!(shown(0, 0, 360_000_000_000_000), "100:00:00");
    assert_eq!(
        texts(DurationMillisecondArray::from(vec![-1500])),
        ["-00:00:01.5"]
    );
    let value = IntervalMonthDayNano::new(1, 2, 3000);
    assert_eq!(
        binary(IntervalMonthDayNanoArray::from(vec![value])),
        b"\0\0\0\0\0\0\0\x03\0\0\0\x02\0\0\0\x01"
    );
}

#[test]
fn lists() {
    let numbers = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None]),
        Some(vec![]),
        None,
    ]);
    assert_eq!(texts(numbers.clone()), ["{1,NULL}", "{}", "NULL"]);
    assert_eq!(
        binary(numbers.clone()),
        b"\0\0\0\x01\0\0\0\x01\0\0\0\x17\0\0\0\x02\0\0\0\x01\0\0\0\x04\0\0\0\x01\xff\xff\xff\xff"
    );
    // A slice starts in the middle of the values.
    assert_eq!(texts(numbers.slice(1, 2)), ["{}", "NULL"]);
    let field = Field::new_list_field(DataType::Utf8, true);
    let words = StringArray::from(vec![
        Some("a b"),
        Some(""),
        Some("NULL"),
        Some("q\"\\"),
        None,
        Some("x"),
    ]);
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([6]);
    let list = ListArray::new(field.into(), offsets, Arc::new(words), None);
    assert_eq!(texts(list), [r#"{"a b","","NULL","q\"\\",NULL,x}"#]);
    let inner = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1), Some(2)]),
        Some(vec![Some(3), Some(4)]),
    ]);
    let field = Field::new_list_field(inner.data_type().clone(), true);
    let nested = ListArray::new(
        field.into(),
        arrow::buffer::OffsetBuffer::from_lengths([2]),
        Arc::new(inner),
        None,
    );
    assert_eq!(texts(nested.clone()), ["{{1,2},{3,4}}"]);
    assert_eq!(
        binary(nested)[..28],
        *b"\0\0\0\x02\0\0\0\0\0\0\0\x14\0\0\0\x02\0\0\0\x01\0\0\0\x02\0\0\0\x01"
    );
}

#[test]
fn structs_are_json() {
    let a: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    let b: ArrayRef = Arc::new(StringArray::from(vec!["x", "\"y\""]));
    let array = StructArray::from(vec![
        (Arc::new(Field::new("a", DataType::Int32, true)), a),
        (Arc::new(Field::new("b", DataType::Utf8, true)), b),
    ]);
    assert_eq!(
        texts(array),
        [r#"{"a":1,"b":"x"}"#, r#"{"a":null,"b":"\"y\""}"#]
    );
}

#[test]
fn catalog_types() {
    let oid = Field::new("o", DataType::Int32, true)
        .with_metadata([("pg.oid_alias".to_owned(), "oid".to_owned())].into());
    let values: ArrayRef = Arc::new(Int32Array::from(vec![-1]));
    let text = encode_field(oid.clone(), Arc::clone(&values), 0, None);
    assert_eq!(text, [Some(b"4294967295".to_vec())]);
    assert_eq!(encode_field(oid, values, 1, None), [Some(vec![0xff; 4])]);
    let char = Field::new("c", DataType::Utf8, true)
        .with_metadata([("pg.char".to_owned(), "1".to_owned())].into());
    let values: ArrayRef = Arc::new(StringArray::from(vec!["r"]));
    assert_eq!(encode_field(char, values, 1, None), [Some(b"r".to_vec())]);
}

#[test]
fn a_uuid_is_sixteen_bytes_in_binary() {
    let id = Field::new("u", DataType::Utf8, true)
        .with_metadata([(TYPE.to_owned(), "uuid".to_owned())].into());
    let text = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    let values: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let shown = encode_field(id.clone(), Arc::clone(&values), 0, None);
    assert_eq!(shown, [Some(text.as_bytes().to_vec())]);
    let bytes = [
        0xa0, 0xee, 0xbc, 0x99, 0x9c, 0x0b, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38, 0x0a,
        0x11,
    ];
    assert_eq!(encode_field(id, values, 1, None), [Some(bytes.to_vec())]);
}

#[test]
fn a_text_is_told_as_what_it_was_declared_as() {
    let list = DataType::List(Field::new_list_field(DataType::Utf8, true).into());
    for (data_type, mark, pg, modifier_told) in [
        (DataType::Utf8, "uuid", Type::UUID, -1),
        (DataType::Utf8, "jsonb", Type::JSONB, -1),
        (DataType::Utf8, "character varying", Type::VARCHAR, -1),
        (DataType::Utf8, "character varying(3)", Type::VARCHAR, 7),
        (DataType::Utf8, "character(2)", Type::BPCHAR, 6),
        (list.clone(), "uuid[]", Type::UUID_ARRAY, -1),
        (list, "json[]", Type::JSON_ARRAY, -1),
        // A mark that does not fit what carries it says nothing.
        (DataType::Int32, "uuid", Type::INT4, -1),
        (DataType::Int32, "character varying(3)", Type::INT4, -1),
    ] {
        let field = Field::new("a", data_type, true)
            .with_metadata([(TYPE.to_owned(), mark.to_owned())].into());
        assert_eq!((pg_type(&field), modifier(&field)), (pg, modifier_told));
    }
}

#[test]
fn a_record_is_its_fields_in_parentheses() {
    let names: ArrayRef = Arc::new(StringArray::from(vec![
        Some("a"),
        Some("b, \"c\""),
        Some(""),
        None,
    ]));
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3), None]));
    let field = |name: &str, array: &ArrayRef| -> Arc<Field> {
        Field::new(name, array.data_type().clone(), true).into()
    };
    let rows = StructArray::from(vec![
        (field("c0", &numbers), Arc::clone(&numbers)),
        (field("c1", &names), Arc::clone(&names)),
    ]);
    let record = Field::new("r", rows.data_type().clone(), true)
        .with_metadata([(TYPE.to_owned(), "record".to_owned())].into());
    assert_eq!(pg_type(&record), Type::RECORD);
    let rows: ArrayRef = Arc::new(rows);
    let texts = encode_field(record.clone(), Arc::clone(&rows), 0, None);
    let expected = ["(1,a)", "(,\"b, \"\"c\"\"\")", "(3,\"\")", "(,)"];
    assert_eq!(texts, expected.map(|text| Some(text.as_bytes().to_vec())));
    let binary = encode_field(record, rows, 1, None);
    let first = b"\0\0\0\x02\0\0\0\x17\0\0\0\x04\0\0\0\x01\0\0\0\x19\0\0\0\x01a";
    assert_eq!(binary.first(), Some(&Some(first.to_vec())));
}
