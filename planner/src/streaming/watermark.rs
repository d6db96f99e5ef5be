//! Puts a stream's declared watermark into the plan, right above its scan.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        DFSchema,
        tree_node::{Transformed, TreeNode},
    },
    execution::SessionState,
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable, Extension, LogicalPlan, Operator, Volatility,
        expr::ScalarFunction,
    },
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

/// Refuses a watermark that does not follow its column: later rows would turn time back.
pub fn check_watermark(
    state: &SessionState,
    definition: &WatermarkDefinition,
    columns: &DFSchema,
) -> Result<()> {
    let example = format!(
        "write WATERMARK FOR {0} AS {0} - INTERVAL '10 seconds'",
        definition.column
    );
    let watermark =
        parse_expr(state, &definition.expr, columns).map_err(|error| match error.hint {
            Some(_) => error,
            None => error.hint(example.clone()),
        })?;
    let column = event_time_name(&definition.column);
    if follows(&watermark, &column) {
        return Ok(());
    }
    Err(
        PlanError::invalid(format!("WATERMARK FOR {} does not rise with the column: {}", definition.column, definition.expr))
            .detail("a watermark says that what comes from now on is later; it is the column less a constant, or the column rounded down")
            .hint(example),
    )
}

/// Whether an expression never falls while a column rises, and depends on nothing else.
fn follows(expr: &Expr, column: &str) -> bool {
    let constant = |expr: &Expr| expr.column_refs().is_empty() && !is_volatile(expr);
    let either = |left: &Expr, right: &Expr| follows(left, column) && constant(right);
    match expr {
        Expr::Column(found) => found.name == column,
        Expr::Alias(alias) => follows(&alias.expr, column),
        Expr::Cast(cast) => follows(&cast.expr, column),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Minus => either(left, right),
            Operator::Plus => either(left, right) || either(right, left),
            _ => false,
        },
        Expr::ScalarFunction(ScalarFunction { func, args }) => match (func.name(), args.as_slice())
        {
            ("date_trunc" | "date_bin", [unit, time, rest @ ..]) => {
                either(time, unit) && rest.iter().all(constant)
            }
            ("least" | "greatest", args) => {
                args.iter().any(|arg| follows(arg, column))
                    && args.iter().all(|arg| follows(arg, column) || constant(arg))
            }
            _ => false,
        },
        _ => false,
    }
}

fn is_volatile(expr: &Expr) -> bool {
    let found = expr.exists(|expr| {
        Ok(
            matches!(expr, Expr::ScalarFunction(ScalarFunction { func, .. })
            if func.signature().volatility != Volatility::Immutable),
        )
    });
    !matches!(found, Ok(false))
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
