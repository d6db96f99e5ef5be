//! The accumulators of sketches: of many groups, and of one. Their states are sketches themselves.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, new_null_array},
    compute::nullif,
    datatypes::DataType,
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, internal_err},
    logical_expr::{Accumulator, EmitTo, GroupsAccumulator},
};

use super::{
    super::approx_percentile::PercentileGroups,
    sealed::{FRAME_BYTES, Kind, NO_DOMAIN, open_all, other_domain, other_kind, seal},
};

/// The accumulator of many groups.
pub(super) struct Sketches {
    /// `None` until a sketch says it.
    pub(super) kind: Option<Kind>,
    pub(super) percentile: PercentileGroups,
    pub(super) distinct: Box<dyn GroupsAccumulator>,
    /// What the values of `distinct` were.
    pub(super) domain: Option<u8>,
    /// How many groups there are.
    pub(super) groups: usize,
    /// Of groups of sketches, whether each had one: the sketch of none is NULL, whatever the others have.
    pub(super) seen: Vec<bool>,
    pub(super) takes_sketches: bool,
    pub(super) gives_answers: bool,
}

impl Sketches {
    /// The accumulator that does the work.
    fn inner(&mut self) -> Option<&mut dyn GroupsAccumulator> {
        match self.kind? {
            Kind::Percentile => Some(&mut self.percentile),
            Kind::Distinct => Some(self.distinct.as_mut()),
        }
    }

    /// What the sketches of a column hold, as far as they go together.
    fn opened(&mut self, sketches: &BinaryArray) -> Result<ArrayRef> {
        let states = open_all(sketches, |opened| {
            let kind = *self.kind.get_or_insert(opened.kind);
            if kind != opened.kind {
                return Err(other_kind(kind, opened.kind));
            }
            if kind == Kind::Distinct && !opened.state.is_empty() {
                let domain = *self.domain.get_or_insert(opened.domain);
                if domain != opened.domain {
                    return Err(other_domain(domain, opened.domain));
                }
            }
            Ok(())
        })?;
        Ok(Arc::new(states))
    }

    /// States as sketches.
    fn sealed(&self, states: Vec<ArrayRef>) -> Result<ArrayRef> {
        let states = first(states)?;
        let (Some(kind), Some(states)) = (self.kind, states.as_binary_opt::<i32>()) else {
            return internal_err!("a sketch without state");
        };
        let domain = self.domain.unwrap_or(NO_DOMAIN);
        let bytes = states.values().len() + states.len() * FRAME_BYTES;
        if i32::try_from(bytes).is_err() {
            return exec_err!("the sketches of these groups are above 2 GiB");
        }
        let mut sketches = BinaryBuilder::with_capacity(states.len(), bytes);
        let mut sketch = Vec::new();
        for state in states {
            match state {
                Some(state) => {
                    // Of nothing, there is nothing that the values were.
                    let domain = match state {
                        [] => NO_DOMAIN,
                        _ => domain,
                    };
                    seal(kind, domain, state, &mut sketch);
                    sketches.append_value(&sketch);
                }
                None => sketches.append_null(),
            }
        }
        Ok(Arc::new(sketches.finish()))
    }

    /// Notes that groups leave; of each, whether its sketch is one of nothing.
    fn leave(&mut self, emit_to: EmitTo) -> BooleanArray {
        let leaving = match emit_to {
            EmitTo::All => self.groups,
            EmitTo::First(groups) => groups.min(self.groups),
        };
        self.groups -= leaving;
        let mut seen: Vec<bool> = self.seen.drain(..leaving.min(self.seen.len())).collect();
        seen.resize(leaving, false);
        let is_nothing = seen.into_iter().map(|seen| self.takes_sketches && !seen);
        is_nothing.map(Some).collect()
    }

    /// Notes which groups these sketches are of.
    fn see(&mut self, sketches: &BinaryArray, group_indices: &[usize]) {
        if !self.takes_sketches {
            return;
        }
        self.seen.resize(self.groups, false);
        for (row, group) in group_indices.iter().enumerate() {
            if let Some(seen) = self.seen.get_mut(*group) {
                *seen |= sketches.is_valid(row);
            }
        }
    }
}

