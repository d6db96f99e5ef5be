//! One column under construction: values are appended while a message is read and taken back when the message turns out to be bad.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, Date32Array,
        Decimal128Array, ListArray, PrimitiveArray, StringArray, StructArray,
    },
    buffer::{Buffer, OffsetBuffer, ScalarBuffer},
    compute::cast,
    datatypes::{
        ArrowPrimitiveType, DataType, Field, FieldRef, Float32Type, Float64Type, Int8Type,
        Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    },
    error::ArrowError,
};

use super::{JsonOptions, map::Map, nulls::Nulls, object::Object, plain::SHORT, time::Clock};
use crate::{
    error::{ConnectorError, Result},
    format::{JSON_TEXT, TYPE_MARK, UUID_TEXT, plain_field},
};

/// Values of one column and which of them are null.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) values: Values,
    pub(super) nulls: Nulls,
    field: FieldRef,
}

/// The values, null slots included.
///
/// The tag is a byte of its own: packed into what the variants leave unused, it took ten instructions to read.
#[derive(Debug)]
#[repr(u8)]
pub(super) enum Values {
    Bool(BooleanBufferBuilder),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Decimal {
        values: Vec<i128>,
        precision: u8,
        scale: i8,
    },
    Date(Vec<i32>),
    Timestamp(Times),
    Text(Bytes),
    /// The value's own JSON text.
    Json(Bytes),
    /// In the usual spelling.
    Uuid(Bytes),
    Binary(Bytes),
    Struct(Box<Object>),
    Map(Box<Map>),
    List {
        offsets: Vec<i32>,
        item: Box<Column>,
    },
}

/// Timestamps in microseconds, whatever unit the column has: other units are cast at the end.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) values: Vec<i64>,
    pub(super) clock: Clock,
    pub(super) in_nanoseconds: bool,
}

impl Times {
    /// Whether the column's unit has this time; nanoseconds reach only from 1677 to 2262.
    pub(super) fn fits(&self, micros: i64) -> bool {
        !self.in_nanoseconds || micros.checked_mul(1000).is_some()
    }
}

/// Values of different lengths, end to end.
#[derive(Debug)]
pub(super) struct Bytes {
    offsets: Vec<i32>,
    pub(super) data: Vec<u8>,
}

impl Bytes {
    fn new() -> Self {
        Self {
            offsets: vec![0],
            data: Vec::new(),
        }
    }

    /// Ends a value whose bytes have been appended to `data`; `false` when the column is full.
    #[inline]
    pub(super) fn end(&mut self) -> bool {
        match i32::try_from(self.data.len()) {
            Ok(end) => {
                self.offsets.push(end);
                true
            }
            Err(_) => false,
        }
    }

    /// Appends a value; `None` when the column is full.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = i32::try_from(self.data.len() + bytes.len()).ok()?;
        self.data.extend_from_slice(bytes);
        self.offsets.push(end);
        Some(())
    }

    /// The same with the first of these bytes.
    #[inline]
    pub(super) fn push_short(&mut self, bytes: &[u8; SHORT], length: usize) -> Option<()> {
        let end = self.data.len() + length;
        let offset = i32::try_from(end).ok()?;
        self.data.extend_from_slice(bytes);
        self.data.truncate(end);
        self.offsets.push(offset);
        Some(())
    }

    /// The bytes of a value.
    pub(super) fn value(&self, row: usize) -> &[u8] {
        let at = |offset: Option<&i32>| offset.and_then(|offset| usize::try_from(*offset).ok());
        let (start, end) = (at(self.offsets.get(row)), at(self.offsets.get(row + 1)));
        match (start, end) {
            (Some(start), Some(end)) => self.data.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }

    fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        let end = self.offsets.last().copied().unwrap_or_default();
        self.data.truncate(usize::try_from(end).unwrap_or_default());
    }

    fn take(&mut self) -> Result<(OffsetBuffer<i32>, Vec<u8>), ArrowError> {
        let offsets = taken(&mut self.offsets);
        self.offsets.push(0);
        Ok((offsets_of(offsets)?, taken(&mut self.data)))
    }
}

