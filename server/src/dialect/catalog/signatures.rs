//! What functions take and give, as `pg_get_function_arguments` and `pg_get_function_result` write it for `\df`.
//!
//! Defaults of arguments are left out: `pg_proc` has them as trees of PostgreSQL's own.

use std::{collections::HashMap, sync::LazyLock};

use arrow::{
    array::{Array, AsArray, ListArray},
    datatypes::Int32Type,
};

use super::{
    builtin::{self, format_type, is_keyword},
    shapes,
};
use crate::catalog::is_plain;

/// A function's arguments, and what it gives.
pub(super) struct Signature {
    /// Names, modes and types.
    pub(super) arguments: String,
    /// `None` of a procedure.
    pub(super) result: Option<String>,
}

/// The signature of the function of this OID.
pub(super) fn of(oid: i32) -> Option<&'static Signature> {
    static SIGNATURES: LazyLock<HashMap<i32, Signature>> =
        LazyLock::new(|| all().unwrap_or_default());
    SIGNATURES.get(&oid)
}

fn all() -> Option<HashMap<i32, Signature>> {
    let batch = builtin::table(shapes::find("pg_catalog", "pg_proc")?).ok()??;
    let number = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<Int32Type>();
    let list = |name: &str| batch.column_by_name(name)?.as_list_opt::<i32>();
    let (oids, results) = (number("oid")?, number("prorettype")?);
    let (taken, all) = (list("proargtypes")?, list("proallargtypes")?);
    let (modes, names) = (list("proargmodes")?, list("proargnames")?);
    let kinds = batch.column_by_name("prokind")?.as_string_opt::<i32>()?;
    let sets = batch.column_by_name("proretset")?.as_boolean_opt()?;
    let rows = (0..batch.num_rows()).map(|row| {
        // All of them are said where some are not taken, or are of a kind of their own.
        let types = numbers(all, row).filter(|types| !types.is_empty());
        let types = types.or_else(|| numbers(taken, row));
        let arguments = Arguments {
            types: types.unwrap_or_default(),
            modes: texts(modes, row).unwrap_or_default(),
            names: texts(names, row).unwrap_or_default(),
        };
        let columns = arguments.written(true);
        let result = match columns.is_empty() {
            false => format!("TABLE({columns})"),
            true => {
                let set = if sets.value(row) { "SETOF " } else { "" };
                format!("{set}{}", format_type(results.value(row), None))
            }
        };
        let signature = Signature {
            arguments: arguments.written(false),
            result: (kinds.value(row) != "p").then_some(result),
        };
        (oids.value(row), signature)
    });
    Some(rows.collect())
}

fn numbers(list: &ListArray, row: usize) -> Option<Vec<i32>> {
    if list.is_null(row) {
        return None;
    }
    let values = list.value(row);
    Some(values.as_primitive_opt::<Int32Type>()?.values().to_vec())
}

fn texts(list: &ListArray, row: usize) -> Option<Vec<String>> {
    if list.is_null(row) {
        return None;
    }
    let values = list.value(row);
    let texts = values.as_string_opt::<i32>()?.iter();
    Some(
        texts
            .map(|text| text.unwrap_or_default().to_owned())
            .collect(),
    )
}

/// Arguments of one function, by place; modes and names are short where none has any.
struct Arguments {
    types: Vec<i32>,
    modes: Vec<String>,
    names: Vec<String>,
}

impl Arguments {
    /// As they are written: all of them, or the columns of the table that it gives.
    fn written(&self, columns: bool) -> String {
        let shown = self.types.iter().enumerate().filter_map(|(at, oid)| {
            let mode = self.modes.get(at).map_or("i", String::as_str);
            if (mode == "t") != columns {
                return None;
            }
            let mode = match mode {
                "o" => "OUT ",
                "b" => "INOUT ",
                "v" => "VARIADIC ",
                _ => "",
            };
            let name = self.names.get(at).map_or("", String::as_str);
            let name = match name {
                "" => String::new(),
                name if is_plain(name) && !is_keyword(name) => format!("{name} "),
                name => format!("\"{}\" ", name.replace('"', "\"\"")),
            };
            Some(format!("{mode}{name}{}", format_type(*oid, None)))
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    //! Arguments as PostgreSQL 15 writes them.

    use super::Arguments;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn arguments_have_modes_names_and_types() {
        let plain = Arguments {
            types: vec![25, 23],
            modes: Vec::new(),
            names: Vec::new(),
        };
        assert_eq!(plain.written(false), "text, integer");
        assert_eq!(plain.written(true), "");
        let all = Arguments {
            types: vec![25, 1009, 16, 23],
            modes: texts(&["i", "v", "o", "t"]),
            names: texts(&["", "many", "Found", "n"]),
        };
        assert_eq!(
            all.written(false),
            "text, VARIADIC many text[], OUT \"Found\" boolean"
        );
        assert_eq!(all.written(true), "n integer");
    }
}
