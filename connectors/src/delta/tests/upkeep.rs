//! Merges and vacuum: nothing is lost, nothing doubled, whoever commits or reads meanwhile.

use std::{collections::HashSet, path::Path, time::Duration};

use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{TABLE, info, read::query, root, rows, table};
use crate::{
    delta::{
        At, Compactor, DeltaReader, DeltaSink, Merged, Removal, Standing, VacuumRules, Vacuumed,
        maintain, merges, snapshot_at, vacuum,
    },
    error::ConnectorError,
    store::Root,
};

const SUM: &str =
    "select count(*), count(distinct window_start), sum(value), min(date), max(hour) from t";

/// So many commits of ten minutes each.
async fn commits(root: &Root, sink: &mut DeltaSink, epochs: std::ops::RangeInclusive<i64>) {
    for epoch in epochs {
        // Newest first within a file, so that sorting has something to do.
        let files = sink
            .write_files(&[rows(epoch * 10 + 5, 5), rows(epoch * 10, 5)], "q")
            .await
            .unwrap();
        let txn = Some(("q", epoch));
        sink.commit(&files, txn, &info(epoch)).await.unwrap();
    }
    assert_eq!(root.list_folders(TABLE).await.unwrap().len(), 2);
}

/// Over the table as it is now.
async fn compactor(root: &Root) -> Compactor {
    let mut reader = DeltaReader::new(root, TABLE).unwrap();
    Compactor::of(&reader.refresh().await.unwrap()).unwrap()
}

async fn merge_all(root: &Root) -> Vec<Merged> {
    let queue = Mutex::new(());
    let order = ["window_start".to_owned(), "event_type".to_owned()];
    let compactor = compactor(root).await;
    let mut merged = Vec::new();
    for merge in merges(&compactor.files(), |_| Standing::Sealed) {
        let done = compactor.merge(&merge, &order, false, &queue).await;
        merged.push(done.unwrap().unwrap());
    }
    merged
}

async fn vacuumed(root: &Root, hours: u64, removal: Removal) -> Vacuumed {
    let rules = VacuumRules {
        removed: Duration::from_secs(hours * 3600),
        orphans: Some(Duration::from_secs(hours * 3600)),
        removal,
    };
    let announced = || async { Ok(HashSet::new()) };
    vacuum(root, TABLE, rules, &Mutex::new(()), announced)
        .await
        .unwrap()
}

