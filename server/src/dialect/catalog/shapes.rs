//! What PostgreSQL's own relations look like: every relation of `pg_catalog` and `information_schema` with its columns and their types.
//!
//! `relations/shapes.txt` was asked of PostgreSQL 15.18 itself, so that a column has the name, the place and the type a driver expects
//! even where we have nothing to say. Types the engine lacks (`name`, `xid`, `oidvector`, …) are carried by the nearest type it has and a
//! mark in the field's metadata, which the door reads when it describes a result.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock},
};

use arrow::datatypes::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};

use crate::doors::pg::{OID_ALIAS, TYPE};

/// A relation of PostgreSQL's.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) schema: &'static str,
    pub(super) name: &'static str,
    pub(super) oid: i32,
    /// `r` or `v`, as in `pg_class.relkind`.
    pub(super) kind: &'static str,
    pub(super) columns: Vec<Column>,
}

/// A column of one.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// As `format_type` gives it.
    pub(super) pg: &'static str,
    pub(super) not_null: bool,
}

static SHAPES: LazyLock<BTreeMap<(&'static str, &'static str), Shape>> =
    LazyLock::new(|| read(include_str!("relations/shapes.txt")));

fn read(text: &'static str) -> BTreeMap<(&'static str, &'static str), Shape> {
    let mut shapes = BTreeMap::new();
    let mut current: Option<Shape> = None;
    let mut keep = |shape: Option<Shape>| {
        if let Some(shape) = shape {
            shapes.insert((shape.schema, shape.name), shape);
        }
    };
    for line in text.lines() {
        if let Some(column) = line.strip_prefix("  ") {
            let (name, pg) = column.split_once(' ').unwrap_or((column, "text"));
            if let Some(shape) = &mut current {
                shape.columns.push(Column {
                    name: name.trim_end_matches('!'),
                    pg,
                    not_null: name.ends_with('!'),
                });
            }
            continue;
        }
        keep(current.take());
        let mut words = line.split(' ');
        let (schema, name) = words
            .next()
            .and_then(|name| name.split_once('.'))
            .unwrap_or_default();
        current = Some(Shape {
            schema,
            name,
            oid: words.next().and_then(|oid| oid.parse().ok()).unwrap_or(0),
            kind: words.next().unwrap_or("r"),
            columns: Vec::new(),
        });
    }
    keep(current);
    shapes
}

/// All of them, by schema and name.
pub(super) fn all() -> impl Iterator<Item = &'static Shape> {
    SHAPES.values()
}

/// The relations of one schema.
pub(super) fn of_schema(schema: &str) -> impl Iterator<Item = &'static Shape> {
    SHAPES.values().filter(move |shape| shape.schema == schema)
}

/// One of them.
pub(super) fn find(schema: &str, name: &str) -> Option<&'static Shape> {
    static BY_NAME: LazyLock<HashMap<&'static str, Vec<&'static Shape>>> = LazyLock::new(|| {
        let mut names: HashMap<_, Vec<_>> = HashMap::new();
        for shape in SHAPES.values() {
            names.entry(shape.name).or_default().push(shape);
        }
        names
    });
    let shapes = BY_NAME.get(name)?;
    shapes.iter().copied().find(|shape| shape.schema == schema)
}

/// One of them, by its OID.
pub(super) fn by_oid(oid: i32) -> Option<&'static Shape> {
    static BY_OID: LazyLock<HashMap<i32, &'static Shape>> =
        LazyLock::new(|| SHAPES.values().map(|shape| (shape.oid, shape)).collect());
    BY_OID.get(&oid).copied()
}

impl Shape {
    /// The schema of its rows in the engine. Every column may be NULL there: the engine would otherwise rely on a promise.
    pub(super) fn arrow(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|column| {
            let (data_type, mark) = carried(column.pg);
            marked(Field::new(column.name, data_type, true), mark)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// What says which Postgres type a field is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    /// Its Arrow type says it.
    None,
    /// An OID or one of its aliases.
    Oid(&'static str),
    /// Another type of PostgreSQL's, by its name.
    Type(&'static str),
}

/// The field with its mark.
pub(super) fn marked(field: Field, mark: Mark) -> Field {
    let (key, value) = match mark {
        Mark::None => return field,
        Mark::Oid(alias) => (OID_ALIAS, alias),
        Mark::Type(name) => (TYPE, name),
    };
    field.with_metadata(HashMap::from([(key.to_owned(), value.to_owned())]))
}

/// The Arrow type that carries a Postgres type, and the mark that tells it from others carried by the same.
pub(super) fn carried(pg: &'static str) -> (DataType, Mark) {
    let list = |item: DataType| DataType::List(Field::new_list_field(item, true).into());
    match pg {
        "boolean" => (DataType::Boolean, Mark::None),
        "smallint" => (DataType::Int16, Mark::None),
        "integer" => (DataType::Int32, Mark::None),
        "bigint" => (DataType::Int64, Mark::None),
        "real" => (DataType::Float32, Mark::None),
        "double precision" => (DataType::Float64, Mark::None),
        "numeric" => (DataType::Decimal128(38, 6), Mark::None),
        "text" => (DataType::Utf8, Mark::None),
        "bytea" => (DataType::Binary, Mark::None),
        "date" => (DataType::Date32, Mark::None),
        "timestamp without time zone" => {
            (DataType::Timestamp(TimeUnit::Microsecond, None), Mark::None)
        }
        "timestamp with time zone" => (
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Mark::None,
        ),
        "interval" => (DataType::Interval(IntervalUnit::MonthDayNano), Mark::None),
        "oid" | "regclass" | "regnamespace" | "regproc" | "regrole" | "regtype" => {
            (DataType::Int32, Mark::Oid(pg))
        }
        "xid" => (DataType::Int32, Mark::Type(pg)),
        // Their values are texts that look so.
        "json" | "jsonb" | "uuid" | "void" => (DataType::Utf8, Mark::Type(pg)),
        "text[]" => (list(DataType::Utf8), Mark::None),
        "boolean[]" => (list(DataType::Boolean), Mark::None),
        "smallint[]" => (list(DataType::Int16), Mark::None),
        "real[]" => (list(DataType::Float32), Mark::None),
        "double precision[]" => (list(DataType::Float64), Mark::None),
        "oid[]" | "regtype[]" | "oidvector" => (list(DataType::Int32), Mark::Type(pg)),
        "int2vector" => (list(DataType::Int16), Mark::Type(pg)),
        "name[]" | "aclitem[]" | "\"char\"[]" | "uuid[]" | "json[]" | "jsonb[]" => {
            (list(DataType::Utf8), Mark::Type(pg))
        }
        _ => (DataType::Utf8, Mark::Type(pg)),
    }
}
