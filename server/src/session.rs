//! One person's session, the same behind every door.
//!
//! A door parses nothing and plans nothing: it hands text to a [`Session`] and carries answers back. Settings, what stops a statement
//! (`running`) and notices are the session's; what exists is the engine's.
//!
//! long because what a session is, what it keeps of a statement and how it runs one are read together.

mod apart;
mod columns;
mod functions;
mod generic_plan;
mod opened;
mod parameters;
mod relation;
mod rights;
pub(crate) mod running;
pub(crate) mod search_path;
mod set_config;
mod settings;
mod small;
mod temp;
mod transaction;
mod writes;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arrow::{
    array::{RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{
    catalog::CatalogProviderList, common::ParamValues, execution::SendableRecordBatchStream,
    logical_expr::LogicalPlan, physical_plan::stream::RecordBatchStreamAdapter,
    prelude::SessionContext, scalar::ScalarValue,
};
use futures::{StreamExt, future::BoxFuture};
use parking_lot::Mutex;
use sluice_sql::{Explain, Parsed, Statement, ast};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::opened::{OpenCursor, OpenStatement, Opened};
pub use self::{
    rights::Login,
    transaction::{Isolation, Modes},
};

use self::{generic_plan::GenericPlan, rights::about_roles, settings::Settings};
use crate::{
    access::{Actor, Viewer},
    activity::Activity,
    arithmetic::{self, CheckedArithmetic},
    catalog::{Object, QualifiedName, TEMP_SCHEMA},
    dialect::{self, Definition, Facts, Size},
    engine::{Admission, Engine, SluiceCatalog},
    error::{Error, Result, SqlState},
    execute::{
        self, Outcome,
        dml::{self, Dml},
        engine_error, parse_error,
    },
    subscription::{self, Idle, SubscriptionPlan},
    table::{Freshness, ReadSnapshot, external},
};

/// Which door a session came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The Postgres wire protocol.
    Postgres,
    /// Arrow Flight SQL.
    FlightSql,
    /// `sluice run`, `check`, `demo`.
    Embedded,
}

/// One session.
pub struct Session {
    engine: Arc<Engine>,
    /// What statements are planned in, as long as somebody asks any: it has maps of all functions, and can be made again.
    context: Mutex<Option<SessionContext>>,
    /// What it is made of; `None` where the session was given one, which it keeps.
    made_of: Option<MadeOf>,
    /// What the context's catalog was made for.
    freshness: Mutex<Freshness>,
    settings: Arc<Mutex<Settings>>,
    /// How often they have changed.
    setting_changes: AtomicU64,
    /// What the client was last told of them.
    told: Mutex<Told>,
    /// What its transaction reads.
    snapshot: Arc<ReadSnapshot>,
    /// Tables and views of its own.
    temp: Arc<temp::TempTables>,
    /// What its door keeps open by name.
    opened: Arc<Opened>,
    actor: Arc<Actor>,
    door: Door,
    /// What others are told of it, and stop it by.
    activity: Arc<Activity>,
    /// Whether it has been let go.
    is_over: AtomicBool,
    notices: Arc<Mutex<Vec<Error>>>,
}

/// Parameters as the client knows them, and how often they had changed by then.
#[derive(Default)]
struct Told {
    changes: Option<u64>,
    values: BTreeMap<&'static str, String>,
}

/// What a session's context is made of, again and again.
struct MadeOf {
    catalogs: Arc<dyn CatalogProviderList>,
    /// What PostgreSQL's functions know of the session.
    facts: Arc<Facts>,
}

/// A statement that was planned as far as it can be without running it.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The statement.
    pub parsed: Parsed,
    /// Columns of its rows, under the names that people see; `None` when it gives none.
    pub schema: Option<SchemaRef>,
    /// Types of `$1`, `$2`, …; `None` where nothing tells.
    pub parameters: Vec<Option<DataType>>,
    plan: Option<Planned>,
    /// The statement with the schemas of what it names; `None` where that is as it was written.
    found: Option<Arc<Statement>>,
    /// What its relations were last looked up under.
    seen: Arc<Mutex<Seen>>,
    generic: Arc<GenericPlan>,
}

/// What relations are looked up under: how often the catalog and the session's own tables have changed, whose rights hold, and the search
/// path.
type Seen = ((u64, u64), String, String);

