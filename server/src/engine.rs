//! The engine: the root it holds, what exists in it, and the jobs that run.
//!
//! One engine per root. DDL is one statement at a time behind a lock; readers see the catalog as one immutable value.
//!
//! long because what an engine holds is started, told of and ended in one place.

mod ad_hoc;
mod health;
mod memory;
mod peek;
mod provider;
mod restore;
mod stream;
mod view_columns;

pub use provider::SluiceCatalog;
pub use stream::StreamRuntime;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use datafusion::{
    catalog::{CatalogProviderList, MemoryCatalogProviderList},
    execution::{SessionState, SessionStateBuilder, memory_pool::MemoryPool},
    prelude::SessionContext,
};
use parking_lot::RwLock;
use sluice_connectors::store::Root;
use sluice_planner::{Sealing, functions::CountedValues};
use sluice_sql::Privilege;

use self::ad_hoc::AdHoc;
pub(crate) use self::{
    ad_hoc::{Admission, panicked},
    view_columns::{Standing, ViewColumns},
};
use crate::{
    access::{FailedLogins, OWNER, Role, Secrets, Target, Verifier, Viewer},
    activity::Activities,
    advisory::AdvisoryLocks,
    catalog::{Catalog, CatalogFiles, Object, QualifiedName},
    clock::{Clock, SystemClock},
    dialect::{self, Facts},
    error::{Error, Result, SqlState},
    events::Events,
    execute::plan_error,
    job::{JobHandle, JobTables, QueryStatus},
    maintenance::{self, Maintenance},
    metrics::{LoginMetrics, Metrics},
    root::{self, HeldRoot, Holding, Local, RootOptions},
    session::{Door, Login, Session, Sessions},
    subscription::Allowance,
    table::{Freshness, ReadSnapshot, RowCache, TableState},
    write::Writings,
};

/// What an engine is started with.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The root: a path or URL.
    pub root: String,
    /// Bytes of memory that ad-hoc queries may take, all together.
    pub query_memory: usize,
    /// Statements are planned and enter the catalog in memory; nothing is asked from outside, written or started.
    pub plan_only: bool,
    /// How the root is opened and held.
    pub root_options: RootOptions,
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    held: HeldRoot,
    files: CatalogFiles,
    catalog: ArcSwap<Catalog>,
    /// Counts changes of the catalog.
    changes: AtomicU64,
    secrets: Secrets,
    /// Sessions that are open, by role.
    sessions: parking_lot::Mutex<BTreeMap<String, u32>>,
    activities: Activities,
    advisory_locks: AdvisoryLocks,
    ddl: tokio::sync::Mutex<()>,
    running: RwLock<Running>,
    /// What could not be opened at the start, and why.
    closed: RwLock<BTreeMap<QualifiedName, Error>>,
    /// What sessions' contexts are made of.
    base: SessionState,
    /// Memory of the values that expressions of ad-hoc queries make.
    values: Arc<dyn MemoryPool>,
    /// What plans definitions.
    definitions: SessionState,
    clock: Arc<dyn Clock>,
    events: Events,
    failed_logins: FailedLogins,
    owner: String,
    build: String,
    plan_only: bool,
    metrics: Metrics,
    maintenance: Maintenance,
    ad_hoc: AdHoc,
    /// What subscriptions may take of the streams' threads.
    subscriptions: parking_lot::Mutex<Allowance>,
    row_cache: Arc<RowCache>,
    view_columns: ViewColumns,
    writings: Writings,
    ready: AtomicBool,
    stopping: AtomicBool,
}

/// What runs, by name.
#[derive(Debug, Default)]
struct Running {
    streams: BTreeMap<QualifiedName, Arc<StreamRuntime>>,
    tables: BTreeMap<QualifiedName, RunningTable>,
}

/// A table that can be read, and the job that feeds it.
#[derive(Clone, Debug)]
pub struct RunningTable {
    /// The table; companions are the table's own when no query feeds it.
    pub tables: JobTables,
    /// The job; `None` for a table that no query feeds.
    pub job: Option<JobHandle>,
    /// When its partitions get no more rows; `None` for a table that no query feeds.
    pub sealing: Option<Arc<Sealing>>,
}

