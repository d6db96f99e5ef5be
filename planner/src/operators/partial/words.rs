//! Groups of several columns, in a table that holds the values themselves: a word of 128 bits for each.
//!
//! Numbers, times and texts of up to fifteen bytes are their own words, so two rows are of one group where their words are equal, whatever
//! the columns' types are. Longer texts are numbered, and the number is the word. The engine's table of several columns goes through them
//! one by one, each time with a list of the rows that still agree (docs/decisions/023-groups-as-words.md).
//!
//! long because how a value becomes a word and comes out again are read together.

use std::{
    array,
    collections::HashMap,
    hash::{BuildHasher, Hasher},
    sync::Arc,
};

use arrow::{
    array::{
        Array, ArrayData, ArrayRef, AsArray, BinaryArray, BooleanArray, GenericByteArray,
        StringArray, make_array,
    },
    buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::cast,
    datatypes::{ArrowNativeType, ByteArrayType, DataType, Field, SchemaRef},
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

#[cfg(test)]
mod tests;

/// The table for groups of these columns.
pub(super) fn group_values(columns: &SchemaRef) -> Result<Box<dyn GroupValues>> {
    let fits = |field: &Arc<Field>| is_word(field.data_type());
    if columns.fields().iter().all(fits) {
        match columns.fields().len() {
            1 => return Ok(Box::new(Words::<1>::new(columns))),
            2 => return Ok(Box::new(Words::<2>::new(columns))),
            3 => return Ok(Box::new(Words::<3>::new(columns))),
            4 => return Ok(Box::new(Words::<4>::new(columns))),
            5 => return Ok(Box::new(Words::<5>::new(columns))),
            6 => return Ok(Box::new(Words::<6>::new(columns))),
            _ => {}
        }
    }
    new_group_values(Arc::clone(columns), &GroupOrdering::None)
}

/// Whether values are equal where their bits are, and have no more of them than a word holds beside what says that it is NULL.
fn is_word(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean
        | DataType::Utf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::BinaryView
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Duration(_) => true,
        _ => data_type.is_integer(),
    }
}

/// Rows that are looked up together: their words fit into a core's nearest cache.
const BLOCK: usize = 64;
/// Slots of a new table.
const FIRST_SLOTS: usize = 256;
/// What stands for the group of an empty slot.
const NO_GROUP: u32 = u32::MAX;

/// The word of NULL: no value's last byte is this.
const NULL: u128 = u128::MAX;
/// Bytes of a text that is its own word; the last byte says how many there are.
const SHORT: usize = 15;
/// The last byte of the word of a longer text.
const LONG: u128 = 0x80 << 120;

/// Linear probing over slots, a power of two of them, at most five eighths full.
struct Words<const N: usize> {
    types: [DataType; N],
    /// Of each column.
    long: [Long; N],
    slots: Vec<Slot>,
    /// What is left of a hash after it says where to begin.
    shift: u32,
    /// By group.
    keys: Vec<[u128; N]>,
    hashes: RandomState,
}

#[derive(Clone, Copy)]
struct Slot {
    /// The lower bits of the key's hash.
    tag: u32,
    group: u32,
}

const EMPTY: Slot = Slot {
    tag: 0,
    group: NO_GROUP,
};

impl<const N: usize> Words<N> {
    fn new(columns: &SchemaRef) -> Self {
        let mut types = columns.fields().iter().map(|field| field.data_type());
        Self {
            types: array::from_fn(|_| types.next().cloned().unwrap_or(DataType::Null)),
            long: array::from_fn(|_| Long::default()),
            slots: Vec::new(),
            shift: 0,
            keys: Vec::new(),
            hashes: RandomState::default(),
        }
    }

    fn hash(&self, key: &[u128; N]) -> u64 {
        let mut hasher = self.hashes.build_hasher();
        for word in key {
            hasher.write_u128(*word);
        }
        hasher.finish()
    }

    /// Makes a slot for each of so many more keys.
    fn make_room(&mut self, more: usize) {
        let groups = self.keys.len() + more;
        if groups * 8 > self.slots.len() * 5 {
            let slots = (groups * 8 / 5 + 1).next_power_of_two();
            self.rebuild(slots.max(FIRST_SLOTS));
        }
    }

