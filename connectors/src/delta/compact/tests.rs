//! Which files are merged, a pure decision; and the order of their rows.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::{
    array::{AsArray, Int64Array, RecordBatch, StringArray},
    datatypes::Int64Type,
};

use super::{
    FAN_IN, Merge, PartitionValues, SMALL_BYTES, Standing, TableFile, merges, sorted, tier,
};

fn file(partition: &str, number: usize, size: i64) -> TableFile {
    TableFile {
        path: format!("date={partition}/part-{number:03}.parquet"),
        partition_values: values(partition),
        size,
        modified_ms: number as i64,
        num_records: Some(1),
        stats: None,
    }
}

fn values(partition: &str) -> PartitionValues {
    [("date".to_owned(), Some(partition.to_owned()))].into()
}

fn files(partition: &str, count: usize, size: i64) -> Vec<TableFile> {
    (0..count).map(|n| file(partition, n, size)).collect()
}

fn decide(files: &[TableFile], standing: Standing) -> Vec<Merge> {
    merges(files, |_| standing)
}

#[test]
fn an_open_partition_is_merged_when_a_tier_is_full() {
    let almost = files("2026-11-27", FAN_IN - 1, 3_000);
    assert_eq!(decide(&almost, Standing::Open), vec![]);
    let full = files("2026-11-27", FAN_IN, 3_000);
    let merges = decide(&full, Standing::Open);
    assert_eq!(merges.len(), 1);
    assert_eq!(merges[0].files.len(), FAN_IN);
    assert_eq!(merges[0].bytes, 3_000 * FAN_IN as i64);
    assert!(!merges[0].sealed);
}

#[test]
fn tiers_are_merged_apart() {
    let mut some = files("2026-11-27", FAN_IN, 3_000);
    some.extend((100..100 + FAN_IN - 1).map(|n| file("2026-11-27", n, 100_000)));
    let merges = decide(&some, Standing::Open);
    assert_eq!(merges.len(), 1);
    assert!(
        merges[0]
            .files
            .iter()
            .all(|path| path < &"date=2026-11-27/part-100".to_owned())
    );
}

#[test]
fn a_sealed_partition_is_merged_once() {
    let several = files("2026-11-26", 2, 3_000);
    assert_eq!(decide(&several, Standing::Sealed).len(), 1);
    let one = files("2026-11-26", 1, 3_000);
    assert_eq!(decide(&one, Standing::Sealed), vec![]);
    let mut appended = vec![file("2026-11-26", 0, SMALL_BYTES)];
    appended.push(file("2026-11-26", 1, 10));
    assert_eq!(
        decide(&appended, Standing::Sealed),
        vec![],
        "the large one stays"
    );
    appended.push(file("2026-11-26", 2, 10));
    assert_eq!(decide(&appended, Standing::Sealed)[0].files.len(), 2);
}

#[test]
fn partitions_are_merged_one_by_one_and_only_those_asked_for() {
    let mut all = files("2026-11-26", 3, 10);
    all.extend(files("2026-11-27", 3, 10));
    let merges = merges(&all, |partition| match *partition == values("2026-11-26") {
        true => Standing::Sealed,
        false => Standing::LeftAlone,
    });
    assert_eq!(merges.len(), 1);
    assert_eq!(merges[0].partition, values("2026-11-26"));
}

/// As many commits as one likes, of any size: the table has few files at any time, and a row is written a few times at most.
#[test]
fn any_number_of_commits_leaves_few_files_and_little_writing() {
    for size in [700, 5_000, 90_000] {
        let mut now: Vec<TableFile> = Vec::new();
        let (mut most, mut written) = (0, 0);
        let commits = 20_000;
        for number in 0..commits {
            now.push(file("2026-11-27", number, size));
            for merge in decide(&now, Standing::Open) {
                now.retain(|file| !merge.files.contains(&file.path));
                written += merge.bytes;
                let mut merged = file("2026-11-27", number, merge.bytes);
                merged.path.push_str("-merged");
                now.push(merged);
            }
            most = most.max(now.len());
        }
        let committed = size * commits as i64;
        assert!(most < 4 * FAN_IN, "{most} files of {size} bytes");
        assert!(
            written < 4 * committed,
            "{written} bytes written for {committed}"
        );
    }
}

#[test]
fn tiers_grow_by_sixteen() {
    assert_eq!(tier(0), 0);
    assert_eq!(tier((64 << 10) - 1), 0);
    assert_eq!(tier(64 << 10), 1);
    assert_eq!(tier(1 << 20), 2);
    assert_eq!(tier(16 << 20), 3);
}

fn batch(rows: &[(i64, Option<&str>, i64)]) -> RecordBatch {
    let times = Int64Array::from_iter_values(rows.iter().map(|(time, _, _)| *time));
    let kinds = StringArray::from_iter(rows.iter().map(|(_, kind, _)| *kind));
    let numbers = Int64Array::from_iter_values(rows.iter().map(|(_, _, number)| *number));
    RecordBatch::try_from_iter([
        ("time", Arc::new(times) as _),
        ("kind", Arc::new(kinds) as _),
        ("number", Arc::new(numbers) as _),
    ])
    .unwrap()
}

fn numbers(batches: &[RecordBatch], order: &[&str]) -> Vec<i64> {
    let order: Vec<String> = order.iter().map(|name| (*name).to_owned()).collect();
    let all = sorted(&batches[0].schema(), batches, &order).unwrap();
    all.column(2).as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn rows_are_sorted_within_and_across_files_and_equal_ones_stay_in_order() {
    let some = [
        batch(&[(2, Some("b"), 0), (2, Some("a"), 1), (2, None, 2)]),
        batch(&[]),
        batch(&[(3, Some("a"), 3), (1, Some("z"), 4)]),
        batch(&[(2, Some("a"), 5), (3, Some("a"), 6)]),
    ];
    assert_eq!(numbers(&some, &["time", "kind"]), [4, 2, 1, 5, 0, 3, 6]);
    assert_eq!(
        numbers(&some, &["kind", "none such"]),
        [2, 1, 3, 5, 6, 0, 4]
    );
    assert_eq!(numbers(&some, &[]), [0, 1, 2, 3, 4, 5, 6]);
    let ordered = [batch(&[(1, None, 0), (2, None, 1)]), batch(&[(2, None, 2)])];
    assert_eq!(numbers(&ordered, &["time", "kind"]), [0, 1, 2]);
}
