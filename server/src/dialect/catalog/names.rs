//! Names and the OIDs they stand for, by the session's search path.

use postgres_types::Type;

use super::{
    Facts, builtin, oids,
    relations::{Listed, NAME, role, role_oid},
};
use crate::catalog::{Catalog, TEMP_SCHEMA};

/// Where unqualified names are looked for: the schemas that are there and may be used, `pg_catalog` first unless it has a place of its own.
pub(super) fn search_path(facts: &Facts) -> Vec<String> {
    let mut schemas = facts.schemas();
    if !schemas.iter().any(|schema| schema == NAME) {
        schemas.insert(0, NAME.to_owned());
    }
    schemas
}

/// The schema of the path that a relation of this name is found in.
fn found_in<'a>(name: &str, path: &'a [String], listed: &Listed) -> Option<&'a str> {
    if listed.has(TEMP_SCHEMA, name) {
        return Some(TEMP_SCHEMA);
    }
    let mut path = path.iter().map(String::as_str);
    path.find(|schema| listed.has(schema, name))
}

/// The parts of a qualified name, unquoted ones in lower case; `None` where a quote is not closed.
pub(super) fn parts(name: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = name.trim();
    loop {
        let part = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut part = String::new();
                let mut letters = quoted.char_indices();
                let end = loop {
                    match letters.next()? {
                        (at, '"') if quoted.get(at + 1..)?.starts_with('"') => {
                            part.push('"');
                            letters.next();
                        }
                        (at, '"') => break at + 1,
                        (_, letter) => part.push(letter),
                    }
                };
                rest = quoted.get(end..)?.trim_start();
                part
            }
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let (part, after) = rest.split_at(end);
                rest = after;
                part.trim().to_lowercase()
            }
        };
        parts.push(part);
        match rest.strip_prefix('.') {
            Some(after) => rest = after.trim_start(),
            None => return rest.is_empty().then_some(parts),
        }
    }
}

/// Schema and name of the relation a name stands for, whether or not it exists where it says its schema.
pub(super) fn relation(name: &str, path: &[String], listed: &Listed) -> Option<(String, String)> {
    match parts(name)?.as_slice() {
        [name] => Some((found_in(name, path, listed)?.to_owned(), name.clone())),
        [schema, name] => Some((schema.clone(), name.clone())),
        _ => None,
    }
}

/// The OID that a name stands for, as a value of this alias of `oid`.
pub(super) fn oid_of(kind: &str, name: &str, facts: &Facts, listed: &Listed) -> Option<i32> {
    if let Ok(oid) = name.trim().parse::<u32>() {
        return Some(oid.cast_signed());
    }
    match kind {
        "regclass" => match parts(name)?.as_slice() {
            [name] => {
                let path = search_path(facts);
                Some(oids::of_relation(found_in(name, &path, listed)?, name))
            }
            [schema, name] if listed.has(schema, name) => Some(oids::of_relation(schema, name)),
            _ => None,
        },
        "regnamespace" => match parts(name)?.as_slice() {
            [name] if listed.has_schema(name) => Some(oids::of_schema(name)),
            _ => None,
        },
        "regtype" => builtin::type_oid(name),
        "regproc" => builtin::procedure_oid(&parts(name)?.join(".")),
        "regrole" => role_oid(&facts.catalog(), parts(name)?.first()?),
        _ => None,
    }
}

/// Whether the relation of this OID needs no schema before its name: no other of the path has it first; `None` where there is none.
pub(super) fn is_visible(oid: i32, path: &[String], listed: &Listed) -> Option<bool> {
    let (schema, name) = oids::relation(oid)?;
    Some(found_in(&name, path, listed) == Some(schema.as_str()))
}

/// The text of an OID as this alias of `oid` shows it: the name where there is one, else the number.
pub(super) fn shown(kind: &str, oid: i32, path: &[String], listed: &Listed) -> String {
    let hidden = |schema: &str, name: &str| {
        let first = found_in(name, path, listed);
        first.is_some_and(|first| first != schema)
    };
    shown_unless(kind, oid, path, &listed.facts().catalog(), &hidden)
}

fn shown_unless(
    kind: &str,
    oid: i32,
    path: &[String],
    catalog: &Catalog,
    hidden: &dyn Fn(&str, &str) -> bool,
) -> String {
    if oid == 0 {
        return "-".into();
    }
    let name = match kind {
        "regclass" => oids::relation(oid).map(|(schema, name)| {
            let plain =
                (path.contains(&schema) || schema == TEMP_SCHEMA) && !hidden(&schema, &name);
            let name = quoted(&name);
            match plain {
                true => name,
                false => format!("{}.{name}", quoted(&schema)),
            }
        }),
        "regnamespace" => oids::schema(oid).map(|name| quoted(&name)),
        "regproc" => builtin::procedure(oid).map(str::to_owned),
        "regrole" => role(catalog, oid).map(|name| quoted(&name)),
        "regtype" => builtin::type_of(oid).map(|_| builtin::format_type(oid, None)),
        _ => None,
    };
    name.unwrap_or_else(|| oid.cast_unsigned().to_string())
}

/// The text of a value of this type, for the door's encoder, which knows no session: names are as the default search path shows them.
pub(crate) fn shown_by_default(pg: &Type, oid: i32) -> Option<String> {
    let kind = match *pg {
        Type::REGCLASS => "regclass",
        Type::REGNAMESPACE => "regnamespace",
        Type::REGPROC => "regproc",
        Type::REGROLE => "regrole",
        Type::REGTYPE => "regtype",
        _ => return None,
    };
    let path = ["pg_catalog", "public"].map(str::to_owned);
    Some(shown_unless(kind, oid, &path, &Catalog::new(), &|_, _| {
        false
    }))
}

/// `quote_ident`: quoted unless it could be nothing but a name.
pub(super) fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain && !builtin::is_keyword(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
