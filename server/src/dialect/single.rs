//! `sluice_single(x)`: the value of the one row there may be. A subquery that names the row around it is planned as an aggregate, and this one
//! keeps what PostgreSQL says of such subqueries: more than one row is an error, no row is NULL.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{DataType, Field, FieldRef, Int64Type},
};
use datafusion::{
    common::Result,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
    },
    scalar::ScalarValue,
};

use crate::{
    error::{Error, SqlState},
    table::external,
};

/// The function's name.
pub(super) const NAME: &str = "sluice_single";

/// The function.
pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(Single {
        signature: Signature::any(1, Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Single {
    signature: Signature,
}

impl AggregateUDFImpl for Single {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Only {
            value: ScalarValue::try_from(args.return_field.data_type())?,
            rows: 0,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![
            Field::new("value", args.return_field.data_type().clone(), true).into(),
            Field::new("rows", DataType::Int64, false).into(),
        ])
    }
}

#[derive(Debug)]
struct Only {
    value: ScalarValue,
    rows: i64,
}

impl Only {
    fn add(&mut self, value: ScalarValue, rows: i64) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        self.rows = self.rows.saturating_add(rows);
        if self.rows > 1 {
            return Err(external(
                Error::user(
                    SqlState::CardinalityViolation,
                    "more than one row returned by a subquery used as an expression",
                )
                .with_hint("Add LIMIT 1, or an aggregate such as max()."),
            ));
        }
        self.value = value;
        Ok(())
    }
}

impl Accumulator for Only {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first().filter(|values| !values.is_empty()) else {
            return Ok(());
        };
        let rows = i64::try_from(values.len()).unwrap_or(i64::MAX);
        self.add(ScalarValue::try_from_array(values, 0)?, rows)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) - size_of_val(&self.value) + self.value.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            self.value.clone(),
            ScalarValue::Int64(Some(self.rows)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, rows] = states else {
            return Err(external(Error::internal("a state of two columns")));
        };
        let rows = rows.as_primitive::<Int64Type>();
        for at in 0..values.len() {
            let count = if rows.is_null(at) { 0 } else { rows.value(at) };
            self.add(ScalarValue::try_from_array(values, at)?, count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
