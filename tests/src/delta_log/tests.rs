//! The log reader sees what is wrong.

use super::*;

fn table(versions: &[&str]) -> (tempfile::TempDir, DeltaLog) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("_delta_log");
    fs::create_dir_all(&log).unwrap();
    fs::create_dir_all(dir.path().join("date=2026-03-01")).unwrap();
    fs::write(dir.path().join("date=2026-03-01/a b.parquet"), b"1234").unwrap();
    for (version, text) in versions.iter().enumerate() {
        fs::write(log.join(format!("{version:020}.json")), text).unwrap();
    }
    fs::write(log.join("_last_checkpoint"), "{}").unwrap();
    let read = DeltaLog::read(dir.path()).unwrap();
    (dir, read)
}

const META: &str = r#"{"metaData":{"id":"x","partitionColumns":["date"]}}"#;
const ADD: &str = r#"{"add":{"path":"date=2026-03-01/a%20b.parquet","size":4,"partitionValues":{"date":"2026-03-01"},"stats":"{\"numRecords\":2,\"minValues\":{\"n\":1},\"maxValues\":{\"n\":2},\"nullCount\":{\"n\":0}}"}}"#;
const TXN1: &str = r#"{"txn":{"appId":"q","version":1}}"#;
const TXN2: &str = r#"{"txn":{"appId":"q","version":2}}"#;

#[test]
fn a_good_log_passes() {
    let (_dir, log) = table(&[META, &format!("{TXN1}\n{ADD}"), TXN2]);
    assert_eq!(log.partition_columns(), ["date"]);
    log.check_txns().unwrap();
    log.check_adds(&["date"], &["n"]).unwrap();
}

#[test]
fn each_fault_is_named() {
    let (_dir, log) = table(&[META, TXN2, TXN1]);
    assert!(log.check_txns().unwrap_err().contains("strictly"));
    let (_dir, log) = table(&[META, TXN1, TXN1]);
    assert!(log.check_txns().unwrap_err().contains("strictly"));
    let (_dir, log) = table(&[META]);
    assert!(log.check_txns().unwrap_err().contains("no txn"));
    let (_dir, log) = table(&[META, ADD, ADD]);
    assert!(
        log.check_adds(&["date"], &[])
            .unwrap_err()
            .contains("twice")
    );
    let (_dir, log) = table(&[ADD]);
    assert!(log.check_adds(&["hour"], &[]).unwrap_err().contains("hour"));
    assert!(
        log.check_adds(&["date"], &["m"])
            .unwrap_err()
            .contains("of m")
    );
    let (_dir, log) = table(&[&ADD.replace("\"size\":4", "\"size\":5")]);
    assert!(
        log.check_adds(&["date"], &["n"])
            .unwrap_err()
            .contains("size")
    );
}
