//! Statements to deeds: one statement of ours per file, and the few things they share.
//!
//! long because what the statements share, errors among it, is read together

mod alter_owner;
mod alter_table;
mod analyze;
mod comment;
mod conditions;
mod create_schema;
mod create_stream;
mod create_table;
mod create_view;
mod describe;
pub(crate) mod describe_table;
pub(crate) mod dml;
mod drop;
mod explain;
mod grant;
mod grant_role;
mod optimize;
mod pause;
mod rebuild;
mod rename;
mod replace_stream;
mod replay;
mod role;
mod row_error;
mod secret;
mod set_role;
mod show;
mod vacuum;

pub(crate) use row_error::row_error;

use std::collections::BTreeSet;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
};
use datafusion::{
    common::DataFusionError,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder},
    prelude::SessionContext,
    scalar::ScalarValue,
};
use sluice_planner::{ContinuousPlan, PlanError, PlanErrorKind, api::TargetDefinition};
use sluice_sql::{
    CreateTable, CreateView, Described, Explain, Privilege, Statement, WithData, ast,
};

use crate::{
    access::{Acl, Target},
    catalog::{COMPANION_SUFFIXES, ObjectMeta, QualifiedName, fold},
    clock::rfc3339,
    dialect,
    error::{Error, Fault, Result, SqlState},
    maintenance::{self, Subject},
    options::sketches_option,
    session::Session,
    write::cast_error,
};

pub(crate) use create_table::{declared_schema, once_plan, once_tag};
pub(crate) use create_view::check_view_columns;
pub(crate) use sluice_planner::sql_type;

/// What a statement of ours gives.
#[derive(Debug)]
pub enum Outcome {
    /// Only a completion tag.
    Done(String),
    /// Rows.
    Rows(RecordBatch),
}

/// Columns of the rows a statement of ours gives; `None` when it gives none.
pub fn outcome_schema(statement: &Statement) -> Option<SchemaRef> {
    match statement {
        Statement::Show(show) => Some(show::schema(show)),
        Statement::Describe(describe) => Some(match describe.what {
            Described::Columns | Described::Extended => describe::schema(),
            Described::History(_) => describe_table::history_schema(),
            Described::Detail => describe_table::detail_schema(),
        }),
        Statement::Optimize(_) => Some(optimize::schema()),
        Statement::Vacuum(vacuum) => Some(vacuum::schema(vacuum)),
        Statement::Explain(explain) => Some(explain::schema(explain.format)),
        Statement::ExplainQuery(explain) => Some(explain::schema(explain.format)),
        Statement::Replay(_) => Some(replay::schema()),
        _ => None,
    }
}

/// EXPLAIN of a query with parameters, given their types and values.
pub(crate) async fn explain_with(
    session: &Session,
    explain: &Explain,
    parameters: (&[Option<DataType>], Vec<ScalarValue>),
) -> Result<Outcome> {
    explain::with(session, explain, parameters)
        .await
        .map(Outcome::Rows)
}

/// Carries out a statement of ours.
pub async fn run(session: &Session, statement: &Statement) -> Result<Outcome> {
    match statement {
        Statement::CreateStream(create) => create_stream::run(session, create).await,
        Statement::CreateView(create) => create_view::run(session, create).await,
        Statement::CreateTable(create) => create_table::run(session, create).await,
        Statement::CreateSchema(create) => create_schema::run(session, create).await,
        Statement::Drop(drop) => drop::run(session, drop).await,
        Statement::Show(show) => show::run(session, show).map(Outcome::Rows),
        Statement::Describe(describe) => match describe.what {
            Described::Columns | Described::Extended => describe::run(session, describe).await,
            Described::History(limit) => {
                describe_table::history(session, &describe.name, limit).await
            }
            Described::Detail => describe_table::detail(session, &describe.name).await,
        }
        .map(Outcome::Rows),
        Statement::Optimize(optimize) => optimize::run(session, optimize).await.map(Outcome::Rows),
        Statement::Vacuum(vacuum) => vacuum::run(session, vacuum).await.map(Outcome::Rows),
        Statement::Analyze(analyze) => analyze::run(session, analyze).await,
        Statement::Explain(explain) => explain::run(session, explain).await.map(Outcome::Rows),
        Statement::ExplainQuery(explain) => explain::query::run(session, explain).await.map(Outcome::Rows),
        Statement::PauseQuery(name) => pause::run(session, name, true).await,
        Statement::ResumeQuery(name) => pause::run(session, name, false).await,
        Statement::Replay(letters) => replay::run(session, letters).await.map(Outcome::Rows),
        Statement::SkipLost(name) => rebuild::skip_lost(session, name).await,
        Statement::RebuildQuery(rebuild) => rebuild::run(session, rebuild).await,
        Statement::Subscribe(_) => Err(Error::internal("a subscription came the wrong way")),
        Statement::CreateRole(create) => role::create(session, create).await,
        Statement::AlterRole(alter) => role::alter(session, alter).await,
        Statement::DropRole(drop) => role::drop(session, drop).await,
        Statement::SetRole(set) => set_role::run(session, set),
        Statement::Grant(grant) => grant::run(session, grant).await,
        Statement::GrantRole(grant) => grant_role::run(session, grant).await,
        Statement::AlterOwner(alter) => alter_owner::run(session, alter).await,
        Statement::Rename(rename) => rename::run(session, rename).await,
        Statement::CommentOnStream(comment) => comment::on_stream(session, comment).await,
        Statement::PutSecret(put) => secret::put(session, put).await,
        Statement::DropSecret(drop) => secret::drop(session, drop).await,
        Statement::Copy(_) => Err(Error::user(
            SqlState::FeatureNotSupported,
            "COPY has nowhere to send its rows here",
        )
        .with_hint("Over Flight SQL read the rows with SELECT, and write them with bulk ingest (adbc_ingest); COPY is for the PostgreSQL protocol.")),
        Statement::Sql(_) => Err(Error::internal("a plain SQL statement came the wrong way")),
    }
}

