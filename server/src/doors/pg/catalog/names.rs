//! Names and the OIDs they stand for, by the session's search path.

use postgres_types::Type;

use super::{
    Facts, builtin, oids,
    relations::{Listed, role, role_oid},
};
use crate::catalog::Catalog;

/// Where unqualified names are looked for, `pg_catalog` first.
pub(super) fn search_path(facts: &Facts) -> Vec<String> {
    let path = (facts.setting)("search_path");
    let mut schemas = vec!["pg_catalog".to_owned()];
    schemas.extend(named(
        path.as_deref().unwrap_or("\"$user\", public"),
        &facts.user,
    ));
    schemas.dedup();
    schemas
}

/// The schemas of a search path's text.
pub(super) fn named(path: &str, user: &str) -> Vec<String> {
    let schemas = path.split(',').map(|schema| {
        let schema = schema.trim();
        match schema.strip_prefix('"').and_then(|s| s.strip_suffix('"')) {
            Some("$user") => user.to_owned(),
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => schema.trim_matches('\'').to_lowercase(),
        }
    });
    schemas.filter(|schema| !schema.is_empty()).collect()
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

/// Schema and name of the relation a name stands for, whether or not it exists: the first of the path where nothing says more.
pub(super) fn relation(name: &str, path: &[String]) -> Option<(String, String)> {
    match parts(name)?.as_slice() {
        [name] => Some((
            path.iter().find(|s| *s != "pg_catalog")?.clone(),
            name.clone(),
        )),
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
                let schema = path.iter().find(|schema| listed.has(schema, name))?;
                Some(oids::of_relation(schema, name))
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

/// Whether the relation of this OID needs no schema before its name; `None` where there is none.
pub(super) fn is_visible(oid: i32, path: &[String]) -> Option<bool> {
    let (schema, _) = oids::relation(oid)?;
    Some(path.contains(&schema))
}

/// The text of an OID as this alias of `oid` shows it: the name where there is one, else the number.
pub(super) fn shown(kind: &str, oid: i32, path: &[String], catalog: &Catalog) -> String {
    if oid == 0 {
        return "-".into();
    }
    let name = match kind {
        "regclass" => oids::relation(oid).map(|(schema, name)| {
            let name = quoted(&name);
            match path.contains(&schema) {
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
pub(in crate::doors::pg) fn shown_by_default(pg: &Type, oid: i32) -> Option<String> {
    let kind = match *pg {
        Type::REGCLASS => "regclass",
        Type::REGNAMESPACE => "regnamespace",
        Type::REGPROC => "regproc",
        Type::REGROLE => "regrole",
        Type::REGTYPE => "regtype",
        _ => return None,
    };
    let path = ["pg_catalog", "public"].map(str::to_owned);
    Some(shown(kind, oid, &path, &Catalog::new()))
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
