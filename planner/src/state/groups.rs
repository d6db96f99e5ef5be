//! The groups of one pane and their accumulators: a hash table and the engine's aggregates, filled with partial states.
//!
//! All states of a pane have the same window, so it is no part of what tells groups apart: where there are other keys, the window's columns
//! are left out of the table and put back when the groups leave. With one key the table is one for one column, which asks memory less
//! often for a group: what counts where there are a million of them.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{Schema, SchemaRef, TimestampMicrosecondType},
};
use datafusion::{
    logical_expr::{EmitTo, GroupsAccumulator},
    physical_plan::aggregates::group_values::GroupValues,
};

use super::{integers::group_values, stage::constant};
use crate::{
    error::{PlanError, Result},
    operators::accumulator,
    streaming::Stage,
};

/// Groups and accumulators.
pub(crate) struct Groups {
    /// How many columns of a state say which group it is of.
    width: usize,
    /// Those that tell groups apart.
    values: Box<dyn GroupValues>,
    /// The others, which are the window's and the same for all: their places in rising order, and what they are once a state has come.
    window: Vec<(usize, i64)>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// State columns of each accumulator.
    widths: Vec<usize>,
    indices: Vec<usize>,
}

impl Groups {
    /// No groups yet, of states that are all of one window.
    pub(crate) fn new(stage: &Stage) -> Result<Self> {
        let fields = stage.group_schema.fields();
        let is_window = |index: &usize| stage.keys.iter().any(|key| key.index == *index);
        let (window, keys): (Vec<usize>, Vec<usize>) = (0..fields.len()).partition(is_window);
        if keys.is_empty() {
            return Self::over(stage, &stage.group_schema);
        }
        let keys = keys.iter().filter_map(|index| fields.get(*index)).cloned();
        let keys = Arc::new(Schema::new(keys.collect::<Vec<_>>()));
        Ok(Self {
            width: fields.len(),
            window: window.into_iter().map(|index| (index, 0)).collect(),
            ..Self::over(stage, &keys)?
        })
    }

    /// The stage's accumulators over groups of other columns, all of which tell groups apart.
    pub(crate) fn over(stage: &Stage, groups: &SchemaRef) -> Result<Self> {
        let mut accumulators = Vec::with_capacity(stage.aggregates.len());
        let mut widths = Vec::with_capacity(stage.aggregates.len());
        for aggregate in &stage.aggregates {
            accumulators.push(accumulator(aggregate)?);
            widths.push(aggregate.state_fields()?.len());
        }
        Ok(Self {
            width: groups.fields().len(),
            window: Vec::new(),
            values: group_values(groups)?,
            accumulators,
            widths,
            indices: Vec::new(),
        })
    }

    /// Merges a batch of partial states: group columns ++ state columns.
    pub(crate) fn merge(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (groups, states) = states
            .split_at_checked(self.width)
            .ok_or_else(|| PlanError::internal("a state has too few columns"))?;
        self.indices.clear();
        if self.window.is_empty() {
            self.values.intern(groups, &mut self.indices)?;
        } else {
            let keys = self.without_window(groups)?;
            self.values.intern(&keys, &mut self.indices)?;
        }
        let total = self.values.len();
        let mut rest = states;
        for (accumulator, width) in self.accumulators.iter_mut().zip(&self.widths) {
            let (own, others) = rest
                .split_at_checked(*width)
                .ok_or_else(|| PlanError::internal("a state has too few columns"))?;
            accumulator.merge_batch(own, &self.indices, total)?;
            rest = others;
        }
        Ok(())
    }

    /// Merges a batch of partial states, of which each has a number; `firsts` gets those at which a group was first seen.
    pub(crate) fn merge_numbered(
        &mut self,
        states: &[ArrayRef],
        numbers: &[u64],
        firsts: &mut Vec<u64>,
    ) -> Result<()> {
        self.merge(states)?;
        for (group, number) in self.indices.iter().zip(numbers) {
            if *group == firsts.len() {
                firsts.push(*number);
            }
        }
        Ok(())
    }

    /// The group columns that tell groups apart; takes note of those that do not.
    fn without_window(&mut self, groups: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        for (index, value) in &mut self.window {
            let column = groups
                .get(*index)
                .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
                .ok_or_else(|| PlanError::internal("a window is not a time"))?;
            if let Some(first) = column.values().first() {
                *value = *first;
            }
        }
        let keys = groups.iter().enumerate();
        let keys = keys.filter(|(index, _)| self.window.iter().all(|(other, _)| other != index));
        Ok(keys.map(|(_, column)| Arc::clone(column)).collect())
    }

    /// The group columns of all groups.
    fn emit(&mut self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.values.emit(EmitTo::All)?;
        let count = columns.first().map_or(0, |column| column.len());
        for (index, value) in &self.window {
            if *index > columns.len() {
                return Err(PlanError::internal("a group has too few columns"));
            }
            columns.insert(*index, constant(*value, count));
        }
        Ok(columns)
    }

    /// Group columns ++ state columns; what is left is of no use.
    pub(crate) fn into_state(mut self, schema: &SchemaRef) -> Result<RecordBatch> {
        if self.len() == 0 {
            // Some accumulators cannot say what nothing is.
            return Ok(RecordBatch::new_empty(Arc::clone(schema)));
        }
        let mut columns = self.emit()?;
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state(EmitTo::All)?);
        }
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }

    /// Group columns and results, in the order in which the groups were first seen.
    pub(crate) fn into_results(mut self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.emit()?;
        for accumulator in &mut self.accumulators {
            columns.push(accumulator.evaluate(EmitTo::All)?);
        }
        Ok(columns)
    }

    /// The group of each state that was merged last.
    pub(crate) fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        let accumulators: usize = self
            .accumulators
            .iter()
            .map(|accumulator| accumulator.size())
            .sum();
        self.values.size() + accumulators + self.indices.capacity() * size_of::<usize>()
    }
}
