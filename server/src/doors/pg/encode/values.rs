//! A column of a batch, brought to one of the few shapes that are written out.
//!
//! Shapes that carry the same values (dictionaries, other widths and units) are cast once per batch; strings, the bulk of most results, are
//! never copied.

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
        Decimal256Array, DurationMicrosecondArray, Float32Array, Float64Array, Int16Array,
        Int32Array, Int64Array, IntervalMonthDayNanoArray, LargeStringArray, ListArray,
        StringArray, StringBuilder, StringViewArray, StructArray, Time64MicrosecondArray,
        TimestampMicrosecondArray,
    },
    compute::{CastOptions, cast, cast_with_options},
    datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit},
    json::writer::{EncoderOptions, make_encoder},
};
use postgres_types::{Kind, Type};

use crate::doors::pg::{columns::pg_type, failure::Failure};

/// The values of one column.
#[derive(Debug)]
pub(in crate::doors::pg) enum Values {
    Null,
    Bool(BooleanArray),
    Int2(Int16Array),
    Int4(Int32Array),
    Int8(Int64Array),
    /// Stored signed, sent unsigned; some of its aliases are shown as names.
    Oid(Int32Array, Type),
    /// The one-byte type `"char"`.
    Char(StringArray),
    Float4(Float32Array),
    Float8(Float64Array),
    Numeric(Decimal128Array, i8),
    LongNumeric(Decimal256Array, i8),
    Text(StringArray),
    /// Sent in binary with its version before it.
    Jsonb(StringArray),
    /// Sent in binary as sixteen bytes.
    Uuid(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Bytea(BinaryArray),
    Date(Date32Array),
    Time(Time64MicrosecondArray),
    Timestamp(TimestampMicrosecondArray),
    TimestampTz(TimestampMicrosecondArray),
    Interval(IntervalMonthDayNanoArray),
    Duration(DurationMicrosecondArray),
    List(ListArray, Type, Box<Values>),
    /// `int2vector` and `oidvector`: lists that count from 0.
    Vector(ListArray, Type, Box<Values>),
    /// A row, with the types and values of its fields.
    Record(StructArray, Vec<(Type, Values)>),
}

impl Values {
    /// The values of `array`, to be sent as `pg`.
    pub(in crate::doors::pg) fn new(array: &ArrayRef, pg: &Type) -> Result<Self, Failure> {
        use DataType as D;
        let to = |target: D| -> Result<ArrayRef, Failure> { Ok(cast(array, &target)?) };
        let again = |target: D| Self::new(&to(target)?, pg);
        Ok(match array.data_type() {
            D::Null => Self::Null,
            D::Boolean => Self::Bool(array.as_boolean().clone()),
            D::Int16 => Self::Int2(array.as_primitive().clone()),
            D::Int32 if is_oid(pg) => Self::Oid(array.as_primitive().clone(), pg.clone()),
            D::Int32 => Self::Int4(array.as_primitive().clone()),
            D::Int64 => Self::Int8(array.as_primitive().clone()),
            D::Int8 | D::UInt8 => again(D::Int16)?,
            D::UInt16 => again(D::Int32)?,
            D::UInt32 => again(D::Int64)?,
            D::UInt64 => {
                let strict = CastOptions {
                    safe: false,
                    ..CastOptions::default()
                };
                Self::new(&cast_with_options(array, &D::Int64, &strict)?, pg)?
            }
            D::Float32 => Self::Float4(array.as_primitive().clone()),
            D::Float64 => Self::Float8(array.as_primitive().clone()),
            D::Float16 => again(D::Float32)?,
            D::Decimal128(_, scale) => Self::Numeric(array.as_primitive().clone(), *scale),
            D::Decimal256(_, scale) => Self::LongNumeric(array.as_primitive().clone(), *scale),
            D::Decimal32(precision, scale) | D::Decimal64(precision, scale) => {
                again(D::Decimal128(*precision, *scale))?
            }
            D::Utf8 if *pg == Type::CHAR => Self::Char(array.as_string().clone()),
            D::Utf8 if *pg == Type::JSONB => Self::Jsonb(array.as_string().clone()),
            D::Utf8 if *pg == Type::UUID => Self::Uuid(array.as_string().clone()),
            D::Utf8 => Self::Text(array.as_string().clone()),
            D::LargeUtf8 => Self::LargeText(array.as_string().clone()),
            D::Utf8View => Self::TextView(array.as_string_view().clone()),
            D::Binary => Self::Bytea(array.as_binary().clone()),
            D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => again(D::Binary)?,
            D::Date32 => Self::Date(array.as_primitive().clone()),
            D::Date64 => again(D::Date32)?,
            D::Time64(TimeUnit::Microsecond) => Self::Time(array.as_primitive().clone()),
            D::Time32(_) | D::Time64(_) => again(D::Time64(TimeUnit::Microsecond))?,
            D::Timestamp(TimeUnit::Microsecond, None) => {
                Self::Timestamp(array.as_primitive().clone())
            }
            D::Timestamp(TimeUnit::Microsecond, Some(_)) => {
                Self::TimestampTz(array.as_primitive().clone())
            }
            D::Timestamp(_, zone) => again(D::Timestamp(TimeUnit::Microsecond, zone.clone()))?,
            D::Interval(IntervalUnit::MonthDayNano) => Self::Interval(array.as_primitive().clone()),
            D::Interval(_) => again(D::Interval(IntervalUnit::MonthDayNano))?,
            D::Duration(TimeUnit::Microsecond) => Self::Duration(array.as_primitive().clone()),
            D::Duration(_) => again(D::Duration(TimeUnit::Microsecond))?,
            D::Dictionary(_, value) => again(value.as_ref().clone())?,
            D::RunEndEncoded(_, value) => again(value.data_type().clone())?,
            D::Struct(fields) if *pg == Type::RECORD => {
                let rows = array.as_struct().clone();
                let parts = fields.iter().zip(rows.columns()).map(|(field, column)| {
                    // A row in a row is one too.
                    let pg = match field.data_type() {
                        D::Struct(_) => Type::RECORD,
                        _ => pg_type(field),
                    };
                    let values = Self::new(column, &pg)?;
                    Ok((pg, values))
                });
                let parts = parts.collect::<Result<Vec<_>, Failure>>()?;
                Self::Record(rows, parts)
            }
            _ if *pg == Type::JSON => json(array)?,
            D::List(_) => {
                let list = array.as_list::<i32>().clone();
                let element = match pg.kind() {
                    Kind::Array(element) => element.clone(),
                    _ => Type::TEXT,
                };
                // Elements of a nested list have the same array type: dimensions are counted in the value.
                let inner = match list.value_type() {
                    D::List(_)
                    | D::LargeList(_)
                    | D::FixedSizeList(..)
                    | D::ListView(_)
                    | D::LargeListView(_) => pg,
                    _ => &element,
                };
                let values = Self::new(list.values(), inner)?;
                match *pg {
                    Type::INT2_VECTOR | Type::OID_VECTOR => {
                        Self::Vector(list, element, Box::new(values))
                    }
                    _ => Self::List(list, element, Box::new(values)),
                }
            }
            D::LargeList(item)
            | D::FixedSizeList(item, _)
            | D::ListView(item)
            | D::LargeListView(item) => again(D::List(item.clone()))?,
            D::Struct(_) | D::Map(..) | D::Union(..) => json(array)?,
        })
    }

