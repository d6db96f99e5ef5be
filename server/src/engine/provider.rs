//! The catalog as DataFusion sees it: names to relations, companions included, for somebody who may see some of them.
//!
//! This is where SELECT is asked for, whatever the door and the statement: nobody gets at a relation but through here.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::Arc,
};

use async_trait::async_trait;
use datafusion::{
    catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider},
    common::Result,
    datasource::{TableType, ViewTable},
    prelude::SessionContext,
};
use parking_lot::{Mutex, RwLock};
use sluice_connectors::delta::At;
use sluice_planner::{AsOf, StreamTable};
use sluice_sql::Privilege;

use super::{CATALOG, Engine, RunningTable, Standing, peek::Peek};
use crate::{
    access::{Target, Viewer},
    catalog::{COMPANION_SUFFIXES, Object, QualifiedName, ViewObject},
    companions,
    dialect::Facts,
    session::LIST_COMPANIONS,
    system::{MomentTable, SystemSchema},
    table::{Freshness, LiveTable, ReadSnapshot, SluiceTable, TableState, external, no_versions},
};

/// What views are planned over, by their owners.
type Owners = Mutex<HashMap<String, OwnersView>>;

/// What the views of an owner are planned over.
struct OwnersView {
    /// They are kept, for PostgreSQL's relations and functions hold them weakly, and look into them when a plan runs.
    catalogs: Arc<dyn CatalogProviderList>,
    /// It has maps of all functions, and can be made again.
    context: Option<SessionContext>,
}

/// Our one catalog, as a session with this freshness sees it.
pub struct SluiceCatalog {
    engine: Arc<Engine>,
    freshness: Freshness,
    viewer: Viewer,
    /// What the session's transaction reads.
    snapshot: Option<Arc<ReadSnapshot>>,
    /// What is known of the session that reads.
    facts: Option<Arc<Facts>>,
    owners: Arc<Owners>,
    /// Schemas that a session adds (`pg_catalog`).
    added: RwLock<HashMap<String, Arc<dyn SchemaProvider>>>,
}

impl SluiceCatalog {
    /// Of this engine, for this viewer; `facts` where it is a session.
    pub fn new(
        engine: Arc<Engine>,
        freshness: Freshness,
        viewer: Viewer,
        snapshot: Option<Arc<ReadSnapshot>>,
        facts: Option<Arc<Facts>>,
    ) -> Self {
        Self {
            engine,
            freshness,
            viewer,
            snapshot,
            facts,
            owners: Arc::default(),
            added: RwLock::default(),
        }
    }

    /// Lets go what can be made again: nobody has asked anything for a while.
    pub(crate) fn rest(&self) {
        for view in self.owners.lock().values_mut() {
            view.context = None;
            if let Some(catalog) = view.catalogs.catalog(CATALOG)
                && let Some(catalog) = catalog.downcast_ref::<Self>()
            {
                catalog.rest();
            }
        }
    }
}

impl fmt::Debug for SluiceCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SluiceCatalog")
    }
}

impl CatalogProvider for SluiceCatalog {
    fn schema_names(&self) -> Vec<String> {
        let catalog = self.engine.catalog();
        let mut names: Vec<String> = catalog.schemas().map(str::to_owned).collect();
        names.push("system".to_owned());
        names.extend(self.added.read().keys().cloned());
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if let Some(added) = self.added.read().get(name) {
            return Some(Arc::clone(added));
        }
        if name == "system" {
            return Some(Arc::new(SystemSchema::new(
                Arc::clone(&self.engine),
                self.viewer.clone(),
            )));
        }
        self.engine.catalog().has_schema(name).then(|| {
            Arc::new(UserSchema {
                engine: Arc::clone(&self.engine),
                name: name.to_owned(),
                freshness: self.freshness,
                viewer: self.viewer.clone(),
                snapshot: self.snapshot.clone(),
                facts: self.facts.clone(),
                owners: Arc::clone(&self.owners),
            }) as Arc<dyn SchemaProvider>
        })
    }

