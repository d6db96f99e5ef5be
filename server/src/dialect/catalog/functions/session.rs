//! Functions about the session and the process: settings, identifiers, times.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
    time::SystemTime,
};

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        TypeSignature, Volatility,
    },
    scalar::ScalarValue,
};

use super::called::{self, Called};
use crate::{
    dialect::catalog::{
        Facts,
        rows::Value,
        shapes::{Mark, marked},
    },
    error::{Error, SqlState},
    session::parameters,
};

/// When this process began to serve, near enough.
static STARTED: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

pub(super) fn all(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    LazyLock::force(&STARTED);
    let setting = About::new(Asked::BackendPid, facts);
    let current = Called::lax_stable("current_setting", "text", move |arguments| {
        let Some(name) = called::text(arguments, 0) else {
            return Ok(Value::Null);
        };
        Ok(setting.setting(&name, called::truth(arguments, 1))?.into())
    });
    let mut all = vec![current];
    all.extend(
        [
            Asked::SetConfig,
            Asked::BackendPid,
            Asked::TransactionId,
            Asked::StartTime,
            Asked::Schema,
            Asked::Schemas,
        ]
        .map(|asked| ScalarUDF::new_from_impl(About::new(asked, facts))),
    );
    all
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    SetConfig,
    BackendPid,
    TransactionId,
    StartTime,
    Schema,
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
            Asked::SetConfig | Asked::Schemas => TypeSignature::VariadicAny,
            _ => TypeSignature::Nullary,
        };
        Self {
            asked,
            facts: Arc::clone(facts),
            signature: Signature::one_of(vec![signature], Volatility::Stable),
        }
    }

    fn setting(&self, name: &str, missing_ok: bool) -> Result<Option<String>> {
        let value = (self.facts.setting)(name).or_else(|| default(name).map(str::to_owned));
        if value.is_none() && !missing_ok {
            let error = Error::user(
                SqlState::UndefinedObject,
                format!("unrecognized configuration parameter \"{name}\""),
            );
            return Err(DataFusionError::External(Box::new(error)));
        }
        Ok(value)
    }
}

/// What holds where the session is not known.
fn default(name: &str) -> Option<&'static str> {
    let mut all = parameters();
    let found = all.find(|(known, ..)| known.eq_ignore_ascii_case(name));
    found.map(|(_, default, _)| default)
}

/// A parameter as `pg_settings` has it.
pub(in crate::dialect::catalog) struct Setting {
    pub(in crate::dialect::catalog) name: &'static str,
    pub(in crate::dialect::catalog) value: String,
    pub(in crate::dialect::catalog) default: &'static str,
    pub(in crate::dialect::catalog) may_change: bool,
}

/// The settings as the session has them.
pub(in crate::dialect::catalog) fn settings(facts: &Facts) -> Vec<Setting> {
    let settings = parameters().map(|(name, default, may_change)| Setting {
        name,
        value: (facts.setting)(name).unwrap_or_else(|| default.to_owned()),
        default,
        may_change,
    });
    let mut settings: Vec<Setting> = settings.collect();
    settings.sort_by_key(|setting| setting.name.to_lowercase());
    settings
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
            Asked::SetConfig => "set_config",
            Asked::BackendPid => "pg_backend_pid",
            Asked::TransactionId => "txid_current",
            Asked::StartTime => "pg_postmaster_start_time",
            Asked::Schema => "current_schema",
            Asked::Schemas => "current_schemas",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.asked {
            Asked::SetConfig | Asked::Schema => DataType::Utf8,
            Asked::BackendPid => DataType::Int32,
            Asked::TransactionId => DataType::Int64,
            Asked::StartTime => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Asked::Schemas => DataType::List(Field::new_list_field(DataType::Utf8, true).into()),
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<_> = args
            .arg_fields
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        let field = Field::new(self.name(), self.return_type(&types)?, true);
        let mark = match self.asked {
            Asked::Schema => Mark::Type("name"),
            Asked::Schemas => Mark::Type("name[]"),
            _ => Mark::None,
        };
        Ok(marked(field, mark).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let answer = match self.asked {
            // A setting set by a function inside a query would change what the query means: the value is given back. Where it is a statement of its
            // own, the session has seen to it.
            Asked::SetConfig => ScalarValue::Utf8(text(&args, 1)),
            Asked::BackendPid => ScalarValue::Int32(self.facts.pid),
            Asked::TransactionId => ScalarValue::Int64(Some(1)),
            Asked::Schema => ScalarValue::Utf8(self.facts.schemas().into_iter().next()),
            Asked::Schemas => {
                // The one searched without being named comes first.
                let mut schemas = self.facts.schemas();
                if is_true(&args, 0) {
                    schemas.insert(0, "pg_catalog".to_owned());
                }
                let values: Vec<_> = schemas.into_iter().map(ScalarValue::from).collect();
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
