//! The epoch journal: what decided each epoch since the last checkpoint, written before anybody could read the epoch's rows.
//!
//! A process killed at any instant replays these very epochs, so that a final row once read never changes. The journal lies on local
//! disk and is not fsynced: it survives the process, not the machine. A file starts with a head (plan fingerprint and build: another
//! build may compute other bits, so its journal is dropped and the epochs are computed anew) and holds one line per epoch, each with a
//! checksum; reading ends at the first line that does not hold, which can only be the one being written when the process died.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sluice_connectors::{failpoint, source::SplitId};

use super::shown;

/// The file that says which lineage the epochs are of.
const LINEAGE: &str = "lineage";

/// What makes a journal replayable by this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalHead {
    /// Fingerprint of the plan.
    pub fingerprint: String,
    /// The build that wrote it.
    pub build: String,
    /// What the definitions of its streams were: under another one messages decode differently.
    #[serde(default)]
    pub definitions: Vec<String>,
    /// The checkpointed epoch that the file follows.
    pub after_epoch: i64,
}

/// What decided one epoch. Sets are written when they changed; an epoch without the field has the set of the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch.
    pub epoch: i64,
    /// What the clock said.
    pub now_us: i64,
    /// Where the epoch ended, in splits that it read from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<(SplitId, i64)>,
    /// Splits known, excluded from the watermark, finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sets: Option<SplitSets>,
}

/// The sets that an epoch's watermark depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitSets {
    /// Splits known.
    pub known: BTreeSet<SplitId>,
    /// Splits that did not hold the watermark back.
    pub excluded: BTreeSet<SplitId>,
    /// Bounded splits at their end.
    pub finished: BTreeSet<SplitId>,
}

/// The journal being written.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    file: Option<File>,
    head: JournalHead,
    last_sets: Option<SplitSets>,
}

