//! Rows as every client can read them.
//!
//! Dictionaries, views, run ends and the narrow decimals are newer than many clients, so they travel as the plain type of the same values; a
//! view would also send all bytes behind it with each slice. What PostgreSQL shows as a name (`regtype`) is its name. One function makes the schema for flights, prepared statements, listings and the
//! stream itself, so they can never differ. Batches are cut by the size of what they hold, one piece in memory at a time.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, RecordBatch, RecordBatchOptions},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    error::ArrowError,
    ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions},
};
use arrow_flight::{FlightData, IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, future::ready, stream};
use tonic::Status;

use crate::{
    doors::pg::{OID_ALIAS, texts},
    error::{Error, Result},
};

/// About the size of a message; gRPC clients take 4 MiB unless told otherwise.
const MESSAGE_BYTES: usize = 2 << 20;

/// The schema as it travels.
pub(super) fn schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<_> = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The schema as bytes of Arrow IPC.
pub(super) fn schema_bytes(schema: &Schema) -> Result<Bytes> {
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &Default::default())
        .try_into()
        .map_err(|e: ArrowError| Error::internal(e.to_string()))?;
    Ok(bytes)
}

/// Whether a number stands for a name that PostgreSQL shows in its place: `regclass`, `regtype`, …
fn is_name(field: &Field) -> bool {
    let alias = field.metadata().get(OID_ALIAS);
    *field.data_type() == DataType::Int32 && alias.is_some_and(|alias| alias.starts_with("reg"))
}

fn field(field: &FieldRef) -> FieldRef {
    let data_type = match is_name(field) {
        true => DataType::Utf8,
        false => data_type(field.data_type()),
    };
    if data_type == *field.data_type() {
        return Arc::clone(field);
    }
    Arc::new(
        Field::new(field.name(), data_type, field.is_nullable())
            .with_metadata(field.metadata().clone()),
    )
}

fn data_type(ty: &DataType) -> DataType {
    match ty {
        DataType::Dictionary(_, values) => data_type(values),
        DataType::RunEndEncoded(_, values) => data_type(values.data_type()),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(field(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        other => other.clone(),
    }
}

/// Encodes batches as they come, the schema first even when none comes.
pub(super) fn encode(
    from: &Schema,
    batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
) -> impl Stream<Item = std::result::Result<FlightData, Status>> + Send + 'static {
    let wire = schema(from);
    let mut encoder = Encoder::new();
    let announced = SchemaAsIpc::new(&wire, &encoder.options).into();
    let messages = batches
        .map(move |batch| batch.and_then(|batch| convert(&batch, &wire)))
        .map_ok(|batch| stream::iter(pieces(batch).map(Ok::<_, Error>)))
        .try_flatten()
        .map(move |piece| piece.and_then(|piece| encoder.encode(&piece)))
        .map_err(Status::from);
    stream::once(ready(Ok(announced))).chain(messages)
}

/// Makes messages. A buffer begins as large as the last one became: batches of a result are alike, and a buffer that grows is copied each time.
struct Encoder {
    options: IpcWriteOptions,
    generator: IpcDataGenerator,
    /// Of no dictionary: none travels.
    dictionaries: DictionaryTracker,
    context: IpcWriteContext,
}

impl Encoder {
    fn new() -> Self {
        let mut context = IpcWriteContext::default();
        context.set_reserve_scratch(true);
        Self {
            options: IpcWriteOptions::default(),
            generator: IpcDataGenerator::default(),
            dictionaries: DictionaryTracker::new(false),
            context,
        }
    }

    fn encode(&mut self, piece: &RecordBatch) -> Result<FlightData> {
        let (_, message) = self
            .generator
            .encode(
                piece,
                &mut self.dictionaries,
                &self.options,
                &mut self.context,
            )
            .map_err(|e| Error::internal(format!("rows cannot be sent: {e}")))?;
        Ok(message.into())
    }
}

fn convert(batch: &RecordBatch, to: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_columns() != to.fields().len() {
        return Err(Error::internal(format!(
            "{} columns came where {} were announced",
            batch.num_columns(),
            to.fields().len()
        )));
    }
    let columns = batch
        .columns()
        .iter()
        .zip(to.fields())
        .map(|(column, field)| {
            let number = field.as_ref().clone();
            let number = number.with_data_type(column.data_type().clone());
            match is_name(&number) {
                true => Ok(Arc::new(texts(column, &number, None)?) as ArrayRef),
                false => cast(column, field.data_type()),
            }
        })
        .collect::<std::result::Result<Vec<_>, ArrowError>>();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    columns
        .and_then(|columns| RecordBatch::try_new_with_options(Arc::clone(to), columns, &options))
        .map_err(|e| Error::internal(format!("rows cannot be sent: {e}")))
}

/// The batch in pieces of about [`MESSAGE_BYTES`]; empty batches are worth no message.
fn pieces(batch: RecordBatch) -> impl Iterator<Item = RecordBatch> {
    let bytes: usize = batch
        .columns()
        .iter()
        .map(|column| {
            let data = column.to_data();
            data.get_slice_memory_size()
                .unwrap_or_else(|_| data.get_buffer_memory_size())
        })
        .sum();
    let rows = batch.num_rows();
    let step = rows.div_ceil(bytes.div_ceil(MESSAGE_BYTES).max(1)).max(1);
    (0..rows)
        .step_by(step)
        .map(move |from| batch.slice(from, step.min(rows - from)))
}

#[cfg(test)]
mod tests;
