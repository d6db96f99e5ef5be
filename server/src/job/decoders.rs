//! Which definition of a stream decoded which of its messages, and which dead letters a query has taken since.
//!
//! A stream can be mended in place, so a query may have read one part of a split under one definition and the rest under another. Whether a
//! dead letter belongs to a query hangs on it: the query met the message as undecodable exactly if the definition in force at its offset does not
//! decode it, which can be tried again at any time, for decoding is a pure function.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use serde::{Deserialize, Serialize};
use sluice_connectors::source::SplitId;

use super::intervals::Intervals;

/// How the messages of a query's streams were decoded, and what was decoded again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoders {
    /// Oldest first; those of several streams mixed.
    definitions: Vec<Definition>,
    /// Offsets of dead letters that were taken; what lies between two of them is no letter of the query's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    taken: Vec<(SplitId, Intervals)>,
    /// Rows that came of them.
    #[serde(default)]
    pub rows: u64,
}

/// A definition of a stream, and from where on it was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Definition {
    stream: u16,
    /// `CREATE STREAM …` without secrets.
    sql: String,
    /// First offset in each split.
    from: Vec<(SplitId, i64)>,
}

impl Decoders {
    /// A query goes on, or begins, with these definitions of its streams, at these positions.
    pub fn begin<'a>(
        &mut self,
        definitions: impl Iterator<Item = &'a str>,
        positions: &BTreeMap<SplitId, i64>,
    ) {
        for (stream, sql) in (0..).zip(definitions) {
            let newest = self.newest(stream);
            if newest.is_some_and(|newest| newest.sql == sql) {
                continue;
            }
            let of_stream = positions.iter().filter(|(split, _)| split.stream == stream);
            self.definitions.push(Definition {
                stream,
                sql: sql.to_owned(),
                from: of_stream.map(|(split, at)| (split.clone(), *at)).collect(),
            });
        }
    }

    /// Reading of a split begins at an offset; a split that is known already is left as it is.
    pub fn found(&mut self, split: &SplitId, offset: i64) {
        let known = self
            .definitions
            .iter()
            .any(|known| known.at(split).is_some());
        if !known && let Some(newest) = self.newest(split.stream) {
            newest.from.push((split.clone(), offset));
        }
    }

    /// The definition that decoded the message at an offset of a split; `None` for one from before the query began.
    pub fn at(&self, split: &SplitId, offset: i64) -> Option<&str> {
        let in_force = |known: &&Definition| known.at(split).is_some_and(|from| from <= offset);
        let newest = self.definitions.iter().rfind(in_force)?;
        Some(&newest.sql)
    }

    /// Whether the letter at an offset was taken.
    pub fn is_taken(&self, split: &SplitId, offset: i64) -> bool {
        let mut of_split = self.taken.iter().filter(|(known, _)| known == split);
        of_split.any(|(_, taken)| taken.contains(offset))
    }

    /// All letters from the first to the last of these offsets were taken.
    pub fn take(&mut self, split: &SplitId, offsets: Range<i64>) {
        match self.taken.iter_mut().find(|(known, _)| known == split) {
            Some((_, taken)) => taken.insert(offsets),
            None => {
                let mut taken = Intervals::default();
                taken.insert(offsets);
                self.taken.push((split.clone(), taken));
            }
        }
    }

    /// Whether there is anything that a build from before replays would lose.
    pub fn matter(&self) -> bool {
        let streams = self.definitions.iter().map(|known| known.stream);
        let streams: BTreeSet<u16> = streams.collect();
        !self.taken.is_empty() || streams.len() < self.definitions.len()
    }

    fn newest(&mut self, stream: u16) -> Option<&mut Definition> {
        let of_stream = |known: &&mut Definition| known.stream == stream;
        self.definitions.iter_mut().rfind(of_stream)
    }
}

impl Definition {
    fn at(&self, split: &SplitId) -> Option<i64> {
        let found = self.from.iter().find(|(known, _)| known == split);
        found.map(|(_, from)| *from)
    }
}

#[cfg(test)]
mod tests;
