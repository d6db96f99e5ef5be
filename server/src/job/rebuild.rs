//! `REBUILD QUERY` and `RESUME QUERY … SKIP LOST`: a manifest that says how to go on, written while the query stands still.
//!
//! Nothing else is done here. The query's next start reads that manifest as it reads any other and carries it out, so a crash anywhere
//! in between is a crash like all the others. What the journal has belongs to the state that is given up; it goes first, because a
//! journal without its state is nothing and a state without its journal is only recomputed.

use std::collections::BTreeMap;

use sluice_connectors::source::{SplitId, SplitInfo, SplitPosition};

use super::{
    JobParts, QueryStatus, StatusCell,
    commit::{Committer, pass},
    decoders::Decoders,
    journal::{self, JournalHead},
    manifest::{Manifest, Opened, Rebuild, Totals},
    recovery::lost,
    run::journal_error,
    said::Said,
};
use crate::{
    catalog::QualifiedName,
    clock::rfc3339,
    error::{Error, Result, SqlState},
    root::storage_error,
};

/// Where a query is rebuilt from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The table as it is, and the rows of the windows that were open at its last commit.
    LastCommit,
    /// Nothing: the tables are emptied.
    Beginning,
    /// The table as it is, and the messages of at least this time, in milliseconds since the epoch.
    Time(i64),
}

/// Writes the manifest of a rebuild and says what will come of it. The query must not run.
///
/// # Errors
/// `55000` where there is no commit to start from or it says too little, `0A000` where the query's windows need more than their rows.
pub async fn rebuild(parts: &JobParts, from: From) -> Result<String> {
    let mut committer = committer(parts);
    let commit = committer.newest_commit().await?;
    let newest = committer.log.newest().await?;
    let said = commit.as_ref().and_then(|(_, said)| said.clone());
    let next_number = newest
        .next_number
        .max(said.as_ref().map_or(0, |said| said.manifest + 1));
    let committed = commit.as_ref().map(|(epoch, _)| *epoch);
    let checkpointed = newest.entry.map(|(_, manifest)| manifest.epoch);
    let basis = match from {
        From::Beginning => Basis {
            epoch: committed.max(checkpointed).unwrap_or(0) + 1,
            rebuild: Some(Rebuild::Anew),
            ..Basis::default()
        },
        From::LastCommit => last_commit(parts, said)?,
        From::Time(time_ms) => {
            check_reopens(parts)?;
            let positions = positions_at(parts, time_ms).await?;
            since(parts, committed.map(|epoch| (epoch, said)), positions)?
        }
    };
    let told = basis.told(&parts.name, from);
    clear_journal(parts)?;
    pass("rebuild.journal")?;
    let manifest = basis.manifest(&committer, parts, next_number);
    committer.put_manifest(&manifest).await?;
    pass("rebuild.manifest")?;
    Ok(told)
}

/// Moves positions that the topics do not have any more to the nearest that they have, and says what is lost, a line a split. The query
/// must not run.
///
/// # Errors
/// `22000` where there is no checkpoint whose positions could be moved.
pub async fn skip_lost(parts: &JobParts) -> Result<Vec<String>> {
    let mut committer = committer(parts);
    let newest = committer.log.newest().await?;
    let Some((_, mut manifest)) = newest.entry else {
        let committed = committer.newest_commit().await?;
        let Some((epoch, _)) = committed else {
            return Ok(Vec::new());
        };
        return Err(lost(&parts.name, epoch, "There is no checkpoint."));
    };
    let mut told = Vec::new();
    let mut ends = BTreeMap::new();
    for (stream, number) in parts.streams.iter().zip(0..) {
        let splits = stream.source.probe().await.map_err(storage_error)?;
        let splits: BTreeMap<SplitId, SplitInfo> = splits
            .into_iter()
            .map(|mut info| {
                info.split.stream = number;
                (info.split.clone(), info)
            })
            .collect();
        ends.extend(
            splits
                .iter()
                .map(|(split, info)| (split.clone(), info.end_offset)),
        );
        let of_stream = |position: &SplitPosition| position.split.stream == number;
        let mut moved = Vec::new();
        for position in manifest.positions.iter().filter(|at| of_stream(at)) {
            let step = step(position, splits.get(&position.split));
            told.extend(step.told(position));
            if step != Step::Stay {
                moved.push((position.split.clone(), step));
            }
        }
        let lists = manifest.opened.iter_mut().map(|group| &mut group.before);
        for positions in lists.chain([&mut manifest.positions]) {
            positions.retain_mut(|position| {
                let found = moved.iter().find(|(split, _)| *split == position.split);
                found.is_none_or(|(_, step)| step.apply(position))
            });
        }
        if let Some(Rebuild::Reread { until, .. }) = &mut manifest.rebuild {
            // Nothing of another topic, or of one cut back, is in the table.
            until.retain(|end| {
                let found = moved.iter().find(|(split, _)| *split == end.split);
                found.is_none_or(
                    |(_, step)| matches!(step, Step::Forward { to, .. } if *to < end.next_offset),
                )
            });
        }
    }
    told.extend(unreplayable(parts, manifest.epoch, &ends)?);
    if told.is_empty() {
        return Ok(told);
    }
    clear_journal(parts)?;
    manifest.number = newest.next_number;
    manifest.owner.clone_from(&parts.owner);
    manifest.written_at = rfc3339(parts.clock.now_us());
    committer.put_manifest(&manifest).await?;
    Ok(told)
}

