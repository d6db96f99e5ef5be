//! A function of PostgreSQL's, written as what it gives for one row of arguments.
//!
//! Catalogs have some thousand rows at most: what a call costs beside the engine's own vectors does not show, and the functions read like
//! PostgreSQL's manual.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::Array,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    error::Result,
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        TypeSignature, Volatility,
    },
    scalar::ScalarValue,
};

use crate::{
    dialect::catalog::{
        rows::{Value, scalar},
        shapes::{carried, marked},
    },
    doors::pg::{TYPE, texts as encoded_texts},
};

type Call = dyn Fn(&[ScalarValue]) -> Result<Value> + Send + Sync;

/// One function.
pub(super) struct Called {
    name: &'static str,
    /// Its type, as `format_type` gives it.
    pg: &'static str,
    signature: Signature,
    strict: bool,
    call: Arc<Call>,
}

impl Called {
    /// A function of its arguments alone, any there are, that is NULL where one of them is.
    pub(super) fn strict(
        name: &'static str,
        pg: &'static str,
        call: impl Fn(&[ScalarValue]) -> Result<Value> + Send + Sync + 'static,
    ) -> ScalarUDF {
        Self::udf(name, pg, true, Volatility::Immutable, call)
    }

    /// The same of one that also looks at the session, the catalog or the clock.
    pub(super) fn strict_as(
        volatility: Volatility,
        name: &'static str,
        pg: &'static str,
        call: impl Fn(&[ScalarValue]) -> Result<Value> + Send + Sync + 'static,
    ) -> ScalarUDF {
        Self::udf(name, pg, true, volatility, call)
    }

    /// [`Called::strict_as`] of what holds while a statement runs.
    pub(super) fn strict_stable(
        name: &'static str,
        pg: &'static str,
        call: impl Fn(&[ScalarValue]) -> Result<Value> + Send + Sync + 'static,
    ) -> ScalarUDF {
        Self::strict_as(Volatility::Stable, name, pg, call)
    }

    /// A function that does something: it is called when the statement runs, once for each row, and gives NULL where an argument is.
    pub(super) fn acting(
        name: &'static str,
        pg: &'static str,
        call: impl Fn(&[ScalarValue]) -> Result<Value> + Send + Sync + 'static,
    ) -> ScalarUDF {
        Self::udf(name, pg, true, Volatility::Volatile, call)
    }

    /// A function of its arguments alone that is called with NULLs too.
    pub(super) fn lax(
        name: &'static str,
        pg: &'static str,
        call: impl Fn(&[ScalarValue]) -> Result<Value> + Send + Sync + 'static,
    ) -> ScalarUDF {
        Self::udf(name, pg, false, Volatility::Immutable, call)
    }

    /// The same of one that also looks at the session, the catalog or the clock.
    pub(super) fn lax_stable(
        name: &'static str,
        pg: &'static str,
        call: impl Fn(&[ScalarValue]) -> Result<Value> + Send + Sync + 'static,
    ) -> ScalarUDF {
        Self::udf(name, pg, false, Volatility::Stable, call)
    }

    fn udf(
        name: &'static str,
        pg: &'static str,
        strict: bool,
        volatility: Volatility,
        call: impl Fn(&[ScalarValue]) -> Result<Value> + Send + Sync + 'static,
    ) -> ScalarUDF {
        let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        ScalarUDF::new_from_impl(Self {
            name,
            pg,
            signature: Signature::one_of(any, volatility),
            strict,
            call: Arc::new(call),
        })
    }

    fn of(&self, arguments: &[ScalarValue]) -> Result<ScalarValue> {
        let (data_type, _) = carried(self.pg);
        if self.strict && arguments.iter().any(ScalarValue::is_null) {
            return ScalarValue::try_from(&data_type);
        }
        scalar(&(self.call)(arguments)?, &data_type)
    }
}

