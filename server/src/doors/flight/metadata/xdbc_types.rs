//! The types columns may have, as JDBC and ODBC tools list them.

use std::sync::OnceLock;

use arrow_flight::sql::{
    Nullable, Searchable,
    XdbcDataType::{
        self, XdbcBigint, XdbcBinary, XdbcBit, XdbcDate, XdbcDecimal, XdbcDouble, XdbcFloat,
        XdbcInteger, XdbcSmallint, XdbcTime, XdbcTimestamp, XdbcVarchar,
    },
    metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder},
};

use super::failed;
use crate::error::Result;

/// Name, code, digits or size, whether its literal is quoted.
const TYPES: [(&str, XdbcDataType, Option<i32>, bool); 13] = [
    ("boolean", XdbcBit, Some(1), false),
    ("smallint", XdbcSmallint, Some(16), false),
    ("integer", XdbcInteger, Some(32), false),
    ("bigint", XdbcBigint, Some(64), false),
    ("real", XdbcFloat, Some(24), false),
    ("double precision", XdbcDouble, Some(53), false),
    ("numeric", XdbcDecimal, Some(38), false),
    ("text", XdbcVarchar, None, true),
    ("bytea", XdbcBinary, None, true),
    ("date", XdbcDate, Some(10), true),
    ("time", XdbcTime, Some(15), true),
    ("timestamp without time zone", XdbcTimestamp, Some(26), true),
    ("timestamp with time zone", XdbcTimestamp, Some(32), true),
];

/// The list; made once.
pub(super) fn data() -> Result<&'static XdbcTypeInfoData> {
    static DATA: OnceLock<XdbcTypeInfoData> = OnceLock::new();
    if let Some(data) = DATA.get() {
        return Ok(data);
    }
    let mut builder = XdbcTypeInfoDataBuilder::new();
    for (name, code, size, quoted) in TYPES {
        builder.append(info(name, code, size, quoted));
    }
    let data = builder.build().map_err(failed)?;
    Ok(DATA.get_or_init(|| data))
}

fn info(name: &str, code: XdbcDataType, size: Option<i32>, quoted: bool) -> XdbcTypeInfo {
    let binary = matches!(
        code,
        XdbcSmallint | XdbcInteger | XdbcBigint | XdbcFloat | XdbcDouble
    );
    let number = binary || code == XdbcDecimal;
    XdbcTypeInfo {
        type_name: name.into(),
        data_type: code,
        column_size: size,
        literal_prefix: quoted.then(|| "'".into()),
        literal_suffix: quoted.then(|| "'".into()),
        create_params: (code == XdbcDecimal).then(|| vec!["precision".into(), "scale".into()]),
        nullable: Nullable::NullabilityNullable,
        case_sensitive: code == XdbcVarchar,
        searchable: Searchable::Full,
        unsigned_attribute: number.then_some(false),
        fixed_prec_scale: false,
        auto_increment: number.then_some(false),
        local_type_name: Some(name.into()),
        minimum_scale: (code == XdbcDecimal).then_some(0),
        maximum_scale: (code == XdbcDecimal).then_some(38),
        sql_data_type: code,
        datetime_subcode: None,
        num_prec_radix: number.then_some(if binary { 2 } else { 10 }),
        interval_precision: None,
    }
}
