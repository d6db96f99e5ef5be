//! Relations about relations: `pg_class`, `pg_attribute`, `pg_namespace`, `pg_tables`, `pg_views`; and who may call the functions of `pg_proc`.

use std::sync::Arc;

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::Field,
};
use datafusion::{error::Result, scalar::ScalarValue};
use postgres_types::{Kind, Type};

use super::{
    cluster::owner_oid,
    listed::{Relation, access_list},
};
use crate::{
    access::{OWNER, OWNER_OID, Target},
    catalog::{Catalog, TEMP_SCHEMA},
    dialect::catalog::{
        builtin::{self, TypeRow},
        oids,
        rows::{Row, Value, scalar},
        shapes::{self, Shape},
    },
    doors::pg::{modifier, pg_type},
};

/// Of the access method `heap`.
const HEAP: i32 = 2;

/// Relations that PostgreSQL shares among all databases.
const SHARED: [&str; 11] = [
    "pg_auth_members",
    "pg_authid",
    "pg_database",
    "pg_db_role_setting",
    "pg_parameter_acl",
    "pg_replication_origin",
    "pg_shdepend",
    "pg_shdescription",
    "pg_shseclabel",
    "pg_subscription",
    "pg_tablespace",
];

pub(super) fn namespaces(schemas: &[String], catalog: &Catalog) -> Vec<Row> {
    let row = |name: &str, owner: i32, acl: Option<Vec<String>>| {
        Row::from([
            ("oid", oids::of_schema(name).into()),
            ("nspname", name.into()),
            ("nspowner", owner.into()),
            ("nspacl", acl.into()),
        ])
    };
    let everybody = || Some(["sluice=UC/sluice", "=U/sluice"].map(str::to_owned).into());
    let mut rows = vec![
        row("pg_catalog", OWNER_OID, everybody()),
        row("information_schema", OWNER_OID, everybody()),
        Row::from([
            ("oid", 99.into()),
            ("nspname", "pg_toast".into()),
            ("nspowner", OWNER_OID.into()),
        ]),
    ];
    rows.extend(schemas.iter().map(|name| {
        let owner = owner_oid(catalog, catalog.schema_owner(name));
        row(name, owner, access_list(catalog, Target::Schema(name)))
    }));
    rows
}

pub(super) fn classes(relations: &[Relation], catalog: &Catalog) -> Vec<Row> {
    let row = |schema: &str, name: &str, oid: i32, kind: &str, columns: usize| {
        let table = kind == "r";
        Row::from([
            ("oid", oid.into()),
            ("relname", name.into()),
            ("relnamespace", oids::of_schema(schema).into()),
            ("relowner", OWNER_OID.into()),
            ("relam", (if table { HEAP } else { 0 }).into()),
            ("relfilenode", (if table { oid } else { 0 }).into()),
            ("reltuples", Value::Real(-1.0)),
            ("relpersistence", "p".into()),
            ("relkind", kind.into()),
            ("relnatts", Value::Int(columns as i64)),
            ("relhasrules", (!table).into()),
            ("relispopulated", true.into()),
            ("relreplident", (if table { "d" } else { "n" }).into()),
        ])
    };
    let mut rows: Vec<Row> = shapes::all()
        .map(|shape| {
            let mut row = row(
                shape.schema,
                shape.name,
                shape.oid,
                shape.kind,
                shape.columns.len(),
            );
            row.insert("relisshared", SHARED.contains(&shape.name).into());
            row.insert("relreplident", "n".into());
            row.insert("relacl", vec!["sluice=arwdDxt/sluice", "=r/sluice"].into());
            row
        })
        .collect();
    rows.extend(relations.iter().map(|relation| {
        let mut row = row(
            &relation.schema,
            &relation.name,
            relation.oid,
            relation.kind,
            relation.columns.len(),
        );
        row.insert("relowner", owner_oid(catalog, &relation.owner).into());
        if relation.schema == TEMP_SCHEMA {
            row.insert("relpersistence", "t".into());
        }
        if let Some(object) = &relation.object {
            let acl = access_list(catalog, Target::Relation(object));
            row.insert("relacl", acl.into());
        }
        row
    }));
    rows
}

