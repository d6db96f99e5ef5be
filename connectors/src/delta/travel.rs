//! A table as it was: by version, or by time.
//!
//! A version can be read while the log has a way to it: the entries from a checkpoint (or from the beginning) up to it. Which versions these
//! are is told from the names in the log's folder. A version's time is the time its entry was written, as every engine has it; clocks go
//! back, so the time of a version is at least the one before it plus a millisecond.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, SecondsFormat, Utc};
use futures::TryStreamExt;
use object_store::path::Path;

use super::{Snapshot, log::Log};
use crate::{
    error::{ConnectorError, Result},
    store::{Root, storage_error},
};

#[cfg(test)]
mod tests;

/// Files looked for at a time.
const LOOKS: usize = 16;

/// Which version of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The one of this number.
    Version(i64),
    /// The newest at this time, in microseconds since the epoch.
    Time(i64),
}

/// The versions of a table that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Versions with their times in milliseconds since the epoch, in order and without a gap.
    pub times_ms: Vec<(i64, i64)>,
}

/// The table in the folder `path` as it was.
///
/// # Errors
/// `NotFound` where there is no table; `Option`, saying what can be read, for a version or time that cannot.
pub async fn snapshot_at(
    root: &Root,
    path: &str,
    name: &str,
    at: At,
    now_us: i64,
) -> Result<Snapshot> {
    let log = Log::new(root, path)?;
    let versions = Versions::of(root, path).await?;
    let version = versions.find(name, at, now_us)?;
    let state = log.load_present(Some(version)).await?;
    let snapshot = Snapshot::of(log, state, Arc::default())?;
    // The log may know a version whose files were removed since.
    let files = snapshot.files().into_iter();
    let files: Vec<String> = files.map(|file| format!("{path}/{}", file.path)).collect();
    let mut there = true;
    for files in files.chunks(LOOKS) {
        let looks: Vec<_> = files.iter().map(|file| root.exists(file)).collect();
        there &= futures::future::try_join_all(looks)
            .await?
            .into_iter()
            .all(|there| there);
    }
    if there {
        return Ok(snapshot);
    }
    Err(ConnectorError::Option {
        message: format!("version {version} of table \"{name}\" is not there any more"),
        hint: Some("Its files were removed by VACUUM; the table's option history says how long they are kept.".into()),
    })
}

impl Versions {
    /// Those of the table in the folder `path`.
    pub async fn of(root: &Root, path: &str) -> Result<Self> {
        let folder = format!("{path}/_delta_log");
        let prefix = Path::parse(&folder).map_err(|error| ConnectorError::Option {
            message: format!("\"{folder}\" is not a usable path: {error}"),
            hint: None,
        })?;
        let mut entries = Vec::new();
        let mut checkpoints = BTreeSet::new();
        let mut listing = root.store.list(Some(&prefix));
        while let Some(object) = listing
            .try_next()
            .await
            .map_err(|error| storage_error(&format!("list {folder}"), error))?
        {
            let Some((number, kind)) = object
                .location
                .filename()
                .and_then(|name| name.split_once('.'))
            else {
                continue;
            };
            let Some(version) = (number.len() == 20)
                .then(|| number.parse::<i64>().ok())
                .flatten()
            else {
                continue;
            };
            if kind == "json" {
                entries.push((version, object.last_modified.timestamp_millis()));
            } else if kind.starts_with("checkpoint.") {
                checkpoints.insert(version);
            }
        }
        Ok(Self::readable(entries, &checkpoints))
    }

    /// Those that entries and checkpoints lead to.
    fn readable(mut entries: Vec<(i64, i64)>, checkpoints: &BTreeSet<i64>) -> Self {
        entries.sort_unstable();
        // From the newest back to the first gap.
        let mut start = entries.len();
        while start > 0 {
            let here = entries.get(start - 1).map(|entry| entry.0);
            let next = entries.get(start).map(|entry| entry.0);
            if next.is_some_and(|next| here != Some(next - 1)) {
                break;
            }
            start -= 1;
        }
        let mut times_ms: Vec<(i64, i64)> = entries.split_off(start);
        let first = times_ms.first().map_or(0, |entry| entry.0);
        if first > 0 {
            // The entries before the first checkpoint lead nowhere.
            let base = checkpoints.range(first - 1..).next().copied();
            match base {
                Some(base) => times_ms.retain(|(version, _)| *version >= base),
                None => times_ms.clear(),
            }
        }
        let mut last = i64::MIN;
        for (_, time) in &mut times_ms {
            *time = (*time).max(last.saturating_add(1));
            last = *time;
        }
        Self { times_ms }
    }

    /// The version meant, or what can be had.
    fn find(&self, name: &str, at: At, now_us: i64) -> Result<i64> {
        let (Some(first), Some(last)) = (self.times_ms.first(), self.times_ms.last()) else {
            return Err(ConnectorError::NotFound {
                message: format!("table \"{name}\" has no version yet"),
                hint: Some("It gets one with its first commit.".into()),
            });
        };
        let refused = |message: String| ConnectorError::Option {
            message,
            hint: Some(format!(
                "Versions {} (of {}) to {} (of {}) can be read: SELECT version, at FROM {name}__history.",
                first.0,
                moment(first.1),
                last.0,
                moment(last.1)
            )),
        };
        match at {
            At::Version(version) if version > last.0 => Err(refused(format!(
                "table \"{name}\" has no version {version} yet"
            ))),
            At::Version(version) if version < first.0 => Err(refused(format!(
                "version {version} of table \"{name}\" is not there any more"
            ))),
            At::Version(version) => Ok(version),
            At::Time(us) if us > now_us => Err(refused(format!(
                "table \"{name}\" cannot be read as of {}, which is in the future",
                moment(us.div_euclid(1000))
            ))),
            At::Time(us) => {
                let upto = self
                    .times_ms
                    .partition_point(|(_, time)| time.saturating_mul(1000) <= us);
                match upto
                    .checked_sub(1)
                    .and_then(|index| self.times_ms.get(index))
                {
                    Some((version, _)) => Ok(*version),
                    None => Err(refused(format!(
                        "table \"{name}\" cannot be read as of {}, which is before its oldest version",
                        moment(us.div_euclid(1000))
                    ))),
                }
            }
        }
    }
}

fn moment(ms: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(ms).map_or_else(
        || format!("{ms} ms"),
        |time| time.to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}
