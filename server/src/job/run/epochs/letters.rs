//! Dead letters taken in, in an epoch of their own between two commits (decision 012).
//!
//! What must not be: a letter in twice, or a reader that has seen rows which a crash then takes back. So what was taken and what came of it
//! are one commit point, and the rows are shown when it is durable, not before. Nothing of it stands in the journal.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sluice_connectors::source::{KeptMessage, Source, SplitBatch, SplitId};
use sluice_planner::api::{EpochInput, SplitInput};

use super::{
    super::super::{Letter, Replayed},
    Running,
};
use crate::{
    catalog::QualifiedName,
    error::{Error, Result},
    execute::plan_error,
    root::storage_error,
};

/// Letters of one split and their offsets.
type Offsets = BTreeSet<(SplitId, i64)>;

impl Running<'_> {
    /// Takes in letters of a stream; durable when it returns.
    pub(super) async fn take_letters(
        &mut self,
        stream: &QualifiedName,
        letters: &[Letter],
    ) -> Result<Replayed> {
        self.next_epoch().await?;
        self.commit_and_wait().await?;
        let mut replayed = Replayed::default();
        let mut inputs: BTreeMap<SplitId, Vec<SplitBatch>> = BTreeMap::new();
        let streams = Arc::clone(&self.parts.streams);
        for (number, read) in (0..).zip(streams.iter()) {
            if read.name != *stream {
                continue;
            }
            for mut batch in self.choose(number, letters, &mut replayed)? {
                batch.split.stream = number;
                replayed.rows += batch.rows.num_rows() as u64;
                inputs.entry(batch.split.clone()).or_default().push(batch);
            }
        }
        if replayed.rows == 0 {
            return Ok(replayed);
        }
        let sets = self.sets_now();
        let input = EpochInput {
            now_us: self.parts.clock.now_us(),
            splits: inputs
                .into_iter()
                .map(|(split, batches)| SplitInput { split, batches })
                .collect(),
            known: sets.known.clone(),
            excluded: sets.excluded.clone(),
            finished: sets.finished.clone(),
        };
        let output = self.query.run_epoch(input).await.map_err(plan_error)?;
        self.sets = sets;
        self.epoch += 1;
        replayed.late = output.counts.late;
        replayed.dead = output.counts.dead;
        self.decoders.rows += replayed.rows;
        self.account(&output);
        self.await_commit(output);
        self.commit_and_wait().await?;
        let tables = &self.parts.tables;
        for table in [&tables.table, &tables.late, &tables.dead] {
            table.settle().await?;
        }
        self.parts.events.info(
            &self.parts.name,
            format!("{} dead letters of {stream} were taken in", replayed.rows),
        );
        Ok(replayed)
    }

    /// The rows of those letters that are the query's to take, noted as taken.
    fn choose(
        &mut self,
        number: u16,
        letters: &[Letter],
        replayed: &mut Replayed,
    ) -> Result<Vec<SplitBatch>> {
        let streams = Arc::clone(&self.parts.streams);
        let (stream, read) = streams
            .get(usize::from(number))
            .zip(self.parts.plan.streams.get(usize::from(number)))
            .ok_or_else(|| Error::internal("a stream is missing"))?;
        let wanted: Vec<&Letter> = letters.iter().filter(|letter| letter.wanted).collect();
        replayed.letters += wanted.len() as u64;
        let met: Vec<KeptMessage> = wanted
            .iter()
            .filter(|letter| self.has_met(number, letter))
            .map(|letter| letter.message.clone())
            .collect();
        let columns = &read.columns;
        let now = decodable(&stream.source, columns, &met)?;
        replayed.undecodable += (met.len() - now.len()) as u64;

        // Those that the definition in force when they were read decodes have been taken in by then.
        let mut by_definition: BTreeMap<&str, Vec<KeptMessage>> = BTreeMap::new();
        for message in &met {
            if now.contains(&(message.split.clone(), message.offset))
                && let Some(sql) = self
                    .decoders
                    .at(&of_stream(message, number), message.offset)
                && sql != stream.definition
            {
                let of_definition = by_definition.entry(sql).or_default();
                of_definition.push(message.clone());
            }
        }
        let mut chosen = Offsets::new();
        for (sql, messages) in by_definition {
            let source = (stream.source_of)(sql)?;
            let read_then = decodable(&source, &[], &messages)?;
            let all = messages.into_iter().map(|kept| (kept.split, kept.offset));
            chosen.extend(all.filter(|letter| !read_then.contains(letter)));
        }
        let skipped = wanted.len() - (met.len() - now.len()) - chosen.len();
        replayed.skipped += skipped as u64;
        self.note_taken(number, letters, &chosen);

        let chosen: Vec<KeptMessage> = met
            .into_iter()
            .filter(|message| chosen.contains(&(message.split.clone(), message.offset)))
            .collect();
        stream
            .source
            .decode(columns, &chosen)
            .map_err(storage_error)
    }

    /// Whether the query has read past a letter and not taken it yet.
    fn has_met(&self, number: u16, letter: &Letter) -> bool {
        let split = of_stream(&letter.message, number);
        let offset = letter.message.offset;
        let mut splits = self.splits.iter();
        let Some((_, state)) = splits.find(|(known, _)| **known == split) else {
            return false;
        };
        let ids = letter
            .topic_id
            .as_ref()
            .zip(state.position.topic_id.as_ref());
        offset < state.position.next_offset
            && ids.is_none_or(|(of_letter, of_split)| of_letter == of_split)
            && self.decoders.at(&split, offset).is_some()
            && !self.decoders.is_taken(&split, offset)
    }

    /// Runs of letters that are all taken become one interval each.
    fn note_taken(&mut self, number: u16, letters: &[Letter], chosen: &Offsets) {
        for run in letters.chunk_by(|a, b| a.message.split == b.message.split) {
            let mut taken: Option<(SplitId, i64, i64)> = None;
            for letter in run {
                let (offset, split) = (letter.message.offset, of_stream(&letter.message, number));
                let is_taken = chosen.contains(&(letter.message.split.clone(), offset))
                    || self.decoders.is_taken(&split, offset);
                match &mut taken {
                    Some((_, _, last)) if is_taken => *last = offset,
                    None if is_taken => taken = Some((split, offset, offset)),
                    _ => self.take_run(taken.take()),
                }
            }
            self.take_run(taken);
        }
    }

    fn take_run(&mut self, run: Option<(SplitId, i64, i64)>) {
        if let Some((split, first, last)) = run {
            self.decoders.take(&split, first..last + 1);
        }
    }
}

/// Which of the messages a source decodes.
fn decodable(
    source: &Arc<dyn Source>,
    columns: &[String],
    messages: &[KeptMessage],
) -> Result<Offsets> {
    let batches = source.decode(columns, messages).map_err(storage_error)?;
    let good = batches.iter().flat_map(|batch| {
        let offsets = batch.offsets.iter();
        offsets.map(|offset| (batch.split.clone(), *offset))
    });
    Ok(good.collect())
}

fn of_stream(message: &KeptMessage, number: u16) -> SplitId {
    SplitId {
        stream: number,
        ..message.split.clone()
    }
}
