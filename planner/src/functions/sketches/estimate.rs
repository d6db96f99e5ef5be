//! `approx_percentile_estimate(sketch, p)` and `approx_distinct_estimate(sketch)`: the answer of one sketch, each row by itself.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray},
    compute::nullif,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, EmitTo, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
        Volatility,
    },
};

use super::{
    super::approx_percentile::{Asked, answer_type, asked_type, estimates},
    distinct_groups, is_sketch,
    sealed::{Kind, open_all, other_kind},
};

/// One of the two.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Estimate {
    kind: Kind,
    signature: Signature,
    aliases: Vec<String>,
}

impl Estimate {
    pub(super) fn new(kind: Kind) -> Self {
        let aliases = match kind {
            Kind::Percentile => vec![],
            Kind::Distinct => vec!["hll_estimate".to_owned()],
        };
        Self {
            kind,
            signature: Signature::user_defined(Volatility::Immutable),
            aliases,
        }
    }

    /// The states of a column of sketches.
    fn opened(&self, sketches: &BinaryArray) -> Result<BinaryArray> {
        open_all(sketches, |opened| match opened.kind == self.kind {
            true => Ok(()),
            false => Err(other_kind(self.kind, opened.kind)),
        })
    }
}

impl ScalarUDFImpl for Estimate {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Percentile => "approx_percentile_estimate",
            Kind::Distinct => "approx_distinct_estimate",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match (self.kind, given) {
            (Kind::Percentile, [sketch, asked]) if is_sketch(sketch) => {
                Ok(vec![DataType::Binary, asked_type(asked)?])
            }
            (Kind::Percentile, _) => plan_err!(
                "{} takes a sketch (BYTEA) and a percentile between 0 and 1",
                self.name()
            ),
            (Kind::Distinct, [sketch]) if is_sketch(sketch) => Ok(vec![DataType::Binary]),
            (Kind::Distinct, _) => plan_err!("{} takes a sketch (BYTEA)", self.name()),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::Percentile => arg_types.get(1).map_or(DataType::Float64, answer_type),
            Kind::Distinct => DataType::UInt64,
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        // A wrong percentile is an error of the statement, not of its first row.
        if self.kind == Kind::Percentile
            && let Some(Some(asked)) = args.scalar_arguments.get(1)
        {
            Asked::of_argument(self.name(), asked)?;
        }
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let field = Field::new(self.name(), self.return_type(&types)?, true);
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(sketches) = args.args.first() else {
            return exec_err!("{} takes a sketch", self.name());
        };
        let sketches = sketches.to_array(args.number_rows)?;
        let states = self.opened(sketches.as_binary::<i32>())?;
        let answers: ArrayRef = match (self.kind, args.args.get(1)) {
            (Kind::Percentile, Some(ColumnarValue::Scalar(asked))) => {
                estimates(&Asked::of_argument(self.name(), asked)?, &states)?
            }
            (Kind::Percentile, _) => {
                return exec_err!("the percentile of {} must be a constant", self.name());
            }
            (Kind::Distinct, _) => {
                let rows: Vec<usize> = (0..states.len()).collect();
                let nulls = arrow::compute::is_null(&states)?;
                let mut groups = distinct_groups()?;
                let states: ArrayRef = Arc::new(states);
                groups.merge_batch(&[states], &rows, rows.len())?;
                nullif(&groups.evaluate(EmitTo::All)?, &nulls)?
            }
        };
        Ok(ColumnarValue::Array(answers))
    }
}