    /// Whether the value of a row is NULL.
    pub(in crate::doors::pg) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(a) => a.is_null(row),
            Self::Int2(a) => a.is_null(row),
            Self::Int4(a) | Self::Oid(a, _) => a.is_null(row),
            Self::Int8(a) => a.is_null(row),
            Self::Float4(a) => a.is_null(row),
            Self::Float8(a) => a.is_null(row),
            Self::Numeric(a, _) => a.is_null(row),
            Self::LongNumeric(a, _) => a.is_null(row),
            Self::Text(a) | Self::Char(a) | Self::Jsonb(a) | Self::Uuid(a) => a.is_null(row),
            Self::LargeText(a) => a.is_null(row),
            Self::TextView(a) => a.is_null(row),
            Self::Bytea(a) => a.is_null(row),
            Self::Date(a) => a.is_null(row),
            Self::Time(a) => a.is_null(row),
            Self::Timestamp(a) | Self::TimestampTz(a) => a.is_null(row),
            Self::Interval(a) => a.is_null(row),
            Self::Duration(a) => a.is_null(row),
            Self::List(a, _, _) | Self::Vector(a, _, _) => a.is_null(row),
            Self::Record(a, _) => a.is_null(row),
        }
    }
}

/// Whole days and the rest of a duration: what lies between two moments is an interval of days there.
pub(super) fn days_of(micros: i64) -> (i32, i64) {
    const DAY: i64 = 86_400_000_000;
    match i32::try_from(micros / DAY) {
        Ok(days) => (days, micros % DAY),
        Err(_) => (0, micros),
    }
}

fn is_oid(pg: &Type) -> bool {
    !matches!(*pg, Type::INT4)
}

/// A type with text for the keys of its maps: JSON has no other.
fn with_text_keys(data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| -> FieldRef {
        let inside = with_text_keys(field.data_type());
        field.as_ref().clone().with_data_type(inside).into()
    };
    match data_type {
        DataType::List(item) => DataType::List(field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(pair) => {
                let pair = pair.iter().enumerate().map(|(place, part)| match place {
                    0 => part.as_ref().clone().with_data_type(DataType::Utf8).into(),
                    _ => field(part),
                });
                let pair = DataType::Struct(pair.collect());
                let entries = entries.as_ref().clone().with_data_type(pair);
                DataType::Map(entries.into(), *sorted)
            }
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}

/// Structs and maps as JSON texts, a batch at a time.
fn json(array: &ArrayRef) -> Result<Values, Failure> {
    let shown = with_text_keys(array.data_type());
    let cast_keys;
    let array = if shown == *array.data_type() {
        array
    } else {
        cast_keys = cast(array, &shown)?;
        &cast_keys
    };
    let field = Field::new("", array.data_type().clone(), true).into();
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(&field, array, &options)?;
    let mut texts = StringBuilder::new();
    let mut text = Vec::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            texts.append_null();
            continue;
        }
        text.clear();
        encoder.encode(row, &mut text);
        texts.append_value(String::from_utf8_lossy(&text));
    }
    Ok(Values::Text(texts.finish()))
}
