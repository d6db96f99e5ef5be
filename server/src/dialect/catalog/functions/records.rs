//! `sluice_record(row)`: a row that is a column of the result, which a client is told as a `record`. Other structures are JSON to it.

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::{
    error::Result,
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
};

use crate::{doors::pg::TYPE, error::Error, table::external};

/// The function's name.
pub(in crate::dialect) const RECORD: &str = "sluice_record";

pub(super) fn function() -> ScalarUDF {
    ScalarUDF::new_from_impl(Record {
        signature: Signature::any(1, Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Record {
    signature: Signature,
}

impl ScalarUDFImpl for Record {
    fn name(&self) -> &str {
        RECORD
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let data_type = match args.arg_fields.first() {
            Some(field) => field.data_type().clone(),
            None => DataType::Null,
        };
        let mark = [(TYPE.to_owned(), "record".to_owned())].into();
        let field = Field::new(RECORD, data_type, true);
        Ok(field.with_metadata(mark).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.into_iter().next() {
            Some(row) => Ok(row),
            None => Err(external(Error::internal("a record is made of a row"))),
        }
    }
}