pub(super) fn attributes(relations: &[Relation]) -> Vec<Row> {
    let mut rows = Vec::new();
    for shape in shapes::all() {
        rows.extend(columns_of(shape));
    }
    for relation in relations {
        for (i, field) in relation.columns.iter().enumerate() {
            let pg = pg_type(field);
            let oid = pg.oid().cast_signed();
            let mut row = attribute(relation.oid, i, field.name(), oid, !field.is_nullable());
            row.insert("atttypmod", modifier(field).into());
            if let Kind::Array(_) = pg.kind() {
                row.insert("attndims", 1.into());
            }
            rows.push(row);
        }
    }
    rows
}

fn columns_of(shape: &'static Shape) -> impl Iterator<Item = Row> {
    shape.columns.iter().enumerate().map(|(i, column)| {
        let oid = builtin::type_oid(column.pg).unwrap_or(Type::TEXT.oid().cast_signed());
        attribute(shape.oid, i, column.name, oid, column.not_null)
    })
}

fn attribute(relation: i32, i: usize, name: &str, oid: i32, not_null: bool) -> Row {
    let mut row = Row::from([
        ("attrelid", relation.into()),
        ("attname", name.into()),
        ("atttypid", oid.into()),
        ("attstattarget", (-1).into()),
        ("attnum", Value::Int(i as i64 + 1)),
        ("attcacheoff", (-1).into()),
        ("atttypmod", (-1).into()),
        ("attnotnull", not_null.into()),
        ("attislocal", true.into()),
    ]);
    if let Some(TypeRow {
        length,
        by_value,
        align,
        storage,
        collation,
        ..
    }) = builtin::type_of(oid)
    {
        row.extend([
            ("attlen", Value::Int((*length).into())),
            ("attbyval", (*by_value).into()),
            ("attalign", align.as_str().into()),
            ("attstorage", storage.as_str().into()),
            ("attcollation", (*collation).into()),
        ]);
    }
    row
}

pub(super) fn tables(relations: &[Relation]) -> Vec<Row> {
    let row = |schema: &str, name: &str, owner: &str| {
        Row::from([
            ("schemaname", schema.into()),
            ("tablename", name.into()),
            ("tableowner", owner.into()),
            ("hasindexes", false.into()),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ])
    };
    let theirs = shapes::all().filter(|shape| shape.kind == "r");
    let mut rows: Vec<Row> = theirs
        .map(|shape| row(shape.schema, shape.name, OWNER))
        .collect();
    let ours = relations.iter().filter(|relation| relation.kind == "r");
    rows.extend(ours.map(|relation| row(&relation.schema, &relation.name, &relation.owner)));
    rows
}

pub(super) fn views(relations: &[Relation]) -> Vec<Row> {
    let views = relations.iter().filter(|relation| relation.kind == "v");
    let ours = views.map(|view| {
        Row::from([
            ("schemaname", view.schema.as_str().into()),
            ("viewname", view.name.as_str().into()),
            ("viewowner", view.owner.as_str().into()),
            (
                "definition",
                view.definition.as_deref().map(definition).into(),
            ),
        ])
    });
    ours.collect()
}

/// What COMMENT ON said of relations and their columns, for `pg_description`.
pub(super) fn descriptions(relations: &[Relation]) -> Vec<Row> {
    let class = builtin::class_oid("pg_class").unwrap_or_default();
    let row = |relation: &Relation, column: usize, text: &str| {
        Row::from([
            ("objoid", relation.oid.into()),
            ("classoid", class.into()),
            ("objsubid", Value::Int(column as i64)),
            ("description", text.into()),
        ])
    };
    let mut rows = Vec::new();
    for relation in relations {
        let Some(meta) = relation.object.as_ref().map(|object| object.meta()) else {
            continue;
        };
        rows.extend(meta.comment.iter().map(|text| row(relation, 0, text)));
        for (i, field) in relation.columns.iter().enumerate() {
            let text = meta.column_comments.get(field.name());
            rows.extend(text.map(|text| row(relation, i + 1, text)));
        }
    }
    rows
}

