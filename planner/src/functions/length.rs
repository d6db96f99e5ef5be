//! `length(x)`: characters of a text, as the engine has it, and bytes of a BYTEA, as PostgreSQL has it: the engine reads bytes as text
//! and fails on those that are none. It goes by the engine's name, because the engine's own function would take its alias back.

use arrow::{compute::kernels::length::length, datatypes::DataType};
use datafusion::{
    common::{Result, ScalarValue, plan_err},
    functions::unicode::character_length,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility},
};

const NAME: &str = "character_length";

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Length {
    signature: Signature,
    aliases: Vec<String>,
}

impl Default for Length {
    fn default() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            aliases: ["length", "char_length"].map(str::to_owned).to_vec(),
        }
    }
}

impl ScalarUDFImpl for Length {
    fn name(&self) -> &str {
        NAME
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [given] = arg_types else {
            return plan_err!("{NAME} takes one argument, not {}", arg_types.len());
        };
        Ok(vec![match given {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary => {
                given.clone()
            }
            other if other.is_binary() => DataType::Binary,
            _ => DataType::Utf8,
        }])
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [DataType::Binary] => Ok(DataType::Int32),
            _ => character_length().return_type(arg_types),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [bytes] = args.args.as_slice() else {
            return plan_err!("{NAME} takes one argument, not {}", args.args.len());
        };
        if bytes.data_type() != DataType::Binary {
            return character_length().invoke_with_args(args);
        }
        Ok(match bytes {
            ColumnarValue::Array(bytes) => ColumnarValue::Array(length(bytes)?),
            // Not copied for each row.
            ColumnarValue::Scalar(_) => {
                let answer = length(&bytes.to_array(1)?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?)
            }
        })
    }
}
