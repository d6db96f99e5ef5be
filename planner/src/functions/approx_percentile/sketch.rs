//! What one group remembers of its values: the values themselves while they are few, counts in log-linear buckets once they are many.
//!
//! A value becomes an **order key**, an unsigned number that sorts as the value does; its bucket is the key's top 19 bits: sign, exponent
//! and 7 bits of mantissa (the HDR histogram / DDSketch family, with the bucket read off the float instead of computed by a logarithm).
//! Key and bucket are pure functions of the value and merging is addition, so a sketch depends on the multiset of its values and on
//! nothing else: no order of rows, batches or merges may ever show in an answer.

/// Up to this many values a group's answer is exact.
pub(super) const EXACT_LIMIT: usize = 1024;

/// Bits of a key below its bucket.
const BUCKET_SHIFT: u32 = 45;
/// One more than the largest bucket.
pub(super) const BUCKET_END: u32 = 1 << (64 - BUCKET_SHIFT);
/// Buckets are kept in pages of sixteen: two cache lines, and little is wasted when values lie far apart.
const PAGE_SHIFT: u32 = 4;
const PAGE_BUCKETS: usize = 1 << PAGE_SHIFT;
/// The bucket of 0. It lies a thousand binary orders of magnitude from every value people have, and many have it: it is counted apart.
const ZERO: u32 = BUCKET_END / 2;
/// No page there yet. Page numbers end at 2^15, so this is none of them.
const NO_PAGE: u16 = u16::MAX;
/// The directory grows by at least this much, so that values coming in falling order do not move it every time.
const DIRECTORY_SLACK: u32 = 64;

const SIGN: u64 = 1 << 63;
const CANONICAL_NAN: u64 = 0x7ff8_0000_0000_0000;

/// A number that sorts as `value` does: -infinity first, +infinity, then NaN last as in PostgreSQL. Both zeros are one value, all NaNs too.
#[inline]
pub(super) fn key_of(value: f64) -> u64 {
    let bits = if value.is_nan() {
        CANONICAL_NAN
    } else {
        // -0.0 + 0.0 is 0.0; every other value stays as it is.
        (value + 0.0).to_bits()
    };
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The value of a key.
#[inline]
pub(super) fn value_of(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN })
}

/// The bucket of a key.
#[inline]
pub(super) fn bucket_of(key: u64) -> u32 {
    (key >> BUCKET_SHIFT) as u32
}

/// The key that stands for a bucket: the one of its middle; of 0 for the bucket of 0, of infinity and NaN for theirs.
fn middle_of(bucket: u32) -> u64 {
    const MAGNITUDE: u64 = !SIGN;
    let low = u64::from(bucket) << BUCKET_SHIFT;
    let positive = low & SIGN != 0;
    // The bucket's end nearer to zero, as a magnitude: the same for a value and its negative.
    let inner = if positive {
        low & MAGNITUDE
    } else {
        !low & MAGNITUDE & !((1 << BUCKET_SHIFT) - 1)
    };
    let special = inner == 0 || inner >= f64::INFINITY.to_bits();
    let magnitude = if special {
        inner
    } else {
        inner | 1 << (BUCKET_SHIFT - 1)
    };
    let value = f64::from_bits(magnitude);
    key_of(if positive { value } else { -value })
}

/// The smallest rank (from 1) at which the cumulative count reaches `percentile · count`, in double precision as PostgreSQL's
/// `percentile_disc` computes it.
pub(super) fn nearest_rank(percentile: f64, count: u64) -> u64 {
    ((percentile * count as f64).ceil() as u64).clamp(1, count.max(1))
}

/// The answer over values that are all there; `None` when there are none. Reorders `keys`.
pub(super) fn exact_percentile(keys: &mut [u64], percentile: f64) -> Option<f64> {
    if keys.is_empty() {
        return None;
    }
    let at = (nearest_rank(percentile, keys.len() as u64) - 1) as usize;
    let (_, key, _) = keys.select_nth_unstable(at);
    Some(value_of(*key))
}

