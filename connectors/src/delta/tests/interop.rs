//! What other engines may read differently; and by hand, tables for them and what a commit costs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{
    array::{
        ArrayRef, BooleanArray, Decimal128Array, Int64Array, ListArray, RecordBatch, StringArray,
        StructArray, TimestampMicrosecondArray,
    },
    datatypes::Int32Type,
};

use super::{TABLE, info, read::query, root, rows, spec};
use crate::{
    delta::{DeltaReader, DeltaSink, TableSpec, maintain},
    store::open_local,
};

/// `SLUICE_INTEROP=/some/folder cargo test … -- --ignored a_table_for_other_engines`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a table that other engines are then asked to read"]
async fn a_table_for_other_engines() {
    let root = open_local(&std::env::var("SLUICE_INTEROP").unwrap()).unwrap();
    let mut sink = DeltaSink::create(&root, TABLE, &spec(), &info(0))
        .await
        .unwrap();
    for epoch in 1..=120 {
        let files = sink
            .write_files(&[rows(epoch * 7, 7)], &format!("q-{epoch}"))
            .await
            .unwrap();
        let txn = Some(("q", epoch));
        sink.commit(&files, txn, &info(epoch)).await.unwrap();
        if epoch == 110 {
            let done = maintain(&root, TABLE).await.unwrap();
            assert_eq!(done.checkpoint.map(|made| made.version), Some(110));
        }
    }
    let batch = odd();
    let spec = TableSpec {
        schema: batch.schema(),
        partition_columns: vec!["kind".into(), "at".into()],
        properties: [].into(),
        description: None,
        name: None,
    };
    let mut sink = DeltaSink::create(&root, "tables/gold/odd", &spec, &info(0))
        .await
        .unwrap();
    let files = sink.write_files(&[batch], "q").await.unwrap();
    sink.commit(&files, Some(("q", 1)), &info(1)).await.unwrap();
}

/// What engines differ on: odd partition values, local times, decimals, nested columns.
fn odd() -> RecordBatch {
    let kinds = [
        Some("a/b"),
        None,
        Some("50% off=yes #1"),
        Some("ünïcode ✓ x"),
    ];
    let at =
        TimestampMicrosecondArray::from(vec![Some(1_767_322_800_123_456), None, Some(0), Some(1)]);
    let local = TimestampMicrosecondArray::from_iter_values(0..4);
    let decimal = Decimal128Array::from_iter_values([12_345, -5, 0, 7])
        .with_precision_and_scale(20, 3)
        .unwrap();
    let list = [
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
        Some(vec![Some(2)]),
    ];
    let pair = StructArray::try_from(vec![
        (
            "a",
            Arc::new(Int64Array::from_iter_values(0..4)) as ArrayRef,
        ),
        ("b", Arc::new(StringArray::from(kinds.to_vec()))),
    ])
    .unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("kind", Arc::new(StringArray::from(kinds.to_vec()))),
        ("at", Arc::new(at.with_timezone("UTC"))),
        ("local", Arc::new(local)),
        ("amount", Arc::new(decimal)),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(list)),
        ),
        ("pair", Arc::new(pair)),
        (
            "flag",
            Arc::new(BooleanArray::from(vec![
                Some(true),
                None,
                Some(false),
                None,
            ])),
        ),
    ];
    let columns = columns
        .into_iter()
        .map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_columns_come_back() {
    let (_folder, root) = root();
    let batch = odd();
    let spec = TableSpec {
        schema: batch.schema(),
        partition_columns: vec!["kind".into(), "at".into()],
        properties: [].into(),
        description: None,
        name: None,
    };
    let mut sink = DeltaSink::create(&root, "t", &spec, &info(0))
        .await
        .unwrap();
    let files = sink.write_files(&[batch], "q").await.unwrap();
    sink.commit(&files, Some(("q", 1)), &info(1)).await.unwrap();
    let got = query(&root, "t", "select * from t order by local").await;
    assert_eq!(
        got,
        [
            "a/b|2026-01-02T03:00:00.123456Z|1970-01-01T00:00:00|12.345|[1, NULL]|{a: 0, b: a/b}|true",
            "NULL|NULL|1970-01-01T00:00:00.000001|-0.005|NULL|{a: 1, b: NULL}|NULL",
            "50% off=yes #1|1970-01-01T00:00:00Z|1970-01-01T00:00:00.000002|0.000|[]|{a: 2, b: 50% off=yes #1}|false",
            "ünïcode ✓ x|1970-01-01T00:00:00.000001Z|1970-01-01T00:00:00.000003|0.007|[2]|{a: 3, b: ünïcode ✓ x}|NULL",
        ]
    );
    let got = query(
        &root,
        "t",
        "select count(*) from t where at = '1970-01-01T00:00:00.000001Z'",
    )
    .await;
    assert_eq!(got, ["1"]);
    let got = query(
        &root,
        "t",
        "select count(*) from t where kind = '50% off=yes #1' and amount <= 0",
    )
    .await;
    assert_eq!(got, ["1"]);
}

fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    // User and system time in ticks of ten milliseconds.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Prints what a commit costs as the table grows.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn what_a_commit_costs() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let root = open_local(folder.path().to_str().unwrap()).unwrap();
    let mut sink = DeltaSink::create(&root, TABLE, &spec(), &info(0))
        .await
        .unwrap();
    let mut epoch = 0;
    for _ in 0..6 {
        let (mut writing, mut committing) = (Duration::ZERO, Duration::ZERO);
        let (mut writing_cpu, before) = (Duration::ZERO, cpu());
        for _ in 0..500 {
            epoch += 1;
            let (started, started_cpu) = (Instant::now(), cpu());
            let files = sink
                .write_files(&[rows(epoch * 20 / 60 * 60, 20)], "q")
                .await
                .unwrap();
            writing += started.elapsed();
            writing_cpu += cpu() - started_cpu;
            let started = Instant::now();
            sink.commit(&files, Some(("q", epoch)), &info(epoch))
                .await
                .unwrap();
            committing += started.elapsed();
        }
        let all = cpu() - before;
        println!(
            "commits to {epoch}: write {:?} wall {:?} cpu, commit {:?} wall, both {:?} cpu each",
            writing / 500,
            writing_cpu / 500,
            committing / 500,
            all / 500
        );
    }
    let started = Instant::now();
    let mut reader = DeltaReader::new(&root, TABLE).unwrap();
    reader.refresh().await.unwrap();
    println!(
        "open a reader without a checkpoint: {:?}",
        started.elapsed()
    );
    let started = Instant::now();
    maintain(&root, TABLE).await.unwrap();
    println!("checkpoint: {:?}", started.elapsed());
    for _ in 0..3 {
        sink.commit(&[], None, &info(0)).await.unwrap();
        let started = Instant::now();
        let snapshot = reader.refresh().await.unwrap();
        println!(
            "refresh of {} files: {:?}",
            snapshot.files().len(),
            started.elapsed()
        );
    }
}
