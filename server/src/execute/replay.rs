//! `REPLAY stream__dead_letter [WHERE condition]`: every query that met the messages as undecodable takes in those that decode now.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    compute::cast,
    datatypes::{
        DataType, Field, Int32Type, Int64Type, Schema, SchemaRef, TimestampMicrosecondType,
    },
};
use bytes::Bytes;
use futures::StreamExt;
use sluice_connectors::source::{KeptMessage, SplitId};
use sluice_sql::{Canonical, Replay, Statement};

use super::{drop::all_dependents, engine_error, parse_error, plan_error};
use crate::{
    access::Target,
    catalog::{Object, QualifiedName},
    engine::StreamRuntime,
    error::{Error, Result, SqlState},
    job::{JobHandle, Letter, QueryState, Replayed},
    session::Session,
};

const SUFFIX: &str = "__dead_letter";

/// Letters of one commit, at most, and bytes of their payloads.
const CHUNK_ROWS: usize = 100_000;
const CHUNK_BYTES: usize = 32 << 20;

/// What REPLAY tells of each query.
pub(super) fn schema() -> SchemaRef {
    let mut fields = vec![Field::new("query", DataType::Utf8, false)];
    for name in [
        "letters",
        "replayed",
        "late",
        "dead_letters",
        "undecodable",
        "skipped",
    ] {
        fields.push(Field::new(name, DataType::Int64, false));
    }
    Arc::new(Schema::new(fields))
}

pub(super) async fn run(session: &Session, replay: &Replay) -> Result<RecordBatch> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let (name, stream) = stream(session, replay)?;
    if let Some(object) = engine.catalog().get(&name) {
        session.require_owner(Target::Relation(object))?;
    }
    let letters = select(session, replay).await?;
    if engine.plans_only() {
        return rows(&[]);
    }
    let mut queries: Vec<(QualifiedName, JobHandle, Replayed)> = Vec::new();
    for object in all_dependents(engine, &name) {
        if let Object::Table(table) = object.as_ref()
            && let Some(job) = engine.table(&table.name).and_then(|running| running.job)
        {
            check_running(&table.name, &job)?;
            queries.push((table.name.clone(), job, Replayed::default()));
        }
    }
    if queries.is_empty() {
        session.notice(Error::user(
            SqlState::ObjectNotInPrerequisiteState,
            format!("no query reads stream \"{name}\": nothing is replayed"),
        ));
        return rows(&[]);
    }
    let topic_id = stream.dead_letters.topic_ids().await?;
    let mut chunk: Vec<Letter> = Vec::new();
    let mut bytes = 0;
    let mut batches = letters.execute_stream().await.map_err(engine_error)?;
    while let Some(batch) = batches.next().await {
        for mut letter in letters_of(&batch.map_err(engine_error)?)? {
            letter.0.topic_id = topic_id(&letter.0.message.split.topic, letter.1);
            bytes += letter.0.message.payload.as_ref().map_or(0, Bytes::len);
            chunk.push(letter.0);
            if chunk.len() >= CHUNK_ROWS || bytes >= CHUNK_BYTES {
                bytes = 0;
                take(&name, &mut queries, std::mem::take(&mut chunk)).await?;
            }
        }
    }
    take(&name, &mut queries, chunk).await?;
    rows(&queries)
}

/// Hands letters to every query.
async fn take(
    stream: &QualifiedName,
    queries: &mut [(QualifiedName, JobHandle, Replayed)],
    letters: Vec<Letter>,
) -> Result<()> {
    if letters.iter().all(|letter| !letter.wanted) {
        return Ok(());
    }
    let letters: Arc<[Letter]> = letters.into();
    for (_, job, replayed) in queries {
        *replayed += job.replay(stream, &letters).await.map_err(|error| {
            error.with_hint("What was taken in stays. Once the query runs, say REPLAY again: no letter is taken twice.")
        })?;
    }
    Ok(())
}

/// The stream whose dead letters are meant.
fn stream(session: &Session, replay: &Replay) -> Result<(QualifiedName, Arc<StreamRuntime>)> {
    let relation = QualifiedName::from_sql(&replay.name)?;
    let catalog = session.engine().catalog();
    let not_letters = |what: &str| {
        Error::user(SqlState::WrongObjectType, format!("\"{relation}\" {what}"))
            .with_hint("Write REPLAY stream__dead_letter [WHERE condition].")
    };
    let Some(of) = relation.name.strip_suffix(SUFFIX) else {
        let found = catalog.require(&relation)?;
        let what = format!("is a {}, not the dead letters of a stream", found.kind());
        return Err(not_letters(&what));
    };
    let name = QualifiedName::new(&relation.schema, of);
    match catalog.get(&name).map(AsRef::as_ref) {
        Some(Object::Stream(_)) => {}
        Some(Object::Table(_)) => {
            return Err(not_letters("holds rows of a table's query, which have been decoded")
                .with_detail("Their event time or an expression of the query failed: decoding them again would change nothing."));
        }
        Some(Object::View(_)) | None => {
            let error = catalog.undefined(&relation);
            return Err(match catalog.nearest(&name.to_string()) {
                Some(near) => error.with_hint(format!("Did you mean \"{near}{SUFFIX}\"?")),
                None => error,
            });
        }
    }
    let stream = session.engine().stream(&name).ok_or_else(|| {
        Error::outside(
            SqlState::ObjectNotInPrerequisiteState,
            format!("stream \"{name}\" could not be opened"),
        )
        .with_hint("SELECT * FROM system.events says why.")
    })?;
    Ok((name, stream))
}

