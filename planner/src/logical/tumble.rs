//! The node of `TUMBLE(relation, time, size [, offset])`: the relation's columns, then `window_start` and `window_end`.

use std::{cmp::Ordering, collections::HashMap, fmt, sync::Arc};

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::{
    common::{DFSchema, DFSchemaRef},
    error::Result,
    logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore},
};

use crate::error::PlanError;

/// Name of the column with a window's start.
pub const WINDOW_START: &str = "window_start";
/// Name of the column with a window's end, exclusive.
pub const WINDOW_END: &str = "window_end";

/// Every row is in exactly one window: `[start, start + size)` with `start = offset + n × size`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TumbleNode {
    /// What the rows come from.
    pub input: LogicalPlan,
    /// The time of a row, a timestamp in microseconds.
    pub time: Expr,
    /// Size in microseconds, above zero.
    pub size_us: i64,
    /// Offset from the Unix epoch in microseconds.
    pub offset_us: i64,
    schema: DFSchemaRef,
}

impl TumbleNode {
    /// A tumbling window over `input`, which has no columns named like the window's.
    pub fn try_new(input: LogicalPlan, time: Expr, size_us: i64, offset_us: i64) -> Result<Self> {
        let window = |name: &str| (None, Arc::new(Field::new(name, window_type(), true)));
        let mut fields: Vec<_> = input
            .schema()
            .iter()
            .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
            .collect();
        if let Some((_, taken)) = fields
            .iter()
            .find(|(_, field)| [WINDOW_START, WINDOW_END].contains(&field.name().as_str()))
        {
            return Err(PlanError::invalid(format!(
                "the relation of TUMBLE already has a column \"{}\"",
                taken.name()
            ))
            .hint(
                "a window over windows is not supported yet; give the column another name with AS",
            )
            .into_engine());
        }
        fields.push(window(WINDOW_START));
        fields.push(window(WINDOW_END));
        let schema = DFSchema::new_with_metadata(fields, HashMap::new())?;
        Ok(Self {
            input,
            time,
            size_us,
            offset_us,
            schema: Arc::new(schema),
        })
    }
}

/// Type of `window_start` and `window_end`.
pub(crate) fn window_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl PartialOrd for TumbleNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for TumbleNode {
    fn name(&self) -> &str {
        "Tumble"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.time.clone()]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tumble: {} size {} us", self.time, self.size_us)?;
        if self.offset_us != 0 {
            write!(f, " offset {} us", self.offset_us)?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        match (inputs.into_iter().next(), exprs.into_iter().next()) {
            (Some(input), Some(time)) => Self::try_new(input, time, self.size_us, self.offset_us),
            _ => Err(PlanError::internal("a window node lost a part").into_engine()),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let schema = self.input.schema();
        let width = schema.fields().len();
        let mut needed: Vec<usize> = output_columns
            .iter()
            .copied()
            .filter(|index| *index < width)
            .collect();
        for column in self.time.column_refs() {
            needed.push(schema.maybe_index_of_column(column)?);
        }
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}
