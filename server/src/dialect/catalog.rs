//! `pg_catalog`: what clients ask before their users ask anything.
//!
//! `datafusion-pg-catalog` has the relations, `datafusion-pg-functions` some functions, and here is what the two lack. Hard here: drivers
//! and tools send fixed queries, written against PostgreSQL's catalog and grammar, and give up at the first error. So what cannot be
//! planned is answered by no rows of the right columns ([`empty_answer`]), and a query of the user's own never is.

mod answer;
mod builtin;
mod casts;
mod functions;
mod information;
mod labels;
mod lateral;
mod names;
mod oids;
mod relations;
mod rows;
mod rules;
mod shapes;
mod signatures;

use std::sync::{Arc, OnceLock};

use arrow::datatypes::{Field, FieldRef};
use datafusion::{
    catalog::CatalogProviderList,
    common::Result as EngineResult,
    execution::{SessionState, SessionStateBuilder},
    logical_expr::{ScalarUDF, Volatility, planner::TypePlanner},
    prelude::SessionContext,
};
use datafusion_pg_catalog::pg_catalog::{
    self as upstream, PgCatalogStaticTables, array_bounds_udf, generate_series_arg_coercion,
    oid_type_planner, quote_ident_udf,
};
use sluice_planner::SqlTypes;
use sluice_sql::ast;

pub use answer::empty_answer;
pub(crate) use builtin::{array_oid, format_type, type_oid};
pub(super) use functions::{
    ANY, AT_TIME_ZONE, RECORD, interval_times, jsonb_concat, jsonb_key, jsonb_without,
};
pub(crate) use functions::{check_json, jsonb};
pub(crate) use labels::{ambiguous, shown as shown_label, without_marks};
pub use labels::{shown_rows, shown_schema as shown};
pub(crate) use names::shown_by_default as shown_oid;
pub(super) use rules::{is_correlated, plain_select, wrap};

use super::{check, mode, operators, single, spelling};
use crate::{
    access::{Actor, OWNER},
    catalog::{Catalog, Object, QualifiedName},
    doors::pg::pg_type,
    engine::Engine,
    error::{Error, Result, SqlState},
    session::{Opened, search_path},
};

/// Looks a run-time parameter up by name.
pub type Setting = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;
/// Looks up the query of a view, by schema and name.
pub type Definition = Box<dyn Fn(&str, &str) -> Option<String> + Send + Sync>;
/// Looks up how many bytes a relation takes, by schema and name.
pub type Size = Box<dyn Fn(&str, &str) -> Option<i64> + Send + Sync>;
/// Keeps a warning for the client.
pub type Warn = Box<dyn Fn(Error) + Send + Sync>;

/// What `pg_catalog`'s functions may know of the session they run in: set it as an extension of the context's configuration before
/// [`install`]. Without it they answer for user `sluice` and default settings.
pub struct Facts {
    /// Who is on the other end.
    pub user: String,
    /// What knows of roles, and whose rights hold.
    pub access: Option<(Arc<Engine>, Arc<Actor>)>,
    /// A run-time parameter's value, as SHOW gives it.
    pub setting: Setting,
    /// A view's query.
    pub definition: Definition,
    /// A relation's size in bytes.
    pub size: Size,
    /// The session's number.
    pub pid: Option<i32>,
    /// Tells the client something beside the answer.
    pub warn: Warn,
    /// What the session's door keeps open by name.
    pub opened: Arc<Opened>,
    /// Whether all of it stays as it is, at every start: it is a definition's.
    pub settled: bool,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("user", &self.user).finish()
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            user: OWNER.into(),
            access: None,
            setting: Box::new(|_| None),
            definition: Box::new(|_, _| None),
            size: Box::new(|_, _| None),
            pid: None,
            warn: Box::new(|_| {}),
            opened: Arc::default(),
            settled: false,
        }
    }
}

impl Facts {
    /// What there is and whose it is, at this moment; where no engine is known, what there is from the start.
    fn catalog(&self) -> Arc<Catalog> {
        match &self.access {
            Some((engine, _)) => engine.catalog(),
            None => Arc::new(Catalog::new()),
        }
    }

    /// Of a function of its arguments and of the session's time zone.
    fn volatility(&self) -> Volatility {
        match self.settled {
            true => Volatility::Immutable,
            false => Volatility::Stable,
        }
    }

    /// The role whose rights hold.
    fn role(&self) -> String {
        match &self.access {
            Some((_, actor)) => actor.current(),
            None => self.user.clone(),
        }
    }

    /// The object of this name, where the role may read it.
    fn object(&self, schema: &str, name: &str) -> Option<Arc<Object>> {
        let catalog = self.catalog();
        let object = catalog.get(&QualifiedName::new(schema, name))?;
        let listed = catalog.lists(&self.role(), object);
        listed.then(|| Arc::clone(object))
    }