/// Whether a statement of the parser's changes what exists; [`define`] carries it out then.
pub(crate) fn defines(statement: &ast::Statement) -> bool {
    matches!(
        statement,
        ast::Statement::AlterTable(_) | ast::Statement::Comment { .. }
    )
}

/// Carries out a statement that [`defines`]; its completion tag.
pub(crate) async fn define(session: &Session, statement: &ast::Statement) -> Result<String> {
    match statement {
        ast::Statement::AlterTable(alter) => alter_table::run(session, alter).await,
        ast::Statement::Comment {
            object_type,
            object_name,
            comment,
            ..
        } => comment::run(session, object_type, object_name, comment.clone()).await,
        _ => Err(Error::internal("a statement came the wrong way")),
    }
}

/// The Delta folder of a table that was made under this name, under the root; [`crate::catalog::TableObject::path`] is where one is.
pub fn table_path(name: &QualifiedName) -> String {
    format!("tables/{}/{}", name.schema, name.name)
}

/// The Delta table of this name, a companion's included.
pub(crate) fn delta_table(session: &Session, name: &ast::ObjectName) -> Result<Subject> {
    let engine = session.engine();
    let name = QualifiedName::from_sql(name)?;
    let catalog = engine.catalog();
    if let Some(object) = catalog.readable(&name) {
        session.require(Privilege::Select, Target::Relation(object))?;
    }
    if let Some(subject) = maintenance::find(engine, &name) {
        return Ok(subject);
    }
    let kind = match catalog.get(&name) {
        Some(found) => found.kind(),
        None => {
            let base = COMPANION_SUFFIXES
                .iter()
                .find_map(|suffix| name.name.strip_suffix(suffix))
                .map(|base| QualifiedName::new(&name.schema, base));
            match base.is_some_and(|base| catalog.get(&base).is_some()) {
                true => "companion relation",
                false => return Err(catalog.undefined(&name)),
            }
        }
    };
    if kind == "table" {
        return Err(Error::outside(
            SqlState::ObjectNotInPrerequisiteState,
            format!("table \"{name}\" could not be opened"),
        )
        .with_hint("SELECT * FROM system.events says why."));
    }
    Err(Error::user(
        SqlState::WrongObjectType,
        format!("\"{name}\" is a {kind}, not a table"),
    ))
}

/// As [`delta_table`], of a table that the session's role owns.
pub(crate) fn delta_table_of_ours(session: &Session, name: &ast::ObjectName) -> Result<Subject> {
    let subject = delta_table(session, name)?;
    let name = QualifiedName::from_sql(name)?;
    if let Some(object) = session.engine().catalog().readable(&name) {
        session.require_owner(Target::Relation(object))?;
    }
    Ok(subject)
}

/// A new object's id, time and owner.
pub(crate) fn new_meta(session: &Session) -> ObjectMeta {
    ObjectMeta {
        id: uuid::Uuid::now_v7().to_string(),
        created_at: rfc3339(session.engine().clock().now_us()),
        paused: false,
        owner: session.role(),
        acl: Acl::default(),
        comment: None,
        column_comments: std::collections::BTreeMap::new(),
        location: None,
        renames: 0,
    }
}

