//! Views of one session: a query under a name, planned with the session's own dialect, tables and rights.
//!
//! Hard here: the engine asks a schema for a relation in the middle of planning, when nothing is there to plan the view's own query with. So
//! the views are planned before anything else is, whenever something they are planned under has changed; one that cannot be planned any
//! more says why to whoever reads it. A view's names keep the schemas they had when it was made.

use std::{collections::BTreeSet, sync::Arc};

use datafusion::{catalog::TableProvider, common::Result as EngineResult, datasource::ViewTable};
use parking_lot::Mutex;
use sluice_sql::{CreateView, Drop, ObjectKind, Privilege, ast};

use super::{Session, TempTables, of_session};
use crate::{
    access::Target,
    catalog::{QualifiedName, TEMP_SCHEMA, relations},
    error::{Error, Result, SqlState},
    execute::{check_view_columns, engine_error, renamed},
    table::external,
};

/// How often the catalog, what is temporary and the settings have changed, and whose rights hold.
pub(super) type Marks = (u64, u64, u64, String);

/// One view.
#[derive(Debug)]
pub(super) struct TempView {
    statement: CreateView,
    planned: Mutex<Result<Arc<ViewTable>>>,
}

impl TempView {
    /// What is read, or why it cannot be.
    pub(super) fn relation(&self) -> EngineResult<Arc<dyn TableProvider>> {
        match &*self.planned.lock() {
            Ok(view) => Ok(Arc::clone(view) as Arc<dyn TableProvider>),
            Err(error) => Err(external(error.clone())),
        }
    }

    fn reads(&self) -> BTreeSet<QualifiedName> {
        relations(&self.statement.query)
    }
}

impl TempTables {
    pub(in crate::session) fn has_view(&self, name: &str) -> bool {
        self.views.read().contains_key(name)
    }

    pub(super) fn view(&self, name: &str) -> Option<Arc<TempView>> {
        self.views.read().get(name).cloned()
    }

    /// The query of a view.
    pub(in crate::session) fn definition(&self, name: &str) -> Option<String> {
        Some(self.query(name)?.to_string())
    }

    /// The same as it was parsed.
    pub(in crate::session) fn query(&self, name: &str) -> Option<Box<ast::Query>> {
        Some(self.view(name)?.statement.query.clone())
    }

    /// The statement that removes what has a name.
    pub(super) fn removed_by(&self, name: &str) -> String {
        let kind = if self.has_view(name) { "VIEW" } else { "TABLE" };
        format!("DROP {kind} {name}; removes it.")
    }

    /// The views that read a relation, directly or not.
    fn dependents(&self, name: &QualifiedName) -> Vec<String> {
        let views = self.views.read();
        let mut found: Vec<String> = Vec::new();
        let mut waiting = vec![name.clone()];
        while let Some(read) = waiting.pop() {
            for (name, view) in views.iter() {
                if !found.contains(name) && view.reads().contains(&read) {
                    found.push(name.clone());
                    waiting.push(QualifiedName::new(TEMP_SCHEMA, name));
                }
            }
        }
        found
    }

    /// All views, what is read before what reads it.
    fn in_order(&self) -> Vec<(String, Arc<TempView>)> {
        let views = self.views.read().clone();
        let mut waiting: Vec<_> = views.into_iter().collect();
        let mut ordered: Vec<(String, Arc<TempView>)> = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let names: BTreeSet<QualifiedName> = waiting
                .iter()
                .map(|(name, _)| QualifiedName::new(TEMP_SCHEMA, name))
                .collect();
            let (ready, later): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|(_, view)| view.reads().is_disjoint(&names));
            waiting = later;
            // None reads itself: see `create_temp_view`.
            if ready.is_empty() {
                break;
            }
            ordered.extend(ready);
        }
        ordered
    }
}

impl Session {
    /// Makes a view of the session; its completion tag.
    pub(crate) async fn create_temp_view(&self, create: &CreateView) -> Result<String> {
        let name = QualifiedName::from_sql(&create.name)?;
        self.require(Privilege::Temporary, Target::Database)?;
        of_session(&name)?;
        let done = || Ok("CREATE VIEW".to_owned());
        let before = self.temp.view(&name.name);
        if self.temp.has(&name.name) && (before.is_none() || !create.or_replace) {
            if create.or_replace {
                return Err(Error::user(
                    SqlState::WrongObjectType,
                    format!("\"{}\" is not a view", name.name),
                ));
            }
            let there = format!("relation \"{}\" already exists", name.name);
            let there = Error::user(SqlState::DuplicateTable, there);
            if !create.if_not_exists {
                return Err(there.with_hint(self.temp.removed_by(&name.name)));
            }
            self.notice(Error {
                message: format!("{}, skipping", there.message),
                ..there
            });
            return done();
        }
        let statement = CreateView {
            or_replace: false,
            temporary: true,
            if_not_exists: false,
            ..create.clone()
        };
        let reads = relations(&statement.query);
        let readers = self.temp.dependents(&name);
        let readers = readers.iter();
        let mut readers = readers.map(|reader| QualifiedName::new(TEMP_SCHEMA, reader));
        if reads.contains(&name) || readers.any(|reader| reads.contains(&reader)) {
            return Err(Error::user(
                SqlState::InvalidObjectDefinition,
                format!(
                    "infinite recursion detected in rules for relation \"{}\"",
                    name.name
                ),
            ));
        }
        self.plan_temp_views().await;
        let planned = self.temp_view_plan(&statement).await?;
        let before = before.map(|before| before.planned.lock().clone());
        if let Some(Ok(before)) = before {
            check_view_columns(&before.schema(), &planned.schema())?;
        }
        let view = TempView {
            statement,
            planned: Mutex::new(Ok(planned)),
        };
        self.temp.views.write().insert(name.name, Arc::new(view));
        self.temp.changed();
        self.show_temp()?;
        done()
    }

