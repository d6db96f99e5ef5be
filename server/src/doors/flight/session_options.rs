//! Flight's session options, which are our run-time parameters.
//!
//! The messages stand in Flight.proto but not in the crate, so they are written out here (field numbers from Arrow's `format/Flight.proto`).
//! `catalog` and `schema` are names every client uses; any other name is a parameter of `SET`.

use std::{collections::HashMap, sync::Arc};

use super::{registry::DEFAULT_NAME, statement};
use crate::{
    error::{Error, Result, SqlState},
    session::Session,
};

/// Parameters GetSessionOptions tells, beside `catalog` and `schema`.
const TOLD: [&str; 6] = [
    "TimeZone",
    "DateStyle",
    "application_name",
    "search_path",
    "server_version",
    "statement_timeout",
];
const INVALID_NAME: i32 = 1;
const INVALID_VALUE: i32 = 2;
const ERROR: i32 = 3;

/// A value of an option.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SessionOptionValue {
    #[prost(oneof = "OptionValue", tags = "1, 2, 3, 4, 5")]
    pub(super) value: Option<OptionValue>,
}

/// The kinds of values.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum OptionValue {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(sfixed64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    List(StringList),
}

/// A list of texts.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StringList {
    #[prost(string, repeated, tag = "1")]
    pub(super) values: Vec<String>,
}

/// Options to set.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SetSessionOptionsRequest {
    #[prost(map = "string, message", tag = "1")]
    pub(super) session_options: HashMap<String, SessionOptionValue>,
}

/// What could not be set; the rest is.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SetSessionOptionsResult {
    #[prost(map = "string, message", tag = "1")]
    pub(super) errors: HashMap<String, SetError>,
}

/// Why: 1 no such name, 2 no such value, 3 else.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SetError {
    #[prost(int32, tag = "1")]
    pub(super) value: i32,
}

/// The options as they are.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct GetSessionOptionsResult {
    #[prost(map = "string, message", tag = "1")]
    pub(super) session_options: HashMap<String, SessionOptionValue>,
}

/// What became of a session.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CloseSessionResult {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

impl CloseSessionResult {
    /// It is closed.
    pub(super) fn closed() -> Self {
        Self { status: 1 }
    }
}

/// Sets what can be set and tells what cannot.
pub(super) async fn set(
    session: &Arc<Session>,
    request: SetSessionOptionsRequest,
) -> SetSessionOptionsResult {
    let mut errors = HashMap::new();
    for (name, value) in request.session_options {
        if let Err(error) = set_one(session, &name, value.value).await {
            tracing::debug!(%name, %error, "session option was not set");
            let value = match error.state {
                SqlState::InvalidName | SqlState::UndefinedObject => INVALID_NAME,
                SqlState::InvalidParameterValue | SqlState::InvalidCatalogName => INVALID_VALUE,
                _ => ERROR,
            };
            errors.insert(name, SetError { value });
        }
    }
    SetSessionOptionsResult { errors }
}

async fn set_one(session: &Arc<Session>, name: &str, value: Option<OptionValue>) -> Result<()> {
    let value = match value {
        None => return run(session, &format!("RESET {}", parameter(name)?)).await,
        Some(OptionValue::Text(text)) => text,
        Some(OptionValue::Bool(value)) => value.to_string(),
        Some(OptionValue::Int(value)) => value.to_string(),
        Some(OptionValue::Double(value)) => value.to_string(),
        Some(OptionValue::List(list)) => list.values.join(", "),
    };
    match name {
        "catalog" => check_catalog(session, &value),
        "schema" => {
            let quoted = value.replace('"', "\"\"");
            run(session, &format!("SET search_path = \"{quoted}\"")).await
        }
        _ if name.eq_ignore_ascii_case("search_path") => session.set_search_path(&value),
        _ => {
            let quoted = value.replace('\'', "''");
            run(session, &format!("SET {} = '{quoted}'", parameter(name)?)).await
        }
    }
}

/// There is one database; naming it is no mistake.
pub(super) fn check_catalog(session: &Session, name: &str) -> Result<()> {
    if name == catalog(session) || name == DEFAULT_NAME {
        return Ok(());
    }
    Err(Error::user(
        SqlState::InvalidCatalogName,
        format!("database \"{name}\" does not exist"),
    ))
}

/// The name, if it is one: it goes into a statement.
fn parameter(name: &str) -> Result<&str> {
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    if valid {
        return Ok(name);
    }
    Err(Error::user(
        SqlState::InvalidName,
        format!("\"{name}\" is not the name of a parameter"),
    ))
}

async fn run(session: &Arc<Session>, text: &str) -> Result<()> {
    let prepared = statement::prepare(session, text, &[]).await?;
    session.execute(&prepared, vec![]).await.map(drop)
}

/// Every option told.
pub(super) fn get(session: &Session) -> GetSessionOptionsResult {
    let text = |value: String| SessionOptionValue {
        value: Some(OptionValue::Text(value)),
    };
    let mut session_options: HashMap<_, _> = TOLD
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), text(session.parameter(name)?))))
        .collect();
    session_options.insert("catalog".into(), text(catalog(session)));
    session_options.insert("schema".into(), text(schema(session)));
    GetSessionOptionsResult { session_options }
}

fn catalog(session: &Session) -> String {
    session
        .context()
        .state_ref()
        .read()
        .config_options()
        .catalog
        .default_catalog
        .clone()
}

/// The first schema of the search path that is there.
fn schema(session: &Session) -> String {
    // Where there is none, nothing can be made and nothing is found without a schema.
    session.schema_for_new().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    //! Names that go into statements.

    #[test]
    fn only_names_are_names() {
        for name in ["TimeZone", "statement_timeout", "sluice.freshness"] {
            assert!(super::parameter(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "x = 1; DROP TABLE t; --", "1a", "a'"] {
            assert!(super::parameter(name).is_err(), "{name}");
        }
    }
}
