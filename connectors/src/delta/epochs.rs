//! A table's rows epoch by epoch, as the query that feeds it gave them, out of the log.
//!
//! A commit has the rows of all epochs since the one before it. Its data files say in a tag of their `add` action how many rows they have
//! of which, in the order in which they lie in the file; to engines that do not know the tag it is nothing. Files that took the place of
//! others (merges) have no such tag, and need none: what they replaced is in the log for as long as the table's history is.
//!
//! A reader may be years behind, and a commit millions of rows: of the commits only their numbers are kept, and of the one that is being
//! read a stretch of rows of each file that has rows of the epoch.

mod rows;
mod stretches;

use std::collections::HashMap;

use deltalake::kernel::Add;
use serde::{Deserialize, de::DeserializeOwned};

pub use self::rows::{EpochRows, NextRows};
use super::{
    DataFile,
    log::{Log, Transaction},
};
use crate::{
    error::{ConnectorError, Result},
    store::Root,
};

/// The tag. Its value is a JSON array of `[epoch, rows]`.
const TAG: &str = "sluice.epochs";

/// Which rows of a file are of which epoch, from the first row on.
#[derive(Debug, Default)]
pub(super) struct Epochs(Vec<(i64, usize)>);

impl Epochs {
    /// The next rows of the file.
    pub(super) fn add(&mut self, epoch: Option<i64>, rows: usize) {
        match (epoch, self.0.last_mut()) {
            (Some(epoch), Some((last, count))) if *last == epoch => *count += rows,
            (Some(epoch), _) => self.0.push((epoch, rows)),
            (None, _) => {}
        }
    }

    pub(super) fn to_tags(&self) -> Option<HashMap<String, Option<String>>> {
        let text = serde_json::to_string(&self.0).ok();
        let some = (!self.0.is_empty()).then_some(text).flatten();
        some.map(|text| HashMap::from([(TAG.to_owned(), Some(text))]))
    }

    /// None where the file does not say, or says it of other rows than it has.
    fn of(add: &Add, rows: usize) -> Option<Self> {
        let text = add.tags.as_ref()?.get(TAG)?.as_deref()?;
        let epochs: Vec<(i64, usize)> = serde_json::from_str(text).ok()?;
        let sum = epochs.iter().map(|(_, count)| count).sum::<usize>();
        (sum == rows).then_some(Self(epochs))
    }
}

/// A commit of the query that feeds a table.
#[derive(Debug)]
pub struct Added {
    /// Its last epoch.
    pub epoch: i64,
    version: i64,
    log: Log,
}

/// What tells of a commit whose it is.
#[derive(Deserialize)]
struct OfQuery {
    txn: Option<Transaction>,
}

/// What tells which files it has added.
#[derive(Deserialize)]
struct OfFile {
    add: Option<DataFile>,
}

/// The commits of the query `app_id` after its epoch `after`, up to the table's version `version`, oldest first; `None` where the log does
/// not go back so far any more.
pub async fn added_since(
    root: &Root,
    path: &str,
    app_id: &str,
    after: i64,
    version: i64,
) -> Result<Option<Vec<Added>>> {
    let log = Log::new(root, path)?;
    let mut commits = Vec::new();
    for version in (0..=version).rev() {
        let Some(lines) = lines::<OfQuery>(&log, version).await? else {
            return Ok(None);
        };
        let mut ours = lines.into_iter().filter_map(|line| line.txn);
        let ours = ours.find(|txn| txn.app_id == app_id);
        match ours.map(|txn| txn.version) {
            Some(epoch) if epoch <= after => break,
            Some(epoch) => commits.push(Added {
                epoch,
                version,
                log: log.clone(),
            }),
            // A merge, or somebody else.
            None => {}
        }
    }
    commits.reverse();
    Ok(Some(commits))
}

/// The lines of an entry of the log, as far as somebody asks; `None` where it is not there any more.
async fn lines<T: DeserializeOwned>(log: &Log, version: i64) -> Result<Option<Vec<T>>> {
    let Some(bytes) = log.bytes(version).await? else {
        return Ok(None);
    };
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.iter().all(u8::is_ascii_whitespace));
    let lines = lines.map(|line| {
        serde_json::from_slice(line).map_err(|error| ConnectorError::Corrupt {
            message: format!(
                "version {version} of {} is not a Delta log entry: {error}",
                log.path
            ),
        })
    });
    lines.collect::<Result<_>>().map(Some)
}

impl Added {
    /// The files that it added; `None` where its entry in the log is not there any more.
    async fn files(&self) -> Result<Option<Vec<DataFile>>> {
        let lines = lines::<OfFile>(&self.log, self.version).await?;
        Ok(lines.map(|lines| lines.into_iter().filter_map(|line| line.add).collect()))
    }
}
