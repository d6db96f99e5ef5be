//! Commits: once, whatever is answered, whoever else commits.

use std::{collections::BTreeSet, sync::Arc};

use deltalake::{DeltaTable, kernel::transaction::CommitProperties, open_table};
use object_store::{ObjectStore, memory::InMemory, path::Path, prefix::PrefixStore};
use serde_json::Map;
use url::Url;

use super::{
    TABLE,
    faulty::{Fault, Faulty},
    info, root, rows, schema, spec, table,
};
use crate::{
    delta::{
        Committed, DataFile, DeltaReader, DeltaSink, TableSpec,
        commit::{Attempt, Verdict, judge},
        log::Entry,
        maintain,
    },
    error::ConnectorError,
    store::Root,
};

fn new(version: i64) -> Committed {
    Committed {
        version,
        already: false,
    }
}

fn old(version: i64) -> Committed {
    Committed {
        version,
        already: true,
    }
}

fn entry(version: i64) -> String {
    format!("{TABLE}/_delta_log/{version:020}.json")
}

/// Rows in the table, by its files.
async fn count(root: &Root) -> u64 {
    let mut reader = DeltaReader::new(root, TABLE).unwrap();
    let files = reader.refresh().await.unwrap().files();
    files.iter().map(|file| file.num_records.unwrap()).sum()
}