impl Prepared {
    /// Parameters that are texts which carry another type of PostgreSQL's, by number.
    pub(crate) fn carried_parameters(&self) -> BTreeMap<usize, String> {
        match &self.plan {
            Some(Planned::Whole(plan) | Planned::Write(Dml::Insert(_, plan))) => {
                parameters::carried(plan)
            }
            Some(Planned::Write(Dml::Change(change))) => change.carried_parameters().clone(),
            Some(Planned::Temp(write)) => write.carried_parameters(),
            _ => BTreeMap::new(),
        }
    }

    /// The statement, every name with its schema.
    fn statement(&self) -> &Statement {
        self.found.as_deref().unwrap_or(&self.parsed.statement)
    }
}

pub(crate) use parameters::{carried, typed_plan};
pub(crate) use running::duration;
pub(crate) use settings::{LIST_COMPANIONS, Scope, parameters};
pub(crate) use small::is_planned_soon;
pub(crate) use writes::NO_NOTIFICATIONS;

#[derive(Clone, Debug)]
enum Planned {
    /// Wants nothing but the values.
    Whole(Arc<LogicalPlan>),
    /// Its values are needed to plan it.
    Late(Arc<ast::Statement>),
    /// Rows without end.
    Subscription(Arc<SubscriptionPlan>),
    /// Writes rows.
    Write(Dml),
    /// Writes rows of a table of the session's own.
    Temp(temp::TempWrite),
    /// Changes what exists.
    Define(Arc<ast::Statement>),
}

/// What a statement answers.
pub enum Answer {
    /// Rows, as they come.
    Rows {
        /// First word of the completion tag: `SELECT`, `SHOW`, `EXPLAIN`.
        tag: String,
        /// Their columns.
        schema: SchemaRef,
        /// The rows; ends with an error when the statement is cancelled.
        stream: SendableRecordBatchStream,
        /// Of rows without end: whether those there are have been given.
        idle: Option<Idle>,
    },
    /// Nothing but the completion tag, e.g. `CREATE TABLE`, `SET`, `INSERT 0 3`.
    Done {
        /// The tag.
        tag: String,
    },
}

/// Where doors get sessions from.
pub trait Sessions: Send + Sync {
    /// What is known of a user; takes the same time for everybody.
    fn login(&self, user: &str) -> Login;

    /// A new session for `user`, or why there is none (57P03 while the server starts, 3D000 for another database).
    fn open(&self, user: &str, database: &str, door: Door) -> Result<Arc<Session>>;
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({} by {:?})", self.actor.login(), self.door)
    }
}

impl Session {
    /// A session of this engine.
    pub fn new(engine: Arc<Engine>, user: &str, door: Door) -> Result<Self> {
        let actor = Actor::new(user, engine.catalog().roles());
        let viewer = Viewer::Session(Arc::clone(&actor));
        let snapshot = Arc::new(ReadSnapshot::default());
        let reading = Some(Arc::clone(&snapshot));
        let settings = Arc::new(Mutex::new(Settings::new(user)));
        let mut session = Self::for_actor(engine, None, None, settings, actor, snapshot, door);
        let facts = session.facts();
        let latest = Freshness::Latest;
        let catalogs = session
            .engine
            .catalogs_for(latest, viewer, reading, &facts)?;
        session.made_of = Some(MadeOf { catalogs, facts });
        Ok(session)
    }

    /// A session whose relations are those of `context`.
    #[cfg(test)]
    pub(crate) fn over(
        engine: Arc<Engine>,
        context: SessionContext,
        user: &str,
        door: Door,
    ) -> Self {
        context.add_analyzer_rule(Arc::new(CheckedArithmetic));
        let actor = Actor::new(user, engine.catalog().roles());
        let settings = Arc::new(Mutex::new(Settings::new(user)));
        let context = Some(context);
        Self::for_actor(engine, context, None, settings, actor, Arc::default(), door)
    }

    fn for_actor(
        engine: Arc<Engine>,
        context: Option<SessionContext>,
        made_of: Option<MadeOf>,
        settings: Arc<Mutex<Settings>>,
        actor: Arc<Actor>,
        snapshot: Arc<ReadSnapshot>,
        door: Door,
    ) -> Self {
        engine.metrics().session_opened(door);
        let activity = engine.activities().enter(actor.login(), door);
        Self {
            context: Mutex::new(context),
            made_of,
            freshness: Mutex::default(),
            engine,
            settings,
            setting_changes: AtomicU64::new(0),
            told: Mutex::default(),
            snapshot,
            temp: Arc::default(),
            opened: Arc::default(),
            actor,
            door,
            activity,
            is_over: AtomicBool::new(false),
            notices: Arc::default(),
        }
    }

