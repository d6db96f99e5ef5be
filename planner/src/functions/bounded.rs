//! The engine's functions that make much of little, bounded: `repeat('a', 2000000000)` took all memory, and with it the server.
//!
//! What a call would make is told from its arguments, before it is made. A row that would make too much alone is an error of the row (in a
//! continuous query a dead letter); so many large values in one batch of rows are an error of the query, which would be out of memory.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array},
    compute::{cast, kernels::length::length},
    datatypes::{DataType, FieldRef, Int64Type, TimeUnit},
};
use datafusion::{
    common::{Result, ScalarValue},
    execution::FunctionRegistry,
    logical_expr::{
        ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};

use crate::error::{PlanError, PlanErrorKind};

/// The most bytes of large values that one call makes for a batch of rows.
const MAX_BYTES: u64 = 256 << 20;

/// What is not larger does not count: a batch of such values is one as others are.
const LARGE: u64 = 64 << 10;

/// Whether a function of this name may make much of little.
pub fn makes_much(name: &str) -> bool {
    FUNCTIONS.iter().any(|(function, _)| *function == name)
}

/// What a call makes of a row's arguments, in bytes; `None` where one is NULL, or nothing is to be counted.
type Estimate = fn(&[Argument], usize) -> Option<u64>;

const FUNCTIONS: [(&str, Estimate); 9] = [
    ("repeat", |args, row| {
        Some(size(args, 0, row)?.saturating_mul(number(args, 1, row)?))
    }),
    ("lpad", padded),
    ("rpad", padded),
    ("replace", |args, row| {
        let (from, to) = (size(args, 1, row)?, size(args, 2, row)?);
        alone(size(args, 0, row)?.saturating_mul(to) / from.max(1))
    }),
    ("regexp_replace", |args, row| {
        alone(size(args, 0, row)?.saturating_mul(size(args, 2, row)?))
    }),
    ("array_repeat", |args, row| {
        Some(
            size(args, 0, row)
                .unwrap_or(8)
                .max(8)
                .saturating_mul(number(args, 1, row)?),
        )
    }),
    ("array_resize", |args, row| {
        Some(number(args, 1, row)?.saturating_mul(8))
    }),
    ("range", series),
    ("generate_series", series),
];

/// Puts a bound on each of them.
pub(super) fn bound_all(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for (which, (name, _)) in FUNCTIONS.iter().enumerate() {
        let inner = registry.udf(name)?;
        registry.register_udf(Arc::new(ScalarUDF::from(Bounded { inner, which })))?;
    }
    Ok(())
}

/// What a call of one of them is about to make, in bytes, if it is not refused; 0 of any other function.
pub(super) fn foreseen(function: &ScalarUDF, args: &ScalarFunctionArgs) -> Result<u64> {
    let Some(bounded) = function.inner().downcast_ref::<Bounded>() else {
        return Ok(0);
    };
    bounded.check(args)?;
    bounded.bytes(args, 0)
}

/// Of what can hardly be told before it is made (every byte may be a match), a value counts that is too large by itself.
fn alone(at_most: u64) -> Option<u64> {
    (at_most > MAX_BYTES).then_some(at_most)
}

fn padded(args: &[Argument], row: usize) -> Option<u64> {
    // A character has at most four bytes.
    let wide = args.get(2).is_some();
    Some(number(args, 1, row)?.saturating_mul(if wide { 4 } else { 1 }))
}

fn series(args: &[Argument], row: usize) -> Option<u64> {
    let value = |at: usize| args.get(at)?.numbers.as_ref()?.at(row);
    let (start, stop) = match args.len() {
        1 => (0, value(0)?),
        _ => (value(0)?, value(1)?),
    };
    let step = match args.get(2) {
        Some(_) => value(2)?.unsigned_abs().max(1),
        None => 1,
    };
    Some((stop.abs_diff(start) / step).saturating_mul(8))
}

fn size(args: &[Argument], at: usize, row: usize) -> Option<u64> {
    let size = args.get(at)?.sizes.as_ref()?.at(row)?;
    Some(size.unsigned_abs())
}

fn number(args: &[Argument], at: usize, row: usize) -> Option<u64> {
    let number = args.get(at)?.numbers.as_ref()?.at(row)?;
    Some(u64::try_from(number).unwrap_or(0))
}

/// An argument, as far as a bound asks for it.
struct Argument {
    /// Bytes of a text.
    sizes: Option<Numbers>,
    /// Whole numbers; microseconds of times and intervals.
    numbers: Option<Numbers>,
}

/// One for each row, or one for all.
struct Numbers {
    one: bool,
    values: Int64Array,
}

impl Numbers {
    fn at(&self, row: usize) -> Option<i64> {
        let row = if self.one { 0 } else { row };
        self.values.is_valid(row).then(|| self.values.value(row))
    }
}

impl Argument {
    fn of(value: &ColumnarValue) -> Result<Self> {
        let (one, array) = match value {
            ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(interval)) => {
                let micros = interval.map(|interval| {
                    let days = i64::from(interval.months) * 28 + i64::from(interval.days);
                    days.saturating_mul(86_400_000_000)
                        .saturating_add(interval.nanoseconds / 1000)
                });
                let values = Int64Array::from(vec![micros]);
                let numbers = Some(Numbers { one: true, values });
                return Ok(Self {
                    sizes: None,
                    numbers,
                });
            }
            ColumnarValue::Scalar(scalar) => (true, scalar.to_array()?),
            ColumnarValue::Array(array) => (false, Arc::clone(array)),
        };
        let numbers = |array: &ArrayRef| -> Result<Option<Numbers>> {
            let values = cast(array, &DataType::Int64)?;
            let values = values.as_primitive::<Int64Type>().clone();
            Ok(Some(Numbers { one, values }))
        };
        let given = array.data_type();
        let is_text = given.is_string() || given.is_binary();
        let is_time = matches!(given, DataType::Timestamp(..) | DataType::Date32);
        Ok(Self {
            sizes: if is_text {
                numbers(&length(&array)?)?
            } else {
                None
            },
            numbers: if is_time {
                let micros = cast(&array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
                numbers(&micros)?
            } else if given.is_integer() {
                numbers(&array)?
            } else {
                None
            },
        })
    }
}

/// One of the engine's functions, with its bound.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    /// Of [`FUNCTIONS`].
    which: usize,
}

impl Bounded {
    /// What a call makes of values larger than `above`, in bytes.
    fn bytes(&self, args: &ScalarFunctionArgs, above: u64) -> Result<u64> {
        let arguments = args.args.iter().map(Argument::of);
        let arguments: Vec<Argument> = arguments.collect::<Result<_>>()?;
        let all_one = args
            .args
            .iter()
            .all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if all_one { 1 } else { args.number_rows };
        let (_, estimate) = FUNCTIONS[self.which];
        let bytes = (0..rows)
            .filter_map(|row| estimate(&arguments, row))
            .filter(|bytes| *bytes > above)
            .fold(0, u64::saturating_add);
        Ok(bytes)
    }

    fn check(&self, args: &ScalarFunctionArgs) -> Result<()> {
        let bytes = self.bytes(args, LARGE)?;
        if bytes > MAX_BYTES {
            let message = format!("{} would make {bytes} bytes at once", self.name());
            return Err(PlanError::new(PlanErrorKind::Data, message)
                .detail(format!("It makes {MAX_BYTES} at most."))
                .into_engine());
        }
        Ok(())
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.is_strict()
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(args, info)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check(&args)?;
        self.inner.invoke_with_args(args)
    }
}
