//! Functions about the session and the process: settings, identifiers, times.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
    time::SystemTime,
};

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
        Volatility,
    },
    scalar::ScalarValue,
};

use super::fixed::SCHEMA;
use crate::{
    doors::pg::{catalog::Facts, startup::SERVER_VERSION},
    error::{Error, SqlState},
};

/// When this process began to serve, near enough.
static STARTED: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

pub(super) fn all(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    LazyLock::force(&STARTED);
    [
        Asked::CurrentSetting,
        Asked::SetConfig,
        Asked::BackendPid,
        Asked::TransactionId,
        Asked::StartTime,
        Asked::Schemas,
    ]
    .map(|asked| ScalarUDF::new_from_impl(About::new(asked, facts)))
    .into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    CurrentSetting,
    SetConfig,
    BackendPid,
    TransactionId,
    StartTime,
    Schemas,
}

/// A function about the session.
struct About {
    asked: Asked,
    facts: Arc<Facts>,
    signature: Signature,
}

impl About {
    fn new(asked: Asked, facts: &Arc<Facts>) -> Self {
        let signature = match asked {
            Asked::CurrentSetting | Asked::SetConfig | Asked::Schemas => TypeSignature::VariadicAny,
            _ => TypeSignature::Nullary,
        };
        Self {
            asked,
            facts: Arc::clone(facts),
            signature: Signature::one_of(vec![signature], Volatility::Stable),
        }
    }

    fn setting(&self, name: &str, missing_ok: bool) -> Result<ScalarValue> {
        let value = (self.facts.setting)(name).or_else(|| default(name).map(str::to_owned));
        if value.is_none() && !missing_ok {
            let error = Error::user(
                SqlState::UndefinedObject,
                format!("unrecognized configuration parameter \"{name}\""),
            );
            return Err(DataFusionError::External(Box::new(error)));
        }
        Ok(ScalarValue::Utf8(value))
    }
}

/// What holds where the session is not known.
const DEFAULTS: [(&str, &str); 15] = [
    ("application_name", ""),
    ("block_size", "8192"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("integer_datetimes", "on"),
    ("IntervalStyle", "postgres"),
    ("lc_collate", "C.UTF-8"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", "150018"),
    ("standard_conforming_strings", "on"),
    ("TimeZone", "UTC"),
];

fn default(name: &str) -> Option<&'static str> {
    let found = DEFAULTS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| *value)
}

/// The settings as the session has them.
pub(in crate::doors::pg::catalog) fn settings(facts: &Facts) -> Vec<(&'static str, String)> {
    let value = |name, default: &str| (facts.setting)(name).unwrap_or_else(|| default.to_owned());
    DEFAULTS
        .iter()
        .map(|(name, default)| (*name, value(name, default)))
        .collect()
}

fn is_true(args: &ScalarFunctionArgs, at: usize) -> bool {
    matches!(
        args.args.get(at),
        Some(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))))
    )
}

fn text(args: &ScalarFunctionArgs, at: usize) -> Option<String> {
    let ColumnarValue::Scalar(value) = args.args.get(at)? else {
        return None;
    };
    value.try_as_str().flatten().map(str::to_owned)
}

impl ScalarUDFImpl for About {
    fn name(&self) -> &str {
        match self.asked {
            Asked::CurrentSetting => "current_setting",
            Asked::SetConfig => "set_config",
            Asked::BackendPid => "pg_backend_pid",
            Asked::TransactionId => "txid_current",
            Asked::StartTime => "pg_postmaster_start_time",
            Asked::Schemas => "current_schemas",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.asked {
            Asked::CurrentSetting | Asked::SetConfig => DataType::Utf8,
            Asked::BackendPid => DataType::Int32,
            Asked::TransactionId => DataType::Int64,
            Asked::StartTime => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Asked::Schemas => DataType::List(Field::new_list_field(DataType::Utf8, true).into()),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let answer = match self.asked {
            Asked::CurrentSetting => {
                let missing_ok = is_true(&args, 1);
                match text(&args, 0) {
                    Some(name) => self.setting(&name, missing_ok)?,
                    None => ScalarValue::Utf8(None),
                }
            }
            // A setting set by a function inside a query would change what the query means: the value is given back and that is all.
            Asked::SetConfig => ScalarValue::Utf8(text(&args, 1)),
            Asked::BackendPid => ScalarValue::Int32(i32::try_from(std::process::id()).ok()),
            Asked::TransactionId => ScalarValue::Int64(Some(1)),
            Asked::Schemas => {
                // Those searched without being named come first.
                let all = ["pg_catalog", SCHEMA];
                let named = if is_true(&args, 0) {
                    &all[..]
                } else {
                    &all[1..]
                };
                let values = named.iter().map(|name| ScalarValue::from(*name));
                let values: Vec<_> = values.collect();
                ScalarValue::List(ScalarValue::new_list(&values, &DataType::Utf8, true))
            }
            Asked::StartTime => {
                let since = STARTED.duration_since(SystemTime::UNIX_EPOCH);
                let micros = since.ok().and_then(|s| i64::try_from(s.as_micros()).ok());
                ScalarValue::TimestampMicrosecond(micros, Some("UTC".into()))
            }
        };
        Ok(ColumnarValue::Scalar(answer))
    }
}

impl fmt::Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "About({:?})", self.asked)
    }
}

impl PartialEq for About {
    fn eq(&self, other: &Self) -> bool {
        self.asked == other.asked && Arc::ptr_eq(&self.facts, &other.facts)
    }
}

impl Eq for About {}

impl Hash for About {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.asked.hash(state);
    }
}
