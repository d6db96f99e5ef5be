//! JSON out of values, and texts that become JSON: `x::json`, `to_json`, `json_agg`, `jsonb_build_object`.
//!
//! `json` keeps a text as it was written, `jsonb` keeps what it says: the mark on the field tells a client which of the two a text is.

mod path;

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, SecondsFormat};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::ScalarUDF,
    scalar::ScalarValue,
};
use sluice_planner::functions::{Json, MAX_JSON_DEPTH, is_too_deep};

use self::path::{insert, path_of, set};
use super::{
    called::{self, Called, is_json, text, truth},
    records::NAMED,
};
use crate::{
    dialect::catalog::rows::Value,
    error::{Error, SqlState},
    table::external,
};

/// `a || b` of `jsonb`: one for all, so that two calls of it are the same expression.
pub(in crate::dialect) fn jsonb_concat() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        Arc::new(Called::strict(
            "sluice_jsonb_concat",
            "jsonb",
            |arguments| Ok(of_both(arguments, concatenated)?.into()),
        ))
    });
    Arc::clone(&FUNCTION)
}

/// `a - b` of a `jsonb` and a name, or the number of an element.
pub(in crate::dialect) fn jsonb_without() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        Arc::new(Called::strict(
            "sluice_jsonb_without",
            "jsonb",
            |arguments| {
                let written = text(arguments, 0).unwrap_or_default();
                let value = Json::parse(&written).map_err(|error| invalid(&written, &error))?;
                let value = match arguments.get(1) {
                    Some(place) if place.data_type().is_numeric() => {
                        without_place(value, called::number(arguments, 1).unwrap_or_default())?
                    }
                    _ => without(value, &text(arguments, 1).unwrap_or_default())?,
                };
                Ok(value.sorted().spaced().into())
            },
        ))
    });
    Arc::clone(&FUNCTION)
}

/// What a `jsonb` is compared and ordered by: bytes that are the same for values that PostgreSQL has equal. The text of one is taken too.
pub(in crate::dialect) fn jsonb_key() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        Arc::new(Called::strict("sluice_jsonb_key", "bytea", |arguments| {
            let written = text(arguments, 0).unwrap_or_default();
            let value = Json::parse(&written).map_err(|error| invalid(&written, &error))?;
            let key = ScalarValue::Binary(Some(value.sorted().sort_key()));
            Ok(Value::Ready(key))
        }))
    });
    Arc::clone(&FUNCTION)
}

fn of_both(arguments: &[ScalarValue], of: fn(Json, Json) -> Json) -> Result<String> {
    let side = |at: usize| {
        let written = text(arguments, at).unwrap_or_default();
        Json::parse(&written).map_err(|error| invalid(&written, &error))
    };
    Ok(of(side(0)?, side(1)?).sorted().spaced())
}

/// Members of the second take the place of the first's; whatever is no object is an element of a list.
fn concatenated(one: Json, other: Json) -> Json {
    match (one, other) {
        (Json::Object(mut one), Json::Object(other)) => {
            one.extend(other);
            Json::Object(one)
        }
        (one, other) => {
            let elements = |value: Json| match value {
                Json::Array(elements) => elements,
                other => vec![other],
            };
            let mut all = elements(one);
            all.extend(elements(other));
            Json::Array(all)
        }
    }
}

fn without(value: Json, name: &str) -> Result<Json> {
    match value {
        Json::Object(mut members) => {
            members.retain(|(known, _)| known != name);
            Ok(Json::Object(members))
        }
        Json::Array(mut elements) => {
            elements.retain(|element| !matches!(element, Json::Text(text) if text == name));
            Ok(Json::Array(elements))
        }
        _ => Err(not_deleted("cannot delete from scalar")),
    }
}

fn without_place(value: Json, place: i64) -> Result<Json> {
    match value {
        Json::Array(mut elements) => {
            let length = elements.len() as i64;
            let at = if place < 0 { length + place } else { place };
            if (0..length).contains(&at) {
                elements.remove(at as usize);
            }
            Ok(Json::Array(elements))
        }
        Json::Object(_) => Err(not_deleted("cannot delete from object using integer index")),
        _ => Err(not_deleted("cannot delete from scalar")),
    }
}

