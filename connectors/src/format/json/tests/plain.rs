//! A value is read alike wherever it stands: in the middle of a message at one go, at its end by the rules.

use arrow::{
    array::ArrayRef,
    datatypes::{DataType, Field, TimeUnit},
};
use proptest::prelude::*;

use super::{JsonDecoder, JsonOptions, schema};

const TYPES: [DataType; 8] = [
    DataType::Utf8,
    DataType::Float64,
    DataType::Int64,
    DataType::Int32,
    DataType::Timestamp(TimeUnit::Microsecond, None),
    DataType::Timestamp(TimeUnit::Nanosecond, None),
    DataType::Decimal128(12, 3),
    DataType::Boolean,
];

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?",
        "-?[0-9]{1,9}\\.?[0-9]{0,9}",
        "[-+.eE0-9]{1,6}",
        any::<i64>().prop_map(|value| value.to_string()),
        any::<i32>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| value.to_string()),
    ]
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[ -!#-\\[\\]-~]{0,9}",
        1 => Just("\\n".to_owned()),
        1 => Just("\\\"".to_owned()),
        1 => Just("\\ud83d\\ude00".to_owned()),
        1 => Just("\\u0000".to_owned()),
        1 => Just("\\ud83d".to_owned()),
        1 => Just("\\q".to_owned()),
        1 => Just("\u{1}".to_owned()),
        1 => Just("ü€😀".to_owned()),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// Mostly of the minute that the decoder has seen, or nearly.
fn time() -> impl Strategy<Value = String> {
    let day = prop_oneof![
        6 => Just("2026-03-01".to_owned()),
        1 => Just("9999-12-31".to_owned()),
        1 => "(0000|0001|1600|2300)-(00|01|12)-(01|31)",
    ];
    let minute = prop_oneof![8 => Just("22:50".to_owned()), 2 => "(23:59|24:00|22:5[0-9/:]|22.50)"];
    let second = prop_oneof![6 => "[0-5][0-9]", 1 => "(60|61|6|/0|0:)"];
    let fraction =
        prop_oneof![6 => "\\.[0-9]{3}", 1 => "(\\.[0-9]{0,10}|,123|\\.12x|\\.1:3|\\./12)"];
    let zone = prop_oneof![6 => Just("Z".to_owned()), 2 => "(|z| UTC|[+]02:00|Zz)"];
    (day, "[T t_]", minute, ":?", second, fraction, zone).prop_map(
        |(day, t, minute, colon, second, fraction, zone)| {
            format!("\"{day}{t}{minute}{colon}{second}{fraction}{zone}\"")
        },
    )
}

/// The value that a message ends up with, or why it is refused.
fn read(data_type: &DataType, value: &str, behind: &str) -> Result<ArrayRef, String> {
    let schema = schema(vec![Field::new("v", data_type.clone(), true)]);
    let mut decoder = JsonDecoder::new(&schema, &JsonOptions::default()).unwrap();
    if matches!(data_type, DataType::Timestamp(..)) {
        let first = format!("{{\"v\":\"2026-03-01T22:50:00.000Z\"{behind}}}");
        decoder.push(first.as_bytes()).unwrap();
    }
    decoder.push(format!("{{\"v\":{value}{behind}}}").as_bytes())?;
    Ok(decoder.finish().unwrap().column(0).clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_value_in_the_middle_is_the_same_at_the_end(
        value in prop_oneof![number(), string(), time(), Just("null".to_owned()), Just("true".to_owned())],
    ) {
        for data_type in &TYPES {
            let middle = read(data_type, &value, ",\"x\":\"as long as any window\"");
            let end = read(data_type, &value, "");
            let middle = middle.map_err(|error| error.replace("found ','", "found '}'"));
            prop_assert_eq!(middle, end, "{} as {}", value, data_type);
        }
    }
}
