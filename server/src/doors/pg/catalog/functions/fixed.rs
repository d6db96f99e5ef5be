//! Functions that have one answer here, whatever they are asked: there are no comments on objects and no
//! standby to be.

use arrow::datatypes::DataType;
use datafusion::{
    error::Result,
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
        Volatility,
    },
    scalar::ScalarValue,
};

use crate::doors::pg::startup::SERVER_VERSION;

/// Where a session's unqualified names are looked for.
pub(super) const SCHEMA: &str = "public";

pub(super) fn all() -> Vec<ScalarUDF> {
    let text = |text: &str| ScalarValue::Utf8(Some(text.to_owned()));
    let null = || ScalarValue::Utf8(None);
    let truth = |truth| ScalarValue::Boolean(Some(truth));
    let version = format!("PostgreSQL {SERVER_VERSION}, compiled by rustc, 64-bit");
    let mut all = vec![
        Fixed::udf("version", text(&version)),
        Fixed::udf("current_schema", text(SCHEMA)),
        Fixed::udf("getdatabaseencoding", text("UTF8")),
        Fixed::udf("pg_encoding_to_char", text("UTF8")),
        Fixed::udf("pg_is_in_recovery", truth(false)),
        Fixed::udf("pg_is_wal_replay_paused", truth(false)),
        Fixed::udf("pg_is_other_temp_schema", truth(false)),
        Fixed::udf("pg_my_temp_schema", ScalarValue::Int32(Some(0))),
        Fixed::udf("pg_char_to_encoding", ScalarValue::Int32(Some(6))),
        Fixed::udf("inet_server_addr", text("127.0.0.1")),
        Fixed::udf("inet_client_addr", text("127.0.0.1")),
        Fixed::udf("inet_server_port", ScalarValue::Int32(None)),
        Fixed::udf("inet_client_port", ScalarValue::Int32(None)),
        // Functions of type void.
        Fixed::udf("pg_advisory_unlock_all", text("")),
        Fixed::udf("pg_stat_clear_snapshot", text("")),
    ];
    let nulls = [
        "obj_description",
        "col_description",
        "shobj_description",
        "pg_get_viewdef",
        "pg_get_indexdef",
        "pg_get_ruledef",
        "pg_get_triggerdef",
        "pg_get_functiondef",
        "pg_get_function_arguments",
        "pg_get_function_identity_arguments",
        "pg_get_function_result",
        "pg_get_function_sqlbody",
        "pg_get_serial_sequence",
        "pg_tablespace_location",
        "pg_get_statisticsobjdef",
    ];
    all.extend(nulls.map(|name| Fixed::udf(name, null())));
    let trues = [
        "pg_table_is_visible",
        "pg_type_is_visible",
        "pg_function_is_visible",
        "pg_operator_is_visible",
        "pg_opclass_is_visible",
        "pg_collation_is_visible",
        "has_sequence_privilege",
        "has_type_privilege",
        "has_tablespace_privilege",
        "has_language_privilege",
        "has_foreign_data_wrapper_privilege",
        "has_server_privilege",
        "pg_try_advisory_lock",
        "pg_advisory_unlock",
    ];
    all.extend(trues.map(|name| Fixed::udf(name, truth(true))));
    all
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Fixed {
    name: &'static str,
    answer: ScalarValue,
    signature: Signature,
}

impl Fixed {
    fn udf(name: &'static str, answer: ScalarValue) -> ScalarUDF {
        let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        ScalarUDF::new_from_impl(Self {
            name,
            answer,
            signature: Signature::one_of(any, Volatility::Stable),
        })
    }
}

impl ScalarUDFImpl for Fixed {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.answer.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.answer.clone()))
    }
}
