//! Many groups at once: the accumulator that grouped aggregation runs on.
//!
//! What is hard is to be fast with few large groups and with many small ones. A vector per group costs an allocation per group, so the
//! values of all small groups lie in one pair of columns (group, key) in order of arrival and are laid out by group only when groups leave.
//! A group of more than a few values gets a place of its own; its first values stay behind in the columns as stale rows and are moved over
//! together once they are half of them, so a row is touched a constant number of times on average. Beyond the exact limit a group counts in
//! buckets, and its place of its own becomes a list of values that are still to be counted: a whole list at a time is counted with
//! everything at hand, where a value at a time would look for its group's buckets, and wait for each step of the way.
//! Nothing here may take time proportional to the number of groups per batch.
//!
//! Measured and left out: taking rows in uncounted and sorting 32,768 of them by group before they go into buckets. Its three passes over
//! the groups' numbers took a third longer than what they saved.

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

/// A slot up to this is the number of values the group has in the columns …
const FEW: u32 = 32;
/// … and from here on, where its own place is.
const FIRST_OWN: u32 = FEW + 1;
/// How many values wait to be counted together, at least: a group that has kept its values has more room.
const WAITING: usize = 128;

/// The accumulator.
#[derive(Debug)]
pub(in crate::functions) struct PercentileGroups {
    asked: Asked,
    /// How fine the buckets are; `None` before the first of the sketches that say it.
    grain: Option<Grain>,
    /// One per group, see [`FEW`].
    slots: Vec<u32>,
    pending_groups: Vec<u32>,
    pending_keys: Vec<u64>,
    /// How many pending rows belong to groups that have a place of their own by now.
    stale: usize,
    own: Vec<Own>,
    /// Heap bytes of all `own`.
    own_bytes: usize,
}

/// What a group of more than a few values has to itself.
#[derive(Debug, Default)]
struct Own {
    /// All values or, where there are buckets, those that are not counted yet. Its capacity is the room there is.
    keys: Vec<u64>,
    /// There from value number [`EXACT_LIMIT`] + 1 on.
    buckets: Option<Box<Buckets>>,
}

/// Groups that left, laid out one after the other.
struct Emitted {
    slots: Vec<u32>,
    keys: Vec<u64>,
    own: Vec<Option<Own>>,
}