impl ScalarUDFImpl for Called {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(carried(self.pg).0)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let (data_type, mark) = carried(self.pg);
        Ok(marked(Field::new(self.name, data_type, true), mark).into())
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        for (argument, field) in args.args.iter_mut().zip(&args.arg_fields) {
            if is_json(field) {
                *argument = argument.cast_to(&DataType::LargeUtf8, None)?;
            }
        }
        let constant = args
            .args
            .iter()
            .map(|argument| match argument {
                ColumnarValue::Scalar(value) => Some(value.clone()),
                ColumnarValue::Array(_) => None,
            })
            .collect::<Option<Vec<_>>>();
        if let Some(arguments) = constant {
            return Ok(ColumnarValue::Scalar(self.of(&arguments)?));
        }
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let rows = arrays.first().map_or(args.number_rows, |array| array.len());
        let values = (0..rows).map(|row| {
            let arguments = arrays
                .iter()
                .map(|array| ScalarValue::try_from_array(array, row));
            self.of(&arguments.collect::<Result<Vec<_>>>()?)
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        if values.is_empty() {
            return Ok(ColumnarValue::Array(arrow::array::new_empty_array(
                &carried(self.pg).0,
            )));
        }
        Ok(ColumnarValue::Array(ScalarValue::iter_to_array(values)?))
    }
}

/// JSON comes to a function as a [`ScalarValue::LargeUtf8`], by which it is told from other texts.
pub(super) fn is_json(field: &Field) -> bool {
    let mark = field.metadata().get(TYPE);
    field.data_type() == &DataType::Utf8
        && mark.is_some_and(|mark| ["json", "jsonb"].contains(&mark.as_str()))
}

/// The argument at this place as a text.
pub(super) fn text(arguments: &[ScalarValue], at: usize) -> Option<String> {
    match arguments.get(at)? {
        value if value.is_null() => None,
        value => match value.try_as_str() {
            Some(text) => text.map(str::to_owned),
            None => Some(shown(value)),
        },
    }
}

/// The text of a value that is none; of a list as PostgreSQL writes arrays.
fn shown(value: &ScalarValue) -> String {
    let ScalarValue::List(list) = value else {
        return match value.data_type() {
            DataType::Boolean => value.to_string(),
            _ => written(value).unwrap_or_else(|_| value.to_string()),
        };
    };
    let values = list.values();
    let elements = (0..values.len()).map(|i| match ScalarValue::try_from_array(values, i) {
        Ok(element) if !element.is_null() => text(&[element], 0).unwrap_or_default(),
        _ => "NULL".to_owned(),
    });
    format!("{{{}}}", elements.collect::<Vec<_>>().join(","))
}

/// The text of a value as the door writes it, on a clock of UTC.
fn written(value: &ScalarValue) -> Result<String> {
    let field = Field::new("", value.data_type(), true);
    let texts = encoded_texts(&value.to_array()?, &field, None)?;
    Ok(texts.value(0).to_owned())
}

/// The argument at this place as a number.
pub(super) fn number(arguments: &[ScalarValue], at: usize) -> Option<i64> {
    let value = arguments.get(at)?;
    if let Some(text) = value.try_as_str() {
        return text?.trim().parse().ok();
    }
    match value.cast_to(&DataType::Int64).ok()? {
        ScalarValue::Int64(number) => number,
        _ => None,
    }
}

/// The argument at this place as an OID.
pub(super) fn oid(arguments: &[ScalarValue], at: usize) -> Option<i32> {
    // Beyond the signed half it is the same bits.
    number(arguments, at).map(|number| number as i32)
}

/// Whether the argument at this place is true.
pub(super) fn truth(arguments: &[ScalarValue], at: usize) -> bool {
    matches!(arguments.get(at), Some(ScalarValue::Boolean(Some(true))))
}

impl fmt::Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Called({})", self.name)
    }
}

impl PartialEq for Called {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.call, &other.call)
    }
}

impl Eq for Called {}

impl Hash for Called {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
