//! Accumulators, and what they take of a batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::{
    error::Result,
    logical_expr::GroupsAccumulator,
    physical_expr::{PhysicalExpr, expressions::Literal},
};

use super::{Filtered, accumulator};

/// The accumulator of an aggregate.
pub(super) struct Accumulated {
    arguments: Vec<Argument>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    pub(super) accumulator: Box<dyn GroupsAccumulator>,
}

/// What an aggregate is of.
struct Argument {
    expr: Arc<dyn PhysicalExpr>,
    /// Of a literal, as `count(*)` has one: its rows, as many as the longest batch had.
    literal: Option<ArrayRef>,
}

/// What an accumulator takes of a batch.
pub(super) struct Arguments {
    pub(super) values: Vec<ArrayRef>,
    filter: Option<ArrayRef>,
}

impl Accumulated {
    /// Nothing taken in yet.
    pub(super) fn new(filtered: &Filtered) -> Result<Self> {
        let arguments = filtered.aggregate.expressions().into_iter();
        let arguments = arguments.map(|expr| Argument {
            expr,
            literal: None,
        });
        Ok(Self {
            arguments: arguments.collect(),
            filter: filtered.filter.clone(),
            accumulator: accumulator(&filtered.aggregate)?,
        })
    }

    /// What it takes of a batch.
    pub(super) fn arguments(&mut self, batch: &RecordBatch) -> Result<Arguments> {
        let values = self.arguments.iter_mut();
        let filter = self.filter.as_ref();
        Ok(Arguments {
            values: values
                .map(|argument| argument.of(batch))
                .collect::<Result<_>>()?,
            filter: filter.map(|filter| evaluated(filter, batch)).transpose()?,
        })
    }
}

impl Argument {
    fn of(&mut self, batch: &RecordBatch) -> Result<ArrayRef> {
        let rows = batch.num_rows();
        match &self.literal {
            Some(known) if known.len() >= rows => return Ok(known.slice(0, rows)),
            _ => {}
        }
        let values = evaluated(&self.expr, batch)?;
        if self.expr.is::<Literal>() {
            self.literal = Some(Arc::clone(&values));
        }
        Ok(values)
    }
}

fn evaluated(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<ArrayRef> {
    expr.evaluate(batch)?.into_array(batch.num_rows())
}

impl Arguments {
    /// Which rows count.
    pub(super) fn filter(&self) -> Option<&BooleanArray> {
        self.filter.as_ref().map(|filter| filter.as_boolean())
    }
}
