//! Names of connectors and options, and what is said about wrong ones.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema};

use super::{nearest, open_source, unknown_option};

#[test]
fn unknown_connectors_are_named_with_the_nearest() {
    let error = open_source("kafak", Arc::new(Schema::empty()), &BTreeMap::new()).unwrap_err();
    assert_eq!(error.to_string(), "unknown connector 'kafak'");
    assert_eq!(error.hint(), Some("did you mean 'kafka'?"));
    let error = open_source("x", Arc::new(Schema::empty()), &BTreeMap::new()).unwrap_err();
    assert_eq!(error.hint(), Some("known connectors: generator, kafka"));
}

#[test]
fn both_connectors_open() {
    let options = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let kafka = options(&[
        ("bootstrap_servers", "127.0.0.1:1"),
        ("topic", "t"),
        ("format", "raw"),
    ]);
    open_source("kafka", Arc::new(Schema::empty()), &kafka).unwrap();
    let columns = vec![Field::new("value", DataType::Float64, true)];
    open_source("generator", Arc::new(Schema::new(columns)), &options(&[])).unwrap();
}

#[test]
fn a_misspelt_option_of_the_stream_itself_is_recognised() {
    let error = unknown_option("idle_timout", "connector kafka", &["connect_timeout"]);
    assert_eq!(error.hint(), Some("did you mean idle_timeout?"));
}

#[test]
fn nearest_is_near() {
    assert_eq!(nearest("topics", ["format", "topic"]), Some("topic"));
    assert_eq!(nearest("zzz", ["format", "topic"]), None);
}
