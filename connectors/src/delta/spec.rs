//! What a table's columns and properties may be, and their form in the log.
//!
//! Arrow has more types than Delta. Those with one obvious counterpart are brought to it (string views to strings, any timestamp to
//! microseconds); for all others, unsigned integers above all, whoever builds the table must say what is meant, so they are refused
//! by column name. Refused too is what other engines trip over: names Spark does not take, features we could not keep up, and
//! `delta.setTransactionRetentionDuration`, which would make the log forget what we have committed.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use deltalake::kernel::{
    Metadata, Protocol, StructType,
    engine::arrow_conversion::{TryIntoArrow, TryIntoKernel},
};
use serde_json::{Value, json};

use super::TableSpec;
use crate::error::{ConnectorError, Result};

/// Field metadata that says as what a text is declared: `uuid`, `json`, `jsonb`, `character varying(3)`, `character(3)`, `uuid[]`.
pub const DECLARED_TYPE: &str = "pg.type";

/// Properties of Delta's own that change nothing about how the table is written or read.
const KNOWN_PROPERTIES: [&str; 9] = [
    "delta.checkpointInterval",
    "delta.checkpoint.writeStatsAsJson",
    "delta.checkpoint.writeStatsAsStruct",
    "delta.dataSkippingNumIndexedCols",
    "delta.deletedFileRetentionDuration",
    "delta.enableExpiredLogCleanup",
    "delta.logRetentionDuration",
    "delta.targetFileSize",
    "delta.tuneFileSizesForRewrites",
];

/// Table features that a table may have and still be written by us.
const KNOWN_FEATURES: [&str; 3] = ["appendOnly", "invariants", "timestampNtz"];

fn refused(message: String, hint: &str) -> ConnectorError {
    ConnectorError::Option {
        message,
        hint: Some(hint.into()),
    }
}

/// The columns as they come back from the table's files: Delta has names of its own for what lies in a list or a map.
///
/// What a table cannot hold is left as it is: it was refused when the table was made.
pub fn stored_schema(schema: &Schema) -> SchemaRef {
    let stored = |field: &FieldRef| match checked_field(field, field.name()) {
        Ok(stored) => Arc::new(stored),
        Err(_) => Arc::clone(field),
    };
    Arc::new(Schema::new(
        schema.fields().iter().map(stored).collect::<Fields>(),
    ))
}

