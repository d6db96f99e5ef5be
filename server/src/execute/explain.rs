//! `EXPLAIN`: the plan of a query, of those that give a statement the rows it writes, or of the continuous query that a CREATE TABLE would
//! start; `query` has that of one that runs.

mod json;
pub(super) mod query;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc, time::Instant};

use arrow::{
    array::{RecordBatch, StringArray},
    compute::concat_batches,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{
    common::ParamValues,
    execution::SendableRecordBatchStream,
    logical_expr::LogicalPlan,
    physical_plan::{
        ExecutionPlan, common, display::DisplayableExecutionPlan, displayable, execute_stream,
        stream::RecordBatchStreamAdapter,
    },
    prelude::SessionContext,
    scalar::ScalarValue,
};
use futures::TryStreamExt;
use sluice_planner::functions::PG_TYPE;
use sluice_sql::{Explain, ExplainFormat, Statement, ast};

use super::{continuous_plan, engine_error, row_error};
use crate::{
    catalog::QualifiedName,
    dialect::without_marks,
    engine::Admission,
    error::{Error, Result, SqlState},
    session::Session,
    table::external,
};

/// One column, as PostgreSQL has it.
pub(super) fn schema(format: ExplainFormat) -> SchemaRef {
    let plan = Field::new("QUERY PLAN", DataType::Utf8, false);
    let plan = match format {
        ExplainFormat::Text => plan,
        ExplainFormat::Json => {
            plan.with_metadata(HashMap::from([(PG_TYPE.to_owned(), "json".to_owned())]))
        }
    };
    Arc::new(Schema::new(vec![plan]))
}

pub(super) async fn run(session: &Session, explain: &Explain) -> Result<RecordBatch> {
    let text = match explain.statement.as_ref() {
        Statement::CreateTable(create) => {
            let name = QualifiedName::from_sql(&create.name)?;
            match (
                continuous_plan(&session.continuous_context(), &name, create).await?,
                &create.query,
            ) {
                (Some(_), _) if explain.analyze => return Err(cannot_analyze()),
                (Some(plan), _) => continuous(explain, plan.explain()),
                (None, Some(query)) => {
                    let query = ast::Statement::Query(query.clone());
                    return query_plan(session, explain, query).await;
                }
                (None, None) => return Err(nothing_to_explain()),
            }
        }
        Statement::Sql(statement) => match Box::pin(session.write_plan(statement)).await? {
            Some(_) if explain.analyze => return Err(would_write()),
            Some(write) => {
                let told = Some((write.operation, write.relation.to_string()));
                return shown(session, explain, write.plans, told, Instant::now()).await;
            }
            None if matches!(statement.as_ref(), ast::Statement::Query(_)) => {
                return query_plan(session, explain, (**statement).clone()).await;
            }
            None => return Err(nothing_to_explain()),
        },
        _ => return Err(nothing_to_explain()),
    };
    lines(explain.format, &text)
}

/// The same of a query with these types and values of its parameters.
pub(super) async fn with(
    session: &Session,
    explain: &Explain,
    (types, values): (&[Option<DataType>], Vec<ScalarValue>),
) -> Result<RecordBatch> {
    let begun = Instant::now();
    let Statement::Sql(query) = explain.statement.as_ref() else {
        return Err(nothing_to_explain());
    };
    let (plan, _) = session.typed_query(query, types).await?;
    let values: Vec<_> = values.into_iter().map(Into::into).collect();
    let plan = plan
        .with_param_values(ParamValues::List(values))
        .map_err(engine_error)?;
    shown(session, explain, vec![plan], None, begun).await
}

/// A row for each line of a text, one for a document.
fn lines(format: ExplainFormat, text: &str) -> Result<RecordBatch> {
    let lines: Vec<&str> = match format {
        ExplainFormat::Text => text.lines().collect(),
        ExplainFormat::Json => vec![text],
    };
    let lines = StringArray::from(lines);
    RecordBatch::try_new(schema(format), vec![Arc::new(lines)])
        .map_err(|error| Error::internal(error.to_string()))
}

/// Planned, and for ANALYZE run, by the threads of ad-hoc queries: it may take as long as the query itself.
async fn query_plan(
    session: &Session,
    explain: &Explain,
    statement: ast::Statement,
) -> Result<RecordBatch> {
    let begun = Instant::now();
    let context = session.context();
    let statement = session.as_planned(statement);
    let plan = sluice_planner::bound_plan(&context.state(), &statement)
        .await
        .map_err(engine_error)?;
    shown(session, explain, vec![plan], None, begun).await
}

/// The plans, under a line that says what they are for where their rows are written; a query has one.
async fn shown(
    session: &Session,
    explain: &Explain,
    plans: Vec<LogicalPlan>,
    write: Option<(&'static str, String)>,
    begun: Instant,
) -> Result<RecordBatch> {
    let context = session.context();
    let (format, analyze, verbose) = (explain.format, explain.analyze, explain.verbose);
    let start = async move {
        let state = context.state();
        let mut made = Vec::with_capacity(plans.len());
        for plan in &plans {
            let optimized = state.optimize(plan)?;
            let physical = state.create_physical_plan(&optimized).await?;
            made.push((optimized, physical));
        }
        let planning = begun.elapsed();
        let begun = Instant::now();
        if analyze {
            for (_, physical) in &made {
                let ran = run_through(physical, &context).await;
                ran.map_err(|error| external(row_error(&error)))?;
            }
        }
        let took = analyze.then(|| begun.elapsed());
        let text = match format {
            ExplainFormat::Json => {
                let plans: Vec<_> = made.iter().map(|(_, physical)| physical.as_ref()).collect();
                json::document(&plans, write.as_ref(), planning, took)
            }
            ExplainFormat::Text => {
                let texts = made.iter().map(|(optimized, physical)| match analyze {
                    true => {
                        let shown = DisplayableExecutionPlan::with_metrics(physical.as_ref());
                        shown.indent(verbose).to_string()
                    }
                    false => format!(
                        "{}\n\n{}",
                        optimized.display_indent(),
                        displayable(physical.as_ref()).indent(verbose)
                    ),
                });
                let text = texts.collect::<Vec<_>>().join("\n\n");
                match &write {
                    None => text,
                    Some((operation, relation)) => {
                        let lines = text.lines().map(|line| match line {
                            "" => "\n".to_owned(),
                            line => format!("\n  {line}"),
                        });
                        format!("{operation} on {relation}{}", lines.collect::<String>())
                    }
                }
            }
        };
        let rows = lines(format, &without_paths(&without_marks(&text))).map_err(external)?;
        let schema = rows.schema();
        let rows = futures::stream::iter([Ok(rows)]);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)) as SendableRecordBatchStream)
    };
    let admission = Admission::InTurn(session.activity());
    let rows = session.engine().ad_hoc().run_with(admission, start).await;
    let rows = common::collect(rows.map_err(engine_error)?);
    let rows = rows.await.map_err(engine_error)?;
    concat_batches(&schema(format), &rows).map_err(|error| Error::internal(error.to_string()))
}

