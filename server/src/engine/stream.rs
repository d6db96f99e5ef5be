//! A stream that can be read: its source, its definition for the planner, its dead letters.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use sluice_connectors::source::{Source, StreamReaders};
use sluice_planner::api::{StreamDefinition, WatermarkDefinition};
use sluice_sql::{CreateStream, Statement};

use super::Engine;
use crate::{
    access::without_values,
    catalog::{QualifiedName, StreamObject, fold},
    dialect,
    error::{Error, Result, SqlState},
    execute::plan_error,
    job::{DeadLetters, app_id, dead_letter_schema},
    options::{StreamOptions, stream_options},
    root::storage_error,
    table::TableState,
};

/// A stream that can be read.
#[derive(Debug)]
pub struct StreamRuntime {
    /// Its name.
    pub name: QualifiedName,
    /// For the planner.
    pub definition: Arc<StreamDefinition>,
    /// Where its rows come from.
    pub source: Arc<dyn Source>,
    /// What reads them for queries.
    pub readers: Arc<StreamReaders>,
    /// Its definition, without secrets.
    pub sql: String,
    /// Its options.
    pub options: StreamOptions,
    /// Messages that did not decode.
    pub dead_letters: Arc<DeadLetters>,
}

impl StreamRuntime {
    /// From its statement; touches nothing outside.
    pub fn open(engine: &Engine, object: &StreamObject) -> Result<Self> {
        let known = match engine.plans_only() {
            // Nothing is asked from outside: a secret that is elsewhere is not missed.
            true => without_values(&object.statement.options),
            false => engine.secrets().resolve(&object.statement.options)?,
        };
        let options = stream_options(&known)?;
        let (source, count) = open_source(&object.statement, &options)?;
        let sql = object.statement.redacted().to_string();
        let schema = source.schema();
        let watermark = watermark(&object.statement, &schema)?;
        let definition = StreamDefinition {
            schema_name: object.name.schema.clone(),
            name: object.name.name.clone(),
            columns: schema,
            declared: count,
            watermark,
            time: options.time.clone(),
        };
        let name = QualifiedName::new(
            &object.name.schema,
            format!("{}__dead_letter", object.name.name),
        );
        let letters = TableState::new(
            name.clone(),
            dead_letter_schema(),
            engine.root().clone(),
            format!("tables/{}/{}", name.schema, name.name),
            Some(app_id(&object.meta.id)),
        );
        Ok(Self {
            name: object.name.clone(),
            definition: Arc::new(definition),
            readers: StreamReaders::new(Arc::clone(&source)),
            source,
            options,
            dead_letters: Arc::new(DeadLetters::new(
                engine.root().clone(),
                &object.meta.id,
                engine.owner(),
                &sql,
                Arc::new(letters),
            )),
            sql,
        })
    }
}

/// The source of a stream and how many columns were declared for it; nothing is asked from the outside.
fn open_source(
    statement: &CreateStream,
    options: &StreamOptions,
) -> Result<(Arc<dyn Source>, usize)> {
    let declared = declared_columns(statement)?;
    let count = declared.fields().len();
    let (connector, rest) = (&options.connector, &options.connector_options);
    let source = sluice_connectors::open_source(connector, declared, rest);
    Ok((source.map_err(storage_error)?, count))
}

/// A source as a definition kept in a checkpoint describes it, to decode what was read under it.
pub(crate) fn source_of(sql: &str) -> Result<Arc<dyn Source>> {
    let unusable = |why: String| {
        Error::outside(
            SqlState::DataException,
            format!("an earlier definition of the stream cannot be read: {why}"),
        )
    };
    let parsed = sluice_sql::parse(sql).map_err(|error| unusable(error.message))?;
    match parsed.into_iter().next().map(|parsed| parsed.statement) {
        Some(Statement::CreateStream(statement)) => {
            let options = stream_options(&without_values(&statement.options))?;
            Ok(open_source(&statement, &options)?.0)
        }
        _ => Err(unusable("it is no CREATE STREAM".into())),
    }
}

fn declared_columns(statement: &CreateStream) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = Vec::new();
    for column in &statement.columns {
        let name = fold(&column.name);
        if fields.iter().any(|field| *field.name() == name) {
            return Err(Error::user(
                SqlState::InvalidObjectDefinition,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        let field = sluice_planner::declared_field(name, &column.data_type, !column.not_null);
        fields.push(field.map_err(plan_error)?);
    }
    Ok(Arc::new(Schema::new(fields)))
}

fn watermark(statement: &CreateStream, schema: &SchemaRef) -> Result<Option<WatermarkDefinition>> {
    let Some(watermark) = &statement.watermark else {
        return Ok(None);
    };
    let column = fold(&watermark.column);
    let Ok(field) = schema.field_with_name(&column) else {
        return Err(Error::user(
            SqlState::UndefinedColumn,
            format!("column \"{column}\" named in WATERMARK FOR does not exist in the stream"),
        )
        .with_hint("Name one of the stream's TIMESTAMPTZ or TIMESTAMP columns."));
    };
    if !matches!(
        field.data_type(),
        arrow::datatypes::DataType::Timestamp(_, _)
    ) {
        return Err(Error::user(
            SqlState::DatatypeMismatch,
            format!("column \"{column}\" named in WATERMARK FOR is not a timestamp"),
        )
        .with_hint("Declare it as TIMESTAMPTZ."));
    }
    Ok(Some(WatermarkDefinition {
        column: watermark.column.clone(),
        expr: dialect::expression(&watermark.expr)?,
    }))
}
