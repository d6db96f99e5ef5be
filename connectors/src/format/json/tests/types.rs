//! One rule a type: what fills a column, what overflows it, and the option that says what a timestamp is.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{
        DataType, Field, Int32Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType,
    },
};

use super::{MICROS, schema};
use crate::format::{
    JSON_TEXT, TYPE_MARK, UUID_TEXT,
    json::{JsonDecoder, JsonOptions},
    plain,
};

fn marked(mark: &str) -> SchemaRef {
    let metadata = [(TYPE_MARK.to_owned(), mark.to_owned())].into();
    schema(vec![
        Field::new("v", DataType::Utf8, true).with_metadata(metadata),
    ])
}

fn map_of(key: DataType, value: DataType) -> DataType {
    let pair = vec![
        Field::new("key", key, false),
        Field::new("value", value, true),
    ];
    let entries = Field::new("entries", DataType::Struct(pair.into()), false);
    DataType::Map(Arc::new(entries), false)
}

/// Decodes `{"v": …}` for each value, all of which must be good.
fn decoded(schema: &SchemaRef, values: &[&str]) -> RecordBatch {
    let mut decoder = JsonDecoder::new(schema, &JsonOptions::default()).unwrap();
    for value in values {
        let taken = decoder.push(format!("{{\"v\":{value}}}").as_bytes());
        assert_eq!(taken, Ok(()), "{value}");
    }
    decoder.finish().unwrap()
}

fn options(given: &[(&str, &str)]) -> Result<JsonOptions, String> {
    let given: BTreeMap<String, String> = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    JsonOptions::parse(&given).map_err(|error| {
        let hint = error.hint().unwrap_or_default().to_owned();
        format!("{error}; {hint}")
    })
}

/// Values at the edge of each type, and just beyond it: those are bad messages, never another value.
#[test]
fn what_overflows_its_column_is_refused() {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let cases: [(DataType, &[&str], &[&str]); 10] = [
        (DataType::Int8, &["127", "-128"], &["128", "-129", "1e3"]),
        (
            DataType::Int16,
            &["32767", "-32768"],
            &["32768", "40000", "-32769"],
        ),
        (
            DataType::Int32,
            &["2147483647", "\"-2147483648\""],
            &["2147483648", "\"-2147483649\"", "3e9"],
        ),
        (
            DataType::Int64,
            &["9223372036854775807", "-9223372036854775808"],
            &["9223372036854775808", "-9223372036854775809", "1e19"],
        ),
        (
            DataType::Float32,
            &["3.4028235e38", "-3.4028235e38", "1e-60"],
            &["3.5e38", "-1e39", "\"1e400\""],
        ),
        (
            DataType::Float64,
            &["1.7976931348623157e308"],
            &["1.8e308", "-1e309"],
        ),
        (
            DataType::Decimal128(5, 2),
            &["999.99", "\"-999.994\"", "1e2"],
            &["12345.6", "1000", "999.995", "\"-1e3\""],
        ),
        (
            DataType::Date32,
            &["\"0001-01-01\"", "\"9999-12-31\""],
            &[
                "\"0000-12-31\"",
                "\"10000-01-01\"",
                "\"2026-02-29\"",
                "20000",
            ],
        ),
        (
            MICROS,
            &["\"0001-01-01 00:00:00\"", "\"9999-12-31 23:59:59.999999\""],
            &["\"10000-01-01 00:00:00\"", "253402300800000"],
        ),
        (
            utc,
            &["253402300799999", "\"9999-12-31T23:59:59Z\""],
            &["253402300800000", "\"9999-12-31T23:59:59-01:00\"", "1e300"],
        ),
    ];
    for (data_type, fits, overflows) in cases {
        let schema = schema(vec![Field::new("v", data_type.clone(), true)]);
        assert_eq!(decoded(&schema, fits).num_rows(), fits.len());
        let mut decoder = JsonDecoder::new(&schema, &JsonOptions::default()).unwrap();
        for value in overflows {
            let taken = decoder.push(format!("{{\"v\":{value}}}").as_bytes());
            assert!(taken.is_err(), "{value} fits {data_type}");
            let error = taken.unwrap_err();
            assert!(
                error.starts_with("field \"v\": "),
                "{data_type} {value}: {error}"
            );
        }
        assert_eq!(decoder.rows(), 0);
    }
}

