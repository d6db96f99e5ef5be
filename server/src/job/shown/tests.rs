//! What was shown is read back, and what is in doubt is not taken for nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{slice::from_ref, sync::Arc};

use arrow::array::{Int64Array, StringArray};

use super::*;

fn head(build: &str) -> JournalHead {
    JournalHead {
        fingerprint: "f".into(),
        build: build.into(),
        definitions: Vec::new(),
        after_epoch: 0,
    }
}

fn batch(first: i64, rows: i64) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(first..first + rows);
    let texts = StringArray::from_iter_values((0..rows).map(|row| format!("text {row}")));
    RecordBatch::try_from_iter([
        ("n", Arc::new(numbers) as _),
        ("text", Arc::new(texts) as _),
    ])
    .unwrap()
}

fn read_all(folder: &Path, last: i64) -> Option<Vec<ShownEpoch>> {
    read(folder, &head("b"), last).unwrap()
}

#[test]
fn rows_come_back_by_epoch_and_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut shown = ShownRows::new(folder.path(), head("b"), None);
    let (one, two) = (batch(0, 3), batch(3, 2));
    let rows = [one.clone(), two.clone()];
    shown.keep(3, [&rows, &[], &[]]).unwrap();
    shown.keep(4, [&[], &[], &[]]).unwrap();
    shown
        .keep(5, [&[], &[batch(0, 0)], from_ref(&two)])
        .unwrap();
    let found = read_all(folder.path(), 9).unwrap();
    assert_eq!(found.len(), 2, "an epoch without rows has no file");
    assert_eq!(found[0].epoch, 3);
    assert_eq!(
        found[0].rows,
        [Some(Some(vec![one, two.clone()])), None, None]
    );
    assert_eq!(found[1].rows, [None, None, Some(Some(vec![two]))]);
    assert_eq!(read_all(folder.path(), 4).unwrap().len(), 1);
    shown.forget(3).unwrap();
    assert_eq!(read_all(folder.path(), 9).unwrap()[0].epoch, 5);
    clear(folder.path()).unwrap();
    assert!(read_all(folder.path(), 9).unwrap().is_empty());
}

#[test]
fn slices_are_kept_as_what_they_show() {
    let folder = tempfile::tempdir().unwrap();
    let mut shown = ShownRows::new(folder.path(), head("b"), None);
    // Whole it is more than is kept.
    let slice = batch(0, 1_000_000).slice(7, 2);
    shown.keep(1, [from_ref(&slice), &[], &[]]).unwrap();
    let found = read_all(folder.path(), 1).unwrap();
    assert_eq!(found[0].rows[0], Some(Some(vec![slice])));
    let bytes = fs::metadata(folder.path().join(file_name(1)))
        .unwrap()
        .len();
    assert!(bytes < 10_000, "{bytes}");
}

#[test]
fn too_many_rows_are_said_and_not_kept_until_a_commit_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut shown = ShownRows::new(folder.path(), head("b"), None);
    shown.keep(1, [&[batch(0, 1_000_000)], &[], &[]]).unwrap();
    shown.keep(2, [&[batch(0, 1)], &[], &[]]).unwrap();
    let found = read_all(folder.path(), 2).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].rows, [Some(None), None, None]);
    shown.forget(2).unwrap();
    shown.keep(3, [&[batch(0, 1)], &[], &[]]).unwrap();
    let found = read_all(folder.path(), 3).unwrap();
    assert_eq!(found[0].rows[0], Some(Some(vec![batch(0, 1)])));
}

#[test]
fn a_torn_or_flipped_file_is_in_doubt_and_another_builds_have_to_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut shown = ShownRows::new(folder.path(), head("b"), None);
    shown
        .keep(1, [&[batch(0, 3)], &[batch(3, 2)], &[]])
        .unwrap();
    let path = folder.path().join(file_name(1));
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(read_all(folder.path(), 1).is_none(), "{length} bytes");
    }
    for place in (0..whole.len()).step_by(7) {
        let mut flipped = whole.clone();
        flipped[place] ^= 4;
        fs::write(&path, flipped).unwrap();
        assert!(read_all(folder.path(), 1).is_none(), "byte {place}");
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(read_all(folder.path(), 1).unwrap().len(), 1);
    let other = read(folder.path(), &head("another"), 1).unwrap().unwrap();
    assert_eq!(
        other[0].rows,
        [Some(None), Some(None), None],
        "to be made again"
    );
}

#[test]
fn replayed_epochs_keep_the_files_they_have() {
    let folder = tempfile::tempdir().unwrap();
    let mut shown = ShownRows::new(folder.path(), head("b"), Some(4));
    shown.keep(4, [&[batch(0, 3)], &[], &[]]).unwrap();
    assert!(read_all(folder.path(), 9).unwrap().is_empty());
    shown.keep(5, [&[batch(0, 3)], &[], &[]]).unwrap();
    assert_eq!(read_all(folder.path(), 9).unwrap().len(), 1);
}
