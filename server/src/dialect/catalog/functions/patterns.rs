//! Template patterns: `to_char`, `to_date`, `to_timestamp` and `to_number` with PostgreSQL's formats (`YYYY-MM-DD HH24:MI:SS`, `9,999.99`).
//!
//! A pattern with a `%` in it is of the engine's kind (`%Y-%m-%d`), which continuous queries use; it is taken here too.

mod moment;
mod number;
mod template;

use std::sync::Arc;

use arrow::datatypes::DataType;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::ScalarUDF,
    scalar::ScalarValue,
};

use super::{
    called::{Called, text},
    zones::Zone,
};
use crate::{
    dialect::catalog::{Facts, rows::Value},
    error::{Error, SqlState},
    table::external,
};

pub(super) fn all(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    let (shown, read) = (Arc::clone(facts), Arc::clone(facts));
    vec![
        Called::strict_as(
            facts.volatility(),
            "sluice_to_char",
            "text",
            move |arguments| {
                let zone = Zone::of_session(&shown);
                let pattern = text(arguments, 1).unwrap_or_default();
                match arguments.first() {
                    Some(value) => to_char(value, &pattern, zone),
                    None => Ok(Value::Null),
                }
            },
        ),
        Called::strict_as(
            facts.volatility(),
            "sluice_to_timestamp",
            "timestamp with time zone",
            move |arguments| {
                let zone = Zone::of_session(&read);
                to_timestamp(arguments, zone)
            },
        ),
        Called::strict("sluice_to_date", "date", |arguments| {
            let (written, pattern) = (
                text(arguments, 0).unwrap_or_default(),
                text(arguments, 1).unwrap_or_default(),
            );
            let moment = parsed(&written, &pattern)?;
            let days = moment
                .date()
                .signed_duration_since(NaiveDate::default())
                .num_days();
            let days = i32::try_from(days).ok();
            Ok(Value::Ready(ScalarValue::Date32(days)))
        }),
        Called::strict("sluice_to_number", "double precision", |arguments| {
            let (written, pattern) = (
                text(arguments, 0).unwrap_or_default(),
                text(arguments, 1).unwrap_or_default(),
            );
            Ok(Value::Real(number::parse(&written, &pattern).ok_or_else(
                || {
                    invalid(format!(
                        "invalid input syntax for type numeric: \"{written}\""
                    ))
                },
            )?))
        }),
    ]
}

fn invalid(message: String) -> DataFusionError {
    external(Error::user(SqlState::InvalidDatetimeFormat, message))
}

fn to_char(value: &ScalarValue, pattern: &str, zone: Zone) -> Result<Value> {
    Ok(match value {
        ScalarValue::Null => Value::Null,
        ScalarValue::IntervalMonthDayNano(Some(interval)) => {
            moment::Shown::interval(interval).written(pattern).into()
        }
        ScalarValue::DurationMicrosecond(Some(_))
        | ScalarValue::DurationNanosecond(Some(_))
        | ScalarValue::DurationMillisecond(Some(_))
        | ScalarValue::DurationSecond(Some(_)) => {
            let nanos = DataType::Duration(arrow::datatypes::TimeUnit::Nanosecond);
            let ScalarValue::DurationNanosecond(Some(nanos)) = value.cast_to(&nanos)? else {
                return Ok(Value::Null);
            };
            let interval = arrow::datatypes::IntervalMonthDayNano::new(0, 0, nanos);
            moment::Shown::interval(&interval).written(pattern).into()
        }
        value if value.data_type().is_numeric() => {
            let Some(shown) = text(std::slice::from_ref(value), 0) else {
                return Ok(Value::Null);
            };
            match number::shown(&shown, pattern) {
                Some(shown) => shown.into(),
                None => {
                    return Err(external(
                        Error::user(
                            SqlState::FeatureNotSupported,
                            "EEEE and texts in quotes are not supported in a format of numbers",
                        )
                        .with_hint("Put the text beside it with ||; a cast to text writes large numbers with an exponent."),
                    ));
                }
            }
        }
        value => match moment_of(value, zone)? {
            Some((moment, offset)) if pattern.contains('%') => {
                let offset = chrono::FixedOffset::east_opt(offset.unwrap_or(0));
                let Some(offset) = offset else {
                    return Ok(Value::Null);
                };
                let moment = DateTime::<chrono::FixedOffset>::from_naive_utc_and_offset(
                    moment - offset,
                    offset,
                );
                let mut out = String::new();
                std::fmt::Write::write_fmt(&mut out, format_args!("{}", moment.format(pattern)))
                    .map_err(|_| invalid(format!("\"{pattern}\" is not a format of times")))?;
                out.into()
            }
            Some((moment, offset)) => moment::Shown::moment(moment, offset)
                .written(pattern)
                .into(),
            None => Value::Null,
        },
    })
}

