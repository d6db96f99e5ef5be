//! Relations of our own in FROM: window table functions, query-level watermarks, and streams without their metadata columns.
//!
//! The engine plans a table function from scalar arguments alone; these take a relation. It arrives as a subquery in the first argument
//! (`TUMBLE((SELECT * FROM events), ts, INTERVAL '1 minute')`, the canonical form), so that the engine's own search for table names has
//! seen and loaded it.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    catalog::TableProvider,
    common::ScalarValue,
    datasource::source_as_provider,
    error::Result,
    logical_expr::{
        Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder,
        planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
    },
};
use sluice_sql::ast::{
    self, FunctionArg, FunctionArgExpr, ObjectNamePart, TableAlias, TableFactor,
};

use super::WatermarkNode;
use crate::{binding::StreamTable, error::PlanError, streaming::is_event_time};

mod windows;

/// Plans `TUMBLE(…)` and its like, `WATERMARK(…)` and marked references to streams.
#[derive(Debug)]
pub struct WindowRelations;

impl RelationPlanner for WindowRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let mut relation = relation;
        if let Some(shown) = crate::binding::take_mark(&mut relation) {
            return plan_table(relation, &shown, context);
        }
        let TableFactor::Table {
            name,
            alias,
            args: Some(args),
            ..
        } = &relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let [ObjectNamePart::Identifier(name)] = name.0.as_slice() else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let plan = match name.value.to_lowercase().as_str() {
            "tumble" => windows::plan(&windows::TUMBLE, &args.args, context)?,
            "hop" => windows::plan(&windows::HOP, &args.args, context)?,
            "cumulate" => windows::plan(&windows::CUMULATE, &args.args, context)?,
            "watermark" => plan_watermark(&args.args, context)?,
            "session" => windows::plan(&windows::SESSION, &args.args, context)?,
            _ => return Ok(RelationPlanning::Original(Box::new(relation))),
        };
        let alias = alias.clone();
        Ok(planned(plan, alias))
    }
}

fn planned(plan: LogicalPlan, alias: Option<TableAlias>) -> RelationPlanning {
    RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias)))
}

/// A plain table: when it is a stream, its declared columns and the metadata columns that the statement names.
fn plan_table(
    mut relation: TableFactor,
    shown: &[ast::Ident],
    context: &mut dyn RelationPlannerContext,
) -> Result<RelationPlanning> {
    let alias = match &mut relation {
        TableFactor::Table { alias, .. } => alias.take(),
        _ => None,
    };
    let shown: Vec<String> = shown
        .iter()
        .map(|ident| context.normalize_ident(ident.clone()))
        .collect();
    let plan = context.plan(relation)?;
    let LogicalPlan::TableScan(scan) = &plan else {
        return Ok(planned(plan, alias));
    };
    let Ok(provider) = source_as_provider(&scan.source) else {
        return Ok(planned(plan, alias));
    };
    let Some(stream) = (provider.as_ref() as &dyn TableProvider).downcast_ref::<StreamTable>()
    else {
        return Ok(planned(plan, alias));
    };
    let declared = stream.definition().declared;
    let exprs: Vec<Expr> = plan
        .schema()
        .columns()
        .into_iter()
        .enumerate()
        .filter(|(index, column)| *index < declared || shown.contains(&column.name))
        .map(|(_, column)| Expr::Column(column))
        .collect();
    let plan = LogicalPlanBuilder::from(plan).project(exprs)?.build()?;
    Ok(planned(plan, alias))
}

fn plan_watermark(
    args: &[FunctionArg],
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    const USAGE: &str = "write WATERMARK(relation, time column, INTERVAL 'delay')";
    let args = positional("WATERMARK", USAGE, args)?;
    let [relation, time, delay] = args.as_slice() else {
        return Err(PlanError::invalid(format!(
            "WATERMARK takes three arguments, not {}",
            args.len()
        ))
        .hint(USAGE)
        .into_engine());
    };
    let input = plan_argument("WATERMARK", USAGE, relation.clone(), context)?;
    let time = time_column("WATERMARK", time.clone(), &input, context)?;
    let delay_us = fixed_interval("the delay of WATERMARK", delay.clone(), context)?;
    if delay_us < 0 {
        return Err(
            PlanError::invalid("the delay of WATERMARK must not be negative").into_engine(),
        );
    }
    let delay = Expr::Literal(
        ScalarValue::new_interval_mdn(0, 0, delay_us.saturating_mul(1_000)),
        None,
    );
    Ok(LogicalPlan::Extension(Extension {
        node: Arc::new(WatermarkNode {
            input,
            watermark: time.clone() - delay,
            time,
        }),
    }))
}

fn positional(function: &str, usage: &str, args: &[FunctionArg]) -> Result<Vec<ast::Expr>> {
    args.iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
            other => Err(PlanError::invalid(format!(
                "{function} does not take the argument {other}"
            ))
            .hint(usage)
            .into_engine()),
        })
        .collect()
}