impl Engine {
    /// Takes the root and restores what is in it. Queries go on restoring themselves after this returns: see [`Engine::is_ready`].
    pub async fn start(config: EngineConfig) -> Result<Arc<Self>> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let owner = uuid::Uuid::now_v7().to_string();
        let held = root::hold(&config.root, &config.root_options, &owner).await?;
        let files = CatalogFiles::new(held.root.clone());
        let catalog = files.load().await?;
        let plan_only = config.plan_only;
        let secrets = Secrets::load(&held.root, plan_only).await?;
        let runtime = memory::runtime(&held, config.query_memory).await?;
        let values = memory::values(config.query_memory);
        let row_cache = Arc::new(RowCache::new(&runtime.memory_pool, config.query_memory));
        let config = sluice_planner::session_config()
            .with_information_schema(true)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema("sluice", "public");
        let base = sluice_planner::new_session_state(config, runtime, None).map_err(plan_error)?;
        let definitions = dialect::definition_state(&base)?;
        let metrics = Metrics::new();
        let engine = Arc::new(Self {
            held,
            files,
            catalog: ArcSwap::from_pointee(catalog),
            changes: AtomicU64::new(0),
            secrets,
            sessions: parking_lot::Mutex::default(),
            activities: Activities::new(Arc::clone(&clock)),
            advisory_locks: AdvisoryLocks::default(),
            ddl: tokio::sync::Mutex::default(),
            running: RwLock::default(),
            closed: RwLock::default(),
            base,
            values,
            definitions,
            events: Events::new(Arc::clone(&clock)),
            failed_logins: FailedLogins::new(Arc::clone(&clock)),
            clock,
            owner,
            build: build_id(),
            plan_only,
            ad_hoc: AdHoc::new(metrics.ad_hoc())?,
            metrics,
            maintenance: Maintenance::default(),
            subscriptions: parking_lot::Mutex::new(Allowance::of_all()),
            row_cache,
            view_columns: ViewColumns::default(),
            writings: Writings::default(),
            ready: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        engine.remove_leftovers();
        engine.restore().await?;
        engine.ready.store(true, Ordering::Release);
        if !plan_only {
            maintenance::start(&engine);
        }
        Ok(engine)
    }

    /// Files that a killed process did not finish go, beside everything else: the whole root is walked for them.
    fn remove_leftovers(self: &Arc<Self>) {
        if self.plan_only {
            return;
        }
        let root = self.root().clone();
        tokio::spawn(async move {
            match root.remove_leftovers().await {
                Ok(0) => {}
                Ok(count) => {
                    tracing::info!("{count} unfinished files of an earlier process removed")
                }
                Err(error) => tracing::warn!("unfinished files were not removed: {error}"),
            }
        });
    }

    /// Commits what is final and ends every job.
    pub async fn shutdown(&self) {
        self.stopping.store(true, Ordering::Release);
        let jobs: Vec<JobHandle> = self
            .running
            .read()
            .tables
            .values()
            .filter_map(|table| table.job.clone())
            .collect();
        futures::future::join_all(jobs.iter().map(|job| job.stop(true))).await;
        self.held.release().await;
    }

    /// Resolves when another server has taken the root over; what is left then is to [`Engine::abandon`] everything.
    pub async fn lost(&self) -> Error {
        self.held.lost().await
    }

    /// Ends every job without a commit, for the root is somebody else's.
    pub async fn abandon(&self) {
        self.stopping.store(true, Ordering::Release);
        let jobs: Vec<JobHandle> = self
            .running
            .read()
            .tables
            .values()
            .filter_map(|table| table.job.clone())
            .collect();
        futures::future::join_all(jobs.iter().map(|job| job.stop(false))).await;
    }

    /// Begins a change of the catalog: one at a time, and only while the root is ours, for the catalog's files have no log that would
    /// fence us.
    pub(crate) async fn begin_ddl(&self) -> Result<tokio::sync::MutexGuard<'_, ()>> {
        let guard = self.ddl.lock().await;
        if !self.plan_only {
            self.held.holding.confirm().await?;
        }
        Ok(guard)
    }

    /// What holds the root.
    pub(crate) fn holding(&self) -> &Holding {
        &self.held.holding
    }

    /// What lies on local disk.
    pub(crate) fn local(&self) -> &Local {
        &self.held.local
    }

