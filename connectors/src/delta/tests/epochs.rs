//! A table's rows epoch by epoch, out of its log.

use std::{fs, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, UInt32Array},
    compute::{concat_batches, take},
    datatypes::Float64Type,
};
use serde_json::Map;

use super::{TABLE, info, root, rows, schema, spec, table};
use crate::{
    delta::{
        Compactor, DeltaReader, DeltaSink, EpochRows, NextRows, Standing, TableSpec, added_since,
        merges,
    },
    store::Root,
};

const APP: &str = "sluice/q";

/// Commits epochs, each with rows a minute apart from its number times 40 on.
async fn commit(sink: &mut DeltaSink, epochs: &[(i64, i64)]) {
    let batches: Vec<(i64, RecordBatch)> = epochs
        .iter()
        .map(|(epoch, count)| (*epoch, rows(epoch * 40, *count)))
        .collect();
    let last = epochs.last().unwrap().0;
    let files = sink.write_epochs(&batches, "q").await.unwrap();
    let txn = Some((APP, last));
    sink.commit(&files, txn, &info(last)).await.unwrap();
}

/// Reads on: `Some(None)` at the end, `None` where something is gone.
async fn next(reading: &mut EpochRows) -> Option<Option<(i64, RecordBatch)>> {
    match reading.next().await.unwrap() {
        NextRows::Of(epoch, batch) => Some(Some((epoch, batch))),
        NextRows::End => Some(None),
        NextRows::Gone => None,
    }
}

