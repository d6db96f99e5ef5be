//! Sums of doubles, and of products of two doubles, without rounding.
//!
//! A double is a whole number times a power of two, and so is a sum of doubles, or of products of them: it only has more digits. Here all of
//! them are kept, as a signed number of 64-bit limbs from the lowest that is not zero to the highest, so a sum depends on the multiset of
//! its terms and on nothing else, and can be taken back term by term. (The idea is Kulisch's long accumulator; theirs has room for every
//! exponent there is, 34 limbs or 67, of which a group of values of one kind needs two or three.)
//!
//! What is hard is to be small and fast for those, and right for the rest: four limbs lie in place, and nothing looks at more than it adds to.

/// Limbs that lie in place.
const HERE: usize = 4;
/// The limbs of a product of the two smallest doubles, and of the sum of as many products of the largest as there can be.
const FIRST: i16 = -34;
const END: i16 = 36;

/// A finite double that is not zero, taken apart: `± mantissa · 2^(exponent - 1075)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl Parts {
    /// `None` of what adds nothing: zero, and what is not finite.
    #[inline(always)]
    pub(super) fn of(value: f64) -> Option<Self> {
        const MANTISSA: u64 = (1 << 52) - 1;
        let bits = value.to_bits();
        let exponent = (bits >> 52) as i32 & 0x7ff;
        let fraction = bits & MANTISSA;
        let (mantissa, exponent) = match exponent {
            0x7ff => return None,
            0 => (fraction, 1),
            exponent => (fraction | (MANTISSA + 1), exponent),
        };
        (mantissa != 0).then_some(Self {
            negative: bits >> 63 != 0,
            mantissa,
            exponent,
        })
    }
}

/// A sum: `Σ limbs[i] · 2^(64 · (low + i))` in two's complement. The highest two bits are always the same, so that another number of as many
/// limbs can be added.
#[derive(Clone, Debug)]
pub(super) enum Exact {
    /// All sums but few.
    Here {
        /// Weight of the first limb.
        low: i16,
        /// In rising order.
        limbs: [u64; HERE],
    },
    /// Of terms that lie far apart.
    There {
        /// Weight of the first limb.
        low: i16,
        /// In rising order.
        limbs: Vec<u64>,
    },
}

impl Exact {
    /// Nothing added yet.
    pub(super) const ZERO: Self = Self::Here {
        low: 0,
        limbs: [0; HERE],
    };

    /// Adds a double, or takes it back; gives the bytes by which the sum grew on the heap (nearly always 0).
    #[inline]
    pub(super) fn add(&mut self, term: Parts, back: bool) -> isize {
        // Such that no exponent is below zero, and a whole number of limbs.
        let place = term.exponent + (17 * 64 - 1075);
        let shift = place & 63;
        let limbs = [term.mantissa << shift, (term.mantissa >> 1) >> (63 - shift)];
        self.add_limbs((place >> 6) as i16 - 17, limbs, term.negative ^ back)
    }

    /// Adds a product, or takes it back; gives the bytes by which the sum grew on the heap.
    #[inline]
    pub(super) fn add_product(&mut self, one: Parts, other: Parts, back: bool) -> isize {
        let place = one.exponent + other.exponent + (34 * 64 - 2 * 1075);
        let shift = place & 63;
        let product = u128::from(one.mantissa) * u128::from(other.mantissa);
        let (lower, upper) = (product as u64, (product >> 64) as u64);
        let over = |limb: u64| (limb >> 1) >> (63 - shift);
        let limbs = [lower << shift, upper << shift | over(lower), over(upper)];
        let negative = one.negative ^ other.negative ^ back;
        self.add_limbs((place >> 6) as i16 - 34, limbs, negative)
    }

