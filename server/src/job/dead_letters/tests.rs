//! A letter is written once: by however many queries, before and after a restart, under one definition of the stream and the next.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use bytes::Bytes;
use sluice_connectors::store::{StoreSettings, open_root};

use super::*;
use crate::catalog::QualifiedName;

/// As a process finds them when it starts.
async fn open(folder: &Path, definition: &str) -> DeadLetters {
    let settings = StoreSettings::default();
    let root = open_root(folder.to_str().unwrap(), &settings);
    let root = root.await.unwrap();
    let name = QualifiedName::new("public", "events__dead_letter");
    let path = "tables/public/events__dead_letter".to_owned();
    let table = TableState::new(name, dead_letter_schema(), root.clone(), path, None);
    DeadLetters::new(root, "an-id", "an owner", definition, Arc::new(table))
}

fn bad(topic_id: &str, range: Range<i64>, offsets: &[i64]) -> BadRange {
    let row = |offset: &i64| BadRow {
        offset: *offset,
        timestamp_ms: -1,
        key: None,
        payload: Some(Bytes::from_static(b"{")),
        error: "malformed".into(),
    };
    BadRange {
        split: SplitId {
            stream: 0,
            topic: "events".into(),
            partition: 0,
        },
        topic_id: Some(topic_id.into()),
        range,
        rows: offsets.iter().map(row).collect(),
    }
}

/// Offsets in the table, in order.
async fn written(letters: &DeadLetters) -> Vec<i64> {
    letters.table.refresh().await.unwrap();
    let committed = letters.table.cut().committed.unwrap();
    let context = datafusion::prelude::SessionContext::new();
    let rows = context.read_table(committed).unwrap();
    let rows = rows.select_columns(&["_offset"]).unwrap();
    let mut offsets = Vec::new();
    for batch in rows.collect().await.unwrap() {
        offsets.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
    }
    offsets.sort_unstable();
    offsets
}

#[tokio::test]
async fn another_definition_adds_what_only_it_does_not_decode() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), "first").await;
    first
        .record(&[bad("a", 0..10, &[5, 9])], 100)
        .await
        .unwrap();
    // Another query, and another process, under the same definition.
    first
        .record(&[bad("a", 3..12, &[5, 9, 11])], 110)
        .await
        .unwrap();
    let again = open(folder.path(), "first").await;
    again
        .record(&[bad("a", 0..12, &[5, 9, 11])], 120)
        .await
        .unwrap();
    assert_eq!(written(&again).await, [5, 9, 11]);
    // Under another one offset 7 fails as well, inside what was recorded.
    for now in [200, 210] {
        let mended = open(folder.path(), "second").await;
        mended
            .record(&[bad("a", 0..12, &[5, 7])], now)
            .await
            .unwrap();
        mended
            .record(&[bad("a", 0..20, &[5, 7, 15])], now + 1)
            .await
            .unwrap();
        assert_eq!(written(&mended).await, [5, 7, 9, 11, 15]);
    }
    // A topic made anew has the same offsets again, and they are other messages.
    let third = open(folder.path(), "third").await;
    third.record(&[bad("b", 0..6, &[5])], 300).await.unwrap();
    third.record(&[bad("b", 0..6, &[5])], 301).await.unwrap();
    assert_eq!(written(&third).await, [5, 5, 7, 9, 11, 15]);
    let topic_id = third.topic_ids().await.unwrap();
    assert_eq!(topic_id("events", 211).as_deref(), Some("a"));
    assert_eq!(topic_id("events", 300).as_deref(), Some("b"));
    assert_eq!(topic_id("other", 300), None);
}