/// Epochs since the checkpoint whose rows the topic does not have any more: a line for each split.
fn unreplayable(
    parts: &JobParts,
    checkpointed: i64,
    ends: &BTreeMap<SplitId, i64>,
) -> Result<Vec<String>> {
    let head = JournalHead {
        fingerprint: parts.plan.fingerprint.clone(),
        build: parts.build.clone(),
        definitions: parts
            .streams
            .iter()
            .map(|stream| stream.definition.clone())
            .collect(),
        after_epoch: checkpointed,
    };
    let records = journal::read(&parts.journal, &head, checkpointed).map_err(journal_error)?;
    let mut wanted: BTreeMap<SplitId, i64> = BTreeMap::new();
    for record in records.unwrap_or_default() {
        wanted.extend(record.ends);
    }
    let short = wanted.into_iter().filter_map(|(split, wanted)| {
        let end = ends.get(&split).copied().filter(|end| *end < wanted)?;
        Some(format!(
            "{}[{}]: the log ends at {end}, before {wanted}, which had been read; what it gave since the last checkpoint is computed anew",
            split.topic, split.partition
        ))
    });
    Ok(short.collect())
}

/// What becomes of a position.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// It is there.
    Stay,
    /// Retention has taken what lies before.
    Forward { to: i64 },
    /// The log was cut back.
    Back { to: i64 },
    /// It is another topic of that name.
    Anew { to: i64, topic_id: Option<String> },
    /// There is no such split.
    Gone,
}

/// Decides, given what the topic has now.
fn step(position: &SplitPosition, now: Option<&SplitInfo>) -> Step {
    let Some(now) = now else {
        return Step::Gone;
    };
    let ids = position.topic_id.as_ref().zip(now.topic_id.as_ref());
    if ids.is_some_and(|(was, is)| was != is) {
        return Step::Anew {
            to: now.first_offset,
            topic_id: now.topic_id.clone(),
        };
    }
    match position.next_offset {
        at if at < now.first_offset => Step::Forward {
            to: now.first_offset,
        },
        at if at > now.end_offset => Step::Back { to: now.end_offset },
        _ => Step::Stay,
    }
}

impl Step {
    /// Whether there is a position afterwards.
    fn apply(&self, position: &mut SplitPosition) -> bool {
        match self {
            Self::Stay => return true,
            Self::Gone => return false,
            // Older positions of the same split may lie before or behind.
            Self::Forward { to } => position.next_offset = position.next_offset.max(*to),
            Self::Back { to } => position.next_offset = position.next_offset.min(*to),
            Self::Anew { to, topic_id } => {
                position.next_offset = *to;
                position.topic_id.clone_from(topic_id);
            }
        }
        position.leader_epoch = None;
        true
    }

    fn told(&self, position: &SplitPosition) -> Option<String> {
        let at = position.next_offset;
        let split = format!("{}[{}]", position.split.topic, position.split.partition);
        match self {
            Self::Stay => None,
            Self::Forward { to } => Some(format!(
                "{split}: offsets {at} to {} are lost, {} in all; reading goes on at {to}",
                to - 1,
                to - at
            )),
            Self::Back { to } => Some(format!(
                "{split}: the log ends at {to}, before {at}, which had been read; reading goes on at {to}"
            )),
            Self::Anew { to, .. } => Some(format!(
                "{split}: the topic was made anew, what was not read of the old one from {at} on is lost; reading goes on at {to} of the new one"
            )),
            Self::Gone => Some(format!(
                "{split}: the topic has no such partition any more, what was not read of it from {at} on is lost"
            )),
        }
    }
}

/// What a rebuild starts from.
#[derive(Debug, Default)]
struct Basis {
    epoch: i64,
    positions: Vec<SplitPosition>,
    watermark_us: Option<i64>,
    split_watermarks_us: Vec<(SplitId, i64)>,
    totals: Totals,
    files: BTreeMap<String, Vec<sluice_connectors::delta::DataFile>>,
    rebuild: Option<Rebuild>,
    /// Splits in which something is left out, with how much.
    skipped: Vec<(SplitId, i64)>,
}

fn last_commit(parts: &JobParts, said: Option<Said>) -> Result<Basis> {
    let query = &parts.name;
    check_reopens(parts)?;
    let Some(said) = said else {
        return Err(Error::user(
            SqlState::ObjectNotInPrerequisiteState,
            format!("query \"{query}\" has no commit that says where it stood"),
        )
        .with_hint(format!(
            "REBUILD QUERY {query} FROM BEGINNING reads everything anew."
        )));
    };
    let Some(positions) = said.reread_from.clone() else {
        return Err(Error::user(
            SqlState::ObjectNotInPrerequisiteState,
            format!("the last commit of query \"{query}\" does not say where its open windows begin"),
        )
        .with_detail("It was written by an older build.")
        .with_hint(format!("Write REBUILD QUERY {query} FROM TIMESTAMP '…' with a time before the oldest window that was open, or FROM BEGINNING.")));
    };
    Ok(Basis::of(said, positions))
}

