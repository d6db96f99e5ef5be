//! Which Postgres type an Arrow type is, and back.
//!
//! The table is the contract with every driver: a client picks its decoder by the OID alone. Types Postgres lacks become the next larger
//! one (unsigned integers) or JSON (structs and maps, which drivers turn into their own maps).

use arrow::datatypes::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use pgwire::messages::data::{FieldDescription, RowDescription};
use postgres_types::{Kind, Type};

use super::failure::{Failure, without_nul};

/// Field metadata by which the `pg_catalog` tables mark an `Int32` as an OID or one of its aliases (`datafusion-pg-catalog`'s contract).
pub(crate) const OID_ALIAS: &str = "pg.oid_alias";
/// Field metadata that names another type of PostgreSQL's, which an Arrow type carries: `name`, `xid`, `oidvector`.
pub(crate) const TYPE: &str = sluice_planner::functions::PG_TYPE;

/// A result column as the client sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) pg: Type,
    modifier: i32,
}

/// The columns of a result.
pub(super) fn columns(schema: &Schema) -> Vec<Column> {
    schema
        .fields()
        .iter()
        .map(|field| Column {
            name: without_nul(field.name()),
            pg: pg_type(field),
            modifier: modifier(field),
        })
        .collect()
}

/// The description a client gets of them; `formats` as in [`format_of`].
pub(super) fn row_description(
    columns: &[Column],
    formats: &[i16],
) -> Result<RowDescription, Failure> {
    if i16::try_from(columns.len()).is_err() {
        return Err(
            Failure::error("54011", "result has too many columns").with_detail(format!(
                "It has {}, the protocol allows 32767.",
                columns.len()
            )),
        );
    }
    let fields = columns.iter().enumerate().map(|(i, column)| {
        FieldDescription::new(
            column.name.clone(),
            0,
            0,
            column.pg.oid(),
            size(&column.pg),
            column.modifier,
            format_of(formats, i),
        )
    });
    Ok(RowDescription::new(fields.collect()))
}

/// The format of the `i`th value: none given means text, one given is for all.
pub(super) fn format_of(formats: &[i16], i: usize) -> i16 {
    match formats {
        [] => 0,
        [all] => *all,
        each => each.get(i).copied().unwrap_or(0),
    }
}

/// The Postgres type of a column.
pub(crate) fn pg_type(field: &Field) -> Type {
    if let Some(alias) = field.metadata().get(OID_ALIAS)
        && field.data_type() == &DataType::Int32
    {
        return match alias.as_str() {
            "regclass" => Type::REGCLASS,
            "regtype" => Type::REGTYPE,
            "regproc" => Type::REGPROC,
            "regprocedure" => Type::REGPROCEDURE,
            "regoper" => Type::REGOPER,
            "regoperator" => Type::REGOPERATOR,
            "regnamespace" => Type::REGNAMESPACE,
            "regrole" => Type::REGROLE,
            "regcollation" => Type::REGCOLLATION,
            _ => Type::OID,
        };
    }
    let of_arrow = of_arrow(field.data_type());
    match field.metadata().get(TYPE).and_then(|name| named(name)) {
        Some(named) if of_arrow == carrier(&named) => named,
        _ => of_arrow,
    }
}

/// Types that are marked by name.
pub(super) fn named(name: &str) -> Option<Type> {
    let without_length = name.split_once('(').map_or(name, |(name, _)| name);
    Some(match without_length {
        "character" => Type::BPCHAR,
        "json[]" => Type::JSON_ARRAY,
        "jsonb[]" => Type::JSONB_ARRAY,
        "uuid[]" => Type::UUID_ARRAY,
        "\"char\"" => Type::CHAR,
        "\"char\"[]" => Type::CHAR_ARRAY,
        "aclitem[]" => Type::ACLITEM_ARRAY,
        "anyarray" => Type::ANYARRAY,
        "character varying" => Type::VARCHAR,
        "inet" => Type::INET,
        "json" => Type::JSON,
        "jsonb" => Type::JSONB,
        "uuid" => Type::UUID,
        "void" => Type::VOID,
        "int2vector" => Type::INT2_VECTOR,
        "name" => Type::NAME,
        "name[]" => Type::NAME_ARRAY,
        "oid[]" => Type::OID_ARRAY,
        "oidvector" => Type::OID_VECTOR,
        "record" => Type::RECORD,
        "pg_dependencies" => Type::PG_DEPENDENCIES,
        "pg_lsn" => Type::PG_LSN,
        "pg_mcv_list" => Type::PG_MCV_LIST,
        "pg_ndistinct" => Type::PG_NDISTINCT,
        "pg_node_tree" => Type::PG_NODE_TREE,
        "regtype[]" => Type::REGTYPE_ARRAY,
        "xid" => Type::XID,
        _ => return None,
    })
}

