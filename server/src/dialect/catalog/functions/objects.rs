//! Functions about objects of the catalog: their names and OIDs, whether they are visible, what is known of them.
//!
//! The casts of `casts.rs` end here: `sluice_reg` finds the OID that a name stands for, `sluice_reg_text` the name of an OID.

use std::sync::Arc;

use datafusion::{error::DataFusionError, logical_expr::ScalarUDF, scalar::ScalarValue};

use super::called::{Called, number, oid, text};
use crate::{
    catalog::TEMP_SCHEMA,
    dialect::catalog::{
        Facts, builtin,
        names::{self, parts},
        oids,
        relations::{Listed, definition},
        rows::Value,
        signatures,
    },
    error::{Error, SqlState},
};

/// Finds the OID of a name; the type of the OID is in the function's own.
pub(in crate::dialect::catalog) const FORWARD: [(&str, &str); 6] = [
    ("sluice_regclass", "regclass"),
    ("sluice_regnamespace", "regnamespace"),
    ("sluice_regproc", "regproc"),
    ("sluice_regrole", "regrole"),
    ("sluice_regtype", "regtype"),
    ("sluice_oid", "oid"),
];

/// The text of an OID of such a type.
pub(in crate::dialect::catalog) const BACKWARD: [(&str, &str); 5] = [
    ("sluice_regclass_text", "regclass"),
    ("sluice_regnamespace_text", "regnamespace"),
    ("sluice_regproc_text", "regproc"),
    ("sluice_regrole_text", "regrole"),
    ("sluice_regtype_text", "regtype"),
];

pub(super) fn all(facts: &Arc<Facts>, listed: &Listed) -> Vec<ScalarUDF> {
    let mut all = casts(facts, listed);
    all.extend(visible(facts, listed));
    all.extend(described(facts, listed));
    all
}

fn casts(facts: &Arc<Facts>, listed: &Listed) -> Vec<ScalarUDF> {
    let mut all = Vec::new();
    for (name, kind) in FORWARD {
        let (facts, listed) = (Arc::clone(facts), listed.clone());
        all.push(Called::strict_stable(name, kind, move |arguments| {
            if let Some(oid) = oid(arguments, 0) {
                return Ok(oid.into());
            }
            let name = text(arguments, 0).unwrap_or_default();
            match names::oid_of(kind, &name, &facts, &listed) {
                Some(oid) => Ok(oid.into()),
                None => Err(unknown(kind, &name)),
            }
        }));
    }
    for (name, kind) in [
        ("to_regclass", "regclass"),
        ("to_regnamespace", "regnamespace"),
        ("to_regproc", "regproc"),
        ("to_regrole", "regrole"),
        ("to_regtype", "regtype"),
    ] {
        let (facts, listed) = (Arc::clone(facts), listed.clone());
        all.push(Called::strict_stable(name, kind, move |arguments| {
            let name = text(arguments, 0).unwrap_or_default();
            Ok(names::oid_of(kind, &name, &facts, &listed).into())
        }));
    }
    for (name, kind) in BACKWARD {
        let (facts, listed) = (Arc::clone(facts), listed.clone());
        all.push(Called::strict_stable(name, "text", move |arguments| {
            let path = names::search_path(&facts);
            Ok(oid(arguments, 0)
                .map(|oid| names::shown(kind, oid, &path, &listed))
                .into())
        }));
    }
    all.push(Called::lax_stable("sluice_no_oids", "oid[]", |_| {
        Ok(Value::Null)
    }));
    all.push(Called::strict_stable("sluice_name", "name", |arguments| {
        Ok(text(arguments, 0).into())
    }));
    all.push(Called::strict_stable(
        "sluice_varchar",
        "character varying",
        |arguments| Ok(text(arguments, 0).into()),
    ));
    all
}

/// As PostgreSQL says that a name stands for nothing.
pub(super) fn unknown(kind: &str, name: &str) -> DataFusionError {
    let shown = parts(name).map_or_else(|| name.to_owned(), |parts| parts.join("."));
    let (state, message) = match kind {
        "regclass" => (
            SqlState::UndefinedTable,
            format!("relation \"{shown}\" does not exist"),
        ),
        "regnamespace" => (
            SqlState::InvalidSchemaName,
            format!("schema \"{shown}\" does not exist"),
        ),
        "regproc" => (
            SqlState::UndefinedFunction,
            format!("function \"{shown}\" does not exist"),
        ),
        "oid" => (
            SqlState::InvalidTextRepresentation,
            format!("invalid input syntax for type oid: \"{name}\""),
        ),
        "regrole" => (
            SqlState::UndefinedObject,
            format!("role \"{shown}\" does not exist"),
        ),
        _ => (
            SqlState::UndefinedObject,
            format!("type \"{shown}\" does not exist"),
        ),
    };
    DataFusionError::External(Box::new(Error::user(state, message)))
}