    /// The schemas of the session's search path that are there and may be used.
    fn schemas(&self) -> Vec<String> {
        let path = (self.setting)("search_path");
        let path = path.as_deref().unwrap_or("\"$user\", public");
        let role = self.role();
        search_path::usable(search_path::named(path, &role), &self.catalog(), &role)
    }
}

/// The one database.
const DATABASE: &str = "sluice";

/// Adds `pg_catalog` and PostgreSQL's functions to a context whose default catalog is the database.
pub fn install(context: &SessionContext) -> Result<()> {
    let state = context.state();
    let facts = state.config().get_extension::<Facts>().unwrap_or_default();
    install_relations(state.catalog_list(), &facts)?;
    install_functions(context)
}

/// Adds PostgreSQL's relations to the database of these catalogs.
pub fn install_relations(
    catalogs: &Arc<dyn CatalogProviderList>,
    facts: &Arc<Facts>,
) -> Result<()> {
    static_tables()?;
    let trouble = |error: datafusion::error::DataFusionError| Error::internal(error.to_string());
    let listed = relations::Listed::new(catalogs, facts);
    let catalog = catalogs
        .catalog(DATABASE)
        .ok_or_else(|| Error::internal("there is no catalog to add pg_catalog to"))?;
    let pg_catalog = relations::PgCatalog {
        listed: listed.clone(),
        facts: Arc::clone(facts),
    };
    catalog
        .register_schema(relations::NAME, Arc::new(pg_catalog))
        .map_err(trouble)?;
    let information = information::Information(listed);
    catalog
        .register_schema(information::NAME, Arc::new(information))
        .map(drop)
        .map_err(trouble)
}

/// Adds PostgreSQL's functions to a context, for the session of the context's [`Facts`].
pub fn install_functions(context: &SessionContext) -> Result<()> {
    let tables = static_tables()?;
    let facts = context.state().config().get_extension::<Facts>();
    let facts = facts.unwrap_or_default();
    let listed = relations::Listed::new(context.state().catalog_list(), &facts);
    let mut state = SessionStateBuilder::new_from_existing(context.state())
        .with_type_planner(Arc::new(oid_type_planner::PgOidTypePlanner))
        .with_expr_planners(operators::before(context.state().expr_planners()))
        .build();
    // Switched on, the engine's own would go before ours.
    state.config_mut().options_mut().catalog.information_schema = false;
    *context.state_ref().write() = state;
    context.register_udtf("pg_get_keywords", tables.pg_get_keywords.clone());
    generate_series_arg_coercion::CoerceIntArgsToBigInt::widen(context);
    datafusion_pg_functions::register_all(&mut context.clone());
    for function in upstream_functions() {
        context.register_udf(function);
    }
    context.register_udaf(single::function());
    for function in mode::functions() {
        context.register_udaf(function);
    }
    for function in functions::all(&facts, &listed) {
        context.register_udf(function);
    }
    Ok(())
}

/// What plans the query of a definition, which no session is there for when the server starts: `base` with PostgreSQL's functions, in UTC.
pub fn definition_state(base: &SessionState) -> Result<SessionState> {
    let context = SessionContext::new_with_state(base.clone());
    let facts = Facts {
        settled: true,
        ..Facts::default()
    };
    {
        let state = context.state_ref();
        state.write().config_mut().set_extension(Arc::new(facts));
    }
    install_functions(&context)?;
    Ok(SessionStateBuilder::new_from_existing(context.state())
        .with_type_planner(Arc::new(DefinitionTypes))
        .build())
}

/// Names of types as [`SqlTypes`] has them, which are those that columns are declared with, beside PostgreSQL's own.
#[derive(Debug)]
struct DefinitionTypes;

impl TypePlanner for DefinitionTypes {
    fn plan_type_field(&self, sql: &ast::DataType) -> EngineResult<Option<FieldRef>> {
        match SqlTypes.plan_type_field(sql)? {
            Some(known) => Ok(Some(known)),
            None => oid_type_planner::PgOidTypePlanner.plan_type_field(sql),
        }
    }
}

/// The query of a definition as it is planned; columns that nobody named bear the marks that [`shown_schema`](labels::shown_schema) cuts off.
///
/// # Errors
/// Where part of it would be passed over.
pub fn definition(query: &ast::Query) -> Result<ast::Query> {
    translated_definition(query, Below::Named)
}

/// A [`definition`] whose columns below the top have the engine's names. Plans of continuous queries are told from each other by their
/// texts, so where one can be planned like this it stays the one it was.
///
/// # Errors
/// Where part of it would be passed over.
pub fn plain_definition(query: &ast::Query) -> Result<ast::Query> {
    translated_definition(query, Below::Unnamed)
}

