//! Names of connectors and options, and what is said about wrong ones.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::Schema;

use super::{nearest, open_source};

#[test]
fn unknown_connectors_are_named_with_the_nearest() {
    let error = open_source("kafak", Arc::new(Schema::empty()), &BTreeMap::new()).unwrap_err();
    assert_eq!(error.to_string(), "unknown connector 'kafak'");
    assert_eq!(error.hint(), Some("did you mean 'kafka'?"));
    let error = open_source("x", Arc::new(Schema::empty()), &BTreeMap::new()).unwrap_err();
    assert_eq!(error.hint(), Some("known connectors: generator, kafka"));
}

#[test]
fn nearest_is_near() {
    assert_eq!(nearest("topics", ["format", "topic"]), Some("topic"));
    assert_eq!(nearest("zzz", ["format", "topic"]), None);
}