    /// Plans the session's views anew, where what they stand on has changed.
    pub(in crate::session) async fn plan_temp_views(&self) {
        if self.temp.views.read().is_empty() {
            return;
        }
        let marks: Marks = (
            self.engine.catalog_changes(),
            self.temp.changes(),
            self.setting_changes(),
            self.role(),
        );
        if *self.temp.planned_under.lock() == Some(marks.clone()) {
            return;
        }
        for (_, view) in self.temp.in_order() {
            let planned = self.temp_view_plan(&view.statement).await;
            *view.planned.lock() = planned;
        }
        *self.temp.planned_under.lock() = Some(marks);
    }

    /// The view's query, its columns by the view's names.
    async fn temp_view_plan(&self, view: &CreateView) -> Result<Arc<ViewTable>> {
        let query = self.as_planned(ast::Statement::Query(view.query.clone()));
        let state = self.context().state();
        let plan = Box::pin(sluice_planner::bound_plan(&state, &query)).await;
        let plan = plan.map_err(|error| self.nearest(engine_error(error)))?;
        let too_many = "CREATE VIEW specifies more column names than columns";
        let plan = renamed(plan, &view.columns, too_many)?;
        let definition = view.query.to_string();
        Ok(Arc::new(ViewTable::new(plan, Some(definition))))
    }

    /// Drops something temporary; whether there was anything of that name.
    pub(crate) fn drop_temp(&self, name: &str, drop: &Drop) -> Result<bool> {
        let kind = match (self.temp.get(name), self.temp.has_view(name)) {
            (Some(_), _) => ObjectKind::Table,
            (None, true) => ObjectKind::View,
            (None, false) => return Ok(false),
        };
        if kind != drop.kind {
            let (wanted, is) = (drop.kind.to_string(), kind.to_string());
            return Err(Error::user(
                SqlState::WrongObjectType,
                format!("\"{name}\" is not a {}", wanted.to_lowercase()),
            )
            .with_hint(format!("Use DROP {is} to remove a {}.", is.to_lowercase())));
        }
        let qualified = QualifiedName::new(TEMP_SCHEMA, name);
        let what = format!("{} \"{name}\"", kind.to_string().to_lowercase());
        self.drop_temp_views_of(&qualified, &what, drop.cascade)?;
        self.remove_temp(name);
        Ok(true)
    }

    /// Drops the views of the session that read a relation, or refuses to let it go while they do.
    pub(crate) fn drop_temp_views_of(
        &self,
        name: &QualifiedName,
        what: &str,
        cascade: bool,
    ) -> Result<()> {
        let dependents = self.temp.dependents(name);
        if dependents.is_empty() {
            return Ok(());
        }
        if !cascade {
            let list = dependents.iter();
            let list = list.map(|view| format!("view {view} depends on {what}"));
            let list: Vec<String> = list.collect();
            return Err(Error::user(
                SqlState::DependentObjectsStillExist,
                format!("cannot drop {what} because other objects depend on it"),
            )
            .with_detail(list.join("\n"))
            .with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        for view in dependents {
            self.notice(Error::user(
                SqlState::DependentObjectsStillExist,
                format!("drop cascades to view {view}"),
            ));
            self.remove_temp(&view);
        }
        Ok(())
    }

    /// Lets go of a table or a view of the session, and of the views that read it.
    pub(super) fn remove_temp(&self, name: &str) {
        let readers = self.temp.dependents(&QualifiedName::new(TEMP_SCHEMA, name));
        {
            let mut views = self.temp.views.write();
            views.remove(name);
            views.retain(|name, _| !readers.contains(name));
        }
        self.temp.tables.write().remove(name);
        self.temp.changed();
    }
}

/// A view is written to.
pub(super) fn not_written(message: &str) -> Error {
    Error::user(SqlState::WrongObjectType, message).with_hint("Write to the table that it reads.")
}