fn plan_argument(
    function: &str,
    usage: &str,
    relation: ast::Expr,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let ast::Expr::Subquery(subquery) = relation else {
        return Err(PlanError::invalid(format!(
            "the first argument of {function} is a relation, not {relation}"
        ))
        .hint(usage)
        .into_engine());
    };
    context.plan(TableFactor::Derived {
        lateral: false,
        subquery,
        alias: None,
        sample: None,
    })
}

fn time_column(
    function: &str,
    time: ast::Expr,
    input: &LogicalPlan,
    context: &mut dyn RelationPlannerContext,
) -> Result<Expr> {
    let expr = match event_time(function, &time, input) {
        Some(found) => found?,
        None => context.sql_to_expr(time, input.schema())?,
    };
    let Expr::Column(column) = &expr else {
        return Err(
            PlanError::invalid(format!("the time of {function} is a column, not {expr}"))
                .hint("compute it in a subquery: (SELECT …, expression AS event_time FROM …)")
                .into_engine(),
        );
    };
    match expr.get_type(input.schema())? {
        DataType::Timestamp(TimeUnit::Microsecond, _) => Ok(expr),
        DataType::Timestamp(_, zone) => {
            let to = DataType::Timestamp(TimeUnit::Microsecond, zone);
            expr.cast_to(&to, input.schema())
        }
        other => Err(PlanError::new(
            crate::PlanErrorKind::DatatypeMismatch,
            format!(
                "the time column \"{}\" of {function} is of type {other}, not a timestamp",
                column.name
            ),
        )
        .hint(format!(
            "convert it in a subquery: (SELECT …, CAST({} AS TIMESTAMPTZ) AS event_time FROM …)",
            column.name
        ))
        .into_engine()),
    }
}

/// `ROWTIME`, where the relation has no column of that name: the column that its streams' watermarks are of.
fn event_time(function: &str, time: &ast::Expr, input: &LogicalPlan) -> Option<Result<Expr>> {
    const ROWTIME: &str = "rowtime";
    let named = matches!(time, ast::Expr::Identifier(name)
        if name.quote_style.is_none() && name.value.eq_ignore_ascii_case(ROWTIME));
    let columns = input.schema().columns();
    if !named || columns.iter().any(|column| column.name == ROWTIME) {
        return None;
    }
    let mut times = columns
        .into_iter()
        .filter(|column| is_event_time(input, column));
    Some(match (times.next(), times.next()) {
        (Some(time), None) => Ok(Expr::Column(time)),
        _ => Err(PlanError::invalid(format!(
            "{function} over a relation whose event time is not known"
        ))
        .detail("ROWTIME stands for the one column that the stream's watermark is of")
        .hint("name the time: TUMBLE(relation, ts, INTERVAL '1 minute')")
        .into_engine()),
    })
}

/// Microseconds of an interval that always has the same length.
fn fixed_interval(
    what: &str,
    expr: ast::Expr,
    context: &mut dyn RelationPlannerContext,
) -> Result<i64> {
    let text = expr.to_string();
    let planned = context.sql_to_expr(expr, &datafusion::common::DFSchema::empty())?;
    interval_us(&planned).ok_or_else(|| {
        PlanError::invalid(format!("{what} is an interval of fixed length, not {text}"))
            .hint("such as INTERVAL '1 minute'; months and years, whose length varies, are for the size of TUMBLE alone")
            .into_engine()
    })
}

/// Microseconds of a literal interval of fixed length; a day is 24 hours, as it always is in UTC.
pub(crate) fn interval_us(expr: &Expr) -> Option<i64> {
    const DAY_US: i64 = 86_400_000_000;
    let (months, days, nanos) = interval_parts(expr)?;
    if months != 0 || nanos % 1_000 != 0 {
        return None;
    }
    i64::from(days)
        .checked_mul(DAY_US)?
        .checked_add(nanos / 1_000)
}

/// Months, days and nanoseconds of a literal interval.
fn interval_parts(expr: &Expr) -> Option<(i32, i32, i64)> {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) => {
            Some((interval.months, interval.days, interval.nanoseconds))
        }
        Expr::Literal(ScalarValue::IntervalYearMonth(Some(months)), _) => Some((*months, 0, 0)),
        Expr::Literal(ScalarValue::IntervalDayTime(Some(interval)), _) => Some((
            0,
            interval.days,
            i64::from(interval.milliseconds).checked_mul(1_000_000)?,
        )),
        Expr::Negative(inner) => {
            let (months, days, nanos) = interval_parts(inner)?;
            Some((
                months.checked_neg()?,
                days.checked_neg()?,
                nanos.checked_neg()?,
            ))
        }
        _ => None,
    }
}