/// Counts per bucket, and the smallest and largest value.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    count: u64,
    min: u64,
    max: u64,
    /// Values in the bucket of 0.
    zeros: u64,
    /// Where the pages of values below 0 are, and of those above: between the two lies nothing that a directory should have room for.
    below: Directory,
    above: Directory,
    pages: Vec<[u64; PAGE_BUCKETS]>,
}

/// Which page of counts is where, from the first that there is to the last.
#[derive(Clone, Debug)]
struct Directory {
    /// Number of the page that the first entry stands for.
    first: u32,
    entries: Vec<u16>,
}

impl Buckets {
    /// No values yet.
    pub(super) fn new() -> Self {
        Self {
            count: 0,
            min: u64::MAX,
            max: 0,
            zeros: 0,
            below: Directory::new(),
            above: Directory::new(),
            pages: vec![],
        }
    }

    /// Values counted.
    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Smallest key.
    pub(super) fn min(&self) -> u64 {
        self.min
    }

    /// Largest key.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// Counts a value whose page is there; `false`, and nothing else, where it is not.
    #[inline(always)]
    pub(super) fn add_to_known(&mut self, key: u64) -> bool {
        let bucket = bucket_of(key);
        let Some(page) = self.page_of(bucket) else {
            return false;
        };
        page[bucket as usize & (PAGE_BUCKETS - 1)] += 1;
        self.count += 1;
        self.min = self.min.min(key);
        self.max = self.max.max(key);
        true
    }

    /// Counts a value; gives the bytes by which the sketch grew (nearly always 0).
    #[inline]
    pub(super) fn add(&mut self, key: u64) -> usize {
        self.count += 1;
        self.min = self.min.min(key);
        self.max = self.max.max(key);
        self.add_to_bucket(bucket_of(key), 1)
    }

    /// Adds another sketch's counts, as they were decoded; gives the bytes by which this one grew, or `None` (and does nothing) when
    /// the counts do not fit 64 bits.
    pub(super) fn merge(&mut self, other: &Histogram) -> Option<usize> {
        self.count = self.count.checked_add(other.count)?;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        Some(
            other
                .counts
                .iter()
                .map(|&(bucket, count)| self.add_to_bucket(bucket, count))
                .sum(),
        )
    }

    #[inline]
    fn add_to_bucket(&mut self, bucket: u32, count: u64) -> usize {
        if let Some(page) = self.page_of(bucket) {
            page[bucket as usize & (PAGE_BUCKETS - 1)] += count;
            0
        } else if bucket == ZERO {
            self.zeros += count;
            0
        } else {
            self.add_to_new_page(bucket, count)
        }
    }

    #[inline(always)]
    fn page_of(&mut self, bucket: u32) -> Option<&mut [u64; PAGE_BUCKETS]> {
        let directory = if bucket > ZERO {
            &self.above
        } else {
            &self.below
        };
        let at = (bucket >> PAGE_SHIFT).wrapping_sub(directory.first) as usize;
        let page = *directory.entries.get(at)?;
        self.pages.get_mut(usize::from(page))
    }

    #[cold]
    fn add_to_new_page(&mut self, bucket: u32, count: u64) -> usize {
        let before = self.heap_bytes();
        let mut counts = [0; PAGE_BUCKETS];
        counts[bucket as usize & (PAGE_BUCKETS - 1)] = count;
        let directory = if bucket > ZERO {
            &mut self.above
        } else {
            &mut self.below
        };
        *directory.entry(bucket >> PAGE_SHIFT) = self.pages.len() as u16;
        self.pages.push(counts);
        self.heap_bytes() - before
    }

    /// Every bucket that has values, in the values' order, with its count.
    pub(super) fn counts(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.pages_of(&self.below)
            .chain(std::iter::once((self.zeros, ZERO)))
            .chain(self.pages_of(&self.above))
            .filter(|&(count, _)| count > 0)
            .map(|(count, bucket)| (bucket, count))
    }

