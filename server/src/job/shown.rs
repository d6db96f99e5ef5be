//! The final rows that readers have seen and no commit has, on local disk beside the epoch journal: so that the first read after a restart
//! need not wait for the state, nor for the epochs to be run again.
//!
//! What must hold is that nobody sees less after a restart than before. So a file per epoch that has rows is written before these can be
//! read, whole or not at all by its checksum, and goes once a commit has them; and a table is opened early only when every row that was
//! shown of it is either committed or read back. Whatever is in doubt (a file that does not hold, rows that were too many to be kept, a
//! commit that was cut short, a journal that does not lead there) costs the wait it always cost: the replay makes the rows again, the same
//! to the last bit. Like the journal the files are not fsynced: they survive the process, not the machine.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use arrow::{
    array::{Array, RecordBatch},
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use serde::{Deserialize, Serialize};
use sluice_connectors::failpoint;

use super::{
    JobParts, checkpoint_folder,
    journal::{self, JournalHead},
    manifest::Manifest,
    manifest_log::ManifestLog,
};

/// Rows of an epoch that take more are not kept: to write them twice would cost more than a wait is worth.
const KEPT_BYTES: usize = 4 << 20;

/// The query's tables, in the order of their places in a file.
pub(super) const TABLES: usize = 3;

/// What a file begins with.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    fingerprint: String,
    build: String,
    definitions: Vec<String>,
    epoch: i64,
    /// What there is of each table; `None` where the epoch has no rows of it.
    rows: [Option<Part>; TABLES],
}

/// Rows of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Part {
    /// They lie in the file: so many bytes with this CRC-32.
    Kept { bytes: usize, crc32: u32 },
    /// There are some, and they have to be made again.
    NotKept,
}

/// What a file says of an epoch.
#[derive(Debug)]
pub(super) struct ShownEpoch {
    epoch: i64,
    /// By table: none, rows, or rows that have to be made again.
    rows: [Option<Option<Vec<RecordBatch>>>; TABLES],
}

/// Keeps the rows of epochs as they are shown.
#[derive(Debug)]
pub(super) struct ShownRows {
    folder: PathBuf,
    head: JournalHead,
    /// Up to here the files say what was shown already: the epochs are being replayed.
    until: Option<i64>,
    /// The epoch since which rows are not kept, until a commit has them: nothing after it helps.
    given_up: Option<i64>,
}

impl ShownRows {
    /// For epochs under this head; those up to `until` have their files.
    pub(super) fn new(folder: &Path, head: JournalHead, until: Option<i64>) -> Self {
        Self {
            folder: folder.to_owned(),
            head,
            until,
            given_up: None,
        }
    }

    /// To be called before rows of an epoch can be read; they are in the operating system's hands when this returns.
    pub(super) fn keep(&mut self, epoch: i64, rows: [&[RecordBatch]; TABLES]) -> io::Result<()> {
        let some = |rows: &[RecordBatch]| rows.iter().any(|batch| batch.num_rows() > 0);
        if Some(epoch) <= self.until
            || self.given_up.is_some()
            || !rows.iter().any(|rows| some(rows))
        {
            return Ok(());
        }
        let fits = rows.iter().map(|rows| size(rows)).sum::<usize>() <= KEPT_BYTES;
        if !fits {
            self.given_up = Some(epoch);
        }
        let mut parts = [None; TABLES];
        let mut bytes = Vec::new();
        for (part, rows) in parts.iter_mut().zip(rows) {
            if !some(rows) {
                continue;
            }
            *part = Some(match fits {
                true => {
                    let encoded = encode(rows)?;
                    let kept = Part::Kept {
                        bytes: encoded.len(),
                        crc32: crc32fast::hash(&encoded),
                    };
                    bytes.extend_from_slice(&encoded);
                    kept
                }
                false => Part::NotKept,
            });
        }
        let head = Head {
            fingerprint: self.head.fingerprint.clone(),
            build: self.head.build.clone(),
            definitions: self.head.definitions.clone(),
            epoch,
            rows: parts,
        };
        let mut file = journal::checked_line(&head)?;
        file.extend_from_slice(&bytes);
        fs::write(self.folder.join(file_name(epoch)), file)?;
        failpoint::hit_io("shown.kept")
    }

