//! A log of small checked files under rising numbers, each written put-if-absent.
//!
//! Whoever writes number n+1 owns the log from then on: a writer that finds its number taken by somebody else, or a higher one written,
//! was fenced and must stop. (A number may have been taken and cleaned away while the writer slept, so both are looked at.)
//! No answer to a put is believed but the one that says "done": it may be lost, or be the store client's own second try meeting its
//! first. The file that is there says who wrote it.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};
use sluice_connectors::store::Root;

use super::manifest::{self, ManifestError};
use crate::{
    error::{Error, Result, SqlState},
    root::storage_error,
};

/// What the log asks of its entries.
pub trait LogEntry: Serialize + DeserializeOwned {
    /// Who wrote it.
    fn owner(&self) -> &str;
}

/// What a put that was not answered with "done" has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Ours is there.
    Ours,
    /// Somebody else's is.
    Fenced,
    /// Nothing is: the same put may be tried again.
    Open,
}

/// Decides it from what is there: nothing, something that cannot be read (`Some(None)`), or an entry and who wrote it.
fn outcome(found: Option<Option<&str>>, owner: &str) -> Outcome {
    match found {
        None => Outcome::Open,
        Some(Some(writer)) if writer == owner => Outcome::Ours,
        Some(_) => Outcome::Fenced,
    }
}

/// A log of `T` in one folder.
#[derive(Debug)]
pub struct ManifestLog<T> {
    root: Root,
    folder: String,
    entries: PhantomData<T>,
}

/// The newest entry that can be read.
#[derive(Debug)]
pub struct Newest<T> {
    /// The next free number.
    pub next_number: u64,
    /// The newest valid entry with its number.
    pub entry: Option<(u64, T)>,
    /// Newer entries that were skipped because they are torn or corrupt, with the reason.
    pub skipped: Vec<String>,
}

impl<T: LogEntry> ManifestLog<T> {
    /// The log in `folder` under the root.
    pub fn new(root: Root, folder: String) -> Self {
        Self {
            root,
            folder,
            entries: PhantomData,
        }
    }

    /// Finds the newest valid entry.
    pub async fn newest(&self) -> Result<Newest<T>> {
        self.newest_below(u64::MAX).await
    }

    /// Finds the newest valid entry with a number below `limit`.
    pub async fn newest_below(&self, limit: u64) -> Result<Newest<T>> {
        let mut numbers = self.numbers().await?;
        numbers.sort_unstable();
        let mut newest = Newest {
            next_number: numbers.last().map_or(1, |last| last + 1),
            entry: None,
            skipped: Vec::new(),
        };
        let below = |number: &u64| *number < limit;
        for number in numbers.into_iter().rev().filter(below) {
            let path = self.path(number);
            let Some(bytes) = self.root.read(&path).await.map_err(storage_error)? else {
                continue;
            };
            match manifest::decode(&bytes) {
                Ok(entry) => {
                    newest.entry = Some((number, entry));
                    break;
                }
                Err(ManifestError::Corrupt(why)) => newest.skipped.push(format!("{path}: {why}")),
                Err(error @ ManifestError::Newer { .. }) => {
                    return Err(Error::outside(
                        SqlState::FeatureNotSupported,
                        format!("checkpoint {path} is {error}"),
                    )
                    .with_hint("Run the newer version of Sluice that wrote it."));
                }
            }
        }
        Ok(newest)
    }

    /// Writes an entry under `number`; an error with [`SqlState::ObjectInUse`] means that another owner has it.
    pub async fn put(&self, number: u64, entry: &T) -> Result<()> {
        let path = self.path(number);
        let bytes = manifest::encode(entry)
            .map_err(|error| Error::internal(format!("checkpoint manifest: {error}")))?;
        let put = self.root.put_if_absent(&path, bytes.into()).await;
        if matches!(put, Ok(true)) {
            return self.check_followed(number).await;
        }
        let found = self.root.read(&path).await.map_err(storage_error)?;
        let writer = found
            .as_ref()
            .map(|bytes| manifest::decode::<T>(bytes).ok())
            .map(|entry| entry.map(|entry| entry.owner().to_owned()));
        match (
            outcome(writer.as_ref().map(Option::as_deref), entry.owner()),
            put,
        ) {
            (Outcome::Ours, _) => self.check_followed(number).await,
            (Outcome::Fenced, _) => Err(Error::outside(
                SqlState::ObjectInUse,
                format!("another server has taken over: checkpoint {path} is not ours"),
            )
            .with_detail(match writer.flatten() {
                Some(writer) => format!(
                    "It was written by server {writer}; this one is {}.",
                    entry.owner()
                ),
                None => "What lies there cannot be read.".to_owned(),
            })
            .with_hint("Only one server may run on a root; this one has stopped the query.")),
            (Outcome::Open, Err(error)) => Err(storage_error(error)),
            (Outcome::Open, Ok(_)) => Err(Error::outside(
                SqlState::IoError,
                format!("the store says that {path} exists, and does not have it"),
            )),
        }
    }

    /// A number that somebody used and has removed since is free again, for a writer who slept so long: it is given back.
    async fn check_followed(&self, number: u64) -> Result<()> {
        if self.numbers().await?.into_iter().all(|at| at <= number) {
            return Ok(());
        }
        let path = self.path(number);
        self.root.delete(&path).await.map_err(storage_error)?;
        Err(Error::outside(
            SqlState::ObjectInUse,
            format!("another server has taken over: there are checkpoints beyond {path}"),
        )
        .with_hint("Only one server may run on a root; this one has stopped the query."))
    }

    /// Deletes entries older than the newest `keep`.
    pub async fn prune(&self, newest: u64, keep: u64) -> Result<()> {
        let numbers = self.numbers().await?.into_iter();
        let old = numbers.filter(|number| number + keep <= newest);
        self.root
            .delete_many(old.map(|number| self.path(number)))
            .await
            .map_err(storage_error)
    }

    /// Every valid entry with its number, oldest first.
    pub async fn all(&self) -> Result<Vec<(u64, T)>> {
        let mut numbers = self.numbers().await?;
        numbers.sort_unstable();
        let mut entries = Vec::new();
        for number in numbers {
            let bytes = self
                .root
                .read(&self.path(number))
                .await
                .map_err(storage_error)?;
            if let Some(entry) = bytes.and_then(|bytes| manifest::decode(&bytes).ok()) {
                entries.push((number, entry));
            }
        }
        Ok(entries)
    }

    async fn numbers(&self) -> Result<Vec<u64>> {
        let files = self.root.list(&self.folder).await.map_err(storage_error)?;
        Ok(files
            .iter()
            .filter_map(|file| file.strip_suffix(".json")?.parse().ok())
            .collect())
    }

    fn path(&self, number: u64) -> String {
        format!("{}/{number:020}.json", self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, outcome};

    #[test]
    fn what_is_there_decides() {
        assert_eq!(outcome(None, "me"), Outcome::Open);
        assert_eq!(outcome(Some(Some("me")), "me"), Outcome::Ours);
        assert_eq!(outcome(Some(Some("you")), "me"), Outcome::Fenced);
        assert_eq!(outcome(Some(None), "me"), Outcome::Fenced);
    }
}
