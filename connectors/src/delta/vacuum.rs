//! Removing files that no version within the retention needs: those removed from the table long ago, and those that never came into it.
//!
//! A file that is in no version may be on its way into one. So nothing younger than the retention goes, nothing that the caller knows to be
//! announced, and what is live is looked at after the folder was listed, while the table's commit queue stands still: a file that is old,
//! not live, not announced and not in a commit under way will never be in the table again.
//!
//! To take a live file for an unneeded one would be the worst that can happen here, and a path has several spellings (in the log, in the
//! store). So where a live file is not found in the listing, nothing at all is removed.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    time::Duration,
};

use chrono::Utc;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use tokio::sync::Mutex;

use super::log::{Log, delta_error};
use crate::{
    error::{ConnectorError, Result},
    store::{Root, storage_error},
};

#[cfg(test)]
mod tests;

/// Deletes at a time.
const DELETES: usize = 8;

/// A live file that is younger than this may be missing in a listing that is a moment old.
const LISTING_MS: i64 = 600_000;

/// What goes, and what only would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The files are deleted.
    Carried,
    /// Nothing is deleted.
    Told,
}

/// Files that are not needed any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vacuumed {
    /// Their paths below the table's folder, sorted.
    pub files: Vec<String>,
    /// Their size together.
    pub bytes: u64,
    /// Files that stay.
    pub kept_files: usize,
    /// Their size together.
    pub kept_bytes: u64,
}

/// How old a file must be to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VacuumRules {
    /// Since it was removed from the table.
    pub removed: Duration,
    /// Since it was written, where it never was part of the table; `None`: such a file stays.
    pub orphans: Option<Duration>,
    /// Whether it really goes.
    pub removal: Removal,
}

/// Removes the files of the table in the folder `path` that the rules let go.
///
/// `announced` tells, while nothing is committed, which files will still be: their paths below the table's folder.
///
/// # Errors
/// `Corrupt` where a live file is not in the folder: nothing is removed then.
pub async fn vacuum<F>(
    root: &Root,
    path: &str,
    rules: VacuumRules,
    queue: &Mutex<()>,
    announced: impl FnOnce() -> F,
) -> Result<Vacuumed>
where
    F: Future<Output = Result<HashSet<String>>>,
{
    let log = Log::new(root, path)?;
    let began_ms = Utc::now().timestamp_millis();
    let before = |age: Duration| {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        began_ms.saturating_sub(age_ms)
    };
    let removed_before_ms = before(rules.removed);
    let written_before_ms = rules.orphans.map_or(i64::MIN, before);
    let listed = data_files(root, path).await?;
    let (live, removed_at, announced) = {
        let _turn = queue.lock().await;
        let state = log.load_present(None).await?;
        let mut removed_at: HashMap<String, i64> = HashMap::new();
        let mut tombstones = state.all_tombstones(log.store.as_ref());
        while let Some(tombstone) = tombstones.next().await {
            let tombstone = tombstone.map_err(|error| {
                delta_error(&format!("read what was removed from {path}"), error)
            })?;
            let at = tombstone.deletion_timestamp().unwrap_or(i64::MAX);
            for spelling in spellings(&tombstone.path()) {
                let newest = removed_at.entry(spelling).or_insert(at);
                *newest = at.max(*newest);
            }
        }
        drop(tombstones);
        let live: Vec<(String, i64)> = state
            .log_data()
            .iter()
            .map(|file| (file.path().into_owned(), file.modification_time()))
            .collect();
        (live, removed_at, announced().await?)
    };
    let mut needed: HashSet<String> = HashSet::new();
    let there: HashSet<&str> = listed.iter().map(|file| file.path.as_str()).collect();
    for (file, modified_ms) in &live {
        let spellings = spellings(file);
        let found = spellings.iter().any(|name| there.contains(name.as_str()));
        // An absolute path is a file of another table that this one is a clone of.
        let elsewhere = file.contains("://") || file.starts_with('/');
        if !found && !elsewhere && *modified_ms < began_ms - LISTING_MS {
            return Err(ConnectorError::Corrupt {
                message: format!(
                    "data file {file} of {path} is part of the table and not in its folder; nothing was removed"
                ),
            });
        }
        needed.extend(spellings);
    }
    needed.extend(announced.iter().flat_map(|file| spellings(file)));

    let mut vacuumed = Vacuumed::default();
    for file in listed {
        let young = match removed_at.get(&file.path) {
            Some(removed_ms) => *removed_ms > removed_before_ms,
            None => file.modified_ms > written_before_ms,
        };
        if young || needed.contains(&file.path) {
            vacuumed.kept_files += 1;
            vacuumed.kept_bytes += file.bytes;
        } else {
            vacuumed.bytes += file.bytes;
            vacuumed.files.push(file.path);
        }
    }
    vacuumed.files.sort_unstable();
    if rules.removal == Removal::Carried {
        for files in vacuumed.files.chunks(DELETES) {
            let paths: Vec<String> = files.iter().map(|file| format!("{path}/{file}")).collect();
            let deletes: Vec<_> = paths.iter().map(|path| root.delete(path)).collect();
            futures::future::try_join_all(deletes).await?;
        }
    }
    Ok(vacuumed)
}

struct Listed {
    path: String,
    bytes: u64,
    modified_ms: i64,
}

/// The files in a table's folder, without the log and whatever else is hidden.
async fn data_files(root: &Root, path: &str) -> Result<Vec<Listed>> {
    let told = |error| storage_error(&format!("list {path}"), error);
    let prefix = Path::parse(path).map_err(|error| ConnectorError::Option {
        message: format!("\"{path}\" is not a usable path: {error}"),
        hint: None,
    })?;
    let start = format!("{prefix}/");
    let mut files = Vec::new();
    let mut listing = root.store.list(Some(&prefix));
    while let Some(object) = listing.try_next().await.map_err(told)? {
        let Some(below) = object.location.as_ref().strip_prefix(&start) else {
            continue;
        };
        if !is_hidden(below) {
            files.push(Listed {
                path: below.to_owned(),
                bytes: object.size,
                modified_ms: object.last_modified.timestamp_millis(),
            });
        }
    }
    Ok(files)
}

/// The log, change data, indexes of other engines: a name that begins with a dot or an underscore and is no partition's.
fn is_hidden(path: &str) -> bool {
    path.split('/')
        .any(|part| part.starts_with('.') || (part.starts_with('_') && !part.contains('=')))
}

/// What a path of the log may be called in a listing.
fn spellings(path: &str) -> Vec<String> {
    let mut spellings = vec![path.to_owned(), Path::from(path).to_string()];
    spellings.extend(Path::from_url_path(path).ok().map(|path| path.to_string()));
    spellings
}
