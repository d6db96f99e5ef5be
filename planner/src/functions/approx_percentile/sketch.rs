//! What one group remembers of its values: the values themselves while they are few, counts in log-linear buckets once they are many.
//!
//! Most values of a group lie within a few doublings of each other: their buckets are counted side by side, one addition away from the key.
//! The others have pages, which cost no more than they hold, however far apart they are.
//!
//! Key and bucket are pure functions of the value (see `grain.rs`) and merging is addition, so a sketch depends on the multiset of its
//! values and on nothing else: no order of rows, batches or merges may ever show in an answer.
//!
//! long because counts, where they lie and what they answer are one structure.

use std::ops::ControlFlow;

use super::grain::{Grain, key_of, value_of};
use crate::bounds::bounds;

/// Up to this many values a group's answer is exact.
pub(super) const EXACT_LIMIT: usize = 1024;

/// Buckets are kept in pages of sixteen: two cache lines, and little is wasted when values lie far apart.
const PAGE_SHIFT: u32 = 4;
const PAGE_BUCKETS: usize = 1 << PAGE_SHIFT;
/// Buckets that are counted side by side, at most: eight doublings by default, 4 kB.
const NEAR: u32 = 1024;
/// No page there yet. There are at most 2^24 pages, so this is none of them.
const NO_PAGE: u32 = u32::MAX;
/// The directory grows by at least this much, so that values coming in falling order do not move it every time.
const DIRECTORY_SLACK: u32 = 64;

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
    grain: Grain,
    /// Bits of a key below its bucket, and the bucket of 0: both follow from the grain, and are asked for every value.
    shift: u32,
    zero: u32,
    count: u64,
    min: u64,
    max: u64,
    /// Counts of the buckets from this one on, which are most values': whole pages, on one side of 0, that are not among `pages`. There from
    /// the first values on, or never; with more values than a count has room for, pages again.
    near_first: u32,
    near: Vec<u32>,
    /// Values in the bucket of 0. It lies a thousand binary orders of magnitude from every value people have, and many have it: it is
    /// counted apart.
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
    entries: Vec<u32>,
}

impl Buckets {
    /// No values yet.
    pub(super) fn new(grain: Grain) -> Self {
        Self {
            grain,
            shift: grain.shift(),
            zero: grain.zero(),
            count: 0,
            min: u64::MAX,
            max: 0,
            near_first: 0,
            near: vec![],
            zeros: 0,
            below: Directory::new(),
            above: Directory::new(),
            pages: vec![],
        }
    }

