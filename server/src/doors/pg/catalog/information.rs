//! `information_schema`: the engine's own, with columns as the SQL standard and PostgreSQL have them.
//!
//! Tools read a column's type from here by PostgreSQL's name for it; the engine's own view has Arrow's.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int32Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{SchemaProvider, TableProvider, information_schema::InformationSchemaProvider},
    datasource::MemTable,
    error::{DataFusionError, Result},
};
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;
use postgres_types::{Kind, Type};

use super::{DATABASE, relations::Listed};
use crate::doors::pg::columns::pg_type;

/// The schema's name.
pub(super) const NAME: &str = "information_schema";

/// Relations of which there is nothing to tell here, with the columns tools join them by.
const EMPTY: [(&str, &[&str]); 8] = [
    (
        "table_constraints",
        &[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "table_catalog",
            "table_schema",
            "table_name",
            "constraint_type",
            "is_deferrable",
            "initially_deferred",
            "enforced",
        ],
    ),
    (
        "key_column_usage",
        &[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "ordinal_position",
            "position_in_unique_constraint",
        ],
    ),
    (
        "constraint_column_usage",
        &[
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
        ],
    ),
    (
        "referential_constraints",
        &[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "unique_constraint_catalog",
            "unique_constraint_schema",
            "unique_constraint_name",
            "match_option",
            "update_rule",
            "delete_rule",
        ],
    ),
    (
        "sequences",
        &[
            "sequence_catalog",
            "sequence_schema",
            "sequence_name",
            "data_type",
        ],
    ),
    (
        "triggers",
        &[
            "trigger_catalog",
            "trigger_schema",
            "trigger_name",
            "event_manipulation",
            "event_object_schema",
            "event_object_table",
        ],
    ),
    (
        "table_privileges",
        &[
            "grantor",
            "grantee",
            "table_catalog",
            "table_schema",
            "table_name",
            "privilege_type",
            "is_grantable",
            "with_hierarchy",
        ],
    ),
    (
        "role_table_grants",
        &[
            "grantor",
            "grantee",
            "table_catalog",
            "table_schema",
            "table_name",
            "privilege_type",
            "is_grantable",
            "with_hierarchy",
        ],
    ),
];

/// The schema.
#[derive(Debug)]
pub(super) struct Information(pub(super) Listed);

#[async_trait]
impl SchemaProvider for Information {
    fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .engine()
            .map(|engine| engine.table_names())
            .unwrap_or_default();
        names.extend(EMPTY.map(|(name, _)| name.to_owned()));
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let name = name.to_ascii_lowercase();
        if name == "columns" {
            return self.columns().await.map(Some);
        }
        if let Some((_, columns)) = EMPTY.iter().find(|(empty, _)| *empty == name) {
            let fields = columns.iter().map(|c| Field::new(*c, DataType::Utf8, true));
            let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            return Ok(Some(Arc::new(MemTable::try_new(schema, vec![Vec::new()])?)));
        }
        match self.engine() {
            Some(engine) => engine.table(&name).await,
            None => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names()
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    }
}

impl Information {
    fn engine(&self) -> Option<InformationSchemaProvider> {
        self.0.catalogs().map(InformationSchemaProvider::new)
    }

    async fn columns(&self) -> Result<Arc<dyn TableProvider>> {
        let mut rows = Columns::default();
        for schema in self.0.schema_names(DATABASE).await?.unwrap_or_default() {
            if schema == NAME {
                continue;
            }
            let tables = self.0.table_names(DATABASE, &schema).await?;
            for table in tables.unwrap_or_default() {
                let fields = self.0.table_schema(DATABASE, &schema, &table).await?;
                for (i, field) in fields.iter().flat_map(|s| s.fields().iter()).enumerate() {
                    rows.push(&schema, &table, i, field);
                }
            }
        }
        let batch = rows.finish()?;
        Ok(Arc::new(MemTable::try_new(
            batch.schema(),
            vec![vec![batch]],
        )?))
    }
}