#[test]
fn a_uuid_is_kept_in_its_usual_spelling() {
    let good = [
        "\"6f9619ff-8b86-d011-b42d-00c04fc964ff\"",
        "\"6F9619FF-8B86-D011-B42D-00C04FC964FF\"",
        "\"{6f9619ff-8b86-d011-b42d-00c04fc964ff}\"",
        "\"6f9619ff8b86d011b42d00c04fc964ff\"",
        "\"6f96-19ff-8b86-d011-b42d-00c0-4fc9-64ff\"",
    ];
    let batch = decoded(&marked(UUID_TEXT), &good);
    for text in batch.column(0).as_string::<i32>() {
        assert_eq!(text, Some("6f9619ff-8b86-d011-b42d-00c04fc964ff"));
    }
    let mut decoder = JsonDecoder::new(&marked(UUID_TEXT), &JsonOptions::default()).unwrap();
    for bad in [
        "\"6f9619ff-8b86-d011-b42d-00c04fc964f\"",
        "\"6f9619ff-8b86-d011-b42d-00c04fc964fff\"",
        "\"6f9619ff--8b86-d011-b42d-00c04fc964ff\"",
        "\"-6f9619ff-8b86-d011-b42d-00c04fc964ff\"",
        "\"6f9619ff-8b86-d011-b42d-00c04fc964ff-\"",
        "\"6f961-9ff8b86d011b42d00c04fc964ff\"",
        "\"{6f9619ff-8b86-d011-b42d-00c04fc964ff\"",
        "\"6g9619ff-8b86-d011-b42d-00c04fc964ff\"",
        "\"\"",
        "7",
    ] {
        let taken = decoder.push(format!("{{\"v\":{bad}}}").as_bytes());
        assert!(taken.is_err(), "{bad}");
    }
    decoder
        .push(format!("{{\"v\":{}}}", good[0]).as_bytes())
        .unwrap();
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.column(0).as_string::<i32>().value(0).len(), 36);
}