    /// A commit has the rows of epochs up to this one.
    pub(super) fn forget(&mut self, committed: i64) -> io::Result<()> {
        if self.given_up.is_some_and(|epoch| epoch <= committed) {
            self.given_up = None;
        }
        for (epoch, path) in files(&self.folder)? {
            if epoch <= committed {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Opens those tables of a query to readers of which everything is at hand that was ever shown; says up to which epoch there is a file for
/// every epoch that was, if that can be said.
///
/// The other tables wait for the replay. So does everything where something cannot be read here: the recovery will say so.
pub(super) async fn open_early(parts: &JobParts, head: &JournalHead) -> Option<i64> {
    let folder = format!("{}/manifests", checkpoint_folder(&parts.id));
    let log = ManifestLog::<Manifest>::new(parts.root.clone(), folder);
    let (_, manifest) = log.newest().await.ok()?.entry?;
    if manifest.rebuild.is_some() || manifest.fingerprint != head.fingerprint {
        return None;
    }
    let tables = [&parts.tables.table, &parts.tables.late, &parts.tables.dead];
    for table in tables {
        // Rows whose commit the snapshot does not have yet have lost their files already.
        table.settle().await.ok()?;
    }
    let (journal, head) = (parts.journal.clone(), head.clone());
    let checkpointed = manifest.epoch;
    let read = tokio::task::spawn_blocking(move || -> io::Result<_> {
        match journal::last(&journal, &head, checkpointed)? {
            // Epochs that will not be replayed are none that may be shown: their files have outlived the journal.
            Some(last) => read(&journal, &head, last),
            None => Ok(None),
        }
    });
    let shown = read.await.ok()?.ok()??;
    for (place, table) in tables.into_iter().enumerate() {
        let committed = table.committed_epoch();
        // A commit that was cut short has rows that were shown and are in no version.
        let cut_short = manifest.files.contains_key(table.path())
            && committed.is_none_or(|epoch| epoch < checkpointed);
        if cut_short {
            continue;
        }
        let later = shown
            .iter()
            .filter(|shown| committed.is_none_or(|committed| shown.epoch > committed));
        let rows: Option<Vec<(i64, Vec<RecordBatch>)>> = later
            .filter_map(|shown| Some((shown.epoch, shown.rows.get(place)?.as_ref()?)))
            .map(|(epoch, rows)| Some((epoch, rows.clone()?)))
            .collect();
        if let Some(rows) = rows {
            table.shown_before(rows);
        }
    }
    shown.last().map(|shown| shown.epoch)
}

/// What was shown up to `last`, oldest first; `None` where it cannot be said. What another build has shown is computed anew.
fn read(folder: &Path, head: &JournalHead, last: i64) -> io::Result<Option<Vec<ShownEpoch>>> {
    let mut epochs = Vec::new();
    for (epoch, path) in files(folder)? {
        if epoch > last {
            continue;
        }
        let content = fs::read(&path)?;
        let Some((found, mut rows)) = parse(&content) else {
            return Ok(None);
        };
        let same = (&found.fingerprint, &found.build, &found.definitions)
            == (&head.fingerprint, &head.build, &head.definitions);
        if !same {
            rows = rows.map(|rows| rows.and(Some(None)));
        }
        epochs.push(ShownEpoch { epoch, rows });
    }
    Ok(Some(epochs))
}

type Rows = [Option<Option<Vec<RecordBatch>>>; TABLES];

fn parse(content: &[u8]) -> Option<(Head, Rows)> {
    let end = content.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = content.split_at_checked(end)?;
    let head: Head = journal::parse_line(line)?;
    let mut rest = rest.get(1..)?;
    let mut rows: Rows = [None, None, None];
    for (part, rows) in head.rows.iter().zip(&mut rows) {
        *rows = match part {
            None => None,
            Some(Part::NotKept) => Some(None),
            Some(Part::Kept { bytes, crc32 }) => {
                let (own, others) = rest.split_at_checked(*bytes)?;
                rest = others;
                if crc32fast::hash(own) != *crc32 {
                    return None;
                }
                let batches = StreamReader::try_new(own, None).ok()?;
                Some(Some(batches.collect::<std::result::Result<_, _>>().ok()?))
            }
        };
    }
    rest.is_empty().then_some((head, rows))
}

fn encode(rows: &[RecordBatch]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let Some(first) = rows.first() else {
        return Ok(bytes);
    };
    let failed = io::Error::other;
    let mut writer = StreamWriter::try_new(&mut bytes, first.schema_ref()).map_err(failed)?;
    for batch in rows.iter().filter(|batch| batch.num_rows() > 0) {
        writer.write(batch).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    drop(writer);
    Ok(bytes)
}

/// What rows take without what they share memory with.
fn size(rows: &[RecordBatch]) -> usize {
    let columns = rows.iter().flat_map(RecordBatch::columns);
    let sizes = columns.map(|column| {
        let exact = column.to_data().get_slice_memory_size();
        exact.unwrap_or_else(|_| column.get_array_memory_size())
    });
    sizes.sum()
}

/// Removes what is in the folder: none of it may be shown any more.
pub(super) fn clear(folder: &Path) -> io::Result<()> {
    files(folder)?.iter().try_for_each(|(_, path)| remove(path))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn file_name(epoch: i64) -> String {
    format!("{epoch:020}.shown")
}

/// Files with their epochs, oldest first.
fn files(folder: &Path) -> io::Result<Vec<(i64, PathBuf)>> {
    journal::numbered(folder, ".shown")
}

#[cfg(test)]
mod tests;
