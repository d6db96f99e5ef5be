//! In which order the fields of an object come: after each field those are remembered that came after it.
//!
//! Writers put fields in the same order, message after message, and where they do not it is mostly one of a few orders: a field is
//! missing, there are two writers. So what stands between two values, from the comma to the colon and the space behind it, is remembered
//! as it was written, and the next message is compared against it literally. A mismatch costs a look-up by name, never a wrong field.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
};

use super::scan::same;

/// Ways on from one field that are remembered; others are looked up by name.
const WAYS: usize = 4;
/// Names remembered that no column has.
const NAMES: usize = 256;
/// Length up to which the text between two values is remembered.
const LITERAL: usize = 256;
/// Remembered ways that are given up for others, after which no more are until rows have earned some: such a writer has no order.
const CHANGES: usize = 512;
/// Rows that earn one.
const ROWS_PER_CHANGE: usize = 16;

/// The order of one object type's fields.
#[derive(Debug)]
pub(super) struct Order {
    /// Places by name: the columns' are their positions.
    places: HashMap<Box<[u8]>, usize, Seed>,
    /// The place of the opening brace; behind it that of names not remembered, and those of names that no column has.
    start: usize,
    /// The ways on from each place.
    ways: Vec<Vec<Way>>,
    changes: usize,
    /// Which of a place's ways is given up next.
    turn: usize,
}

/// What was found after a value, and whose value comes after that.
#[derive(Debug)]
struct Way {
    /// Its first bytes, and which of them there are.
    first: u128,
    mask: u128,
    /// Its last bytes, should there be so many.
    last: u128,
    literal: Box<[u8]>,
    place: usize,
}

impl Order {
    /// The order of an object with these columns; of two with one name the first has the values.
    pub(super) fn new<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let start = names.len();
        let mut places = HashMap::with_capacity_and_hasher(start, Seed::new());
        for (place, name) in names.enumerate() {
            places.entry(name.as_bytes().into()).or_insert(place);
        }
        Self {
            places,
            start,
            ways: (0..start + 2).map(|_| Vec::new()).collect(),
            changes: CHANGES,
            turn: 0,
        }
    }

    /// The place before all fields.
    #[inline]
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// To which value the text leads from `place`, if that is known, and the text from there on.
    #[inline]
    pub(super) fn step<'a>(&self, place: usize, text: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let ways = self.ways.get(place)?;
        let Some(here) = text.first_chunk() else {
            return step_at_end(ways, text);
        };
        let here = u128::from_le_bytes(*here);
        for way in ways {
            if (here ^ way.first) & way.mask == 0 && way.goes_on(text) {
                return Some((way.place, text.get(way.literal.len()..)?));
            }
        }
        None
    }

    /// The place of a name; of one that no column has, one behind the start.
    pub(super) fn place(&mut self, name: &[u8]) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let other = self.start + 1;
        if self.ways.len() - other > NAMES || name.len() > LITERAL {
            return other;
        }
        let place = self.ways.len();
        self.ways.push(Vec::new());
        self.places.insert(name.into(), place);
        place
    }

    /// Remembers that `literal` leads from one place to another.
    pub(super) fn learn(&mut self, from: usize, literal: &[u8], to: usize) {
        let Some(ways) = self.ways.get_mut(from) else {
            return;
        };
        if literal.len() > LITERAL || (ways.len() >= WAYS && self.changes == 0) {
            return;
        }
        let way = Way::new(literal, to);
        if ways.len() < WAYS {
            ways.push(way);
            return;
        }
        // By turns, so that none stays that has become useless.
        self.turn = (self.turn + 1) % WAYS;
        if let Some(slot) = ways.get_mut(self.turn) {
            *slot = way;
        }
        self.changes -= 1;
    }

    /// Rows have been read.
    pub(super) fn earn(&mut self, rows: usize) {
        self.changes = CHANGES.min(self.changes + rows / ROWS_PER_CHANGE);
    }
}

impl Way {
    fn new(literal: &[u8], place: usize) -> Self {
        let mut first = [0; 16];
        let mut mask = [0; 16];
        for ((first, mask), byte) in first.iter_mut().zip(&mut mask).zip(literal) {
            (*first, *mask) = (*byte, 0xff);
        }
        let last = literal.last_chunk().copied().unwrap_or_default();
        Self {
            first: u128::from_le_bytes(first),
            mask: u128::from_le_bytes(mask),
            last: u128::from_le_bytes(last),
            literal: literal.into(),
            place,
        }
    }

    /// Whether the literal stands here, of which the first bytes do.
    #[inline]
    fn goes_on(&self, text: &[u8]) -> bool {
        let length = self.literal.len();
        if length <= 16 {
            return true;
        }
        match text.get(..length) {
            Some(here) if length <= 32 => here
                .last_chunk()
                .is_some_and(|last| u128::from_le_bytes(*last) == self.last),
            Some(here) => same(here, &self.literal),
            None => false,
        }
    }
}

/// The same in the last bytes of a message.
fn step_at_end<'a>(ways: &[Way], text: &'a [u8]) -> Option<(usize, &'a [u8])> {
    let mut steps = ways.iter().map(|way| {
        let rest = text.strip_prefix(&way.literal[..])?;
        Some((way.place, rest))
    });
    steps.find_map(|step| step)
}

/// What hashes begin with, so that nobody who writes messages can choose names that have the same.
#[derive(Debug)]
struct Seed(u64);

impl Seed {
    fn new() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Seed {
    type Hasher = NameHasher;

    #[inline]
    fn build_hasher(&self) -> NameHasher {
        NameHasher(self.0)
    }
}

/// Hashes names eight bytes at a time.
#[derive(Debug)]
struct NameHasher(u64);

impl Hasher for NameHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let rest = rest
            .iter()
            .fold(1, |word, byte| word << 8 | u64::from(*byte));
        self.write_u64(rest);
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        let product = u128::from(self.0 ^ word) * u128::from(ODD);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    #[inline]
    fn write_usize(&mut self, length: usize) {
        self.write_u64(length as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
