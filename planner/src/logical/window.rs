//! The node of a window table function: the relation's columns, then `window_start`, `window_end` and `window_time`.

use std::{cmp::Ordering, collections::HashMap, fmt, sync::Arc};

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::{
    common::{DFSchema, DFSchemaRef},
    error::Result,
    logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore},
};

use crate::{error::PlanError, operators::WindowColumn, windows::Windows};

/// Name of the column with a window's start.
pub const WINDOW_START: &str = "window_start";
/// Name of the column with a window's end, exclusive.
pub const WINDOW_END: &str = "window_end";

/// Name of the column with a window's last microsecond: event time for another window over this one's result.
pub const WINDOW_TIME: &str = "window_time";

/// What a window node adds, in this order.
pub(crate) const WINDOW_COLUMNS: [(&str, WindowColumn); 3] = [
    (WINDOW_START, WindowColumn::Start),
    (WINDOW_END, WindowColumn::End),
    (WINDOW_TIME, WindowColumn::Time),
];

/// Every row once for each window it is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowNode {
    /// What the rows come from.
    pub input: LogicalPlan,
    /// The time of a row, a timestamp in microseconds.
    pub time: Expr,
    /// Which windows.
    pub windows: Windows,
    /// Of sessions: the columns whose rows make one; none where the GROUP BY keys say so.
    pub partition: Vec<Expr>,
    schema: DFSchemaRef,
}

impl WindowNode {
    /// Windows over `input`, which has no columns named like a window's.
    pub fn try_new(input: LogicalPlan, time: Expr, windows: Windows) -> Result<Self> {
        let mut fields: Vec<_> = input
            .schema()
            .iter()
            .map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
            .collect();
        if let Some((_, taken)) = fields
            .iter()
            .find(|(_, field)| WINDOW_COLUMNS.iter().any(|(name, _)| name == field.name()))
        {
            return Err(PlanError::invalid(format!(
                "the relation of a window already has a column \"{}\"",
                taken.name()
            ))
            .hint("give the column another name with AS, in a subquery")
            .into_engine());
        }
        for (name, _) in WINDOW_COLUMNS {
            fields.push((None, Arc::new(Field::new(name, window_type(), true))));
        }
        let schema = DFSchema::new_with_metadata(fields, HashMap::new())?;
        Ok(Self {
            input,
            time,
            windows,
            partition: Vec::new(),
            schema: Arc::new(schema),
        })
    }

    /// The same with sessions by these columns.
    pub(crate) fn partitioned(self, partition: Vec<Expr>) -> Self {
        Self { partition, ..self }
    }

    /// The same over another relation.
    pub(crate) fn over(&self, input: LogicalPlan) -> Result<Self> {
        let window = Self::try_new(input, self.time.clone(), self.windows.clone())?;
        Ok(window.partitioned(self.partition.clone()))
    }

    /// Which window column the output column at `index` is.
    pub(crate) fn column_at(&self, index: usize) -> Option<WindowColumn> {
        let own = index.checked_sub(self.input.schema().fields().len())?;
        WINDOW_COLUMNS.get(own).map(|(_, column)| *column)
    }
}

/// Type of the window columns.
pub(crate) fn window_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl PartialOrd for WindowNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for WindowNode {
    fn name(&self) -> &str {
        "Window"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let mut exprs = vec![self.time.clone()];
        exprs.extend_from_slice(&self.partition);
        exprs
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Window: {} by {}", self.windows, self.time)?;
        for (number, column) in self.partition.iter().enumerate() {
            let before = if number == 0 { " partitioned by" } else { "," };
            write!(f, "{before} {column}")?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut exprs = exprs.into_iter();
        match (inputs.into_iter().next(), exprs.next()) {
            (Some(input), Some(time)) => {
                let window = Self::try_new(input, time, self.windows.clone())?;
                Ok(window.partitioned(exprs.collect()))
            }
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
        let exprs = self.partition.iter().chain([&self.time]);
        for column in exprs.flat_map(Expr::column_refs) {
            needed.push(schema.maybe_index_of_column(column)?);
        }
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}
