//! `information_schema`: the standard's view of the same, with PostgreSQL's columns.

use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::{
    catalog::{SchemaProvider, TableProvider},
    error::{DataFusionError, Result},
};
use sluice_sql::Privilege;

use super::{
    DATABASE, builtin,
    relations::{Described, Listed, definition, described, described_shape, lazy},
    rows::{self, Row, Value},
    shapes::{self, Shape},
};
use crate::{
    access::{Rights, Target},
    catalog::TEMP_SCHEMA,
};

/// The schema's name.
pub(super) const NAME: &str = "information_schema";

/// The schema.
#[derive(Debug)]
pub(super) struct Information(pub(super) Listed);

#[async_trait]
impl SchemaProvider for Information {
    fn table_names(&self) -> Vec<String> {
        shapes::of_schema(NAME)
            .map(|shape| shape.name.to_owned())
            .collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some(shape) = shapes::find(NAME, &name.to_ascii_lowercase()) else {
            return Ok(None);
        };
        let listed = self.0.clone();
        lazy(shape, move || {
            let listed = listed.clone();
            Box::pin(async move { rows_of(shape, &listed).await })
        })
        .map(Some)
    }

    fn table_exist(&self, name: &str) -> bool {
        shapes::find(NAME, &name.to_ascii_lowercase()).is_some()
    }
}

async fn rows_of(shape: &Shape, listed: &Listed) -> Result<RecordBatch> {
    let rows: Vec<Row> = match shape.name {
        "columns" => columns(listed).await,
        "information_schema_catalog_name" => vec![Row::from([("catalog_name", DATABASE.into())])],
        "enabled_roles" => roles(listed),
        "schemata" => schemata(listed),
        "tables" => tables(listed).await,
        "table_privileges" | "role_table_grants" => privileges(listed).await,
        "views" => views(listed).await,
        _ => Vec::new(),
    };
    rows::batch(shape, &rows)
}

/// Roles whose privileges the session has.
fn roles(listed: &Listed) -> Vec<Row> {
    let (catalog, role) = (listed.facts().catalog(), listed.facts().role());
    let roles = catalog.roles();
    let enabled = roles
        .all()
        .filter(|other| roles.is_superuser(&role) || roles.has_privileges_of(&role, &other.name));
    let rows = enabled.map(|role| Row::from([("role_name", role.name.as_str().into())]));
    rows.collect()
}

fn schemata(listed: &Listed) -> Vec<Row> {
    let theirs = ["pg_catalog", "pg_toast", NAME].map(str::to_owned);
    let names = listed.schemas().into_iter().chain(theirs);
    let catalog = listed.facts().catalog();
    let rows = names.map(|name| {
        let owner = catalog.schema_owner(&name);
        Row::from([
            ("catalog_name", DATABASE.into()),
            ("schema_owner", owner.into()),
            ("schema_name", name.into()),
        ])
    });
    rows.collect()
}

async fn tables(listed: &Listed) -> Vec<Row> {
    let row = |schema: &str, name: &str, kind: &str| {
        let table = kind == "r";
        Row::from([
            ("table_catalog", DATABASE.into()),
            ("table_schema", schema.into()),
            ("table_name", name.into()),
            (
                "table_type",
                match table {
                    // Views too, as in PostgreSQL.
                    _ if schema == TEMP_SCHEMA => "LOCAL TEMPORARY",
                    true => "BASE TABLE",
                    false => "VIEW",
                }
                .into(),
            ),
            (
                "is_insertable_into",
                if table { "YES" } else { "NO" }.into(),
            ),
            ("is_typed", "NO".into()),
        ])
    };
    let theirs = shapes::all().map(|shape| row(shape.schema, shape.name, shape.kind));
    let relations = listed.relations().await;
    let ours = relations.iter().map(|r| row(&r.schema, &r.name, r.kind));
    theirs.chain(ours).collect()
}

async fn views(listed: &Listed) -> Vec<Row> {
    let relations = listed.relations().await;
    let views = relations.iter().filter(|relation| relation.kind == "v");
    let rows = views.map(|view| {
        Row::from([
            ("table_catalog", DATABASE.into()),
            ("table_schema", view.schema.as_str().into()),
            ("table_name", view.name.as_str().into()),
            (
                "view_definition",
                view.definition.as_deref().map(definition).into(),
            ),
            ("check_option", "NONE".into()),
            ("is_updatable", "NO".into()),
            ("is_insertable_into", "NO".into()),
            ("is_trigger_updatable", "NO".into()),
            ("is_trigger_deletable", "NO".into()),
            ("is_trigger_insertable_into", "NO".into()),
        ])
    });
    rows.collect()
}