    /// What PostgreSQL's functions and relations know of it.
    fn facts(&self) -> Arc<Facts> {
        let access = (Arc::clone(&self.engine), Arc::clone(&self.actor));
        let (asked, who) = access.clone();
        let (settings, notices) = (Arc::clone(&self.settings), Arc::clone(&self.notices));
        Arc::new(Facts {
            user: self.actor.login().to_owned(),
            access: Some(access),
            definition: view_definition(&self.engine, &self.actor, &self.temp),
            opened: Arc::clone(&self.opened),
            size: relation_size(&self.engine),
            setting: Box::new(move |name| {
                about_roles(&asked, &who, name).or_else(|| settings.lock().get(name))
            }),
            pid: Some(self.activity.pid()),
            settled: false,
            warn: Box::new(move |warning| notices.lock().push(warning)),
        })
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Parses a text of any number of statements; an empty or comments-only text gives none.
    pub fn parse(&self, text: &str) -> Result<Vec<Parsed>> {
        sluice_sql::parse(text).map_err(parse_error)
    }

    /// Plans one statement; `hints` are the parameter types the client gave, by position. Positions of errors are counted from the start
    /// of the text that was parsed, here and when it runs.
    pub async fn prepare(&self, parsed: &Parsed, hints: &[Option<DataType>]) -> Result<Prepared> {
        // A future of its own: inside that of a connection it would be deeper than the compiler counts.
        let preparing = Box::pin(self.prepare_here(parsed, hints));
        let prepared = match self.plans_long(parsed) && on_several_threads() {
            // Planning does not stop on the way: the thread's other tasks, streams among them, go on elsewhere.
            true => block_in_place(|| Handle::current().block_on(preparing)),
            false => preparing.await,
        };
        prepared.map_err(|error| error.placed(parsed))
    }

    /// As [`Session::prepare`], for whoever may give up waiting for it. Planning does not stop on the way: what may take long is planned where
    /// ad-hoc queries run, and goes on to its end there when nobody waits any more.
    pub(crate) fn prepare_apart<'a>(
        self: &'a Arc<Self>,
        parsed: &'a Parsed,
        hints: &'a [Option<DataType>],
    ) -> BoxFuture<'a, Result<Prepared>> {
        if !self.plans_long(parsed) {
            let preparing = Box::pin(self.prepare_here(parsed, hints));
            return Box::pin(async move { preparing.await.map_err(|error| error.placed(parsed)) });
        }
        let session = Arc::clone(self);
        let (statement, hints) = (parsed.clone(), hints.to_vec());
        let planning = Box::pin(async move { session.prepare_here(&statement, &hints).await });
        Box::pin(async move {
            let prepared = self.engine.ad_hoc().apart(planning).await?;
            prepared.map_err(|error| error.placed(parsed))
        })
    }

    async fn prepare_here(&self, parsed: &Parsed, hints: &[Option<DataType>]) -> Result<Prepared> {
        self.check_there()?;
        Box::pin(self.plan_temp_views()).await;
        // Noted first: what changes meanwhile is looked at again.
        let seen = Arc::new(Mutex::new(self.seen()));
        let found = self.in_search_path(&parsed.statement)?.map(Arc::new);
        let prepared = |schema, parameters, plan| Prepared {
            parsed: parsed.clone(),
            schema,
            parameters,
            plan,
            found: found.clone(),
            seen,
            generic: Arc::default(),
        };
        let statement = found.as_deref().unwrap_or(&parsed.statement);
        self.may_call(statement)?;
        if let Statement::Sql(statement) = statement {
            dialect::check(statement)?;
        }
        if let Statement::Subscribe(subscribe) = statement {
            let query = self.to_plan(&subscription::query_of(subscribe)?, &parsed.text)?;
            let plan = self.plan(&query).await?;
            let endless = arithmetic::without(&self.context());
            let (engine, activity) = (&self.engine, &self.activity);
            let plan = SubscriptionPlan::new(engine, activity, &endless, query, plan, subscribe)?;
            let schema = Some(dialect::shown(&plan.schema()));
            let plan = Some(Planned::Subscription(Arc::new(plan)));
            return Ok(prepared(schema, Vec::new(), plan));
        }
        let Statement::Sql(statement) = statement else {
            let schema = execute::outcome_schema(statement);
            let parameters = match statement {
                Statement::Explain(explain) => Box::pin(self.explained(explain, hints)).await?,
                _ => Vec::new(),
            };
            return Ok(prepared(schema, parameters, None));
        };
        if let Some(schema) = settings::shown_schema(statement) {
            return Ok(prepared(schema, Vec::new(), None));
        }
        let spanned = parameters::spanned(statement, hints);
        let statement = spanned.as_ref().unwrap_or(statement);
        if let Some((plan, parameters)) = self.prepare_write(statement, hints).await? {
            return Ok(prepared(None, parameters, Some(plan)));
        }
        let mut statement = self.to_plan(statement, &parsed.text)?;
        let mut written = statement.clone();
        let in_functions = parameters::blank_in_table_functions(&mut statement, hints);
        let mut planned = self.planned(&statement, hints, &in_functions).await;
        if let Err(error) = &planned
            && error.state == SqlState::UndefinedFunction
            && parameters::open_spans(&mut statement, hints)
        {
            parameters::open_spans(&mut written, hints);
            let again = self.planned(&statement, hints, &in_functions).await;
            planned = again.or(planned);
        }
        let (plan, types) = planned?;
        let schema = Some(self.columns_of(&plan));
        let plan = match in_functions.is_empty() {
            true => Planned::Whole(Arc::new(plan)),
            false => Planned::Late(Arc::new(written)),
        };
        Ok(prepared(schema, types, Some(plan)))
    }

    /// The types of the parameters of a query that is explained.
    async fn explained(
        &self,
        explain: &Explain,
        hints: &[Option<DataType>],
    ) -> Result<Vec<Option<DataType>>> {
        match explain.statement.as_ref() {
            Statement::Sql(query)
                if matches!(query.as_ref(), ast::Statement::Query(_))
                    && parameters::highest(query) > 0 =>
            {
                self.typed_query(query, hints).await.map(|(_, types)| types)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The plan of a query with parameters, and their types.
    pub(crate) async fn typed_query(
        &self,
        query: &ast::Statement,
        hints: &[Option<DataType>],
    ) -> Result<(LogicalPlan, Vec<Option<DataType>>)> {
        let spanned = parameters::spanned(query, hints);
        let query = self.as_planned(spanned.unwrap_or_else(|| query.clone()));
        parameters::typed_plan(self.plan(&query).await?, hints)
    }

    /// The statement as the engine is given it.
    fn to_plan(&self, statement: &ast::Statement, text: &str) -> Result<ast::Statement> {
        if !matches!(statement, ast::Statement::Query(_)) {
            return Err(writes::not_offered(text));
        }
        Ok(self.as_planned(statement.clone()))
    }

    /// The plan, and the types of its parameters.
    async fn planned(
        &self,
        statement: &ast::Statement,
        hints: &[Option<DataType>],
        in_functions: &parameters::Types,
    ) -> Result<(LogicalPlan, Vec<Option<DataType>>)> {
        let planned = self
            .plan(statement)
            .await
            .and_then(|plan| parameters::typed(plan, hints, in_functions).map_err(engine_error));
        // A tool that asks the catalog something we do not have gives up at an error, and goes on when there is nothing.
        let empty = match self.door {
            Door::Postgres => dialect::empty_answer(statement),
            Door::FlightSql | Door::Embedded => None,
        };
        let Some(empty) = empty else {
            return planned;
        };
        let error = match planned {
            Err(error) => error,
            // Some of what the engine cannot do it notices only when it prepares to do it.
            Ok(planned) => match self.try_physical(&planned).await {
                Ok(()) => return Ok(planned),
                Err(error) => engine_error(error),
            },
        };
        tracing::info!("answered with nothing: {statement}; {error}");
        self.engine.metrics().catalog_question_unanswered();
        let plan = self.plan(&empty).await?;
        let (plan, _) = parameters::typed(plan, hints, in_functions).map_err(engine_error)?;
        // Nothing depends on the values, but the client is going to send them.
        let types = (0..parameters::highest(statement))
            .map(|at| hints.get(at).cloned().flatten())
            .collect();
        Ok((plan, types))
    }

    /// Whether a plan can be carried out; with some value in the place of each parameter.
    async fn try_physical(
        &self,
        (plan, types): &(LogicalPlan, Vec<Option<DataType>>),
    ) -> datafusion::error::Result<()> {
        let some = |known: &Option<DataType>| {
            let data_type = known.as_ref().unwrap_or(&DataType::Utf8);
            ScalarValue::new_default(data_type).or_else(|_| ScalarValue::try_from(data_type))
        };
        let mut plan = plan.clone();
        if !types.is_empty() {
            let values = types.iter().map(some).collect::<Result<Vec<_>, _>>()?;
            let values = values.into_iter().map(Into::into).collect();
            plan = plan.with_param_values(ParamValues::List(values))?;
        }
        let state = self.context().state();
        state.create_physical_plan(&plan).await.map(drop)
    }

    pub(crate) async fn plan(&self, statement: &ast::Statement) -> Result<LogicalPlan> {
        Box::pin(self.plan_temp_views()).await;
        sluice_planner::bound_plan(&self.context().state(), statement)
            .await
            .map_err(|error| self.nearest(engine_error(error)))
    }

    /// With the relation that was probably meant, when one does not exist.
    pub(crate) fn nearest(&self, error: Error) -> Error {
        let missing = error
            .message
            .strip_prefix("relation \"")
            .and_then(|rest| rest.split_once('"'));
        match missing {
            Some((name, _)) if error.state == SqlState::UndefinedTable && error.hint.is_none() => {
                match self.engine.catalog().nearest(name) {
                    Some(near) => error.with_hint(format!("Did you mean \"{near}\"?")),
                    None => error,
                }
            }
            _ => error,
        }
    }

    /// Runs a prepared statement that nobody is going to stop.
    pub async fn execute(
        &self,
        prepared: &Prepared,
        parameters: Vec<ScalarValue>,
    ) -> Result<Answer> {
        self.execute_until(prepared, parameters, &CancellationToken::new())
            .await
    }

    /// Runs a prepared statement, until the token is cancelled.
    pub(crate) async fn execute_until(
        &self,
        prepared: &Prepared,
        parameters: Vec<ScalarValue>,
        token: &CancellationToken,
    ) -> Result<Answer> {
        self.check_there()?;
        if self.door != Door::Postgres {
            // Every statement of these doors is a transaction.
            self.unlock_transaction();
        }
        let anew = Box::pin(self.anew(prepared)).await;
        let anew = anew.map_err(|error| error.placed(&prepared.parsed))?;
        let prepared = anew.as_ref().unwrap_or(prepared);
        let answer = match &prepared.plan {
            _ if let Err(error) = self.admit(prepared) => Err(error),
            // It stops at the token by itself, as long as it may.
            Some(Planned::Write(dml)) => {
                let done = Box::pin(async {
                    self.look_again(prepared).await?;
                    dml::run(self, dml, parameters, token).await
                });
                done.await.map(|tag| Answer::Done { tag })
            }
            _ => tokio::select! {
                biased;
                () = token.cancelled() => Err(cancelled()),
                answer = self.answer(prepared, parameters, token.clone()) => answer,
            },
        };
        self.has_written(prepared);
        // The one door with blocks says itself when one is over.
        if self.door != Door::Postgres && matches!(answer, Ok(Answer::Done { .. })) {
            self.transaction_over();
        }
        let answer = answer.map_err(|error| error.placed(&prepared.parsed));
        self.engine
            .metrics()
            .statement_ended(self.door, answer.as_ref().err());
        answer
    }

    async fn answer(
        &self,
        prepared: &Prepared,
        parameters: Vec<ScalarValue>,
        token: CancellationToken,
    ) -> Result<Answer> {
        self.look_again(prepared).await?;
        if let Some(Planned::Subscription(plan)) = &prepared.plan {
            let (stream, idle) = plan.start().await.map_err(engine_error)?;
            return Ok(answer_of("SUBSCRIBE", stream, Some(idle), token));
        }
        let Statement::Sql(statement) = prepared.statement() else {
            let outcome = match prepared.statement() {
                Statement::Explain(explain) if !parameters.is_empty() => {
                    let types = prepared.parameters.as_slice();
                    let told = execute::explain_with(self, explain, (types, parameters));
                    Box::pin(told).await
                }
                statement => Box::pin(execute::run(self, statement)).await,
            };
            return match outcome.map_err(|error| self.nearest(error))? {
                Outcome::Done(tag) => Ok(Answer::Done { tag }),
                Outcome::Rows(batch) => Ok(rows_of(tag_of(&prepared.parsed.statement), batch)),
            };
        };
        let plan = match &prepared.plan {
            None => return self.setting(statement),
            Some(Planned::Define(statement)) => {
                let tag = Box::pin(execute::define(self, statement)).await?;
                return Ok(Answer::Done { tag });
            }
            Some(Planned::Temp(write)) => {
                let tag = self.run_temp_write(write, parameters, &token).await?;
                return Ok(Answer::Done { tag });
            }
            Some(Planned::Write(_)) => {
                return Err(Error::internal(
                    "a statement that writes came the wrong way",
                ));
            }
            Some(Planned::Subscription(_)) => {
                return Err(Error::internal("a subscription came the wrong way"));
            }
            Some(Planned::Whole(plan)) => {
                self.set_by_function(statement, &parameters)?;
                let generic = self.run_generic(prepared, plan, &parameters).await;
                if let Some(rows) = generic.map_err(engine_error)? {
                    return Ok(answer_of("SELECT", rows, None, token));
                }
                LogicalPlan::clone(plan)
            }
            Some(Planned::Late(statement)) => {
                let mut statement = ast::Statement::clone(statement);
                parameters::fill_in_table_functions(&mut statement, &parameters);
                self.plan(&statement).await?
            }
        };
        let plan = if parameters.is_empty() {
            plan
        } else {
            let values: Vec<_> = parameters.into_iter().map(Into::into).collect();
            plan.with_param_values(ParamValues::List(values))
                .map_err(engine_error)?
        };
        let rows = match self.run_small(&plan).await.map_err(engine_error)? {
            Some(rows) => rows,
            None => {
                let admission = match small::is_about_the_server(&plan).map_err(engine_error)? {
                    true => Admission::AtOnce,
                    false => Admission::InTurn(&self.activity),
                };
                let rows = self.engine.ad_hoc().run(admission, self.context(), plan);
                rows.await.map_err(engine_error)?
            }
        };
        Ok(answer_of("SELECT", rows, None, token))
    }

    /// SET, SHOW, RESET and the transaction statements that change nothing here.
    fn setting(&self, statement: &ast::Statement) -> Result<Answer> {
        if let ast::Statement::Lock(lock) = statement {
            self.lock_tables(lock)?;
            return Ok(Answer::Done {
                tag: "LOCK TABLE".into(),
            });
        }
        let asked = settings::shown_name(statement);
        if asked.as_deref().is_some_and(settings::is_all) {
            let about = |name: &str| about_roles(&self.engine, &self.actor, name);
            let all = self.settings.lock().all(about)?;
            return Ok(rows_of("SHOW", all));
        }
        let about = asked.and_then(|name| {
            let value = about_roles(&self.engine, &self.actor, &name)?;
            Some(settings::Effect::Shown { name, value })
        });
        let effect = match about {
            Some(shown) => shown,
            None => self.settings.lock().apply(statement)?,
        };
        match effect {
            settings::Effect::Shown { name, value } => {
                let schema = Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, true)]));
                let values = Arc::new(StringArray::from(vec![value]));
                let batch = RecordBatch::try_new(schema, vec![values])
                    .map_err(|error| Error::internal(error.to_string()))?;
                Ok(rows_of("SHOW", batch))
            }
            settings::Effect::Changed { tag } => {
                if let ast::Statement::Discard { .. } = statement {
                    self.drop_all_temp();
                }
                self.settings_changed()?;
                // A parameter may be of the transaction's modes.
                let modes = self.settings.lock().transaction();
                if let Some(modes) = modes.filter(|_| !self.snapshot.has_read()) {
                    self.begin(modes);
                }
                Ok(Answer::Done { tag })
            }
            settings::Effect::Nothing { tag } => Ok(Answer::Done { tag }),
            settings::Effect::OfNoBlock => {
                let alone = "SET LOCAL can only be used in transaction blocks";
                self.notice(Error::user(SqlState::NoActiveSqlTransaction, alone));
                Ok(Answer::Done { tag: "SET".into() })
            }
        }
    }

    /// Sets the search path to a text as SHOW gives it: a list of names, and not one name.
    pub(crate) fn set_search_path(&self, path: &str) -> Result<()> {
        let scope = Scope::Session;
        self.settings.lock().assign("search_path", path, scope)?;
        self.settings_changed()
    }

    /// `session_user` and `current_user` from now on.
    pub(crate) fn set_roles(&self, roles: (String, String), scope: Scope) -> Result<()> {
        self.settings.lock().set_roles(&roles, scope);
        self.settings_changed()
    }

    /// Parameters have changed, or the role has: what planning depends on is part of the context.
    pub(crate) fn settings_changed(&self) -> Result<()> {
        self.setting_changes.fetch_add(1, Ordering::AcqRel);
        let (freshness, zone) = {
            let settings = self.settings.lock();
            self.actor.set(settings.roles());
            let application = settings.get("application_name");
            self.activity.named(&application.unwrap_or_default());
            (settings.freshness(), settings.time_zone())
        };
        if let Some(context) = self.context.lock().as_ref() {
            let state = context.state_ref();
            let mut state = state.write();
            state.config_mut().options_mut().execution.time_zone = Some(zone);
        }
        let was = std::mem::replace(&mut *self.freshness.lock(), freshness);
        let Some(made_of) = self.made_of.as_ref().filter(|_| was != freshness) else {
            return Ok(());
        };
        let viewer = Viewer::Session(Arc::clone(&self.actor));
        let reading = Some(Arc::clone(&self.snapshot));
        let (engine, facts) = (Arc::clone(&self.engine), Some(Arc::clone(&made_of.facts)));
        let catalog = SluiceCatalog::new(engine, freshness, viewer, reading, facts);
        let catalogs = &made_of.catalogs;
        catalogs.register_catalog("sluice".to_owned(), Arc::new(catalog));
        self.show_temp()?;
        dialect::install_relations(catalogs, &made_of.facts)
    }

    /// Parameters whose values the client does not know yet, with these; all that clients are told of when asked for the first time.
    pub(crate) fn take_changed_parameters(&self) -> Vec<(&'static str, String)> {
        let mut told = self.told.lock();
        let changes = Some(self.setting_changes());
        if told.changes == changes {
            return Vec::new();
        }
        told.changes = changes;
        let values = settings::reported().filter_map(|name| Some((name, self.parameter(name)?)));
        let others = values.filter(|(name, value)| told.values.get(name) != Some(value));
        let others: Vec<_> = others.collect();
        told.values.extend(others.iter().cloned());
        others
    }

    fn setting_changes(&self) -> u64 {
        self.setting_changes.load(Ordering::Acquire)
    }

    /// What others are told of it, and stop it by.
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Keeps a notice for the client.
    pub(crate) fn notice(&self, notice: Error) {
        let least = self.parameter("client_min_messages");
        let quiet = match least.as_deref() {
            Some("error") => true,
            Some("warning") => !notice.is_warning(),
            _ => false,
        };
        if !quiet {
            self.notices.lock().push(notice);
        }
    }

    /// Notices since the last call, to be sent before the completion tag.
    pub fn take_notices(&self) -> Vec<Error> {
        std::mem::take(&mut self.notices.lock())
    }

    /// A run-time parameter's value, as SHOW gives it (`server_version`, `TimeZone`, `DateStyle`, …).
    pub fn parameter(&self, name: &str) -> Option<String> {
        about_roles(&self.engine, &self.actor, name).or_else(|| self.settings.lock().get(name))
    }

    /// Who is on the other end.
    pub fn user(&self) -> &str {
        self.actor.login()
    }

    /// What its door keeps open by name.
    pub(crate) fn opened(&self) -> &Arc<Opened> {
        &self.opened
    }

    /// Which door the session came in by.
    pub fn door(&self) -> Door {
        self.door
    }

    /// The session's query context: its catalogs, functions and settings.
    pub fn context(&self) -> SessionContext {
        let mut context = self.context.lock();
        match context.as_ref() {
            Some(context) => context.clone(),
            None => context.insert(self.make_context()).clone(),
        }
    }

    fn make_context(&self) -> SessionContext {
        let Some(made_of) = &self.made_of else {
            return self.continuous_context();
        };
        let catalogs = Arc::clone(&made_of.catalogs);
        let context = self.engine.context_over(catalogs, &made_of.facts);
        context.add_analyzer_rule(Arc::new(CheckedArithmetic));
        context.add_analyzer_rule(self.engine.counted_values());
        context
    }

    /// Lets go what can be made again: nobody has asked anything for a while.
    pub(crate) fn rest(&self) {
        if let Some(made_of) = &self.made_of {
            self.context.lock().take();
            Engine::rest(&made_of.catalogs);
        }
    }

    /// Is over for all others, counts no more and holds no lock: what still runs of it ends by itself.
    pub(crate) fn let_go(&self) {
        // First: who is not there gets no more locks.
        self.engine.activities().leave(self.activity.pid());
        self.engine.advisory_locks().leave(self.activity.pid());
        if !self.is_over.swap(true, Ordering::AcqRel) {
            self.engine.leave(self.actor.login());
            self.engine.metrics().session_closed(self.door);
        }
    }

    /// A context that plans continuous queries as a restart does, when no session is there.
    pub(crate) fn continuous_context(&self) -> SessionContext {
        let viewer = Viewer::Session(Arc::clone(&self.actor));
        self.engine.context_for(Freshness::Latest, viewer)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// What `pg_get_viewdef` asks.
fn view_definition(
    engine: &Arc<Engine>,
    actor: &Arc<Actor>,
    temp: &Arc<temp::TempTables>,
) -> Definition {
    let (engine, actor) = (Arc::downgrade(engine), Arc::clone(actor));
    let temp = Arc::downgrade(temp);
    Box::new(move |schema, name| {
        if schema == TEMP_SCHEMA {
            return temp.upgrade()?.definition(name);
        }
        let catalog = engine.upgrade()?.catalog();
        let object = catalog.get(&QualifiedName::new(schema, name))?;
        match object.as_ref() {
            Object::View(view) if catalog.lists(&actor.current(), object) => {
                Some(view.statement.query.to_string())
            }
            _ => None,
        }
    })
}

/// What `pg_total_relation_size` asks: the files of the newest version that is known.
fn relation_size(engine: &Arc<Engine>) -> Size {
    let engine = Arc::downgrade(engine);
    Box::new(move |schema, name| {
        let table = engine.upgrade()?.table(&QualifiedName::new(schema, name))?;
        let snapshot = table.tables.table.snapshot()?;
        Some(snapshot.files().iter().map(|file| file.size).sum())
    })
}

fn on_several_threads() -> bool {
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    matches!(flavor, Ok(RuntimeFlavor::MultiThread))
}

fn tag_of(statement: &Statement) -> &'static str {
    match statement {
        Statement::Explain(_) | Statement::ExplainQuery(_) => "EXPLAIN",
        Statement::Describe(_) => "DESCRIBE",
        Statement::Replay(_) => "REPLAY",
        Statement::Optimize(_) => "OPTIMIZE",
        Statement::Vacuum(_) => "VACUUM",
        _ => "SHOW",
    }
}