impl TableSpec {
    /// The spec in the types Delta has, or the first thing about it that cannot be.
    pub(super) fn checked(&self) -> Result<Self> {
        let mut seen = HashSet::new();
        let mut fields = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            let name = field.name();
            if !seen.insert(name.to_lowercase()) {
                return Err(refused(
                    format!("column \"{name}\" appears more than once"),
                    "Names that differ only in upper and lower case are one name to other engines; rename one with AS.",
                ));
            }
            fields.push(checked_field(field, name)?);
        }
        if fields.is_empty() {
            return Err(refused(
                "a Delta table needs at least one column".into(),
                "Select something.",
            ));
        }
        let spec = Self {
            schema: Arc::new(Schema::new(fields)),
            ..self.clone()
        };
        spec.check_partitions()?;
        spec.check_properties()?;
        Ok(spec)
    }

    fn check_partitions(&self) -> Result<()> {
        let mut seen = HashSet::new();
        for name in &self.partition_columns {
            let field = self.schema.field_with_name(name).map_err(|_| {
                refused(
                    format!("partition column \"{name}\" is not a column of the table"),
                    "Partition by a column that the query selects.",
                )
            })?;
            if !seen.insert(name) {
                return Err(refused(
                    format!("partition column \"{name}\" appears more than once"),
                    "Name it once.",
                ));
            }
            let usable = matches!(
                field.data_type(),
                DataType::Boolean
                    | DataType::Int8
                    | DataType::Int16
                    | DataType::Int32
                    | DataType::Int64
                    | DataType::Utf8
                    | DataType::Date32
                    | DataType::Timestamp(..)
                    | DataType::Decimal128(..)
            );
            if !usable {
                return Err(refused(
                    format!(
                        "cannot partition by column \"{name}\" of type {}",
                        field.data_type()
                    ),
                    "Partition by a date, a timestamp, an integer, a decimal, a boolean or a text.",
                ));
            }
        }
        if seen.len() == self.schema.fields().len() {
            return Err(refused(
                "every column is a partition column".into(),
                "Leave at least one column out of PARTITIONED BY.",
            ));
        }
        Ok(())
    }

    fn check_properties(&self) -> Result<()> {
        for name in self.properties.keys() {
            if name == "delta.setTransactionRetentionDuration" {
                return Err(refused(
                    format!("table property \"{name}\" cannot be set"),
                    "It makes the table forget which results are in it already, and a query that was paused for longer would write them twice.",
                ));
            }
            if name.starts_with("delta.") && !KNOWN_PROPERTIES.contains(&name.as_str()) {
                let nearest = KNOWN_PROPERTIES
                    .iter()
                    .max_by(|a, b| {
                        strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name))
                    })
                    .copied()
                    .unwrap_or_default();
                return Err(refused(
                    format!("table property \"{name}\" is not supported"),
                    &format!("Did you mean \"{nearest}\"?"),
                ));
            }
        }
        Ok(())
    }

    /// Columns that are in the files: all but the partition columns.
    pub(super) fn file_schema(&self) -> Schema {
        let fields: Vec<FieldRef> = self
            .schema
            .fields()
            .iter()
            .filter(|field| !self.partition_columns.contains(field.name()))
            .cloned()
            .collect();
        Schema::new(fields)
    }

    /// The `metaData` action; `id` keeps the table's identity when its definition is replaced.
    pub(super) fn metadata_action(&self, id: &str, created_ms: i64) -> Result<Value> {
        let schema: StructType = self.schema.as_ref().try_into_kernel()?;
        let schema = serde_json::to_string(&schema).map_err(|error| ConnectorError::Corrupt {
            message: format!("the table's schema cannot be written as JSON: {error}"),
        })?;
        Ok(json!({ "metaData": {
            "id": id,
            "name": self.name,
            "description": self.description,
            "format": { "provider": "parquet", "options": {} },
            "schemaString": schema,
            "partitionColumns": self.partition_columns,
            "configuration": self.properties,
            "createdTime": created_ms,
        }}))
    }

    /// The `protocol` action: the oldest that can hold these columns.
    pub(super) fn protocol_action(&self) -> Value {
        if self
            .schema
            .fields()
            .iter()
            .any(|field| has_local_time(field.data_type()))
        {
            json!({ "protocol": {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": ["timestampNtz"],
                "writerFeatures": ["appendOnly", "invariants", "timestampNtz"],
            }})
        } else {
            json!({ "protocol": { "minReaderVersion": 1, "minWriterVersion": 2 } })
        }
    }

    /// The spec of a table that is there.
    pub(super) fn of(metadata: &Metadata) -> Result<Self> {
        let corrupt = |error: String| ConnectorError::Corrupt {
            message: format!("the table's schema cannot be read: {error}"),
        };
        let schema = metadata
            .parse_schema()
            .map_err(|error| corrupt(error.to_string()))?;
        let schema: Schema = (&schema).try_into_arrow()?;
        Ok(Self {
            schema: Arc::new(schema),
            partition_columns: metadata.partition_columns().to_vec(),
            properties: metadata
                .configuration()
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            description: metadata.description().map(str::to_owned),
            name: metadata.name().map(str::to_owned),
        })
    }
}

/// Whether we may append to a table with this protocol and these properties; why not, otherwise.
pub(super) fn check_writable(protocol: &Protocol, spec: &TableSpec) -> Result<(), String> {
    let version = protocol.min_writer_version();
    if version > 7 {
        return Err(format!("it asks for writer version {version}"));
    }
    // Versions up to 6 have no list of features: 3 to 6 bring constraints, generated columns, change data and column mapping.
    if (3..7).contains(&version) {
        return Err(format!(
            "it asks for writer version {version} (constraints, generated columns or change data)"
        ));
    }
    for feature in protocol.writer_features().unwrap_or_default() {
        let feature = feature.to_string();
        if !KNOWN_FEATURES.contains(&feature.as_str()) {
            return Err(format!("it uses the table feature {feature}"));
        }
    }
    let forgetful = "delta.setTransactionRetentionDuration";
    if spec.properties.contains_key(forgetful) {
        return Err(format!(
            "its property {forgetful} makes it forget what was committed"
        ));
    }
    let guarded = spec
        .schema
        .fields()
        .iter()
        .any(|field| field.metadata().contains_key("delta.invariants"));
    if guarded {
        return Err("a column of it has an invariant".into());
    }
    Ok(())
}

