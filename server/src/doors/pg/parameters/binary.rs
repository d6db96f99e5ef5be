//! Values in binary, as PostgreSQL's `*_recv` functions read them. `None` means the bytes are not such a value.

use arrow::datatypes::IntervalMonthDayNano;
use datafusion::scalar::ScalarValue;
use postgres_types::Type;
use uuid::Uuid;

use super::{element_of, lists, numeric};

/// Days from 1970 to 2000.
const EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970 to 2000.
const EPOCH: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Whether these bytes are a value of PostgreSQL's that no type here has: minus infinity, infinity, the end of a day as a time.
pub(super) fn is_beyond(pg: &Type, bytes: &[u8]) -> bool {
    match *pg {
        Type::DATE => {
            let days = bytes.try_into().map(i32::from_be_bytes);
            days.is_ok_and(|days| days == i32::MIN || days == i32::MAX)
        }
        Type::TIMESTAMP | Type::TIMESTAMPTZ => {
            int8(bytes).is_some_and(|micros| micros == i64::MIN || micros == i64::MAX)
        }
        Type::TIME => int8(bytes) == Some(DAY),
        _ => false,
    }
}

/// The value of these bytes.
pub(in crate::doors::pg) fn decode(pg: &Type, bytes: &[u8]) -> Option<ScalarValue> {
    if let Some(element) = element_of(pg) {
        return lists::from_binary(element, bytes, decode);
    }
    Some(match *pg {
        Type::BOOL => ScalarValue::Boolean(Some(u8::from_be_bytes(bytes.try_into().ok()?) != 0)),
        Type::INT2 => ScalarValue::Int16(Some(i16::from_be_bytes(bytes.try_into().ok()?))),
        Type::INT4 => ScalarValue::Int32(Some(i32::from_be_bytes(bytes.try_into().ok()?))),
        Type::INT8 => ScalarValue::Int64(Some(int8(bytes)?)),
        Type::OID => {
            ScalarValue::Int64(Some(i64::from(u32::from_be_bytes(bytes.try_into().ok()?))))
        }
        Type::FLOAT4 => ScalarValue::Float32(Some(f32::from_be_bytes(bytes.try_into().ok()?))),
        Type::FLOAT8 => ScalarValue::Float64(Some(f64::from_be_bytes(bytes.try_into().ok()?))),
        Type::NUMERIC => numeric::from_binary(bytes)?,
        Type::DATE => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            // The first and the last of all are minus infinity and infinity.
            ScalarValue::Date32(Some(
                days.checked_add(EPOCH_DAYS).filter(|_| days != i32::MIN)?,
            ))
        }
        Type::TIME => {
            let within = |micros: &i64| (0..DAY).contains(micros);
            ScalarValue::Time64Microsecond(Some(int8(bytes).filter(within)?))
        }
        Type::TIMESTAMP => ScalarValue::TimestampMicrosecond(Some(moment(bytes)?), None),
        Type::TIMESTAMPTZ => {
            ScalarValue::TimestampMicrosecond(Some(moment(bytes)?), Some("UTC".into()))
        }
        Type::INTERVAL => {
            let (micros, rest) = bytes.split_first_chunk::<8>()?;
            let (days, months) = rest.split_first_chunk::<4>()?;
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano {
                months: i32::from_be_bytes(months.try_into().ok()?),
                days: i32::from_be_bytes(*days),
                nanoseconds: i64::from_be_bytes(*micros).checked_mul(1000)?,
            }))
        }
        Type::BYTEA => ScalarValue::Binary(Some(bytes.to_vec())),
        Type::UUID => ScalarValue::Utf8(Some(Uuid::from_slice(bytes).ok()?.to_string())),
        // A version byte goes before the text.
        Type::JSONB => match bytes.split_first()? {
            (1, text) => string(text)?,
            _ => return None,
        },
        _ => string(bytes)?,
    })
}

/// Microseconds from 1970; the first and the last of all are minus infinity and infinity.
fn moment(bytes: &[u8]) -> Option<i64> {
    let micros = int8(bytes)?;
    micros.checked_add(EPOCH).filter(|_| micros != i64::MIN)
}

fn int8(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(bytes.try_into().ok()?))
}

fn string(bytes: &[u8]) -> Option<ScalarValue> {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))?;
    Some(ScalarValue::Utf8(Some(text.to_owned())))
}