    #[inline(always)]
    fn add_limbs<const N: usize>(&mut self, at: i16, term: [u64; N], negative: bool) -> isize {
        let extension = if negative { u64::MAX } else { 0 };
        let term = term.map(|limb| limb ^ extension);
        if let Self::Here { low, limbs } = self {
            // Each with limbs that are known when this is compiled.
            let added = match at - *low {
                0 => add_at::<N, 0>(limbs, term, extension, negative),
                1 => add_at::<N, 1>(limbs, term, extension, negative),
                2 => add_at::<N, 2>(limbs, term, extension, negative),
                _ => false,
            };
            if added {
                return match has_room(limbs[HERE - 1]) {
                    true => 0,
                    false => self.reach(at, at),
                };
            }
        }
        self.add_anywhere(at, &term, extension, negative)
    }

    #[cold]
    fn add_anywhere(&mut self, at: i16, term: &[u64], extension: u64, carry: bool) -> isize {
        let mut grown = self.reach(at, at + term.len() as i16);
        let (low, limbs) = self.parts_mut();
        let from = (at - low) as usize;
        add_into(&mut limbs[from..], term, extension, carry);
        if limbs.last().is_some_and(|last| !has_room(*last)) {
            grown += self.reach(at, at);
        }
        grown
    }

    /// Adds another sum; gives the bytes by which this one grew on the heap.
    pub(super) fn merge(&mut self, other: &Self) -> isize {
        let (low, limbs) = other.significant();
        if limbs.is_empty() {
            return 0;
        }
        let extension = sign_of(limbs);
        if let Self::Here {
            low: own,
            limbs: sum,
        } = self
        {
            let from = usize::try_from(low - *own).unwrap_or(HERE);
            if from + limbs.len() <= HERE {
                add_into(&mut sum[from..], limbs, extension, false);
                return match has_room(sum[HERE - 1]) {
                    true => 0,
                    false => self.reach(low, low),
                };
            }
        }
        self.add_anywhere(low, limbs, extension, false)
    }

    /// Makes the limbs reach from `at` to `end` at least, the highest two bits the same; gives the bytes by which they grew on the heap.
    #[cold]
    fn reach(&mut self, at: i16, end: i16) -> isize {
        let before = self.heap_bytes() as isize;
        let (low, limbs) = self.significant();
        let sign = sign_of(limbs);
        let is_full = limbs.last().is_some_and(|last| !has_room(*last));
        let (mut first, mut last) = (at, end);
        if !limbs.is_empty() {
            first = first.min(low);
            last = last.max(low + limbs.len() as i16 + i16::from(is_full));
        }
        let width = (last - first) as usize;
        let skip = if limbs.is_empty() {
            0
        } else {
            (low - first) as usize
        };
        let fill = |wide: &mut [u64]| {
            let (lower, upper) = wide.split_at_mut(skip);
            lower.fill(0);
            let (own, above) = upper.split_at_mut(limbs.len());
            own.copy_from_slice(limbs);
            above.fill(sign);
        };
        *self = if width <= HERE {
            let mut wide = [0; HERE];
            fill(&mut wide);
            Self::Here {
                low: first,
                limbs: wide,
            }
        } else {
            let mut wide = vec![0; width];
            fill(&mut wide);
            Self::There {
                low: first,
                limbs: wide,
            }
        };
        self.heap_bytes() as isize - before
    }

    fn parts(&self) -> (i16, &[u64]) {
        match self {
            Self::Here { low, limbs } => (*low, limbs),
            Self::There { low, limbs } => (*low, limbs),
        }
    }

    fn parts_mut(&mut self) -> (i16, &mut [u64]) {
        match self {
            Self::Here { low, limbs } => (*low, limbs),
            Self::There { low, limbs } => (*low, limbs),
        }
    }

    /// The limbs that say something: none of zero; one way to write a number, however it came about.
    fn significant(&self) -> (i16, &[u64]) {
        let (mut low, mut limbs) = self.parts();
        while let Some((last, others)) = limbs.split_last()
            && *last == others.last().map_or(0, |_| sign_of(others))
            && others.last().is_none_or(|last| has_room(*last))
        {
            limbs = others;
        }
        while let Some((0, others)) = limbs.split_first() {
            limbs = others;
            low += 1;
        }
        (low, limbs)
    }

