//! The message's own columns, `_topic _partition _offset _timestamp _key _headers`, and which columns a reader wants.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryBuilder, Int32Array, Int64Array, ListBuilder, RecordBatch,
        RecordBatchOptions, StringArray, StringBuilder, StructBuilder, TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
};

use super::lane::Message;
use crate::{
    error::{ConnectorError, Result},
    registry::nearest,
};

/// A column that every message has by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metadata {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    Headers,
}

const METADATA: [(&str, Metadata); 6] = [
    ("_topic", Metadata::Topic),
    ("_partition", Metadata::Partition),
    ("_offset", Metadata::Offset),
    ("_timestamp", Metadata::Timestamp),
    ("_key", Metadata::Key),
    ("_headers", Metadata::Headers),
];

/// The metadata columns of a Kafka stream.
pub(super) fn fields() -> Vec<FieldRef> {
    METADATA
        .iter()
        .map(|(name, column)| {
            let (data_type, nullable) = match column {
                Metadata::Topic => (DataType::Utf8, false),
                Metadata::Partition => (DataType::Int32, false),
                Metadata::Offset => (DataType::Int64, false),
                Metadata::Timestamp => (
                    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                    true,
                ),
                Metadata::Key => (DataType::Binary, true),
                Metadata::Headers => (DataType::List(header_item()), true),
            };
            Arc::new(Field::new(*name, data_type, nullable))
        })
        .collect()
}

fn header_fields() -> Fields {
    Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Binary, true),
    ])
}

fn header_item() -> FieldRef {
    Arc::new(Field::new("item", DataType::Struct(header_fields()), false))
}

/// The columns a reader wants, in its order.
#[derive(Clone, Debug)]
pub(super) struct Projection {
    columns: Vec<Wanted>,
    /// Declared columns wanted, as indices into the declared schema, in the order in which the decoder gives them.
    pub(super) declared: Vec<usize>,
    schema: SchemaRef,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// Position among the decoder's columns.
    Decoded(usize),
    Metadata(Metadata),
}

impl Projection {
    /// Finds the wanted columns by name.
    pub(super) fn new(declared: &Schema, names: &[String]) -> Result<Self> {
        let own = fields();
        let mut columns = Vec::with_capacity(names.len());
        let mut wanted = Vec::new();
        let mut fields: Vec<FieldRef> = Vec::with_capacity(names.len());
        for name in names {
            if let Some((index, field)) = declared.fields().find(name) {
                let decoded = wanted.iter().position(|other| *other == index);
                columns.push(Wanted::Decoded(decoded.unwrap_or(wanted.len())));
                if decoded.is_none() {
                    wanted.push(index);
                }
                fields.push(Arc::clone(field));
            } else if let Some(((_, column), field)) = METADATA
                .iter()
                .zip(&own)
                .find(|((known, _), _)| known == name)
            {
                columns.push(Wanted::Metadata(*column));
                fields.push(Arc::clone(field));
            } else {
                let known = declared.fields().iter().chain(&own);
                let near = nearest(name, known.map(|field| field.name().as_str()));
                return Err(ConnectorError::Option {
                    message: format!("the stream has no column \"{name}\""),
                    hint: near.map(|near| format!("did you mean \"{near}\"?")),
                });
            }
        }
        Ok(Self {
            columns,
            declared: wanted,
            schema: Arc::new(Schema::new(fields)),
        })
    }

    fn wants(&self, column: Metadata) -> bool {
        self.columns
            .iter()
            .any(|wanted| matches!(wanted, Wanted::Metadata(other) if *other == column))
    }
}

/// Keys and headers of the good messages of a batch under construction; the other columns are known from elsewhere.
#[derive(Debug)]
pub(super) struct MetadataBuilder {
    keys: Option<BinaryBuilder>,
    headers: Option<ListBuilder<StructBuilder>>,
}

impl MetadataBuilder {
    pub(super) fn new(projection: &Projection) -> Self {
        let headers = || {
            let item = StructBuilder::from_fields(header_fields(), 0);
            ListBuilder::new(item).with_field(header_item())
        };
        Self {
            keys: projection.wants(Metadata::Key).then(BinaryBuilder::new),
            headers: projection.wants(Metadata::Headers).then(headers),
        }
    }

    /// Takes what is wanted of one good message.
    #[inline]
    pub(super) fn push(&mut self, message: &impl Message) {
        if let Some(keys) = &mut self.keys {
            keys.append_option(message.key());
        }
        if let Some(list) = &mut self.headers {
            push_headers(list, message);
        }
    }

    /// The wanted columns: decoded ones from `rows`, metadata from here and the arguments.
    pub(super) fn assemble(
        &mut self,
        projection: &Projection,
        rows: &RecordBatch,
        topic: &str,
        partition: i32,
        offsets: &[i64],
        timestamps_ms: &[i64],
    ) -> Result<RecordBatch, ArrowError> {
        let count = rows.num_rows();
        let columns = projection
            .columns
            .iter()
            .map(|wanted| {
                let array: ArrayRef = match wanted {
                    Wanted::Decoded(position) => Arc::clone(rows.column(*position)),
                    Wanted::Metadata(Metadata::Topic) => Arc::new(StringArray::from_iter_values(
                        std::iter::repeat_n(topic, count),
                    )),
                    Wanted::Metadata(Metadata::Partition) => {
                        Arc::new(Int32Array::from_value(partition, count))
                    }
                    Wanted::Metadata(Metadata::Offset) => {
                        Arc::new(Int64Array::from(offsets.to_vec()))
                    }
                    Wanted::Metadata(Metadata::Timestamp) => Arc::new(timestamps(timestamps_ms)),
                    Wanted::Metadata(Metadata::Key) => match &mut self.keys {
                        Some(keys) => Arc::new(keys.finish()),
                        None => return Err(not_built("_key")),
                    },
                    Wanted::Metadata(Metadata::Headers) => match &mut self.headers {
                        Some(headers) => Arc::new(headers.finish()),
                        None => return Err(not_built("_headers")),
                    },
                };
                Ok(array)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&projection.schema), columns, &options)
    }
}

fn timestamps(ms: &[i64]) -> TimestampMicrosecondArray {
    let micros = |ms: &i64| (*ms >= 0).then(|| ms.checked_mul(1000)).flatten();
    TimestampMicrosecondArray::from_iter(ms.iter().map(micros)).with_timezone("UTC")
}

fn push_headers(list: &mut ListBuilder<StructBuilder>, message: &impl Message) {
    let mut any = false;
    message.headers(|name, value| {
        let item = list.values();
        if let Some(names) = item.field_builder::<StringBuilder>(0) {
            names.append_value(String::from_utf8_lossy(name));
        }
        if let Some(values) = item.field_builder::<BinaryBuilder>(1) {
            values.append_option(value);
        }
        item.append(true);
        any = true;
    });
    list.append(any);
}

fn not_built(column: &str) -> ArrowError {
    ArrowError::SchemaError(format!("column {column} was not collected"))
}
