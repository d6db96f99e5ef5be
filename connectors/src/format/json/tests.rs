//! What JSON becomes, what is refused and how that is said; arrow-json and serde_json as references.
#![expect(clippy::unwrap_used, reason = "tests")]

mod differential;
mod nulls;
mod order;
mod plain;
mod types;

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int16Type,
        Int32Type, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
    },
    util::pretty::pretty_format_batches,
};

use super::{JsonDecoder, JsonOptions, TimestampUnit};

fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

fn one(data_type: DataType) -> JsonDecoder {
    let schema = schema(vec![Field::new("v", data_type, true)]);
    JsonDecoder::new(&schema, &JsonOptions::default()).unwrap()
}

/// The metrics events of the main job.
fn events() -> SchemaRef {
    schema(vec![
        Field::new(
            "timestamp",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
        Field::new("event_type", DataType::Utf8, true),
        Field::new("user_segment", DataType::Utf8, true),
        Field::new("value", DataType::Float64, true),
    ])
}

fn refused(decoder: &mut JsonDecoder, payload: &[u8]) -> String {
    let rows = decoder.rows();
    let error = decoder.push(payload).unwrap_err();
    assert_eq!(decoder.rows(), rows, "a bad message left a row: {error}");
    error
}

/// Pushes `{"v": …}` and says whether it was taken.
fn takes(data_type: &DataType, value: &str) -> Result<(), String> {
    one(data_type.clone()).push(format!("{{\"v\":{value}}}").as_bytes())
}

const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

fn micros(value: &str) -> i64 {
    micros_in(value, TimestampUnit::Milliseconds)
}

fn micros_in(value: &str, timestamp_unit: TimestampUnit) -> i64 {
    let schema = schema(vec![Field::new("v", MICROS, true)]);
    let mut decoder = JsonDecoder::new(
        &schema,
        &JsonOptions {
            timestamp_unit,
            ..JsonOptions::default()
        },
    )
    .unwrap();
    decoder
        .push(format!("{{\"v\":{value}}}").as_bytes())
        .unwrap();
    let batch = decoder.finish().unwrap();
    batch
        .column(0)
        .as_primitive::<TimestampMicrosecondType>()
        .value(0)
}

#[test]
fn events_become_rows() {
    let mut decoder = JsonDecoder::new(&events(), &JsonOptions::default()).unwrap();
    for payload in [
        r#"{"timestamp":"2026-01-02T03:04:05.678Z","event_type":"click","user_segment":"free","value":1.5}"#,
        r#"{"timestamp":"2026-01-02 03:04:06","event_type":"view","user_segment":"pro","value":2}"#,
        // Another order, spaces, unknown fields, escapes.
        r#" { "value" : -3e2 , "x":{"y":[1,{"z":null}]}, "event_type":"a\"\u00e9\ud83d\ude00\n", "timestamp":1767323045678 } "#,
        "{}",
    ] {
        decoder.push(payload.as_bytes()).unwrap();
    }
    let batch = decoder.finish().unwrap();
    let shown = pretty_format_batches(&[batch]).unwrap().to_string();
    let lines: Vec<String> = shown
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert!(lines[3].contains("2026-01-02T03:04:05.678Z | click | free | 1.5"));
    assert!(lines[4].contains("2026-01-02T03:04:06Z | view | pro | 2.0"));
    assert!(shown.contains("a\"é😀"));
    assert!(shown.contains("-300.0"));
    assert_eq!(decoder.rows(), 0);
    // The decoder goes on after a batch.
    decoder.push(br#"{"value":7}"#).unwrap();
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.column(3).as_primitive::<Float64Type>().value(0), 7.0);
}

#[test]
fn a_bad_message_costs_exactly_itself() {
    let mut decoder = JsonDecoder::new(&events(), &JsonOptions::default()).unwrap();
    let bad: &[(&[u8], &str)] = &[
        (b"", "the payload is empty at byte 0"),
        (
            b"   ",
            "expected a JSON object, found the end of the message at byte 3",
        ),
        (b"null", "expected a JSON object, found null at byte 0"),
        (b"[1]", "expected a JSON object, found an array at byte 0"),
        (b"12", "expected a JSON object, found a number at byte 0"),
        (b"nonsense", "expected a JSON object, found 'n' at byte 0"),
        (
            b"\xef\xbb\xbf{}",
            "a byte order mark, which JSON does not have at byte 0",
        ),
        (b"{\"event_type\":\"\xff\"}", "invalid UTF-8 at byte 15"),
        (
            b"{\"event_type\":\"a\0b\"}",
            "field \"event_type\": control character 0x00 in a string at byte 16",
        ),
        (
            b"{\"event_type\":\"a\\u0000b\"}",
            "field \"event_type\": \\u0000 in a string: TEXT cannot hold it at byte 15",
        ),
        (
            b"{\"event_type\":\"a",
            "field \"event_type\": a string has no closing quote at byte 14",
        ),
        (
            b"{\"event_type\":\"\\x\"}",
            "field \"event_type\": unknown escape sequence in a string at byte 15",
        ),
        (
            b"{\"event_type\":\"\\ud83d\"}",
            "field \"event_type\": half a surrogate pair in a string at byte 15",
        ),
        (
            b"{\"event_type\":\"\\u12g4\"}",
            "field \"event_type\": \\u without four hexadecimal digits at byte 15",
        ),
        (
            b"{\"value\":1}{\"value\":2}",
            "expected the end of the message after one object, found an object at byte 11",
        ),
        (
            b"{\"value\":1} x",
            "expected the end of the message after one object, found 'x' at byte 12",
        ),
        (
            b"{\"value\":1",
            "expected ',' or '}', found the end of the message at byte 10",
        ),
        (
            b"{\"value\":1,}",
            "expected a field name in quotes, found '}' at byte 11",
        ),
        (
            b"{\"value\":1 \"x\":2}",
            "expected ',' or '}', found a string at byte 11",
        ),
        (
            b"{value:1}",
            "expected a field name in quotes, found 'v' at byte 1",
        ),
        (
            b"{\"value\" 1}",
            "expected ':' after a field name, found a number at byte 9",
        ),
        (
            b"{\"value\":}",
            "field \"value\": expected a number, found '}' at byte 9",
        ),
        (
            b"{\"value\":\"abc\"}",
            "field \"value\": 'abc' is not a number within DOUBLE PRECISION at byte 9",
        ),
        (
            b"{\"value\":{\"a\":1}}",
            "field \"value\": expected a number, found an object at byte 9",
        ),
        (
            b"{\"value\":true}",
            "field \"value\": expected a number, found a boolean at byte 9",
        ),
        (
            b"{\"value\":1e400}",
            "field \"value\": '1e400' is not a number within DOUBLE PRECISION at byte 9",
        ),
        (
            b"{\"value\":01}",
            "field \"value\": a number has a leading zero at byte 9",
        ),
        (
            b"{\"value\":1.}",
            "field \"value\": expected a digit after the decimal point, found '}' at byte 11",
        ),
        (
            b"{\"value\":-}",
            "field \"value\": expected a digit, found '}' at byte 10",
        ),
        (
            b"{\"value\":NaN}",
            "field \"value\": expected a number, found 'N' at byte 9",
        ),
        (
            b"{\"event_type\":5}",
            "field \"event_type\": expected a string, found a number at byte 14",
        ),
        (
            b"{\"timestamp\":\"yesterday\"}",
            "field \"timestamp\": 'yesterday' is not a timestamp of the years 1 to 9999 at byte 13",
        ),
        (
            b"{\"timestamp\":1e30}",
            "field \"timestamp\": '1e30' is not a time of the years 1 to 9999 in milliseconds since 1970 (option timestamp_unit) at byte 13",
        ),
        (b"{\"x\":tru}", "expected a value, found 't' at byte 5"),
        (
            b"{\"x\":[1 2]}",
            "expected ',' or ']', found a number at byte 8",
        ),
    ];
    for (index, (payload, expected)) in bad.iter().enumerate() {
        let good = format!("{{\"event_type\":\"good {index}\",\"value\":{index}}}");
        decoder.push(good.as_bytes()).unwrap();
        // A good prefix must not survive either.
        assert_eq!(refused(&mut decoder, payload), *expected);
    }
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.num_rows(), bad.len());
    for row in 0..bad.len() {
        let (text, value) = (batch.column(1).as_string::<i32>(), batch.column(3));
        assert_eq!(text.value(row), format!("good {row}"));
        assert_eq!(value.as_primitive::<Float64Type>().value(row), row as f64);
        assert!(batch.column(0).is_null(row));
    }
}