/// What columns below the top are called that nobody named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    /// By PostgreSQL's names.
    Named,
    /// As the engine calls them.
    Unnamed,
}

fn translated_definition(query: &ast::Query, below: Below) -> Result<ast::Query> {
    let mut statement = ast::Statement::Query(Box::new(query.clone()));
    check(&statement)?;
    spelling::of_one_type(&mut statement);
    match translated(statement, below) {
        ast::Statement::Query(query) => Ok(*query),
        _ => Err(Error::internal("a query became another statement")),
    }
}

/// An expression that stands outside of a query (`WATERMARK FOR`, `OPTIMIZE … WHERE`), as it is planned.
///
/// # Errors
/// Where part of it would be passed over.
pub fn expression(expr: &ast::Expr) -> Result<ast::Expr> {
    let lost = || Error::internal("an expression became a statement of another kind");
    let parsed = sluice_sql::parse("SELECT 1 WHERE true").map_err(|_| lost())?;
    let first = parsed.into_iter().next().map(|parsed| parsed.statement);
    let Some(sluice_sql::Statement::Sql(mut statement)) = first else {
        return Err(lost());
    };
    *condition_of(&mut statement).ok_or_else(lost)? = expr.clone();
    check(&statement)?;
    let mut statement = rewrite(*statement);
    condition_of(&mut statement).cloned().ok_or_else(lost)
}

fn condition_of(statement: &mut ast::Statement) -> Option<&mut ast::Expr> {
    let ast::Statement::Query(query) = statement else {
        return None;
    };
    match query.body.as_mut() {
        ast::SetExpr::Select(select) => select.selection.as_mut(),
        _ => None,
    }
}

/// A [`definition`] whose columns bear no marks.
///
/// # Errors
/// 42701 where two of them have one name then.
pub fn settled(mut query: ast::Query) -> Result<ast::Query> {
    labels::settle(query.body.as_mut()).map_err(|name| twice(&name))?;
    Ok(query)
}

/// Two columns of one name, where each has to have its own.
pub(crate) fn twice(name: &str) -> Error {
    Error::user(
        SqlState::DuplicateColumn,
        format!("column \"{name}\" specified more than once"),
    )
    .with_hint("Give each column a name of its own: SELECT … AS name.")
}

/// Makes a statement in PostgreSQL's grammar one that the engine can plan.
pub fn rewrite(mut statement: ast::Statement) -> ast::Statement {
    spelling::of_one_type(&mut statement);
    rewrite_cells(statement)
}

/// [`rewrite`] of the VALUES of an INSERT: their cells are of the types of the table's columns, whatever stands in other rows.
pub(crate) fn rewrite_cells(statement: ast::Statement) -> ast::Statement {
    translated(statement, Below::Named)
}

fn translated(statement: ast::Statement, below: Below) -> ast::Statement {
    let mut statement = labels::keep(statement);
    let about_the_catalog = answer::only_catalog(&statement);
    // Tools' questions are known by their texts.
    if below == Below::Named && !about_the_catalog {
        labels::name_below(&mut statement);
        spelling::rewrite_arrays(&mut statement);
    }
    let statement = spelling::rewrite(statement, about_the_catalog);
    let statement = casts::rewrite(statement);
    let statement = rules::before(statement);
    rules::after(rules::upstream(statement))
}

/// What PostgreSQL calls the type of a column.
pub fn type_name(field: &Field) -> String {
    builtin::format_type(pg_type(field).oid().cast_signed(), None)
}

/// Whether a schema of PostgreSQL's has a relation of this name.
pub fn has_relation(schema: &str, name: &str) -> bool {
    shapes::find(schema, name).is_some()
}

/// The tables that never change are read once in a process.
fn static_tables() -> Result<Arc<PgCatalogStaticTables>> {
    static TABLES: OnceLock<Arc<PgCatalogStaticTables>> = OnceLock::new();
    if let Some(tables) = TABLES.get() {
        return Ok(Arc::clone(tables));
    }
    let tables = PgCatalogStaticTables::try_new()
        .map_err(|error| Error::internal(format!("pg_catalog cannot be read: {error}")))?;
    Ok(Arc::clone(TABLES.get_or_init(|| Arc::new(tables))))
}

/// As `setup_pg_catalog` registers them.
fn upstream_functions() -> Vec<ScalarUDF> {
    vec![
        upstream::create_pg_relation_is_publishable_udf(),
        upstream::create_pg_get_statisticsobjdef_columns_udf(),
        upstream::create_pg_stat_get_numscans(),
        upstream::create_pg_get_partition_ancestors_udf(),
        quote_ident_udf::create_parse_ident_udf(),
        array_bounds_udf::create_array_upper_udf(),
        array_bounds_udf::create_array_lower_udf(),
    ]
}