    /// Whether queries have been restored and statements are taken.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) && !self.stopping.load(Ordering::Acquire)
    }

    /// Whether the process is about to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Sessions, and what they do.
    pub(crate) fn activities(&self) -> &Activities {
        &self.activities
    }

    /// What sessions have locked for each other.
    pub(crate) fn advisory_locks(&self) -> &AdvisoryLocks {
        &self.advisory_locks
    }

    /// Where ad-hoc queries run.
    pub(crate) fn ad_hoc(&self) -> &AdHoc {
        &self.ad_hoc
    }

    /// What subscriptions may take of the streams' threads, all together.
    pub(crate) fn subscriptions(&self) -> &parking_lot::Mutex<Allowance> {
        &self.subscriptions
    }

    /// Decoded rows of tables.
    pub(crate) fn row_cache(&self) -> &Arc<RowCache> {
        &self.row_cache
    }

    /// The columns of views that have been planned.
    pub(crate) fn view_columns(&self) -> &ViewColumns {
        &self.view_columns
    }

    /// How the tables are looked after.
    pub(crate) fn maintenance(&self) -> &Maintenance {
        &self.maintenance
    }

    /// What statements have written and not committed.
    pub(crate) fn writings(&self) -> &Writings {
        &self.writings
    }

    /// Whether statements are only planned.
    pub(crate) fn plans_only(&self) -> bool {
        self.plan_only
    }

    /// The root.
    pub fn root(&self) -> &Root {
        &self.held.root
    }

    /// The catalog at this moment.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// The catalog's files.
    pub(crate) fn files(&self) -> &CatalogFiles {
        &self.files
    }

    /// Changes the catalog; the caller holds the DDL lock.
    pub(crate) fn change_catalog(&self, change: impl FnOnce(&mut Catalog)) {
        let mut catalog = Catalog::clone(&self.catalog.load());
        change(&mut catalog);
        self.catalog.store(Arc::new(catalog));
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// How often the catalog has changed: what was decided by it holds as long as this stays.
    pub(crate) fn catalog_changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Values that statements name.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Where secrets and roles are written; nowhere while statements are only planned.
    pub(crate) fn durable_root(&self) -> Option<&Root> {
        (!self.plan_only).then(|| self.root())
    }

    /// Whether a password lets the owner in.
    pub fn owner_has_password(&self) -> bool {
        let catalog = self.catalog();
        let owner = catalog.roles().get(OWNER);
        owner.is_some_and(|role| role.verifier.is_some())
    }

    /// Gives the owner a password.
    pub async fn set_owner_password(&self, password: &str) -> Result<()> {
        let _ddl = self.begin_ddl().await?;
        let mut role = Role::clone(self.catalog().roles().require(OWNER)?);
        role.verifier = Some(Verifier::make(password));
        if self.durable_root().is_some() {
            self.files.put_role(&role).await?;
        }
        self.change_catalog(|catalog| catalog.roles_mut().put(role));
        Ok(())
    }

    /// Counts a session of `role` in, unless it has as many as it may.
    fn enter(&self, role: &str) -> Result<()> {
        let catalog = self.catalog();
        let found = catalog.roles().require(role)?;
        let mut sessions = self.sessions.lock();
        let open = sessions.entry(role.to_owned()).or_default();
        if !found.superuser && found.connection_limit.is_some_and(|limit| *open >= limit) {
            return Err(Error::user(
                SqlState::TooManyConnections,
                format!("too many connections for role \"{role}\""),
            ));
        }
        *open += 1;
        Ok(())
    }

    /// Counts a session out.
    pub(crate) fn leave(&self, role: &str) {
        let mut sessions = self.sessions.lock();
        if let Some(open) = sessions.get_mut(role) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                sessions.remove(role);
            }
        }
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The process's metrics.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The counters of logins, for the doors.
    pub fn login_metrics(&self) -> LoginMetrics {
        self.metrics.logins()
    }

    /// Who was not let in.
    pub fn failed_logins(&self) -> &FailedLogins {
        &self.failed_logins
    }

    /// What happened.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// This process, in manifests.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// This build, in journals.
    pub(crate) fn build(&self) -> &str {
        &self.build
    }

    /// The status of every query, by name.
    pub fn query_statuses(&self) -> Vec<QueryStatus> {
        self.running
            .read()
            .tables
            .values()
            .filter_map(|table| Some(table.job.as_ref()?.status.get()))
            .collect()
    }

    /// The same, and after them the queries that could not be started.
    pub(crate) fn all_query_statuses(&self) -> Vec<QueryStatus> {
        let catalog = self.catalog();
        let is_query = |name: &QualifiedName| {
            let object = catalog.get(name).map(AsRef::as_ref);
            matches!(object, Some(Object::Table(table)) if table.continuous)
        };
        let mut all = self.query_statuses();
        let closed = self.closed.read();
        let closed = closed.iter().filter(|&(name, _)| is_query(name));
        all.extend(
            closed.map(|(name, why)| QueryStatus::closed(name.to_string(), why.to_string())),
        );
        all
    }

    /// A running table.
    pub fn table(&self, name: &QualifiedName) -> Option<RunningTable> {
        self.running.read().tables.get(name).cloned()
    }

    /// A running stream.
    pub fn stream(&self, name: &QualifiedName) -> Option<Arc<StreamRuntime>> {
        self.running.read().streams.get(name).cloned()
    }

    pub(crate) fn put_table(&self, name: QualifiedName, table: RunningTable) {
        self.closed.write().remove(&name);
        let next = table.tables.clone();
        let last = self.change_tables(|tables| tables.insert(name, table));
        if let Some(last) = last {
            for (last, next) in [
                (last.tables.table, next.table),
                (last.tables.late, next.late),
                (last.tables.dead, next.dead),
            ] {
                if !Arc::ptr_eq(&last, &next) {
                    last.succeeded_by(&next);
                }
            }
        }
    }

    pub(crate) fn take_table(&self, name: &QualifiedName) -> Option<RunningTable> {
        self.closed.write().remove(name);
        self.change_tables(|tables| tables.remove(name))
    }

    fn change_tables<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<QualifiedName, RunningTable>) -> T,
    ) -> T {
        let mut running = self.running.write();
        let changed = change(&mut running.tables);
        let streams = running.tables.values().any(|table| table.job.is_some());
        self.ad_hoc.beside_streams(streams);
        changed
    }

    pub(crate) fn put_stream(&self, name: QualifiedName, stream: Arc<StreamRuntime>) {
        self.closed.write().remove(&name);
        self.running.write().streams.insert(name, stream);
    }

    pub(crate) fn take_stream(&self, name: &QualifiedName) {
        self.closed.write().remove(name);
        self.running.write().streams.remove(name);
    }

    /// A context that plans definitions over our catalog as the server itself sees it, with this freshness.
    pub fn context(self: &Arc<Self>, freshness: Freshness) -> SessionContext {
        self.context_for(freshness, Viewer::Server)
    }

    /// A context that plans definitions over our catalog, as somebody with this freshness sees it.
    pub(crate) fn context_for(
        self: &Arc<Self>,
        freshness: Freshness,
        viewer: Viewer,
    ) -> SessionContext {
        let catalog = SluiceCatalog::new(Arc::clone(self), freshness, viewer, None, None);
        let state = over(&self.definitions, list_of(catalog));
        SessionContext::new_with_state(state)
    }

    /// The catalogs of a session: our one, as it sees it, whose transaction reads `snapshot`, with PostgreSQL's relations.
    pub(crate) fn catalogs_for(
        self: &Arc<Self>,
        freshness: Freshness,
        viewer: Viewer,
        snapshot: Option<Arc<ReadSnapshot>>,
        facts: &Arc<Facts>,
    ) -> Result<Arc<dyn CatalogProviderList>> {
        let (engine, known) = (Arc::clone(self), Some(Arc::clone(facts)));
        let catalog = SluiceCatalog::new(engine, freshness, viewer, snapshot, known);
        let catalogs = list_of(catalog);
        dialect::install_relations(&catalogs, facts)?;
        Ok(catalogs)
    }

    /// A context of a session's over these catalogs, with PostgreSQL's functions.
    pub(crate) fn context_over(
        &self,
        catalogs: Arc<dyn CatalogProviderList>,
        facts: &Arc<Facts>,
    ) -> SessionContext {
        let context = SessionContext::new_with_state(over(&self.base, catalogs));
        {
            let state = context.state_ref();
            let mut state = state.write();
            let config = state.config_mut();
            let options = config.options_mut();
            options.execution.time_zone = (facts.setting)("TimeZone");
            // As in PostgreSQL, rows of a subquery with an order come in it, where nothing else orders or mixes them.
            options.sql_parser.enable_subquery_sort_elimination = false;
            config.set_extension(Arc::clone(facts));
        }
        if let Err(error) = dialect::install_functions(&context) {
            tracing::error!("a session is without functions of PostgreSQL's: {error}");
        }
        context
    }

    /// Lets go what the catalogs of a session keep and can make again.
    pub(crate) fn rest(catalogs: &Arc<dyn CatalogProviderList>) {
        if let Some(catalog) = catalogs.catalog(CATALOG)
            && let Some(catalog) = catalog.downcast_ref::<SluiceCatalog>()
        {
            catalog.rest();
        }
    }

    /// The rule by which the values of an ad-hoc query's expressions are counted.
    pub(crate) fn counted_values(&self) -> Arc<CountedValues> {
        Arc::new(CountedValues::new(Arc::clone(&self.values)))
    }

    /// Table states of a table that no query feeds: the companions are empty relations of no columns.
    pub(crate) fn plain_tables(table: Arc<TableState>) -> JobTables {
        JobTables {
            late: Arc::clone(&table),
            dead: Arc::clone(&table),
            table,
        }
    }
}

