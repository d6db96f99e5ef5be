//! `OPTIMIZE`: the small files of a table, or of some of its partitions, into large ones.
//!
//! Which partitions is asked of the condition itself, over one row for each partition that the table has.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{common::DFSchema, logical_expr::ExprSchemable};
use sluice_connectors::delta::{PartitionValues, Standing};
use sluice_sql::{Optimize, ast};

use super::{delta_table_of_ours, engine_error, plan_error, sql_type};
use crate::{
    dialect,
    error::{Error, Result, SqlState},
    maintenance::{MaintenanceTask, compact},
    session::Session,
    system::batch,
};

pub(super) async fn run(session: &Session, optimize: &Optimize) -> Result<RecordBatch> {
    let engine = session.engine();
    let subject = delta_table_of_ours(session, &optimize.name)?;
    if engine.plans_only() {
        return rows(None);
    }
    let began = Instant::now();
    let _turn = engine.maintenance().turn().await;
    subject.table.refresh().await?;
    let chosen = match &optimize.condition {
        None => None,
        Some(condition) => {
            let Some(snapshot) = subject.table.snapshot() else {
                return rows(None);
            };
            let spec = snapshot.spec();
            let columns = spec.partition_columns.iter();
            let fields = columns.map(|name| spec.schema.field_with_name(name).cloned());
            let fields = fields
                .collect::<Result<Vec<Field>, _>>()
                .map_err(|error| Error::internal(error.to_string()))?;
            let files = snapshot.files();
            let partitions: BTreeSet<PartitionValues> = files
                .into_iter()
                .map(|file| file.partition_values)
                .collect();
            Some(choose(
                session,
                condition,
                fields,
                &spec.schema,
                partitions,
            )?)
        }
    };
    let standing = |partition: &PartitionValues| match &chosen {
        Some(chosen) if !chosen.contains(partition) => Standing::LeftAlone,
        _ => Standing::Sealed,
    };
    let compacted = compact(engine, &subject, standing, None).await?;
    subject.table.refresh().await?;
    let now_us = engine.clock().now_us();
    let done = compacted.done();
    let task = MaintenanceTask::Compact;
    engine
        .maintenance()
        .note(&subject.name, task, began.elapsed(), now_us, done);
    rows(Some(compacted))
}

/// The partitions for which the condition holds.
fn choose(
    session: &Session,
    condition: &ast::Expr,
    fields: Vec<Field>,
    table: &Schema,
    partitions: BTreeSet<PartitionValues>,
) -> Result<BTreeSet<PartitionValues>> {
    const HINT: &str = "OPTIMIZE … WHERE chooses partitions: name partition columns alone.";
    if fields.is_empty() {
        return Err(Error::user(
            SqlState::InvalidParameterValue,
            "the table is not partitioned, so there is nothing to choose from",
        )
        .with_hint("Write OPTIMIZE without WHERE."));
    }
    let state = session.context().state();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let planned = DFSchema::try_from(Arc::clone(&schema)).map_err(engine_error)?;
    let condition = dialect::expression(condition)?;
    let expr = sluice_planner::parse_expr(&state, &condition, &planned).map_err(|error| {
        let error = plan_error(error);
        let named = table.fields().iter().any(|field| {
            error.state == SqlState::UndefinedColumn
                && error.message.contains(field.name().as_str())
        });
        match named {
            true => error.with_hint(HINT),
            false => error,
        }
    })?;
    let data_type = expr.get_type(&planned).map_err(engine_error)?;
    if data_type != DataType::Boolean {
        return Err(Error::user(
            SqlState::DatatypeMismatch,
            format!(
                "argument of WHERE must be type boolean, not type {}",
                sql_type(&data_type)
            ),
        ));
    }
    let test = state
        .create_physical_expr(expr, &planned)
        .map_err(engine_error)?;
    let all: Vec<PartitionValues> = partitions.into_iter().collect();
    let columns = schema.fields().iter().map(|field| {
        let texts: StringArray = all
            .iter()
            .map(|values| values.get(field.name())?.as_deref())
            .collect();
        cast(&texts, field.data_type())
    });
    let columns: Vec<ArrayRef> = columns
        .collect::<Result<_, _>>()
        .map_err(|error| Error::internal(format!("a partition's values: {error}")))?;
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns)
        .map_err(|error| Error::internal(error.to_string()))?;
    let held = test
        .evaluate(&rows)
        .and_then(|value| value.into_array(all.len()))
        .map_err(engine_error)?;
    let held = held
        .as_boolean_opt()
        .ok_or_else(|| Error::internal("a condition gave no boolean"))?;
    let held = all
        .into_iter()
        .enumerate()
        .filter(|(row, _)| held.is_valid(*row) && held.value(*row));
    Ok(held.map(|(_, values)| values).collect())
}

/// Columns of the answer.
pub(super) fn schema() -> SchemaRef {
    rows(None).map_or_else(|_| Arc::new(Schema::empty()), |rows| rows.schema())
}

fn rows(compacted: Option<crate::maintenance::Compacted>) -> Result<RecordBatch> {
    let compacted = compacted.unwrap_or_default();
    let count =
        |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![i64::try_from(value).ok()])) };
    let total = compacted.total;
    let version = (compacted.merges > 0).then_some(total.version);
    batch(vec![
        ("version", Arc::new(Int64Array::from(vec![version]))),
        ("partitions", count(compacted.merges as u64)),
        ("files_removed", count(total.files_before as u64)),
        ("files_added", count(total.files_after as u64)),
        ("bytes_removed", count(total.bytes_before.unsigned_abs())),
        ("bytes_added", count(total.bytes_after.unsigned_abs())),
        ("rows", count(total.rows)),
    ])
    .map_err(engine_error)
}