/// Plans a table's query as a continuous one; `None` when it reads no stream.
pub(crate) async fn continuous_plan(
    context: &SessionContext,
    name: &QualifiedName,
    statement: &CreateTable,
) -> Result<Option<ContinuousPlan>> {
    let Some(query) = &statement.query else {
        return Ok(None);
    };
    let target = TargetDefinition {
        name: name.to_string(),
        partitioned_by: statement
            .partitioned_by
            .iter()
            .map(|column| {
                let data_type = column
                    .data_type
                    .as_ref()
                    .map(sluice_planner::arrow_type)
                    .transpose()
                    .map_err(plan_error)?;
                Ok((fold(&column.name), data_type))
            })
            .collect::<Result<_>>()?,
        emit: statement.emit,
        sketches: sketches_option(&statement.options)?,
    };
    let settled = |query| match statement.renamed.is_empty() {
        true => dialect::settled(query),
        false => Ok(query),
    };
    let state = context.state();
    let plain = settled(dialect::plain_definition(query)?)?;
    let mut plan = sluice_planner::plan_continuous(&state, &plain, &target).await;
    if plan.is_err() {
        let named = settled(dialect::definition(query)?)?;
        plan = sluice_planner::plan_continuous(&state, &named, &target).await;
    }
    let plan = plan.map_err(plan_error)?;
    if let Some(plan) = &plan
        && statement.renamed.is_empty()
    {
        check_own_names(&plan.output_schema)?;
    }
    match plan {
        Some(_) if !statement.renamed.is_empty() => Err(Error::user(
            SqlState::FeatureNotSupported,
            "a list of column names is not supported where the query reads a stream",
        )
        .with_hint("Give the columns their names in the query: SELECT expression AS name.")),
        Some(_) if statement.data == WithData::No => Err(Error::user(
            SqlState::FeatureNotSupported,
            "WITH NO DATA is not supported where the query reads a stream",
        )
        .with_hint(
            "Such a table has the rows that its query makes from now on; PAUSE QUERY stops it.",
        )),
        plan => Ok(plan),
    }
}

/// Refuses columns that share a name with another: `SELECT *` of a subquery may have such.
fn check_own_names(schema: &SchemaRef) -> Result<()> {
    for field in schema.fields() {
        let name = dialect::without_marks(field.name());
        if name != *field.name() {
            return Err(dialect::twice(&name));
        }
    }
    Ok(())
}

/// A plan whose first columns have these names, and the others the ones that people see; an error that says `too_many` where there are
/// fewer columns than names.
pub(crate) fn renamed(
    plan: LogicalPlan,
    names: &[ast::Ident],
    too_many: &str,
) -> Result<LogicalPlan> {
    let columns = plan.schema().columns();
    if columns.len() < names.len() {
        return Err(Error::user(SqlState::SyntaxError, too_many));
    }
    let (mut seen, mut same) = (BTreeSet::new(), true);
    let mut exprs = Vec::with_capacity(columns.len());
    for (index, column) in columns.into_iter().enumerate() {
        let name = match names.get(index) {
            Some(name) => fold(name),
            None => dialect::shown_label(&column.name).to_owned(),
        };
        if !seen.insert(name.clone()) {
            return Err(dialect::twice(&name));
        }
        same &= name == column.name;
        exprs.push(Expr::Column(column).alias(name));
    }
    if same {
        return Ok(plan);
    }
    LogicalPlanBuilder::from(plan)
        .project(exprs)
        .and_then(LogicalPlanBuilder::build)
        .map_err(engine_error)
}

/// A view's query as a plan, with the view's column names; in a context of whoever it is planned for.
pub(crate) async fn view_plan(context: &SessionContext, view: &CreateView) -> Result<LogicalPlan> {
    let query = dialect::definition(&view.query)?;
    let statement = ast::Statement::Query(Box::new(query));
    let plan = sluice_planner::bound_plan(&context.state(), &statement)
        .await
        .map_err(engine_error)?;
    renamed(
        plan,
        &view.columns,
        "CREATE VIEW specifies more column names than columns",
    )
}

/// The planner's error as people see it.
pub fn plan_error(error: PlanError) -> Error {
    let (fault, state) = match error.kind {
        PlanErrorKind::UndefinedTable => (Fault::User, SqlState::UndefinedTable),
        PlanErrorKind::UndefinedColumn => (Fault::User, SqlState::UndefinedColumn),
        PlanErrorKind::AmbiguousColumn => (Fault::User, SqlState::AmbiguousColumn),
        PlanErrorKind::DuplicateColumn => (Fault::User, SqlState::DuplicateColumn),
        PlanErrorKind::UndefinedFunction => (Fault::User, SqlState::UndefinedFunction),
        PlanErrorKind::DatatypeMismatch => (Fault::User, SqlState::DatatypeMismatch),
        PlanErrorKind::Unsupported => (Fault::User, SqlState::FeatureNotSupported),
        PlanErrorKind::Invalid => (Fault::User, SqlState::InvalidObjectDefinition),
        PlanErrorKind::Data => (Fault::User, SqlState::DataException),
        PlanErrorKind::TooComplex => (Fault::User, SqlState::StatementTooComplex),
        PlanErrorKind::Resources => (Fault::Outside, SqlState::OutOfMemory),
        PlanErrorKind::Scratch => (Fault::Outside, SqlState::DiskFull),
        PlanErrorKind::Internal => (Fault::Internal, SqlState::InternalError),
    };
    let (fault, state) = match state {
        // What the engine found wrong while it read a file is not the file's fault.
        SqlState::InternalError | SqlState::OutOfMemory | SqlState::DiskFull => (fault, state),
        _ => (
            fault,
            conditions::of_message(&error.message).unwrap_or(state),
        ),
    };
    let shown = |text: String| dialect::without_marks(&text);
    Error::new(fault, state, shown(error.message))
        .explained(error.detail.map(shown), error.hint.map(shown))
}

