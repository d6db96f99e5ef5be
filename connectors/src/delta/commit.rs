//! What an entry that is where ours was to go means for our commit: pure, so that every case can be tested.

use super::log::Entry;

/// The commit being tried.
pub(super) struct Attempt<'a> {
    /// The id in its `commitInfo`.
    pub(super) id: &'a str,
    /// Application id and version of its transaction.
    pub(super) txn: Option<(&'a str, i64)>,
    /// Paths it adds, as the log writes them.
    pub(super) paths: &'a [String],
}

/// What to do about the entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is this commit (its reply was lost), or one of the same transaction by another process: done.
    Done,
    /// It has nothing to do with this commit: try the next version.
    Next,
    /// It makes this commit wrong: what it did.
    Conflict(&'static str),
}

/// Judges the entry that has the version we wanted.
pub(super) fn judge(entry: &Entry, attempt: &Attempt<'_>) -> Verdict {
    if entry.commit_id() == Some(attempt.id) {
        return Verdict::Done;
    }
    if let Some((app_id, version)) = attempt.txn
        && entry
            .transactions
            .iter()
            .any(|txn| txn.app_id == app_id && txn.version >= version)
    {
        return Verdict::Done;
    }
    if entry.redefines {
        return Verdict::Conflict("changed the table's definition");
    }
    if entry
        .touched
        .iter()
        .any(|path| attempt.paths.contains(path))
    {
        return Verdict::Conflict("added or removed the very files of this commit");
    }
    // Appends, deletions, compaction: a blind append depends on none of them.
    Verdict::Next
}
