//! What the tests of this crate share: a session with streams, events as batches, and rows as text.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    util::display::array_value_to_string,
};
use datafusion::{
    catalog::MemTable, execution::SessionState, physical_plan::collect, prelude::SessionContext,
};
use sluice_connectors::source::{SplitBatch, SplitId};
use sluice_sql::{
    Emit,
    ast::{Expr, Ident, Query, SetExpr, Statement},
};
use sqlparser::{dialect::PostgreSqlDialect, parser::Parser};

use crate::*;

/// One second.
pub(crate) const SECOND: i64 = 1_000_000;
/// One minute.
pub(crate) const MINUTE: i64 = 60 * SECOND;
/// A quiet morning in 2024, at the start of an hour.
pub(crate) const MORNING: i64 = 1_709_197_200_000_000;

/// An event of the stream `events`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) ts: Option<i64>,
    pub(crate) kind: Option<&'static str>,
    pub(crate) value: Option<f64>,
}

/// An event of kind `kind` at `seconds` after [`MORNING`].
pub(crate) fn event(seconds: i64, kind: &'static str, value: f64) -> Event {
    Event {
        ts: Some(MORNING + seconds * SECOND),
        kind: Some(kind),
        value: Some(value),
    }
}

pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn metadata_fields() -> Vec<Field> {
    vec![
        Field::new("_topic", DataType::Utf8, false),
        Field::new("_partition", DataType::Int32, false),
        Field::new("_offset", DataType::Int64, false),
        Field::new("_timestamp", timestamp(), true),
    ]
}

/// The stream `events (ts, kind, value)` with a watermark of ten seconds.
pub(crate) fn events() -> StreamDefinition {
    let mut fields = vec![
        Field::new("ts", timestamp(), true),
        Field::new("kind", DataType::Utf8, true),
        Field::new("value", DataType::Float64, true),
    ];
    let declared = fields.len();
    fields.extend(metadata_fields());
    StreamDefinition {
        schema_name: "public".to_owned(),
        name: "events".to_owned(),
        columns: Arc::new(Schema::new(fields)),
        declared,
        watermark: Some(WatermarkDefinition {
            column: Ident::new("ts"),
            expr: expr("ts - INTERVAL '10 seconds'"),
        }),
        time: TimeRules {
            max_future_skew_us: Some(5 * MINUTE),
            idle_timeout_us: MINUTE,
        },
    }
}

/// `events` without a watermark, one whose payload is JSON text, and `clicks (at, kind)` with a watermark of a minute.
fn other_streams() -> Vec<StreamDefinition> {
    let mut bare = events();
    bare.name = "bare".to_owned();
    bare.watermark = None;
    let mut raw = events();
    raw.name = "raw".to_owned();
    raw.watermark = None;
    let mut fields = vec![Field::new("value", DataType::Utf8, true)];
    fields.extend(metadata_fields());
    raw.columns = Arc::new(Schema::new(fields));
    raw.declared = 1;
    let mut clicks = events();
    clicks.name = "clicks".to_owned();
    let mut fields = vec![
        Field::new("at", timestamp(), true),
        Field::new("kind", DataType::Int32, true),
    ];
    fields.extend(metadata_fields());
    clicks.columns = Arc::new(Schema::new(fields));
    clicks.declared = 2;
    clicks.watermark = Some(WatermarkDefinition {
        column: Ident::new("at"),
        expr: expr("at - INTERVAL '1 minute'"),
    });
    vec![bare, raw, clicks]
}

pub(crate) fn parse(sql: &str) -> Statement {
    Parser::parse_sql(&PostgreSqlDialect {}, sql)
        .unwrap()
        .remove(0)
}

pub(crate) fn query(sql: &str) -> Query {
    match parse(sql) {
        Statement::Query(query) => *query,
        other => unreachable!("not a query: {other}"),
    }
}

pub(crate) fn expr(sql: &str) -> Expr {
    let query = query(&format!("SELECT {sql}"));
    match *query.body {
        SetExpr::Select(select) => match select.projection.into_iter().next() {
            Some(sluice_sql::ast::SelectItem::UnnamedExpr(expr)) => expr,
            other => unreachable!("not an expression: {other:?}"),
        },
        other => unreachable!("not an expression: {other}"),
    }
}