    /// The counts of a directory's pages, each with its bucket.
    fn pages_of<'a>(&'a self, directory: &'a Directory) -> impl Iterator<Item = (u64, u32)> + 'a {
        let entries = directory.entries.iter().zip(directory.first..);
        entries
            .filter_map(|(&page, number)| Some((number, self.pages.get(usize::from(page))?)))
            .flat_map(|(number, counts)| counts.iter().copied().zip(number << PAGE_SHIFT..))
    }

    /// The answer: smallest and largest value are known, in between it is the middle of the bucket in which the rank lies, never outside
    /// the values seen.
    pub(super) fn percentile(&self, percentile: f64) -> Option<f64> {
        let rank = nearest_rank(percentile, self.count);
        if rank == self.count {
            return (self.count > 0).then(|| value_of(self.max));
        }
        if rank == 1 {
            return Some(value_of(self.min));
        }
        let mut below = 0;
        self.counts()
            .find(|&(_, count)| {
                below += count;
                below >= rank
            })
            .map(|(bucket, _)| value_of(middle_of(bucket).max(self.min).min(self.max)))
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        (self.below.entries.capacity() + self.above.entries.capacity()) * size_of::<u16>()
            + self.pages.capacity() * size_of::<[u64; PAGE_BUCKETS]>()
    }
}

impl Directory {
    fn new() -> Self {
        Self {
            first: 0,
            entries: vec![],
        }
    }

    /// The entry of a page, which the directory is made to reach.
    fn entry(&mut self, page: u32) -> &mut u16 {
        let len = self.entries.len() as u32;
        match len {
            0 => {
                self.first = page;
                self.entries.push(NO_PAGE);
            }
            _ if page < self.first => {
                let first = page.min(self.first.saturating_sub(DIRECTORY_SLACK));
                let more = (self.first - first) as usize;
                self.entries
                    .splice(0..0, std::iter::repeat_n(NO_PAGE, more));
                self.first = first;
            }
            _ if page - self.first >= len => {
                let end = (page + 1).max(self.first + len + DIRECTORY_SLACK);
                self.entries.resize((end - self.first) as usize, NO_PAGE);
            }
            _ => {}
        }
        &mut self.entries[(page - self.first) as usize]
    }
}

/// A bucket sketch as it travels: checked, but not yet laid out for counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Histogram {
    /// Sum of `counts`, above [`EXACT_LIMIT`].
    pub(super) count: u64,
    /// Smallest key, in the first bucket.
    pub(super) min: u64,
    /// Largest key, in the last bucket.
    pub(super) max: u64,
    /// Rising buckets with their counts, none of them 0.
    pub(super) counts: Vec<(u32, u64)>,
}

/// One group on its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Sketch {
    /// Keys of all values, in any order; empty once there are buckets.
    keys: Vec<u64>,
    /// There from value number [`EXACT_LIMIT`] + 1 on.
    buckets: Option<Buckets>,
}

impl Sketch {
    /// Takes a value.
    pub(super) fn add(&mut self, key: u64) {
        if self.buckets.is_none() && self.keys.len() < EXACT_LIMIT {
            self.keys.push(key);
        } else {
            self.as_buckets().add(key);
        }
    }

    /// Takes another sketch's counts; `None` when they do not fit.
    pub(super) fn merge(&mut self, other: &Histogram) -> Option<()> {
        self.as_buckets().merge(other).map(|_| ())
    }

    fn as_buckets(&mut self) -> &mut Buckets {
        let keys = &mut self.keys;
        self.buckets.get_or_insert_with(|| {
            let mut buckets = Buckets::new();
            for key in std::mem::take(keys) {
                buckets.add(key);
            }
            buckets
        })
    }

    /// The answer so far; `None` when there were no values. May reorder what it holds, and nothing else.
    pub(super) fn percentile(&mut self, percentile: f64) -> Option<f64> {
        match &self.buckets {
            Some(buckets) => buckets.percentile(percentile),
            None => exact_percentile(&mut self.keys, percentile),
        }
    }

    /// The values, while they are few enough to be kept.
    pub(super) fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// The counts, once there are more.
    pub(super) fn buckets(&self) -> Option<&Buckets> {
        self.buckets.as_ref()
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<u64>()
            + self.buckets.as_ref().map_or(0, Buckets::heap_bytes)
    }
}
