//! What every PostgreSQL has from the start and ours is asked about too: types, functions, operators, casts, collations, descriptions.
//!
//! `datafusion-pg-catalog` carries PostgreSQL's own tables; here they are brought to the shape that the version we speak as has: columns in
//! its order, OIDs of functions as OIDs, arrays as arrays.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, StringArray},
    compute::{cast, concat_batches},
    datatypes::{DataType, Int16Type, Int32Type},
};
use datafusion::{error::Result, scalar::ScalarValue};
use datafusion_pg_catalog::pg_catalog::{ArrowTable, PgCatalogStaticTables};

use super::{
    rows::{Value, scalar},
    shapes::{Shape, find},
    static_tables,
};

/// The rows PostgreSQL is born with, of relations where they hold for us; `None` for others.
pub(super) fn table(shape: &Shape) -> Result<Option<RecordBatch>> {
    static MADE: LazyLock<Mutex<HashMap<&'static str, RecordBatch>>> =
        LazyLock::new(Mutex::default);
    if shape.schema != "pg_catalog" {
        return Ok(None);
    }
    let made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(batch) = made.get(shape.name) {
        return Ok(Some(batch.clone()));
    }
    drop(made);
    let Some(source) = tables().and_then(|tables| source(tables, shape.name)) else {
        return Ok(None);
    };
    let batch = conform(&merged(source)?, shape)?;
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.insert(shape.name, batch.clone());
    Ok(Some(batch))
}

fn tables() -> Option<&'static PgCatalogStaticTables> {
    static TABLES: LazyLock<Option<Arc<PgCatalogStaticTables>>> =
        LazyLock::new(|| static_tables().ok());
    TABLES.as_deref()
}

/// Upstream's table, where its rows are PostgreSQL's and not a database's.
fn source<'a>(tables: &'a PgCatalogStaticTables, name: &str) -> Option<&'a Arc<ArrowTable>> {
    Some(match name {
        "pg_aggregate" => &tables.pg_aggregate,
        "pg_am" => &tables.pg_am,
        "pg_amop" => &tables.pg_amop,
        "pg_amproc" => &tables.pg_amproc,
        "pg_cast" => &tables.pg_cast,
        "pg_collation" => &tables.pg_collation,
        "pg_conversion" => &tables.pg_conversion,
        "pg_description" => &tables.pg_description,
        "pg_language" => &tables.pg_language,
        "pg_opclass" => &tables.pg_opclass,
        "pg_operator" => &tables.pg_operator,
        "pg_opfamily" => &tables.pg_opfamily,
        "pg_proc" => &tables.pg_proc,
        "pg_range" => &tables.pg_range,
        "pg_tablespace" => &tables.pg_tablespace,
        "pg_ts_config" => &tables.pg_ts_config,
        "pg_ts_dict" => &tables.pg_ts_dict,
        "pg_ts_parser" => &tables.pg_ts_parser,
        "pg_ts_template" => &tables.pg_ts_template,
        "pg_type" => &tables.pg_type,
        _ => return None,
    })
}

fn merged(table: &ArrowTable) -> Result<RecordBatch> {
    Ok(concat_batches(&table.schema(), table.data())?)
}