/// An engine error as people see it; our own errors come out of it unchanged.
pub fn engine_error(error: DataFusionError) -> Error {
    if let Some(ours) = find_ours(&error) {
        return ours;
    }
    if let Some(name) = dialect::ambiguous(&error) {
        return Error::user(
            SqlState::AmbiguousColumn,
            format!("column reference \"{name}\" is ambiguous"),
        )
        .with_hint("Give each of the columns a name of its own: SELECT … AS name.");
    }
    cast_error(plan_error(PlanError::from(error)))
}

/// The engine's files fail, which are in the scratch folder alone: tables are read through their store.
pub fn scratch_error(error: &std::io::Error) -> Error {
    let error = std::io::Error::new(error.kind(), error.to_string());
    engine_error(DataFusionError::IoError(error))
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        engine_error(error)
    }
}

fn find_ours(error: &DataFusionError) -> Option<Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return Some(ours.clone());
        }
        if let Some(DataFusionError::External(inner)) = error.downcast_ref::<DataFusionError>()
            && let Some(ours) = inner.downcast_ref::<Error>()
        {
            return Some(ours.clone());
        }
        cause = error.source();
    }
    None
}

/// The parser's error as people see it.
pub fn parse_error(error: sluice_sql::ParseError) -> Error {
    let state = match error.kind {
        sluice_sql::ParseErrorKind::Syntax => SqlState::SyntaxError,
        sluice_sql::ParseErrorKind::InvalidValue => SqlState::InvalidParameterValue,
        sluice_sql::ParseErrorKind::Unsupported => SqlState::FeatureNotSupported,
        sluice_sql::ParseErrorKind::TooDeep | sluice_sql::ParseErrorKind::TooLong => {
            SqlState::StatementTooComplex
        }
    };
    Error::user(state, error.message)
        .at(error.offset + 1)
        .explained(
            Some(format!("At line {}, column {}.", error.line, error.column)),
            error.hint,
        )
}

/// What IF NOT EXISTS and OR REPLACE mean for a name that is taken.
pub(crate) enum Taken {
    /// Go on: the name is free.
    Free,
    /// Leave it, with a notice.
    Skip,
    /// It is there and is to be replaced.
    Replace,
}

/// Decides what to do about a name; the error is PostgreSQL's.
pub(crate) fn check_taken(
    session: &Session,
    name: &QualifiedName,
    kind: &str,
    if_not_exists: bool,
    or_replace: bool,
) -> Result<Taken> {
    let catalog = session.engine().catalog();
    catalog.check_new_name(name)?;
    session.require(Privilege::Create, Target::Schema(&name.schema))?;
    let Some(found) = catalog.get(name) else {
        return Ok(Taken::Free);
    };
    if found.kind() != kind && (or_replace || if_not_exists) {
        return Err(Error::user(
            SqlState::WrongObjectType,
            format!("\"{name}\" is a {}, not a {kind}", found.kind()),
        ));
    }
    if if_not_exists {
        session.notice(Error::user(
            SqlState::DuplicateTable,
            format!("relation \"{name}\" already exists, skipping"),
        ));
        return Ok(Taken::Skip);
    }
    if or_replace {
        session.require_owner(Target::Relation(found))?;
        return Ok(Taken::Replace);
    }
    Err(Error::user(
        SqlState::DuplicateTable,
        format!("relation \"{name}\" already exists"),
    )
    .with_hint(format!("DROP {} {name}; removes it.", kind.to_uppercase())))
}

/// `CREATE OR REPLACE` of something else than what is there.
pub(crate) fn replace_refused(name: &QualifiedName, kind: &str) -> Error {
    Error::user(
        SqlState::FeatureNotSupported,
        format!("{kind} \"{name}\" exists with another definition, and replacing it in place is not supported yet"),
    )
    .with_hint(format!(
        "Create it under another name, or DROP {} {name} first (a table's folder is kept for a week).",
        kind.to_uppercase()
    ))
}
