//! A text that becomes a list: it is read as PostgreSQL reads `{1,2,NULL}`, where the engine makes a list of the one text.

use arrow::{
    array::{Array, ArrayRef, AsArray, new_empty_array},
    compute::cast,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::Result,
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
    scalar::ScalarValue,
};

use super::cast::of_one;
use crate::{doors::pg::list_of_text, table::external};

/// The function that reads texts as lists of this type.
pub(crate) fn of(to: &DataType) -> ScalarUDF {
    ScalarUDF::from(ListOfText {
        to: to.clone(),
        signature: Signature::any(1, Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ListOfText {
    to: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for ListOfText {
    fn name(&self) -> &str {
        "list_of_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Field::new(self.name(), self.to.clone(), nullable).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        of_one(&args, |array| self.read(array))
    }
}

impl ListOfText {
    fn read(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let texts = cast(array, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        if texts.is_empty() {
            return Ok(new_empty_array(&self.to));
        }
        let null = ScalarValue::try_from(&self.to)?;
        let lists = texts.iter().map(|text| match text {
            Some(text) => list_of_text(text, &self.to).map_err(external),
            None => Ok(null.clone()),
        });
        let lists = ScalarValue::iter_to_array(lists.collect::<Result<Vec<_>>>()?)?;
        Ok(match lists.data_type() == &self.to {
            true => lists,
            // Lists name what lies in them differently.
            false => cast(&lists, &self.to)?,
        })
    }
}