#[test]
fn depth_costs_no_stack() {
    let mut decoder = JsonDecoder::new(&events(), &JsonOptions::default()).unwrap();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        let unknown = format!("{{\"x\":{deep}}}");
        let error = refused(&mut decoder, unknown.as_bytes());
        assert!(
            error.starts_with("nested deeper than 512 levels"),
            "{error}"
        );
        let wrong_type = format!("{{\"value\":{deep}}}");
        let error = refused(&mut decoder, wrong_type.as_bytes());
        assert!(
            error.starts_with("field \"value\": expected a number"),
            "{error}"
        );
    }
    // Five million brackets, never closed.
    let endless = format!("{{\"x\":{}", "[".repeat(5_000_000));
    refused(&mut decoder, endless.as_bytes());
    let fine = format!("{{\"x\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    decoder.push(fine.as_bytes()).unwrap();
}

#[test]
fn ten_megabytes_are_a_message_like_any_other() {
    let mut decoder = JsonDecoder::new(&events(), &JsonOptions::default()).unwrap();
    let long = "x".repeat(10 << 20);
    decoder
        .push(format!("{{\"event_type\":\"{long}\"}}").as_bytes())
        .unwrap();
    refused(
        &mut decoder,
        format!("{{\"event_type\":\"{long}").as_bytes(),
    );
    decoder.push(b"{}").unwrap();
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.num_rows(), 2);
    assert_eq!(batch.column(1).as_string::<i32>().value(0).len(), 10 << 20);
}