fn visible(facts: &Arc<Facts>, listed: &Listed) -> Vec<ScalarUDF> {
    let (of_relation, temporary) = (Arc::clone(facts), listed.clone());
    let listed = listed.clone();
    let of_session = Called::lax_stable("pg_my_temp_schema", "oid", move |_| {
        // It has none until something temporary is made.
        let there = temporary.has_schema(TEMP_SCHEMA);
        Ok(if there {
            oids::of_schema(TEMP_SCHEMA)
        } else {
            0
        }
        .into())
    });
    let mut all = vec![Called::strict_stable(
        "pg_table_is_visible",
        "boolean",
        move |arguments| {
            let path = names::search_path(&of_relation);
            Ok(oid(arguments, 0)
                .and_then(|oid| names::is_visible(oid, &path, &listed))
                .into())
        },
    )];
    all.push(of_session);
    all.push(Called::strict_stable(
        "pg_type_is_visible",
        "boolean",
        |arguments| {
            Ok(oid(arguments, 0)
                .and_then(builtin::type_of)
                .map(|_| true)
                .into())
        },
    ));
    all.push(Called::strict_stable(
        "pg_function_is_visible",
        "boolean",
        |arguments| {
            Ok(oid(arguments, 0)
                .and_then(builtin::procedure)
                .map(|_| true)
                .into())
        },
    ));
    all
}

fn described(facts: &Arc<Facts>, listed: &Listed) -> Vec<ScalarUDF> {
    let viewed = Arc::clone(facts);
    let describing = Arc::clone(facts);
    let shared = Arc::clone(facts);
    let (listed, beside) = (listed.clone(), listed.clone());
    let mut all = vec![
        Called::strict_stable("pg_get_viewdef", "text", move |arguments| {
            let found = match (oid(arguments, 0), text(arguments, 0)) {
                (Some(oid), _) => oids::relation(oid),
                (None, Some(name)) => names::relation(&name, &names::search_path(&viewed), &beside),
                _ => None,
            };
            let query = found.and_then(|(schema, name)| (viewed.definition)(&schema, &name));
            Ok(query.as_deref().map(definition).into())
        }),
        Called::lax_stable("format_type", "text", |arguments| {
            let Some(oid) = oid(arguments, 0) else {
                return Ok(Value::Null);
            };
            let modifier = number(arguments, 1).and_then(|m| i32::try_from(m).ok());
            Ok(builtin::format_type(oid, modifier).into())
        }),
        Called::strict_stable("obj_description", "text", move |arguments| {
            Ok(object_description(&describing, arguments).into())
        }),
        Called::strict_stable("shobj_description", "text", move |arguments| {
            let class = text(arguments, 1).unwrap_or_default();
            let catalog = shared.catalog();
            let role = oid(arguments, 0)
                .filter(|_| class.ends_with("pg_authid"))
                .and_then(|oid| catalog.roles().all().find(|role| role.oid == oid));
            Ok(role.and_then(|role| role.comment.clone()).into())
        }),
        Called::strict_stable("col_description", "text", move |arguments| {
            let (Some(object), Some(column)) = (oid(arguments, 0), oid(arguments, 1)) else {
                return Ok(Value::Null);
            };
            let class = builtin::class_oid("pg_class").unwrap_or_default();
            Ok(match builtin::description(object, class, column) {
                Some(text) => text.into(),
                None => column_description(&listed, object, column).into(),
            })
        }),
    ];
    all.push(Called::strict(
        "pg_get_function_result",
        "text",
        |arguments| {
            let found = oid(arguments, 0).and_then(signatures::of);
            Ok(found.and_then(|found| found.result.clone()).into())
        },
    ));
    for name in [
        "pg_get_function_arguments",
        "pg_get_function_identity_arguments",
    ] {
        all.push(Called::strict_stable(name, "text", |arguments| {
            let found = oid(arguments, 0).and_then(signatures::of);
            Ok(found.map(|found| found.arguments.clone()).into())
        }));
    }
    all
}

/// What COMMENT ON said of a relation.
fn comment(facts: &Facts, relation: i32) -> Option<String> {
    let (schema, name) = oids::relation(relation)?;
    facts.object(&schema, &name)?.meta().comment.clone()
}

/// What COMMENT ON said of a column.
fn column_description(listed: &Listed, relation: i32, column: i32) -> Option<String> {
    let (schema, name) = oids::relation(relation)?;
    let object = listed.facts().object(&schema, &name)?;
    let comments = &object.meta().column_comments;
    if comments.is_empty() {
        return None;
    }
    let at = usize::try_from(column).ok()?.checked_sub(1)?;
    let columns = listed.columns(&schema, &name)?;
    comments.get(columns.get(at)?.name()).cloned()
}

fn object_description(facts: &Facts, arguments: &[ScalarValue]) -> Option<String> {
    let object = oid(arguments, 0)?;
    if arguments.len() == 1 {
        return comment(facts, object);
    }
    let class = text(arguments, 1)?;
    if class.ends_with("pg_namespace") {
        let schema = oids::schema(object)?;
        if let Some(comment) = facts.catalog().schema_comment(&schema) {
            return Some(comment.to_owned());
        }
        let text = match schema.as_str() {
            "public" => Some("standard public schema"),
            "pg_catalog" => Some("system catalog schema"),
            _ => None,
        };
        return text.map(str::to_owned);
    }
    match builtin::description(object, builtin::class_oid(&class)?, 0) {
        None if class.ends_with("pg_class") => comment(facts, object),
        text => text.map(str::to_owned),
    }
}