/// The table as any other program on delta-rs has it.
async fn foreign(root: &Root) -> DeltaTable {
    open_table(root.url_of(TABLE).unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_made_once_and_opened_again() {
    let (_folder, root) = root();
    assert!(DeltaSink::open(&root, TABLE).await.unwrap().is_none());
    let made = table(&root).await;
    assert_eq!(made.version(), 0);
    let error = DeltaSink::create(&root, TABLE, &spec(), &Map::new())
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectorError::Conflict { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        format!("there is a Delta table in {TABLE} already")
    );
    let opened = DeltaSink::open(&root, TABLE).await.unwrap().unwrap();
    assert_eq!(opened.version(), 0);
    assert_eq!(opened.spec(), &spec());
    assert_eq!(made.spec(), &spec());
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_creators_make_one_table() {
    let (_folder, root) = root();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let root = root.clone();
            tokio::spawn(async move {
                DeltaSink::create(&root, TABLE, &spec(), &Map::new())
                    .await
                    .is_ok()
            })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        made += usize::from(task.await.unwrap());
    }
    assert_eq!(made, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_committed_once() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    assert_eq!(sink.txn_version("q").await.unwrap(), None);
    assert_eq!(sink.last_commit_of("q").await.unwrap(), None);
    let files = sink.write_files(&[rows(0, 90)], "q-1").await.unwrap();
    assert_eq!(files.len(), 2, "one for each hour");
    let one = Some(("q", 1));
    assert_eq!(sink.commit(&files, one, &info(1)).await.unwrap(), new(1));
    // The same again, by this one and by one that knows nothing.
    assert_eq!(sink.commit(&files, one, &info(1)).await.unwrap(), old(1));
    let mut other = DeltaSink::open(&root, TABLE).await.unwrap().unwrap();
    assert_eq!(other.commit(&files, one, &info(1)).await.unwrap(), old(1));
    let zero = Some(("q", 0));
    assert_eq!(other.commit(&[], zero, &info(0)).await.unwrap(), old(1));
    assert_eq!(other.txn_version("q").await.unwrap(), Some(1));
    assert_eq!(other.last_commit_of("q").await.unwrap(), Some((1, info(1))));
    // A transaction without rows, and one of somebody else.
    sink.commit(&[], Some(("q", 7)), &info(7)).await.unwrap();
    sink.commit(&[], Some(("p", 3)), &info(3)).await.unwrap();
    assert_eq!(other.txn_version("q").await.unwrap(), Some(7));
    assert_eq!(other.last_commit_of("q").await.unwrap(), Some((2, info(7))));
    assert_eq!(other.version(), 3);
    assert_eq!(count(&root).await, 90);
}

/// A folder has the name of its table, whose letters are not those of a URL; on a disk and in a bucket.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_may_have_any_letters() {
    let (_folder, local) = root();
    let base: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let bucket = Root {
        url: Url::parse("s3://bucket/a%20root/").unwrap(),
        store: Arc::new(PrefixStore::new(
            Arc::clone(&base),
            Path::parse("a root").unwrap(),
        )),
        base,
        local_path: None,
    };
    let path = "tables/gold/données d'été 表";
    for root in [local, bucket] {
        let mut sink = DeltaSink::create(&root, path, &spec(), &Map::new())
            .await
            .unwrap();
        for n in 1..=2 {
            let batches = [rows(n * 10, 10)];
            let files = sink.write_files(&batches, &format!("q-{n}")).await.unwrap();
            let committed = sink.commit(&files, Some(("q", n)), &info(n)).await;
            assert_eq!(committed.unwrap(), new(n), "{root:?}");
        }
        let opened = DeltaSink::open(&root, path).await.unwrap().unwrap();
        assert_eq!(opened.version(), 2);
        let mut reader = DeltaReader::new(&root, path).unwrap();
        let files = reader.refresh().await.unwrap().files();
        let count: u64 = files.iter().map(|file| file.num_records.unwrap()).sum();
        assert_eq!(count, 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_manifest_are_committed_by_another_process() {
    let (_folder, root) = root();
    let sink = table(&root).await;
    let files = sink.write_files(&[rows(0, 10)], "q-1").await.unwrap();
    let manifest = serde_json::to_string(&files).unwrap();
    drop((sink, files));
    let files: Vec<DataFile> = serde_json::from_str(&manifest).unwrap();
    let mut sink = DeltaSink::open(&root, TABLE).await.unwrap().unwrap();
    sink.commit(&files, Some(("q", 1)), &info(1)).await.unwrap();
    assert_eq!(count(&root).await, 10);
    let file = files.first().unwrap();
    assert_eq!(file.rows(), 10);
    assert!(file.path().contains("q-1"), "{}", file.path());
    assert_eq!(file.partition_values()["hour"].as_deref(), Some("3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_does_not_double_rows() {
    for (fault, puts) in [
        (Fault::LostReply, 1),
        (Fault::LostReplyThenExists, 1),
        (Fault::Refused, 2),
    ] {
        for txn in [Some(("q", 1)), None] {
            let folder = tempfile::tempdir().unwrap();
            let (store, root) = Faulty::root(folder.path());
            let mut sink = table(&root).await;
            let files = sink.write_files(&[rows(0, 5)], "q-1").await.unwrap();
            store.next(&[fault]);
            let done = sink.commit(&files, txn, &info(1)).await.unwrap();
            assert_eq!(done.version, 1, "{fault:?}");
            assert_eq!(done.already, fault != Fault::Refused, "{fault:?}");
            assert_eq!(store.puts(), puts, "{fault:?}");
            assert_eq!(sink.version(), 1);
            sink.commit(&[], Some(("q", 2)), &info(2)).await.unwrap();
            assert_eq!(count(&root).await, 5, "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_given_up_can_be_made_later() {
    let folder = tempfile::tempdir().unwrap();
    let (store, root) = Faulty::root(folder.path());
    let mut sink = table(&root).await;
    let files = sink.write_files(&[rows(0, 5)], "q-1").await.unwrap();
    store.next(&[Fault::Refused; 4]);
    let one = Some(("q", 1));
    let error = sink.commit(&files, one, &info(1)).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(sink.version(), 0);
    assert_eq!(sink.commit(&files, one, &info(1)).await.unwrap(), new(1));
    assert_eq!(count(&root).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_made_with_a_lost_reply_is_ours() {
    for fault in [Fault::LostReply, Fault::LostReplyThenExists] {
        let folder = tempfile::tempdir().unwrap();
        let (store, root) = Faulty::root(folder.path());
        store.next(&[fault]);
        assert_eq!(table(&root).await.version(), 0);
    }
    let folder = tempfile::tempdir().unwrap();
    let (store, root) = Faulty::root(folder.path());
    store.next(&[Fault::Refused]);
    let error = DeltaSink::create(&root, TABLE, &spec(), &Map::new())
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_queries_all_get_in() {
    let (_folder, root) = root();
    table(&root).await;
    let tasks: Vec<_> = (0..4)
        .map(|query| {
            let root = root.clone();
            tokio::spawn(async move {
                let mut sink = DeltaSink::open(&root, TABLE).await.unwrap().unwrap();
                let name = format!("q{query}");
                let mut versions = Vec::new();
                for epoch in 1..=15 {
                    let files = sink.write_files(&[rows(epoch, 1)], &name).await.unwrap();
                    let txn = Some((name.as_str(), epoch));
                    let done = sink.commit(&files, txn, &info(epoch)).await.unwrap();
                    assert!(!done.already);
                    versions.push(done.version);
                }
                versions
            })
        })
        .collect();
    let mut versions = BTreeSet::new();
    for task in tasks {
        versions.extend(task.await.unwrap());
    }
    assert_eq!(versions, (1..=60).collect());
    assert_eq!(count(&root).await, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_that_think_they_are_the_query_each_epoch_is_committed_once() {
    let (_folder, root) = root();
    let sink = table(&root).await;
    // The very files of the manifests, as recovery commits them.
    let mut manifests = Vec::new();
    for epoch in 1..=20 {
        manifests.push(sink.write_files(&[rows(epoch, 1)], "q").await.unwrap());
    }
    let manifests = Arc::new(manifests);
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (root, manifests) = (root.clone(), Arc::clone(&manifests));
            tokio::spawn(async move {
                let mut sink = DeltaSink::open(&root, TABLE).await.unwrap().unwrap();
                let mut written = 0;
                for (epoch, files) in (1..).zip(manifests.iter()) {
                    let txn = Some(("q", epoch));
                    let done = sink.commit(files, txn, &info(epoch)).await.unwrap();
                    written += usize::from(!done.already);
                }
                written
            })
        })
        .collect();
    let mut written = 0;
    for task in tasks {
        written += task.await.unwrap();
    }
    assert_eq!(written, 20);
    assert_eq!(count(&root).await, 20);
    let mut sink = DeltaSink::open(&root, TABLE).await.unwrap().unwrap();
    assert_eq!(sink.version(), 20);
    assert_eq!(sink.txn_version("q").await.unwrap(), Some(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_and_deletions_of_others_are_passed() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    let files = sink.write_files(&[rows(0, 3)], "q-1").await.unwrap();
    foreign(&root)
        .await
        .write(vec![rows(100, 4)])
        .await
        .unwrap();
    let done = sink.commit(&files, Some(("q", 1)), &info(1)).await.unwrap();
    assert_eq!(done, new(2));
    assert_eq!(count(&root).await, 7);
    foreign(&root).await.delete().await.unwrap();
    let files = sink.write_files(&[rows(0, 2)], "q-2").await.unwrap();
    let done = sink.commit(&files, Some(("q", 2)), &info(2)).await.unwrap();
    assert_eq!(done, new(4));
    assert_eq!(count(&root).await, 2);
    assert_eq!(sink.last_commit_of("q").await.unwrap(), Some((4, info(2))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_redefined_by_others_takes_no_more() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    let property = ("delta.logRetentionDuration", "interval 3 days");
    foreign(&root)
        .await
        .set_tbl_properties()
        .with_properties([(property.0.to_owned(), property.1.to_owned())].into())
        .await
        .unwrap();
    for _ in 0..2 {
        let error = sink
            .commit(&[], Some(("q", 1)), &info(1))
            .await
            .unwrap_err();
        assert!(matches!(error, ConnectorError::Conflict { .. }), "{error}");
        assert_eq!(
            error.to_string(),
            format!("another writer changed the table's definition (version 1 of {TABLE})")
        );
    }
    assert!(sink.txn_version("q").await.is_err());
    let mut anew = DeltaSink::open(&root, TABLE).await.unwrap().unwrap();
    assert_eq!(anew.spec().properties[property.0], property.1);
    anew.commit(&[], Some(("q", 1)), &info(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_another_program_is_seen() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    let txn = deltalake::kernel::Transaction::new("q", 5);
    let properties = CommitProperties::default().with_application_transaction(txn);
    foreign(&root)
        .await
        .write(vec![rows(0, 1)])
        .with_commit_properties(properties)
        .await
        .unwrap();
    let done = sink.commit(&[], Some(("q", 5)), &info(5)).await.unwrap();
    assert_eq!(done, old(1));
    let done = sink.commit(&[], Some(("q", 6)), &info(6)).await.unwrap();
    assert_eq!(done, new(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_asks_for_more_than_we_do_is_not_written() {
    let (_folder, root) = root();
    table(&root).await;
    foreign(&root)
        .await
        .add_constraint()
        .with_constraint("positive", "value >= 0")
        .await
        .unwrap();
    let error = DeltaSink::open(&root, TABLE).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Conflict { .. }), "{error}");
    assert!(
        error.to_string().starts_with(&format!(
            "cannot write to the Delta table in {TABLE}: it asks for writer version 3"
        )),
        "{error}"
    );
    assert_eq!(count(&root).await, 0, "it is read all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_empties_the_table_and_keeps_its_history() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    let files = sink.write_files(&[rows(0, 90)], "q-1").await.unwrap();
    sink.commit(&files, Some(("q", 1)), &info(1)).await.unwrap();
    foreign(&root)
        .await
        .write(vec![rows(100, 4)])
        .await
        .unwrap();
    let narrower = TableSpec {
        schema: Arc::new(schema().project(&[2, 3]).unwrap()),
        partition_columns: Vec::new(),
        name: None,
        description: None,
        properties: [].into(),
    };
    let txn = Some(("q2", 1));
    assert_eq!(sink.replace(&narrower, txn, &info(1)).await.unwrap(), 3);
    assert_eq!(sink.spec(), &narrower);
    assert_eq!(count(&root).await, 0);
    // The same again changes nothing: its transaction is there.
    assert_eq!(sink.replace(&narrower, txn, &info(1)).await.unwrap(), 3);
    let batch = rows(0, 6).project(&[2, 3]).unwrap();
    let files = sink.write_files(&[batch], "q2-2").await.unwrap();
    let done = sink
        .commit(&files, Some(("q2", 2)), &info(2))
        .await
        .unwrap();
    assert_eq!(done, new(4));
    assert_eq!(count(&root).await, 6);
    let mut before = foreign(&root).await;
    before.load_version(2).await.unwrap();
    assert_eq!(before.snapshot().unwrap().log_data().num_files(), 3);
    let anew = DeltaSink::open(&root, TABLE).await.unwrap().unwrap();
    assert_eq!(anew.spec(), &narrower);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_with_a_lost_reply_is_made_once() {
    for fault in [Fault::LostReply, Fault::LostReplyThenExists] {
        let folder = tempfile::tempdir().unwrap();
        let (store, root) = Faulty::root(folder.path());
        let mut sink = table(&root).await;
        store.next(&[fault]);
        let version = sink.replace(&spec(), None, &info(1)).await.unwrap();
        assert_eq!((version, store.puts()), (1, 1), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_made_when_due_and_keep_transactions() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    for epoch in 1..=98 {
        let txn = Some(("q", epoch));
        sink.commit(&[], txn, &info(epoch)).await.unwrap();
    }
    assert_eq!(maintain(&root, TABLE).await.unwrap().checkpoint, None);
    let files = sink.write_files(&[rows(0, 5)], "p").await.unwrap();
    sink.commit(&files, Some(("p", 1)), &info(1)).await.unwrap();
    let done = maintain(&root, TABLE).await.unwrap();
    let made = done.checkpoint.map(|made| made.version);
    assert_eq!((done.version, made), (99, Some(99)));
    assert_eq!(maintain(&root, TABLE).await.unwrap().checkpoint, None);
    // Only the checkpoint is left of the past.
    for version in 0..=99 {
        root.delete(&entry(version)).await.unwrap();
    }
    let done = sink.commit(&[], Some(("q", 98)), &info(98)).await.unwrap();
    assert_eq!(done, old(98));
    sink.commit(&[], Some(("q", 99)), &info(99)).await.unwrap();
    let mut anew = DeltaSink::open(&root, TABLE).await.unwrap().unwrap();
    assert_eq!(anew.version(), 100);
    assert_eq!(anew.txn_version("q").await.unwrap(), Some(99));
    assert_eq!(anew.txn_version("p").await.unwrap(), Some(1));
    assert_eq!(
        anew.last_commit_of("p").await.unwrap(),
        None,
        "its entry is gone"
    );
    assert_eq!(anew.spec(), &spec());
    assert_eq!(count(&root).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cleaned_up_past_us_is_not_written_into() {
    let (_folder, root) = root();
    let mut stale = table(&root).await;
    let mut sink = DeltaSink::open(&root, TABLE).await.unwrap().unwrap();
    for epoch in 1..=101 {
        let txn = Some(("q", epoch));
        sink.commit(&[], txn, &info(epoch)).await.unwrap();
    }
    maintain(&root, TABLE).await.unwrap();
    for version in 0..=50 {
        root.delete(&entry(version)).await.unwrap();
    }
    let error = stale
        .commit(&[], Some(("p", 1)), &info(1))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cleaned the log up"), "{error}");
    assert!(root.read(&entry(1)).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_folder_is_gone_is_not_begun_in_the_middle() {
    let (_folder, root) = root();
    let mut sink = table(&root).await;
    sink.commit(&[], Some(("q", 1)), &info(1)).await.unwrap();
    root.delete_all(TABLE).await.unwrap();
    for _ in 0..2 {
        let error = sink
            .commit(&[], Some(("q", 2)), &info(2))
            .await
            .unwrap_err();
        assert!(matches!(error, ConnectorError::DataLost { .. }), "{error}");
    }
    assert!(root.list(TABLE).await.unwrap().is_empty());
    assert!(DeltaSink::open(&root, TABLE).await.unwrap().is_none());
}

#[test]
fn entries_in_the_way_are_judged() {
    let path = "date=2026-01-01/part-1.parquet";
    let attempt = Attempt {
        id: "mine",
        txn: Some(("q", 5)),
        paths: &[path.to_owned()],
    };
    let judged = |text: &str| judge(&Entry::parse(text.as_bytes()).unwrap(), &attempt);
    assert_eq!(judged(r#"{"commitInfo":{"txnId":"mine"}}"#), Verdict::Done);
    assert_eq!(
        judged(r#"{"txn":{"appId":"q","version":5}}"#),
        Verdict::Done
    );
    assert_eq!(
        judged(r#"{"txn":{"appId":"q","version":6}}"#),
        Verdict::Done
    );
    assert_eq!(
        judged(r#"{"txn":{"appId":"q","version":4}}"#),
        Verdict::Next
    );
    assert_eq!(
        judged(r#"{"txn":{"appId":"p","version":9}}"#),
        Verdict::Next
    );
    assert_eq!(
        judged("{\"txn\":{\"appId\":\"q\",\"version\":5}}\n{\"metaData\":{\"id\":\"x\"}}\n"),
        Verdict::Done,
        "ours, with a new definition"
    );
    let conflicts = [
        r#"{"metaData":{"id":"x"}}"#.to_owned(),
        r#"{"protocol":{"minReaderVersion":1}}"#.to_owned(),
        format!(r#"{{"remove":{{"path":"{path}"}}}}"#),
        format!(r#"{{"add":{{"path":"{path}"}}}}"#),
    ];
    for text in conflicts {
        assert!(matches!(judged(&text), Verdict::Conflict(_)), "{text}");
    }
    assert_eq!(
        judged(r#"{"remove":{"path":"other.parquet"}}"#),
        Verdict::Next
    );
    assert_eq!(judged(r#"{"somethingNew":{"a":1}}"#), Verdict::Next);
    assert!(Entry::parse(b"{\"add\":{\"path\":").is_err());
}