    /// How fine the buckets are.
    pub(super) fn grain(&self) -> Grain {
        self.grain
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

    /// Makes room for counts side by side up to the largest of the first values, given between which keys these lie.
    pub(super) fn settle(&mut self, min: u64, max: u64) {
        let (low, high) = ((min >> self.shift) as u32, (max >> self.shift) as u32);
        let (page, infinite) = (
            PAGE_BUCKETS as u32,
            self.grain.bucket_of(key_of(f64::INFINITY)),
        );
        // What is no number has no neighbours, and 0 is counted apart with what shares its page.
        let apart = self.zero..self.zero + page;
        if self.count > 0 || !self.near.is_empty() || high >= infinite || apart.contains(&high) {
            return;
        }
        let end = (high | (page - 1)) + 1;
        let mut first = (low & !(page - 1)).max(end.saturating_sub(NEAR));
        if high >= apart.end {
            first = first.max(apart.end);
        }
        self.near_first = first;
        self.near = vec![0; end.saturating_sub(first) as usize];
    }

    /// Counts a value.
    #[inline]
    pub(super) fn add(&mut self, key: u64) {
        self.count += 1;
        self.min = self.min.min(key);
        self.max = self.max.max(key);
        self.add_to_bucket((key >> self.shift) as u32, 1);
    }

    /// Counts values.
    pub(super) fn add_all(&mut self, keys: &[u64]) {
        let Some((min, max)) = bounds(keys) else {
            return;
        };
        if self.count == 0 {
            self.settle(min, max);
        }
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.count += keys.len() as u64;
        if self.count > u64::from(u32::MAX) {
            self.scatter();
        }
        let mut near = std::mem::take(&mut self.near);
        let (shift, first) = (self.shift, self.near_first);
        for key in keys {
            let bucket = (key >> shift) as u32;
            match near.get_mut(bucket.wrapping_sub(first) as usize) {
                // All values there are fit one count.
                Some(count) => *count = count.wrapping_add(1),
                None => self.add_far(bucket, 1),
            }
        }
        self.near = near;
    }

    /// Adds counts of buckets from `first` on, `total` in all, if all of them are near and have room; `false`, and nothing else, if not.
    pub(super) fn add_row(&mut self, first: u32, counts: &[u8], total: u64) -> bool {
        // No count is larger than the sum of all.
        if self.count.saturating_add(total) > u64::from(u32::MAX) {
            return false;
        }
        let Some(near) = self.near_mut(first, counts.len()) else {
            return false;
        };
        for (sum, count) in near.iter_mut().zip(counts) {
            *sum = sum.wrapping_add(u32::from(*count));
        }
        true
    }

    /// Counts of `len` buckets from `first` on, if they are near.
    fn near_mut(&mut self, first: u32, len: usize) -> Option<&mut [u32]> {
        let at = first.checked_sub(self.near_first)? as usize;
        self.near.get_mut(at..at.checked_add(len)?)
    }

    /// Whether the counts from the smallest to the largest fit a byte each, in no more bytes than twice the buckets that have values.
    pub(super) fn fit_a_row(&self) -> bool {
        // Values on both sides of 0, or at it, lie too far apart: no need to look at every count.
        if u64::from(self.width()) > 2 * self.count {
            return false;
        }
        let (mut all, mut there) = (0, 0);
        match self.all_near() {
            // Without a jump, so that many are looked at at once.
            Some(counts) => {
                let mut narrow = 0_u32;
                for count in counts {
                    narrow |= count;
                    there += u32::from(*count > 0);
                }
                all = narrow.into();
            }
            None => {
                let _all = self.visit(|_, count| {
                    all |= count;
                    there += 1;
                    ControlFlow::<()>::Continue(())
                });
            }
        }
        all <= u64::from(u8::MAX) && self.width() <= 2 * there
    }

    /// Appends them.
    pub(super) fn push_row(&self, out: &mut Vec<u8>) {
        if let Some(counts) = self.all_near() {
            out.extend(counts.iter().map(|count| *count as u8));
            return;
        }
        let (start, first) = (out.len(), self.grain.bucket_of(self.min));
        out.resize(start + self.width() as usize, 0);
        let _all = self.visit(|bucket, count| {
            if let Some(place) = out.get_mut(start + (bucket - first) as usize) {
                *place = count as u8;
            }
            ControlFlow::<()>::Continue(())
        });
    }

    /// The counts from the smallest value's to the largest's, where all of them are near.
    fn all_near(&self) -> Option<&[u32]> {
        if self.zeros > 0 || !self.pages.is_empty() {
            return None;
        }
        let at = self
            .grain
            .bucket_of(self.min)
            .checked_sub(self.near_first)? as usize;
        self.near.get(at..at + self.width() as usize)
    }

    /// The near counts up to the largest value's, where that is one of them: what lies above all others.
    fn near_below_max(&self) -> Option<&[u32]> {
        let last = self
            .grain
            .bucket_of(self.max)
            .checked_sub(self.near_first)?;
        self.near.get(..=last as usize)
    }

    /// How many buckets there are from the smallest value's to the largest's.
    fn width(&self) -> u32 {
        let first = self.grain.bucket_of(self.min);
        self.grain.bucket_of(self.max).saturating_sub(first) + 1
    }

    /// Counts `count` values in a bucket, without a look at what they are: [`Self::widen`] tells.
    #[inline(always)]
    pub(super) fn add_to_bucket(&mut self, bucket: u32, count: u64) {
        let at = bucket.wrapping_sub(self.near_first) as usize;
        let Some(near) = self.near.get_mut(at) else {
            return self.add_far(bucket, count);
        };
        let sum = u32::try_from(count).ok();
        match sum.and_then(|count| near.checked_add(count)) {
            Some(sum) => *near = sum,
            None => {
                self.scatter();
                self.add_far(bucket, count);
            }
        }
    }

    /// The same of a bucket that is not near.
    fn add_far(&mut self, bucket: u32, count: u64) {
        if let Some(page) = self.page_of(bucket) {
            let count_there = &mut page[bucket as usize & (PAGE_BUCKETS - 1)];
            // A sum that does not fit is refused by `widen`.
            *count_there = count_there.wrapping_add(count);
        } else if bucket == self.zero {
            self.zeros = self.zeros.wrapping_add(count);
        } else {
            self.add_to_new_page(bucket, count);
        }
    }

    /// Moves what is counted side by side into pages, whose counts have more room.
    #[cold]
    fn scatter(&mut self) {
        let near = std::mem::take(&mut self.near);
        for (bucket, count) in (self.near_first..).zip(near) {
            if count > 0 {
                self.add_far(bucket, count.into());
            }
        }
    }

    /// Takes note of `count` values between two keys, whose buckets were counted; `None` when the counts do not fit 64 bits.
    pub(super) fn widen(&mut self, count: u64, min: u64, max: u64) -> Option<()> {
        self.count = self.count.checked_add(count)?;
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        Some(())
    }

    #[inline(always)]
    fn page_of(&mut self, bucket: u32) -> Option<&mut [u64; PAGE_BUCKETS]> {
        let directory = if bucket > self.zero {
            &self.above
        } else {
            &self.below
        };
        self.pages.get_mut(directory.page(bucket)? as usize)
    }

    #[cold]
    fn add_to_new_page(&mut self, bucket: u32, count: u64) {
        let mut counts = [0; PAGE_BUCKETS];
        counts[bucket as usize & (PAGE_BUCKETS - 1)] = count;
        let directory = if bucket > self.zero {
            &mut self.above
        } else {
            &mut self.below
        };
        *directory.entry(bucket >> PAGE_SHIFT) = self.pages.len() as u32;
        self.pages.push(counts);
    }

    /// Shows every bucket that has values, in the values' order, with its count, for as long as `look` goes on.
    pub(super) fn visit<B>(
        &self,
        mut look: impl FnMut(u32, u64) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let below = self.near_first < self.zero;
        self.visit_side(&self.below, below, &mut look)?;
        if self.zeros > 0 {
            look(self.zero, self.zeros)?;
        }
        self.visit_side(&self.above, !below, &mut look)
    }

    /// The buckets on one side of 0, on which those that are near lie or not.
    fn visit_side<B>(
        &self,
        directory: &Directory,
        with_near: bool,
        look: &mut impl FnMut(u32, u64) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let entries = directory.entries.as_slice();
        if !with_near || self.near.is_empty() {
            return self.visit_pages(directory.first, entries, look);
        }
        let near_page = self.near_first >> PAGE_SHIFT;
        let before = near_page.saturating_sub(directory.first) as usize;
        let before = before.min(entries.len());
        let (lower, upper) = entries.split_at(before);
        self.visit_pages(directory.first, lower, look)?;
        let (pages, _) = self.near.as_chunks::<PAGE_BUCKETS>();
        for (counts, number) in pages.iter().zip(near_page..) {
            visit_page(number, counts, look)?;
        }
        self.visit_pages(directory.first + before as u32, upper, look)
    }

    fn visit_pages<B>(
        &self,
        first: u32,
        entries: &[u32],
        look: &mut impl FnMut(u32, u64) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        for (&page, number) in entries.iter().zip(first..) {
            if let Some(counts) = self.pages.get(page as usize) {
                visit_page(number, counts, look)?;
            }
        }
        ControlFlow::Continue(())
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
        let bucket = self.bucket_at(rank)?;
        Some(value_of(
            self.grain.middle_of(bucket).max(self.min).min(self.max),
        ))
    }

    /// The bucket in which the value of a rank lies, looked for from the end that is nearer where that is easy.
    fn bucket_at(&self, rank: u64) -> Option<u32> {
        if rank > self.count / 2
            && let Some(counts) = self.near_below_max()
        {
            let mut above = self.count - rank;
            for (at, count) in counts.iter().enumerate().rev() {
                match above.checked_sub(u64::from(*count)) {
                    Some(left) => above = left,
                    None => return Some(self.near_first + at as u32),
                }
            }
        }
        let mut below = 0;
        let found = self.visit(|bucket, count| {
            below += count;
            match below >= rank {
                true => ControlFlow::Break(bucket),
                false => ControlFlow::Continue(()),
            }
        });
        found.break_value()
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        (self.below.entries.capacity() + self.above.entries.capacity()) * size_of::<u32>()
            + self.pages.capacity() * size_of::<[u64; PAGE_BUCKETS]>()
            + self.near.capacity() * size_of::<u32>()
    }
}

/// Shows the buckets of a page that have values.
#[inline(always)]
fn visit_page<B, T: Copy + Into<u64>>(
    number: u32,
    counts: &[T; PAGE_BUCKETS],
    look: &mut impl FnMut(u32, u64) -> ControlFlow<B>,
) -> ControlFlow<B> {
    // Where there are any, before the question which: an if for every bucket would be guessed wrongly half the time.
    let bits = counts.iter().rev();
    let mut there = bits.fold(0_u32, |bits, &count| {
        bits << 1 | u32::from(count.into() > 0)
    });
    while there != 0 {
        let at = there.trailing_zeros();
        look(number << PAGE_SHIFT | at, counts[at as usize].into())?;
        there &= there - 1;
    }
    ControlFlow::Continue(())
}

impl Directory {
    fn new() -> Self {
        Self {
            first: 0,
            entries: vec![],
        }
    }

