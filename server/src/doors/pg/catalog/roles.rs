//! Roles as `pg_catalog` tells of them: `pg_roles`, `pg_authid`, `pg_auth_members`, `pg_user`, `pg_group`.
//!
//! Of a password no more is told than that there is one, to superusers too: the verifier is in the root's files and nowhere else.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray, new_null_array,
    },
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{catalog::TableProvider, datasource::MemTable, error::Result};

use super::Facts;
use crate::access::{OWNER_OID, Role, Roles};

/// Relations of upstream's that are told here.
pub(super) const TOLD: [&str; 3] = ["pg_roles", "pg_authid", "pg_auth_members"];
/// Relations that upstream does not have.
pub(super) const ADDED: [&str; 2] = ["pg_user", "pg_group"];

/// What is shown where there is a password.
const SHOWN: &str = "********";

fn roles(facts: &Facts) -> Roles {
    match &facts.access {
        Some((engine, _)) => engine.catalog().roles().clone(),
        None => Roles::default(),
    }
}

/// One of upstream's relations, told from the roles there are; columns as upstream has them.
pub(super) fn relation(
    name: &str,
    schema: &SchemaRef,
    facts: &Facts,
) -> Result<Arc<dyn TableProvider>> {
    let roles = roles(facts);
    let all: Vec<&Arc<Role>> = roles.all().collect();
    let members: Vec<(i32, i32, bool)> = members(&roles);
    let columns = schema.fields().iter().map(|field| {
        let column = match name {
            "pg_auth_members" => member_column(field.name(), &members),
            _ => role_column(field.name(), &all),
        };
        let rows = match name {
            "pg_auth_members" => members.len(),
            _ => all.len(),
        };
        match column {
            Some(column) => Ok(cast(&column, field.data_type())?),
            None => Ok(new_null_array(field.data_type(), rows)),
        }
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    // What is not told is null, whatever upstream promised.
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    table(
        Schema::new_with_metadata(fields, schema.metadata().clone()),
        columns,
    )
}

/// One of the relations that upstream does not have.
pub(super) fn added(name: &str, facts: &Facts) -> Result<Arc<dyn TableProvider>> {
    let roles = roles(facts);
    let all: Vec<&Arc<Role>> = roles
        .all()
        .filter(|role| role.login == (name == "pg_user"))
        .collect();
    let named: &[(&str, &str, DataType)] = match name {
        "pg_user" => &[
            ("usename", "rolname", DataType::Utf8),
            ("usesysid", "oid", DataType::Int32),
            ("usecreatedb", "rolcreatedb", DataType::Boolean),
            ("usesuper", "rolsuper", DataType::Boolean),
            ("userepl", "rolreplication", DataType::Boolean),
            ("usebypassrls", "rolbypassrls", DataType::Boolean),
            ("passwd", "rolpassword", DataType::Utf8),
        ],
        _ => &[
            ("groname", "rolname", DataType::Utf8),
            ("grosysid", "oid", DataType::Int32),
        ],
    };
    let columns = named.iter().map(|(_, column, data_type)| {
        role_column(column, &all).unwrap_or_else(|| new_null_array(data_type, all.len()))
    });
    let columns = columns.collect();
    let fields: Vec<Field> = named
        .iter()
        .map(|(name, _, data_type)| Field::new(*name, data_type.clone(), true))
        .collect();
    table(Schema::new(fields), columns)
}

fn table(schema: Schema, columns: Vec<ArrayRef>) -> Result<Arc<dyn TableProvider>> {
    let schema = Arc::new(schema);
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
}

/// Each membership: the role, its member, whether the member may make others members.
fn members(roles: &Roles) -> Vec<(i32, i32, bool)> {
    let of = |role: &Arc<Role>| {
        let (member, roles) = (role.oid, roles.clone());
        let given: Vec<(i32, i32, bool)> = role
            .member_of
            .iter()
            .filter_map(|(of, admin)| Some((roles.get(of)?.oid, member, *admin)))
            .collect();
        given
    };
    roles.all().flat_map(of).collect()
}

fn member_column(name: &str, members: &[(i32, i32, bool)]) -> Option<ArrayRef> {
    let numbers = |value: fn(&(i32, i32, bool)) -> i32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(members.iter().map(value)))
    };
    Some(match name {
        "oid" => Arc::new(Int32Array::from_iter_values(1..=members.len() as i32)),
        "roleid" => numbers(|(of, _, _)| *of),
        "member" => numbers(|(_, member, _)| *member),
        "grantor" => numbers(|_| OWNER_OID),
        "admin_option" => Arc::new(BooleanArray::from_iter(
            members.iter().map(|(_, _, admin)| Some(*admin)),
        )),
        _ => return None,
    })
}

fn role_column(name: &str, all: &[&Arc<Role>]) -> Option<ArrayRef> {
    let truth = |value: fn(&Role) -> bool| -> ArrayRef {
        Arc::new(BooleanArray::from_iter(
            all.iter().map(|role| Some(value(role))),
        ))
    };
    Some(match name {
        "oid" => Arc::new(Int32Array::from_iter_values(
            all.iter().map(|role| role.oid),
        )),
        "rolname" => Arc::new(StringArray::from_iter_values(
            all.iter().map(|role| &role.name),
        )),
        "rolsuper" | "rolbypassrls" | "rolcreatedb" => truth(|role| role.superuser),
        "rolinherit" => truth(|role| role.inherit),
        "rolcreaterole" => truth(|role| role.create_role),
        "rolcanlogin" => truth(|role| role.login),
        "rolreplication" => truth(|_| false),
        "rolconnlimit" => Arc::new(Int64Array::from_iter_values(
            all.iter()
                .map(|role| role.connection_limit.map_or(-1, i64::from)),
        )),
        "rolpassword" => Arc::new(
            all.iter()
                .map(|role| role.verifier.as_ref().map(|_| SHOWN))
                .collect::<StringArray>(),
        ),
        "rolvaliduntil" => Arc::new(
            TimestampMicrosecondArray::from_iter(
                all.iter()
                    .map(|role| role.valid_until.as_ref().map(|(_, end)| *end)),
            )
            .with_timezone("UTC"),
        ),
        _ => return None,
    })
}
