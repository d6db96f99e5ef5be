//! Puts a stream's declared watermark into the plan, right above its scan.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::tree_node::{Transformed, TreeNode},
    execution::SessionState,
    logical_expr::{Expr, ExprSchemable, Extension, LogicalPlan},
};
use sluice_sql::ast::Ident;

use super::refuse::stream_of;
use crate::{
    StreamDefinition, WatermarkDefinition,
    binding::parse_expr,
    error::{PlanError, PlanErrorKind, Result},
    logical::WatermarkNode,
};

/// The plan with the declared watermark of its stream.
pub(crate) fn declare_watermark(state: &SessionState, plan: LogicalPlan) -> Result<LogicalPlan> {
    let declared = plan.transform_up_with_subqueries(|node| {
        let Some(stream) = stream_of(&node) else {
            return Ok(Transformed::no(node));
        };
        let definition = stream
            .watermark
            .as_ref()
            .ok_or_else(|| no_watermark(&stream).into_engine())?;
        watermark_over(state, node, &stream, definition)
            .map(Transformed::yes)
            .map_err(PlanError::into_engine)
    })?;
    Ok(declared.data)
}

fn no_watermark(stream: &StreamDefinition) -> PlanError {
    let time = stream
        .columns
        .fields()
        .iter()
        .take(stream.declared)
        .find(|field| matches!(field.data_type(), DataType::Timestamp(_, _)))
        .map_or("ts", |field| field.name().as_str());
    PlanError::invalid(format!(
        "stream \"{}\" has no watermark, so no window over it could ever close",
        stream.name
    ))
    .hint(format!(
        "add WATERMARK FOR \"{time}\" AS \"{time}\" - INTERVAL '10 seconds' to CREATE STREAM"
    ))
}

fn watermark_over(
    state: &SessionState,
    scan: LogicalPlan,
    stream: &StreamDefinition,
    definition: &WatermarkDefinition,
) -> Result<LogicalPlan> {
    let time = parse_expr(
        state,
        &sluice_sql::ast::Expr::Identifier(definition.column.clone()),
        scan.schema(),
    )
    .map_err(|error| in_stream(error, stream))?;
    let watermark = parse_expr(state, &definition.expr, scan.schema())
        .map_err(|error| in_stream(error, stream))?;
    for expr in [&time, &watermark] {
        let data_type = expr.get_type(scan.schema())?;
        if !matches!(data_type, DataType::Timestamp(_, _)) {
            return Err(PlanError::new(
                PlanErrorKind::DatatypeMismatch,
                format!(
                    "the watermark of stream \"{}\" is of type {data_type}, not a timestamp",
                    stream.name
                ),
            )
            .detail(expr.to_string()));
        }
    }
    Ok(LogicalPlan::Extension(Extension {
        node: Arc::new(WatermarkNode {
            input: scan,
            time,
            watermark,
        }),
    }))
}

fn in_stream(error: PlanError, stream: &StreamDefinition) -> PlanError {
    PlanError {
        message: format!("watermark of stream \"{}\": {}", stream.name, error.message),
        ..error
    }
}

/// The event-time column of a stream as its watermark names it, folded as identifiers are.
pub(crate) fn event_time_name(column: &Ident) -> String {
    match column.quote_style {
        Some(_) => column.value.clone(),
        None => column.value.to_lowercase(),
    }
}

/// The event-time column of a plan's watermark, for messages.
pub(crate) fn watermarked_column(plan: &LogicalPlan) -> Option<String> {
    let mut name = None;
    let found = plan.apply(|node| {
        if let LogicalPlan::Extension(Extension { node }) = node
            && let Some(watermark) = node.as_any().downcast_ref::<WatermarkNode>()
            && let Expr::Column(column) = &watermark.time
        {
            name = Some(column.name.clone());
            return Ok(datafusion::common::tree_node::TreeNodeRecursion::Stop);
        }
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    });
    found.ok().and(name)
}