/// The rows in the shape of our version's relation.
fn conform(source: &RecordBatch, shape: &Shape) -> Result<RecordBatch> {
    let schema = shape.arrow();
    let columns = shape.columns.iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| -> Result<ArrayRef> {
        let Some(array) = source.column_by_name(column.name) else {
            let nothing = ScalarValue::try_from(field.data_type())?;
            return nothing.to_array_of_size(source.num_rows());
        };
        match (array.data_type(), field.data_type()) {
            (DataType::Utf8, DataType::Int32) => {
                let names = array.as_string::<i32>().iter();
                Ok(Arc::new(
                    names
                        .map(|name| name.map(|name| procedure_oid(name).unwrap_or(0)))
                        .collect::<Int32Array>(),
                ))
            }
            (DataType::Utf8, list @ DataType::List(item)) => {
                let texts = array.as_string::<i32>().iter();
                let lists = texts.map(|text| match text {
                    Some(text) => scalar(&elements(text, item.data_type()), list),
                    None => ScalarValue::try_from(list),
                });
                ScalarValue::iter_to_array(lists.collect::<Result<Vec<_>>>()?)
            }
            _ => Ok(cast(array, field.data_type())?),
        }
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// The elements of a list that upstream has as text: `23 23`, `[23, 26]`, `['i', 'o']`.
fn elements(text: &str, item: &DataType) -> Value {
    let parts = text
        .trim_matches(['[', ']', '{', '}'])
        .split([' ', ','])
        .filter(|part| !part.is_empty())
        .map(|part| part.trim_matches(['\'', '"']));
    Value::List(
        parts
            .map(|part| match item {
                DataType::Utf8 => Value::Text(part.to_owned()),
                _ => part.parse::<i64>().map_or(Value::Null, Value::Int),
            })
            .collect(),
    )
}

/// A type, as far as others ask about it.
#[derive(Clone, Debug)]
pub(super) struct TypeRow {
    pub(super) oid: i32,
    pub(super) name: String,
    pub(super) length: i16,
    pub(super) by_value: bool,
    pub(super) align: String,
    pub(super) storage: String,
    pub(super) collation: i32,
    /// Of an array: what of.
    pub(super) element: i32,
}

static TYPES: LazyLock<HashMap<i32, TypeRow>> = LazyLock::new(|| types().unwrap_or_default());

fn types() -> Option<HashMap<i32, TypeRow>> {
    let batch = merged(&tables()?.pg_type).ok()?;
    let int = |name: &str| {
        Some(
            batch
                .column_by_name(name)?
                .as_primitive_opt::<Int32Type>()?
                .clone(),
        )
    };
    let text = |name: &str| Some(batch.column_by_name(name)?.as_string_opt::<i32>()?.clone());
    let (oid, element, collation) = (int("oid")?, int("typelem")?, int("typcollation")?);
    let (name, align, storage) = (text("typname")?, text("typalign")?, text("typstorage")?);
    let category = text("typcategory")?;
    let length = batch
        .column_by_name("typlen")?
        .as_primitive_opt::<Int16Type>()?;
    let by_value = batch.column_by_name("typbyval")?.as_boolean_opt()?;
    let rows = (0..batch.num_rows()).map(|i| TypeRow {
        oid: oid.value(i),
        name: name.value(i).to_owned(),
        length: length.value(i),
        by_value: by_value.value(i),
        align: align.value(i).to_owned(),
        storage: storage.value(i).to_owned(),
        collation: collation.value(i),
        // `name` and the like have elements too, and are no arrays.
        element: if category.value(i) == "A" {
            element.value(i)
        } else {
            0
        },
    });
    Some(rows.map(|row| (row.oid, row)).collect())
}

/// The type of this OID.
pub(super) fn type_of(oid: i32) -> Option<&'static TypeRow> {
    TYPES.get(&oid)
}

/// The OID of the arrays of a type; of an array its own.
pub(crate) fn array_oid(element: i32) -> Option<i32> {
    if type_of(element)?.element != 0 {
        return Some(element);
    }
    // `int2vector` and `oidvector` are arrays of a kind of their own.
    let mut arrays = TYPES.values().filter(|row| row.name.starts_with('_'));
    arrays.find(|row| row.element == element).map(|row| row.oid)
}

/// The OID of the type that is called so, in SQL or in `pg_type`; arrays as `text[]` or `_text`.
pub(crate) fn type_oid(name: &str) -> Option<i32> {
    static BY_NAME: LazyLock<HashMap<String, i32>> = LazyLock::new(|| {
        let mut names: HashMap<String, i32> = HashMap::new();
        for row in TYPES.values() {
            names.insert(row.name.clone(), row.oid);
            names.entry(format_type(row.oid, None)).or_insert(row.oid);
        }
        for (alias, oid) in [
            ("int", 23),
            ("decimal", 1700),
            ("float", 701),
            ("dec", 1700),
        ] {
            names.insert(alias.to_owned(), oid);
        }
        names
    });
    let name = name.trim();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    let bare = name.trim_matches('"');
    let wanted = if bare == name {
        name.to_lowercase()
    } else {
        bare.to_owned()
    };
    let modifier = wanted
        .find('(')
        .map(|at| wanted[..at].trim_end().to_owned());
    let written = modifier.as_deref().unwrap_or(&wanted);
    // In quotes it is the type of one byte.
    match bare == name && written == "char" {
        true => BY_NAME.get("bpchar").copied(),
        false => BY_NAME.get(written).copied(),
    }
}

/// `format_type`: a type's name in SQL, with its modifier where there is one.
pub(crate) fn format_type(oid: i32, modifier: Option<i32>) -> String {
    if oid == 0 {
        return "-".into();
    }
    let Some(row) = type_of(oid) else {
        return "???".into();
    };
    if row.element != 0 {
        return format!("{}[]", format_type(row.element, modifier));
    }
    let m = modifier.filter(|m| *m >= 0);
    let length = |name: &str| match m {
        Some(m) => format!("{name}({})", m.saturating_sub(4)),
        None => name.to_owned(),
    };
    let fraction = |name: &str, zone: &str| match m {
        Some(m) => format!("{name}({m}) {zone}"),
        None => format!("{name} {zone}"),
    };
    match row.name.as_str() {
        "bool" => "boolean".into(),
        "int2" => "smallint".into(),
        "int4" => "integer".into(),
        "int8" => "bigint".into(),
        "float4" => "real".into(),
        "float8" => "double precision".into(),
        "char" => "\"char\"".into(),
        "any" => "\"any\"".into(),
        "bpchar" if modifier == Some(-1) => "bpchar".into(),
        "bpchar" => length("character"),
        "varchar" => length("character varying"),
        "varbit" => "bit varying".into(),
        "timestamp" => fraction("timestamp", "without time zone"),
        "timestamptz" => fraction("timestamp", "with time zone"),
        "time" => fraction("time", "without time zone"),
        "timetz" => fraction("time", "with time zone"),
        "numeric" => match m {
            Some(m) => {
                let m = m.saturating_sub(4);
                format!("numeric({},{})", (m >> 16) & 0xffff, m & 0x7ff)
            }
            None => "numeric".into(),
        },
        other => other.to_owned(),
    }
}

struct Procedures {
    oids: HashMap<String, i32>,
    names: HashMap<i32, String>,
}

static PROCEDURES: LazyLock<Procedures> = LazyLock::new(|| {
    procedures().unwrap_or(Procedures {
        oids: HashMap::new(),
        names: HashMap::new(),
    })
});

fn procedures() -> Option<Procedures> {
    let batch = merged(&tables()?.pg_proc).ok()?;
    let oids = batch
        .column_by_name("oid")?
        .as_primitive_opt::<Int32Type>()?;
    let names = batch.column_by_name("proname")?.as_string_opt::<i32>()?;
    let pairs = || oids.values().iter().copied().zip(names.iter().flatten());
    let mut by_name = HashMap::new();
    for (oid, name) in pairs() {
        by_name.entry(name.to_owned()).or_insert(oid);
    }
    Some(Procedures {
        oids: by_name,
        names: pairs().map(|(oid, name)| (oid, name.to_owned())).collect(),
    })
}

/// The OID of a function; the first of several of one name.
pub(super) fn procedure_oid(name: &str) -> Option<i32> {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    PROCEDURES.oids.get(name).copied()
}

/// The function of this OID.
pub(super) fn procedure(oid: i32) -> Option<&'static str> {
    PROCEDURES.names.get(&oid).map(String::as_str)
}

