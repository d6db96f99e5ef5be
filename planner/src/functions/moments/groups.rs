//! Many groups at once, and a group's state as bytes: what partial aggregation hands to final aggregation, and what a checkpoint keeps.
//!
//! | bytes | |
//! |---|---|
//! | first | 1: this layout |
//! | next | which values there are that are not finite: of x a NaN (1), +infinity (2), -infinity (4); of y (8, 16, 32) |
//! | next 8 | number of rows, little endian |
//! | rest | each sum: how many limbs (one byte), the weight of the first (2 bytes, signed) where there are any, and 8 bytes each |
//!
//! No rows is a null. The same rows are always the same bytes. Another layout gets another first byte.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, Float64Array,
        Float64Builder, UInt64Array,
    },
    buffer::NullBuffer,
    datatypes::Float64Type,
};
use datafusion::{
    common::{Result, exec_datafusion_err, exec_err, resources_err},
    logical_expr::{EmitTo, GroupsAccumulator},
};

use super::{
    answer::{Answer, Group, Moment, Specials, add_row},
    exact::Exact,
};

const LAYOUT: u8 = 1;

/// The accumulator.
#[derive(Debug)]
pub(super) struct MomentGroups {
    answer: Answer,
    moments: &'static [Moment],
    counts: Vec<u64>,
    specials: Vec<Specials>,
    /// Of each group as many as there are moments.
    sums: Vec<Exact>,
    /// Of these.
    heap_bytes: usize,
}

impl MomentGroups {
    /// No groups yet.
    pub(super) fn new(answer: Answer) -> Self {
        Self {
            answer,
            moments: answer.moments(),
            counts: vec![],
            specials: vec![],
            sums: vec![],
            heap_bytes: 0,
        }
    }

    fn grow_to(&mut self, groups: usize) {
        if groups > self.counts.len() {
            self.counts.resize(groups, 0);
            self.specials.resize(groups, Specials::default());
            self.sums.resize(groups * self.moments.len(), Exact::ZERO);
        }
    }

    /// Adds a row; the moments are said once more where they are known when this is compiled.
    #[inline(always)]
    fn add(&mut self, moments: &[Moment], group: usize, x: f64, y: f64) {
        self.counts[group] += 1;
        let specials = Specials::of(x, y);
        if specials != Specials::default() {
            self.specials[group].0 |= specials.within(moments);
        }
        let width = moments.len();
        let sums = &mut self.sums[group * width..][..width];
        let grown = add_row(moments, sums, x, y, false);
        self.heap_bytes = self.heap_bytes.saturating_add_signed(grown);
    }

    /// Adds a group's state.
    pub(super) fn merge(&mut self, group: usize, state: &[u8]) -> Result<()> {
        let corrupt = || exec_datafusion_err!("corrupt state of a variance or regression");
        let mut rest = state.strip_prefix(&[LAYOUT]).ok_or_else(|| {
            exec_datafusion_err!(
                "the state of a variance or regression is of a layout that is not known"
            )
        })?;
        let (&specials, counted) = rest.split_first().ok_or_else(corrupt)?;
        let (count, sums) = counted.split_first_chunk().ok_or_else(corrupt)?;
        rest = sums;
        if specials & !Specials::ALL != 0 {
            return Err(corrupt());
        }
        let width = self.moments.len();
        for sum in &mut self.sums[group * width..][..width] {
            let grown = sum.merge(&Exact::read(&mut rest).ok_or_else(corrupt)?);
            self.heap_bytes = self.heap_bytes.saturating_add_signed(grown);
        }
        if !rest.is_empty() {
            return Err(corrupt());
        }
        let count = self.counts[group].checked_add(u64::from_le_bytes(*count));
        self.counts[group] = count.ok_or_else(corrupt)?;
        self.specials[group].0 |= specials;
        Ok(())
    }

    /// Makes this the only group.
    pub(super) fn set(&mut self, count: u64, specials: Specials, sums: &[Exact]) {
        self.counts = vec![count];
        self.specials = vec![specials];
        self.sums = sums.to_vec();
    }

    /// What the first group, if there is one, comes to.
    pub(super) fn into_one(self) -> (u64, Specials, Vec<Exact>) {
        let mut sums = self.sums;
        sums.truncate(self.moments.len());
        let count = self.counts.first().copied().unwrap_or_default();
        let specials = self.specials.first().copied().unwrap_or_default();
        (count, specials, sums)
    }

    fn take(&mut self, emit_to: EmitTo) -> Taken {
        let counts = emit_to.take_needed(&mut self.counts);
        let sums = counts.len() * self.moments.len();
        let sums: Vec<Exact> = match emit_to {
            EmitTo::All => std::mem::take(&mut self.sums),
            EmitTo::First(_) => self.sums.drain(..sums).collect(),
        };
        self.heap_bytes = self.sums.iter().map(Exact::heap_bytes).sum();
        Taken {
            answer: self.answer,
            counts,
            specials: emit_to.take_needed(&mut self.specials),
            sums,
        }
    }
}

/// Groups that left.
struct Taken {
    answer: Answer,
    counts: Vec<u64>,
    specials: Vec<Specials>,
    sums: Vec<Exact>,
}

