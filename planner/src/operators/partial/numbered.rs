//! Rows by number: which rows of a batch agree in the columns of the groups, told once for all queries that group by them.
//!
//! What a query groups by besides is its own: its windows' panes, of which a batch has few, because its rows are neighbours in time.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, TimestampMicrosecondArray},
    datatypes::{Field, Schema},
};

use super::words;

/// A row has to be one of so many of its number, on average, for numbers to be worth it.
const WORTH_IT: usize = 8;
/// And one of so many of its pane in a row.
const IN_A_ROW: usize = 8;
/// More panes than this are looked up the common way.
const MOST_PANES: usize = 16;
/// What is not numbered yet.
const NONE: u32 = u32::MAX;

/// The rows of a batch that agree in some columns have one number.
pub(super) struct Numbered {
    /// Of each row.
    numbers: Vec<u32>,
    /// How many there are.
    count: usize,
}

impl Numbered {
    /// `None` where it is not worth it.
    pub(super) fn of(columns: &[ArrayRef]) -> Option<Self> {
        let rows = columns.first()?.len();
        let fields = columns.iter().map(|column| {
            let data_type = column.data_type().clone();
            Field::new("key", data_type, true)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<Field>>()));
        let mut table = words::group_values(&schema).ok()?;
        let mut numbers = Vec::new();
        table.intern(columns, &mut numbers).ok()?;
        let count = table.len();
        let is_worth_it = count * WORTH_IT <= rows && u32::try_from(rows).is_ok();
        is_worth_it.then(|| Self {
            numbers: numbers.into_iter().map(|number| number as u32).collect(),
            count,
        })
    }

    /// Numbers rows by pane and number: the first row of each pair, in the order of their first rows, and into `pairs` the pair of each row.
    /// `None` where there are too many panes, or they change too often.
    pub(super) fn pairs(
        &self,
        panes: Option<&TimestampMicrosecondArray>,
        pairs: &mut Vec<usize>,
    ) -> Option<Vec<u32>> {
        pairs.clear();
        pairs.reserve(self.numbers.len());
        let mut known = Known {
            count: self.count,
            firsts: Vec::new(),
            of_panes: Vec::new(),
        };
        let Some(panes) = panes else {
            known.take(0, 0, &self.numbers, pairs)?;
            return Some(known.firsts);
        };
        if panes.null_count() > 0 || panes.len() != self.numbers.len() {
            return None;
        }
        let mut runs = self.numbers.len() / IN_A_ROW + 1;
        let mut from = 0;
        for run in panes.values().chunk_by(|one, next| one == next) {
            runs = runs.checked_sub(1)?;
            let numbers = self.numbers.get(from..from + run.len())?;
            known.take(*run.first()?, from, numbers, pairs)?;
            from += run.len();
        }
        Some(known.firsts)
    }
}

/// The pairs that there are.
struct Known {
    /// How many numbers there are.
    count: usize,
    /// The first row of each pair.
    firsts: Vec<u32>,
    /// Of each pane, the pair of each number.
    of_panes: Vec<(i64, Vec<u32>)>,
}

impl Known {
    /// Takes rows of one pane in, the first of which is number `from`; `None` where it is one pane too many.
    fn take(
        &mut self,
        pane: i64,
        from: usize,
        numbers: &[u32],
        pairs: &mut Vec<usize>,
    ) -> Option<()> {
        let at = match self.of_panes.iter().position(|(known, _)| *known == pane) {
            Some(at) => at,
            None if self.of_panes.len() == MOST_PANES => return None,
            None => {
                self.of_panes.push((pane, vec![NONE; self.count]));
                self.of_panes.len() - 1
            }
        };
        let (_, of_numbers) = self.of_panes.get_mut(at)?;
        let firsts = &mut self.firsts;
        // No number is without a place, so nothing is left out.
        let of_rows = (from..).zip(numbers).map(|(row, number)| {
            let Some(pair) = of_numbers.get_mut(*number as usize) else {
                return usize::MAX;
            };
            if *pair == NONE {
                *pair = firsts.len() as u32;
                firsts.push(row as u32);
            }
            *pair as usize
        });
        pairs.extend(of_rows);
        Some(())
    }
}

#[cfg(test)]
mod tests;