/// Who has which privileges on what there is: the owner every one, others what was given to them.
async fn privileges(listed: &Listed) -> Vec<Row> {
    let mut rows = Vec::new();
    for relation in listed.relations().await {
        let mut give = |grantee: &str, rights: Rights, grantable: Rights| {
            rows.extend(rights.iter().map(|privilege| {
                let yes = |yes: bool| Value::from(if yes { "YES" } else { "NO" });
                Row::from([
                    ("grantor", relation.owner.as_str().into()),
                    ("grantee", grantee.into()),
                    ("table_catalog", DATABASE.into()),
                    ("table_schema", relation.schema.as_str().into()),
                    ("table_name", relation.name.as_str().into()),
                    ("privilege_type", privilege.word().into()),
                    ("is_grantable", yes(grantable.has(privilege))),
                    ("with_hierarchy", yes(privilege == Privilege::Select)),
                ])
            }));
        };
        let Some(object) = &relation.object else {
            let read = Rights::of(&[Privilege::Select]);
            give("PUBLIC", read, Rights::NONE);
            continue;
        };
        let all = Target::Relation(object).all();
        give(&relation.owner, all, all);
        for (grantee, given) in object.meta().acl.iter() {
            give(grantee.unwrap_or("PUBLIC"), given.rights, given.grantable);
        }
    }
    rows
}

async fn columns(listed: &Listed) -> Vec<Row> {
    let mut rows = Vec::new();
    for shape in shapes::all() {
        push(
            &mut rows,
            shape.schema,
            shape.name,
            shape.kind,
            &described_shape(shape),
        );
    }
    for relation in listed.relations().await {
        let columns = described(&relation);
        push(
            &mut rows,
            &relation.schema,
            &relation.name,
            relation.kind,
            &columns,
        );
    }
    rows
}

fn push(rows: &mut Vec<Row>, schema: &str, table: &str, kind: &str, columns: &[Described<'_>]) {
    for (i, column) in columns.iter().enumerate() {
        let mut row = Row::from([
            ("table_catalog", DATABASE.into()),
            ("table_schema", schema.into()),
            ("table_name", table.into()),
            ("column_name", column.name.into()),
            ("ordinal_position", Value::Int(i as i64 + 1)),
            (
                "is_nullable",
                if column.not_null { "NO" } else { "YES" }.into(),
            ),
            ("udt_catalog", DATABASE.into()),
            ("udt_schema", "pg_catalog".into()),
            ("dtd_identifier", (i + 1).to_string().into()),
            ("is_self_referencing", "NO".into()),
            ("is_identity", "NO".into()),
            ("identity_cycle", "NO".into()),
            ("is_generated", "NEVER".into()),
            (
                "is_updatable",
                if kind == "r" { "YES" } else { "NO" }.into(),
            ),
        ]);
        typed(&mut row, column);
        rows.push(row);
    }
}

/// What the standard wants to know of a type.
fn typed(row: &mut Row, column: &Described<'_>) {
    let Some(known) = builtin::type_of(column.oid) else {
        return;
    };
    row.insert("udt_name", known.name.as_str().into());
    let data_type = match known.element {
        0 => builtin::format_type(column.oid, None),
        _ => "ARRAY".into(),
    };
    row.insert("data_type", data_type.into());
    let number = |row: &mut Row, precision: i32, radix: i32, scale: Option<i32>| {
        row.insert("numeric_precision", precision.into());
        row.insert("numeric_precision_radix", radix.into());
        row.insert("numeric_scale", scale.into());
    };
    match known.name.as_str() {
        "int2" => number(row, 16, 2, Some(0)),
        "int4" => number(row, 32, 2, Some(0)),
        "int8" => number(row, 64, 2, Some(0)),
        "float4" => number(row, 24, 2, None),
        "float8" => number(row, 53, 2, None),
        "numeric" => {
            row.insert("numeric_precision_radix", 10.into());
            if column.modifier >= 0 {
                let modifier = column.modifier - 4;
                number(row, modifier >> 16, 10, Some(modifier & 0x7ff));
            }
        }
        "varchar" | "bpchar" if column.modifier >= 4 => {
            let length = column.modifier - 4;
            row.insert("character_maximum_length", length.into());
            // A character has at most four bytes.
            row.insert("character_octet_length", length.saturating_mul(4).into());
        }
        "text" | "varchar" | "bpchar" => {
            row.insert("character_octet_length", (1 << 30).into());
        }
        "name" => {
            row.insert("collation_catalog", DATABASE.into());
            row.insert("collation_schema", "pg_catalog".into());
            row.insert("collation_name", "C".into());
        }
        "date" => {
            row.insert("datetime_precision", 0.into());
        }
        "time" | "timetz" | "timestamp" | "timestamptz" | "interval" => {
            row.insert("datetime_precision", 6.into());
        }
        _ => {}
    }
}