/// The name of our one catalog.
const CATALOG: &str = "sluice";

/// The list of our one catalog.
fn list_of(catalog: SluiceCatalog) -> Arc<dyn CatalogProviderList> {
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    Arc::new(catalogs)
}

fn over(state: &SessionState, catalogs: Arc<dyn CatalogProviderList>) -> SessionState {
    SessionStateBuilder::new_from_existing(state.clone())
        .with_catalog_list(catalogs)
        .with_session_id(uuid::Uuid::new_v4().to_string())
        .build()
}

impl Sessions for Arc<Engine> {
    fn open(&self, user: &str, database: &str, door: Door) -> Result<Arc<Session>> {
        if !self.is_ready() {
            return Err(Error::outside(
                SqlState::CannotConnectNow,
                "the server is starting or stopping",
            ));
        }
        if database != "sluice" {
            return Err(Error::user(
                SqlState::InvalidCatalogName,
                format!("database \"{database}\" does not exist"),
            )
            .with_hint("There is one database: sluice."));
        }
        let catalog = self.catalog();
        if !catalog.may(user, Privilege::Connect, Target::Database) {
            return Err(Error::user(
                SqlState::InsufficientPrivilege,
                format!("permission denied for database \"{database}\""),
            )
            .with_detail("User does not have CONNECT privilege."));
        }
        self.enter(user)?;
        match Session::new(Arc::clone(self), user, door) {
            Ok(session) => Ok(Arc::new(session)),
            Err(error) => {
                self.leave(user);
                Err(error)
            }
        }
    }

