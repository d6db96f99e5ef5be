//! What a continuous query may not contain, and what to write instead.
//!
//! Everything is looked at before anything is optimised, so that the message speaks of what was written. A query that passes here and
//! fails later, while it runs, is a defect.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::{
    common::tree_node::{TreeNode, TreeNodeRecursion},
    datasource::source_as_provider,
    error::Result as EngineResult,
    logical_expr::{Distinct, Expr, LogicalPlan, Volatility, expr::ScalarFunction},
};

use super::within::over_results;

use crate::{
    StreamDefinition, StreamTable,
    error::{PlanError, PlanErrorKind, Result},
    logical::{WatermarkNode, WindowNode},
};

/// What a plan is made of, counted.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// The streams it scans, once per scan.
    pub(crate) streams: Vec<Arc<StreamDefinition>>,
    /// Scans of anything else.
    pub(crate) tables: Vec<String>,
    /// Window nodes.
    pub(crate) windows: usize,
    /// Watermarks that the query declares.
    pub(crate) watermarks: usize,
    /// Aggregations.
    pub(crate) aggregates: usize,
}

/// The stream that a table scan reads, if it is one.
pub(crate) fn stream_of(plan: &LogicalPlan) -> Option<Arc<StreamDefinition>> {
    let LogicalPlan::TableScan(scan) = plan else {
        return None;
    };
    let provider = source_as_provider(&scan.source).ok()?;
    (provider.as_ref() as &dyn TableProvider)
        .downcast_ref::<StreamTable>()
        .map(|table| Arc::clone(table.definition()))
}