fn checked_field(field: &FieldRef, column: &str) -> Result<Field> {
    if let Some(bad) = field.name().chars().find(|c| " ,;{}()\n\t=".contains(*c)) {
        return Err(refused(
            format!(
                "column name \"{}\" cannot be stored: it contains {bad:?}",
                field.name()
            ),
            "Give the column a name of letters, digits and underscores with AS.",
        ));
    }
    if field.name().is_empty() {
        return Err(refused(
            "a column has no name".into(),
            "Give it one with AS.",
        ));
    }
    let data_type = checked_type(field.data_type(), column)?;
    let metadata = field
        .metadata()
        .iter()
        .filter(|(key, value)| match key.as_str() {
            "comment" => true,
            DECLARED_TYPE => is_declared(value, &data_type),
            _ => false,
        });
    let metadata: HashMap<String, String> = metadata
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let plain = Field::new(field.name(), data_type, field.is_nullable());
    Ok(plain.with_metadata(metadata))
}

/// Whether a column that is stored so can be declared as this; other types that a field is marked with are of no table, and a cast to another
/// type leaves the mark of what was cast.
fn is_declared(declared: &str, stored: &DataType) -> bool {
    let (element, carrier) = match (declared.strip_suffix("[]"), stored) {
        (Some(element), DataType::List(item)) => (element, item.data_type()),
        (Some(_), _) => return false,
        (None, stored) => (declared, stored),
    };
    *carrier == DataType::Utf8
        && (matches!(element, "uuid" | "json" | "jsonb" | "character varying")
            || element.starts_with("character(")
            || element.starts_with("character varying("))
}

fn checked_type(data_type: &DataType, column: &str) -> Result<DataType> {
    let nested = |field: &FieldRef| checked_type(field.data_type(), column);
    Ok(match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64 => data_type.clone(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date32 | DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if *precision <= 38 && *scale >= 0 && *scale as u8 <= *precision =>
        {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Dictionary(_, value) => checked_type(value, column)?,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(Arc::new(Field::new(
            "element",
            nested(item)?,
            item.is_nullable(),
        ))),
        DataType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| checked_field(field, column).map(Arc::new))
                .collect::<Result<Fields>>()?,
        ),
        DataType::Map(entries, _) => {
            let DataType::Struct(pair) = entries.data_type() else {
                return Err(unsupported(data_type, column));
            };
            let [key, value] = pair.as_ref() else {
                return Err(unsupported(data_type, column));
            };
            let pair = vec![
                Field::new("key", nested(key)?, false),
                Field::new("value", nested(value)?, value.is_nullable()),
            ];
            DataType::Map(
                Arc::new(Field::new(
                    "key_value",
                    DataType::Struct(pair.into()),
                    false,
                )),
                false,
            )
        }
        _ => return Err(unsupported(data_type, column)),
    })
}

fn unsupported(data_type: &DataType, column: &str) -> ConnectorError {
    let hint = match data_type {
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            "Delta has no unsigned integers; CAST it to BIGINT."
        }
        DataType::UInt64 => {
            "Delta has no unsigned integers; CAST it to BIGINT, or to DECIMAL(20, 0) where the values are larger."
        }
        DataType::Null => "CAST it to a type, for example NULL::TEXT.",
        DataType::Interval(_) | DataType::Duration(_) => {
            "Store it as a number, for example EXTRACT(EPOCH FROM …)."
        }
        DataType::Time32(_) | DataType::Time64(_) => "CAST it to TEXT.",
        DataType::Float16 => "CAST it to REAL.",
        _ => "CAST it to another type.",
    };
    refused(
        format!("column \"{column}\" has type {data_type}, which a Delta table cannot hold"),
        hint,
    )
}

fn has_local_time(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, None) => true,
        DataType::List(item) => has_local_time(item.data_type()),
        DataType::Map(entries, _) => has_local_time(entries.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_local_time(field.data_type())),
        _ => false,
    }
}