/// What COMMENT ON said of schemas.
pub(super) fn schema_descriptions(catalog: &Catalog) -> Vec<Row> {
    let class = builtin::class_oid("pg_namespace").unwrap_or_default();
    let rows = catalog.schemas().filter_map(|schema| {
        let text = catalog.schema_comment(schema)?;
        Some(Row::from([
            ("objoid", oids::of_schema(schema).into()),
            ("classoid", class.into()),
            ("objsubid", 0.into()),
            ("description", text.into()),
        ]))
    });
    rows.collect()
}

/// A view's query as `pg_get_viewdef` ends it.
pub(in crate::dialect::catalog) fn definition(query: &str) -> String {
    format!(" {query};")
}

/// Tables as the statistics views name them; nobody counts here.
pub(super) fn statistics(relations: &[Relation]) -> Vec<Row> {
    let tables = relations
        .iter()
        .filter(|relation| relation.kind == "r" && relation.schema != "system");
    let rows = tables.map(|table| {
        Row::from([
            ("n_live_tup", 0.into()),
            ("n_dead_tup", 0.into()),
            ("relid", table.oid.into()),
            ("schemaname", table.schema.as_str().into()),
            ("relname", table.name.as_str().into()),
        ])
    });
    rows.collect()
}

/// The columns of a relation for `information_schema.columns`.
pub(in crate::dialect::catalog) struct Described<'a> {
    pub(in crate::dialect::catalog) name: &'a str,
    pub(in crate::dialect::catalog) oid: i32,
    pub(in crate::dialect::catalog) modifier: i32,
    pub(in crate::dialect::catalog) not_null: bool,
}

/// Of one of PostgreSQL's.
pub(in crate::dialect::catalog) fn described_shape(
    shape: &'static Shape,
) -> Vec<Described<'static>> {
    let columns = shape.columns.iter().map(|column| Described {
        name: column.name,
        oid: builtin::type_oid(column.pg).unwrap_or(Type::TEXT.oid().cast_signed()),
        modifier: -1,
        not_null: column.not_null,
    });
    columns.collect()
}

/// Of one of ours.
pub(in crate::dialect::catalog) fn described(relation: &Relation) -> Vec<Described<'_>> {
    let columns = relation
        .columns
        .iter()
        .map(|field: &std::sync::Arc<Field>| Described {
            name: field.name(),
            oid: pg_type(field).oid().cast_signed(),
            modifier: modifier(field),
            not_null: !field.is_nullable(),
        });
    columns.collect()
}

/// The rows of `pg_proc`, with the access lists of functions of which something was said; `NULL` says that everybody may call them.
pub(super) fn with_rights(functions: RecordBatch, catalog: &Catalog) -> Result<RecordBatch> {
    let said = catalog.functions();
    if said.is_empty() {
        return Ok(functions);
    }
    let schema = functions.schema();
    let (name, acl) = (schema.index_of("proname")?, schema.index_of("proacl")?);
    let data_type = schema.field(acl).data_type();
    let names = functions.column(name).as_string::<i32>().iter();
    let lists = names.map(|name| {
        match name.and_then(|name| Some((Target::Function(name), said.get(name)?))) {
            Some((on, acl)) => {
                let items = acl.items(catalog.owner(on), on.all());
                scalar(&items.into(), data_type)
            }
            None => ScalarValue::try_from(data_type),
        }
    });
    let lists = ScalarValue::iter_to_array(lists.collect::<Result<Vec<_>>>()?)?;
    let mut columns = functions.columns().to_vec();
    columns[acl] = lists;
    Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
}
