//! Bytes and their texts: `encode` and `decode`, `convert_from` and `convert_to`, single bytes, and texts that are no `bytea`.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::ScalarUDF,
    scalar::ScalarValue,
};

use super::called::{Called, number, text};
use crate::{
    dialect::catalog::rows::Value,
    doors::pg::bytea_of,
    error::{Error, SqlState},
    table::external,
};

/// With its padding, which a reader may leave out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Letters of a line of base64, as MIME has them.
const LINE: usize = 76;

pub(super) fn all() -> Vec<ScalarUDF> {
    vec![
        Called::strict("sluice_bytea", "bytea", |arguments| {
            let written = text(arguments, 0).unwrap_or_default();
            match bytea_of(&written) {
                Some(bytes) => Ok(ready(bytes)),
                None => Err(no_bytes(&written)),
            }
        }),
        Called::strict("sluice_encode", "text", |arguments| {
            let form = text(arguments, 1).unwrap_or_default();
            encoded(&bytes(arguments, 0)?, &form)
        }),
        Called::strict("sluice_decode", "bytea", |arguments| {
            let written = text(arguments, 0).unwrap_or_default();
            decoded(&written, &text(arguments, 1).unwrap_or_default())
        }),
        Called::strict("convert_from", "text", |arguments| {
            utf8(arguments)?;
            let bytes = bytes(arguments, 0)?;
            match String::from_utf8(bytes) {
                Ok(text) if !text.contains('\0') => Ok(text.into()),
                _ => Err(external(Error::user(
                    SqlState::CharacterNotInRepertoire,
                    "invalid byte sequence for encoding \"UTF8\"",
                ))),
            }
        }),
        Called::strict("convert_to", "bytea", |arguments| {
            utf8(arguments)?;
            Ok(ready(text(arguments, 0).unwrap_or_default().into_bytes()))
        }),
        Called::strict("get_byte", "integer", |arguments| {
            let bytes = bytes(arguments, 0)?;
            let at = number(arguments, 1).unwrap_or_default();
            let byte = usize::try_from(at).ok().and_then(|at| bytes.get(at));
            match byte {
                Some(byte) => Ok(i64::from(*byte).into()),
                None => Err(wrong(format!(
                    "index {at} out of valid range, 0..{}",
                    bytes.len() as i64 - 1
                ))),
            }
        }),
    ]
}

fn ready(bytes: Vec<u8>) -> Value {
    Value::Ready(ScalarValue::Binary(Some(bytes)))
}

fn invalid(message: String) -> DataFusionError {
    external(Error::user(SqlState::InvalidTextRepresentation, message))
}

/// A text that is no `bytea`.
fn no_bytes(written: &str) -> DataFusionError {
    match written.starts_with("\\x") {
        true => wrong(format!("invalid hexadecimal data: \"{written}\"")),
        false => invalid(format!(
            "invalid input syntax for type bytea: \"{written}\""
        )),
    }
}

fn wrong(message: String) -> DataFusionError {
    external(Error::user(SqlState::InvalidParameterValue, message))
}

/// The bytes at this place: those of a text are read as a `bytea` is.
fn bytes(arguments: &[ScalarValue], at: usize) -> Result<Vec<u8>> {
    match arguments.get(at) {
        Some(
            ScalarValue::Binary(Some(bytes))
            | ScalarValue::LargeBinary(Some(bytes))
            | ScalarValue::BinaryView(Some(bytes))
            | ScalarValue::FixedSizeBinary(_, Some(bytes)),
        ) => Ok(bytes.clone()),
        _ => {
            let written = text(arguments, at).unwrap_or_default();
            bytea_of(&written).ok_or_else(|| no_bytes(&written))
        }
    }
}

/// The one encoding that there is.
fn utf8(arguments: &[ScalarValue]) -> Result<()> {
    let name = text(arguments, 1).unwrap_or_default();
    match name.to_uppercase().replace(['-', '_'], "").as_str() {
        "UTF8" | "UNICODE" => Ok(()),
        _ => Err(external(
            Error::user(
                SqlState::FeatureNotSupported,
                format!("encoding \"{name}\" is not supported"),
            )
            .with_hint("Texts are UTF8 here."),
        )),
    }
}

fn encoded(bytes: &[u8], form: &str) -> Result<Value> {
    Ok(match form.to_lowercase().as_str() {
        "hex" => bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into(),
        "base64" => {
            let all = BASE64.encode(bytes);
            let mut lines = String::with_capacity(all.len() + all.len() / LINE);
            for (at, letter) in all.chars().enumerate() {
                if at > 0 && at % LINE == 0 {
                    lines.push('\n');
                }
                lines.push(letter);
            }
            lines.into()
        }
        "escape" => {
            let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
            for byte in bytes {
                match byte {
                    0 | 128.. => out.extend(format!("\\{byte:03o}").into_bytes()),
                    b'\\' => out.extend(b"\\\\"),
                    other => out.push(*other),
                }
            }
            String::from_utf8_lossy(&out).into_owned().into()
        }
        _ => return Err(unrecognized(form)),
    })
}

fn decoded(written: &str, form: &str) -> Result<Value> {
    let plain = || {
        let letters = written
            .chars()
            .filter(|letter| !letter.is_ascii_whitespace());
        letters.collect::<String>()
    };
    match form.to_lowercase().as_str() {
        "hex" => match bytea_of(&format!("\\x{}", plain())) {
            Some(bytes) => Ok(ready(bytes)),
            None => Err(wrong("invalid hexadecimal data".into())),
        },
        "base64" => match BASE64.decode(plain()) {
            Ok(bytes) => Ok(ready(bytes)),
            Err(_) => Err(wrong("invalid base64 data".into())),
        },
        "escape" => match bytea_of(written) {
            Some(bytes) => Ok(ready(bytes)),
            None => Err(invalid("invalid input syntax for type bytea".into())),
        },
        _ => Err(unrecognized(form)),
    }
}

fn unrecognized(form: &str) -> DataFusionError {
    wrong(format!("unrecognized encoding: \"{form}\""))
}

#[cfg(test)]
mod tests;
