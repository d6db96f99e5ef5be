//! `SHOW STREAMS | TABLES | VIEWS | QUERIES | SCHEMAS | SECRETS | CREATE …`.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use sluice_sql::{ObjectKind, Privilege, Show, ShowFilter, ast::ObjectName};

use crate::{
    access::{Target, Viewer},
    catalog::{Object, QualifiedName, schema_name},
    error::{Error, Result, SqlState},
    session::Session,
    system,
};

/// Columns of each kind of SHOW.
pub(super) fn schema(show: &Show) -> SchemaRef {
    let names: &[&str] = match show {
        Show::Streams(_) | Show::Tables(_) | Show::Views(_) => {
            &["schema", "name", "kind", "created_at"]
        }
        Show::Queries(_) => &[
            "name",
            "state",
            "watermark",
            "lag_rows",
            "held_by",
            "last_error",
        ],
        Show::Schemas(_) => &["schema"],
        Show::Secrets(_) => &["name", "owner", "usage", "options", "created_at"],
        Show::Create { .. } => &["name", "statement"],
    };
    Arc::new(Schema::new(
        names
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, true))
            .collect::<Vec<_>>(),
    ))
}

pub(super) fn run(session: &Session, show: &Show) -> Result<RecordBatch> {
    let engine = session.engine();
    let rows = match show {
        Show::Streams(filter) => objects(session, filter, "stream")?,
        Show::Tables(filter) => objects(session, filter, "table")?,
        Show::Views(filter) => objects(session, filter, "view")?,
        Show::Queries(filter) => queries(session, filter),
        Show::Schemas(filter) => {
            let catalog = engine.catalog();
            catalog
                .schemas()
                .chain(["system"])
                .filter(|name| matches(filter, name))
                .map(|name| vec![Some(name.to_owned())])
                .collect()
        }
        Show::Secrets(filter) => secrets(session, filter),
        Show::Create { kind, name } => vec![create(session, *kind, name)?],
    };
    let schema = schema(show);
    let columns = (0..schema.fields().len())
        .map(|index| {
            let values = rows.iter().map(|row| row.get(index).cloned().flatten());
            Arc::new(values.collect::<StringArray>()) as ArrayRef
        })
        .collect();
    RecordBatch::try_new(schema, columns).map_err(|error| Error::internal(error.to_string()))
}

type Row = Vec<Option<String>>;

fn objects(session: &Session, filter: &ShowFilter, kind: &str) -> Result<Vec<Row>> {
    let catalog = session.engine().catalog();
    let in_schema = filter.schema.as_ref().map(schema_name).transpose()?;
    if let Some(schema) = in_schema
        .as_ref()
        .filter(|schema| !catalog.has_schema(schema))
    {
        return Err(Error::user(
            SqlState::InvalidSchemaName,
            format!("schema \"{schema}\" does not exist"),
        ));
    }
    Ok(catalog
        .all()
        .filter(|object| object.kind() == kind)
        .filter(|object| session.sees(object))
        .filter(|object| {
            in_schema
                .as_ref()
                .is_none_or(|schema| *schema == object.name().schema)
        })
        .filter(|object| matches(filter, &object.name().name))
        .map(|object| {
            let kind = match object.as_ref() {
                Object::Table(table) if table.continuous => "continuous table",
                other => other.kind(),
            };
            vec![
                Some(object.name().schema.clone()),
                Some(object.name().name.clone()),
                Some(kind.to_owned()),
                Some(object.meta().created_at.clone()),
            ]
        })
        .collect())
}

fn queries(session: &Session, filter: &ShowFilter) -> Vec<Row> {
    session
        .engine()
        .all_query_statuses()
        .into_iter()
        .filter(|status| session.sees_named(&status.name))
        .filter(|status| matches(filter, &status.name))
        .map(|status| {
            vec![
                Some(status.name),
                Some(status.state.as_str().to_owned()),
                status
                    .watermark_us
                    .filter(|us| *us < i64::MAX)
                    .map(crate::clock::rfc3339),
                Some(status.lag_rows.to_string()),
                status.held_by,
                status.last_error,
            ]
        })
        .collect()
}

fn secrets(session: &Session, filter: &ShowFilter) -> Vec<Row> {
    let engine = session.engine();
    let catalog = engine.catalog();
    let viewer = Viewer::Session(Arc::clone(session.actor()));
    let all = engine.secrets().names();
    all.into_iter()
        .filter(|(_, secret)| viewer.hears_of_secret(&catalog, secret))
        .filter(|(name, _)| matches(filter, name))
        .map(|(name, secret)| {
            let options = system::options_of(&catalog, &name);
            vec![
                Some(name),
                Some(secret.owner.clone()),
                system::usage_of(&secret),
                options,
                secret.created_us.map(crate::clock::rfc3339),
            ]
        })
        .collect()
}

fn create(session: &Session, kind: ObjectKind, name: &ObjectName) -> Result<Row> {
    let name = QualifiedName::from_sql(name)?;
    let catalog = session.engine().catalog();
    let object = catalog.require(&name)?;
    session.require(Privilege::Select, Target::Relation(object))?;
    let wanted = match kind {
        ObjectKind::Stream => "stream",
        ObjectKind::View => "view",
        ObjectKind::Table => "table",
        ObjectKind::Schema => "schema",
    };
    if object.kind() != wanted {
        return Err(Error::user(
            SqlState::WrongObjectType,
            format!("\"{name}\" is not a {wanted}"),
        )
        .with_hint(format!(
            "It is a {0}: SHOW CREATE {1} {name};",
            object.kind(),
            object.kind().to_uppercase()
        )));
    }
    Ok(vec![Some(name.to_string()), Some(object.shown_sql())])
}

/// `LIKE` over names, letters of either case alike.
fn matches(filter: &ShowFilter, name: &str) -> bool {
    filter.like.as_ref().is_none_or(|pattern| {
        let values = StringArray::from(vec![name.to_lowercase()]);
        let pattern = arrow::array::Scalar::new(StringArray::from(vec![pattern.to_lowercase()]));
        arrow::compute::like(&values, &pattern).is_ok_and(|found| found.value(0))
    })
}
