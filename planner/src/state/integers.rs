//! Groups of one column of integers, in a table that holds the integers themselves.
//!
//! Where there are a million groups, a row costs what waiting for memory costs. The engine's table waits for three lines of it a row, one
//! after the other: a tag, the group of that tag, the group's value. This one waits for one line, and asks for those of a whole block of
//! rows before it looks at the first, so that the waits overlap (docs/decisions/021-a-table-of-integers.md).

use std::{
    hash::{BuildHasher, Hash},
    ops::Range,
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, NullBufferBuilder, PrimitiveArray},
    datatypes::{DataType, Int32Type, Int64Type, SchemaRef},
};
use datafusion::{
    common::{hash_utils::RandomState, internal_datafusion_err, internal_err},
    error::Result,
    logical_expr::EmitTo,
    physical_plan::aggregates::{
        group_values::{GroupValues, new_group_values},
        order::GroupOrdering,
    },
};

/// The table for groups of these columns.
pub(super) fn group_values(columns: &SchemaRef) -> Result<Box<dyn GroupValues>> {
    if let [column] = columns.fields().as_ref() {
        match column.data_type() {
            DataType::Int64 => return Ok(Box::new(Integers::<Int64Type>::new())),
            DataType::Int32 => return Ok(Box::new(Integers::<Int32Type>::new())),
            _ => {}
        }
    }
    new_group_values(Arc::clone(columns), &GroupOrdering::None)
}

/// Rows whose slots are asked for at once: more than a core can wait for, few enough to stay in its nearest cache.
const BLOCK: usize = 64;
/// Slots of a new table.
const FIRST_SLOTS: usize = 256;
/// What stands for the group of an empty slot.
const NO_GROUP: u32 = u32::MAX;

/// Linear probing over slots, a power of two of them, at most five eighths full.
struct Integers<T: ArrowPrimitiveType> {
    slots: Vec<Slot<T::Native>>,
    /// What is left of a hash after it says where to begin.
    shift: u32,
    /// By group; anything for the one of NULL.
    values: Vec<T::Native>,
    null_group: Option<usize>,
    hashes: RandomState,
}

#[derive(Clone, Copy)]
struct Slot<K> {
    key: K,
    group: u32,
}

impl<K: Default> Default for Slot<K> {
    fn default() -> Self {
        Self {
            key: K::default(),
            group: NO_GROUP,
        }
    }
}

impl<T> Integers<T>
where
    T: ArrowPrimitiveType,
    T::Native: Hash + Eq,
{
    fn new() -> Self {
        Self {
            slots: Vec::new(),
            shift: 0,
            values: Vec::new(),
            null_group: None,
            hashes: RandomState::default(),
        }
    }

    /// Where the search for a key begins: the upper bits of its hash, so that a larger table has the keys in the same order.
    fn start(&self, key: T::Native) -> usize {
        (self.hashes.hash_one(key) >> self.shift) as usize
    }

    /// Makes a slot for each of so many more keys.
    fn make_room(&mut self, more: usize) {
        let groups = self.values.len() + more;
        if groups * 8 > self.slots.len() * 5 {
            let slots = (groups * 8 / 5 + 1).next_power_of_two();
            self.rebuild(slots.max(FIRST_SLOTS));
        }
    }

    /// Moves every group into a table of so many slots, a power of two, from one end to the other of both.
    fn rebuild(&mut self, slots: usize) {
        self.shift = u64::BITS - slots.trailing_zeros();
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); slots]);
        for slot in old.into_iter().filter(|slot| slot.group != NO_GROUP) {
            let mut at = self.start(slot.key);
            while let Some(place) = self.slots.get_mut(at) {
                if place.group == NO_GROUP {
                    *place = slot;
                    break;
                }
                at = (at + 1) & (slots - 1);
            }
        }
    }

    /// The groups of some keys, none of which is NULL.
    fn intern_all(&mut self, keys: &[T::Native], groups: &mut Vec<usize>) -> Result<()> {
        for block in keys.chunks(BLOCK) {
            self.make_room(block.len());
            let mut found = [(0, Slot::default()); BLOCK];
            for (key, found) in block.iter().zip(&mut found) {
                let start = self.start(*key);
                if let Some(slot) = self.slots.get(start) {
                    *found = (start, *slot);
                }
            }
            for (key, (start, slot)) in block.iter().zip(found) {
                groups.push(if slot.group != NO_GROUP && slot.key == *key {
                    slot.group as usize
                } else {
                    self.find_or_insert(start, *key)?
                });
            }
        }
        Ok(())
    }

    /// The group of a key, from the slot on at which its search begins.
    fn find_or_insert(&mut self, start: usize, key: T::Native) -> Result<usize> {
        let mask = self.slots.len() - 1;
        let mut at = start;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.group == NO_GROUP {
                let group = self.values.len();
                slot.key = key;
                slot.group = u32::try_from(group)
                    .ok()
                    .filter(|group| *group != NO_GROUP)
                    .ok_or_else(|| internal_datafusion_err!("{group} groups in one window"))?;
                self.values.push(key);
                return Ok(group);
            }
            if slot.key == key {
                return Ok(slot.group as usize);
            }
            at = (at + 1) & mask;
        }
        internal_err!("a table of groups has no slot {at}")
    }

    /// Takes the first groups out of the table, whose values are gone.
    fn forget(&mut self, count: usize) {
        let mut slots = std::mem::take(&mut self.slots);
        if self.values.is_empty() {
            return;
        }
        for slot in slots.iter_mut().filter(|slot| slot.group != NO_GROUP) {
            slot.group = match (slot.group as usize).checked_sub(count) {
                Some(group) => group as u32,
                None => NO_GROUP,
            };
        }
        let count = slots.len();
        self.slots = slots;
        self.rebuild(count);
    }

    fn intern_nulls(&mut self, rows: Range<usize>, groups: &mut Vec<usize>) {
        if rows.is_empty() {
            return;
        }
        let values = &mut self.values;
        let group = *self.null_group.get_or_insert_with(|| {
            values.push(T::Native::default());
            values.len() - 1
        });
        groups.extend(rows.map(|_| group));
    }
}