    /// Puts every group into a table of so many slots, a power of two.
    fn rebuild(&mut self, slots: usize) {
        self.shift = u64::BITS - slots.trailing_zeros();
        let mut table = vec![EMPTY; slots];
        for (group, key) in (0..).zip(&self.keys) {
            let hash = self.hash(key);
            let mut at = (hash >> self.shift) as usize;
            while let Some(slot) = table.get_mut(at) {
                if slot.group == NO_GROUP {
                    *slot = Slot {
                        tag: hash as u32,
                        group,
                    };
                    break;
                }
                at = (at + 1) & (slots - 1);
            }
        }
        self.slots = table;
    }

    /// The group of a key, given its hash.
    #[inline]
    fn find_or_insert(&mut self, key: &[u128; N], hash: u64) -> Result<usize> {
        let mask = self.slots.len() - 1;
        let tag = hash as u32;
        let mut at = (hash >> self.shift) as usize;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.group == NO_GROUP {
                let group = self.keys.len();
                slot.tag = tag;
                slot.group = u32::try_from(group)
                    .ok()
                    .filter(|group| *group != NO_GROUP)
                    .ok_or_else(|| internal_datafusion_err!("{group} groups in one epoch"))?;
                self.keys.push(*key);
                return Ok(group);
            }
            let group = slot.group as usize;
            if slot.tag == tag
                && self
                    .keys
                    .get(group)
                    .is_some_and(|known| is_same(known, key))
            {
                return Ok(group);
            }
            at = (at + 1) & mask;
        }
        internal_err!("a table of groups has no slot {at}")
    }
}

/// Equality without a call and without a jump for each word.
#[inline]
fn is_same<const N: usize>(a: &[u128; N], b: &[u128; N]) -> bool {
    a.iter().zip(b).fold(0, |rest, (a, b)| rest | (a ^ b)) == 0
}