    /// Appends it: how many limbs, and where there are any, the weight of the first, and they.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (low, limbs) = self.significant();
        out.push(limbs.len() as u8);
        if limbs.is_empty() {
            return;
        }
        out.extend_from_slice(&low.to_le_bytes());
        for limb in limbs {
            out.extend_from_slice(&limb.to_le_bytes());
        }
    }

    /// Reads what [`Self::write`] wrote; `None` of anything else.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first()?;
        *bytes = rest;
        if *count == 0 {
            return Some(Self::ZERO);
        }
        let (low, rest) = bytes.split_first_chunk()?;
        let low = i16::from_le_bytes(*low);
        let (limbs, rest) = rest.split_at_checked(usize::from(*count) * size_of::<u64>())?;
        *bytes = rest;
        let (limbs, _) = limbs.as_chunks::<{ size_of::<u64>() }>();
        let limbs: Vec<u64> = limbs.iter().map(|limb| u64::from_le_bytes(*limb)).collect();
        if low < FIRST || low > END - i16::from(*count) || !has_room(*limbs.last()?) {
            return None;
        }
        let mut read = Self::There { low, limbs };
        if usize::from(*count) <= HERE {
            read.reach(low, low);
        }
        Some(read)
    }

    /// The number as a fraction's part.
    pub(super) fn whole(&self) -> Whole {
        let (low, limbs) = self.significant();
        let mut limbs = limbs.to_vec();
        let negative = sign_of(&limbs) != 0;
        if negative {
            negate(&mut limbs);
        }
        Whole::new(negative, low.into(), limbs)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Here { .. } => 0,
            Self::There { limbs, .. } => limbs.capacity() * size_of::<u64>(),
        }
    }
}

/// A whole number of any size times a power of 2^64, with its sign apart.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    negative: bool,
    low: i32,
    /// In rising order; the last is not zero.
    limbs: Vec<u64>,
}

impl Whole {
    fn new(negative: bool, low: i32, mut limbs: Vec<u64>) -> Self {
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        Self {
            negative,
            low,
            limbs,
        }
    }

    /// A count.
    pub(super) fn of(count: u64) -> Self {
        Self::new(false, 0, vec![count])
    }

    /// Whether it is 0.
    pub(super) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// The product.
    pub(super) fn times(&self, other: &Self) -> Self {
        let mut limbs = vec![0; self.limbs.len() + other.limbs.len()];
        for (at, one) in self.limbs.iter().enumerate() {
            let mut carry = 0;
            for (limb, other) in limbs[at..].iter_mut().zip(&other.limbs) {
                let sum = u128::from(*one) * u128::from(*other) + u128::from(*limb) + carry;
                *limb = sum as u64;
                carry = sum >> 64;
            }
            limbs[at + other.limbs.len()] = carry as u64;
        }
        Self::new(self.negative != other.negative, self.low + other.low, limbs)
    }

    /// The difference.
    pub(super) fn minus(&self, other: &Self) -> Self {
        let low = self.low.min(other.low);
        let end = |whole: &Self| whole.low + whole.limbs.len() as i32;
        let width = (end(self).max(end(other)) - low + 1) as usize;
        let aligned = |whole: &Self| {
            let mut limbs = vec![0; (whole.low - low) as usize];
            limbs.extend_from_slice(&whole.limbs);
            limbs.resize(width, 0);
            limbs
        };
        let (mut limbs, mut others) = (aligned(self), aligned(other));
        if self.negative != other.negative {
            add_into(&mut limbs, &others, 0, false);
            return Self::new(self.negative, low, limbs);
        }
        for limb in &mut others {
            *limb = !*limb;
        }
        add_into(&mut limbs, &others, u64::MAX, true);
        let crossed = sign_of(&limbs) != 0;
        if crossed {
            negate(&mut limbs);
        }
        Self::new(self.negative != crossed, low, limbs)
    }

