//! From the catalog to what runs: streams are opened, tables become readable, queries start.

use std::{sync::Arc, time::Duration};

use super::{Engine, RunningTable, StreamRuntime, stream::source_of};
use crate::{
    catalog::{Object, QualifiedName, TableObject},
    clock::rfc3339,
    error::{Error, Result, SqlState},
    execute,
    job::{JobHandle, JobParts, JobStream, JobTables, app_id, checkpoint_folder},
    options::table_options,
    root::storage_error,
    table::{Freshness, TableState},
};

impl Engine {
    /// Opens everything in the catalog. One object that cannot be opened is told in `system.events` and does not keep the others back.
    pub(super) async fn restore(self: &Arc<Self>) -> Result<()> {
        let catalog = self.catalog();
        for broken in catalog.all_broken() {
            let error = broken.error();
            let detail = error.detail.unwrap_or_default();
            let message = format!("{}: {detail}", error.message);
            self.events().error(&broken.name, message);
        }
        for object in catalog.all() {
            if let Object::Stream(stream) = object.as_ref() {
                match StreamRuntime::open(self, stream) {
                    Ok(runtime) => {
                        runtime.dead_letters.table.refresh().await?;
                        self.put_stream(stream.name.clone(), Arc::new(runtime));
                    }
                    Err(error) => self.stays_closed(&stream.name, error),
                }
            }
        }
        for object in catalog.all() {
            let Object::Table(table) = object.as_ref() else {
                continue;
            };
            let started = match catalog.broken_below(object) {
                Some(broken) if table.continuous => Err(broken.error()),
                _ => self.start_table(table).await,
            };
            if let Err(error) = started {
                self.stays_closed(&table.name, error);
            }
        }
        // A folder that nobody seems to have may be that of a table whose file cannot be read.
        match catalog.all_broken().next() {
            Some(_) => Ok(()),
            None => self.sweep_dropped().await,
        }
    }

    /// An object could not be opened: it is told, and so is whoever asks for it.
    fn stays_closed(&self, name: &QualifiedName, error: Error) {
        self.events().error(name, error.to_string());
        self.closed.write().insert(name.clone(), error);
    }

    /// Why a relation of the catalog cannot be read, where it could not be opened at the start and has not been since.
    pub(crate) fn why_closed(&self, name: &QualifiedName) -> Option<Error> {
        let closed = self.closed.read();
        let error = closed.get(name)?.clone();
        let message = format!("relation \"{name}\" could not be opened: {}", error.message);
        Some(Error { message, ..error })
    }

    /// Makes a table readable and starts the query that feeds it.
    pub(crate) async fn start_table(self: &Arc<Self>, object: &TableObject) -> Result<()> {
        if object.continuous {
            let (parts, tables) = self.job_parts(object).await?;
            for table in [&tables.table, &tables.late, &tables.dead] {
                // What is committed can be read from now on; what is final beyond it, once the job has replayed it.
                table.refresh().await?;
                table.clear_tail(!parts.paused && !self.plans_only());
            }
            let sealing = Some(Arc::new(parts.plan.sealing.clone()));
            let job = (!self.plans_only()).then(|| JobHandle::start(parts));
            let running = RunningTable {
                tables,
                job,
                sealing,
            };
            self.put_table(object.name.clone(), running);
            return Ok(());
        }
        let path = object.path();
        let reader = sluice_connectors::delta::DeltaSink::open(self.root(), &path)
            .await
            .map_err(storage_error)?
            .ok_or_else(|| {
                Error::outside(
                    SqlState::UndefinedTable,
                    format!("the Delta folder of table \"{}\" is gone", object.name),
                )
            })?;
        let table = Arc::new(TableState::new(
            object.name.clone(),
            Arc::clone(&reader.spec().schema),
            self.root().clone(),
            path,
            None,
        ));
        table.refresh().await?;
        self.put_table(
            object.name.clone(),
            RunningTable {
                tables: Self::plain_tables(table),
                job: None,
                sealing: None,
            },
        );
        Ok(())
    }

