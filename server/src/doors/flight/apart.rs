//! What clients send, taken apart without a session: for `fuzz/`, and for the property tests that do the same.

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use arrow_flight::{Action, FlightData};
use bytes::Bytes;
use futures::stream;
use prost::Message;
use tonic::Status;

use super::{actions::Asked, batches::Batches, ingest, metadata, parameters, service};
use crate::catalog::QualifiedName;

/// Rows after which no more are taken.
const ENOUGH: usize = 1 << 20;

/// Whether a descriptor or a ticket has a command.
pub(super) fn command(bytes: &Bytes) -> bool {
    let command = service::command(bytes);
    // Not every command has columns; those that have none are refused.
    command
        .map(|command| metadata::schema(&command).is_ok())
        .is_ok()
}

/// Whether these bytes are an action, with a body of its own kind.
pub(super) fn action(bytes: Bytes) -> bool {
    Action::decode(bytes).is_ok_and(|action| Asked::of(&action).is_ok())
}

/// The messages of a DoPut, each with its length before it.
fn messages(mut bytes: Bytes) -> Option<Vec<FlightData>> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        messages.push(FlightData::decode_length_delimited(&mut bytes).ok()?);
    }
    Some(messages)
}

/// The executions that the batches in these bytes are parameters of: as they come, and as texts.
pub(super) async fn bound(bytes: Bytes) -> Option<usize> {
    let mut messages = messages(bytes)?.into_iter();
    let first = messages.next()?;
    let rest = stream::iter(messages.map(Ok::<FlightData, Status>));
    let batches = parameters::read(first, rest).await.ok()?;
    let batches = batches.unwrap_or_default();
    let types = parameters::types(&batches);
    let texts = vec![Some(DataType::Utf8); types.len()];
    let rows = parameters::rows(&batches, &types).ok()?;
    // Not every value is also a text.
    let _ = parameters::rows(&batches, &texts);
    Some(rows.len())
}

/// The rows that the batches in these bytes are of a table with the columns `a` to `e`.
pub(super) async fn ingested(bytes: Bytes) -> Option<usize> {
    let mut messages = messages(bytes)?.into_iter();
    let first = messages.next()?;
    let rest = stream::iter(messages.map(Ok::<FlightData, Status>));
    let mut batches = Batches::new(first, rest);
    let (name, table) = (QualifiedName::new("public", "t"), Arc::new(table()));
    let mut rows = 0;
    while let Some(batch) = batches.next().await.map_err(ingest::unreadable).ok()? {
        // A table of these columns may not be: one that is there may have them all the same.
        let _ = ingest::create_text(&name, &batch.schema());
        for piece in ingest::pieces(&batch, table.fields().len()) {
            let fitted = ingest::fitted(&piece, &table, &name);
            rows += fitted.as_ref().map(RecordBatch::num_rows).ok()?;
            if rows > ENOUGH {
                return Some(rows);
            }
        }
    }
    Some(rows)
}

fn table() -> Schema {
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true)));
    let moment = DataType::Timestamp(TimeUnit::Microsecond, None);
    let columns = [
        ("a", DataType::Int32),
        ("b", DataType::Utf8),
        ("c", DataType::Decimal128(10, 2)),
        ("d", moment),
        ("e", list),
    ];
    let fields = columns.map(|(name, data_type)| Field::new(name, data_type, true));
    Schema::new(fields.to_vec())
}