/// A description that PostgreSQL is born with, of an object of the catalog `class`, or of a column of it.
pub(super) fn description(object: i32, class: i32, column: i32) -> Option<&'static str> {
    static TEXTS: LazyLock<HashMap<(i32, i32, i32), String>> =
        LazyLock::new(|| descriptions().unwrap_or_default());
    TEXTS.get(&(object, class, column)).map(String::as_str)
}

fn descriptions() -> Option<HashMap<(i32, i32, i32), String>> {
    let batch = merged(&tables()?.pg_description).ok()?;
    let int = |name: &str| {
        Some(
            batch
                .column_by_name(name)?
                .as_primitive_opt::<Int32Type>()?
                .clone(),
        )
    };
    let (object, class, column) = (int("objoid")?, int("classoid")?, int("objsubid")?);
    let text: &StringArray = batch
        .column_by_name("description")?
        .as_string_opt::<i32>()?;
    Some(
        (0..batch.num_rows())
            .filter(|i| !text.is_null(*i))
            .map(|i| {
                let key = (object.value(i), class.value(i), column.value(i));
                (key, text.value(i).to_owned())
            })
            .collect(),
    )
}

/// The OID of a relation of `pg_catalog`, for `pg_description.classoid` and its like.
pub(super) fn class_oid(name: &str) -> Option<i32> {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    find("pg_catalog", name).map(|shape| shape.oid)
}

/// Whether a word means more than a name where a name may stand.
pub(super) fn is_keyword(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<String>> = LazyLock::new(|| keywords().unwrap_or_default());
    WORDS.contains(word)
}

fn keywords() -> Option<HashSet<String>> {
    let batch = merged(&tables()?.pg_get_keywords).ok()?;
    let words = batch.column_by_name("word")?.as_string_opt::<i32>()?;
    let codes = batch.column_by_name("catcode")?.as_string_opt::<i32>()?;
    let pairs = words.iter().flatten().zip(codes.iter().flatten());
    // `U` are those that are not reserved at all.
    let reserved = pairs.filter(|(_, code)| *code != "U");
    Some(reserved.map(|(word, _)| word.to_owned()).collect())
}
