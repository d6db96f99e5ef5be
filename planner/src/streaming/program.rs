//! What a running query needs of its plan, and the shapes of what it gives besides rows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::{
    execution::{context::SessionConfig, runtime_env::RuntimeEnv},
    physical_expr::aggregate::AggregateFunctionExpr,
    physical_plan::ExecutionPlan,
};

use super::{glance::Glance, output::OutputShape};
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

/// One aggregation of a query, with what stands below it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) windows: Windows,
    /// The group columns that are the window's; the first says which pane a state belongs to.
    pub(crate) keys: Vec<WindowKey>,
    /// Which column of the windows below is the time of this one's; the first stage's is event time.
    pub(crate) time: Option<WindowColumn>,
    /// Schema of the rows that the partial plan is fed with.
    pub(crate) feed_schema: SchemaRef,
    /// Rows → group columns ++ state columns.
    pub(crate) partial: Arc<dyn ExecutionPlan>,
    pub(crate) aggregates: Vec<Arc<AggregateFunctionExpr>>,
    /// Group columns ++ state columns.
    pub(crate) state_schema: SchemaRef,
    pub(crate) group_schema: SchemaRef,
    /// Group columns ++ results: what is fed to the stage above.
    pub(crate) result_schema: SchemaRef,
    /// Whether loading a state gives back the very bits that were saved; if not, state is saved and loaded in every epoch, so that a
    /// snapshot more or less changes nothing.
    pub(crate) exact_state: bool,
}

/// A continuous query, ready to run.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) time: TimeRules,
    /// From the rows of the stream upwards; none in a query without aggregation.
    pub(crate) stages: Vec<Stage>,
    /// What `post` is fed with: group columns ++ results ++ window of the last stage; the stream's rows where there is none.
    pub(crate) post_schema: SchemaRef,
    /// Closed windows of the last stage, or the stream's rows → rows of the query.
    pub(crate) post: Arc<dyn ExecutionPlan>,
    pub(crate) output: OutputShape,
    pub(crate) late: RejectShape,
    pub(crate) dead: RejectShape,
    /// How to see beforehand whether rows would close a window, where that can be seen.
    pub(crate) glance: Option<Glance>,
    /// Rows of an epoch above which its splits run side by side.
    pub(crate) parallel_rows: usize,
    pub(crate) config: SessionConfig,
    pub(crate) runtime: Arc<RuntimeEnv>,
}

/// Rows that were not aggregated: columns of the stream, where they came from, and why.
#[derive(Debug)]
pub(crate) struct RejectShape {
    /// Read columns that are shown, by index (metadata columns are shown once, among the others).
    pub(crate) columns: Vec<usize>,
    pub(crate) schema: SchemaRef,
}

const ORIGIN: [&str; 4] = ["_topic", "_partition", "_offset", "_timestamp"];

impl RejectShape {
    pub(crate) fn late(read: &Schema) -> Self {
        Self::new(
            read,
            [
                ("_watermark", window_type()),
                ("_windows_missed", DataType::Int32),
                ("_windows_total", DataType::Int32),
            ],
        )
    }

    pub(crate) fn dead(read: &Schema) -> Self {
        Self::new(read, [("reason", DataType::Utf8)])
    }

    fn new<const N: usize>(read: &Schema, own: [(&str, DataType); N]) -> Self {
        let columns: Vec<usize> = read
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| !ORIGIN.contains(&field.name().as_str()))
            .map(|(index, _)| index)
            .collect();
        let mut fields: Vec<Field> = columns
            .iter()
            .map(|index| read.field(*index).clone().with_nullable(true))
            .collect();
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let origin = [DataType::Utf8, DataType::Int32, DataType::Int64, timestamp];
        for (name, data_type) in ORIGIN.into_iter().zip(origin).chain(own) {
            // A stream may well have a column called reason: ours gives way.
            let mut name = name.to_owned();
            while fields.iter().any(|field| *field.name() == name) {
                name.insert(0, '_');
            }
            fields.push(Field::new(name, data_type, true));
        }
        Self {
            columns,
            schema: Arc::new(Schema::new(fields)),
        }
    }
}