/// All rows after an epoch, and which epochs they are of; each epoch's in one batch, sorted by time.
async fn since(root: &Root, after: i64) -> Option<Vec<(i64, RecordBatch)>> {
    let folder = root.local_path.as_ref().unwrap().join(TABLE);
    let entries = fs::read_dir(folder.join("_delta_log")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let versions = names.filter_map(|name| name.strip_suffix(".json")?.parse().ok());
    let version: i64 = versions.max().unwrap();
    let mut all: Vec<(i64, RecordBatch)> = Vec::new();
    for commit in added_since(root, TABLE, APP, after, version)
        .await
        .unwrap()?
    {
        let mut reading = commit.rows(&schema(), after).await.unwrap();
        while let Some((epoch, batch)) = next(&mut reading).await? {
            match all.last_mut() {
                Some((last, rows)) if *last == epoch => {
                    *rows = concat_batches(&schema(), [&*rows, &batch]).unwrap();
                }
                _ => all.push((epoch, batch)),
            }
        }
    }
    Some(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_back_by_the_epochs_they_were_given_in() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    // Over several hours, so several files, of which the second commit's have rows of more than one epoch.
    commit(&mut sink, &[(1, 10)]).await;
    commit(&mut sink, &[(2, 40), (4, 40), (7, 30)]).await;
    commit(&mut sink, &[(8, 5)]).await;
    let expected = |epochs: &[(i64, i64)]| -> Vec<(i64, RecordBatch)> {
        let rows = epochs
            .iter()
            .map(|(epoch, n)| (*epoch, rows(epoch * 40, *n)));
        rows.collect()
    };
    let all = [(1, 10), (2, 40), (4, 40), (7, 30), (8, 5)];
    for (after, from) in [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 2),
        (4, 3),
        (6, 3),
        (7, 4),
        (8, 5),
        (99, 5),
    ] {
        let found = since(&root, after).await.unwrap();
        assert_eq!(found, expected(&all[from..]), "after {after}");
    }

    // A merge gives nobody anything new, and takes nothing away as long as what it replaced is there.
    let mut reader = DeltaReader::new(&root, TABLE).unwrap();
    let snapshot = reader.refresh().await.unwrap();
    let compactor = Compactor::of(&snapshot).unwrap();
    let due = merges(&snapshot.files(), |_| Standing::Sealed);
    assert!(!due.is_empty());
    let queue = tokio::sync::Mutex::new(());
    for merge in &due {
        let merged = compactor.merge(merge, &[], true, &queue).await.unwrap();
        assert!(merged.is_some());
    }
    assert_eq!(since(&root, 1).await.unwrap(), expected(&all[1..]));

    let folder = root.local_path.as_ref().unwrap().join(TABLE);
    let replaced = folder.join(&due[0].files[0]);
    fs::remove_file(replaced).unwrap();
    assert_eq!(since(&root, 0).await, None);
    fs::remove_file(folder.join(format!("_delta_log/{:020}.json", 2))).unwrap();
    assert_eq!(since(&root, 1).await, None);
    assert_eq!(since(&root, 8).await, Some(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_do_not_say_are_of_their_commit() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    let files = sink.write_files(&[rows(0, 3)], "q").await.unwrap();
    sink.commit(&files, Some((APP, 5)), &info(5)).await.unwrap();
    // Somebody else's rows are no query's.
    let files = sink.write_files(&[rows(9, 1)], "x").await.unwrap();
    sink.commit(&files, None, &Map::new()).await.unwrap();
    assert_eq!(since(&root, 4).await.unwrap(), [(5, rows(0, 3))]);
    assert_eq!(since(&root, 5).await.unwrap(), []);
}

/// A table that is not partitioned: its commits are few large files.
fn plain() -> TableSpec {
    TableSpec {
        partition_columns: Vec::new(),
        ..spec()
    }
}

/// A float of 53 bits that nobody compresses.
fn noise(row: usize) -> f64 {
    (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) as f64 / 7.0
}

/// Rows that are as long in a file as in memory.
fn noisy(from: usize, count: usize) -> RecordBatch {
    let batch = rows(from as i64 % 100, 1);
    let again = UInt32Array::from(vec![0; count]);
    let mut columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .map(|column| take(column, &again, None).unwrap())
        .collect();
    columns[3] = Arc::new(Float64Array::from_iter_values(
        (from..from + count).map(noise),
    ));
    columns[2] = Arc::new(StringArray::from_iter_values(
        (from..from + count).map(|row| format!("{:x}", noise(row).to_bits())),
    ));
    RecordBatch::try_new(schema(), columns).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_any_size_is_read_in_the_memory_of_a_stretch() {
    let (_folder, root) = root();
    let mut sink = DeltaSink::create(&root, TABLE, &plain(), &Map::new())
        .await
        .unwrap();
    // Two epochs of many stretches with a few small ones between and after them.
    let counts = [(1, 300_000), (2, 3), (3, 1), (4, 400_000), (5, 20)];
    let mut from = 0;
    let mut batches = Vec::new();
    for (epoch, count) in counts {
        batches.push((epoch, noisy(from, count)));
        from += count;
    }
    let files = sink.write_epochs(&batches, "q").await.unwrap();
    let bytes: i64 = files.iter().map(|file| file.size()).sum();
    assert!(bytes > 8 << 20, "{bytes} bytes");
    sink.commit(&files, Some((APP, 5)), &info(5)).await.unwrap();
    drop(batches);

    for after in [0, 1, 3, 4] {
        let commits = added_since(&root, TABLE, APP, after, 1).await.unwrap();
        let commits = commits.unwrap();
        assert_eq!(commits.len(), 1);
        let mut reading = commits[0].rows(&schema(), after).await.unwrap();
        let mut row: usize = counts
            .iter()
            .filter(|(epoch, _)| *epoch <= after)
            .map(|(_, count)| count)
            .sum();
        let mut most = 0;
        while let Some((epoch, batch)) = next(&mut reading).await.unwrap() {
            let mut ends = counts.iter().scan(0, |end, (epoch, count)| {
                *end += count;
                Some((*epoch, *end))
            });
            let of = ends.find(|(_, end)| row < *end).unwrap().0;
            assert_eq!(epoch, of, "row {row}");
            let values = batch.column(3).as_primitive::<Float64Type>();
            for value in values.values() {
                assert_eq!(*value, noise(row), "row {row}");
                row += 1;
            }
            assert!(batch.num_rows() <= 8192);
            most = most.max(reading.bytes());
        }
        assert_eq!(row, from);
        assert_eq!(reading.bytes(), 0);
        assert!(most < 5 << 20, "{most} bytes after {after}");
    }

    let file = root.local_path.as_ref().unwrap().join(TABLE);
    let file = file.join(files[0].path());
    let commits = added_since(&root, TABLE, APP, 0, 1).await.unwrap().unwrap();
    let mut reading = commits[0].rows(&schema(), 0).await.unwrap();
    fs::remove_file(file).unwrap();
    assert_eq!(next(&mut reading).await, None, "a file is gone");
}
