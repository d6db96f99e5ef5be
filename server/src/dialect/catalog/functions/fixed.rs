//! Functions that have one answer here, whatever they are asked: there is no standby to be, and no index to tell of.

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::{
    error::Result,
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        TypeSignature, Volatility,
    },
    scalar::ScalarValue,
};

use crate::{
    dialect::catalog::{
        DATABASE,
        shapes::{Mark, marked},
    },
    doors::pg::SERVER_VERSION,
};

/// What stands for `xmin` of a relation of PostgreSQL's: nothing of the catalogue is ever an old version of itself.
pub(in crate::dialect::catalog) const XMIN: &str = "sluice_xmin";

pub(super) fn all() -> Vec<ScalarUDF> {
    let text = |text: &str| ScalarValue::Utf8(Some(text.to_owned()));
    let null = || ScalarValue::Utf8(None);
    let truth = |truth| ScalarValue::Boolean(Some(truth));
    let version = format!("PostgreSQL {SERVER_VERSION}, compiled by rustc, 64-bit");
    let mut all = vec![
        Fixed::udf("version", text(&version)),
        Fixed::name("current_database", DATABASE),
        Fixed::name("getdatabaseencoding", "UTF8"),
        Fixed::name("pg_encoding_to_char", "UTF8"),
        Fixed::name("pg_client_encoding", "UTF8"),
        Fixed::udf("pg_is_in_recovery", truth(false)),
        Fixed::udf("pg_jit_available", truth(false)),
        Fixed::udf("row_security_active", truth(false)),
        Fixed::udf("pg_encoding_max_length", ScalarValue::Int32(Some(4))),
        Fixed::marked(XMIN, ScalarValue::Int32(Some(0)), Mark::Type("xid")),
        Fixed::udf("pg_is_wal_replay_paused", truth(false)),
        Fixed::udf("pg_is_other_temp_schema", truth(false)),
        Fixed::udf("pg_char_to_encoding", ScalarValue::Int32(Some(6))),
        Fixed::udf("inet_server_addr", text("127.0.0.1")),
        Fixed::udf("inet_client_addr", text("127.0.0.1")),
        Fixed::udf("inet_server_port", ScalarValue::Int32(None)),
        Fixed::udf("inet_client_port", ScalarValue::Int32(None)),
        Fixed::marked("pg_stat_clear_snapshot", text(""), Mark::Type("void")),
        Fixed::udf("pg_tablespace_location", text("")),
    ];
    let nulls = [
        "pg_get_indexdef",
        "pg_get_constraintdef",
        "pg_get_expr",
        "pg_get_partkeydef",
        "pg_get_ruledef",
        "pg_get_triggerdef",
        "pg_get_functiondef",
        "pg_get_function_sqlbody",
        "pg_get_serial_sequence",
        "pg_get_statisticsobjdef",
        "pg_describe_object",
        "acldefault",
    ];
    all.extend(nulls.map(|name| Fixed::udf(name, null())));
    let trues = [
        "pg_operator_is_visible",
        "pg_opclass_is_visible",
        "pg_collation_is_visible",
        "pg_conversion_is_visible",
        "pg_opfamily_is_visible",
        "pg_statistics_obj_is_visible",
        "pg_ts_config_is_visible",
        "pg_ts_dict_is_visible",
        "pg_ts_parser_is_visible",
        "pg_ts_template_is_visible",
        "has_sequence_privilege",
        "has_type_privilege",
        "has_tablespace_privilege",
        "has_language_privilege",
        "has_foreign_data_wrapper_privilege",
        "has_server_privilege",
    ];
    all.extend(trues.map(|name| Fixed::udf(name, truth(true))));
    all
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Fixed {
    name: &'static str,
    answer: ScalarValue,
    mark: Mark,
    signature: Signature,
}

impl Fixed {
    fn udf(name: &'static str, answer: ScalarValue) -> ScalarUDF {
        Self::marked(name, answer, Mark::None)
    }

    /// One whose answer is of type `name`.
    fn name(name: &'static str, answer: &str) -> ScalarUDF {
        let answer = ScalarValue::Utf8(Some(answer.to_owned()));
        Self::marked(name, answer, Mark::Type("name"))
    }

    fn marked(name: &'static str, answer: ScalarValue, mark: Mark) -> ScalarUDF {
        let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        ScalarUDF::new_from_impl(Self {
            name,
            answer,
            mark,
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

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = Field::new(self.name, self.answer.data_type(), true);
        Ok(marked(field, self.mark).into())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.answer.clone()))
    }
}
