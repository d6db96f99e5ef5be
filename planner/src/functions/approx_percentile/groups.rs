//! Many groups at once: the accumulator that grouped aggregation runs on.
//!
//! What is hard is to be fast with few large groups and with many small ones. A vector per group costs an allocation per group, so the
//! values of all groups lie in one pair of columns (group, key) in order of arrival: taking a batch is copying it. Thousands of rows
//! later they are counted, and a group found to be past the limit counts in buckets from then on; its rows in the columns are stale, and
//! are moved over together, group by group, once they are half of all, so a row is touched a constant number of times on average.
//! Nothing here may take time proportional to the number of groups per batch.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, Float64Array,
};
use arrow::datatypes::Float64Type;
use datafusion::common::{Result, exec_err, internal_err, resources_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::asked::Asked;
use super::encoding;
use super::grain::{Grain, key_of};
use super::sketch::{Buckets, EXACT_LIMIT};

/// A slot below this is the number of counted rows that the group has in the columns; up to the limit once they are settled …
const FIRST_BUCKETS: u32 = 1 << 31;
const FULL: u32 = EXACT_LIMIT as u32;
/// Rows that are taken in before they are counted.
const SETTLE_ROWS: usize = 1 << 15;
/// Columns with room for this many rows are not made smaller.
const SPARE_ROWS: usize = 4096;

/// The accumulator.
#[derive(Debug)]
pub(in crate::functions) struct PercentileGroups {
    asked: Asked,
    /// How fine the buckets are; `None` before the first of the sketches that say it.
    grain: Option<Grain>,
    /// One per group, see [`FIRST_BUCKETS`]; from there on, where its buckets are.
    slots: Vec<u32>,
    pending_groups: Vec<u32>,
    pending_keys: Vec<u64>,
    /// How many pending rows are counted, in their groups' slots or as stale.
    counted: usize,
    /// How many counted rows belong to groups that have buckets by now.
    stale: usize,
    buckets: Vec<Buckets>,
    /// Heap bytes of all `buckets`.
    bucket_bytes: usize,
}

/// Groups that left, laid out one after the other.
struct Emitted {
    slots: Vec<u32>,
    keys: Vec<u64>,
    buckets: Vec<Option<Buckets>>,
}

/// What one of them holds.
enum Held<'a> {
    Exact(&'a mut [u64]),
    Buckets(Buckets),
}

impl PercentileGroups {
    /// No groups yet. Without a grain it is that of the first state.
    pub(in crate::functions) fn new(asked: Asked, grain: Option<Grain>) -> Self {
        Self {
            asked,
            grain,
            slots: vec![],
            pending_groups: vec![],
            pending_keys: vec![],
            counted: 0,
            stale: 0,
            buckets: vec![],
            bucket_bytes: 0,
        }
    }

    fn grain(&self) -> Grain {
        self.grain.unwrap_or(Grain::DEFAULT)
    }

    fn grow_to(&mut self, groups: usize) -> Result<()> {
        if groups >= FIRST_BUCKETS as usize {
            return resources_err!("approx_percentile: {groups} groups are too many");
        }
        if groups > self.slots.len() {
            self.slots.resize(groups, 0);
        }
        Ok(())
    }

    /// Where the group's buckets are; makes them if need be.
    fn buckets_of(&mut self, group: usize) -> usize {
        let grain = self.grain();
        let slot = &mut self.slots[group];
        if *slot < FIRST_BUCKETS {
            self.stale += *slot as usize;
            *slot = FIRST_BUCKETS + self.buckets.len() as u32;
            self.buckets.push(Buckets::new(grain));
        }
        (*slot - FIRST_BUCKETS) as usize
    }

    fn merge(&mut self, group: usize, state: &[u8]) -> Result<()> {
        let state = encoding::decode(state)?;
        let grain = *self.grain.get_or_insert(state.grain);
        if grain != state.grain {
            return Err(encoding::other_grain(grain, state.grain));
        }
        match state.held {
            encoding::Held::Exact(keys) => {
                let rows = self.pending_keys.len() + keys.iter().len();
                self.pending_keys.extend(keys.iter());
                self.pending_groups.resize(rows, group as u32);
            }
            encoding::Held::Buckets(counts) => {
                let at = self.buckets_of(group);
                self.bucket_bytes += counts.add_to(&mut self.buckets[at])?;
            }
        }
        Ok(())
    }

    /// Counts the rows that are new, gives buckets to groups that have too many, and moves rows into buckets when there are many to move.
    fn settle(&mut self) {
        let mut outgrown = false;
        for &group in &self.pending_groups[self.counted..] {
            let slot = &mut self.slots[group as usize];
            if *slot < FIRST_BUCKETS {
                *slot += 1;
                outgrown |= *slot > FULL;
            } else {
                self.stale += 1;
            }
        }
        let new = std::mem::replace(&mut self.counted, self.pending_groups.len());
        if outgrown {
            for at in new..self.counted {
                let group = self.pending_groups[at] as usize;
                let slot = self.slots[group];
                if slot > FULL && slot < FIRST_BUCKETS {
                    self.buckets_of(group);
                }
            }
        }
        if self.stale * 2 > self.counted {
            self.move_stale();
        }
    }

    #[inline(always)]
    fn settle_if_many(&mut self) {
        if self.pending_keys.len() - self.counted >= SETTLE_ROWS {
            self.settle();
        }
    }

    /// Moves the pending rows of groups that have buckets into them.
    fn move_stale(&mut self) {
        // Group by group is faster, as long as the groups are few beside the rows.
        if self.buckets.len() * 16 < self.stale {
            let (keys, ends) = self.take_stale();
            let mut start = 0;
            for (buckets, end) in self.buckets.iter_mut().zip(ends) {
                self.bucket_bytes += buckets.add_all(&keys[start..end]);
                start = end;
            }
        } else {
            let (buckets, bytes) = (&mut self.buckets, &mut self.bucket_bytes);
            let (slots, keys) = (&self.slots, &mut self.pending_keys);
            compact(slots, &mut self.pending_groups, keys, |at, key| {
                *bytes += buckets[at].add(key);
            });
        }
        self.counted = self.pending_keys.len();
        self.stale = 0;
    }

    /// The keys of stale rows, those of the first buckets first, and where each buckets' keys end (a counting sort).
    fn take_stale(&mut self) -> (Vec<u64>, Vec<usize>) {
        let mut next = vec![0_usize; self.buckets.len()];
        for &group in &self.pending_groups {
            let slot = self.slots[group as usize];
            if slot >= FIRST_BUCKETS {
                next[(slot - FIRST_BUCKETS) as usize] += 1;
            }
        }
        let mut end = 0;
        for next in &mut next {
            let rows = std::mem::replace(next, end);
            end += rows;
        }
        let mut keys = vec![0; end];
        let pending = &mut self.pending_keys;
        compact(&self.slots, &mut self.pending_groups, pending, |at, key| {
            keys[next[at]] = key;
            next[at] += 1;
        });
        (keys, next)
    }

    fn emit(&mut self, emit_to: EmitTo) -> Emitted {
        self.settle();
        if self.stale > 0 {
            self.move_stale();
        }
        let slots = emit_to.take_needed(&mut self.slots);
        let keys = self.take_keys(&slots);
        let buckets = self.take_buckets();
        Emitted {
            slots,
            keys,
            buckets,
        }
    }

    /// The keys of the first groups, group after group (a counting sort); the others' rows stay, renumbered.
    fn take_keys(&mut self, slots: &[u32]) -> Vec<u64> {
        let mut end = 0;
        let mut next: Vec<usize> = slots
            .iter()
            .map(|&slot| {
                let start = end;
                end += if slot < FIRST_BUCKETS {
                    slot as usize
                } else {
                    0
                };
                start
            })
            .collect();
        let mut keys = vec![0; end];
        let groups = std::mem::take(&mut self.pending_groups);
        for (group, key) in groups
            .into_iter()
            .zip(std::mem::take(&mut self.pending_keys))
        {
            if let Some(place) = next.get_mut(group as usize) {
                keys[*place] = key;
                *place += 1;
            } else {
                self.pending_groups.push(group - slots.len() as u32);
                self.pending_keys.push(key);
            }
        }
        self.counted = self.pending_keys.len();
        keys
    }

    /// All buckets, less those of groups that stay, which are renumbered.
    fn take_buckets(&mut self) -> Vec<Option<Buckets>> {
        let mut taken: Vec<_> = self.buckets.drain(..).map(Some).collect();
        self.bucket_bytes = 0;
        for slot in self.slots.iter_mut().filter(|slot| **slot >= FIRST_BUCKETS) {
            if let Some(buckets) = taken[(*slot - FIRST_BUCKETS) as usize].take() {
                *slot = FIRST_BUCKETS + self.buckets.len() as u32;
                self.bucket_bytes += buckets.heap_bytes();
                self.buckets.push(buckets);
            }
        }
        taken
    }
}

impl Emitted {
    fn for_each(mut self, mut then: impl FnMut(Held<'_>) -> Result<()>) -> Result<()> {
        let mut keys = self.keys.as_mut_slice();
        for slot in self.slots {
            if slot < FIRST_BUCKETS {
                let (own, rest) = keys.split_at_mut(slot as usize);
                keys = rest;
                then(Held::Exact(own))?;
            } else {
                let buckets = self
                    .buckets
                    .get_mut((slot - FIRST_BUCKETS) as usize)
                    .and_then(Option::take);
                let Some(buckets) = buckets else {
                    return internal_err!("approx_percentile: a group has lost its buckets");
                };
                then(Held::Buckets(buckets))?;
            }
        }
        Ok(())
    }
}

impl GroupsAccumulator for PercentileGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow_to(total_num_groups)?;
        let values = floats(values)?;
        if values.null_count() == 0 && opt_filter.is_none() {
            let (mut keys, mut groups) = (&values.values()[..], group_indices);
            while !keys.is_empty() {
                let room = SETTLE_ROWS - (self.pending_keys.len() - self.counted);
                let (now, later) = keys.split_at(room.min(keys.len()));
                let (of_now, of_later) = groups.split_at(room.min(groups.len()));
                self.pending_keys
                    .extend(now.iter().map(|&value| key_of(value)));
                self.pending_groups
                    .extend(of_now.iter().map(|&group| group as u32));
                (keys, groups) = (later, of_later);
                self.settle_if_many();
            }
        } else {
            for (row, (&group, &value)) in group_indices.iter().zip(values.values()).enumerate() {
                if values.is_valid(row) && passes(opt_filter, row) {
                    self.pending_keys.push(key_of(value));
                    self.pending_groups.push(group as u32);
                    self.settle_if_many();
                }
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow_to(total_num_groups)?;
        let states = states(values)?;
        for (&group, state) in group_indices.iter().zip(states) {
            if let Some(state) = state {
                self.merge(group, state)?;
            }
        }
        self.settle();
        // A pane is merged into now and then and stays: it keeps no room that it does not need.
        let rows = self.pending_keys.len();
        if self.pending_keys.capacity() > SPARE_ROWS + 4 * rows {
            self.pending_keys.shrink_to(2 * rows);
            self.pending_groups.shrink_to(2 * rows);
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let emitted = self.emit(emit_to);
        let mut answers = self.asked.answers(emitted.slots.len());
        emitted.for_each(|held| {
            match held {
                Held::Exact(keys) => answers.of_keys(keys),
                Held::Buckets(buckets) => answers.of_buckets(&buckets),
            }
            Ok(())
        })?;
        Ok(answers.finish())
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let emitted = self.emit(emit_to);
        let grain = self.grain();
        let bytes = emitted.slots.len() + emitted.keys.len() * size_of::<u64>();
        let mut states = BinaryBuilder::with_capacity(emitted.slots.len(), bytes);
        let mut state = vec![];
        emitted.for_each(|held| {
            state.clear();
            match held {
                Held::Exact([]) => {
                    states.append_null();
                    return Ok(());
                }
                Held::Exact(keys) => encoding::encode_exact(grain, keys, &mut state),
                Held::Buckets(buckets) => encoding::encode_buckets(&buckets, &mut state),
            }
            append(&mut states, &state)
        })?;
        Ok(vec![Arc::new(states.finish())])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = floats(values)?;
        let mut states = BinaryBuilder::with_capacity(values.len(), values.len() * 9);
        let mut state = vec![];
        for (row, value) in values.iter().enumerate() {
            match value.filter(|_| passes(opt_filter, row)) {
                Some(value) => {
                    state.clear();
                    encoding::encode_exact(self.grain(), &[key_of(value)], &mut state);
                    append(&mut states, &state)?;
                }
                None => states.append_null(),
            }
        }
        Ok(vec![Arc::new(states.finish())])
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.slots.capacity() * size_of::<u32>()
            + self.pending_groups.capacity() * size_of::<u32>()
            + self.pending_keys.capacity() * size_of::<u64>()
            + self.buckets.capacity() * size_of::<Buckets>()
            + self.bucket_bytes
    }
}

/// Hands over the rows of groups that have buckets, with where these are; the others' rows move together.
#[inline(always)]
fn compact(
    slots: &[u32],
    groups: &mut Vec<u32>,
    keys: &mut Vec<u64>,
    mut hand_over: impl FnMut(usize, u64),
) {
    let mut kept = 0;
    for at in 0..keys.len() {
        let (group, key) = (groups[at], keys[at]);
        let slot = slots[group as usize];
        if slot < FIRST_BUCKETS {
            (groups[kept], keys[kept]) = (group, key);
            kept += 1;
        } else {
            hand_over((slot - FIRST_BUCKETS) as usize, key);
        }
    }
    groups.truncate(kept);
    keys.truncate(kept);
}

fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

/// A binary column is limited to 2 GiB, and its builder panics beyond.
fn append(states: &mut BinaryBuilder, state: &[u8]) -> Result<()> {
    if states.values_slice().len() + state.len() > i32::MAX as usize {
        return resources_err!("approx_percentile: the state of these groups is above 2 GiB");
    }
    states.append_value(state);
    Ok(())
}

/// The first argument's column.
pub(super) fn floats(values: &[ArrayRef]) -> Result<&Float64Array> {
    match values
        .first()
        .and_then(|v| v.as_primitive_opt::<Float64Type>())
    {
        Some(values) => Ok(values),
        None => exec_err!("approx_percentile needs values of type double"),
    }
}

/// The states' column.
pub(super) fn states(values: &[ArrayRef]) -> Result<&BinaryArray> {
    match values.first().and_then(|v| v.as_binary_opt::<i32>()) {
        Some(states) => Ok(states),
        None => exec_err!("corrupt state of approx_percentile: it is not binary"),
    }
}
