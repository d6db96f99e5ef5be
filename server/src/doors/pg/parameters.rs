//! Parameter values from clients to the engine's scalars.
//!
//! Values are never pasted into a statement's text: what is decoded here stays a value. Each comes as text or in binary and with the type
//! its client, or the planned statement, named for it. Bytes are a stranger's: wrong lengths answer 22P03, wrong texts 22P02 or 22007.

mod binary;
mod interval;
mod lists;
mod numeric;
mod text;

use arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;
use postgres_types::{Kind, Type};

pub(super) use binary::decode as from_binary;
pub(crate) use interval::{
    Fields as IntervalFields, plain as plain_interval, restricted as interval_of,
};
pub(crate) use lists::{Letters, check_dimensions, item as list_item, skip_blanks};
pub(crate) use text::bytes as bytea_of;
pub(super) use text::decode as from_text;

use super::{
    columns::{of_arrow, to_arrow},
    failure::Failure,
};
use crate::{
    error::{Error, SqlState},
    execute::engine_error,
};

/// What the engine is told beforehand of a parameter whose type the client named.
pub(super) fn hint(pg: &Type) -> Option<DataType> {
    match *pg {
        Type::UNKNOWN => None,
        _ => to_arrow(pg),
    }
}

/// The value as the plan wants it. Only a numeric may differ: a session types parameters so (`session/parameters.rs`); and the dimensions of
/// a list, which the client's type does not tell.
pub(super) fn fit(value: ScalarValue, wanted: Option<&DataType>) -> Result<ScalarValue, Failure> {
    match wanted {
        Some(wanted) if wanted.is_floating() && value.data_type().is_decimal() => {
            Ok(value.cast_to(wanted)?)
        }
        Some(wanted) => lists::in_shape(value, wanted),
        None => Ok(value),
    }
}

/// The list that a text such as `{1,2,NULL}` stands for, as a value of this type.
pub(crate) fn list_of_text(text: &str, to: &DataType) -> crate::error::Result<ScalarValue> {
    let read = from_text(&of_arrow(to), text).and_then(|value| lists::in_shape(value, to));
    let value = read.map_err(|failure| {
        let state = match failure.code {
            "0A000" => SqlState::FeatureNotSupported,
            "22003" => SqlState::NumericValueOutOfRange,
            "22007" => SqlState::InvalidDatetimeFormat,
            "22008" => SqlState::DatetimeFieldOverflow,
            "54000" => SqlState::ProgramLimitExceeded,
            _ => SqlState::InvalidTextRepresentation,
        };
        Error {
            detail: failure.detail,
            hint: failure.hint,
            ..Error::user(state, failure.message)
        }
    })?;
    value.cast_to(to).map_err(engine_error)
}

/// The value of parameter `number` (from 1), given as `format` (1 is binary).
pub(super) fn decode(
    number: usize,
    pg: &Type,
    format: i16,
    bytes: Option<&[u8]>,
) -> Result<ScalarValue, Failure> {
    let Some(data_type) = to_arrow(pg) else {
        return Err(Failure::error(
            "0A000",
            format!("parameter ${number} has a type that is not supported: {pg}"),
        )
        .with_hint(format!("Write a cast, such as ${number}::text.")));
    };
    let Some(bytes) = bytes else {
        return Ok(ScalarValue::try_from(&data_type)?);
    };
    // A text has no zero in it, whichever way it comes; what is not carried as one may have.
    if data_type == DataType::Utf8 && *pg != Type::UUID && bytes.contains(&0) {
        return Err(
            Failure::error("22021", "invalid byte sequence for encoding \"UTF8\": 0x00")
                .with_detail(format!("In parameter ${number}.")),
        );
    }
    if format == 1 {
        if binary::is_beyond(pg, bytes) {
            return Err(text::beyond(pg, &format!("${number}")));
        }
        return binary::decode(pg, bytes).ok_or_else(|| {
            Failure::error(
                "22P03",
                format!("incorrect binary data format in bind parameter {number}"),
            )
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| {
        Failure::error("22021", "invalid byte sequence for encoding \"UTF8\"")
            .with_detail(format!("In parameter ${number}."))
    })?;
    text::decode(pg, text)
}

/// A list of scalars of one type.
fn list(mut values: Vec<ScalarValue>, element: &Type) -> Option<ScalarValue> {
    let mut data_type = to_arrow(element)?;
    if *element == Type::NUMERIC {
        data_type = numeric::same_scale(&mut values)?;
    }
    Some(ScalarValue::List(ScalarValue::new_list(
        &values, &data_type, true,
    )))
}

fn element_of(pg: &Type) -> Option<&Type> {
    match pg.kind() {
        Kind::Array(element) => Some(element),
        _ => None,
    }
}
