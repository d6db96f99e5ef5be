//! `sluice_record(row)`: a row that is a column of the result, which a client is told as a `record`. Other structures are JSON to it.
//! `sluice_whole_row('a', t.a, …)` is the row of a relation, and a record wherever it stands.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, StructArray},
    datatypes::{DataType, Field, FieldRef, Fields},
};
use datafusion::{
    error::Result,
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
};

use sluice_planner::WHOLE_ROW;

use crate::{
    dialect::shown_label,
    doors::pg::{OID_ALIAS, TYPE},
    error::Error,
    table::external,
};

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

/// On a field whose name is a column's, though it looks like one that the engine gave.
pub(super) const NAMED: &str = "sluice.named";

pub(super) fn whole_row() -> ScalarUDF {
    ScalarUDF::new_from_impl(WholeRow {
        signature: Signature::variadic_any(Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct WholeRow {
    signature: Signature,
}

impl ScalarUDFImpl for WholeRow {
    fn name(&self) -> &str {
        WHOLE_ROW
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Err(unnamed())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let pairs = args
            .arg_fields
            .chunks(2)
            .zip(args.scalar_arguments.chunks(2));
        let fields = pairs.map(|(fields, values)| {
            let name = values.first().copied().flatten();
            let name = name.and_then(|name| name.try_as_str().flatten());
            match (name, fields) {
                (Some(name), [_, field]) => Ok(part(shown_label(name), field)),
                _ => Err(unnamed()),
            }
        });
        let fields = fields.collect::<Result<Vec<_>>>()?;
        let mark = [(TYPE.to_owned(), "record".to_owned())].into();
        let field = Field::new(WHOLE_ROW, DataType::Struct(Fields::from(fields)), true);
        Ok(field.with_metadata(mark).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::Struct(fields) = args.return_field.data_type() else {
            return Err(unnamed());
        };
        let values = args.args.iter().skip(1).step_by(2);
        let values = values.map(|value| value.to_array(args.number_rows));
        let values = values.collect::<Result<Vec<ArrayRef>>>()?;
        let rows = StructArray::try_new(fields.clone(), values, None)?;
        Ok(ColumnarValue::Array(Arc::new(rows)))
    }
}

/// A column as a part of a row: what tells its type from others that are carried alike stays with it.
fn part(name: &str, column: &Field) -> Field {
    let marks = [TYPE, OID_ALIAS].into_iter().filter_map(|mark| {
        let value = column.metadata().get(mark)?;
        Some((mark.to_owned(), value.clone()))
    });
    let mut marks: HashMap<String, String> = marks.collect();
    let number = name.strip_prefix('c').map(str::parse::<usize>);
    if matches!(number, Some(Ok(_))) {
        marks.insert(NAMED.to_owned(), String::new());
    }
    Field::new(name, column.data_type().clone(), true).with_metadata(marks)
}

fn unnamed() -> datafusion::error::DataFusionError {
    external(Error::internal("a whole row is made of names and values"))
}