impl Journal {
    /// A journal in `folder`, continuing after `after_epoch`; the file is made with the first epoch.
    pub fn new(folder: &Path, head: JournalHead) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            file: None,
            head,
            last_sets: None,
        })
    }

    /// Appends one epoch. It is in the operating system's hands when this returns.
    pub fn append(
        &mut self,
        epoch: i64,
        now_us: i64,
        ends: Vec<(SplitId, i64)>,
        sets: SplitSets,
    ) -> io::Result<()> {
        let changed = self.last_sets.as_ref() != Some(&sets);
        let record = EpochRecord {
            epoch,
            now_us,
            ends,
            sets: changed.then(|| sets.clone()),
        };
        let line = checked_line(&record)?;
        failpoint::hit_io("journal.append")?;
        match &mut self.file {
            Some(file) => file.write_all(&line)?,
            None => {
                // One write for head and first epoch: a file never has a head alone.
                let mut bytes = checked_line(&self.head)?;
                bytes.extend_from_slice(&line);
                let mut file = OpenOptions::new()
                    .create_new(true)
                    .append(true)
                    .open(self.folder.join(file_name(epoch)))?;
                file.write_all(&bytes)?;
                self.file = Some(file);
            }
        }
        if changed {
            self.last_sets = Some(sets);
        }
        failpoint::hit_io("journal.appended")
    }

    /// A checkpoint of `after_epoch` is being taken: epochs from now on go to a file of their own.
    pub fn rotate(&mut self, after_epoch: i64) {
        self.head.after_epoch = after_epoch;
        self.file = None;
        self.last_sets = None;
    }

    /// Removes files that lie wholly before a durable checkpoint.
    pub fn forget_before(&self, checkpointed_epoch: i64) -> io::Result<()> {
        let files = files(&self.folder)?;
        // A file ends where the next one begins.
        for pair in files.windows(2) {
            if let [(_, path), (next_first, _)] = pair
                && *next_first <= checkpointed_epoch + 1
            {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// Epochs after `checkpointed_epoch` that this process may replay, with every set filled in.
///
/// Returns `None` where another plan or build wrote them, or a stream was mended since. Files that follow the replayable part are removed, so that the epochs which
/// will be numbered anew do not meet old ones.
pub fn read(
    folder: &Path,
    head: &JournalHead,
    checkpointed_epoch: i64,
) -> io::Result<Option<Vec<EpochRecord>>> {
    let records = replayable(folder, head, checkpointed_epoch)?;
    if let Some(records) = &records {
        let next = records.last().map_or(checkpointed_epoch, |last| last.epoch) + 1;
        for (first, path) in files(folder)? {
            if first >= next {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(records)
}

fn replayable(
    folder: &Path,
    head: &JournalHead,
    checkpointed_epoch: i64,
) -> io::Result<Option<Vec<EpochRecord>>> {
    let mut records: Vec<EpochRecord> = Vec::new();
    for (_, path) in files(folder)? {
        let mut lines = BufReader::new(File::open(&path)?).split(b'\n');
        let Some(found) = lines
            .next()
            .transpose()?
            .and_then(|line| parse_line::<JournalHead>(&line))
        else {
            break;
        };
        let same = (&found.fingerprint, &found.build, &found.definitions)
            == (&head.fingerprint, &head.build, &head.definitions);
        if !same {
            let is_later = |line: &io::Result<Vec<u8>>| {
                let record = line
                    .as_ref()
                    .ok()
                    .and_then(|line| parse_line::<EpochRecord>(line));
                record.is_some_and(|record| record.epoch > checkpointed_epoch)
            };
            if lines.any(|line| is_later(&line)) {
                return Ok(None);
            }
            continue;
        }
        let mut sets = SplitSets::default();
        for line in lines {
            let Some(mut record) = parse_line::<EpochRecord>(&line?) else {
                break;
            };
            match &record.sets {
                Some(changed) => sets.clone_from(changed),
                None => record.sets = Some(sets.clone()),
            }
            if record.epoch <= checkpointed_epoch {
                continue;
            }
            let expected = records.last().map_or(checkpointed_epoch, |last| last.epoch) + 1;
            if record.epoch != expected {
                return Ok(Some(records));
            }
            records.push(record);
        }
    }
    Ok(Some(records))
}

/// The last epoch that [`read`] would give, or `checkpointed_epoch` itself; `None` where that gives none. Nothing is removed.
pub fn last(folder: &Path, head: &JournalHead, checkpointed_epoch: i64) -> io::Result<Option<i64>> {
    let records = replayable(folder, head, checkpointed_epoch)?;
    let last = |records: Vec<EpochRecord>| records.last().map(|record| record.epoch);
    Ok(records.map(|records| last(records).unwrap_or(checkpointed_epoch)))
}

/// Drops every journal file, and what was shown: their epochs are in a checkpoint, or cannot be replayed. What comes is another lineage.
pub fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(LINEAGE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for (_, path) in files(folder)? {
        fs::remove_file(path)?;
    }
    shown::clear(folder)
}

/// A number that the journal's epochs have in common, and no others: it goes with them.
pub fn lineage(folder: &Path) -> io::Result<u64> {
    let path = folder.join(LINEAGE);
    let known = match fs::read_to_string(&path) {
        Ok(text) => u64::from_str_radix(text.trim(), 16).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if let Some(known) = known {
        return Ok(known);
    }
    let new: u64 = rand::random();
    fs::create_dir_all(folder)?;
    fs::write(&path, format!("{new:016x}\n"))?;
    Ok(new)
}

fn file_name(first_epoch: i64) -> String {
    format!("{first_epoch:020}.jsonl")
}

/// Journal files with their first epoch, oldest first.
fn files(folder: &Path) -> io::Result<Vec<(i64, PathBuf)>> {
    numbered(folder, ".jsonl")
}

/// Files whose names are an epoch and this ending, oldest first.
pub(super) fn numbered(folder: &Path, ending: &str) -> io::Result<Vec<(i64, PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let first = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(ending)?.parse().ok());
        if let Some(first) = first {
            files.push((first, path));
        }
    }
    files.sort();
    Ok(files)
}

/// `crc32 json\n`
pub(super) fn checked_line<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(value)?;
    let mut line = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
    line.extend_from_slice(&json);
    line.push(b'\n');
    Ok(line)
}

pub(super) fn parse_line<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Option<T> {
    let (crc32, json) = line.split_at_checked(9)?;
    let written =
        u32::from_str_radix(std::str::from_utf8(crc32).ok()?.strip_suffix(' ')?, 16).ok()?;
    (written == crc32fast::hash(json))
        .then(|| serde_json::from_slice(json).ok())
        .flatten()
}

#[cfg(test)]
mod tests;
