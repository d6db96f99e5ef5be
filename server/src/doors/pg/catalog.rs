//! `pg_catalog`: what clients ask before their users ask anything.
//!
//! `datafusion-pg-catalog` has the relations, `datafusion-pg-functions` some functions, and here is what the two lack. Hard here: drivers
//! and tools send fixed queries, written against PostgreSQL's catalog and grammar, and give up at the first error. So what cannot be
//! planned is answered by no rows of the right columns ([`empty_answer`]), and a query of the user's own never is.

mod answer;
mod functions;
mod information;
mod labels;
mod owners;
mod relations;
mod roles;
mod rules;

use std::sync::{Arc, LazyLock, OnceLock};

use async_trait::async_trait;
use datafusion::{
    execution::SessionStateBuilder, logical_expr::ScalarUDF, prelude::SessionContext,
};
use datafusion_pg_catalog::{
    pg_catalog::{
        self as upstream, PgCatalogSchemaProvider, PgCatalogStaticTables, array_bounds_udf,
        context::{PgCatalogContextProvider, Role},
        format_type, generate_series_arg_coercion, oid_type_planner, pg_get_expr_udf,
        quote_ident_udf,
    },
    sql::PostgresCompatibilityParser,
};
use sluice_sql::ast;

pub use answer::empty_answer;
pub(super) use labels::shown as shown_label;

use crate::{
    access::{Actor, OWNER},
    engine::Engine,
    error::{Error, Result},
};

/// Looks a run-time parameter up by name.
pub type Setting = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What `pg_catalog`'s functions may know of the session they run in: set it as an extension of the context's configuration before
/// [`install`]. Without it they answer for user `sluice` and default settings.
pub struct Facts {
    /// Who is on the other end.
    pub user: String,
    /// What knows of roles, and whose rights hold.
    pub access: Option<(Arc<Engine>, Arc<Actor>)>,
    /// A run-time parameter's value, as SHOW gives it.
    pub setting: Setting,
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
        }
    }
}

/// The one database.
const DATABASE: &str = "sluice";

/// Adds `pg_catalog` and PostgreSQL's functions to a context whose default catalog is the database.
pub fn install(context: &SessionContext) -> Result<()> {
    let trouble = |error: datafusion::error::DataFusionError| Error::internal(error.to_string());
    let tables = static_tables()?;
    let facts = context.state().config().get_extension::<Facts>();
    let facts = facts.unwrap_or_default();
    let listed = relations::Listed::new(context, DATABASE);
    let provider = PgCatalogSchemaProvider::try_new(listed.clone(), Arc::clone(&tables), Roles)
        .map_err(trouble)?;
    let catalog = context
        .catalog(DATABASE)
        .ok_or_else(|| Error::internal("there is no catalog to add pg_catalog to"))?;
    catalog
        .register_schema("pg_catalog", relations::PgCatalog::new(provider, &facts))
        .map_err(trouble)?;
    catalog
        .register_schema(
            information::NAME,
            Arc::new(information::Information(listed)),
        )
        .map_err(trouble)?;
    let mut state = SessionStateBuilder::new_from_existing(context.state())
        .with_type_planner(Arc::new(oid_type_planner::PgOidTypePlanner))
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
    for function in functions::all(&facts) {
        context.register_udf(function);
    }
    Ok(())
}

/// Makes a statement in PostgreSQL's grammar one that the engine can plan.
pub fn rewrite(statement: ast::Statement) -> ast::Statement {
    static UPSTREAM: LazyLock<PostgresCompatibilityParser> =
        LazyLock::new(PostgresCompatibilityParser::new);
    let statement = labels::keep(statement);
    let statement = rules::before(statement);
    rules::after(UPSTREAM.rewrite(statement))
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
        upstream::create_current_database_udf(DATABASE),
        format_type::create_format_type_udf(),
        pg_get_expr_udf::create_pg_get_expr_udf(),
        upstream::create_pg_get_partkeydef_udf(),
        upstream::create_pg_relation_is_publishable_udf(),
        upstream::create_pg_get_statisticsobjdef_columns_udf(),
        upstream::create_pg_stat_get_numscans(),
        upstream::create_pg_get_constraintdef(),
        upstream::create_pg_get_partition_ancestors_udf(),
        quote_ident_udf::create_quote_ident_udf(),
        quote_ident_udf::create_parse_ident_udf(),
        array_bounds_udf::create_array_upper_udf(),
        array_bounds_udf::create_array_lower_udf(),
    ]
}

/// Of roles upstream's relations need to know one: what is told of them is ours ([`relations`]).
#[derive(Clone, Debug)]
struct Roles;

#[async_trait]
impl PgCatalogContextProvider for Roles {
    async fn roles(&self) -> Vec<String> {
        vec![OWNER.into()]
    }

    async fn role(&self, name: &str) -> Option<Role> {
        (name == OWNER).then(|| Role {
            name: OWNER.into(),
            is_superuser: true,
            can_login: true,
            can_create_db: true,
            can_create_role: true,
            can_create_user: true,
            can_replication: false,
            grants: Vec::new(),
            inherited_roles: Vec::new(),
        })
    }
}