/// From these positions on; what the table has is not counted again.
fn since(
    parts: &JobParts,
    committed: Option<(i64, Option<Said>)>,
    mut positions: Vec<SplitPosition>,
) -> Result<Basis> {
    let query = &parts.name;
    let said = match committed {
        None => {
            return Ok(Basis {
                positions,
                ..Basis::default()
            });
        }
        Some((_, Some(said))) => said,
        Some((epoch, None)) => {
            return Err(Error::user(
                SqlState::ObjectNotInPrerequisiteState,
                format!("the commit of epoch {epoch} does not say what query \"{query}\" had read"),
            )
            .with_hint(format!(
                "REBUILD QUERY {query} FROM BEGINNING reads everything anew."
            )));
        }
    };
    let mut skipped = Vec::new();
    for position in &mut positions {
        let stood = said.positions.iter().find(|at| at.split == position.split);
        let Some(stood) = stood else { continue };
        if parts.plan.is_copy() {
            position.next_offset = position.next_offset.max(stood.next_offset);
        }
        let left_out = position.next_offset - stood.next_offset;
        if left_out > 0 {
            skipped.push((position.split.clone(), left_out));
        }
    }
    let mut basis = Basis::of(said, positions);
    basis.skipped = skipped;
    Ok(basis)
}

fn check_reopens(parts: &JobParts) -> Result<()> {
    if parts.plan.reopens() {
        return Ok(());
    }
    let query = &parts.name;
    Err(Error::user(
        SqlState::FeatureNotSupported,
        format!("the open windows of query \"{query}\" cannot be made again from its last commit"),
    )
    .with_detail("Sessions, windows over windows and windows that are filled depend on more than the rows since the oldest of them began.")
    .with_hint(format!("REBUILD QUERY {query} FROM BEGINNING reads everything anew.")))
}

/// Where the messages of a time stand in every stream.
async fn positions_at(parts: &JobParts, time_ms: i64) -> Result<Vec<SplitPosition>> {
    let mut positions = Vec::new();
    for (stream, number) in parts.streams.iter().zip(0..) {
        let of_stream = stream.source.positions_at(time_ms).await;
        for mut position in of_stream.map_err(storage_error)? {
            position.split.stream = number;
            positions.push(position);
        }
    }
    Ok(positions)
}

impl Basis {
    /// The table as a commit left it, and rows from these positions on.
    fn of(said: Said, positions: Vec<SplitPosition>) -> Self {
        Self {
            epoch: said.epoch,
            positions,
            watermark_us: said.watermark_us,
            split_watermarks_us: said.split_watermarks_us,
            totals: said.totals,
            files: said.companions,
            rebuild: Some(Rebuild::Reread {
                until: said.positions,
                now_us: said.now_us,
            }),
            skipped: Vec::new(),
        }
    }

    fn told(&self, query: &QualifiedName, from: From) -> String {
        let mut told = match (&self.rebuild, from) {
            (Some(Rebuild::Anew), _) => {
                format!("query \"{query}\" is rebuilt from the beginning: its tables are emptied")
            }
            (_, From::Time(time_ms)) => format!(
                "query \"{query}\" is rebuilt from epoch {} of its table and the messages since {}",
                self.epoch,
                rfc3339(time_ms.saturating_mul(1_000))
            ),
            _ => format!(
                "query \"{query}\" is rebuilt from epoch {} of its table",
                self.epoch
            ),
        };
        for (split, count) in &self.skipped {
            told.push_str(&format!(
                "; {count} offsets of {}[{}] are left out",
                split.topic, split.partition
            ));
        }
        told
    }

    fn manifest(self, committer: &Committer, parts: &JobParts, number: u64) -> Manifest {
        let opened = Opened {
            before: self.positions.clone(),
            panes: Default::default(),
        };
        Manifest {
            format: Manifest::format_of(&[], &Decoders::default(), self.rebuild.as_ref()),
            number,
            owner: parts.owner.clone(),
            epoch: self.epoch,
            app_id: committer.app_id.clone(),
            fingerprint: parts.plan.fingerprint.clone(),
            positions: self.positions,
            split_watermarks_us: self.split_watermarks_us,
            watermark_us: self.watermark_us,
            totals: self.totals,
            decoders: Decoders::default(),
            panes: Vec::new(),
            files: self.files,
            written_at: rfc3339(parts.clock.now_us()),
            opened: vec![opened],
            rebuild: self.rebuild,
        }
    }
}

fn committer(parts: &JobParts) -> Committer {
    Committer::new(parts, &StatusCell::new(QueryStatus::starting(parts)))
}

fn clear_journal(parts: &JobParts) -> Result<()> {
    journal::clear(&parts.journal).map_err(journal_error)
}

#[cfg(test)]
mod tests;
