//! Parts of a moment, as a clock in the session's time zone shows them: `extract(hour FROM …)`, `date_trunc('day', …)`, `…::date`.
//!
//! The engine reads them on the clock of the type's own zone, which is UTC for all we keep.

use arrow::datatypes::DataType;
use datafusion::{
    common::{DFSchema, config::ConfigOptions},
    logical_expr::{Cast, Expr, ExprSchemable, expr::ScalarFunction},
    scalar::ScalarValue,
};

/// The session's zone, where it is another than UTC.
pub(super) fn of_session(options: &ConfigOptions) -> Option<&str> {
    let zone = options.execution.time_zone.as_deref()?;
    let utc = ["utc", "etc/utc", "gmt", "z", "+00", "+00:00"];
    (!utc.contains(&zone.to_lowercase().as_str())).then_some(zone)
}

/// A call that reads a moment, on the session's clock.
pub(super) fn read(call: &ScalarFunction, schema: &DFSchema, zone: &str) -> Option<Expr> {
    let truncates = match call.name() {
        "date_part" => false,
        "date_trunc" => true,
        _ => return None,
    };
    let [part, time] = call.args.as_slice() else {
        return None;
    };
    // The count of seconds is the same everywhere.
    if let Expr::Literal(ScalarValue::Utf8(Some(part)), _) = part
        && part.eq_ignore_ascii_case("epoch")
    {
        return None;
    }
    let data_type = time.get_type(schema).ok()?;
    let there = there(&data_type, zone)?;
    let time = Expr::Cast(Cast::new(Box::new(time.clone()), there));
    let args = vec![part.clone(), time];
    let read = Expr::ScalarFunction(ScalarFunction::new_udf(call.func.clone(), args));
    Some(match truncates {
        true => Expr::Cast(Cast::new(Box::new(read), data_type)),
        false => read,
    })
}

/// A moment that becomes a date, on the session's clock.
pub(super) fn dated(cast: &Cast, from: &DataType, zone: Option<&str>) -> Option<Expr> {
    if cast.field.data_type() != &DataType::Date32 {
        return None;
    }
    let there = there(from, zone?)?;
    let mut dated = cast.clone();
    dated.expr = Box::new(Expr::Cast(Cast::new(cast.expr.clone(), there)));
    Some(Expr::Cast(dated))
}

/// The type of a moment there; `None` for what is none, or is there already.
fn there(data_type: &DataType, zone: &str) -> Option<DataType> {
    match data_type {
        DataType::Timestamp(unit, Some(known)) if known.as_ref() != zone => {
            Some(DataType::Timestamp(*unit, Some(zone.into())))
        }
        _ => None,
    }
}