/// The text of a plan without the names of files: where they lie is nobody's business who asks, of a view's tables least of all.
fn without_paths(text: &str) -> String {
    const FILES: &str = "file_groups={";
    let mut pieces = text.split(FILES);
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        shown.push_str(FILES);
        // `2 groups: [[a, b], [c]]}`
        let files = piece.split_once(": [");
        let after = files.and_then(|(groups, rest)| Some((groups, rest.split_once("]}")?.1)));
        match after {
            Some((groups, after)) => {
                shown.push_str(groups);
                shown.push('}');
                shown.push_str(after);
            }
            None => shown.push_str(piece),
        }
    }
    shown
}

/// Runs a plan whose rows nobody wants.
async fn run_through(
    plan: &Arc<dyn ExecutionPlan>,
    context: &SessionContext,
) -> datafusion::error::Result<()> {
    let mut rows = execute_stream(Arc::clone(plan), context.task_ctx())?;
    while rows.try_next().await?.is_some() {}
    Ok(())
}

/// The text of a continuous query's plan in the form that was asked for.
fn continuous(explain: &Explain, text: String) -> String {
    match explain.format {
        ExplainFormat::Text => text,
        ExplainFormat::Json => json::continuous(&text),
    }
}

fn cannot_analyze() -> Error {
    Error::user(
        SqlState::FeatureNotSupported,
        "EXPLAIN ANALYZE would start a continuous query",
    )
    .with_hint("Leave ANALYZE out. EXPLAIN ANALYZE QUERY name tells what one that runs has taken.")
}

fn would_write() -> Error {
    Error::user(
        SqlState::FeatureNotSupported,
        "EXPLAIN ANALYZE of a statement that writes is not supported",
    )
    .with_hint("It would write the rows, and a ROLLBACK would not take them back. Leave ANALYZE out, or explain the query that gives the rows.")
}

fn nothing_to_explain() -> Error {
    Error::user(
        SqlState::FeatureNotSupported,
        "this statement has no plan to explain",
    )
    .with_hint(
        "EXPLAIN takes a query, INSERT, UPDATE, DELETE, MERGE, CREATE TABLE … AS a query, or QUERY and the name of one that runs.",
    )
}
