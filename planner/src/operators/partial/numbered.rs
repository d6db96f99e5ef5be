//! Rows by number: which rows of a batch agree in the columns of the groups, told once for all queries that group by them.
//!
//! What a query groups by besides is its own: its windows' panes, of which a batch has few, because its rows are neighbours in time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::{
    array::{Array, ArrayRef, TimestampMicrosecondArray, UInt32Array},
    datatypes::{Field, Schema},
};

use super::words;

/// A row has to be one of so many of its number, on average, for numbers to be worth it.
const WORTH_IT: usize = 8;
/// And one of so many of its pane in a row.
const IN_A_ROW: usize = 8;
/// More panes than this are looked up the common way.
const MOST_PANES: usize = 16;
/// Pairs with the panes of other windows that are kept for queries to come.
const KEPT: usize = 4;
/// What is not numbered yet.
const NONE: u32 = u32::MAX;

/// The rows of a batch that agree in some columns have one number.
pub(super) struct Numbered {
    /// Of each row.
    numbers: Vec<u32>,
    /// How many there are.
    count: usize,
    /// What queries with the same windows find.
    paired: Mutex<Vec<Arc<Pairs>>>,
}

/// Pairs of a pane and a number, numbered in the order of their first rows.
pub(super) struct Pairs {
    panes: Option<TimestampMicrosecondArray>,
    /// The first row of each pair.
    pub(super) firsts: UInt32Array,
    /// The pair of each row.
    pub(super) of_rows: Vec<u32>,
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
            paired: Mutex::default(),
        })
    }

    /// Numbers rows by pane and number; `None` where there are too many panes, or they change too often.
    pub(super) fn pairs(&self, panes: Option<&TimestampMicrosecondArray>) -> Option<Arc<Pairs>> {
        if panes.is_some_and(|panes| panes.null_count() > 0 || panes.len() != self.numbers.len()) {
            return None;
        }
        let of_panes = |pairs: &&Arc<Pairs>| {
            pairs.panes.as_ref().map(|known| known.values()) == panes.map(|panes| panes.values())
        };
        if let Some(pairs) = self.kept().iter().find(of_panes) {
            return Some(Arc::clone(pairs));
        }
        let (firsts, of_rows) = self.pair(panes)?;
        let pairs = Arc::new(Pairs {
            panes: panes.cloned(),
            firsts: firsts.into(),
            of_rows,
        });
        // Another query may have been as quick.
        let mut paired = self.kept();
        if let Some(pairs) = paired.iter().find(of_panes) {
            return Some(Arc::clone(pairs));
        }
        if paired.len() < KEPT {
            paired.push(Arc::clone(&pairs));
        }
        Some(pairs)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Arc<Pairs>>> {
        // What another thread left there is whole, whatever became of it.
        self.paired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first row of each pair, and the pair of each row.
    fn pair(&self, panes: Option<&TimestampMicrosecondArray>) -> Option<(Vec<u32>, Vec<u32>)> {
        let mut pairs = Vec::with_capacity(self.numbers.len());
        let mut known = Known {
            count: self.count,
            firsts: Vec::new(),
            of_panes: Vec::new(),
        };
        let Some(panes) = panes else {
            known.take(0, 0, &self.numbers, &mut pairs)?;
            return Some((known.firsts, pairs));
        };
        let mut runs = self.numbers.len() / IN_A_ROW + 1;
        let mut from = 0;
        for run in panes.values().chunk_by(|one, next| one == next) {
            runs = runs.checked_sub(1)?;
            let numbers = self.numbers.get(from..from + run.len())?;
            known.take(*run.first()?, from, numbers, &mut pairs)?;
            from += run.len();
        }
        Some((known.firsts, pairs))
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
        pairs: &mut Vec<u32>,
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
                return NONE;
            };
            if *pair == NONE {
                *pair = firsts.len() as u32;
                firsts.push(row as u32);
            }
            *pair
        });
        pairs.extend(of_rows);
        Some(())
    }
}

#[cfg(test)]
mod tests;
