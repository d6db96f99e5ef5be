//! Intervals compared by how long they are, as PostgreSQL does: a month has thirty days, a day twenty-four hours. The engine compares months,
//! then days, then time, by which an hour more than a day is less than a day.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, Int64Array},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, IntervalMonthDayNanoType, IntervalUnit},
};
use datafusion::{
    common::Result,
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature, Volatility, expr::ScalarFunction,
    },
};

use crate::{error::Error, table::external};

/// The comparison of the lengths of two intervals; `None` for what compares something else.
pub(super) fn compared(expr: &BinaryExpr, one: &DataType, other: &DataType) -> Option<Expr> {
    let is_interval =
        |data_type: &DataType| matches!(data_type, DataType::Interval(IntervalUnit::MonthDayNano));
    let compares = matches!(
        expr.op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    );
    if !compares || !is_interval(one) || !is_interval(other) {
        return None;
    }
    Some(Expr::BinaryExpr(BinaryExpr::new(
        Box::new(span(&expr.left)),
        expr.op,
        Box::new(span(&expr.right)),
    )))
}

fn span(interval: &Expr) -> Expr {
    let function = ScalarUDF::from(Span {
        signature: Signature::any(1, Volatility::Immutable),
    });
    let call = ScalarFunction::new_udf(Arc::new(function), vec![interval.clone()]);
    Expr::ScalarFunction(call)
}

/// An interval's length in microseconds.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Span {
    signature: Signature,
}

impl ScalarUDFImpl for Span {
    fn name(&self) -> &str {
        "interval_span"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Field::new(self.name(), DataType::Int64, nullable).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        const DAY: i64 = 86_400_000_000;
        let Some(given) = args.args.first() else {
            return Err(external(Error::internal("an interval")));
        };
        let given = given.to_array(args.number_rows)?;
        let intervals = cast(&given, &DataType::Interval(IntervalUnit::MonthDayNano))?;
        let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
        let spans: Int64Array = (0..intervals.len())
            .map(|row| {
                let interval = intervals.is_valid(row).then(|| intervals.value(row))?;
                let days = i64::from(interval.months) * 30 + i64::from(interval.days);
                Some(
                    days.saturating_mul(DAY)
                        .saturating_add(interval.nanoseconds / 1000),
                )
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(spans)))
    }
}
