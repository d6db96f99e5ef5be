//! What was appended is read back, up to a torn line; another build's epochs are not replayed.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn head(after_epoch: i64) -> JournalHead {
    JournalHead {
        fingerprint: "f".into(),
        build: "b".into(),
        definitions: Vec::new(),
        after_epoch,
    }
}

fn split() -> SplitId {
    SplitId {
        stream: 0,
        topic: "t".into(),
        partition: 0,
    }
}

fn append(journal: &mut Journal, epoch: i64) {
    let sets = SplitSets {
        known: BTreeSet::from([split()]),
        ..SplitSets::default()
    };
    journal
        .append(epoch, epoch * 10, vec![(split(), epoch * 100)], sets)
        .unwrap();
}

#[test]
fn epochs_come_back_in_order_with_their_sets() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::new(folder.path(), head(0)).unwrap();
    (1..=3).for_each(|epoch| append(&mut journal, epoch));
    journal.rotate(3);
    (4..=5).for_each(|epoch| append(&mut journal, epoch));
    let all = read(folder.path(), &head(0), 0).unwrap().unwrap();
    assert_eq!(
        all.iter().map(|r| r.epoch).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    assert!(
        all.iter()
            .all(|r| r.sets.as_ref().unwrap().known.len() == 1)
    );
    let rest = read(folder.path(), &head(0), 3).unwrap().unwrap();
    assert_eq!(rest.iter().map(|r| r.epoch).collect::<Vec<_>>(), [4, 5]);
    journal.forget_before(3).unwrap();
    assert_eq!(read(folder.path(), &head(0), 3).unwrap().unwrap().len(), 2);
    assert_eq!(files(folder.path()).unwrap().len(), 1);
}

#[test]
fn reading_ends_at_a_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::new(folder.path(), head(0)).unwrap();
    (1..=3).for_each(|epoch| append(&mut journal, epoch));
    let path = files(folder.path()).unwrap().remove(0).1;
    let whole = fs::read(&path).unwrap();
    let two = whole.len() - whole.rsplit(|b| *b == b'\n').nth(1).unwrap().len() - 1;
    for len in two..whole.len() - 1 {
        fs::write(&path, &whole[..len]).unwrap();
        let read = read(folder.path(), &head(0), 0).unwrap().unwrap();
        assert_eq!(read.len(), 2, "cut at {len}");
    }
}

#[test]
fn another_build_is_not_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::new(folder.path(), head(0)).unwrap();
    append(&mut journal, 1);
    let mut other = head(0);
    other.build = "c".into();
    assert_eq!(read(folder.path(), &other, 0).unwrap(), None);
    clear(folder.path()).unwrap();
    assert_eq!(read(folder.path(), &other, 0).unwrap(), Some(vec![]));
}