/// What one of them holds.
enum Held<'a> {
    Exact(&'a mut [u64]),
    Buckets(&'a Buckets),
}

impl Own {
    /// Takes a value; `false`, and nothing else, where there is no room.
    #[inline(always)]
    fn push(&mut self, key: u64) -> bool {
        let room = self.keys.len() < self.keys.capacity();
        if room {
            self.keys.push(key);
        }
        room
    }

    /// Takes as many of some values as there is room for.
    fn fill(&mut self, keys: &mut impl Iterator<Item = u64>) {
        let room = self.keys.capacity() - self.keys.len();
        self.keys.extend(keys.take(room));
    }

    /// Makes room for at least one more value, and at best for so many.
    #[cold]
    fn make_room(&mut self, grain: Grain, more: usize) {
        let count = self.keys.len();
        if self.buckets.is_none() && count < EXACT_LIMIT {
            let room = (count * 2).max(count + more);
            let room = room.clamp(2 * FEW as usize, EXACT_LIMIT);
            self.keys.reserve_exact(room - count);
            return;
        }
        self.counted(grain);
        self.keys.reserve_exact(WAITING);
    }

    /// The buckets, all values counted.
    fn counted(&mut self, grain: Grain) -> &mut Buckets {
        let buckets = self
            .buckets
            .get_or_insert_with(|| Box::new(Buckets::new(grain)));
        buckets.add_all(&self.keys);
        self.keys.clear();
        buckets
    }

    fn heap_bytes(&self) -> usize {
        let buckets = self.buckets.as_ref();
        let buckets = buckets.map_or(0, |buckets| size_of::<Buckets>() + buckets.heap_bytes());
        self.keys.capacity() * size_of::<u64>() + buckets
    }
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
            stale: 0,
            own: vec![],
            own_bytes: 0,
        }
    }

    fn grain(&self) -> Grain {
        self.grain.unwrap_or(Grain::DEFAULT)
    }

    fn grow_to(&mut self, groups: usize) -> Result<()> {
        if groups > (u32::MAX - FIRST_OWN) as usize {
            return resources_err!("approx_percentile: {groups} groups are too many");
        }
        if groups > self.slots.len() {
            self.slots.resize(groups, 0);
        }
        Ok(())
    }

    /// Takes values for as long as their groups have a place of their own with room; gives how many.
    #[inline]
    fn push_to_own(&mut self, groups: &[usize], values: &[f64]) -> usize {
        let (slots, own) = (self.slots.as_slice(), self.own.as_mut_slice());
        for (at, (group, value)) in groups.iter().zip(values).enumerate() {
            let place = slots[*group].wrapping_sub(FIRST_OWN) as usize;
            let Some(own) = own.get_mut(place) else {
                return at;
            };
            if !own.push(key_of(*value)) {
                return at;
            }
        }
        groups.len()
    }

    #[inline(always)]
    fn push(&mut self, group: usize, key: u64) {
        let slot = self.slots[group];
        if slot < FEW {
            self.slots[group] = slot + 1;
            self.pending_groups.push(group as u32);
            self.pending_keys.push(key);
            return;
        }
        let at = self.own_of(group);
        if !self.own[at].push(key) {
            self.make_room(at, 1);
            self.own[at].push(key);
        }
    }

    /// Takes many values of one group.
    fn push_all(&mut self, group: usize, mut keys: impl ExactSizeIterator<Item = u64>) {
        if keys.len() <= FEW as usize {
            keys.for_each(|key| self.push(group, key));
            return;
        }
        let at = self.own_of(group);
        loop {
            self.own[at].fill(&mut keys);
            match keys.len() {
                0 => return,
                more => self.make_room(at, more),
            }
        }
    }

    #[cold]
    fn make_room(&mut self, at: usize, more: usize) {
        let grain = self.grain();
        self.change(at, |own| own.make_room(grain, more));
    }

    /// Does what may make a group's own place larger or smaller.
    fn change<T>(&mut self, at: usize, work: impl FnOnce(&mut Own) -> T) -> T {
        let own = &mut self.own[at];
        let before = own.heap_bytes();
        let result = work(own);
        self.own_bytes = self.own_bytes - before + own.heap_bytes();
        result
    }

    /// Where the group's own place is; makes it if need be.
    #[inline]
    fn own_of(&mut self, group: usize) -> usize {
        let slot = self.slots[group];
        if slot < FIRST_OWN {
            self.stale += slot as usize;
            self.slots[group] = FIRST_OWN + self.own.len() as u32;
            self.own.push(Own::default());
        }
        (self.slots[group] - FIRST_OWN) as usize
    }

    fn merge(&mut self, group: usize, state: &[u8]) -> Result<()> {
        let state = encoding::decode(state)?;
        let grain = *self.grain.get_or_insert(state.grain);
        if grain != state.grain {
            return Err(encoding::other_grain(grain, state.grain));
        }
        match state.held {
            encoding::Held::Exact(keys) => self.push_all(group, keys.iter()),
            encoding::Held::Buckets(counts) => {
                let at = self.own_of(group);
                self.change(at, |own| counts.add_to(own.counted(grain)))?;
            }
        }
        Ok(())
    }

    /// Moves the pending rows of groups that have a place of their own there.
    fn move_stale(&mut self) {
        let mut kept = 0;
        for at in 0..self.pending_keys.len() {
            let (group, key) = (self.pending_groups[at], self.pending_keys[at]);
            let slot = self.slots[group as usize];
            if slot < FIRST_OWN {
                self.pending_groups[kept] = group;
                self.pending_keys[kept] = key;
                kept += 1;
            } else {
                self.push(group as usize, key);
            }
        }
        self.pending_groups.truncate(kept);
        self.pending_keys.truncate(kept);
        self.stale = 0;
    }

    fn move_stale_if_many(&mut self) {
        if self.stale * 2 > self.pending_keys.len() {
            self.move_stale();
        }
    }

    fn emit(&mut self, emit_to: EmitTo) -> Emitted {
        if self.stale > 0 {
            self.move_stale();
        }
        let slots = emit_to.take_needed(&mut self.slots);
        let keys = self.take_keys(&slots);
        let own = self.take_own();
        Emitted { slots, keys, own }
    }

    /// The keys of the first groups, group after group (a counting sort); the others' rows stay, renumbered.
    fn take_keys(&mut self, slots: &[u32]) -> Vec<u64> {
        let mut end = 0;
        let mut next: Vec<usize> = slots
            .iter()
            .map(|&slot| {
                let start = end;
                end += if slot < FIRST_OWN { slot as usize } else { 0 };
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
        keys
    }

    /// All that groups have of their own, less that of groups that stay, which are renumbered.
    fn take_own(&mut self) -> Vec<Option<Own>> {
        let mut taken: Vec<_> = self.own.drain(..).map(Some).collect();
        self.own_bytes = 0;
        for slot in self.slots.iter_mut().filter(|slot| **slot >= FIRST_OWN) {
            if let Some(own) = taken[(*slot - FIRST_OWN) as usize].take() {
                *slot = FIRST_OWN + self.own.len() as u32;
                self.own_bytes += own.heap_bytes();
                self.own.push(own);
            }
        }
        taken
    }
}

impl Emitted {
    fn for_each(
        mut self,
        grain: Grain,
        mut then: impl FnMut(Held<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut keys = self.keys.as_mut_slice();
        for slot in self.slots {
            if slot < FIRST_OWN {
                let (own, rest) = keys.split_at_mut(slot as usize);
                keys = rest;
                then(Held::Exact(own))?;
                continue;
            }
            let own = self.own.get_mut((slot - FIRST_OWN) as usize);
            let Some(mut own) = own.and_then(Option::take) else {
                return internal_err!("approx_percentile: a group has lost its values");
            };
            match own.buckets {
                None => then(Held::Exact(&mut own.keys))?,
                Some(_) => then(Held::Buckets(own.counted(grain)))?,
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
            let (mut groups, mut values) = (group_indices, values.values().as_ref());
            while let (Some(group), Some(value)) = (groups.first(), values.first()) {
                self.push(*group, key_of(*value));
                (groups, values) = (&groups[1..], &values[1..]);
                let taken = self.push_to_own(groups, values);
                (groups, values) = (&groups[taken..], &values[taken..]);
            }
        } else {
            let rows = group_indices.iter().zip(values.values()).enumerate();
            for (row, (&group, &value)) in rows {
                if values.is_valid(row) && passes(opt_filter, row) {
                    self.push(group, key_of(value));
                }
            }
        }
        self.move_stale_if_many();
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
        self.move_stale_if_many();
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let grain = self.grain();
        let emitted = self.emit(emit_to);
        let mut answers = self.asked.answers(emitted.slots.len());
        emitted.for_each(grain, |held| {
            match held {
                Held::Exact(keys) => answers.of_keys(keys),
                Held::Buckets(buckets) => answers.of_buckets(buckets),
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
        emitted.for_each(grain, |held| {
            state.clear();
            match held {
                Held::Exact([]) => {
                    states.append_null();
                    return Ok(());
                }
                Held::Exact(keys) => encoding::encode_exact(grain, keys, &mut state),
                Held::Buckets(buckets) => encoding::encode_buckets(buckets, &mut state),
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
            + self.own.capacity() * size_of::<Own>()
            + self.own_bytes
    }
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
