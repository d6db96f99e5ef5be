//! Relations about what is not in a schema: databases, roles, settings.

use datafusion::scalar::ScalarValue;

use super::listed::access_list;
use crate::{
    access::{OWNER_OID, Role, Target},
    catalog::Catalog,
    dialect::catalog::{
        DATABASE, Facts, builtin, functions, oids,
        rows::{Row, Value},
    },
};

/// What is shown where there is a password: the verifier is in the root's files and nowhere else.
const SHOWN: &str = "********";

/// The name of a role.
pub(in crate::dialect::catalog) fn role(catalog: &Catalog, oid: i32) -> Option<String> {
    let found = catalog.roles().all().find(|role| role.oid == oid);
    found.map(|role| role.name.clone())
}

/// The OID of a role.
pub(in crate::dialect::catalog) fn role_oid(catalog: &Catalog, name: &str) -> Option<i32> {
    catalog.roles().get(name).map(|role| role.oid)
}

/// The OID of the role that owns something.
pub(in crate::dialect::catalog) fn owner_oid(catalog: &Catalog, name: &str) -> i32 {
    role_oid(catalog, name).unwrap_or(OWNER_OID)
}

pub(super) fn databases(catalog: &Catalog) -> Vec<Row> {
    // NULL where nothing but what everybody has from the start was given.
    let changed = catalog.database_acl() != Catalog::new().database_acl();
    let datacl = changed.then(|| access_list(catalog, Target::Database));
    let datacl = datacl.flatten();
    vec![Row::from([
        ("oid", oids::DATABASE.into()),
        ("datname", DATABASE.into()),
        ("datdba", OWNER_OID.into()),
        ("encoding", 6.into()),
        ("datlocprovider", "c".into()),
        ("datallowconn", true.into()),
        ("datconnlimit", (-1).into()),
        ("dattablespace", 1663.into()),
        ("datcollate", "C.UTF-8".into()),
        ("datctype", "C.UTF-8".into()),
        ("datacl", datacl.into()),
    ])]
}

/// `pg_authid`; of a password no more is told than that there is one.
pub(super) fn roles(catalog: &Catalog) -> Vec<Row> {
    let rows = catalog.roles().all().map(|role| {
        Row::from([
            ("oid", role.oid.into()),
            ("rolname", role.name.as_str().into()),
            ("rolsuper", role.superuser.into()),
            ("rolinherit", role.inherit.into()),
            ("rolcreaterole", role.create_role.into()),
            ("rolcreatedb", role.superuser.into()),
            ("rolcanlogin", role.login.into()),
            ("rolreplication", false.into()),
            ("rolbypassrls", role.superuser.into()),
            (
                "rolconnlimit",
                role.connection_limit.map_or(-1, i64::from).into(),
            ),
            ("rolpassword", role.verifier.as_ref().map(|_| SHOWN).into()),
            ("rolvaliduntil", valid_until(role)),
        ])
    });
    rows.collect()
}

fn valid_until(role: &Role) -> Value {
    role.valid_until.as_ref().map_or(Value::Null, |(_, end)| {
        Value::Ready(ScalarValue::TimestampMicrosecond(
            Some(*end),
            Some("UTC".into()),
        ))
    })
}

/// `pg_roles` does not say whether there is a password.
pub(super) fn roles_without_passwords(catalog: &Catalog) -> Vec<Row> {
    let mut rows = roles(catalog);
    for row in &mut rows {
        row.insert("rolpassword", SHOWN.into());
    }
    rows
}

/// `pg_user` and `pg_shadow`: roles that may log in.
pub(super) fn users(catalog: &Catalog) -> Vec<Row> {
    let users = catalog.roles().all().filter(|role| role.login);
    let rows = users.map(|role| {
        Row::from([
            ("usename", role.name.as_str().into()),
            ("usesysid", role.oid.into()),
            ("usecreatedb", role.superuser.into()),
            ("usesuper", role.superuser.into()),
            ("userepl", false.into()),
            ("usebypassrls", role.superuser.into()),
            ("passwd", SHOWN.into()),
            ("valuntil", valid_until(role)),
        ])
    });
    rows.collect()
}

/// What COMMENT ON said of roles, for `pg_shdescription`.
pub(super) fn descriptions(catalog: &Catalog) -> Vec<Row> {
    let class = builtin::class_oid("pg_authid").unwrap_or_default();
    let rows = catalog.roles().all().filter_map(|role| {
        let comment = role.comment.as_deref()?;
        Some(Row::from([
            ("objoid", role.oid.into()),
            ("classoid", class.into()),
            ("description", comment.into()),
        ]))
    });
    rows.collect()
}

/// `pg_group`: roles that nobody logs in as.
pub(super) fn groups(catalog: &Catalog) -> Vec<Row> {
    let roles = catalog.roles();
    let rows = roles.all().filter(|role| !role.login).map(|group| {
        let members = roles
            .all()
            .filter(|role| role.member_of.contains_key(&group.name));
        Row::from([
            ("groname", group.name.as_str().into()),
            ("grosysid", group.oid.into()),
            (
                "grolist",
                members.map(|role| role.oid).collect::<Vec<_>>().into(),
            ),
        ])
    });
    rows.collect()
}

/// `pg_auth_members`: who is a member of which role.
pub(super) fn members(catalog: &Catalog) -> Vec<Row> {
    let roles = catalog.roles();
    let rows = roles.all().flat_map(|member| {
        member.member_of.iter().filter_map(|(of, admin)| {
            Some(Row::from([
                ("roleid", roles.get(of)?.oid.into()),
                ("member", member.oid.into()),
                ("grantor", OWNER_OID.into()),
                ("admin_option", (*admin).into()),
            ]))
        })
    });
    rows.collect()
}

/// `pg_settings`: of its many columns those that are asked for have values.
pub(super) fn settings(facts: &Facts) -> Vec<Row> {
    let settings = functions::settings(facts).into_iter();
    let rows = settings.map(|setting| {
        let context = if setting.may_change {
            "user"
        } else {
            "internal"
        };
        let source = match setting.value == setting.default {
            true => "default",
            false => "session",
        };
        Row::from([
            ("name", setting.name.into()),
            ("setting", setting.value.into()),
            ("boot_val", setting.default.into()),
            ("reset_val", setting.default.into()),
            ("context", context.into()),
            ("vartype", "string".into()),
            ("source", source.into()),
            ("pending_restart", Value::Bool(false)),
        ])
    });
    rows.collect()
}