/// Members that are null, at any depth, go; elements of lists stay.
fn without_nulls(value: Json) -> Json {
    match value {
        Json::Object(members) => Json::Object(
            members
                .into_iter()
                .filter(|(_, value)| !matches!(value, Json::Null))
                .map(|(name, value)| (name, without_nulls(value)))
                .collect(),
        ),
        Json::Array(elements) => Json::Array(elements.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn not_deleted(message: &str) -> DataFusionError {
    external(Error::user(SqlState::InvalidParameterValue, message))
}

pub(super) fn all() -> Vec<ScalarUDF> {
    let build_object = |arguments: &[ScalarValue]| Ok(object(arguments)?.into());
    let build_array = |arguments: &[ScalarValue]| Ok(array(arguments).into());
    vec![
        Called::strict("sluice_json", "json", |arguments| {
            let text = text(arguments, 0).unwrap_or_default();
            Json::parse(&text).map_err(|error| invalid(&text, &error))?;
            Ok(text.into())
        }),
        Called::strict("sluice_jsonb", "jsonb", |arguments| {
            Ok(jsonb(&text(arguments, 0).unwrap_or_default())?.into())
        }),
        Called::strict("to_json", "json", |arguments| {
            Ok(arguments.first().map(json).into())
        }),
        Called::strict("to_jsonb", "jsonb", |arguments| {
            let text = arguments.first().map(json).unwrap_or_default();
            Ok(jsonb(&text)?.into())
        }),
        Called::strict("row_to_json", "json", |arguments| {
            Ok(arguments.first().map(json).into())
        }),
        Called::lax("json_build_object", "json", build_object),
        Called::lax("jsonb_build_object", "jsonb", |arguments| {
            Ok(jsonb(&object(arguments)?)?.into())
        }),
        Called::lax("json_build_array", "json", build_array),
        Called::lax("jsonb_build_array", "jsonb", |arguments| {
            Ok(jsonb(&array(arguments))?.into())
        }),
        // What the rewritten aggregates end in.
        Called::strict("sluice_json_list", "json", |arguments| {
            let texts = texts(arguments);
            let elements = texts.join(", ");
            let elements = elements.strip_prefix(STRUCTURED).unwrap_or(&elements);
            Ok(format!("[{elements}]").into())
        }),
        Called::strict("sluice_json_members", "json", |arguments| {
            Ok(format!("{{ {} }}", texts(arguments).join(", ")).into())
        }),
        Called::lax("sluice_json_value", "text", |arguments| {
            Ok(arguments.first().map(element).into())
        }),
        Called::lax("sluice_json_member", "text", |arguments| {
            let Some(name) = text(arguments, 0) else {
                return Err(external(Error::user(
                    SqlState::InvalidParameterValue,
                    "field name must not be null",
                )));
            };
            let value = arguments.get(1).map_or_else(|| "null".to_owned(), json);
            Ok(format!("{} : {value}", quoted(&name)).into())
        }),
        Called::strict("jsonb_strip_nulls", "jsonb", |arguments| {
            let written = text(arguments, 0).unwrap_or_default();
            let value = Json::parse(&written).map_err(|error| invalid(&written, &error))?;
            Ok(without_nulls(value).sorted().spaced().into())
        }),
        Called::strict("sluice_json_elements", "text[]", |arguments| {
            Ok(elements(arguments, |element| element.spaced().into())?.into())
        }),
        Called::strict("sluice_json_elements_text", "text[]", |arguments| {
            Ok(elements(arguments, |element| match element {
                Json::Null => Value::Null,
                Json::Text(text) => text.as_str().into(),
                other => other.spaced().into(),
            })?
            .into())
        }),
        Called::strict("sluice_json_keys", "text[]", |arguments| {
            let written = text(arguments, 0).unwrap_or_default();
            match Json::parse(&written).map_err(|error| invalid(&written, &error))? {
                Json::Object(members) => {
                    let names = members.into_iter().map(|(name, _)| name);
                    Ok(names.collect::<Vec<_>>().into())
                }
                other => Err(wrong_kind("json_object_keys", &other)),
            }
        }),
        Called::strict("jsonb_insert", "jsonb", |arguments| {
            let of = |at: usize| {
                let written = text(arguments, at).unwrap_or_default();
                Json::parse(&written).map_err(|error| invalid(&written, &error))
            };
            let path = path_of(&text(arguments, 1).unwrap_or_default())?;
            let after = truth(arguments, 3);
            let value = match of(0)?.sorted() {
                whole @ (Json::Array(_) | Json::Object(_)) => {
                    insert(whole, (path.as_slice(), 0), of(2)?, after)?
                }
                _ => return Err(not_deleted("cannot set path in scalar")),
            };
            Ok(value.sorted().spaced().into())
        }),
        Called::strict("jsonb_set", "jsonb", |arguments| {
            let of = |at: usize| {
                let written = text(arguments, at).unwrap_or_default();
                Json::parse(&written).map_err(|error| invalid(&written, &error))
            };
            let path = path_of(&text(arguments, 1).unwrap_or_default())?;
            let create = arguments.len() < 4 || truth(arguments, 3);
            let value = match of(0)?.sorted() {
                whole @ (Json::Array(_) | Json::Object(_)) if path.is_empty() => whole,
                whole @ (Json::Array(_) | Json::Object(_)) => {
                    set(whole, (path.as_slice(), 0), of(2)?, create)?
                }
                _ => return Err(not_deleted("cannot set path in scalar")),
            };
            Ok(value.sorted().spaced().into())
        }),
        // Of an object, as the second argument calls the function that was asked.
        Called::strict("sluice_json_each_keys", "text[]", |arguments| {
            let members = members(arguments)?.into_iter();
            Ok(members.map(|(name, _)| name).collect::<Vec<_>>().into())
        }),
        Called::strict("sluice_json_each_values", "text[]", |arguments| {
            let members = members(arguments)?.into_iter();
            let values = members.map(|(_, value)| value.spaced());
            Ok(values.collect::<Vec<_>>().into())
        }),
        Called::strict("sluice_json_each_texts", "text[]", |arguments| {
            let members = members(arguments)?.into_iter();
            let values = members.map(|(_, value)| match value {
                Json::Null => Value::Null,
                Json::Text(text) => text.into(),
                other => other.spaced().into(),
            });
            Ok(values.collect::<Vec<_>>().into())
        }),
        Called::strict("jsonb_pretty", "text", |arguments| {
            let written = jsonb(&text(arguments, 0).unwrap_or_default())?;
            let value: serde_json::Value =
                serde_json::from_str(&written).map_err(|error| invalid(&written, &error))?;
            let mut out = Vec::new();
            let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
            let mut writer = serde_json::Serializer::with_formatter(&mut out, format);
            serde::Serialize::serialize(&value, &mut writer)
                .map_err(|error| invalid(&written, &error))?;
            Ok(String::from_utf8_lossy(&out).into_owned().into())
        }),
    ]
}

/// Refuses a text that is no JSON.
pub(crate) fn check_json(text: &str) -> Result<()> {
    let read = Json::parse(text).map(drop);
    read.map_err(|error| invalid(text, &error))
}

fn invalid(text: &str, error: &serde_json::Error) -> DataFusionError {
    if is_too_deep(text) {
        return external(
            Error::user(SqlState::StatementTooComplex, "stack depth limit exceeded").with_detail(
                format!("A json text is nested more than {MAX_JSON_DEPTH} deep."),
            ),
        );
    }
    let mut wrong = Error::user(
        SqlState::InvalidTextRepresentation,
        format!("invalid input syntax for type json: \"{text}\""),
    );
    wrong.detail = Some(format!("{error}."));
    external(wrong)
}

fn wrong_kind(function: &str, value: &Json) -> DataFusionError {
    external(Error::user(
        SqlState::InvalidParameterValue,
        format!(
            "cannot call {function} on a value of type {}",
            value.type_name()
        ),
    ))
}

/// The members of an object, for the function that the second argument names.
fn members(arguments: &[ScalarValue]) -> Result<Vec<(String, Json)>> {
    let written = text(arguments, 0).unwrap_or_default();
    let asked = text(arguments, 1).unwrap_or_default();
    let value = Json::parse(&written).map_err(|error| invalid(&written, &error))?;
    let value = match asked.starts_with("jsonb") {
        true => value.sorted(),
        false => value,
    };
    match value {
        Json::Object(members) => Ok(members),
        _ => Err(not_deleted(&format!("cannot call {asked} on a non-object"))),
    }
}

/// The text of what a `jsonb` says.
pub(crate) fn jsonb(text: &str) -> Result<String> {
    let value = Json::parse(text).map_err(|error| invalid(text, &error))?;
    Ok(value.sorted().spaced())
}

fn elements(arguments: &[ScalarValue], shown: impl Fn(&Json) -> Value) -> Result<Vec<Value>> {
    let written = text(arguments, 0).unwrap_or_default();
    match Json::parse(&written).map_err(|error| invalid(&written, &error))? {
        Json::Array(elements) => Ok(elements.iter().map(shown).collect()),
        other => Err(wrong_kind("json_array_elements", &other)),
    }
}

/// The texts of a list, without what is NULL.
fn texts(arguments: &[ScalarValue]) -> Vec<String> {
    let Some(ScalarValue::List(list)) = arguments.first() else {
        return Vec::new();
    };
    let values = list.values();
    let texts = (0..arrow::array::Array::len(values)).filter_map(|at| {
        let value = ScalarValue::try_from_array(values, at).ok()?;
        text(&[value], 0)
    });
    texts.collect()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What goes before a row or a list that `json_agg` puts after another element.
const STRUCTURED: &str = "\n ";

/// An element of `json_agg`.
fn element(value: &ScalarValue) -> String {
    match value {
        ScalarValue::Struct(_) | ScalarValue::List(_) if !value.is_null() => {
            format!("{STRUCTURED}{}", json(value))
        }
        other => json(other),
    }
}

/// A value as JSON.
fn json(value: &ScalarValue) -> String {
    if value.is_null() {
        return "null".into();
    }
    match value {
        ScalarValue::Boolean(_) => truth(std::slice::from_ref(value), 0).to_string(),
        // JSON is its own JSON (`called.rs`).
        ScalarValue::LargeUtf8(Some(text)) => text.clone(),
        ScalarValue::Float32(_) | ScalarValue::Float64(_) => number(value),
        ScalarValue::List(list) => {
            let values = list.values();
            let elements = (0..arrow::array::Array::len(values)).map(|at| {
                ScalarValue::try_from_array(values, at)
                    .map_or_else(|_| "null".into(), |value| json(&value))
            });
            format!("[{}]", elements.collect::<Vec<_>>().join(","))
        }
        ScalarValue::Struct(row) => {
            let members = row.fields().iter().zip(row.columns()).enumerate();
            let members = members.map(|(at, (field, column))| {
                let value = ScalarValue::try_from_array(column, 0);
                let value = match value {
                    Ok(value) if is_json(field) => {
                        text(&[value], 0).unwrap_or_else(|| "null".into())
                    }
                    Ok(value) => json(&value),
                    Err(_) => "null".into(),
                };
                // The engine counts the nameless from 0.
                let name = match field
                    .name()
                    .strip_prefix('c')
                    .and_then(|n| n.parse::<usize>().ok())
                {
                    Some(number) if number == at && !field.metadata().contains_key(NAMED) => {
                        format!("f{}", at + 1)
                    }
                    _ => field.name().clone(),
                };
                format!("{}:{value}", quoted(&name))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        ScalarValue::TimestampMicrosecond(Some(micros), zone) => {
            match DateTime::from_timestamp_micros(*micros) {
                Some(time) if zone.is_some() => {
                    let written = time.to_rfc3339_opts(SecondsFormat::AutoSi, false);
                    quoted(&written)
                }
                Some(time) => quoted(&time.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string()),
                None => "null".into(),
            }
        }
        value if value.data_type().is_numeric() => {
            text(std::slice::from_ref(value), 0).unwrap_or_default()
        }
        value => quoted(&text(std::slice::from_ref(value), 0).unwrap_or_default()),
    }
}

/// A float as JSON; what JSON has no number for is a text.
fn number(value: &ScalarValue) -> String {
    let float = match value {
        ScalarValue::Float32(Some(float)) => f64::from(*float),
        ScalarValue::Float64(Some(float)) => *float,
        _ => return "null".into(),
    };
    let written = match value {
        ScalarValue::Float32(Some(float)) => float.to_string(),
        _ => float.to_string(),
    };
    match float.is_finite() {
        true => written,
        false => quoted(&written),
    }
}

/// PostgreSQL's spacing: `{"a" : 1, "b" : "x"}`.
fn object(arguments: &[ScalarValue]) -> Result<String> {
    if arguments.len() % 2 == 1 {
        let mut error = Error::user(
            SqlState::InvalidParameterValue,
            "argument list must have even number of elements",
        );
        error.hint = Some("The arguments are names and values, one after the other.".into());
        return Err(external(error));
    }
    let pairs = arguments.chunks(2).map(|pair| {
        let key = text(pair, 0).unwrap_or_default();
        let value = pair.get(1).map_or_else(|| "null".to_owned(), json);
        format!("{} : {value}", quoted(&key))
    });
    Ok(format!("{{{}}}", pairs.collect::<Vec<_>>().join(", ")))
}

fn array(arguments: &[ScalarValue]) -> String {
    let values: Vec<String> = arguments.iter().map(json).collect();
    format!("[{}]", values.join(", "))
}

#[cfg(test)]
mod tests;
