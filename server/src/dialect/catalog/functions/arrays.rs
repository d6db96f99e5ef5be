//! Arrays of several dimensions, which are lists of lists: a part of one, and the elements of all.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, new_empty_array, new_null_array},
    buffer::{OffsetBuffer, ScalarBuffer},
    compute::{cast, concat},
    datatypes::{DataType, Field, FieldRef, Int64Type},
};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
};

use crate::{
    dialect::type_name,
    error::{Error, SqlState},
    table::external,
};

pub(super) fn all() -> [ScalarUDF; 2] {
    [Asked::Slice, Asked::Elements].map(|asked| {
        ScalarUDF::new_from_impl(Arrays {
            asked,
            signature: Signature::variadic_any(Volatility::Immutable),
        })
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    /// `a[1:2][3:4]`: the array, and two bounds for each dimension. NULL where one of them is, `{}` where nothing is within them.
    Slice,
    /// The elements of all dimensions in one. What is no array is given back as it is.
    Elements,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arrays {
    asked: Asked,
    signature: Signature,
}

impl ScalarUDFImpl for Arrays {
    fn name(&self) -> &str {
        match self.asked {
            Asked::Slice => "sluice_slice",
            Asked::Elements => "sluice_elements",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let given = arg_types.first().ok_or_else(no_array)?;
        match (self.asked, given) {
            (Asked::Elements, given) => Ok(flat_type(given).clone()),
            (Asked::Slice, DataType::List(_)) => Ok(given.clone()),
            (Asked::Slice, DataType::LargeList(item) | DataType::FixedSizeList(item, _)) => {
                Ok(DataType::List(Arc::clone(item)))
            }
            (Asked::Slice, other) => Err(not_sliced(&Field::new("", other.clone(), true))),
        }
    }

    /// An array of a type that texts carry (`uuid[]`) stays one.
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let given = args.arg_fields.first().ok_or_else(no_array)?;
        let data_type = self.return_type(&[given.data_type().clone()])?;
        let field = given.as_ref().clone().with_name(self.name());
        Ok(field.with_data_type(data_type).with_nullable(true).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let to = args.return_type().clone();
        let (given, bounds) = args.args.split_first().ok_or_else(no_array)?;
        let given = given.to_array(args.number_rows)?;
        let made: ArrayRef = match self.asked {
            Asked::Elements => match given.as_list_opt::<i32>() {
                Some(lists) => Arc::new(flat(lists)?),
                None => given,
            },
            Asked::Slice => {
                let bounds = bounds.iter().map(|bound| -> Result<ArrayRef> {
                    Ok(cast(&bound.to_array(args.number_rows)?, &DataType::Int64)?)
                });
                let bounds = bounds.collect::<Result<Vec<_>>>()?;
                slices(&cast(&given, &to)?, &bounds)?
            }
        };
        Ok(ColumnarValue::Array(made))
    }
}

/// A list of what is in the lists of it.
fn flat_type(given: &DataType) -> &DataType {
    match given {
        DataType::List(item) if matches!(item.data_type(), DataType::List(_)) => {
            flat_type(item.data_type())
        }
        other => other,
    }
}

fn flat(lists: &ListArray) -> Result<ListArray> {
    let mut lists = lists.clone();
    while let Some(inner) = lists.values().as_list_opt::<i32>().cloned() {
        let DataType::List(item) = inner.data_type() else {
            return Ok(lists);
        };
        let at = |at: &i32| {
            let place = usize::try_from(*at).ok()?;
            inner.value_offsets().get(place).copied()
        };
        let offsets: Option<Vec<i32>> = lists.value_offsets().iter().map(at).collect();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets.ok_or_else(no_array)?));
        let nulls = lists.nulls().cloned();
        let values = Arc::clone(inner.values());
        lists = ListArray::try_new(Arc::clone(item), offsets, values, nulls)?;
    }
    Ok(lists)
}

/// The part of each list that is within its bounds, two of them for each dimension.
fn slices(lists: &ArrayRef, bounds: &[ArrayRef]) -> Result<ArrayRef> {
    let arrays = lists.as_list_opt::<i32>().ok_or_else(no_array)?;
    let mut rows = Vec::with_capacity(arrays.len());
    let empty = new_list(lists.data_type(), None)?;
    let null = new_null_array(lists.data_type(), 1);
    for row in 0..arrays.len() {
        let within = bounds.iter().map(|bound| {
            let bound = bound.as_primitive_opt::<Int64Type>()?;
            bound.is_valid(row).then(|| bound.value(row))
        });
        let within: Option<Vec<i64>> = within.collect();
        rows.push(match within {
            Some(within) if arrays.is_valid(row) => match part(&arrays.value(row), &within)? {
                Some(part) => new_list(lists.data_type(), Some(part))?,
                None => Arc::clone(&empty),
            },
            _ => Arc::clone(&null),
        });
    }
    if rows.is_empty() {
        return Ok(new_empty_array(lists.data_type()));
    }
    let rows: Vec<&dyn Array> = rows.iter().map(|row| row.as_ref()).collect();
    Ok(concat(&rows)?)
}

/// One list of these values; of none where there are none.
fn new_list(data_type: &DataType, values: Option<ArrayRef>) -> Result<ArrayRef> {
    let DataType::List(item) = data_type else {
        return Err(no_array());
    };
    let values = values.unwrap_or_else(|| new_empty_array(item.data_type()));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    let list = ListArray::try_new(Arc::clone(item), offsets, values, None)?;
    Ok(Arc::new(list))
}

/// The values within the bounds, the first two of which are of this dimension; `None` where there are none, in any dimension.
fn part(values: &ArrayRef, bounds: &[i64]) -> Result<Option<ArrayRef>> {
    let [lower, upper, inner @ ..] = bounds else {
        return Ok(Some(Arc::clone(values)));
    };
    let count = i64::try_from(values.len()).unwrap_or(i64::MAX);
    let (from, to) = ((*lower).max(1), (*upper).min(count));
    if from > to {
        return Ok(None);
    }
    let (Ok(start), Ok(length)) = (usize::try_from(from - 1), usize::try_from(to - from + 1))
    else {
        return Ok(None);
    };
    let values = values.slice(start, length);
    if inner.is_empty() {
        return Ok(Some(values));
    }
    // There are more subscripts than dimensions.
    let Some(lists) = values.as_list_opt::<i32>() else {
        return Ok(None);
    };
    let mut parts = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        match part(&lists.value(row), inner)? {
            Some(part) => parts.push(new_list(values.data_type(), Some(part))?),
            None => return Ok(None),
        }
    }
    let parts: Vec<&dyn Array> = parts.iter().map(|part| part.as_ref()).collect();
    Ok(Some(concat(&parts)?))
}

fn no_array() -> DataFusionError {
    external(Error::internal("an array"))
}

fn not_sliced(field: &Field) -> DataFusionError {
    let name = type_name(field);
    external(
        Error::user(
            SqlState::DatatypeMismatch,
            format!("cannot subscript type {name} because it does not support subscripting"),
        )
        .with_hint("Only arrays have parts: cast the value to one, as in x::int[]."),
    )
}
