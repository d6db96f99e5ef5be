//! What a running query needs of its plan, and the shapes of what it gives besides rows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::{
    execution::{context::SessionConfig, runtime_env::RuntimeEnv},
    physical_expr::aggregate::AggregateFunctionExpr,
    physical_plan::ExecutionPlan,
};

use super::{fill::Filling, glance::Glance, output::OutputShape, sessions::SessionKeys};
use crate::{TimeRules, logical::window_type, operators::WindowColumn, windows::Windows};

/// Below this many rows a pass per split costs more than it saves.
pub(crate) const PARALLEL_ROWS: usize = 16_384;

/// A group column that is a column of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowKey {
    /// Index among the group columns.
    pub(crate) index: usize,
    /// Which column of the window it is.
    pub(crate) column: WindowColumn,
}

/// How the rows of one stream come in.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) time: TimeRules,
    /// Schema of the rows that the plan is fed with.
    pub(crate) feed_schema: SchemaRef,
    /// Rows of the stream → states of the first stage; rows of the query where there is none.
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    /// How to see beforehand whether rows would close a window, where that can be seen.
    pub(crate) glance: Option<Glance>,
    pub(crate) late: RejectShape,
    pub(crate) dead: RejectShape,
}

/// How the results of a stage come into the one above.
#[derive(Debug)]
pub(crate) struct Between {
    /// Which column of the windows below is the time of those above.
    pub(crate) time: WindowColumn,
    /// Schema of the results that the plan is fed with.
    pub(crate) feed_schema: SchemaRef,
    /// Results → states.
    pub(crate) plan: Arc<dyn ExecutionPlan>,
}

/// One aggregation of a query.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) windows: Windows,
    /// The group columns that are the window's; the first says which pane a state belongs to.
    pub(crate) keys: Vec<WindowKey>,
    /// Whose rows its sessions are made of.
    pub(crate) sessions: SessionKeys,
    /// What stands between it and the stage below; the first is over the rows of the streams.
    pub(crate) between: Option<Between>,
    pub(crate) aggregates: Vec<Arc<AggregateFunctionExpr>>,
    /// Group columns ++ state columns.
    pub(crate) state_schema: SchemaRef,
    pub(crate) group_schema: SchemaRef,
    /// Group columns ++ results: what is fed to the stage above.
    pub(crate) result_schema: SchemaRef,
}

impl Stage {
    /// Which column of the windows below is its time; none where it is over the rows of the streams.
    pub(crate) fn time(&self) -> Option<WindowColumn> {
        self.between.as_ref().map(|between| between.time)
    }
}

/// What becomes of the windows that the last stage closed.
#[derive(Debug)]
pub(crate) struct Post {
    /// Group columns ++ results ++ window of the last stage.
    pub(crate) feed_schema: SchemaRef,
    /// These → rows of the query.
    pub(crate) plan: Arc<dyn ExecutionPlan>,
}

/// A continuous query, ready to run.
#[derive(Debug)]
pub(crate) struct Program {
    /// One for each of its streams.
    pub(crate) intakes: Vec<Intake>,
    /// From the rows of the streams upwards; none in a query without aggregation.
    pub(crate) stages: Vec<Stage>,
    /// What fills the windows of the last stage, where the query asks for it.
    pub(crate) fill: Option<Filling>,
    /// None in a query without aggregation.
    pub(crate) post: Option<Post>,
    pub(crate) output: OutputShape,
    /// Rows of an epoch above which its splits run side by side.
    pub(crate) parallel_rows: usize,
    pub(crate) config: SessionConfig,
    pub(crate) runtime: Arc<RuntimeEnv>,
}

/// Rows that were not aggregated: columns of the streams, where they came from, and why.
#[derive(Debug)]
pub(crate) struct RejectShape {
    /// Where each of the streams' columns stands among those read; None is a column of another stream. (Metadata columns are shown once,
    /// among the others.)
    pub(crate) columns: Vec<Option<usize>>,
    pub(crate) schema: SchemaRef,
}

const ORIGIN: [&str; 4] = ["_topic", "_partition", "_offset", "_timestamp"];

impl RejectShape {
    /// Late rows of some streams, given what is read of each.
    pub(crate) fn late(reads: &[(&str, &Schema)]) -> Vec<Self> {
        let own = [
            ("_watermark", window_type()),
            ("_windows_missed", DataType::Int32),
            ("_windows_total", DataType::Int32),
        ];
        Self::of(reads, own)
    }

    /// Dead rows of some streams.
    pub(crate) fn dead(reads: &[(&str, &Schema)]) -> Vec<Self> {
        Self::of(reads, [("reason", DataType::Utf8)])
    }

    /// A shape for each stream, all of one schema.
    fn of<const N: usize>(reads: &[(&str, &Schema)], own: [(&str, DataType); N]) -> Vec<Self> {
        let mut fields: Vec<Field> = Vec::new();
        let mut places: Vec<Vec<(usize, usize)>> = Vec::new();
        for (stream, read) in reads {
            let mut places_of_stream = Vec::new();
            for (index, field) in read.fields().iter().enumerate() {
                if ORIGIN.contains(&field.name().as_str()) {
                    continue;
                }
                let is_same = |known: &Field| {
                    known.name() == field.name() && known.data_type() == field.data_type()
                };
                let place = fields.iter().position(is_same).unwrap_or(fields.len());
                if place == fields.len() {
                    let mut name = field.name().clone();
                    if fields.iter().any(|known| *known.name() == name) {
                        // Of another type in another stream.
                        name = format!("{name}_{stream}");
                    }
                    let field = field.as_ref().clone().with_name(free(&fields, name));
                    fields.push(field.with_nullable(true));
                }
                places_of_stream.push((place, index));
            }
            places.push(places_of_stream);
        }
        let count = fields.len();
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let origin = [DataType::Utf8, DataType::Int32, DataType::Int64, timestamp];
        for (name, data_type) in ORIGIN.into_iter().zip(origin).chain(own) {
            // A stream may well have a column called reason: ours gives way.
            let name = free(&fields, name.to_owned());
            fields.push(Field::new(name, data_type, true));
        }
        let schema = Arc::new(Schema::new(fields));
        places
            .into_iter()
            .map(|places| {
                let mut columns = vec![None; count];
                for (place, index) in places {
                    if let Some(column) = columns.get_mut(place) {
                        *column = Some(index);
                    }
                }
                Self {
                    columns,
                    schema: Arc::clone(&schema),
                }
            })
            .collect()
    }
}

/// A name that none of the fields has.
fn free(fields: &[Field], mut name: String) -> String {
    while fields.iter().any(|field| *field.name() == name) {
        name.insert(0, '_');
    }
    name
}