    /// The nearest double, its exponent apart.
    pub(super) fn rounded(&self) -> Scaled {
        let Some((top, rest)) = self.limbs.split_last() else {
            return Scaled {
                mantissa: 0.0,
                exponent: 0,
            };
        };
        let shift = top.leading_zeros();
        let (next, rest) = rest.split_last().unwrap_or((&0, &[]));
        let both = (u128::from(*top) << 64 | u128::from(*next)) << shift;
        let dropped = both as u64 != 0 || rest.iter().any(|limb| *limb != 0);
        // 64 bits are rounded to 53 next; what was dropped only matters where it breaks a tie.
        let mantissa = ((both >> 64) as u64 | u64::from(dropped)) as f64;
        Scaled {
            mantissa: if self.negative { -mantissa } else { mantissa },
            exponent: 64 * (i64::from(self.low) + self.limbs.len() as i64 - 1) - i64::from(shift),
        }
    }
}

/// `mantissa · 2^exponent`, the mantissa zero or within the range of a limb: no double is too large or too small on the way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaled {
    mantissa: f64,
    exponent: i64,
}

impl Scaled {
    /// The quotient.
    pub(super) fn over(self, other: Self) -> Self {
        Self {
            mantissa: self.mantissa / other.mantissa,
            exponent: self.exponent - other.exponent,
        }
    }

    /// The square root.
    pub(super) fn root(self) -> Self {
        let odd = self.exponent & 1;
        Self {
            mantissa: (self.mantissa * (1 + odd) as f64).sqrt(),
            exponent: (self.exponent - odd) / 2,
        }
    }

    /// The double it is, or nearly; infinite where none is so large.
    pub(super) fn value(self) -> f64 {
        let (mut value, mut exponent) = (self.mantissa, self.exponent);
        while exponent > 0 && value.is_finite() && value != 0.0 {
            let step = exponent.min(1000);
            value *= power_of_two(step);
            exponent -= step;
        }
        while exponent < 0 && value != 0.0 {
            let step = exponent.max(-1000);
            value *= power_of_two(step);
            exponent -= step;
        }
        value
    }
}

/// 2^exponent, of an exponent that a double has.
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// Adds a number, whose limbs above those given are `extension`, so many limbs higher; `false`, and nothing else, where it does not fit.
#[inline(always)]
fn add_at<const N: usize, const HIGHER: usize>(
    limbs: &mut [u64; HERE],
    term: [u64; N],
    extension: u64,
    mut carry: bool,
) -> bool {
    if HIGHER + N > HERE {
        return false;
    }
    for (limb, term) in limbs[HIGHER..].iter_mut().zip(term) {
        (*limb, carry) = add_carrying(*limb, term, carry);
    }
    // Mostly nothing is added from here on: neither 0, nor -1 with a carry.
    if carry != (extension != 0) {
        for limb in &mut limbs[HIGHER + N..] {
            (*limb, carry) = add_carrying(*limb, extension, carry);
        }
    }
    true
}

#[inline(always)]
fn add_carrying(limb: u64, term: u64, carry: bool) -> (u64, bool) {
    let (sum, one) = limb.overflowing_add(term);
    let (sum, two) = sum.overflowing_add(u64::from(carry));
    (sum, one | two)
}

/// Adds a number, whose limbs above those given are `extension`, to another of as many limbs or more.
fn add_into(limbs: &mut [u64], term: &[u64], extension: u64, mut carry: bool) {
    let (lower, upper) = limbs.split_at_mut(term.len().min(limbs.len()));
    for (limb, term) in lower.iter_mut().zip(term) {
        (*limb, carry) = add_carrying(*limb, *term, carry);
    }
    for limb in upper {
        // Nothing is added from here on: neither 0, nor -1 with a carry.
        if carry == (extension != 0) {
            return;
        }
        (*limb, carry) = add_carrying(*limb, extension, carry);
    }
}

fn negate(limbs: &mut [u64]) {
    for limb in limbs.iter_mut() {
        *limb = !*limb;
    }
    add_into(limbs, &[], 0, true);
}

/// What the limbs above would be.
fn sign_of(limbs: &[u64]) -> u64 {
    match limbs.last() {
        Some(last) if last >> 63 != 0 => u64::MAX,
        _ => 0,
    }
}

/// Whether the highest two bits are the same.
#[inline(always)]
fn has_room(last: u64) -> bool {
    (last ^ (last << 1)) >> 63 == 0
}
