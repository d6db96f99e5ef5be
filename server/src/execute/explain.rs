//! `EXPLAIN`: the plan of a query, or of the continuous query that a CREATE TABLE would start; `query` has that of one that runs.

mod json;
pub(super) mod query;

use std::{collections::HashMap, sync::Arc, time::Instant};

use arrow::{
    array::{RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::physical_plan::{collect, display::DisplayableExecutionPlan, displayable};
use sluice_planner::functions::PG_TYPE;
use sluice_sql::{Explain, ExplainFormat, Statement, ast};

use super::{continuous_plan, engine_error};
use crate::{
    catalog::QualifiedName,
    error::{Error, Result, SqlState},
    session::Session,
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
                    query_plan(session, explain, ast::Statement::Query(query.clone())).await?
                }
                (None, None) => return Err(nothing_to_explain()),
            }
        }
        Statement::Sql(statement) if !matches!(statement.as_ref(), ast::Statement::Query(_)) => {
            return Err(nothing_to_explain());
        }
        Statement::Sql(statement) => query_plan(session, explain, (**statement).clone()).await?,
        _ => return Err(nothing_to_explain()),
    };
    lines(explain.format, &text)
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

async fn query_plan(
    session: &Session,
    explain: &Explain,
    statement: ast::Statement,
) -> Result<String> {
    let context = session.context();
    let state = context.state();
    let statement = session.as_planned(statement);
    let begun = Instant::now();
    let plan = sluice_planner::bound_plan(&state, &statement)
        .await
        .map_err(engine_error)?;
    let optimized = state.optimize(&plan).map_err(engine_error)?;
    let physical = state
        .create_physical_plan(&optimized)
        .await
        .map_err(engine_error)?;
    let planning = begun.elapsed();
    if explain.format == ExplainFormat::Json {
        let begun = Instant::now();
        if explain.analyze {
            collect(Arc::clone(&physical), context.task_ctx())
                .await
                .map_err(engine_error)?;
        }
        let took = explain.analyze.then(|| begun.elapsed());
        return Ok(json::document(physical.as_ref(), planning, took));
    }
    if explain.analyze {
        collect(Arc::clone(&physical), context.task_ctx())
            .await
            .map_err(engine_error)?;
        let shown = DisplayableExecutionPlan::with_metrics(physical.as_ref());
        return Ok(shown.indent(explain.verbose).to_string());
    }
    let shown = displayable(physical.as_ref());
    Ok(format!(
        "{}\n\n{}",
        optimized.display_indent(),
        shown.indent(explain.verbose)
    ))
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

fn nothing_to_explain() -> Error {
    Error::user(
        SqlState::FeatureNotSupported,
        "this statement has no plan to explain",
    )
    .with_hint(
        "EXPLAIN takes a query, CREATE TABLE … AS a query, or QUERY and the name of one that runs.",
    )
}
