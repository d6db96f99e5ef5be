//! Sizes: the committed files of a table; what is not a table takes nothing. How a size is written is PostgreSQL's way.

use std::sync::Arc;

use arrow::{
    array::{AsArray, StringArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use datafusion::{
    error::Result,
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};

use super::{
    called::{Called, oid, text},
    objects::unknown,
};
use crate::{
    dialect::catalog::{DATABASE, Facts, names, oids, relations::Listed, rows::Value},
    error::{Error, SqlState},
    table::external,
};

pub(super) fn all(facts: &Arc<Facts>, listed: &Listed) -> Vec<ScalarUDF> {
    let sizes = [
        "pg_relation_size",
        "pg_total_relation_size",
        "pg_table_size",
    ];
    let mut all: Vec<_> = sizes
        .map(|name| {
            let (facts, listed) = (Arc::clone(facts), listed.clone());
            Called::strict_stable(name, "bigint", move |arguments| {
                let relation = match (oid(arguments, 0), text(arguments, 0)) {
                    (Some(oid), _) => oids::relation(oid),
                    (None, Some(name)) => {
                        let path = names::search_path(&facts);
                        let found = names::relation(&name, &path, &listed);
                        Some(found.ok_or_else(|| unknown("regclass", &name))?)
                    }
                    _ => None,
                };
                let size = relation.map(|(schema, name)| (facts.size)(&schema, &name).unwrap_or(0));
                Ok(size.into())
            })
        })
        .into();
    for name in ["pg_indexes_size", "pg_tablespace_size"] {
        all.push(Called::strict_stable(name, "bigint", |_| Ok(Value::Int(0))));
    }
    let (of_database, listed) = (Arc::clone(facts), listed.clone());
    all.push(Called::strict_stable(
        "pg_database_size",
        "bigint",
        move |arguments| {
            if let Some(name) = text(arguments, 0).filter(|name| name != DATABASE)
                && oid(arguments, 0).is_none()
            {
                return Err(external(Error::user(
                    SqlState::InvalidCatalogName,
                    format!("database \"{name}\" does not exist"),
                )));
            }
            let sizes = listed.names().into_iter();
            let sizes = sizes.filter_map(|(schema, name)| (of_database.size)(&schema, &name));
            Ok(Value::Int(sizes.sum()))
        },
    ));
    all.push(Called::strict_stable(
        "pg_size_bytes",
        "bigint",
        |arguments| {
            let written = text(arguments, 0).unwrap_or_default();
            match bytes_of(&written) {
                Some(bytes) => Ok(Value::Int(bytes)),
                None => Err(external(Error::user(
                    SqlState::InvalidParameterValue,
                    format!("invalid size: \"{written}\""),
                ))),
            }
        },
    ));
    all.push(ScalarUDF::new_from_impl(Pretty {
        signature: Signature::any(1, Volatility::Immutable),
    }));
    all
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Pretty {
    signature: Signature,
}

impl ScalarUDFImpl for Pretty {
    fn name(&self) -> &'static str {
        "pg_size_pretty"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [sizes] = ColumnarValue::values_to_arrays(&args.args)?
            .try_into()
            .unwrap_or_else(|_| [arrow::array::new_null_array(&DataType::Int64, 1)]);
        let sizes = cast(&sizes, &DataType::Int64)?;
        let texts: StringArray = sizes
            .as_primitive::<Int64Type>()
            .iter()
            .map(|size| size.map(pretty))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}

/// `pg_size_bytes`: a number and a unit, which goes up by 1024.
fn bytes_of(written: &str) -> Option<i64> {
    let written = written.trim();
    let end = written
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E')))
        .unwrap_or(written.len());
    let (number, unit) = written.split_at(end);
    let number: f64 = number.parse().ok()?;
    let units = ["b", "kb", "mb", "gb", "tb", "pb"];
    let power = match unit.trim().to_lowercase().as_str() {
        "" | "bytes" => 0,
        unit => units.iter().position(|known| *known == unit)?,
    };
    let bytes = number * 1024_f64.powi(i32::try_from(power).ok()?);
    (bytes.abs() < 9.2e18).then(|| bytes.round() as i64)
}

/// `pg_size_pretty`: the largest unit in which the number stays above ten, rounded half away from zero.
fn pretty(size: i64) -> String {
    let mut size = i128::from(size);
    let mut unit = "bytes";
    let mut limit = 10 * 1024;
    for next in ["kB", "MB", "GB", "TB", "PB"] {
        if size.abs() < limit {
            break;
        }
        // All but the first step keep one bit more, to round by.
        size = if unit == "bytes" {
            size / 512
        } else {
            size / 1024
        };
        limit = 20 * 1024 - 1;
        unit = next;
    }
    if unit != "bytes" {
        size = (size + size.signum()) / 2;
    }
    format!("{size} {unit}")
}

#[cfg(test)]
mod tests;
