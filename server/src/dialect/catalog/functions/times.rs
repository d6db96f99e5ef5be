//! Times made of numbers, intervals multiplied, and the names of types.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef, IntervalMonthDayNano, TimeUnit};
use chrono::{NaiveDate, NaiveTime};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        TypeSignature, Volatility,
    },
    scalar::ScalarValue,
};

use super::{
    called::{Called, number, text},
    zones::Zone,
};
use crate::{
    dialect::catalog::{
        Facts,
        rows::Value,
        shapes::{Mark, marked},
    },
    doors::pg::pg_type,
    error::{Error, SqlState},
    table::external,
};

/// The function that multiplies an interval: one for all, so that two calls of it are the same expression.
pub(in crate::dialect) fn interval_times() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        Arc::new(Called::strict(
            "sluice_interval_times",
            "interval",
            |arguments| {
                let factor = real(arguments, 1)?;
                match arguments.first() {
                    Some(ScalarValue::IntervalMonthDayNano(Some(interval))) => {
                        Ok(ready(multiplied(interval, factor)?))
                    }
                    _ => Ok(Value::Null),
                }
            },
        ))
    });
    Arc::clone(&FUNCTION)
}

pub(super) fn all(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    let (volatility, facts) = (facts.volatility(), Arc::clone(facts));
    vec![
        Called::strict(
            "make_timestamp",
            "timestamp without time zone",
            |arguments| {
                let micros = made(arguments)?;
                Ok(Value::Ready(ScalarValue::TimestampMicrosecond(
                    Some(micros.and_utc().timestamp_micros()),
                    None,
                )))
            },
        ),
        Called::strict_as(
            volatility,
            "make_timestamptz",
            "timestamp with time zone",
            move |arguments| {
                let local = made(arguments)?;
                let zone = match text(arguments, 6) {
                    Some(name) => Zone::named(&name)?,
                    None => Zone::of_session(&facts),
                };
                Ok(Value::Ready(ScalarValue::TimestampMicrosecond(
                    Some(zone.to_utc(local).and_utc().timestamp_micros()),
                    Some("UTC".into()),
                )))
            },
        ),
        Called::strict("sluice_epoch", "double precision", |arguments| {
            let Some(value) = arguments.first() else {
                return Ok(Value::Null);
            };
            Ok(Value::Real(epoch(value)?))
        }),
        Called::strict("isfinite", "boolean", |_| Ok(true.into())),
        Called::strict("sluice_years", "interval", |arguments| {
            let years = number(arguments, 0).unwrap_or_default();
            let months =
                i32::try_from(years.saturating_mul(12)).map_err(|_| out_of_range("interval"))?;
            Ok(ready(IntervalMonthDayNano::new(months, 0, 0)))
        }),
        ScalarUDF::new_from_impl(TypeOf {
            signature: Signature::one_of(vec![TypeSignature::Any(1)], Volatility::Immutable),
        }),
    ]
}

fn ready(interval: IntervalMonthDayNano) -> Value {
    Value::Ready(ScalarValue::IntervalMonthDayNano(Some(interval)))
}

/// Seconds of an interval, in which a year has 365.25 days and a month beside it 30, or since 1970 of a moment.
fn epoch(value: &ScalarValue) -> Result<f64> {
    const DAY: f64 = 86_400.0;
    if let ScalarValue::IntervalMonthDayNano(Some(value)) = value {
        let (years, months) = (value.months / 12, value.months % 12);
        let days = f64::from(years) * 365.25 + f64::from(months) * 30.0 + f64::from(value.days);
        return Ok(days * DAY + value.nanoseconds as f64 / 1e9);
    }
    let micros = match value.data_type() {
        DataType::Duration(_) => value.cast_to(&DataType::Duration(TimeUnit::Microsecond))?,
        DataType::Time32(_) | DataType::Time64(_) => {
            value.cast_to(&DataType::Time64(TimeUnit::Microsecond))?
        }
        _ => value.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, None))?,
    };
    Ok(match micros {
        ScalarValue::DurationMicrosecond(Some(micros))
        | ScalarValue::Time64Microsecond(Some(micros))
        | ScalarValue::TimestampMicrosecond(Some(micros), _) => micros as f64 / 1e6,
        _ => 0.0,
    })
}

fn out_of_range(what: &str) -> DataFusionError {
    external(Error::user(
        SqlState::DatetimeFieldOverflow,
        format!("{what} out of range"),
    ))
}

fn real(arguments: &[ScalarValue], at: usize) -> Result<f64> {
    let value = arguments
        .get(at)
        .map(|value| value.cast_to(&DataType::Float64));
    Ok(match value.transpose()? {
        Some(ScalarValue::Float64(Some(number))) => number,
        _ => 0.0,
    })
}

/// Year, month, day, hour, minute and second.
fn made(arguments: &[ScalarValue]) -> Result<chrono::NaiveDateTime> {
    let part = |at: usize| number(arguments, at).unwrap_or_default();
    let small = |at: usize| u32::try_from(part(at)).ok();
    let seconds = real(arguments, 5)?;
    let date = i32::try_from(part(0))
        .ok()
        .zip(small(1).zip(small(2)))
        .and_then(|(year, (month, day))| NaiveDate::from_ymd_opt(year, month, day));
    let time = small(3).zip(small(4)).and_then(|(hour, minute)| {
        let micros = (0.0..60.0)
            .contains(&seconds)
            .then(|| (seconds * 1e6).round() as u32)?;
        NaiveTime::from_hms_micro_opt(hour, minute, micros / 1_000_000, micros % 1_000_000)
    });
    match (date, time) {
        (Some(date), Some(time)) => Ok(date.and_time(time)),
        (None, _) => Err(external(Error::user(
            SqlState::DatetimeFieldOverflow,
            format!(
                "date field value out of range: {}-{:02}-{:02}",
                part(0),
                part(1),
                part(2)
            ),
        ))),
        (_, None) => Err(external(Error::user(
            SqlState::DatetimeFieldOverflow,
            format!(
                "time field value out of range: {}:{:02}:{seconds}",
                part(3),
                part(4)
            ),
        ))),
    }
}

/// `interval_mul`: what is left of a month goes into days of thirty a month, what is left of a day into time.
fn multiplied(interval: &IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano> {
    const DAY: f64 = 86_400e6;
    let months = f64::from(interval.months) * factor;
    let days = f64::from(interval.days) * factor;
    let mut left = (months - months.trunc()) * 30.0;
    left = (left * 1e6).round() / 1e6;
    let whole_days = days.trunc() + left.trunc();
    let day_rest = (days - days.trunc()) + (left - left.trunc());
    let micros = (interval.nanoseconds as f64 / 1e3 * factor + day_rest * DAY).round();
    let fits = |value: f64| value.abs() <= f64::from(i32::MAX);
    if !fits(months) || !fits(whole_days) || !micros.is_finite() || micros.abs() > 9e15 {
        return Err(out_of_range("interval"));
    }
    Ok(IntervalMonthDayNano::new(
        months.trunc() as i32,
        whole_days as i32,
        (micros as i64).saturating_mul(1000),
    ))
}

/// `pg_typeof(x)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    signature: Signature,
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &str {
        "pg_typeof"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = Field::new(self.name(), DataType::Int32, true);
        Ok(marked(field, Mark::Oid("regtype")).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let oid = args.arg_fields.first().map(|field| pg_type(field).oid());
        // An OID is carried as the signed number of the same bits.
        Ok(ColumnarValue::Scalar(ScalarValue::Int32(
            oid.map(|oid| oid as i32),
        )))
    }
}

#[cfg(test)]
mod tests;
