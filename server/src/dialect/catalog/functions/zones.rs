//! Time zones: `AT TIME ZONE`, and `date_trunc` of a date.
//!
//! A `timestamp` AT TIME ZONE is the moment at which a clock there shows it, a `timestamptz` AT TIME ZONE what a clock there shows at that
//! moment. The engine knows the first alone.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, TimestampMicrosecondArray, timezone::Tz},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, TimeUnit, TimestampMicrosecondType},
};
use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone};
use datafusion::{
    error::Result,
    functions::datetime::date_trunc,
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
};

use crate::{
    dialect::catalog::Facts,
    error::{Error, SqlState},
    table::external,
};

/// The function behind AT TIME ZONE.
pub(in crate::dialect) const AT_TIME_ZONE: &str = "sluice_timezone";

pub(super) fn all() -> Vec<ScalarUDF> {
    vec![
        ScalarUDF::new_from_impl(AtTimeZone {
            signature: Signature::user_defined(Volatility::Immutable),
        }),
        ScalarUDF::new_from_impl(DateTrunc {
            inner: date_trunc(),
            signature: Signature::user_defined(Volatility::Immutable),
        }),
    ]
}

/// A time zone; `None` is UTC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone(Option<Tz>);

impl Zone {
    /// The session's TimeZone.
    pub(super) fn of_session(facts: &Facts) -> Self {
        Self((facts.setting)("TimeZone").and_then(|name| name.parse().ok()))
    }

    pub(super) fn named(name: &str) -> Result<Self> {
        if ["utc", "gmt", "z", "zulu"].contains(&name.to_lowercase().as_str()) {
            return Ok(Self(None));
        }
        match name.parse() {
            Ok(zone) => Ok(Self(Some(zone))),
            Err(_) => Err(external(Error::user(
                SqlState::InvalidParameterValue,
                format!("time zone \"{name}\" not recognized"),
            ))),
        }
    }

    /// The zone that stands in AT TIME ZONE, where `+02` is POSIX's: two hours behind UTC.
    fn of_clause(name: &str) -> Result<Self> {
        let turned = match name.strip_prefix('+') {
            Some(digits) => Some(format!("-{digits}")),
            None => name.strip_prefix('-').map(|digits| format!("+{digits}")),
        };
        Self::named(turned.as_deref().unwrap_or(name))
    }

    /// How many seconds clocks there are ahead of UTC.
    pub(super) fn offset_at(self, utc: NaiveDateTime) -> i32 {
        self.0.map_or(0, |zone| {
            zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()
        })
    }

    /// The moment at which clocks there show this. Of two such it is the later; where clocks leap over it, the clock before the leap counts.
    pub(super) fn to_utc(self, local: NaiveDateTime) -> NaiveDateTime {
        let Some(zone) = self.0 else {
            return local;
        };
        match zone.offset_from_local_datetime(&local) {
            LocalResult::Single(offset) => local - offset.fix(),
            LocalResult::Ambiguous(_, later) => local - later.fix(),
            LocalResult::None => {
                let before = self.offset_at(local - TimeDelta::days(1));
                local - TimeDelta::seconds(before.into())
            }
        }
    }
}

/// `time AT TIME ZONE zone`, as `(zone, time)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct AtTimeZone {
    signature: Signature,
}

fn micros(zone: Option<&str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into))
}

impl ScalarUDFImpl for AtTimeZone {
    fn name(&self) -> &str {
        AT_TIME_ZONE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let time = match arg_types.get(1) {
            Some(DataType::Timestamp(_, None)) => micros(None),
            // A date, and a text that says nothing else, begin as moments.
            _ => micros(Some("UTC")),
        };
        Ok(vec![DataType::Utf8, time])
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(match arg_types.get(1) {
            Some(DataType::Timestamp(_, Some(_))) => micros(None),
            _ => micros(Some("UTC")),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let to = args.return_type().clone();
        let [zones, times] = args.args.as_slice() else {
            return Err(external(Error::internal("a zone and a time")));
        };
        let rows = args.number_rows;
        let fixed = match zones {
            ColumnarValue::Scalar(name) => match name.try_as_str().flatten() {
                Some(name) => Some(Zone::of_clause(name)?),
                None => None,
            },
            ColumnarValue::Array(_) => None,
        };
        let zones = zones.to_array(rows)?;
        let zones = zones.as_string::<i32>();
        let times = cast(&times.to_array(rows)?, &micros(None))?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let to_clock = matches!(to, DataType::Timestamp(_, None));
        let moved: TimestampMicrosecondArray = (0..rows)
            .map(|row| {
                if zones.is_null(row) || times.is_null(row) {
                    return Ok(None);
                }
                let zone = match fixed {
                    Some(zone) => zone,
                    None => Zone::of_clause(zones.value(row))?,
                };
                let Some(time) = DateTime::from_timestamp_micros(times.value(row)) else {
                    return Ok(None);
                };
                let time = time.naive_utc();
                let moved = match to_clock {
                    true => time + TimeDelta::seconds(zone.offset_at(time).into()),
                    false => zone.to_utc(time),
                };
                Ok(Some(moved.and_utc().timestamp_micros()))
            })
            .collect::<Result<_>>()?;
        let zone: Option<Arc<str>> = match to_clock {
            true => None,
            false => Some("UTC".into()),
        };
        Ok(ColumnarValue::Array(Arc::new(
            moved.with_timezone_opt(zone),
        )))
    }
}

/// The engine's `date_trunc`, for which a date is a moment.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(match arg_types {
            [part, time] if part.is_string() || part.is_null() => vec![
                DataType::Utf8,
                match time {
                    DataType::Date32
                    | DataType::Date64
                    | DataType::Null
                    | DataType::Utf8
                    | DataType::LargeUtf8
                    | DataType::Utf8View => micros(Some("UTC")),
                    time => time.clone(),
                },
            ],
            _ => {
                return Err(external(
                    Error::user(
                        SqlState::UndefinedFunction,
                        "function date_trunc takes the name of a part and a time",
                    )
                    .with_hint("Write date_trunc('hour', time), or date_trunc('hour', time, 'Europe/Madrid')."),
                ));
            }
        })
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let time = arg_types.get(1).cloned();
        Ok(time.unwrap_or_else(|| micros(None)))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let time = args.arg_fields.get(1);
        let data_type = time.map_or_else(|| micros(None), |time| time.data_type().clone());
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Field::new(self.name(), data_type, nullable).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(args)
    }
}

#[cfg(test)]
mod tests;
