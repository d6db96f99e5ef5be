//! `CREATE STREAM`: the outside is looked at once, a few messages are tried, and the stream is there. Nothing is read until a query asks.

use std::{sync::Arc, time::Duration};

use arrow::datatypes::DataType;
use datafusion::{common::DFSchema, logical_expr::ExprSchemable};
use sluice_connectors::source::{ReadRequest, SourceEvent, SplitInfo};
use sluice_sql::CreateStream;

use super::{Outcome, Taken, check_taken, new_meta, replace_stream, secret};
use crate::{
    access::without_values,
    catalog::{Object, QualifiedName, StreamObject, fold},
    engine::StreamRuntime,
    error::{Error, Result, SqlState},
    options::stream_options,
    root::storage_error,
    session::Session,
};

/// Messages tried.
const SAMPLE: usize = 100;
/// How long trying them may take.
const SAMPLE_TIME: Duration = Duration::from_secs(3);

pub(super) async fn run(session: &Session, create: &CreateStream) -> Result<Outcome> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let name = QualifiedName::from_sql(&create.name)?;
    let done = || Outcome::Done("CREATE STREAM".into());
    match check_taken(
        session,
        &name,
        "stream",
        create.if_not_exists,
        create.or_replace,
    )? {
        Taken::Free => {}
        Taken::Skip => return Ok(done()),
        Taken::Replace => {
            if let Object::Stream(stream) = engine.catalog().require(&name)?.as_ref()
                && stream.statement.columns == create.columns
                && stream.statement.watermark == create.watermark
                && stream.statement.options == create.options
            {
                return Ok(done());
            }
            secret::check_options(session, &create.options)?;
            return replace_stream::run(session, &name, create).await;
        }
    }
    secret::check_options(session, &create.options)?;
    let mut statement = create.clone();
    statement.or_replace = false;
    statement.if_not_exists = false;
    pin_defaults(&mut statement)?;
    let object = StreamObject {
        name: name.clone(),
        meta: new_meta(session),
        statement,
    };
    let runtime = Arc::new(StreamRuntime::open(engine, &object)?);
    check_watermark(session, &runtime)?;
    if engine.plans_only() {
        engine.put_stream(name, runtime);
        engine.change_catalog(|catalog| catalog.put(Arc::new(Object::Stream(object))));
        return Ok(done());
    }
    let splits = runtime.source.probe().await.map_err(storage_error)?;
    if let Some(notice) = sample(&runtime, &splits).await? {
        session.notice(notice);
    }
    runtime.dead_letters.table.refresh().await?;
    let object = Object::Stream(object);
    engine.files().put(&object).await?;
    engine.put_stream(name, runtime);
    engine.change_catalog(|catalog| catalog.put(Arc::new(object)));
    Ok(done())
}

/// Writes defaults that depend on the clock into the statement, so that the catalog keeps them.
pub(super) fn pin_defaults(statement: &mut CreateStream) -> Result<()> {
    // Which defaults there are does not hang on a secret.
    let options = stream_options(&without_values(&statement.options))?;
    let resolved =
        sluice_connectors::resolve_options(&options.connector, &options.connector_options)
            .map_err(storage_error)?;
    for (key, value) in resolved {
        if statement.options.get(&key).is_none() && statement.options.secret(&key).is_none() {
            statement.options.0.push((key, value));
        }
    }
    Ok(())
}

/// A watermark must be a timestamp that follows from its column.
pub(super) fn check_watermark(session: &Session, stream: &StreamRuntime) -> Result<()> {
    let Some(watermark) = &stream.definition.watermark else {
        return Ok(());
    };
    let schema = DFSchema::try_from(stream.definition.columns.as_ref().clone())
        .map_err(super::engine_error)?;
    // As its queries are planned, which no session is there for.
    let state = session.continuous_context().state();
    let expr =
        sluice_planner::parse_expr(&state, &watermark.expr, &schema).map_err(super::plan_error)?;
    let data_type = expr.get_type(&schema).map_err(super::engine_error)?;
    if matches!(data_type, DataType::Timestamp(_, _)) {
        return sluice_planner::check_watermark(&state, watermark, &schema)
            .map_err(super::plan_error);
    }
    Err(Error::user(
        SqlState::DatatypeMismatch,
        format!(
            "the watermark of column \"{}\" is not a timestamp",
            fold(&watermark.column)
        ),
    )
    .with_hint("Write something like WATERMARK FOR ts AS ts - INTERVAL '10 seconds'."))
}

/// Reads a few of the newest messages of each split and says what would not decode.
pub(super) async fn sample(stream: &StreamRuntime, splits: &[SplitInfo]) -> Result<Option<Error>> {
    let filled: Vec<&SplitInfo> = splits
        .iter()
        .filter(|split| split.end_offset > split.first_offset)
        .collect();
    if filled.is_empty() {
        return Ok(None);
    }
    let each = i64::try_from(SAMPLE.div_ceil(filled.len())).unwrap_or(1);
    let positions = filled
        .iter()
        .map(|split| sluice_connectors::source::SplitPosition {
            split: split.split.clone(),
            next_offset: match split.end_offset {
                // A source without an end has no newest rows.
                i64::MAX => split.first_offset,
                end => split.first_offset.max(end - each),
            },
            topic_id: split.topic_id.clone(),
            leader_epoch: None,
        })
        .collect();
    let until = splits
        .iter()
        .map(|split| (split.split.clone(), split.end_offset))
        .collect();
    let columns = stream
        .definition
        .columns
        .fields()
        .iter()
        .take(stream.definition.declared)
        .map(|field| field.name().clone())
        .collect();
    let mut reader = stream
        .source
        .read(ReadRequest {
            columns,
            positions,
            until,
            inbox_bytes: 8 << 20,
            batch_rows: SAMPLE,
        })
        .map_err(storage_error)?;
    let (mut tried, mut bad, mut first) = (0, 0, None);
    let mut unfinished = splits.len();
    let deadline = tokio::time::Instant::now() + SAMPLE_TIME;
    while unfinished > 0 {
        match tokio::time::timeout_at(deadline, reader.events.recv()).await {
            Ok(Some(SourceEvent::Batch(batch))) => {
                reader.release(&batch);
                tried += batch.rows.num_rows() + batch.bad.len();
                bad += batch.bad.len();
                if first.is_none() {
                    first = batch.bad.into_iter().next().map(|row| (batch.split, row));
                }
            }
            Ok(Some(SourceEvent::Finished { .. })) => unfinished -= 1,
            Ok(Some(SourceEvent::Failed(error) | SourceEvent::Trouble(error))) => {
                return Err(storage_error(error));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    Ok(first.map(|(split, row)| {
        Error::user(
            SqlState::DataException,
            format!("{bad} of {tried} messages tried do not decode and would be dead letters"),
        )
        .with_detail(format!(
            "{}[{}] offset {}: {}",
            split.topic, split.partition, row.offset, row.error
        ))
        .with_hint(format!(
            "They will be kept in {}__dead_letter; on_error = 'skip' or 'fail' does otherwise.",
            stream.name
        ))
    }))
}
