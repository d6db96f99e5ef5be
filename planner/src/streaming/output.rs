//! The rows a query gives to its table: types that tables can store, and partition columns derived from the window.

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType},
};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::{grouping::group_exprs, partition::Derived};
use crate::{
    TargetDefinition,
    error::{PlanError, PlanErrorKind, Result},
};

#[cfg(test)]
mod tests;

/// Characters that Delta Lake (and so every reader of it) refuses in column names.
const UNSTORABLE: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

/// The time that partition columns are derived from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeColumn<'a> {
    /// What it is called.
    pub(crate) name: &'a str,
    /// Where it stands in the plan's output.
    pub(crate) index: usize,
    /// The zone of its windows.
    pub(crate) zone: Option<&'a str>,
}

/// How the rows above the aggregation become rows of the table.
#[derive(Debug)]
pub(crate) struct OutputShape {
    /// Output column → column of the plan's batch, with the type to store it as.
    columns: Vec<(usize, DataType)>,
    derived: Vec<Derived>,
    /// Where the time stands that partition columns are derived from.
    time_index: Option<usize>,
    schema: SchemaRef,
}

impl OutputShape {
    /// The shape of a query's rows in `target`: names as `written`, types as in the `planned` query; `time` is where partition columns are
    /// derived from and where it stands.
    pub(crate) fn new(
        written: &LogicalPlan,
        planned: &LogicalPlan,
        target: &TargetDefinition,
        time: Option<TimeColumn<'_>>,
    ) -> Result<Self> {
        let mut names: HashSet<&str> = HashSet::new();
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for (index, field) in planned.schema().fields().iter().enumerate() {
            check_name(written, index, field.name())?;
            if !names.insert(field.name()) {
                return Err(PlanError::new(
                    PlanErrorKind::DuplicateColumn,
                    format!("column \"{}\" specified more than once", field.name()),
                )
                .hint("give one of them another name with AS"));
            }
            let data_type = storable(field.name(), field.data_type())?;
            columns.push((index, data_type.clone()));
            // A batch may be short of rows but never of columns; whether a column holds nulls is the table's affair.
            fields.push(Field::new(field.name(), data_type, true));
        }
        let mut derived = Vec::new();
        for (name, written) in &target.partitioned_by {
            match fields.iter().find(|field| field.name() == name) {
                Some(field) => check_selected(name, field.data_type(), written.as_ref())?,
                None => {
                    let Some(time) = time else {
                        return Err(no_time(name));
                    };
                    let column = Derived::new(name, written.as_ref(), time.name)?;
                    let column = column.in_zone(time.zone);
                    fields.push(Field::new(name, column.data_type.clone(), true));
                    derived.push(column);
                }
            }
        }
        if derived.len() == fields.len() || target.partitioned_by.len() >= fields.len() {
            return Err(PlanError::invalid(
                "a table needs at least one column that it is not partitioned by",
            ));
        }
        Ok(Self {
            columns,
            derived,
            time_index: time.map(|time| time.index),
            schema: Arc::new(Schema::new(fields)),
        })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn derived(&self) -> &[Derived] {
        &self.derived
    }

    /// Rows of the plan as rows of the table.
    pub(crate) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        // A value that does not fit becomes NULL: an error here would end the query for one row, again and again.
        let options = CastOptions {
            safe: true,
            ..CastOptions::default()
        };
        for (index, data_type) in &self.columns {
            let column = batch.column(*index);
            columns.push(if column.data_type() == data_type {
                Arc::clone(column)
            } else {
                cast_with_options(column, data_type, &options)?
            });
        }
        let times = self
            .time_index
            .and_then(|index| batch.columns().get(index))
            .and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        for derived in &self.derived {
            let times = times.ok_or_else(|| PlanError::internal("a result lost its time"))?;
            columns.push(derived.evaluate(times)?);
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// Refuses columns without a name, or with one that tables cannot store.
pub(crate) fn check_names(written: &LogicalPlan) -> Result<()> {
    let mut fields = written.schema().fields().iter().enumerate();
    fields.try_for_each(|(index, field)| check_name(written, index, field.name()))
}

fn no_time(name: &str) -> PlanError {
    PlanError::new(
        PlanErrorKind::UndefinedColumn,
        format!("partition column \"{name}\" cannot be derived"),
    )
    .detail("the query has no window, and its stream no watermark that says which column is event time")
    .hint("select a column of that name in the query, or declare WATERMARK FOR a column of the stream")
}

/// A name that was given and that tables can store.
fn check_name(plan: &LogicalPlan, index: usize, name: &str) -> Result<()> {
    if !is_named(plan, index) {
        return Err(
            PlanError::invalid(format!("output column {} has no name: {name}", index + 1))
                .hint(format!("name it: {name} AS a_name")),
        );
    }
    if name.is_empty() || name.contains(UNSTORABLE) {
        return Err(PlanError::invalid(format!(
            "column name \"{name}\" cannot be stored in a Delta table"
        ))
        .detail("column names have none of space , ; { } ( ) = tab or newline")
        .hint("give the column another name with AS"));
    }
    Ok(())
}

/// Whether an output column is a column of something or was given a name, followed through views and subqueries.
fn is_named(plan: &LogicalPlan, index: usize) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => match projection.expr.get(index) {
            Some(Expr::Alias(_)) => true,
            Some(Expr::Column(column)) => projection
                .input
                .schema()
                .maybe_index_of_column(column)
                .is_none_or(|index| is_named(&projection.input, index)),
            _ => false,
        },
        LogicalPlan::Filter(filter) => is_named(&filter.input, index),
        LogicalPlan::SubqueryAlias(alias) => is_named(&alias.input, index),
        LogicalPlan::Aggregate(aggregate) => match group_exprs(aggregate).get(index) {
            Some(Expr::Column(column)) => aggregate
                .input
                .schema()
                .maybe_index_of_column(column)
                .is_none_or(|index| is_named(&aggregate.input, index)),
            Some(Expr::Alias(_)) => true,
            Some(_) => false,
            None => aggregate
                .aggr_expr
                .get(index.saturating_sub(group_exprs(aggregate).len()))
                .is_some_and(|expr| matches!(expr, Expr::Alias(_))),
        },
        _ => true,
    }
}

/// The type a value is stored as: tables have no unsigned integers, no nanoseconds and no views.
fn storable(name: &str, data_type: &DataType) -> Result<DataType> {
    Ok(match data_type {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        DataType::Date64 => DataType::Date32,
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Dictionary(_, values) => storable(name, values)?,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => {
            let element_type = storable(name, element.data_type())?;
            DataType::List(Arc::new(
                element.as_ref().clone().with_data_type(element_type),
            ))
        }
        DataType::Struct(fields) => {
            let fields: Result<Vec<Field>> = fields
                .iter()
                .map(|field| {
                    let data_type = storable(name, field.data_type())?;
                    Ok(field.as_ref().clone().with_data_type(data_type))
                })
                .collect();
            DataType::Struct(fields?.into())
        }
        DataType::Null => {
            return Err(PlanError::new(
                PlanErrorKind::DatatypeMismatch,
                format!("column \"{name}\" is NULL without a type"),
            )
            .hint("give it one: CAST(NULL AS TEXT)"));
        }
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(_, _)
        | DataType::Date32
        | DataType::Utf8
        | DataType::Binary
        | DataType::Map(_, _) => data_type.clone(),
        other => {
            return Err(PlanError::new(
                PlanErrorKind::DatatypeMismatch,
                format!("column \"{name}\" is of type {other}, which a table cannot store"),
            )
            .hint("convert it with CAST, to TEXT or to a number"));
        }
    })
}

/// A partition column that the query selects keeps its type, which must be the written one.
fn check_selected(name: &str, selected: &DataType, written: Option<&DataType>) -> Result<()> {
    if selected.is_nested() || matches!(selected, DataType::Binary) {
        return Err(PlanError::invalid(format!(
            "a table cannot be partitioned by \"{name}\", which is of type {selected}"
        )));
    }
    match written {
        Some(written) if written != selected => Err(PlanError::new(
            PlanErrorKind::DatatypeMismatch,
            format!("partition column \"{name}\" is written as {written}, but the query selects it as {selected}"),
        )
        .hint(format!("convert it in the query with CAST, or write PARTITIONED BY ({name}) without a type"))),
        _ => Ok(()),
    }
}