impl<T> GroupValues for Integers<T>
where
    T: ArrowPrimitiveType,
    T::Native: Hash + Eq,
{
    fn intern(&mut self, columns: &[ArrayRef], groups: &mut Vec<usize>) -> Result<()> {
        let column = match columns {
            [column] => column.as_primitive_opt::<T>(),
            _ => None,
        };
        let column = column.ok_or_else(|| internal_datafusion_err!("not a column of integers"))?;
        groups.clear();
        groups.reserve(column.len());
        let Some(nulls) = column.nulls() else {
            return self.intern_all(column.values(), groups);
        };
        let mut through = 0;
        for (from, to) in nulls.valid_slices() {
            self.intern_nulls(through..from, groups);
            self.intern_all(column.values().get(from..to).unwrap_or_default(), groups)?;
            through = to;
        }
        self.intern_nulls(through..column.len(), groups);
        Ok(())
    }

    fn size(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<T::Native>>()
            + self.values.capacity() * size_of::<T::Native>()
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn emit(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let count = match emit_to {
            EmitTo::All => self.values.len(),
            EmitTo::First(count) => count.min(self.values.len()),
        };
        let rest = self.values.split_off(count);
        let values = std::mem::replace(&mut self.values, rest);
        let mut nulls = NullBufferBuilder::new(count);
        match self.null_group {
            Some(null) if null < count => {
                nulls.append_n_non_nulls(null);
                nulls.append_null();
                nulls.append_n_non_nulls(count - null - 1);
                self.null_group = None;
            }
            Some(null) => self.null_group = Some(null - count),
            None => {}
        }
        self.forget(count);
        let array = PrimitiveArray::<T>::try_new(values.into(), nulls.finish())?;
        Ok(vec![Arc::new(array)])
    }

    fn clear_shrink(&mut self, rows: usize) {
        self.null_group = None;
        self.slots = Vec::new();
        self.values.clear();
        self.values.shrink_to(rows);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use arrow::{
        array::{Int32Array, Int64Array},
        datatypes::{Field, Schema},
    };
    use proptest::prelude::*;

    use super::*;

    fn columns(kind: DataType) -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("k", kind, true)]))
    }

    /// Batches of keys: few and many different ones, the extremes, NULLs.
    fn batches() -> impl Strategy<Value = Vec<Vec<Option<i64>>>> {
        let key = prop_oneof![
            8 => (0..40i64).prop_map(Some),
            8 => any::<i64>().prop_map(Some),
            2 => Just(None),
            1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), Just(-1)].prop_map(Some),
        ];
        prop::collection::vec(prop::collection::vec(key, 0..400), 1..8)
    }

    proptest! {
        /// The same groups in the same order as the engine's own table.
        #[test]
        fn groups_are_the_engines(batches in batches(), first in 0..300usize) {
            for kind in [DataType::Int64, DataType::Int32] {
                let columns = columns(kind.clone());
                let mut ours = group_values(&columns).unwrap();
                let mut engines = new_group_values(Arc::clone(&columns), &GroupOrdering::None).unwrap();
                let (mut got, mut expected) = (Vec::new(), Vec::new());
                for (number, keys) in batches.iter().enumerate() {
                    let keys: ArrayRef = match kind {
                        DataType::Int64 => Arc::new(Int64Array::from(keys.clone())),
                        _ => Arc::new(keys.iter().map(|key| key.map(|key| key as i32)).collect::<Int32Array>()),
                    };
                    ours.intern(&[Arc::clone(&keys)], &mut got).unwrap();
                    engines.intern(&[keys], &mut expected).unwrap();
                    prop_assert_eq!(&got, &expected);
                    prop_assert_eq!(ours.len(), engines.len());
                    if number == 2 {
                        let first = EmitTo::First(first.min(ours.len()));
                        prop_assert_eq!(&ours.emit(first).unwrap(), &engines.emit(first).unwrap());
                    }
                }
                prop_assert_eq!(&ours.emit(EmitTo::All).unwrap(), &engines.emit(EmitTo::All).unwrap());
                prop_assert!(ours.is_empty());
            }
        }
    }

    #[test]
    fn a_table_grows_and_knows_what_it_takes() {
        let mut table = group_values(&columns(DataType::Int64)).unwrap();
        let mut groups = Vec::new();
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values((0..100_000).map(|n| n * 4096)));
        for _ in 0..2 {
            table.intern(&[Arc::clone(&keys)], &mut groups).unwrap();
            assert!(groups.iter().copied().eq(0..100_000));
        }
        // 262,144 slots of 16 bytes, and the values.
        assert!(
            (4_990_000..5_300_000).contains(&table.size()),
            "{}",
            table.size()
        );
        table.clear_shrink(0);
        assert_eq!((table.len(), table.size()), (0, 0));
    }
}
