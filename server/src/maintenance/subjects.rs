//! The Delta tables of an engine, and what is known of each that its upkeep depends on.

use std::sync::Arc;

use sluice_connectors::delta::{PartitionValues, Standing};
use sluice_planner::Sealing;
use sluice_sql::Options;

use crate::{
    catalog::{Object, QualifiedName},
    engine::{Engine, RunningTable},
    options::{Upkeep, maintenance_option},
    table::TableState,
};

/// Who commits to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// The query of the table with this id: its manifests announce files.
    Query(String),
    /// The stream with this id, which keeps dead letters: its records announce files.
    Letters(String),
    /// Nobody.
    None,
}

/// A table that is looked after.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// Its name, a companion's included.
    pub(crate) name: String,
    pub(crate) table: Arc<TableState>,
    pub(crate) writer: Writer,
    pub(crate) sealing: Option<Arc<Sealing>>,
    /// The earliest start of a window that is still to come, microseconds.
    pub(crate) earliest_start_us: Option<i64>,
    /// It is looked after by hand alone.
    pub(crate) off: bool,
}

impl Subject {
    /// What is known of a partition.
    pub(crate) fn standing(&self, partition: &PartitionValues) -> Standing {
        match (&self.sealing, self.earliest_start_us) {
            (Some(sealing), Some(start_us)) if sealing.is_sealed(partition, start_us) => {
                Standing::Sealed
            }
            _ => Standing::Open,
        }
    }

    /// The order of rows in files.
    pub(crate) fn order(&self) -> &[String] {
        self.sealing.as_ref().map_or(&[], |sealing| &sealing.keys)
    }
}

/// All tables of an engine.
pub(super) fn all(engine: &Arc<Engine>) -> Vec<Subject> {
    let catalog = engine.catalog();
    let mut subjects = Vec::new();
    for object in catalog.all() {
        match object.as_ref() {
            Object::Table(table) => {
                if let Some(running) = engine.table(&table.name) {
                    let off = is_off(&table.statement.options);
                    subjects.extend(of_table(&running, &table.meta.id, off));
                }
            }
            Object::Stream(stream) => {
                if let Some(running) = engine.stream(&stream.name) {
                    subjects.push(letters(&running.dead_letters.table, &stream.meta.id));
                }
            }
            Object::View(_) => {}
        }
    }
    subjects
}

/// Whether a table's options say that it is looked after by hand alone. They were checked when it was made.
fn is_off(options: &Options) -> bool {
    matches!(maintenance_option(options), Ok(Upkeep::ByHand))
}

/// One table by its name, companions included.
pub(crate) fn find(engine: &Arc<Engine>, name: &QualifiedName) -> Option<Subject> {
    let name = name.to_string();
    all(engine).into_iter().find(|subject| subject.name == name)
}

fn of_table(running: &RunningTable, id: &str, off: bool) -> Vec<Subject> {
    let tables = &running.tables;
    let Some(job) = &running.job else {
        return vec![Subject {
            name: tables.table.name.to_string(),
            table: Arc::clone(&tables.table),
            writer: Writer::None,
            sealing: None,
            earliest_start_us: None,
            off,
        }];
    };
    let earliest_start_us = job.status.get().earliest_start_us;
    let of = |table: &Arc<TableState>, sealing| Subject {
        name: table.name.to_string(),
        table: Arc::clone(table),
        writer: Writer::Query(id.to_owned()),
        sealing,
        earliest_start_us,
        off,
    };
    vec![
        of(&tables.table, running.sealing.clone()),
        of(&tables.late, None),
        of(&tables.dead, None),
    ]
}

fn letters(table: &Arc<TableState>, id: &str) -> Subject {
    Subject {
        name: table.name.to_string(),
        table: Arc::clone(table),
        writer: Writer::Letters(id.to_owned()),
        sealing: None,
        earliest_start_us: None,
        off: false,
    }
}
