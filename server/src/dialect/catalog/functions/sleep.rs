//! `pg_sleep`: a statement that waits, and holds no thread while it does; a cancel and `statement_timeout` end it.

use std::time::Duration;

use arrow::{
    array::{Array, AsArray, StringArray},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Float64Type},
};
use async_trait::async_trait;
use datafusion::{
    error::Result,
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
        async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl},
    },
};

use crate::dialect::catalog::shapes::{Mark, marked};

pub(super) fn function() -> ScalarUDF {
    let sleep = Sleep {
        signature: Signature::exact(vec![DataType::Float64], Volatility::Volatile),
    };
    AsyncScalarUDF::new(std::sync::Arc::new(sleep)).into_scalar_udf()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sleep {
    signature: Signature,
}

impl ScalarUDFImpl for Sleep {
    fn name(&self) -> &str {
        "pg_sleep"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = Field::new(self.name(), DataType::Utf8, true);
        Ok(marked(field, Mark::Type("void")).into())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        datafusion::common::exec_err!("pg_sleep waits and cannot be computed at once")
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Sleep {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let mut done: Vec<Option<&str>> = Vec::new();
        if let [seconds] = arrays.as_slice() {
            let seconds = cast(seconds, &DataType::Float64)?;
            let seconds = seconds.as_primitive::<Float64Type>();
            let rows = match args.args.first() {
                Some(ColumnarValue::Scalar(_)) => args.number_rows,
                _ => seconds.len(),
            };
            for row in 0..rows {
                let at = row.min(seconds.len().saturating_sub(1));
                if seconds.is_empty() || seconds.is_null(at) {
                    done.push(None);
                    continue;
                }
                // Longer than anybody waits.
                let given = seconds.value(at).clamp(0.0, 1e9);
                if given > 0.0 {
                    tokio::time::sleep(Duration::from_secs_f64(given)).await;
                }
                done.push(Some(""));
            }
        }
        Ok(ColumnarValue::Array(std::sync::Arc::new(
            StringArray::from(done),
        )))
    }
}