    fn register_schema(
        &self,
        name: &str,
        schema: Arc<dyn SchemaProvider>,
    ) -> Result<Option<Arc<dyn SchemaProvider>>> {
        Ok(self.added.write().insert(name.to_owned(), schema))
    }
}

/// One schema of the user's.
struct UserSchema {
    engine: Arc<Engine>,
    name: String,
    freshness: Freshness,
    viewer: Viewer,
    snapshot: Option<Arc<ReadSnapshot>>,
    facts: Option<Arc<Facts>>,
    owners: Arc<Owners>,
}

impl fmt::Debug for UserSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserSchema({})", self.name)
    }
}

#[async_trait]
impl SchemaProvider for UserSchema {
    fn table_names(&self) -> Vec<String> {
        let catalog = self.engine.catalog();
        // What a role may not read it does not see listed, so that nothing that is listed is refused.
        let listed = catalog
            .objects(&self.name)
            .filter(|object| self.viewer.lists(&catalog, object));
        let mut names = Vec::new();
        for object in listed {
            let name = &object.name().name;
            names.push(name.clone());
            if self.lists_companions() {
                let beside = companions_of(object).iter();
                names.extend(beside.map(|suffix| format!("{name}{suffix}")));
            }
        }
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let catalog = self.engine.catalog();
        let qualified = QualifiedName::new(&self.name, name);
        // As in PostgreSQL, who may not use a schema does not hear what is in it.
        self.viewer
            .check(&catalog, Privilege::Usage, Target::Schema(&self.name))
            .map_err(external)?;
        if let Some(object) = catalog.readable(&qualified) {
            self.viewer
                .check(&catalog, Privilege::Select, Target::Relation(object))
                .map_err(external)?;
        }
        if let Some(object) = catalog.get(&qualified) {
            return self.relation(object).await;
        }
        if let Some(broken) = catalog.broken(&qualified) {
            return Err(external(broken.error()));
        }
        if let Some((table, as_of)) = AsOf::of_relation(name) {
            return self.as_of(table, as_of).await;
        }
        let companion = COMPANION_SUFFIXES
            .iter()
            .find_map(|suffix| Some((name.strip_suffix(suffix)?, *suffix)));
        let Some((base, suffix)) = companion else {
            return Ok(None);
        };
        let base = QualifiedName::new(&self.name, base);
        match catalog.get(&base).map(Arc::as_ref) {
            Some(Object::Stream(_)) if suffix == "__dead_letter" => {
                let stream = self.engine.stream(&base);
                Ok(stream.map(|stream| self.plain(&stream.dead_letters.table)))
            }
            Some(Object::Table(table)) => match self.engine.table(&base) {
                Some(running) => self.companion(&running, &table.meta.id, suffix).await,
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        let catalog = self.engine.catalog();
        let object = catalog.get(&QualifiedName::new(&self.name, name));
        Ok(match object.map(Arc::as_ref) {
            Some(Object::View(_)) => Some(TableType::View),
            Some(_) => Some(TableType::Base),
            None => self.table(name).await?.map(|table| table.table_type()),
        })
    }

    fn table_exist(&self, name: &str) -> bool {
        let catalog = self.engine.catalog();
        let qualified = QualifiedName::new(&self.name, name);
        catalog.get(&qualified).is_some()
            || self.lists_companions()
                && catalog.readable(&qualified).is_some_and(|object| {
                    let suffix = name.strip_prefix(object.name().name.as_str());
                    suffix.is_some_and(|suffix| companions_of(object).contains(&suffix))
                })
    }
}

/// Suffixes of the companions that a relation has.
fn companions_of(object: &Object) -> &'static [&'static str] {
    match object {
        Object::Stream(_) => &["__dead_letter"],
        Object::Table(table) if table.continuous => &COMPANION_SUFFIXES,
        Object::Table(_) => &["__files", "__history"],
        Object::View(_) => &[],
    }
}

impl UserSchema {
    /// Whether the session that reads wants companions in listings.
    fn lists_companions(&self) -> bool {
        let value = |facts: &Arc<Facts>| (facts.setting)(LIST_COMPANIONS);
        self.facts.as_ref().and_then(value).as_deref() == Some("on")
    }