impl<const N: usize> GroupValues for Words<N> {
    fn intern(&mut self, columns: &[ArrayRef], groups: &mut Vec<usize>) -> Result<()> {
        let columns: Vec<Column> = columns.iter().map(Column::of).collect::<Result<_>>()?;
        let rows = columns.first().map_or(0, |column| column.rows);
        if columns.len() != N || columns.iter().any(|column| column.rows != rows) {
            return internal_err!("groups are of {N} columns of one length");
        }
        groups.clear();
        groups.reserve(rows);
        let mut keys = [[0; N]; BLOCK];
        let mut hashes = [0; BLOCK];
        for from in (0..rows).step_by(BLOCK) {
            let count = BLOCK.min(rows - from);
            for (number, (column, long)) in columns.iter().zip(&mut self.long).enumerate() {
                let places = keys.iter_mut().take(count);
                column.read(from, long, places.filter_map(|key| key.get_mut(number)))?;
            }
            self.make_room(count);
            for (key, hash) in keys.iter().zip(&mut hashes).take(count) {
                *hash = self.hash(key);
            }
            for (key, hash) in keys.iter().zip(hashes).take(count) {
                groups.push(self.find_or_insert(key, hash)?);
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.keys.capacity() * size_of::<[u128; N]>()
            + self.long.iter().map(Long::size).sum::<usize>()
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn emit(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let count = match emit_to {
            EmitTo::All => self.keys.len(),
            EmitTo::First(count) => count.min(self.keys.len()),
        };
        let rest = self.keys.split_off(count);
        let keys = std::mem::replace(&mut self.keys, rest);
        self.slots = Vec::new();
        self.make_room(0);
        let columns = self.types.iter().zip(&self.long).enumerate();
        columns
            .map(|(number, (data_type, long))| {
                let words = keys.iter().filter_map(|key| key.get(number));
                column_of(data_type, long, &words.copied().collect::<Vec<u128>>())
            })
            .collect()
    }

    fn clear_shrink(&mut self, rows: usize) {
        self.slots = Vec::new();
        self.long = array::from_fn(|_| Long::default());
        self.keys.clear();
        self.keys.shrink_to(rows);
    }
}

/// A column of a batch, to be read as words.
struct Column {
    rows: usize,
    nulls: Option<NullBuffer>,
    values: Values,
}

enum Values {
    Bytes1(ScalarBuffer<u8>),
    Bytes2(ScalarBuffer<u16>),
    Bytes4(ScalarBuffer<u32>),
    Bytes8(ScalarBuffer<u64>),
    Bool(BooleanBuffer),
    Text(OffsetBuffer<i32>, Buffer),
    TextView(ArrayRef),
    BinaryView(ArrayRef),
}

impl Column {
    fn of(array: &ArrayRef) -> Result<Self> {
        let values = match array.data_type() {
            DataType::Boolean => Values::Bool(array.as_boolean().values().clone()),
            DataType::Utf8 => text(array.as_string::<i32>()),
            DataType::Binary => text(array.as_binary::<i32>()),
            DataType::Utf8View => Values::TextView(Arc::clone(array)),
            DataType::BinaryView => Values::BinaryView(Arc::clone(array)),
            other => {
                let data = array.to_data();
                match (data.buffers().first(), other.primitive_width()) {
                    (Some(buffer), Some(1)) => Values::Bytes1(numbers(&data, buffer)),
                    (Some(buffer), Some(2)) => Values::Bytes2(numbers(&data, buffer)),
                    (Some(buffer), Some(4)) => Values::Bytes4(numbers(&data, buffer)),
                    (Some(buffer), Some(8)) => Values::Bytes8(numbers(&data, buffer)),
                    _ => return internal_err!("values of type {other} are no words"),
                }
            }
        };
        Ok(Self {
            rows: array.len(),
            nulls: array
                .nulls()
                .filter(|nulls| nulls.null_count() > 0)
                .cloned(),
            values,
        })
    }

    /// Puts the words of the rows from there on into `places`.
    #[inline]
    fn read<'a>(
        &self,
        from: usize,
        long: &mut Long,
        places: impl Iterator<Item = &'a mut u128>,
    ) -> Result<()> {
        let Some(nulls) = &self.nulls else {
            return self.values.read(from, long, places);
        };
        let mut places: Vec<&mut u128> = places.collect();
        self.values
            .read(from, long, places.iter_mut().map(|place| &mut **place))?;
        for (row, place) in (from..).zip(places) {
            if nulls.is_null(row) {
                *place = NULL;
            }
        }
        Ok(())
    }
}

fn text<T: ByteArrayType<Offset = i32>>(array: &GenericByteArray<T>) -> Values {
    Values::Text(array.offsets().clone(), array.values().clone())
}

fn numbers<T: ArrowNativeType>(data: &ArrayData, buffer: &Buffer) -> ScalarBuffer<T> {
    ScalarBuffer::new(buffer.clone(), data.offset(), data.len())
}

impl Values {
    #[inline]
    fn read<'a>(
        &self,
        from: usize,
        long: &mut Long,
        places: impl Iterator<Item = &'a mut u128>,
    ) -> Result<()> {
        match self {
            Self::Bytes1(values) => read_numbers(values, from, places),
            Self::Bytes2(values) => read_numbers(values, from, places),
            Self::Bytes4(values) => read_numbers(values, from, places),
            Self::Bytes8(values) => read_numbers(values, from, places),
            Self::Bool(values) => {
                for (row, place) in (from..).zip(places) {
                    *place = u128::from(values.value(row));
                }
            }
            Self::Text(offsets, data) => {
                let ends = offsets.get(from + 1..).unwrap_or_default();
                let starts = offsets.get(from..).unwrap_or_default();
                for ((start, end), place) in starts.iter().zip(ends).zip(places) {
                    let (start, end) = (start.as_usize(), end.as_usize());
                    *place = match data.get(start..start + 16) {
                        Some(sixteen) if end - start <= SHORT => short_of(sixteen, end - start),
                        _ => long.word(data.get(start..end).unwrap_or_default())?,
                    };
                }
            }
            Self::TextView(array) => {
                let array = array.as_string_view();
                for (row, place) in (from..).zip(places) {
                    *place = long.word(array.value(row).as_bytes())?;
                }
            }
            Self::BinaryView(array) => {
                let array = array.as_binary_view();
                for (row, place) in (from..).zip(places) {
                    *place = long.word(array.value(row))?;
                }
            }
        }
        Ok(())
    }
}

#[inline]
fn read_numbers<'a, T: Copy + Into<u128>>(
    values: &[T],
    from: usize,
    places: impl Iterator<Item = &'a mut u128>,
) {
    let values = values.get(from..).unwrap_or_default();
    for (value, place) in values.iter().zip(places) {
        *place = (*value).into();
    }
}

/// Texts by number, and numbers by text.
#[derive(Default)]
struct Long {
    texts: Vec<Arc<[u8]>>,
    numbers: HashMap<Arc<[u8]>, u32, RandomState>,
    bytes: usize,
}

