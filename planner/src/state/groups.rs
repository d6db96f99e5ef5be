//! The groups of one pane and their accumulators: the engine's hash table and aggregates, filled with partial states.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::SchemaRef,
};
use datafusion::{
    logical_expr::{EmitTo, GroupsAccumulator},
    physical_expr::{GroupsAccumulatorAdapter, aggregate::AggregateFunctionExpr},
    physical_plan::aggregates::{
        group_values::{GroupValues, new_group_values},
        order::GroupOrdering,
    },
};

use crate::{
    error::{PlanError, Result},
    streaming::Stage,
};

/// Groups and accumulators.
pub(crate) struct Groups {
    values: Box<dyn GroupValues>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// State columns of each accumulator.
    widths: Vec<usize>,
    indices: Vec<usize>,
}

impl Groups {
    pub(crate) fn new(stage: &Stage) -> Result<Self> {
        Self::over(stage, &stage.group_schema)
    }

    /// The stage's accumulators over groups of other columns.
    pub(crate) fn over(stage: &Stage, groups: &SchemaRef) -> Result<Self> {
        let mut accumulators = Vec::with_capacity(stage.aggregates.len());
        let mut widths = Vec::with_capacity(stage.aggregates.len());
        for aggregate in &stage.aggregates {
            accumulators.push(accumulator(aggregate)?);
            widths.push(aggregate.state_fields()?.len());
        }
        Ok(Self {
            values: new_group_values(Arc::clone(groups), &GroupOrdering::None)?,
            accumulators,
            widths,
            indices: Vec::new(),
        })
    }

    /// Merges a batch of partial states: group columns ++ state columns.
    pub(crate) fn merge(&mut self, stage: &Stage, states: &[ArrayRef]) -> Result<()> {
        self.merge_by(stage.group_schema.fields().len(), states)
    }

    /// The same where so many columns tell a group.
    pub(crate) fn merge_by(&mut self, columns: usize, states: &[ArrayRef]) -> Result<()> {
        let (groups, states) = states
            .split_at_checked(columns)
            .ok_or_else(|| PlanError::internal("a state has too few columns"))?;
        self.indices.clear();
        self.values.intern(groups, &mut self.indices)?;
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
        stage: &Stage,
        states: &[ArrayRef],
        numbers: &[u64],
        firsts: &mut Vec<u64>,
    ) -> Result<()> {
        self.merge(stage, states)?;
        for (group, number) in self.indices.iter().zip(numbers) {
            if *group == firsts.len() {
                firsts.push(*number);
            }
        }
        Ok(())
    }

    /// Group columns ++ state columns; what is left is of no use.
    pub(crate) fn into_state(mut self, schema: &SchemaRef) -> Result<RecordBatch> {
        if self.len() == 0 {
            // Some accumulators cannot say what nothing is.
            return Ok(RecordBatch::new_empty(Arc::clone(schema)));
        }
        let mut columns = self.values.emit(EmitTo::All)?;
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state(EmitTo::All)?);
        }
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }

    /// Group columns and results, in the order in which the groups were first seen.
    pub(crate) fn into_results(mut self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.values.emit(EmitTo::All)?;
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

/// The aggregate's own accumulator over groups, or the engine's adapter around one per group.
fn accumulator(aggregate: &Arc<AggregateFunctionExpr>) -> Result<Box<dyn GroupsAccumulator>> {
    if aggregate.groups_accumulator_supported() {
        return Ok(aggregate.create_groups_accumulator()?);
    }
    let aggregate = Arc::clone(aggregate);
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || {
        aggregate.create_accumulator()
    })))
}