/// Rows of `columns`, a column each.
#[derive(Default)]
struct Columns {
    schema: Vec<String>,
    table: Vec<String>,
    name: Vec<String>,
    position: Vec<i32>,
    nullable: Vec<&'static str>,
    data_type: Vec<String>,
    udt: Vec<String>,
    precision: Vec<Option<i32>>,
    scale: Vec<Option<i32>>,
    fraction: Vec<Option<i32>>,
}

impl Columns {
    fn push(&mut self, schema: &str, table: &str, i: usize, field: &Field) {
        let pg = pg_type(field);
        self.schema.push(schema.to_owned());
        self.table.push(table.to_owned());
        self.name.push(field.name().clone());
        self.position.push(i as i32 + 1);
        self.nullable
            .push(if field.is_nullable() { "YES" } else { "NO" });
        self.data_type.push(type_name(&pg).to_owned());
        self.udt.push(pg.name().to_owned());
        let (precision, scale) = match field.data_type() {
            DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => (Some(*p), Some(*s)),
            _ => match pg {
                Type::INT2 => (Some(16), Some(0)),
                Type::INT4 => (Some(32), Some(0)),
                Type::INT8 => (Some(64), Some(0)),
                Type::FLOAT4 => (Some(24), None),
                Type::FLOAT8 => (Some(53), None),
                _ => (None, None),
            },
        };
        self.precision.push(precision.map(i32::from));
        self.scale.push(scale.map(i32::from));
        let timed = [
            Type::TIMESTAMP,
            Type::TIMESTAMPTZ,
            Type::TIME,
            Type::INTERVAL,
        ];
        self.fraction.push(timed.contains(&pg).then_some(6));
    }

    fn finish(self) -> Result<RecordBatch> {
        let count = self.name.len();
        let text = |values: Vec<String>| -> ArrayRef { Arc::new(StringArray::from(values)) };
        let same =
            |value: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![value; count])) };
        let number = |values: Vec<Option<i32>>| -> ArrayRef { Arc::new(Int32Array::from(values)) };
        let columns = [
            ("table_catalog", same(Some(DATABASE))),
            ("table_schema", text(self.schema)),
            ("table_name", text(self.table)),
            ("column_name", text(self.name)),
            (
                "ordinal_position",
                Arc::new(Int32Array::from(self.position)) as _,
            ),
            ("column_default", same(None)),
            (
                "is_nullable",
                Arc::new(StringArray::from(self.nullable)) as _,
            ),
            ("data_type", text(self.data_type)),
            ("character_maximum_length", number(vec![None; count])),
            ("character_octet_length", number(vec![None; count])),
            ("numeric_precision", number(self.precision)),
            ("numeric_precision_radix", number(vec![None; count])),
            ("numeric_scale", number(self.scale)),
            ("datetime_precision", number(self.fraction)),
            ("interval_type", same(None)),
            ("character_set_name", same(None)),
            ("collation_schema", same(None)),
            ("collation_name", same(None)),
            ("domain_schema", same(None)),
            ("domain_name", same(None)),
            ("udt_catalog", same(Some(DATABASE))),
            ("udt_schema", same(Some("pg_catalog"))),
            ("udt_name", text(self.udt)),
            ("is_identity", same(Some("NO"))),
            ("identity_generation", same(None)),
            ("is_generated", same(Some("NEVER"))),
            ("generation_expression", same(None)),
            ("is_updatable", same(Some("NO"))),
        ];
        let columns = columns.map(|(name, array)| (name, array, true));
        Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
    }
}

/// A type's name in the SQL standard.
fn type_name(pg: &Type) -> &str {
    if let Kind::Array(_) = pg.kind() {
        return "ARRAY";
    }
    match *pg {
        Type::BOOL => "boolean",
        Type::INT2 => "smallint",
        Type::INT4 => "integer",
        Type::INT8 => "bigint",
        Type::FLOAT4 => "real",
        Type::FLOAT8 => "double precision",
        Type::TIMESTAMP => "timestamp without time zone",
        Type::TIMESTAMPTZ => "timestamp with time zone",
        Type::TIME => "time without time zone",
        Type::CHAR => "\"char\"",
        _ => pg.name(),
    }
}