#[test]
fn integers_are_exact() {
    let cases = [
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("1.0", Some(1)),
        ("12e2", Some(1200)),
        ("1200e-2", Some(12)),
        ("1.5", None),
        ("1e-1", None),
        ("1e99999999999", None),
        ("0e99999999999", Some(0)),
        ("\"42\"", Some(42)),
        ("\"4 2\"", None),
        ("\"\"", None),
        ("123456789012345678901234567890", None),
        ("1000000000000000000000000000000e-30", Some(1)),
    ];
    for (text, expected) in cases {
        let mut decoder = one(DataType::Int64);
        let taken = decoder.push(format!("{{\"v\":{text}}}").as_bytes());
        assert_eq!(taken.is_ok(), expected.is_some(), "{text}: {taken:?}");
        if let Some(expected) = expected {
            let batch = decoder.finish().unwrap();
            let value = batch.column(0).as_primitive::<Int64Type>().value(0);
            assert_eq!(value, expected, "{text}");
        }
    }
    assert!(takes(&DataType::Int16, "32767").is_ok());
    assert!(takes(&DataType::Int16, "32768").is_err());
    assert!(takes(&DataType::Int32, "-2147483648").is_ok());
    assert!(takes(&DataType::Int32, "2147483648").is_err());
}

#[test]
fn floats_round_as_the_standard_says() {
    for text in [
        "0.1",
        "-0.0",
        "1e22",
        "1e23",
        "123456789012345678",
        "5e-324",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        "9007199254740993",
        "0.30000000000000004",
        "1e-400",
        "3.14159",
    ] {
        let mut decoder = one(DataType::Float64);
        decoder
            .push(format!("{{\"v\":{text}}}").as_bytes())
            .unwrap();
        let batch = decoder.finish().unwrap();
        let value = batch.column(0).as_primitive::<Float64Type>().value(0);
        let expected: f64 = text.parse().unwrap();
        assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
    }
    assert!(takes(&DataType::Float32, "3.4e38").is_ok());
    assert!(takes(&DataType::Float32, "3.5e38").is_err());
    // Once rounded, not twice: through a double this would give the neighbour.
    let mut decoder = one(DataType::Float32);
    decoder
        .push(br#"{"v":1.00000017881393432617187499}"#)
        .unwrap();
    let batch = decoder.finish().unwrap();
    let value = batch.column(0).as_primitive::<Float32Type>().value(0);
    assert_eq!(
        value,
        "1.00000017881393432617187499".parse::<f32>().unwrap()
    );
    assert!(takes(&DataType::Float64, "\"-Infinity\"").is_ok());
    assert!(takes(&DataType::Float64, "\"infinite\"").is_err());
}

#[test]
fn decimals_never_pass_through_floats() {
    let cases = [
        ("1.005", Some(101_i128)),
        ("-1.005", Some(-101)),
        ("1.0049999", Some(100)),
        ("\"12345678901234.56\"", Some(1_234_567_890_123_456)),
        ("0.1e1", Some(100)),
        ("1e16", None),
        ("9999999999999999.99", Some(999_999_999_999_999_999)),
        ("9999999999999999.999", None),
        ("1e-300", Some(0)),
        (
            "0.00500000000000000000000000000000000000000000000001",
            Some(1),
        ),
    ];
    for (text, expected) in cases {
        let mut decoder = one(DataType::Decimal128(18, 2));
        let taken = decoder.push(format!("{{\"v\":{text}}}").as_bytes());
        assert_eq!(taken.is_ok(), expected.is_some(), "{text}: {taken:?}");
        if let Some(expected) = expected {
            let batch = decoder.finish().unwrap();
            let value = batch.column(0).as_primitive::<Decimal128Type>().value(0);
            assert_eq!(value, expected, "{text}");
        }
    }
}

#[test]
fn timestamps_in_all_their_forms() {
    let day = 86_400_000_000_i64;
    assert_eq!(micros("\"1970-01-01\""), 0);
    assert_eq!(micros("\"1970-01-02T00:00:00Z\""), day);
    assert_eq!(micros("\"1970-01-01 02:00:00+02:00\""), 0);
    assert_eq!(micros("\"1970-01-01T02:00:00+0200\""), 0);
    assert_eq!(micros("\"1969-12-31T23:00:00-01\""), 0);
    assert_eq!(micros("\"1970-01-01T00:00:00.123456789 UTC\""), 123_456);
    assert_eq!(micros("\"1970-01-01T00:00\""), 0);
    assert_eq!(micros("\"1970-01-01T00:00:00.1\""), 100_000);
    assert_eq!(micros("\"2000-02-29T23:59:60Z\""), micros("\"2000-03-01\""));
    assert_eq!(micros("\"0001-01-01\""), -719_162 * day);
    assert_eq!(
        micros("\"9999-12-31T23:59:59.999999Z\""),
        2_932_897 * day - 1
    );
    for bad in [
        "\"0000-12-31\"",
        "\"10000-01-01\"",
        "\"2023-02-29\"",
        "\"2023-13-01\"",
        "\"2023-00-10\"",
        "\"2023-01-32\"",
        "\"2023-01-01T24:00:00\"",
        "\"2023-01-01T00:60:00\"",
        "\"2023-01-01T00:00:61\"",
        "\"2023-01-01T00:00:00.\"",
        "\"2023-01-01T00:00:00+25:00\"",
        "\"2023-01-01x\"",
        "\"2023-01-01T\"",
        "\"12:00\"",
        "\"\"",
        "true",
        "\"1700000000000\"",
        "\"0001-01-01T00:00:00+01:00\"",
    ] {
        assert!(takes(&MICROS, bad).is_err(), "{bad}");
    }
}

#[test]
fn numbers_are_times_in_the_chosen_unit() {
    assert_eq!(micros("1700000000123"), 1_700_000_000_123_000);
    assert_eq!(micros("-1"), -1000);
    assert_eq!(micros("0"), 0);
    assert_eq!(micros("1.5"), 1500);
    assert_eq!(
        micros_in("1700000000.123", TimestampUnit::Seconds),
        1_700_000_000_123_000
    );
    assert_eq!(micros_in("17", TimestampUnit::Microseconds), 17);
    assert_eq!(micros_in("1999", TimestampUnit::Nanoseconds), 1);
    assert_eq!(micros_in("-1", TimestampUnit::Nanoseconds), -1);
    // Microseconds and nanoseconds taken for milliseconds are seen, not believed.
    assert!(takes(&MICROS, "1700000000123000").is_err());
    assert!(takes(&MICROS, "1700000000123000000").is_err());
    // A column of nanoseconds reaches less far.
    let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
    assert!(takes(&nanos, "\"2262-01-01\"").is_ok());
    assert!(takes(&nanos, "\"2263-01-01\"").is_err());
}

#[test]
fn dates_booleans_and_bytes() {
    let mut decoder = one(DataType::Date32);
    decoder.push(br#"{"v":"1970-01-31"}"#).unwrap();
    assert_eq!(
        decoder
            .finish()
            .unwrap()
            .column(0)
            .as_primitive::<Date32Type>()
            .value(0),
        30
    );
    assert!(takes(&DataType::Date32, "30").is_err());
    assert!(takes(&DataType::Boolean, "true").is_ok());
    assert!(takes(&DataType::Boolean, "1").is_err());
    let mut decoder = one(DataType::Binary);
    for text in ["aGk=", "aGk", "", "/+8="] {
        decoder
            .push(format!("{{\"v\":\"{text}\"}}").as_bytes())
            .unwrap();
    }
    assert!(decoder.push(br#"{"v":"a-_b"}"#).is_err());
    let batch = decoder.finish().unwrap();
    let bytes = batch.column(0).as_binary::<i32>();
    assert_eq!(bytes.value(0), b"hi");
    assert_eq!(bytes.value(1), b"hi");
    assert_eq!(bytes.value(2), b"");
    assert_eq!(bytes.value(3), [0xff, 0xef]);
}

#[test]
fn nested_values_and_their_nulls() {
    let point = DataType::Struct(
        vec![
            Field::new("x", DataType::Int32, false),
            Field::new("names", DataType::new_list(DataType::Utf8, true), true),
        ]
        .into(),
    );
    let schema = schema(vec![
        Field::new("p", point, true),
        Field::new("after", DataType::Int32, true),
    ]);
    let mut decoder = JsonDecoder::new(&schema, &JsonOptions::default()).unwrap();
    decoder
        .push(br#"{"p":{"x":1,"names":["a",null,"b"]},"after":1}"#)
        .unwrap();
    decoder.push(br#"{"p":null,"after":2}"#).unwrap();
    let error = refused(
        &mut decoder,
        br#"{"after":3,"p":{"names":["c","d"],"x":"no"}}"#,
    );
    assert_eq!(
        error,
        "field \"p.x\": 'no' is not a whole number of type INTEGER at byte 38"
    );
    let error = refused(&mut decoder, br#"{"p":{"names":["c"]}}"#);
    assert_eq!(
        error,
        "field \"p.x\": missing, and the column is NOT NULL at byte 20"
    );
    decoder.push(br#"{"p":{"x":4,"names":[]}}"#).unwrap();
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.num_rows(), 3);
    let point = batch.column(0).as_struct();
    assert!(point.is_null(1));
    let names = point.column(1).as_list::<i32>();
    assert_eq!(
        names.value(0).as_string::<i32>().iter().collect::<Vec<_>>(),
        [Some("a"), None, Some("b")]
    );
    assert_eq!(names.value(2).len(), 0);
    assert_eq!(point.column(0).as_primitive::<Int32Type>().value(2), 4);
}

#[test]
fn not_null_is_kept() {
    let schema = schema(vec![Field::new("v", DataType::Int16, false)]);
    let mut decoder = JsonDecoder::new(&schema, &JsonOptions::default()).unwrap();
    assert_eq!(
        refused(&mut decoder, b"{}"),
        "field \"v\": missing, and the column is NOT NULL at byte 2"
    );
    assert_eq!(
        refused(&mut decoder, br#"{"v":null}"#),
        "field \"v\": null in a NOT NULL column at byte 5"
    );
    decoder.push(br#"{"v":1}"#).unwrap();
    assert_eq!(
        decoder
            .finish()
            .unwrap()
            .column(0)
            .as_primitive::<Int16Type>()
            .value(0),
        1
    );
}

#[test]
fn names_are_exact_and_the_last_of_two_counts() {
    let mut decoder = one(DataType::Int32);
    for payload in [
        r#"{"V":1}"#,
        r#"{"v":1,"v":2}"#,
        r#"{"\u0076":3}"#,
        r#"{"v":4,"v":null}"#,
    ] {
        decoder.push(payload.as_bytes()).unwrap();
    }
    let batch = decoder.finish().unwrap();
    let values: Vec<_> = batch.column(0).as_primitive::<Int32Type>().iter().collect();
    assert_eq!(values, [None, Some(2), Some(3), None]);
}

#[test]
fn raw_json_text_is_kept_as_written() {
    let metadata = [("sluice.type".to_owned(), "json".to_owned())].into();
    let field = Field::new("v", DataType::Utf8, true).with_metadata(metadata);
    let mut decoder = JsonDecoder::new(&schema(vec![field]), &JsonOptions::default()).unwrap();
    for payload in [
        r#"{"v": {"a" : [1, "x\n"]} }"#,
        r#"{"v":"s"}"#,
        r#"{"v":null}"#,
    ] {
        decoder.push(payload.as_bytes()).unwrap();
    }
    refused(&mut decoder, br#"{"v":{"a":}}"#);
    let batch = decoder.finish().unwrap();
    let texts: Vec<_> = batch.column(0).as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some(r#"{"a" : [1, "x\n"]}"#), Some("\"s\""), None]);
}

#[test]
fn what_is_bad_does_not_depend_on_the_columns_wanted() {
    let schema = events();
    let payloads: [&[u8]; 4] = [
        br#"{"event_type":"a","value":"wrong"}"#,
        br#"{"event_type":"b","value":1}"#,
        br#"{"event_type":7,"value":1}"#,
        br#"{"timestamp":"never","event_type":"c"}"#,
    ];
    let verdicts = |wanted: &[usize]| {
        let mut decoder = JsonDecoder::projected(&schema, wanted, &JsonOptions::default()).unwrap();
        let verdicts: Vec<_> = payloads
            .iter()
            .map(|payload| decoder.push(payload))
            .collect();
        let batch = decoder.finish().unwrap();
        assert_eq!(batch.num_rows(), 1);
        assert_eq!(batch.num_columns(), wanted.len());
        verdicts
    };
    let all = verdicts(&[0, 1, 2, 3]);
    for wanted in [&[][..], &[3], &[1], &[3, 1], &[2, 0]] {
        assert_eq!(verdicts(wanted), all, "{wanted:?}");
    }
}

#[test]
fn view_types_are_given_as_declared() {
    let schema = schema(vec![
        Field::new("t", DataType::Utf8View, true),
        Field::new("b", DataType::BinaryView, true),
    ]);
    let mut decoder = JsonDecoder::new(&schema, &JsonOptions::default()).unwrap();
    decoder
        .push(br#"{"t":"a long enough text to be out of line","b":"aGk="}"#)
        .unwrap();
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.schema(), schema);
    assert_eq!(batch.column(1).as_binary_view().value(0), b"hi");
}

#[test]
fn a_column_json_cannot_fill_is_refused() {
    let schema = schema(vec![Field::new(
        "i",
        DataType::Duration(TimeUnit::Second),
        true,
    )]);
    let error = JsonDecoder::new(&schema, &JsonOptions::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("column \"i\" of type Duration"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("TEXT"));
}

#[test]
fn a_writer_without_an_order_is_read_right() {
    let mut decoder = JsonDecoder::new(&events(), &JsonOptions::default()).unwrap();
    let fields = [
        "\"event_type\":\"e\"",
        "\"user_segment\":\"s\"",
        "\"value\":1",
        "\"other\":2",
    ];
    for turn in 0..3000 {
        let mut order = fields;
        order.rotate_left(turn % 4);
        if turn % 7 == 0 {
            order.swap(0, 2);
        }
        decoder
            .push(format!("{{{}}}", order.join(",")).as_bytes())
            .unwrap();
    }
    let batch = decoder.finish().unwrap();
    assert!(
        batch
            .column(1)
            .as_string::<i32>()
            .iter()
            .all(|text| text == Some("e"))
    );
    assert!(
        batch
            .column(2)
            .as_string::<i32>()
            .iter()
            .all(|text| text == Some("s"))
    );
    assert!(
        batch
            .column(3)
            .as_primitive::<Float64Type>()
            .iter()
            .all(|value| value == Some(1.0))
    );
}