/// The values, and room for as many and some more: batches of one stream are mostly of one length.
fn taken<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = Vec::with_capacity(values.len() + values.len() / 16 + SHORT);
    std::mem::replace(values, room)
}

pub(super) fn offsets_of(offsets: Vec<i32>) -> Result<OffsetBuffer<i32>, ArrowError> {
    // OffsetBuffer::new panics on what is not monotonic; ours only ever grow, and this keeps it an error even if that broke.
    if offsets.first() != Some(&0) || !offsets.is_sorted() {
        return Err(ArrowError::InvalidArgumentError(
            "offsets of a column are not in order".into(),
        ));
    }
    Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
}

impl Column {
    /// An empty column for `field`, or why JSON cannot fill it.
    pub(super) fn new(field: &FieldRef, options: &JsonOptions) -> Result<Self> {
        let mark = field.metadata().get(TYPE_MARK).map(String::as_str);
        let values = match field.data_type() {
            DataType::Boolean => Values::Bool(BooleanBufferBuilder::new(0)),
            DataType::Int8 => Values::I8(Vec::new()),
            DataType::Int16 => Values::I16(Vec::new()),
            DataType::Int32 => Values::I32(Vec::new()),
            DataType::Int64 => Values::I64(Vec::new()),
            DataType::Float32 => Values::F32(Vec::new()),
            DataType::Float64 => Values::F64(Vec::new()),
            DataType::Decimal128(precision, scale) => Values::Decimal {
                values: Vec::new(),
                precision: *precision,
                scale: *scale,
            },
            DataType::Date32 => Values::Date(Vec::new()),
            DataType::Timestamp(unit, _) => Values::Timestamp(Times {
                values: Vec::new(),
                clock: Clock::default(),
                in_nanoseconds: *unit == TimeUnit::Nanosecond,
            }),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => match mark {
                Some(JSON_TEXT) => Values::Json(Bytes::new()),
                Some(UUID_TEXT) => Values::Uuid(Bytes::new()),
                _ => Values::Text(Bytes::new()),
            },
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                Values::Binary(Bytes::new())
            }
            DataType::Struct(fields) => {
                Values::Struct(Box::new(Object::new(fields, None, options)?))
            }
            DataType::List(item) => Values::List {
                offsets: vec![0],
                item: Box::new(Self::new(item, options)?),
            },
            DataType::Map(entries, _) => Values::Map(Box::new(Map::new(entries, options)?)),
            other => {
                return Err(ConnectorError::Option {
                    message: format!(
                        "column \"{}\" of type {other} cannot be read from JSON",
                        field.name()
                    ),
                    hint: Some("declare it TEXT and cast it in the query".into()),
                });
            }
        };
        Ok(Self {
            values,
            nulls: Nulls::default(),
            field: plain_field(field),
        })
    }

    pub(super) fn field(&self) -> &Field {
        &self.field
    }

    pub(super) fn nullable(&self) -> bool {
        self.field.is_nullable()
    }

    pub(super) fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Appends a null; whether the column may have one is the caller's question.
    pub(super) fn append_null(&mut self) {
        match &mut self.values {
            Values::Bool(values) => values.append(false),
            Values::I8(values) => values.push(0),
            Values::I16(values) => values.push(0),
            Values::I32(values) | Values::Date(values) => values.push(0),
            Values::I64(values) => values.push(0),
            Values::Timestamp(times) => times.values.push(0),
            Values::F32(values) => values.push(0.0),
            Values::F64(values) => values.push(0.0),
            Values::Decimal { values, .. } => values.push(0),
            Values::Text(values)
            | Values::Json(values)
            | Values::Uuid(values)
            | Values::Binary(values) => {
                values.end();
            }
            Values::Struct(object) => object.append_null(),
            Values::Map(map) => map.append_null(),
            Values::List { offsets, .. } => {
                let end = offsets.last().copied().unwrap_or_default();
                offsets.push(end);
            }
        }
        self.nulls.append_null();
    }

    /// Takes back everything from row `rows` on, a half-appended value included.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Bool(values) => values.truncate(rows),
            Values::I8(values) => values.truncate(rows),
            Values::I16(values) => values.truncate(rows),
            Values::I32(values) | Values::Date(values) => values.truncate(rows),
            Values::I64(values) => values.truncate(rows),
            Values::Timestamp(times) => times.values.truncate(rows),
            Values::F32(values) => values.truncate(rows),
            Values::F64(values) => values.truncate(rows),
            Values::Decimal { values, .. } => values.truncate(rows),
            Values::Text(values)
            | Values::Json(values)
            | Values::Uuid(values)
            | Values::Binary(values) => {
                values.truncate(rows);
            }
            Values::Struct(object) => object.truncate(rows),
            Values::Map(map) => map.truncate(rows),
            Values::List { offsets, item } => {
                offsets.truncate(rows + 1);
                let end = offsets.last().copied().unwrap_or_default();
                item.truncate(usize::try_from(end).unwrap_or_default());
            }
        }
        self.nulls.truncate(rows);
    }

    /// The column as an array of its declared type; empty afterwards.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.nulls.finish();
        let array: ArrayRef = match &mut self.values {
            Values::Bool(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::I8(values) => primitive::<Int8Type>(values, nulls)?,
            Values::I16(values) => primitive::<Int16Type>(values, nulls)?,
            Values::I32(values) => primitive::<Int32Type>(values, nulls)?,
            Values::I64(values) => primitive::<Int64Type>(values, nulls)?,
            Values::F32(values) => primitive::<Float32Type>(values, nulls)?,
            Values::F64(values) => primitive::<Float64Type>(values, nulls)?,
            Values::Decimal {
                values,
                precision,
                scale,
            } => Arc::new(
                Decimal128Array::try_new(ScalarBuffer::from(taken(values)), nulls)?
                    .with_precision_and_scale(*precision, *scale)?,
            ),
            Values::Date(values) => Arc::new(Date32Array::try_new(
                ScalarBuffer::from(taken(values)),
                nulls,
            )?),
            Values::Timestamp(times) => {
                let zone = match self.field.data_type() {
                    DataType::Timestamp(_, zone) => zone.clone(),
                    _ => None,
                };
                let values = ScalarBuffer::from(taken(&mut times.values));
                Arc::new(
                    PrimitiveArray::<TimestampMicrosecondType>::try_new(values, nulls)?
                        .with_timezone_opt(zone),
                )
            }
            Values::Text(values) | Values::Json(values) | Values::Uuid(values) => {
                let (offsets, data) = values.take()?;
                Arc::new(StringArray::try_new(
                    offsets,
                    Buffer::from_vec(data),
                    nulls,
                )?)
            }
            Values::Binary(values) => {
                let (offsets, data) = values.take()?;
                Arc::new(BinaryArray::try_new(
                    offsets,
                    Buffer::from_vec(data),
                    nulls,
                )?)
            }
            Values::Struct(object) => {
                let (fields, arrays, rows) = object.finish()?;
                Arc::new(StructArray::try_new_with_length(
                    fields, arrays, nulls, rows,
                )?)
            }
            Values::Map(map) => map.finish(nulls)?,
            Values::List { offsets, item } => {
                let offsets = offsets_of(std::mem::replace(offsets, vec![0]))?;
                let field = Arc::clone(&item.field);
                Arc::new(ListArray::try_new(field, offsets, item.finish()?, nulls)?)
            }
        };
        if array.data_type() == self.field.data_type() {
            return Ok(array);
        }
        cast(&array, self.field.data_type())
    }
}

fn primitive<T: ArrowPrimitiveType>(
    values: &mut Vec<T::Native>,
    nulls: Option<arrow::buffer::NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let values = ScalarBuffer::from(taken(values));
    Ok(Arc::new(PrimitiveArray::<T>::try_new(values, nulls)?))
}