    async fn relation(&self, object: &Object) -> Result<Option<Arc<dyn TableProvider>>> {
        let opened: Option<Arc<dyn TableProvider>> = match object {
            Object::Stream(stream) => self.engine.stream(&stream.name).map(|stream| {
                let peek = Arc::new(Peek::new(&stream));
                Arc::new(StreamTable::new(Arc::clone(&stream.definition), Some(peek))) as _
            }),
            Object::View(view) => Some(self.view(view).await?),
            Object::Table(table) => self
                .engine
                .table(&table.name)
                .map(|running| self.plain(&running.tables.table)),
        };
        if opened.is_none()
            && let Some(error) = self.engine.why_closed(object.name())
        {
            return Err(external(error));
        }
        Ok(opened)
    }

    /// A table as it was: committed files alone.
    async fn as_of(&self, name: &str, as_of: AsOf) -> Result<Option<Arc<dyn TableProvider>>> {
        let qualified = QualifiedName::new(&self.name, name);
        let Some(table) = self.versioned(&qualified).map_err(external)? else {
            return Ok(None);
        };
        let at = match as_of {
            AsOf::Version(version) => At::Version(version),
            AsOf::Time(us) => At::Time(us),
        };
        if self.engine.plans_only() {
            return Ok(Some(self.plain(&table)));
        }
        let now_us = self.engine.clock().now_us();
        let snapshot = table.as_of(at, now_us).await.map_err(external)?;
        Ok(Some(snapshot.provider()))
    }

    /// A Delta table of this name; an error for a relation that has no versions.
    fn versioned(&self, name: &QualifiedName) -> crate::error::Result<Option<Arc<TableState>>> {
        let no_versions = |kind: &str| no_versions(&name.to_string(), kind);
        let catalog = self.engine.catalog();
        match catalog.get(name).map(Arc::as_ref) {
            Some(Object::Table(_)) => {
                return Ok(self.engine.table(name).map(|running| running.tables.table));
            }
            Some(other) => return Err(no_versions(other.kind())),
            None => {}
        }
        let companion = COMPANION_SUFFIXES
            .iter()
            .find_map(|suffix| Some((name.name.strip_suffix(suffix)?, *suffix)));
        let Some((base, suffix)) = companion else {
            return Err(catalog.undefined(name));
        };
        let base = QualifiedName::new(&name.schema, base);
        let table = match (catalog.get(&base).map(Arc::as_ref), suffix) {
            (None, _) => return Err(catalog.undefined(name)),
            (Some(Object::Stream(_)), "__dead_letter") => self
                .engine
                .stream(&base)
                .map(|stream| Arc::clone(&stream.dead_letters.table)),
            (Some(Object::Table(_)), "__late" | "__dead_letter") => {
                let running = self.engine.table(&base);
                let running = running.filter(|running| running.job.is_some());
                running.map(|running| match suffix {
                    "__late" => running.tables.late,
                    _ => running.tables.dead,
                })
            }
            _ => return Err(no_versions("companion relation")),
        };
        Ok(table)
    }

    fn plain(&self, table: &Arc<crate::table::TableState>) -> Arc<dyn TableProvider> {
        let snapshot = self.snapshot.clone();
        let cache = Arc::clone(self.engine.row_cache());
        Arc::new(SluiceTable::new(
            Arc::clone(table),
            self.freshness,
            snapshot,
            cache,
        ))
    }

