//! Lists that are about to become rows: NULL has none, and a join that keeps all rows wants one of nothing.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    buffer::{NullBuffer, OffsetBuffer},
    compute::{cast, interleave},
    datatypes::{DataType, Field},
};
use datafusion::{
    error::Result,
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
    scalar::ScalarValue,
};

use super::called::{Called, text};
use crate::{dialect::catalog::rows::Value, doors::pg, error::Error, table::external};

pub(super) fn all() -> [ScalarUDF; 2] {
    [Nothing::None, Nothing::Null].map(|nothing| {
        ScalarUDF::new_from_impl(Rows {
            nothing,
            signature: Signature::any(1, Volatility::Immutable),
        })
    })
}

/// `array_to_string`, each element as PostgreSQL writes it.
pub(super) fn joined() -> ScalarUDF {
    Called::lax("sluice_array_to_string", "text", |arguments| {
        let (Some(list), Some(between)) = (arguments.first(), text(arguments, 1)) else {
            return Ok(Value::Null);
        };
        let ScalarValue::List(list) = list else {
            return Ok(Value::Null);
        };
        if list.is_null(0) {
            return Ok(Value::Null);
        }
        let nothing = text(arguments, 2);
        let mut all = Vec::new();
        written(&list.value(0), nothing.as_deref(), &mut all)?;
        Ok(all.join(&between).into())
    })
}

/// The texts of elements, of lists among them too; NULL is left out where nothing stands for it.
fn written(values: &ArrayRef, nothing: Option<&str>, all: &mut Vec<String>) -> Result<()> {
    if let Some(lists) = values.as_list_opt::<i32>() {
        for row in (0..lists.len()).filter(|row| lists.is_valid(*row)) {
            written(&lists.value(row), nothing, all)?;
        }
        return Ok(());
    }
    let field = Field::new("", values.data_type().clone(), true);
    for text in &pg::texts(values, &field, None)? {
        all.extend(text.or(nothing).map(str::to_owned));
    }
    Ok(())
}

/// What stands for no elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Nothing {
    /// The list of none.
    None,
    /// A list of one NULL.
    Null,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Rows {
    nothing: Nothing,
    signature: Signature,
}

fn item_of(given: Option<&DataType>) -> DataType {
    match given {
        Some(
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _),
        ) => item.data_type().clone(),
        _ => DataType::Utf8,
    }
}

impl ScalarUDFImpl for Rows {
    fn name(&self) -> &str {
        match self.nothing {
            Nothing::None => "sluice_or_empty",
            Nothing::Null => "sluice_or_null",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let item = item_of(arg_types.first());
        Ok(DataType::List(Field::new_list_field(item, true).into()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let to = args.return_type().clone();
        let Some(given) = args.args.first() else {
            return Err(external(Error::internal("a list")));
        };
        let lists = cast(&given.to_array(args.number_rows)?, &to)?;
        let lists = lists.as_list::<i32>();
        let item = item_of(Some(&to));
        let null = ScalarValue::try_from(&item)?.to_array()?;
        let values: [&dyn Array; 2] = [lists.values().as_ref(), null.as_ref()];
        let mut places = Vec::with_capacity(lists.values().len());
        let mut lengths = Vec::with_capacity(lists.len());
        for row in 0..lists.len() {
            let before = places.len();
            if lists.is_valid(row) {
                let offsets = lists.value_offsets();
                let at = |i: usize| offsets.get(i).and_then(|at| usize::try_from(*at).ok());
                if let (Some(from), Some(to)) = (at(row), at(row + 1)) {
                    places.extend((from..to).map(|place| (0, place)));
                }
            }
            if places.len() == before && self.nothing == Nothing::Null {
                places.push((1, 0));
            }
            lengths.push(places.len() - before);
        }
        let values: ArrayRef = match places.is_empty() {
            true => arrow::array::new_empty_array(&item),
            false => interleave(&values, &places)?,
        };
        let rows = arrow::array::ListArray::try_new(
            Field::new_list_field(item, true).into(),
            OffsetBuffer::from_lengths(lengths),
            values,
            None::<NullBuffer>,
        )?;
        Ok(ColumnarValue::Array(Arc::new(rows)))
    }
}