impl Long {
    /// The word of a text, which gets a number if it needs one.
    fn word(&mut self, text: &[u8]) -> Result<u128> {
        if text.len() <= SHORT {
            let mut sixteen = [0; 16];
            for (place, byte) in sixteen.iter_mut().zip(text) {
                *place = *byte;
            }
            return Ok(short_of(&sixteen, text.len()));
        }
        let number = match self.numbers.get(text) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.texts.len())
                    .map_err(|_| internal_datafusion_err!("too many texts in one epoch"))?;
                let text: Arc<[u8]> = Arc::from(text);
                self.bytes += text.len() + 2 * size_of::<usize>();
                self.texts.push(Arc::clone(&text));
                self.numbers.insert(text, number);
                number
            }
        };
        Ok(LONG | u128::from(number))
    }

    /// Appends the text of a word.
    fn append(&self, word: u128, to: &mut Vec<u8>) -> Result<()> {
        let length = (word >> 120) as usize;
        if word & LONG == 0 {
            to.extend(word.to_le_bytes().iter().take(length));
            return Ok(());
        }
        match self.texts.get(word as u32 as usize) {
            Some(text) => to.extend_from_slice(text),
            None => return internal_err!("a text was not numbered"),
        }
        Ok(())
    }

    fn size(&self) -> usize {
        let entry = size_of::<(Arc<[u8]>, u32)>() + 1;
        let texts = self.texts.capacity() * size_of::<Arc<[u8]>>();
        self.bytes + texts + self.numbers.capacity() * entry
    }
}

/// The word of a text of at most [`SHORT`] bytes, with which these sixteen begin.
#[inline]
fn short_of(sixteen: &[u8], length: usize) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(sixteen);
    let (mask, last) = OF_LENGTH[length & SHORT];
    u128::from_le_bytes(bytes) & mask | last
}

/// The bits of a text of each length, and its word's last byte: a look at a table where shifts of 128 bits take several steps.
static OF_LENGTH: [(u128, u128); SHORT + 1] = {
    let mut table = [(0, 0); SHORT + 1];
    let mut length = 0;
    while length <= SHORT {
        table[length] = ((1 << (length * 8)) - 1, (length as u128) << 120);
        length += 1;
    }
    table
};

/// The column of this type that these are the words of.
fn column_of(data_type: &DataType, long: &Long, words: &[u128]) -> Result<ArrayRef> {
    let nulls = words.contains(&NULL);
    let nulls = nulls.then(|| {
        words
            .iter()
            .map(|word| *word != NULL)
            .collect::<NullBuffer>()
    });
    let buffer = match (data_type, data_type.primitive_width()) {
        (DataType::Boolean, _) => {
            let values = words.iter().map(|word| word & 1 == 1);
            let values = BooleanArray::new(values.collect::<BooleanBuffer>(), nulls);
            return Ok(Arc::new(values));
        }
        (DataType::Utf8, _) => {
            let (offsets, bytes) = texts_of(long, words)?;
            return Ok(Arc::new(StringArray::try_new(offsets, bytes, nulls)?));
        }
        (DataType::Binary, _) => {
            let (offsets, bytes) = texts_of(long, words)?;
            return Ok(Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?));
        }
        (DataType::Utf8View, _) => {
            let texts = column_of(&DataType::Utf8, long, words)?;
            return Ok(cast(&texts, data_type)?);
        }
        (DataType::BinaryView, _) => {
            let texts = column_of(&DataType::Binary, long, words)?;
            return Ok(cast(&texts, data_type)?);
        }
        (_, Some(1)) => Buffer::from_iter(words.iter().map(|word| *word as u8)),
        (_, Some(2)) => Buffer::from_iter(words.iter().map(|word| *word as u16)),
        (_, Some(4)) => Buffer::from_iter(words.iter().map(|word| *word as u32)),
        (_, Some(8)) => Buffer::from_iter(words.iter().map(|word| *word as u64)),
        (other, _) => return internal_err!("values of type {other} are no words"),
    };
    let data = ArrayData::builder(data_type.clone())
        .len(words.len())
        .nulls(nulls)
        .add_buffer(buffer);
    Ok(make_array(data.build()?))
}

fn texts_of(long: &Long, words: &[u128]) -> Result<(OffsetBuffer<i32>, Buffer)> {
    let mut bytes = Vec::new();
    let mut lengths = Vec::with_capacity(words.len());
    for word in words {
        let before = bytes.len();
        if *word != NULL {
            long.append(*word, &mut bytes)?;
        }
        lengths.push(bytes.len() - before);
    }
    if i32::try_from(bytes.len()).is_err() {
        return Err(datafusion::common::resources_datafusion_err!(
            "the texts of the groups of one epoch are above 2 GiB"
        ));
    }
    Ok((OffsetBuffer::from_lengths(lengths), Buffer::from_vec(bytes)))
}
