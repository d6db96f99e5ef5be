//! One group: the accumulators of window functions, of aggregation without GROUP BY, and of DISTINCT.
//!
//! Rows that leave a window frame are taken back: from exact sums nothing is left of them, however many there were.

use std::collections::BTreeSet;

use arrow::array::ArrayRef;
use datafusion::{
    common::{Result, ScalarValue, exec_err},
    logical_expr::{Accumulator, EmitTo, GroupsAccumulator},
};

use super::{
    answer::{Answer, Group, Specials, add_row},
    exact::Exact,
    groups::{Arguments, MomentGroups, states},
};

/// The accumulator of values as they come.
#[derive(Debug)]
pub(super) struct MomentAccumulator {
    answer: Answer,
    count: u64,
    /// How often each kind of value came that is not finite: one that leaves may not be the last.
    specials: [u64; u8::BITS as usize],
    sums: Vec<Exact>,
}

impl MomentAccumulator {
    /// No values yet.
    pub(super) fn new(answer: Answer) -> Self {
        Self {
            answer,
            count: 0,
            specials: [0; u8::BITS as usize],
            sums: vec![Exact::ZERO; answer.moments().len()],
        }
    }

    fn add(&mut self, x: f64, y: f64, back: bool) {
        let one = if back { u64::MAX } else { 1 };
        self.count = self.count.wrapping_add(one);
        let specials = Specials::of(x, y).within(self.answer.moments());
        if specials != 0 {
            for (bit, count) in self.specials.iter_mut().enumerate() {
                if specials >> bit & 1 != 0 {
                    *count = count.wrapping_add(one);
                }
            }
        }
        add_row(self.answer.moments(), &mut self.sums, x, y, back);
    }

    fn specials(&self) -> Specials {
        let bits = self.specials.iter().enumerate();
        Specials(bits.fold(0, |bits, (bit, count)| bits | u8::from(*count > 0) << bit))
    }

    /// The same as the only group of many.
    fn groups(&self) -> MomentGroups {
        let mut groups = MomentGroups::new(self.answer);
        groups.set(self.count, self.specials(), &self.sums);
        groups
    }
}

impl Accumulator for MomentAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for (x, y) in Arguments::of(values)?.rows() {
            self.add(x, y, false);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for (x, y) in Arguments::of(values)?.rows() {
            self.add(x, y, true);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let mut groups = self.groups();
        for state in states(values)?.iter().flatten() {
            groups.merge(0, state)?;
        }
        let (count, specials, sums) = groups.into_one();
        (self.count, self.sums) = (count, sums);
        for (bit, count) in self.specials.iter_mut().enumerate() {
            *count = (*count).max(u64::from(specials.0 >> bit & 1));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let states = self.groups().state(EmitTo::All)?;
        states
            .iter()
            .map(|state| ScalarValue::try_from_array(state, 0))
            .collect()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.answer == Answer::Count {
            return Ok(ScalarValue::UInt64(Some(self.count)));
        }
        let group = Group {
            answer: self.answer,
            count: self.count,
            specials: self.specials(),
            sums: &self.sums,
        };
        Ok(ScalarValue::Float64(group.evaluate()))
    }

    fn size(&self) -> usize {
        let sums: usize = self.sums.iter().map(Exact::heap_bytes).sum();
        size_of::<Self>() + self.sums.capacity() * size_of::<Exact>() + sums
    }
}

/// Bits of x and y; of all zeros one, of all NaNs one.
type Row = (u64, u64);

/// The accumulator of DISTINCT: the rows are kept, each once.
#[derive(Debug)]
pub(super) struct DistinctMoments {
    answer: Answer,
    rows: BTreeSet<Row>,
}

impl DistinctMoments {
    /// No values yet.
    pub(super) fn new(answer: Answer) -> Self {
        Self {
            answer,
            rows: BTreeSet::new(),
        }
    }
}

fn bits(value: f64) -> u64 {
    match value.is_nan() {
        true => f64::NAN.to_bits(),
        // -0.0 + 0.0 is 0.0; every other value stays as it is.
        false => (value + 0.0).to_bits(),
    }
}

impl Accumulator for DistinctMoments {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = Arguments::of(values)?;
        self.rows
            .extend(rows.rows().map(|(x, y)| (bits(x), bits(y))));
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for state in states(values)?.iter().flatten() {
            let (rows, cut_off) = state.as_chunks::<{ 2 * size_of::<u64>() }>();
            if !cut_off.is_empty() {
                return exec_err!("corrupt state of distinct values: it is cut off");
            }
            let rows = rows.iter().map(|row| {
                let row = u128::from_le_bytes(*row);
                ((row >> 64) as u64, row as u64)
            });
            self.rows.extend(rows);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let rows = self.rows.iter();
        let rows = rows.flat_map(|(x, y)| (u128::from(*x) << 64 | u128::from(*y)).to_le_bytes());
        Ok(vec![ScalarValue::Binary(Some(rows.collect()))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut all = MomentAccumulator::new(self.answer);
        for (x, y) in &self.rows {
            all.add(f64::from_bits(*x), f64::from_bits(*y), false);
        }
        all.evaluate()
    }

    fn size(&self) -> usize {
        // A node of the tree is rarely full.
        size_of::<Self>() + self.rows.len() * 2 * size_of::<Row>()
    }
}