fn actions(root: &Root, version: i64) -> Vec<Value> {
    let entry = format!("{TABLE}/_delta_log/{version:020}.json");
    let text = std::fs::read_to_string(root.local_path.as_ref().unwrap().join(entry)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn data_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let counts = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true if entry.file_name() == "_delta_log" => 0,
        true => data_files(&entry.path()),
        false => 1,
    });
    counts.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_keeps_every_row_and_changes_no_data() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    // 03:00 to 04:00 and a bit: two partitions.
    commits(&root, &mut sink, 0..=6).await;
    let before = query(&root, TABLE, SUM).await;
    let merged = merge_all(&root).await;
    assert_eq!(merged.len(), 1, "the second hour has one file");
    assert_eq!((merged[0].files_before, merged[0].files_after), (6, 1));
    assert_eq!(merged[0].rows, 60);
    assert_eq!(query(&root, TABLE, SUM).await, before);
    let order = "select window_start from t where hour = 3";
    let sorted = query(&root, TABLE, &format!("{order} order by 1")).await;
    assert_eq!(
        query(&root, TABLE, order).await,
        sorted,
        "in the order of the keys"
    );
    assert_eq!(sorted.len(), 60);

    let actions = actions(&root, merged[0].version);
    let adds: Vec<_> = actions
        .iter()
        .filter_map(|action| action.get("add"))
        .collect();
    let removes = actions.iter().filter_map(|action| action.get("remove"));
    assert_eq!(adds.len(), 1);
    assert_eq!(adds[0]["dataChange"], false);
    assert_eq!(adds[0]["partitionValues"]["hour"], "3");
    assert!(
        adds[0]["stats"]
            .as_str()
            .unwrap()
            .contains("\"numRecords\":60")
    );
    assert!(
        removes.clone().count() == 6 && removes.clone().all(|file| file["dataChange"] == false)
    );
    assert_eq!(actions[0]["commitInfo"]["operation"], "OPTIMIZE");
    assert_eq!(merge_all(&root).await, [], "once is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_commits_on_beside_a_merge() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    commits(&root, &mut sink, 0..=6).await;
    let compactor = compactor(&root).await;
    let merge = merges(&compactor.files(), |_| Standing::Sealed).remove(0);
    // Between the reading of the files and the commit.
    commits(&root, &mut sink, 7..=9).await;
    let queue = Mutex::new(());
    let merged = compactor
        .merge(&merge, &[], true, &queue)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(merged.version, 11);
    // The sink does not know of it, and finds out.
    commits(&root, &mut sink, 10..=12).await;
    assert_eq!(sink.version(), 14);
    assert_eq!(
        query(&root, TABLE, SUM).await[0].split('|').next(),
        Some("130")
    );
    assert_eq!(sink.txn_version("q").await.unwrap(), Some(12));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_sees_what_came_before_the_merge_before_it() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    commits(&root, &mut sink, 0..=8).await;
    let queue = Mutex::new(());
    let fresh = compactor(&root).await;
    let stale = compactor(&root).await;
    let all = merges(&fresh.files(), |_| Standing::Sealed);
    let [early, late] = &all[..] else {
        unreachable!("{all:?}")
    };
    let merged = fresh.merge(late, &[], true, &queue).await.unwrap();
    assert!(merged.is_some());
    let merged = stale.merge(early, &[], true, &queue).await.unwrap();
    assert!(merged.is_some(), "nobody has touched these files");
    let merged = stale.merge(late, &[], true, &queue).await.unwrap();
    assert_eq!(merged, None, "they went before this one's own first merge");
    let sum = "select count(*) from t";
    assert_eq!(query(&root, TABLE, sum).await, ["90"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_live_any_more_are_not_merged() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    commits(&root, &mut sink, 0..=6).await;
    let queue = Mutex::new(());
    let first = compactor(&root).await;
    let second = compactor(&root).await;
    let merge = merges(&first.files(), |_| Standing::Sealed).remove(0);
    assert!(
        first
            .merge(&merge, &[], true, &queue)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(second.merge(&merge, &[], true, &queue).await.unwrap(), None);
    let third = compactor(&root).await;
    let error = third.merge(&merge, &[], true, &queue).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Conflict { .. }), "{error}");
    let spec = sink.spec().clone();
    let mut before = DeltaSink::open(&root, TABLE).await.unwrap().unwrap();
    commits(&root, &mut before, 7..=9).await;
    let fourth = compactor(&root).await;
    let merge = merges(&fourth.files(), |_| Standing::Sealed).remove(0);
    before.replace(&spec, None, &Map::new()).await.unwrap();
    assert_eq!(
        fourth.merge(&merge, &[], true, &queue).await.unwrap(),
        None,
        "the table was made anew"
    );
    assert_eq!(query(&root, TABLE, "select count(*) from t").await, ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn vacuum_removes_what_was_merged_and_what_never_came_in() {
    let (_folder, root) = root();
    let folder = root.local_path.clone().unwrap().join(TABLE);
    let mut sink = table(&root).await;
    commits(&root, &mut sink, 0..=6).await;
    let sum = query(&root, TABLE, SUM).await;
    merge_all(&root).await;
    let orphans = sink.write_files(&[rows(0, 10)], "lost").await.unwrap();
    let announced = sink.write_files(&[rows(0, 10)], "announced").await.unwrap();
    assert_eq!(data_files(&folder), 8 + 2);
    assert_eq!(
        vacuumed(&root, 1, Removal::Carried).await.files,
        [""; 0],
        "all is young"
    );
    assert_eq!(vacuumed(&root, 0, Removal::Told).await.files.len(), 8);
    assert_eq!(data_files(&folder), 10);

    let rules = VacuumRules {
        removed: Duration::ZERO,
        orphans: Some(Duration::ZERO),
        removal: Removal::Carried,
    };
    let path = announced[0].path().to_owned();
    let names = || async { Ok(HashSet::from([path])) };
    let gone = vacuum(&root, TABLE, rules, &Mutex::new(()), names)
        .await
        .unwrap();
    assert_eq!(gone.files.len(), 7);
    assert!(gone.files.contains(&orphans[0].path().to_owned()));
    assert_eq!((gone.kept_files, data_files(&folder)), (3, 3));
    assert_eq!(query(&root, TABLE, SUM).await, sum);
    sink.commit(&announced, Some(("q", 7)), &info(7))
        .await
        .unwrap();
    assert_eq!(query(&root, TABLE, "select count(*) from t").await, ["80"]);

    // Where files that were never part of the table are not ours to judge, only tombstones go.
    let _orphan = sink.write_files(&[rows(0, 10)], "lost").await.unwrap();
    merge_all(&root).await;
    let rules = VacuumRules {
        orphans: None,
        ..rules
    };
    let none = || async { Ok(HashSet::new()) };
    let gone = vacuum(&root, TABLE, rules, &Mutex::new(()), none)
        .await
        .unwrap();
    assert_eq!(gone.files.len(), 2, "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn vacuum_touches_nothing_when_a_live_file_is_missing() {
    let (_folder, root) = root();
    let folder = root.local_path.clone().unwrap().join(TABLE);
    let mut sink = table(&root).await;
    commits(&root, &mut sink, 0..=6).await;
    let merged = merge_all(&root).await;
    let before = data_files(&folder);
    // An hour ago, to the log: a file so old must be in a listing.
    let entry = folder.join(format!("_delta_log/{:020}.json", merged[0].version));
    let mut aged = String::new();
    for mut action in actions(&root, merged[0].version) {
        if let Some(add) = action.get_mut("add") {
            let written_ms = add["modificationTime"].as_i64().unwrap();
            add["modificationTime"] = (written_ms - 3_600_000).into();
            std::fs::remove_file(folder.join(add["path"].as_str().unwrap())).unwrap();
        }
        aged.push_str(&format!("{action}\n"));
    }
    std::fs::write(entry, aged).unwrap();
    let rules = VacuumRules {
        removed: Duration::ZERO,
        orphans: Some(Duration::ZERO),
        removal: Removal::Carried,
    };
    let none = || async { Ok(HashSet::new()) };
    let error = vacuum(&root, TABLE, rules, &Mutex::new(()), none)
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectorError::Corrupt { .. }), "{error}");
    assert_eq!(data_files(&folder), before - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_read_as_it_was_until_its_files_go() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    commits(&root, &mut sink, 0..=6).await;
    merge_all(&root).await;
    maintain(&root, TABLE).await.unwrap();
    let at = async |at| snapshot_at(&root, TABLE, "gold.metrics", at, i64::MAX).await;
    for version in 0..=8 {
        let snapshot = at(At::Version(version)).await.unwrap();
        let rows: u64 = snapshot
            .files()
            .iter()
            .filter_map(|file| file.num_records)
            .sum();
        assert_eq!(
            rows,
            10 * version.min(7).cast_unsigned(),
            "version {version}"
        );
    }
    let now_us = chrono::Utc::now().timestamp_micros();
    assert_eq!(at(At::Time(now_us)).await.unwrap().version(), 8);
    assert!(at(At::Version(9)).await.is_err());
    vacuumed(&root, 0, Removal::Carried).await;
    assert_eq!(at(At::Version(8)).await.unwrap().version(), 8);
    assert_eq!(
        at(At::Version(0)).await.unwrap().version(),
        0,
        "it has no files"
    );
    let error = at(At::Version(7)).await.unwrap_err();
    assert!(
        error.to_string().contains("is not there any more"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("VACUUM"));
}
