//! The session that queries are planned in: one set of types, functions and relations for ad-hoc and continuous queries alike.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::{
    catalog::CatalogProviderList,
    config::Dialect,
    execution::{
        FunctionRegistry, SessionState, SessionStateBuilder, context::SessionConfig,
        runtime_env::RuntimeEnv,
    },
    logical_expr::{Expr, LogicalPlan},
    optimizer::{Analyzer, AnalyzerRule, Optimizer},
};
use sluice_sql::ast::{self, Statement};
use sqlparser::ast::ExprWithAlias;

use super::{
    in_order::ConditionsInOrder, metadata::expose_metadata, names, ordered_lists::OrderedLists,
    size, time_travel::name_versions, types::SqlTypes, unions, whole_rows, yielding::JoinsYield,
};
use crate::{
    error::{PlanError, Result},
    logical::{LowerWindows, WindowRelations},
};

/// The settings that every session starts from: Postgres' dialect, UTC, plain strings instead of views.
pub fn session_config() -> SessionConfig {
    let mut config = SessionConfig::new().with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.map_string_types_to_utf8view = false;
    // VARCHAR(20) is common in pasted definitions; the length is not enforced.
    options.sql_parser.support_varchar_with_length = true;
    options.execution.time_zone = Some("UTC".to_owned());
    options.execution.parquet.schema_force_view_types = false;
    config
}

/// A session over `config` (start from [`session_config`]) that knows our types, functions, window table functions and streams.
pub fn new_session_state(
    config: SessionConfig,
    runtime: Arc<RuntimeEnv>,
    catalogs: Option<Arc<dyn CatalogProviderList>>,
) -> Result<SessionState> {
    // Windows become stock expressions before anything else looks at the plan.
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> =
        vec![Arc::new(LowerWindows), Arc::new(OrderedLists)];
    rules.extend(Analyzer::new().rules);
    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_analyzer_rules(rules)
        .with_optimizer_rules(crate::functions::sparing(Optimizer::new().rules))
        .with_physical_optimizer_rule(Arc::new(JoinsYield))
        .with_physical_optimizer_rule(Arc::new(ConditionsInOrder))
        .with_type_planner(Arc::new(SqlTypes));
    if let Some(catalogs) = catalogs {
        builder = builder.with_catalog_list(catalogs);
    }
    let mut state = builder.build();
    state.register_relation_planner(Arc::new(WindowRelations))?;
    for name in crate::functions::OF_ORDER {
        state.deregister_udaf(name)?;
    }
    crate::functions::register_all(&mut state)?;
    Ok(state)
}

/// The logical plan of a statement, in which metadata columns of streams are visible where the statement names them.
///
/// Every statement is planned through here, views and continuous queries included.
pub async fn logical_plan(state: &SessionState, statement: &Statement) -> Result<LogicalPlan> {
    Ok(bound_plan(state, statement).await?)
}

/// The same with the engine's error, in which one of the catalog's comes through as it is.
pub async fn bound_plan(
    state: &SessionState,
    statement: &Statement,
) -> datafusion::error::Result<LogicalPlan> {
    let mut statement = statement.clone();
    name_versions(state, &mut statement).map_err(PlanError::into_engine)?;
    whole_rows::expand(state, &mut statement).await?;
    expose_metadata(&mut statement);
    names::check(state, &statement).await?;
    let statement = datafusion::sql::parser::Statement::Statement(Box::new(statement));
    let plan = state.statement_to_plan(statement).await?;
    size::check(&plan)?;
    unions::settled(plan)
}

/// An expression over a schema: no relation, no subquery.
pub fn parse_expr(state: &SessionState, expr: &ast::Expr, schema: &DFSchema) -> Result<Expr> {
    let expr = ExprWithAlias {
        expr: expr.clone(),
        alias: None,
    };
    Ok(state.create_logical_expr_from_sql_expr(expr, schema)?)
}
