//! The decoder against arrow-json on what both accept, and against serde_json on what is JSON at all.

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::super::{JsonDecoder, JsonOptions};

fn map() -> DataType {
    let pair = vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Float64, true),
    ];
    let entries = Field::new("entries", DataType::Struct(pair.into()), false);
    DataType::Map(Arc::new(entries), false)
}

fn schema() -> SchemaRef {
    let inner = DataType::Struct(
        vec![
            Field::new("x", DataType::Float64, true),
            Field::new("y", DataType::Utf8, true),
        ]
        .into(),
    );
    Arc::new(Schema::new(vec![
        Field::new("flag", DataType::Boolean, true),
        Field::new("count", DataType::Int64, true),
        Field::new("value", DataType::Float64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("inner", inner, true),
        Field::new("list", DataType::new_list(DataType::Int64, true), true),
        Field::new("map", map(), true),
    ]))
}

/// A JSON string; control characters and some others are escaped in ways that serde_json would not choose.
fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            4 => "[ -~]".prop_map(|char| match char.as_str() {
                "\"" => "\\\"".to_owned(),
                "\\" => "\\\\".to_owned(),
                _ => char,
            }),
            1 => Just("\\n".to_owned()),
            1 => Just("\\/".to_owned()),
            1 => Just("\\u00e9".to_owned()),
            1 => Just("\\ud83d\\ude00".to_owned()),
            1 => Just("ü€😀".to_owned()),
        ],
        0..20,
    )
    .prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn float() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>()
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(|value| format!("{value:e}")),
        (any::<i32>(), 0_u32..100_000).prop_map(|(whole, part)| format!("{whole}.{part}")),
        any::<i64>().prop_map(|value| value.to_string()),
    ]
}

fn or_null(value: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    prop_oneof![5 => value, 1 => Just("null".to_owned())].boxed()
}

/// A value for each column, and one that no column has.
fn member() -> impl Strategy<Value = String> {
    let integer = || any::<i64>().prop_map(|value| value.to_string());
    let inner = prop::collection::vec(
        prop_oneof![
            or_null(float()).prop_map(|value| format!("\"x\": {value}")),
            or_null(text()).prop_map(|value| format!("\"y\":{value}")),
            float().prop_map(|value| format!("\"z\":[{value},{{}}]")),
        ],
        0..4,
    )
    .prop_map(|members| format!("{{{}}}", members.join(" , ")));
    let list = prop::collection::vec(or_null(integer()), 0..4)
        .prop_map(|items| format!("[{}]", items.join(",")));
    // Of two equal keys arrow-json keeps both, so there are none.
    let map = prop::collection::vec(or_null(float()), 0..20).prop_map(|values| {
        let entries: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(n, value)| format!("\"\\u006b{n}\" :{value}"))
            .collect();
        format!("{{{}}}", entries.join(" ,"))
    });
    prop_oneof![
        or_null(map).prop_map(|value| format!("\"map\":{value}")),
        or_null(any::<bool>().prop_map(|value| value.to_string()))
            .prop_map(|value| format!("\"flag\":{value}")),
        or_null(integer()).prop_map(|value| format!("\"count\":{value}")),
        or_null(float()).prop_map(|value| format!("\"value\": {value}")),
        or_null(text()).prop_map(|value| format!("\"name\":{value}")),
        or_null(inner).prop_map(|value| format!("\"inner\":{value}")),
        or_null(list).prop_map(|value| format!("\"list\" :{value}")),
        text().prop_map(|value| format!("\"unknown\":[{value},{{\"flag\":{value}}}]")),
    ]
}

fn message() -> impl Strategy<Value = String> {
    prop::collection::vec(member(), 0..8).prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn ours(messages: &[String]) -> RecordBatch {
    let mut decoder = JsonDecoder::new(&schema(), &JsonOptions::default()).unwrap();
    for message in messages {
        decoder.push(message.as_bytes()).unwrap();
    }
    decoder.finish().unwrap()
}

fn theirs(messages: &[String]) -> RecordBatch {
    let mut decoder = arrow_json::ReaderBuilder::new(schema())
        .with_batch_size(messages.len())
        .build_decoder()
        .unwrap();
    for message in messages {
        decoder.decode(message.as_bytes()).unwrap();
    }
    decoder.flush().unwrap().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn agrees_with_arrow_json(messages in prop::collection::vec(message(), 1..12)) {
        prop_assert_eq!(ours(&messages), theirs(&messages));
    }

    #[test]
    fn projection_changes_nothing_else(
        messages in prop::collection::vec(message(), 1..6),
        wanted in prop::sample::subsequence(vec![0_usize, 1, 2, 3, 4, 5, 6], 0..=7).prop_shuffle(),
    ) {
        let mut decoder =
            JsonDecoder::projected(&schema(), &wanted, &JsonOptions::default()).unwrap();
        for message in &messages {
            decoder.push(message.as_bytes()).unwrap();
        }
        prop_assert_eq!(decoder.finish().unwrap(), ours(&messages).project(&wanted).unwrap());
    }

    /// One byte of a good message is changed, removed or added: we take it exactly if it is JSON.
    #[test]
    fn takes_json_and_nothing_else(
        message in message(),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![Just(b' '), Just(b','), Just(b'"'), Just(b'\\'), Just(b'}'), Just(b'0'),
                            Just(b'.'), Just(b'e'), Just(b'-'), Just(b'\n'), Just(b'['), any::<u8>()],
        how in 0..3,
    ) {
        let mut bytes = message.into_bytes();
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => { bytes.remove(at); }
        }
        let nothing = Arc::new(Schema::empty());
        let mut decoder = JsonDecoder::new(&nothing, &JsonOptions::default()).unwrap();
        let json = std::str::from_utf8(&bytes).is_ok_and(|text| {
            text.trim_start_matches([' ', '\n', '\r', '\t']).starts_with('{')
                && serde_json::from_str::<IgnoredAny>(text).is_ok()
        });
        let taken = decoder.push(&bytes);
        prop_assert_eq!(taken.is_ok(), json, "{:?}: {:?}", String::from_utf8_lossy(&bytes), taken);
        prop_assert_eq!(decoder.rows(), usize::from(json));
    }

    /// Rows before and after a bad one are what they are without it.
    #[test]
    fn bad_messages_leave_no_trace(
        messages in prop::collection::vec(message(), 2..10),
        cut in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
    ) {
        let mut decoder = JsonDecoder::new(&schema(), &JsonOptions::default()).unwrap();
        let place = place.index(messages.len());
        for (index, message) in messages.iter().enumerate() {
            if index == place {
                // A message cut short is never JSON.
                let bytes = message.as_bytes();
                prop_assert!(decoder.push(&bytes[..cut.index(bytes.len())]).is_err());
            }
            decoder.push(message.as_bytes()).unwrap();
        }
        prop_assert_eq!(decoder.finish().unwrap(), ours(&messages));
    }
}