/// All letters in order, those that are asked for marked. The condition is planned as a WHERE first, for it must be one.
async fn select(session: &Session, replay: &Replay) -> Result<datafusion::dataframe::DataFrame> {
    let name = &replay.name;
    let condition = match &replay.selection {
        Some(selection) => Canonical(selection).to_string(),
        None => "true".into(),
    };
    plan(session, &format!("SELECT 1 FROM {name} WHERE {condition}")).await?;
    let text = format!(
        "SELECT _topic, _partition, _offset, _timestamp, _key, payload, seen_at, \
         coalesce({condition}, false) AS wanted FROM {name} ORDER BY _topic, _partition, _offset"
    );
    plan(session, &text).await
}

async fn plan(session: &Session, text: &str) -> Result<datafusion::dataframe::DataFrame> {
    let parsed = sluice_sql::parse(text).map_err(parse_error)?;
    let Some(Statement::Sql(statement)) = parsed.into_iter().next().map(|one| one.statement) else {
        return Err(Error::internal("a query was expected"));
    };
    let context = session.context();
    let plan = sluice_planner::logical_plan(&context.state(), &statement)
        .await
        .map_err(plan_error)?;
    context
        .execute_logical_plan(plan)
        .await
        .map_err(engine_error)
}

/// The letters of a batch and when they were seen.
fn letters_of(batch: &RecordBatch) -> Result<Vec<(Letter, i64)>> {
    let typed = |index: usize, data_type: &DataType| -> Result<ArrayRef> {
        cast(batch.column(index), data_type)
            .map_err(|error| Error::internal(format!("dead letters: {error}")))
    };
    let utc = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()));
    let topics = typed(0, &DataType::Utf8)?;
    let partitions = typed(1, &DataType::Int32)?;
    let offsets = typed(2, &DataType::Int64)?;
    let timestamps = typed(3, &utc)?;
    let keys = typed(4, &DataType::Binary)?;
    let payloads = typed(5, &DataType::Binary)?;
    let seen = typed(6, &utc)?;
    let wanted = typed(7, &DataType::Boolean)?;
    let bytes = |array: &ArrayRef, row: usize| {
        let array = array.as_binary::<i32>();
        array
            .is_valid(row)
            .then(|| Bytes::copy_from_slice(array.value(row)))
    };
    let letter = |row: usize| {
        let timestamps = timestamps.as_primitive::<TimestampMicrosecondType>();
        let wanted = wanted.as_boolean().value(row);
        let letter = Letter {
            message: KeptMessage {
                split: SplitId {
                    stream: 0,
                    topic: topics.as_string::<i32>().value(row).to_owned(),
                    partition: partitions.as_primitive::<Int32Type>().value(row),
                },
                offset: offsets.as_primitive::<Int64Type>().value(row),
                timestamp_ms: match timestamps.is_valid(row) {
                    true => timestamps.value(row) / 1000,
                    false => -1,
                },
                key: bytes(&keys, row),
                // What nobody asks for is only counted past.
                payload: wanted.then(|| bytes(&payloads, row)).flatten(),
            },
            topic_id: None,
            wanted,
        };
        (
            letter,
            seen.as_primitive::<TimestampMicrosecondType>().value(row),
        )
    };
    Ok((0..batch.num_rows()).map(letter).collect())
}

fn check_running(name: &QualifiedName, job: &JobHandle) -> Result<()> {
    let state = job.status.get().state;
    if state == QueryState::Running {
        return Ok(());
    }
    let hint = match state {
        QueryState::Finished => {
            "Its sources have ended and every window is closed; create the table again to read them anew."
        }
        QueryState::Paused => "RESUME QUERY starts it again.",
        _ => "SELECT state, last_error FROM system.queries says why.",
    };
    Err(Error::user(
        SqlState::ObjectNotInPrerequisiteState,
        format!(
            "query \"{name}\" reads the stream and is not running but {}",
            state.as_str()
        ),
    )
    .with_detail("Nothing was replayed: letters go to all queries or to none.")
    .with_hint(hint))
}

fn rows(queries: &[(QualifiedName, JobHandle, Replayed)]) -> Result<RecordBatch> {
    let names = queries.iter().map(|(name, _, _)| name.to_string());
    let count = |of: fn(&Replayed) -> u64| -> ArrayRef {
        let counts = queries.iter().map(|(_, _, replayed)| of(replayed));
        let counts = counts.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        Arc::new(counts.collect::<Int64Array>())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(names.map(Some).collect::<StringArray>()),
        count(|replayed| replayed.letters),
        count(|replayed| replayed.rows),
        count(|replayed| replayed.late),
        count(|replayed| replayed.dead),
        count(|replayed| replayed.undecodable),
        count(|replayed| replayed.skipped),
    ];
    RecordBatch::try_new(schema(), columns).map_err(|error| Error::internal(error.to_string()))
}
