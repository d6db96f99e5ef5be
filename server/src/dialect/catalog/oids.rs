//! OIDs of schemas and relations.
//!
//! PostgreSQL's own have the OIDs they have there. Ours get the next one when they are first asked for, and keep it as long as the process
//! lives, for every session: a pool asks on one connection and uses the answer on another.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use super::shapes;

/// The first that PostgreSQL gives to what users make.
const FIRST: i32 = 16_384;
/// `pg_catalog`, `public` and `information_schema`.
pub(super) const PG_CATALOG: i32 = 11;
pub(super) const PUBLIC: i32 = 2200;
pub(super) const INFORMATION_SCHEMA: i32 = 13_207;
/// The one database.
pub(super) const DATABASE: i32 = FIRST;

/// What an OID of ours stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Thing {
    Schema(String),
    Relation(String, String),
}

#[derive(Default)]
struct Given {
    oids: HashMap<Thing, i32>,
    things: HashMap<i32, Thing>,
}

static GIVEN: LazyLock<Mutex<Given>> = LazyLock::new(Mutex::default);

fn of(thing: Thing) -> i32 {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(oid) = given.oids.get(&thing) {
        return *oid;
    }
    // After the database's own.
    let oid = FIRST.saturating_add(1 + i32::try_from(given.oids.len()).unwrap_or(i32::MAX));
    given.oids.insert(thing.clone(), oid);
    given.things.insert(oid, thing);
    oid
}

fn thing(oid: i32) -> Option<Thing> {
    let given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    given.things.get(&oid).cloned()
}

/// The OID of a schema.
pub(super) fn of_schema(name: &str) -> i32 {
    match name {
        "pg_catalog" => PG_CATALOG,
        "public" => PUBLIC,
        "information_schema" => INFORMATION_SCHEMA,
        _ => of(Thing::Schema(name.to_owned())),
    }
}

/// The OID of a relation.
pub(super) fn of_relation(schema: &str, name: &str) -> i32 {
    match shapes::find(schema, name) {
        Some(shape) => shape.oid,
        None => of(Thing::Relation(schema.to_owned(), name.to_owned())),
    }
}

/// The schema of this OID.
pub(super) fn schema(oid: i32) -> Option<String> {
    match oid {
        PG_CATALOG => Some("pg_catalog".into()),
        PUBLIC => Some("public".into()),
        INFORMATION_SCHEMA => Some("information_schema".into()),
        _ => match thing(oid)? {
            Thing::Schema(name) => Some(name),
            Thing::Relation(..) => None,
        },
    }
}

/// Schema and name of the relation of this OID.
pub(super) fn relation(oid: i32) -> Option<(String, String)> {
    if let Some(shape) = shapes::by_oid(oid) {
        return Some((shape.schema.to_owned(), shape.name.to_owned()));
    }
    match thing(oid)? {
        Thing::Relation(schema, name) => Some((schema, name)),
        Thing::Schema(_) => None,
    }
}