/// Counts what a plan is made of, subqueries included.
pub(crate) fn census(plan: &LogicalPlan) -> Result<Census> {
    let mut census = Census::default();
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) => match stream_of(node) {
                Some(stream) => census.streams.push(stream),
                None => census.tables.push(scan.table_name.to_string()),
            },
            LogicalPlan::Aggregate(_) => census.aggregates += 1,
            LogicalPlan::Extension(extension) => {
                if extension.node.as_any().is::<WindowNode>() {
                    census.windows += 1;
                } else if extension.node.as_any().is::<WatermarkNode>() {
                    census.watermarks += 1;
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(census)
}

/// Whether a plan reads a stream.
pub(crate) fn reads_stream(plan: &LogicalPlan) -> Result<bool> {
    Ok(!census(plan)?.streams.is_empty())
}

/// Refuses SELECT DISTINCT of what is in no window, which would have to be remembered for ever.
pub(crate) fn refuse_distinct(plan: &LogicalPlan) -> Result<()> {
    let counted = census(plan)?;
    let distinct =
        plan.exists(|node| Ok(matches!(node, LogicalPlan::Distinct(Distinct::All(_)))))?;
    if !distinct || counted.windows > 0 {
        return Ok(());
    }
    Err(PlanError::unsupported(
        "SELECT DISTINCT over a stream without a window needs unbounded state",
    )
    .detail("every row would be kept for ever, because the same may always come again")
    .hint("write SELECT DISTINCT window_start, window_end, … FROM TUMBLE(…)"))
}

/// Refuses what cannot run as a continuous query.
pub(crate) fn refuse(plan: &LogicalPlan, census: &Census) -> Result<()> {
    let mut refusal: Option<PlanError> = None;
    plan.apply_with_subqueries(|node| {
        refusal = refuse_node(node)?;
        Ok(match refusal {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    })?;
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    refuse_shape(census)
}

fn refuse_shape(census: &Census) -> Result<()> {
    if census.watermarks > 1 {
        return Err(PlanError::invalid("a query has one WATERMARK, not several")
            .hint("keep the one nearest to the stream"));
    }
    for (index, stream) in census.streams.iter().enumerate() {
        let is_same = |other: &Arc<StreamDefinition>| {
            (&other.schema_name, &other.name) == (&stream.schema_name, &stream.name)
        };
        if census.streams.iter().take(index).any(is_same) {
            return Err(PlanError::unsupported(format!(
                "stream \"{}\" stands twice in one continuous query",
                stream.name
            ))
            .hint("read it once: put the two conditions together with OR, and what differs into CASE; or unnest(make_array(…)) where a row counts twice"));
        }
    }
    let name = census
        .streams
        .first()
        .map_or("stream", |stream| &stream.name);
    let hint = format!(
        "write FROM TUMBLE({name}, event_time_column, INTERVAL '1 minute') GROUP BY window_start, window_end, …"
    );
    match (census.aggregates, census.windows) {
        (1, 0) => Err(PlanError::unsupported(
            "GROUP BY over a stream without a window needs unbounded state",
        )
        .detail("every group would be kept for ever, because a row for it may always still come; tables whose rows are updated as rows come (updating aggregates) are a later feature")
        .hint(hint)),
        _ => Ok(()),
    }
}

fn refuse_node(node: &LogicalPlan) -> EngineResult<Option<PlanError>> {
    let error = match node {
        LogicalPlan::Join(_) => {
            PlanError::unsupported("JOIN in a continuous query is not supported yet")
                .hint("make a table of the stream, and join it to the other when reading")
        }
        LogicalPlan::Union(union) if union.inputs.iter().any(|input| over_results(input)) => {
            PlanError::unsupported("UNION over results of windows is not supported in a continuous query")
                .hint("put the streams together first, FROM TUMBLE((SELECT … FROM a UNION ALL SELECT … FROM b), …); or make a table of each and put them together when reading")
        }
        LogicalPlan::Union(_) => return Ok(None),
        LogicalPlan::Distinct(_) => {
            PlanError::unsupported("DISTINCT ON in a continuous query is not supported")
                .hint("group by the columns, within a window, and take first_value() of the others")
        }
        LogicalPlan::Window(window) if over_results(&window.input) => {
            return refuse_expressions(node);
        }
        LogicalPlan::Window(_) => PlanError::unsupported(
            "OVER in a continuous query looks at the results of a window, not at rows of the stream",
        )
        .detail("the rows of a stream have no end, and no order across partitions")
        .hint("aggregate first: SELECT …, row_number() OVER (PARTITION BY window_start, window_end ORDER BY n DESC) FROM (SELECT … GROUP BY window_start, window_end, …); or apply it when reading the table"),
        LogicalPlan::Sort(_) => PlanError::invalid("ORDER BY has no meaning in a continuous query")
            .detail("its rows are added to a table as windows close, and a table has no order")
            .hint("leave it out, and order when reading the table"),
        LogicalPlan::Limit(_) => PlanError::invalid("LIMIT has no meaning in a continuous query")
            .detail("its rows are added to a table for as long as the stream goes on")
            .hint("leave it out, and limit when reading the table"),
        LogicalPlan::RecursiveQuery(_) => {
            PlanError::unsupported("WITH RECURSIVE in a continuous query is not supported")
                .hint("apply it when reading the table")
        }
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => {
            PlanError::unsupported("FROM of a continuous query names a stream and nothing else, for now")
                .hint("read the stream alone, and add what is constant when reading the table")
        }
        LogicalPlan::TableScan(scan) if stream_of(node).is_none() => {
            PlanError::unsupported(format!(
                "a continuous query that reads table \"{}\" beside its stream is not supported yet",
                scan.table_name.table()
            ))
            .hint("read the stream alone, and put the two together when reading the table")
        }
        LogicalPlan::Aggregate(_)
        | LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::Extension(_) => return refuse_expressions(node),
        other => PlanError::unsupported(format!(
            "{} in a continuous query is not supported",
            other
                .display()
                .to_string()
                .split([':', ' '])
                .next()
                .unwrap_or_default()
        )),
    };
    Ok(Some(error))
}

fn refuse_expressions(node: &LogicalPlan) -> EngineResult<Option<PlanError>> {
    let mut refusal = None;
    node.apply_expressions(|expr| {
        expr.apply(|expr| {
            refusal = refuse_expression(expr);
            Ok(match refusal {
                Some(_) => TreeNodeRecursion::Stop,
                None => TreeNodeRecursion::Continue,
            })
        })
    })?;
    Ok(refusal)
}

fn refuse_expression(expr: &Expr) -> Option<PlanError> {
    match expr {
        Expr::ScalarSubquery(_)
        | Expr::InSubquery(_)
        | Expr::Exists(_)
        | Expr::SetComparison(_) => Some(
            PlanError::unsupported(
                "a subquery in an expression of a continuous query is not supported yet",
            )
            .hint("compare when reading the table"),
        ),
        Expr::Placeholder(placeholder) => Some(
            PlanError::invalid(format!(
                "a continuous query takes no parameters, and {} is one",
                placeholder.id
            ))
            .hint("write the value itself"),
        ),
        Expr::ScalarFunction(ScalarFunction { func, .. }) => {
            let what = match func.signature().volatility {
                Volatility::Immutable => return None,
                Volatility::Stable => "depends on when the statement runs",
                Volatility::Volatile => "gives another value each time",
            };
            Some(
                PlanError::new(
                    PlanErrorKind::Invalid,
                    format!("function {}() cannot be used in a continuous query", func.name()),
                )
                .detail(format!(
                    "it {what}, and a continuous query must give the same rows whenever its input is read again"
                ))
                .hint("use the event time of the row, or window_start and window_end; use the function when reading the table"),
            )
        }
        _ => None,
    }
}