/// A date or time as it is read on a clock there, and how far that clock is from UTC where it is known.
fn moment_of(value: &ScalarValue, zone: Zone) -> Result<Option<(NaiveDateTime, Option<i32>)>> {
    let micros = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
    let with_zone = matches!(value.data_type(), DataType::Timestamp(_, Some(_)));
    if let DataType::Time64(_) | DataType::Time32(_) = value.data_type() {
        let nanos = DataType::Time64(arrow::datatypes::TimeUnit::Nanosecond);
        let ScalarValue::Time64Nanosecond(Some(nanos)) = value.cast_to(&nanos)? else {
            return Ok(None);
        };
        let time = NaiveTime::MIN + TimeDelta::nanoseconds(nanos);
        return Ok(Some((NaiveDate::default().and_time(time), None)));
    }
    let ScalarValue::TimestampMicrosecond(Some(micros), _) = value.cast_to(&micros)? else {
        return Ok(None);
    };
    let Some(time) = DateTime::from_timestamp_micros(micros) else {
        return Ok(None);
    };
    let time = time.naive_utc();
    Ok(Some(match with_zone {
        true => {
            let offset = zone.offset_at(time);
            (time + TimeDelta::seconds(i64::from(offset)), Some(offset))
        }
        false => (time, None),
    }))
}

fn parsed(written: &str, pattern: &str) -> Result<NaiveDateTime> {
    if pattern.contains('%') {
        let whole = NaiveDateTime::parse_from_str(written, pattern);
        let date = || NaiveDate::parse_from_str(written, pattern).map(NaiveDateTime::from);
        return whole
            .or_else(|_| date())
            .map_err(|error| invalid(format!("\"{written}\" is not \"{pattern}\": {error}")));
    }
    moment::parse(written, pattern).map_err(|wrong| match wrong {
        moment::Wrong::Text(place) => invalid(format!(
            "invalid value \"{}\" for \"{place}\"",
            written.trim()
        )),
        moment::Wrong::Range => external(Error::user(
            SqlState::DatetimeFieldOverflow,
            format!("date/time field value out of range: \"{written}\""),
        )),
    })
}

fn to_timestamp(arguments: &[ScalarValue], zone: Zone) -> Result<Value> {
    let micros = match (arguments.first(), text(arguments, 1)) {
        (Some(_), Some(pattern)) => {
            let written = text(arguments, 0).unwrap_or_default();
            zone.to_utc(parsed(&written, &pattern)?)
                .and_utc()
                .timestamp_micros()
        }
        (Some(value), None) if value.data_type().is_numeric() => {
            let ScalarValue::Float64(Some(seconds)) = value.cast_to(&DataType::Float64)? else {
                return Ok(Value::Null);
            };
            let micros = (seconds * 1e6).round();
            // The years that can be written.
            if !(-2.2e17..=2.6e17).contains(&micros) {
                return Err(external(Error::user(
                    SqlState::DatetimeFieldOverflow,
                    format!("timestamp out of range: \"{seconds}\""),
                )));
            }
            micros as i64
        }
        (Some(value), None) => {
            let to =
                DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()));
            match value.cast_to(&to)? {
                ScalarValue::TimestampMicrosecond(Some(micros), _) => micros,
                _ => return Ok(Value::Null),
            }
        }
        (None, _) => return Ok(Value::Null),
    };
    Ok(Value::Ready(ScalarValue::TimestampMicrosecond(
        Some(micros),
        Some("UTC".into()),
    )))
}

#[cfg(test)]
mod tests;