fn rows_of(tag: &str, batch: RecordBatch) -> Answer {
    let schema = batch.schema();
    let rows = futures::stream::iter([Ok(batch)]);
    Answer::Rows {
        tag: tag.to_owned(),
        schema: Arc::clone(&schema),
        stream: Box::pin(RecordBatchStreamAdapter::new(schema, rows)),
        idle: None,
    }
}

/// Rows under the names that people see, until the token is cancelled.
fn answer_of(
    tag: &str,
    rows: SendableRecordBatchStream,
    idle: Option<Idle>,
    token: CancellationToken,
) -> Answer {
    let rows = dialect::shown_rows(rows);
    Answer::Rows {
        tag: tag.to_owned(),
        schema: rows.schema(),
        stream: cancellable(rows, token),
        idle,
    }
}

/// The rows until the token is cancelled; then one error.
fn cancellable(
    rows: SendableRecordBatchStream,
    token: CancellationToken,
) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let stream = futures::stream::unfold(Some((rows, token)), |state| async move {
        let (mut rows, token) = state?;
        tokio::select! {
            biased;
            () = token.cancelled() => Some((Err(external(cancelled())), None)),
            next = rows.next() => Some((next?, Some((rows, token)))),
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

pub(crate) fn cancelled() -> Error {
    Error::user(
        SqlState::QueryCanceled,
        "canceling statement due to user request",
    )
}