/// The type that the Arrow type which carries `pg` would have without its mark.
fn carrier(pg: &Type) -> Type {
    match *pg {
        Type::XID => Type::INT4,
        // What a structure is without its mark.
        Type::RECORD => Type::JSON,
        Type::INT2_VECTOR => Type::INT2_ARRAY,
        Type::OID_VECTOR | Type::OID_ARRAY | Type::REGTYPE_ARRAY => Type::INT4_ARRAY,
        Type::NAME_ARRAY
        | Type::ACLITEM_ARRAY
        | Type::CHAR_ARRAY
        | Type::UUID_ARRAY
        | Type::JSON_ARRAY
        | Type::JSONB_ARRAY => Type::TEXT_ARRAY,
        _ => Type::TEXT,
    }
}

/// The Postgres type of an Arrow type.
pub(super) fn of_arrow(data_type: &DataType) -> Type {
    match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => Type::INT2,
        DataType::UInt16 | DataType::Int32 => Type::INT4,
        // What the engine counts in unsigned numbers (`row_number()`) PostgreSQL counts in `bigint`.
        DataType::UInt32 | DataType::UInt64 | DataType::Int64 => Type::INT8,
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Type::NUMERIC,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::Date32 | DataType::Date64 => Type::DATE,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => Type::BYTEA,
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => Type::JSON,
        DataType::Dictionary(_, value) => of_arrow(value),
        DataType::RunEndEncoded(_, value) => of_arrow(value.data_type()),
        // No column is one; a parameter that is compared with OIDs is.
        DataType::List(item) if *item.data_type() == DataType::UInt32 => Type::OID_ARRAY,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => array_of(&of_arrow(item.data_type())),
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::TEXT,
    }
}

/// An array of JSON is itself JSON, an array of arrays the same type as the inner one: PostgreSQL counts dimensions in the value.
fn array_of(element: &Type) -> Type {
    if let Kind::Array(_) = element.kind() {
        return element.clone();
    }
    match *element {
        Type::BOOL => Type::BOOL_ARRAY,
        Type::INT2 => Type::INT2_ARRAY,
        Type::INT4 => Type::INT4_ARRAY,
        Type::INT8 => Type::INT8_ARRAY,
        Type::NUMERIC => Type::NUMERIC_ARRAY,
        Type::FLOAT4 => Type::FLOAT4_ARRAY,
        Type::FLOAT8 => Type::FLOAT8_ARRAY,
        Type::DATE => Type::DATE_ARRAY,
        Type::TIME => Type::TIME_ARRAY,
        Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
        Type::INTERVAL => Type::INTERVAL_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        Type::JSON => Type::JSON,
        _ => Type::TEXT_ARRAY,
    }
}

/// The Arrow type a parameter of this type is handed to the engine as; `None`: not a type we take.
pub(super) fn to_arrow(pg: &Type) -> Option<DataType> {
    if let Kind::Array(element) = pg.kind() {
        let item = Field::new_list_field(to_arrow(element)?, true);
        return Some(DataType::List(item.into()));
    }
    Some(match *pg {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 | Type::OID => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        // Exact type and scale are the value's; 38 digits is what the engine has.
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        Type::BYTEA => DataType::Binary,
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::CHAR
        | Type::UNKNOWN
        | Type::JSON
        | Type::JSONB
        | Type::UUID => DataType::Utf8,
        _ => return None,
    })
}

fn size(pg: &Type) -> i16 {
    match *pg {
        Type::BOOL | Type::CHAR => 1,
        Type::NAME => 64,
        Type::INT2 => 2,
        Type::INT4
        | Type::FLOAT4
        | Type::DATE
        | Type::OID
        | Type::XID
        | Type::REGCLASS
        | Type::REGTYPE
        | Type::REGPROC
        | Type::REGPROCEDURE
        | Type::REGOPER
        | Type::REGOPERATOR
        | Type::REGNAMESPACE
        | Type::REGROLE
        | Type::REGCOLLATION => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL => 16,
        _ => -1,
    }
}

/// Precision and scale, as `numeric(p,s)` keeps them; the length of a `varchar(n)` or `char(n)`.
pub(crate) fn modifier(field: &Field) -> i32 {
    if let Some(length) = field.metadata().get(TYPE).and_then(|name| length_of(name))
        && of_arrow(field.data_type()) == Type::TEXT
    {
        return length.saturating_add(4);
    }
    match field.data_type() {
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s)
            if *s >= 0 =>
        {
            ((i32::from(*p) << 16) | i32::from(*s)) + 4
        }
        _ => -1,
    }
}

/// The `n` of `character varying(n)`.
fn length_of(name: &str) -> Option<i32> {
    let (_, rest) = name.split_once('(')?;
    rest.strip_suffix(')')?.parse().ok()
}