/// A session in which these are streams.
pub(crate) fn session() -> SessionState {
    let state = new_session_state(session_config(), Arc::default(), None).unwrap();
    let context = SessionContext::new_with_state(state);
    for stream in other_streams().into_iter().chain([events()]) {
        let name = stream.name.clone();
        let table = StreamTable::new(Arc::new(stream), None);
        context.register_table(name, Arc::new(table)).unwrap();
    }
    context
        .register_table(
            "countries",
            Arc::new(
                MemTable::try_new(
                    Arc::new(Schema::new(vec![Field::new("kind", DataType::Utf8, true)])),
                    vec![vec![]],
                )
                .unwrap(),
            ),
        )
        .unwrap();
    context.state()
}

/// A table without partitions.
pub(crate) fn target() -> TargetDefinition {
    TargetDefinition {
        name: "gold.t".to_owned(),
        partitioned_by: Vec::new(),
        emit: Emit::default(),
        sketches: Sketches::Dropped,
    }
}

pub(crate) async fn plan(sql: &str) -> Result<ContinuousPlan> {
    plan_into(sql, &target()).await
}

pub(crate) async fn plan_into(sql: &str, target: &TargetDefinition) -> Result<ContinuousPlan> {
    Ok(plan_continuous(&session(), &query(sql), target)
        .await?
        .unwrap())
}

pub(crate) fn split(partition: i32) -> SplitId {
    SplitId {
        stream: 0,
        topic: "events".to_owned(),
        partition,
    }
}

/// The columns of `events` that a plan reads, of some events.
pub(crate) fn rows(columns: &[String], events: &[Event]) -> RecordBatch {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for column in columns {
        let array: ArrayRef = match column.as_str() {
            "ts" => Arc::new(
                events
                    .iter()
                    .map(|event| event.ts)
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
            "kind" => Arc::new(
                events
                    .iter()
                    .map(|event| event.kind)
                    .collect::<StringArray>(),
            ),
            "value" => Arc::new(
                events
                    .iter()
                    .map(|event| event.value)
                    .collect::<Float64Array>(),
            ),
            other => unreachable!("the tests do not make column {other}"),
        };
        fields.push(Field::new(column, array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// A batch of a split, its first event at `offset`.
pub(crate) fn batch(
    columns: &[String],
    partition: i32,
    offset: i64,
    events: &[Event],
) -> SplitBatch {
    let offsets: Vec<i64> = (offset..).take(events.len()).collect();
    SplitBatch {
        split: split(partition),
        range: offset..offset + events.len() as i64,
        rows: rows(columns, events),
        timestamps_ms: offsets.iter().map(|offset| 1_000 + offset).collect(),
        offsets: offsets.into(),
        bad: Vec::new(),
        payload_bytes: 0,
        leader_epoch: None,
        worked_out: (partition % 2 == 0).then(Arc::default),
    }
}

/// An epoch at [`MORNING`] and an hour, in which each of some splits brings some events, from offset zero on.
pub(crate) fn epoch(columns: &[String], splits: &[(i32, &[Event])]) -> EpochInput {
    EpochInput {
        now_us: MORNING + 60 * MINUTE,
        splits: splits
            .iter()
            .map(|(partition, events)| SplitInput {
                split: split(*partition),
                batches: vec![batch(columns, *partition, 0, events)],
            })
            .collect(),
        known: splits
            .iter()
            .map(|(partition, _)| split(*partition))
            .collect(),
        excluded: BTreeSet::new(),
        finished: BTreeSet::new(),
    }
}

/// The end of every split.
pub(crate) fn the_end(partitions: &[i32]) -> EpochInput {
    let splits: BTreeSet<SplitId> = partitions.iter().copied().map(split).collect();
    EpochInput {
        now_us: MORNING + 60 * MINUTE,
        known: splits.clone(),
        finished: splits,
        ..EpochInput::default()
    }
}

/// Rows as text, one line each, columns parted by a bar.
pub(crate) fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = batch
                .columns()
                .iter()
                .map(|column| array_value_to_string(column, row).unwrap())
                .collect();
            lines.push(cells.join(" | "));
        }
    }
    lines
}

/// The rows that a batch run of `sql` over `events` gives: the oracle.
pub(crate) async fn batch_run(
    sql: &str,
    columns: SchemaRef,
    events: RecordBatch,
) -> Vec<RecordBatch> {
    let state = new_session_state(session_config(), Arc::default(), None).unwrap();
    let context = SessionContext::new_with_state(state);
    let table = MemTable::try_new(columns, vec![vec![events]]).unwrap();
    context.register_table("events", Arc::new(table)).unwrap();
    let state = context.state();
    let plan = logical_plan(&state, &parse(sql)).await.unwrap();
    let plan = state.create_physical_plan(&plan).await.unwrap();
    collect(plan, context.task_ctx()).await.unwrap()
}