impl Taken {
    fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let width = self.answer.moments().len();
        let groups = self.counts.iter().zip(&self.specials).enumerate();
        groups.map(move |(group, (count, specials))| Group {
            answer: self.answer,
            count: *count,
            specials: *specials,
            sums: self
                .sums
                .get(group * width..(group + 1) * width)
                .unwrap_or_default(),
        })
    }

    fn evaluate(self) -> ArrayRef {
        if self.answer == Answer::Count {
            return Arc::new(UInt64Array::from(self.counts));
        }
        let mut answers = Float64Builder::with_capacity(self.counts.len());
        for group in self.groups() {
            answers.append_option(group.evaluate());
        }
        Arc::new(answers.finish())
    }

    fn states(&self) -> Result<ArrayRef> {
        let mut states = BinaryBuilder::new();
        let mut state = vec![];
        for group in self.groups() {
            if group.count == 0 {
                states.append_null();
                continue;
            }
            state.clear();
            write(&mut state, group.count, group.specials, group.sums);
            append(&mut states, &state)?;
        }
        Ok(Arc::new(states.finish()))
    }
}

/// The bytes of a group's state.
fn write(out: &mut Vec<u8>, count: u64, specials: Specials, sums: &[Exact]) {
    out.extend_from_slice(&[LAYOUT, specials.0]);
    out.extend_from_slice(&count.to_le_bytes());
    for sum in sums {
        sum.write(out);
    }
}

/// A binary column is limited to 2 GiB, and its builder panics beyond.
fn append(states: &mut BinaryBuilder, state: &[u8]) -> Result<()> {
    if states.values_slice().len() + state.len() > i32::MAX as usize {
        return resources_err!(
            "the state of so many groups of a variance or regression is above 2 GiB"
        );
    }
    states.append_value(state);
    Ok(())
}

/// The arguments: x, y (the same where there is one), and which rows have both.
pub(super) struct Arguments<'a> {
    pub(super) x: &'a Float64Array,
    pub(super) y: &'a Float64Array,
    pub(super) valid: Option<NullBuffer>,
}

impl<'a> Arguments<'a> {
    pub(super) fn of(values: &'a [ArrayRef]) -> Result<Self> {
        let floats = |values: &'a ArrayRef| values.as_primitive_opt::<Float64Type>();
        let (y, x) = match values {
            [x] => (floats(x), floats(x)),
            [y, x] => (floats(y), floats(x)),
            _ => (None, None),
        };
        let (Some(x), Some(y)) = (x, y) else {
            return exec_err!("variance and regression need values of type double");
        };
        let valid = NullBuffer::union(x.nulls(), y.nulls());
        let valid = valid.filter(|valid| valid.null_count() > 0);
        Ok(Self { x, y, valid })
    }

    /// Whether a row counts.
    #[inline(always)]
    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.valid.as_ref().is_none_or(|valid| valid.is_valid(row))
    }

    /// The rows that count.
    pub(super) fn rows(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let rows = self.x.values().iter().zip(self.y.values()).enumerate();
        rows.filter(|(row, _)| self.is_valid(*row))
            .map(|(_, (x, y))| (*x, *y))
    }
}

/// The states' column.
pub(super) fn states(values: &[ArrayRef]) -> Result<&BinaryArray> {
    match values
        .first()
        .and_then(|values| values.as_binary_opt::<i32>())
    {
        Some(states) => Ok(states),
        None => exec_err!("corrupt state of a variance or regression: it is not binary"),
    }
}

fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

impl GroupsAccumulator for MomentGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow_to(total_num_groups);
        let arguments = Arguments::of(values)?;
        let rows = arguments.x.values().iter().zip(arguments.y.values());
        let rows = group_indices.iter().zip(rows);
        let all = arguments.valid.is_none() && opt_filter.is_none();
        let counts = |row| all || (arguments.is_valid(row) && passes(opt_filter, row));
        use Moment::{X, Xx, Xy, Y, Yy};
        match self.moments {
            [X, Xx] if all && self.answer.is_of_one() => {
                rows.for_each(|(group, (x, _))| self.add(&[X, Xx], *group, *x, 0.0));
            }
            [X, Y, Xx, Yy, Xy] if all => {
                rows.for_each(|(group, (x, y))| self.add(&[X, Y, Xx, Yy, Xy], *group, *x, *y));
            }
            moments => {
                for (row, (group, (x, y))) in rows.enumerate() {
                    if counts(row) {
                        self.add(moments, *group, *x, *y);
                    }
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
        self.grow_to(total_num_groups);
        for (group, state) in group_indices.iter().zip(states(values)?) {
            if let Some(state) = state {
                self.merge(*group, state)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.take(emit_to).evaluate())
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.take(emit_to).states()?])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let arguments = Arguments::of(values)?;
        let mut states = BinaryBuilder::with_capacity(arguments.x.len(), arguments.x.len() * 40);
        let mut state = vec![];
        let rows = arguments.x.values().iter().zip(arguments.y.values());
        for (row, (x, y)) in rows.enumerate() {
            if !arguments.is_valid(row) || !passes(opt_filter, row) {
                states.append_null();
                continue;
            }
            let mut sums = [const { Exact::ZERO }; 5];
            let sums = &mut sums[..self.moments.len()];
            add_row(self.moments, sums, *x, *y, false);
            state.clear();
            let specials = Specials(Specials::of(*x, *y).within(self.moments));
            write(&mut state, 1, specials, sums);
            append(&mut states, &state)?;
        }
        Ok(vec![Arc::new(states.finish())])
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.counts.capacity() * size_of::<u64>()
            + self.specials.capacity() * size_of::<Specials>()
            + self.sums.capacity() * size_of::<Exact>()
            + self.heap_bytes
    }
}