#[test]
fn bytes_are_base64_or_postgres_hexadecimal() {
    let schema = schema(vec![Field::new("v", DataType::Binary, true)]);
    let batch = decoded(&schema, &["\"AQL/\"", r#""\\x0102Ff""#, r#""\\x""#]);
    let bytes = batch.column(0).as_binary::<i32>();
    assert_eq!(bytes.value(0), [1, 2, 255]);
    assert_eq!(bytes.value(1), [1, 2, 255]);
    assert!(bytes.value(2).is_empty());
    let mut decoder = JsonDecoder::new(&schema, &JsonOptions::default()).unwrap();
    for bad in [
        r#""\\x1""#,
        r#""\\xgg""#,
        r#""\\X01""#,
        "\"****\"",
        "\"A\"",
        "12",
    ] {
        let taken = decoder.push(format!("{{\"v\":{bad}}}").as_bytes());
        assert!(taken.is_err(), "{bad}");
    }
}

#[test]
fn a_map_is_an_object_and_the_last_of_two_keys_counts() {
    let text_to_int = schema(vec![Field::new(
        "v",
        map_of(DataType::Utf8, DataType::Int32),
        true,
    )]);
    let many: String = (0..40).map(|n| format!("\"k{}\":{n},", n % 20)).collect();
    let many = format!("{{{}\"end\":1}}", many);
    let batch = decoded(
        &text_to_int,
        &[
            r#"{ "a" : 1 , "b":null }"#,
            "{}",
            "null",
            r#"{"a":1,"b":2,"a":3,"\u0061":4}"#,
            &many,
            r#"{"z":26}"#,
        ],
    );
    let maps = batch.column(0).as_map();
    let entries = |row: usize| -> Vec<(String, Option<i32>)> {
        let entries = maps.value(row);
        let keys = entries.column(0).as_string::<i32>();
        let values = entries.column(1).as_primitive::<Int32Type>();
        let pairs = keys.iter().zip(values.iter());
        pairs
            .map(|(key, value)| (key.unwrap().to_owned(), value))
            .collect()
    };
    assert_eq!(entries(0), [("a".into(), Some(1)), ("b".into(), None)]);
    assert!(entries(1).is_empty() && maps.is_valid(1));
    assert!(maps.is_null(2));
    assert_eq!(entries(3), [("b".into(), Some(2)), ("a".into(), Some(4))]);
    assert_eq!(entries(4).len(), 21);
    assert!(entries(4).contains(&("k7".into(), Some(27))));
    assert_eq!(entries(5), [("z".into(), Some(26))]);
    assert_eq!(batch.schema(), text_to_int);
}

#[test]
fn a_bad_entry_of_a_map_costs_its_message_alone() {
    let numbers = map_of(DataType::Int64, map_of(DataType::Utf8, DataType::Int32));
    let schema = schema(vec![Field::new("v", numbers, true)]);
    let mut decoder = JsonDecoder::new(&schema, &JsonOptions::default()).unwrap();
    let good = br#"{"v":{"-7":{"x":1},"1e2":{}}}"#;
    decoder.push(good).unwrap();
    for (bad, says) in [
        (r#"{"v":{"seven":{}}}"#, "'seven' is not a whole number"),
        (r#"{"v":{"1":{"x":"no"}}}"#, "'no' is not a whole number"),
        (
            r#"{"v":{"1":{"x":1},"2":{"y":1,"y":2},"1":[]}}"#,
            "expected an object, found an array",
        ),
        (r#"{"v":{"1":{},}}"#, "expected a key in quotes, found '}'"),
        (r#"{"v":{1:{}}}"#, "expected a key in quotes"),
        (r#"{"v":{"1"}}"#, "expected ':' after a key"),
        (r#"{"v":{"1":{} "2":{}}}"#, "expected ',' or '}'"),
        (r#"{"v":[]}"#, "expected an object, found an array"),
    ] {
        let error = decoder.push(bad.as_bytes()).unwrap_err();
        assert!(error.contains(says), "{bad}: {error}");
        decoder.push(good).unwrap();
    }
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.num_rows(), 9);
    for row in 0..9 {
        let entries = batch.column(0).as_map().value(row);
        let keys = entries.column(0).as_primitive::<Int64Type>();
        assert_eq!(keys.values(), &[-7, 100]);
    }
}

#[test]
fn keys_that_json_cannot_name_are_refused_when_the_stream_is_made() {
    for key in [DataType::Float64, DataType::Boolean, DataType::Binary] {
        let schema = schema(vec![Field::new("v", map_of(key, DataType::Int32), true)]);
        let error = JsonDecoder::new(&schema, &JsonOptions::default()).unwrap_err();
        assert!(error.to_string().starts_with("a MAP with keys of type"));
        assert!(error.hint().unwrap().contains("TEXT, UUID"));
    }
}

#[test]
fn marks_are_the_decoders_alone() {
    let schema = marked(JSON_TEXT);
    let item = schema.field(0).clone();
    let nested = super::schema(vec![
        item.clone(),
        Field::new("l", DataType::List(Arc::new(item.clone())), true),
        Field::new("s", DataType::Struct(vec![item].into()), true),
    ]);
    let mut decoder = JsonDecoder::new(&nested, &JsonOptions::default()).unwrap();
    decoder
        .push(br#"{"v":1,"l":[{"a": 1},"x"],"s":{"v":[true]}}"#)
        .unwrap();
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.schema(), plain(&nested));
    let of = |array: &dyn Array| array.as_string::<i32>().value(0).to_owned();
    assert_eq!(of(batch.column(0)), "1");
    assert_eq!(of(batch.column(1).as_list::<i32>().values()), "{\"a\": 1}");
    assert_eq!(of(batch.column(2).as_struct().column(0)), "[true]");
}

#[test]
fn the_timestamp_format_narrows_what_is_taken() {
    let schema = schema(vec![Field::new("v", MICROS, true)]);
    let read = |given: &[(&str, &str)], value: &str| -> Result<i64, String> {
        let mut decoder = JsonDecoder::new(&schema, &options(given).unwrap()).unwrap();
        decoder.push(format!("{{\"v\":{value}}}").as_bytes())?;
        let batch = decoder.finish().unwrap();
        let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        Ok(times.value(0))
    };
    let text = "\"2026-01-31 12:00:00+01\"";
    let micros = 1_769_857_200_000_000;
    for auto in [
        &[][..],
        &[("timestamp_format", "auto")],
        &[("timestamp_unit", "ms")],
    ] {
        assert_eq!(read(auto, text), Ok(micros));
        assert_eq!(read(auto, "1769857200000"), Ok(micros));
    }
    let iso = [("timestamp_format", "iso")];
    assert_eq!(read(&iso, text), Ok(micros));
    assert_eq!(read(&iso, "\"2026-01-31T11:00:00Z\""), Ok(micros));
    let error = read(&iso, "1769857200000").unwrap_err();
    assert!(
        error.contains("expected a timestamp in quotes (option timestamp_format), found a number"),
        "{error}"
    );
    for (format, number) in [
        ("epoch_seconds", "1769857200"),
        ("epoch_millis", "1769857200000"),
        ("epoch_micros", "1769857200000000"),
        ("epoch_nanos", "1769857200000000000"),
    ] {
        let format = [("timestamp_format", format)];
        assert_eq!(read(&format, number), Ok(micros));
        assert_eq!(read(&format, &format!("\"{number}\"")), Ok(micros));
        let error = read(&format, text).unwrap_err();
        assert!(
            error.contains("since 1970 (option timestamp_format)"),
            "{error}"
        );
    }
    let same = [
        ("timestamp_format", "epoch_seconds"),
        ("timestamp_unit", "s"),
    ];
    assert_eq!(read(&same, "1769857200"), Ok(micros));
}

#[test]
fn a_timestamp_format_that_does_not_exist_says_which_do() {
    for (given, says) in [
        (
            &[("timestamp_format", "dd/MM/yyyy")][..],
            &[
                "option timestamp_format cannot be 'dd/MM/yyyy'",
                "'epoch_micros'",
                "to_timestamp(column, ",
            ][..],
        ),
        (
            &[
                ("timestamp_format", "epoch_seconds"),
                ("timestamp_unit", "ms"),
            ],
            &["contradict each other", "leave timestamp_unit out"],
        ),
        (
            &[("timestamp_format", "iso"), ("timestamp_unit", "ms")],
            &["timestamp_unit has no use", "'auto'"],
        ),
    ] {
        let error = options(given).unwrap_err();
        for said in says {
            assert!(error.contains(said), "{error}");
        }
    }
}