    /// What the views of an owner are planned in.
    fn context_of(
        &self,
        owner: &str,
        viewer: Viewer,
        facts: &Arc<Facts>,
    ) -> crate::error::Result<SessionContext> {
        let mut owners = self.owners.lock();
        let view = match owners.entry(owner.to_owned()) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(place) => {
                let (engine, snapshot) = (&self.engine, self.snapshot.clone());
                let catalogs = engine.catalogs_for(self.freshness, viewer, snapshot, facts)?;
                place.insert(OwnersView {
                    catalogs,
                    context: None,
                })
            }
        };
        if let Some(context) = &view.context {
            // The reader's time zone may be another one by now.
            let state = context.state_ref();
            let mut state = state.write();
            let execution = &mut state.config_mut().options_mut().execution;
            execution.time_zone = (facts.setting)("TimeZone");
            drop(state);
            return Ok(context.clone());
        }
        let made = self.engine.context_over(Arc::clone(&view.catalogs), facts);
        Ok(view.context.insert(made).clone())
    }

    /// A view is its query, planned where it is used: with the functions and the time zone of whoever reads it, and the rights of its owner.
    async fn view(&self, view: &ViewObject) -> Result<Arc<dyn TableProvider>> {
        let viewer = self.viewer.of_view(&view.meta.owner);
        let context = match &self.facts {
            None => self.engine.context_for(self.freshness, viewer),
            Some(facts) => self
                .context_of(&view.meta.owner, viewer, facts)
                .map_err(external)?,
        };
        // Before it is planned: what changes meanwhile is seen.
        let standing = self.facts.as_ref().and_then(|_| self.standing(view));
        let plan = crate::execute::view_plan(&context, &view.statement)
            .await
            .map_err(external)?;
        if let Some(standing) = standing {
            let columns = Arc::clone(plan.schema().inner());
            let catalog = self.engine.catalog();
            let known = self.engine.view_columns();
            known.keep(&catalog, &view.name, standing, columns);
        }
        Ok(Arc::new(ViewTable::new(
            plan,
            Some(view.statement.query.to_string()),
        )))
    }

    /// What a view stands on, where its columns are not known yet and it is the one that the catalog has.
    fn standing(&self, view: &ViewObject) -> Option<Standing> {
        let catalog = self.engine.catalog();
        match catalog.get(&view.name)?.as_ref() {
            Object::View(there) if std::ptr::eq(there, view) => {}
            _ => return None,
        }
        let known = self.engine.view_columns().get(&catalog, &view.name);
        known.is_none().then(|| Standing::of(&catalog, &view.name))
    }

    async fn companion(
        &self,
        running: &RunningTable,
        id: &str,
        suffix: &str,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let table = Arc::clone(&running.tables.table);
        let told = match (suffix, &running.job) {
            ("__late", Some(_)) => return Ok(Some(self.plain(&running.tables.late))),
            ("__dead_letter", Some(_)) => return Ok(Some(self.plain(&running.tables.dead))),
            ("__live", Some(job)) => {
                return Ok(Some(Arc::new(LiveTable::new(table, job.clone()))));
            }
            ("__files", _) => MomentTable::told_by(companions::file_schema()?, move || {
                let table = Arc::clone(&table);
                Box::pin(async move { companions::files(&table).await })
            }),
            ("__history", _) => MomentTable::told_by(companions::history_schema()?, move || {
                let table = Arc::clone(&table);
                Box::pin(async move { companions::history(&table).await })
            }),
            ("__checkpoints", Some(_)) => {
                let (root, id) = (self.engine.root().clone(), id.to_owned());
                MomentTable::told_by(companions::checkpoint_schema()?, move || {
                    let (root, id) = (root.clone(), id.clone());
                    Box::pin(async move { companions::checkpoints(&root, &id).await })
                })
            }
            _ => return Ok(None),
        };
        Ok(Some(told))
    }
}