    /// Which page a bucket is in, as far as the directory knows.
    #[inline(always)]
    fn page(&self, bucket: u32) -> Option<u32> {
        let at = (bucket >> PAGE_SHIFT).wrapping_sub(self.first) as usize;
        self.entries.get(at).copied()
    }

    /// The entry of a page, which the directory is made to reach.
    fn entry(&mut self, page: u32) -> &mut u32 {
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

/// One group on its own.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    grain: Grain,
    /// Keys of all values, in any order; empty once there are buckets.
    keys: Vec<u64>,
    /// There from value number [`EXACT_LIMIT`] + 1 on.
    buckets: Option<Buckets>,
}

impl Sketch {
    /// No values yet.
    pub(super) fn new(grain: Grain) -> Self {
        Self {
            grain,
            keys: vec![],
            buckets: None,
        }
    }

    /// Takes a value.
    pub(super) fn add(&mut self, key: u64) {
        if self.buckets.is_none() && self.keys.len() < EXACT_LIMIT {
            self.keys.push(key);
        } else {
            self.as_buckets().add(key);
        }
    }

    /// Takes a value so many times; `None` when the counts do not fit 64 bits.
    pub(super) fn add_times(&mut self, key: u64, times: u64) -> Option<()> {
        let room = (EXACT_LIMIT - self.keys.len().min(EXACT_LIMIT)) as u64;
        if times == 0 || (self.buckets.is_none() && times <= room) {
            self.keys.extend((0..times).map(|_| key));
            return Some(());
        }
        let bucket = self.grain.bucket_of(key);
        let buckets = self.as_buckets();
        buckets.widen(times, key, key)?;
        buckets.add_to_bucket(bucket, times);
        Some(())
    }

    /// The counts, from now on.
    pub(super) fn as_buckets(&mut self) -> &mut Buckets {
        let (grain, keys) = (self.grain, &mut self.keys);
        self.buckets.get_or_insert_with(|| {
            let mut buckets = Buckets::new(grain);
            buckets.add_all(&std::mem::take(keys));
            buckets
        })
    }

    /// How fine its buckets are, or would be.
    pub(super) fn grain(&self) -> Grain {
        self.grain
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