impl GroupsAccumulator for Sketches {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        if self.takes_sketches {
            let sketches = self.convert_to_state(values, opt_filter)?;
            return self.merge_batch(&sketches, group_indices, total_num_groups);
        }
        self.groups = total_num_groups;
        match self.inner() {
            Some(inner) => inner.update_batch(values, group_indices, opt_filter, total_num_groups),
            None => internal_err!("a sketch of values of no kind"),
        }
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups = total_num_groups;
        let Some(sketches) = values.first().and_then(|v| v.as_binary_opt::<i32>()) else {
            return exec_err!("a sketch must be BYTEA");
        };
        self.see(sketches, group_indices);
        let states = [self.opened(sketches)?];
        match self.inner() {
            Some(inner) => inner.merge_batch(&states, group_indices, total_num_groups),
            // Nulls alone, so far.
            None => Ok(()),
        }
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        if !self.gives_answers {
            return first(self.state(emit_to)?);
        }
        self.leave(emit_to);
        match self.inner() {
            Some(inner) => inner.evaluate(emit_to),
            None => internal_err!("an answer of no kind"),
        }
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let is_nothing = self.leave(emit_to);
        match self.inner() {
            Some(inner) => {
                let states = inner.state(emit_to)?;
                Ok(vec![nullif(&self.sealed(states)?, &is_nothing)?])
            }
            // Nobody knows what they are.
            None => Ok(vec![new_null_array(&DataType::Binary, is_nothing.len())]),
        }
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        if !self.takes_sketches {
            let states = match self.kind {
                Some(Kind::Percentile) => self.percentile.convert_to_state(values, opt_filter),
                _ => self.distinct.convert_to_state(values, opt_filter),
            };
            return Ok(vec![self.sealed(states?)?]);
        }
        let Some(sketches) = values.first() else {
            return internal_err!("a merge of sketches without sketches");
        };
        Ok(vec![match opt_filter {
            None => Arc::clone(sketches),
            Some(filter) => {
                let dropped: BooleanArray = filter
                    .iter()
                    .map(|passes| Some(passes != Some(true)))
                    .collect();
                nullif(sketches, &dropped)?
            }
        }])
    }

    fn size(&self) -> usize {
        self.percentile.size() + self.distinct.size() + self.seen.capacity()
    }
}

/// A single group, which may be asked again and again. (The engine wants accumulators that threads can share; groups cannot be.)
pub(super) struct OneGroup(Mutex<Pair>);

struct Pair {
    groups: Sketches,
    /// What answers, so that asking takes nothing away.
    spare: Sketches,
}

impl std::fmt::Debug for OneGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneGroup").finish_non_exhaustive()
    }
}

impl OneGroup {
    /// Two accumulators that are alike.
    pub(super) fn new(groups: Sketches, spare: Sketches) -> Self {
        Self(Mutex::new(Pair { groups, spare }))
    }

    fn pair(&mut self) -> &mut Pair {
        // Nobody panics while holding it alone.
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pair {
    fn saved(&mut self) -> Result<Vec<ArrayRef>> {
        // One group, even before the first value.
        let none = new_null_array(&DataType::Binary, 1);
        self.groups.merge_batch(&[none], &[0], 1)?;
        let state = self.groups.state(EmitTo::All)?;
        self.groups.merge_batch(&state, &[0], 1)?;
        Ok(state)
    }
}

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |values| values.len());
        let groups = &mut self.pair().groups;
        groups.update_batch(values, &vec![0; rows], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, |states| states.len());
        let groups = &mut self.pair().groups;
        groups.merge_batch(states, &vec![0; rows], 1)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let state = first(self.pair().saved()?)?;
        Ok(vec![ScalarValue::try_from_array(&state, 0)?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let pair = self.pair();
        let state = pair.saved()?;
        pair.spare.merge_batch(&state, &[0], 1)?;
        let answer = pair.spare.evaluate(EmitTo::All)?;
        ScalarValue::try_from_array(&answer, 0)
    }

    fn size(&self) -> usize {
        let pair = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        size_of::<Self>() + pair.groups.size() + pair.spare.size()
    }
}

fn first(states: Vec<ArrayRef>) -> Result<ArrayRef> {
    match states.into_iter().next() {
        Some(state) => Ok(state),
        None => internal_err!("a sketch without state"),
    }
}