    /// Stops the query of a table, does something while it stands still, and starts it again, whatever became of that.
    pub(crate) async fn restart_query<T>(
        self: &Arc<Self>,
        object: &TableObject,
        while_stopped: impl AsyncFnOnce(&JobParts) -> Result<T>,
    ) -> Result<T> {
        if let Some(job) = self.table(&object.name).and_then(|running| running.job) {
            job.stop(true).await;
        }
        let (parts, tables) = self.job_parts(object).await?;
        let done = while_stopped(&parts).await;
        for table in [&tables.table, &tables.late, &tables.dead] {
            table.refresh().await?;
            table.clear_tail(true);
        }
        let sealing = Some(Arc::new(parts.plan.sealing.clone()));
        let running = RunningTable {
            tables,
            job: Some(JobHandle::start(parts)),
            sealing,
        };
        self.put_table(object.name.clone(), running);
        done
    }

    /// Plans a continuous table and puts its job together.
    async fn job_parts(self: &Arc<Self>, object: &TableObject) -> Result<(JobParts, JobTables)> {
        let context = self.context(Freshness::Latest);
        let plan = execute::continuous_plan(&context, &object.name, &object.statement)
            .await?
            .ok_or_else(|| {
                Error::internal(format!(
                    "table \"{}\" no longer reads a stream",
                    object.name
                ))
            })?;
        let mut streams = Vec::with_capacity(plan.streams.len());
        for read in &plan.streams {
            let name = QualifiedName::new(&read.definition.schema_name, &read.definition.name);
            let stream = self.stream(&name).ok_or_else(|| {
                Error::internal(format!(
                    "stream \"{name}\" of table \"{}\" is not open",
                    object.name
                ))
            })?;
            streams.push(JobStream {
                name,
                definition: stream.sql.clone(),
                source_of,
                source: Arc::clone(&stream.source),
                readers: Arc::clone(&stream.readers),
                dead_letters: Arc::clone(&stream.dead_letters),
                on_error: stream.options.on_error,
                idle_timeout: stream.options.idle_timeout(),
            });
        }
        let state = |suffix: &str, schema: &arrow::datatypes::SchemaRef| {
            let mut name = object.name.clone();
            name.name.push_str(suffix);
            Arc::new(TableState::new(
                name.clone(),
                Arc::clone(schema),
                self.root().clone(),
                format!("{}{suffix}", object.path()),
                Some(app_id(&object.meta.id)),
            ))
        };
        let tables = JobTables {
            table: state("", &plan.output_schema),
            late: state("__late", &plan.late_schema),
            dead: state("__dead_letter", &plan.dead_letter_schema),
        };
        let parts = JobParts {
            name: object.name.clone(),
            id: object.meta.id.clone(),
            owner: self.owner().to_owned(),
            build: self.build().to_owned(),
            plan,
            streams: streams.into(),
            root: self.root().clone(),
            holding: self.holding().clone(),
            journal: self.local().journal(&checkpoint_folder(&object.meta.id)),
            tables: tables.clone(),
            options: table_options(&object.statement.options)?,
            clock: Arc::clone(self.clock()),
            events: self.events().clone(),
            metrics: self.metrics().query(&object.name.to_string()),
            paused: object.meta.paused,
        };
        Ok((parts, tables))
    }

    /// Deletes folders of tables whose week of grace is over.
    async fn sweep_dropped(&self) -> Result<()> {
        let grace = Duration::from_secs(86_400 * crate::catalog::GRACE_DAYS.unsigned_abs());
        let grace_us = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
        let oldest = rfc3339(self.clock().now_us().saturating_sub(grace_us));
        for dropped in self.files().dropped().await? {
            if dropped.dropped_at >= oldest {
                continue;
            }
            let own = execute::table_path(&dropped.name);
            let folder = dropped.location.clone().unwrap_or(own);
            // A table made since then under the same name has taken the folder over.
            let catalog = self.catalog();
            let taken = catalog.all().any(|object| match object.as_ref() {
                Object::Table(table) => table.path() == folder,
                other => *other.name() == dropped.name,
            });
            if dropped.kind != "view" && !taken {
                for suffix in ["", "__late", "__dead_letter"] {
                    let path = format!("{folder}{suffix}");
                    self.root().delete_all(&path).await.map_err(storage_error)?;
                }
            }
            let checkpoints = checkpoint_folder(&dropped.id);
            self.root()
                .delete_all(&checkpoints)
                .await
                .map_err(storage_error)?;
            self.local().forget(&checkpoints);
            self.files().forget_dropped(&dropped).await?;
        }
        Ok(())
    }
}
