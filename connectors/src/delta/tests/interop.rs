//! Tables for other engines to read, and what a commit costs: run by hand.

use std::time::{Duration, Instant};

use super::{TABLE, info, rows, spec};
use crate::{
    delta::{DeltaReader, DeltaSink, maintain},
    store::open_root,
};

/// `SLUICE_INTEROP=/some/folder cargo test … -- --ignored a_table_for_other_engines`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes a table that other engines are then asked to read"]
async fn a_table_for_other_engines() {
    let root = open_root(&std::env::var("SLUICE_INTEROP").unwrap()).unwrap();
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
            assert_eq!(done.checkpoint, Some(110));
        }
    }
}

fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // User and system time in ticks of ten milliseconds.
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Prints what a commit costs as the table grows.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn what_a_commit_costs() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let root = open_root(folder.path().to_str().unwrap()).unwrap();
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
    let mut reader = DeltaReader::open(&root, TABLE).await.unwrap();
    println!("open a reader without a checkpoint: {:?}", started.elapsed());
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