    fn login(&self, user: &str) -> Login {
        let catalog = self.catalog();
        let secret = self.secrets.mock();
        match catalog.roles().get(user) {
            None => Login::nobody(&secret, user),
            Some(role) => Login::of(role, &secret, self.clock.now_us()),
        }
    }
}

/// An engine on a temporary root that all tests of a binary share.
#[cfg(test)]
pub(crate) fn for_tests() -> Arc<Engine> {
    static SHARED: std::sync::OnceLock<(Arc<Engine>, tempfile::TempDir)> =
        std::sync::OnceLock::new();
    Arc::clone(&SHARED.get_or_init(fresh_for_tests).0)
}

/// An engine on a temporary root of its own, for tests that create things.
#[cfg(test)]
pub(crate) fn fresh_for_tests() -> (Arc<Engine>, tempfile::TempDir) {
    // A thread of its own: a test may be inside a runtime already.
    let start = || {
        let folder = tempfile::tempdir().ok()?;
        let config = EngineConfig {
            root: folder.path().display().to_string(),
            query_memory: 1 << 30,
            plan_only: false,
            root_options: RootOptions::default(),
        };
        let runtime = tokio::runtime::Runtime::new().ok()?;
        let engine = runtime.block_on(Engine::start(config)).ok()?;
        Some((engine, folder))
    };
    std::thread::spawn(start)
        .join()
        .ok()
        .flatten()
        .unwrap_or_else(|| unreachable!("an engine starts on an empty folder"))
}

/// Another executable may compute other bits: its version, size and time tell it apart.
fn build_id() -> String {
    let file = std::env::current_exe().and_then(std::fs::metadata);
    let (len, modified) = file.map_or((0, 0), |file| {
        let modified = file
            .modified()
            .ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .map_or(0, |since| since.as_nanos());
        (file.len(), modified)
    });
    format!("{}/{len}/{modified}", env!("CARGO_PKG_VERSION"))
}
