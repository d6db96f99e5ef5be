//! A table's rows epoch by epoch, out of its log.

use std::fs;

use arrow::{array::RecordBatch, compute::concat_batches};
use serde_json::Map;

use super::{TABLE, info, root, rows, schema, table};
use crate::{
    delta::{Compactor, DeltaReader, DeltaSink, Standing, added_since, merges},
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
        for (epoch, batch) in commit.rows(&schema(), after).await.unwrap()? {
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
