//! Relations about what is not in a schema: databases, roles, settings.

use super::objects::{DATABASE_OWNER, OWNER};
use crate::doors::pg::catalog::{
    DATABASE, Facts, OWNER as OWNER_NAME, functions, oids,
    rows::{Row, Value},
};

/// Roles that PostgreSQL is born with: nobody logs in as one, and privileges are given by their membership.
pub(in crate::doors::pg::catalog) const PREDEFINED: [(i32, &str); 12] = [
    (3373, "pg_monitor"),
    (3374, "pg_read_all_settings"),
    (3375, "pg_read_all_stats"),
    (3377, "pg_stat_scan_tables"),
    (4200, "pg_signal_backend"),
    (4544, "pg_checkpoint"),
    (4569, "pg_read_server_files"),
    (4570, "pg_write_server_files"),
    (4571, "pg_execute_server_program"),
    (DATABASE_OWNER, "pg_database_owner"),
    (6181, "pg_read_all_data"),
    (6182, "pg_write_all_data"),
];

/// The name of a role.
pub(in crate::doors::pg::catalog) fn role(oid: i32) -> Option<&'static str> {
    if oid == OWNER {
        return Some(OWNER_NAME);
    }
    let found = PREDEFINED.iter().find(|(known, _)| *known == oid);
    found.map(|(_, name)| *name)
}

/// The OID of a role.
pub(in crate::doors::pg::catalog) fn role_oid(name: &str) -> Option<i32> {
    if name == OWNER_NAME {
        return Some(OWNER);
    }
    let found = PREDEFINED.iter().find(|(_, known)| *known == name);
    found.map(|(oid, _)| *oid)
}

pub(super) fn databases() -> Vec<Row> {
    vec![Row::from([
        ("oid", oids::DATABASE.into()),
        ("datname", DATABASE.into()),
        ("datdba", OWNER.into()),
        ("encoding", 6.into()),
        ("datlocprovider", "c".into()),
        ("datallowconn", true.into()),
        ("datconnlimit", (-1).into()),
        ("dattablespace", 1663.into()),
        ("datcollate", "C.UTF-8".into()),
        ("datctype", "C.UTF-8".into()),
    ])]
}

/// `pg_roles` and `pg_authid`; nobody's password is shown.
pub(super) fn roles() -> Vec<Row> {
    let role = |oid: i32, name: &str, owner: bool| {
        Row::from([
            ("oid", oid.into()),
            ("rolname", name.into()),
            ("rolsuper", owner.into()),
            ("rolinherit", true.into()),
            ("rolcreaterole", owner.into()),
            ("rolcreatedb", owner.into()),
            ("rolcanlogin", owner.into()),
            ("rolreplication", owner.into()),
            ("rolbypassrls", owner.into()),
            ("rolconnlimit", (-1).into()),
        ])
    };
    let mut rows = vec![role(OWNER, OWNER_NAME, true)];
    rows.extend(PREDEFINED.map(|(oid, name)| role(oid, name, false)));
    rows
}

/// `pg_roles` says that there is a password which it does not show.
pub(super) fn roles_without_passwords() -> Vec<Row> {
    let mut rows = roles();
    for row in &mut rows {
        row.insert("rolpassword", "********".into());
    }
    rows
}

/// `pg_user` and `pg_shadow`: roles that may log in.
pub(super) fn users() -> Vec<Row> {
    vec![Row::from([
        ("usename", OWNER_NAME.into()),
        ("usesysid", OWNER.into()),
        ("usecreatedb", true.into()),
        ("usesuper", true.into()),
        ("userepl", true.into()),
        ("usebypassrls", true.into()),
        ("passwd", "********".into()),
    ])]
}

/// `pg_settings`: of its many columns those that are asked for have values.
pub(super) fn settings(facts: &Facts) -> Vec<Row> {
    let settings = functions::settings(facts).into_iter();
    let rows = settings.map(|(name, value)| {
        Row::from([
            ("name", name.into()),
            ("setting", value.clone().into()),
            ("boot_val", value.clone().into()),
            ("reset_val", value.into()),
            ("context", "user".into()),
            ("vartype", "string".into()),
            ("source", "default".into()),
            ("pending_restart", Value::Bool(false)),
        ])
    });
    rows.collect()
}
