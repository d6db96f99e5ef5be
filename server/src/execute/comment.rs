//! `COMMENT ON TABLE | VIEW | STREAM | COLUMN | SCHEMA | ROLE … IS '…'`: kept in the catalog, and in the Delta table's own description where
//! no query feeds it.
//!
//! A table that a query feeds keeps its description out of the log: to define it anew would be to disturb its writer.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use sluice_sql::{
    CommentOnStream,
    ast::{CommentObject, Ident, ObjectName, ObjectNamePart},
};

use super::{
    Outcome,
    alter_table::{put, redefine},
    grant_role,
};
use crate::{
    access::{Role, role_name_usable},
    catalog::{Object, QualifiedName, RESERVED_SCHEMAS, SchemaAccess, fold, schema_name},
    error::{Error, Result, SqlState},
    session::Session,
    write::{Action, Target},
};

pub(super) async fn run(
    session: &Session,
    kind: &CommentObject,
    name: &ObjectName,
    comment: Option<String>,
) -> Result<String> {
    // PostgreSQL takes an empty comment for none.
    let comment = comment.filter(|text| !text.is_empty());
    let (relation, column, wanted) = match kind {
        CommentObject::View => (QualifiedName::from_sql(name)?, None, Some("view")),
        CommentObject::Table | CommentObject::MaterializedView => {
            (QualifiedName::from_sql(name)?, None, Some("table"))
        }
        CommentObject::Column => {
            let (relation, column) = of_column(name)?;
            (relation, Some(column), None)
        }
        CommentObject::Schema => return on_schema(session, &schema_name(name)?, comment).await,
        CommentObject::Role => return on_role(session, name, comment).await,
        other => {
            return Err(Error::user(
                SqlState::FeatureNotSupported,
                format!("COMMENT ON {other} is not supported"),
            )
            .with_hint(
                "Comments are for tables, views, streams, their columns, schemas and roles.",
            ));
        }
    };
    on_relation(session, relation, column, wanted, comment).await
}

pub(super) async fn on_stream(session: &Session, on: &CommentOnStream) -> Result<Outcome> {
    let relation = QualifiedName::from_sql(&on.name)?;
    let comment = on.comment.clone().filter(|text| !text.is_empty());
    on_relation(session, relation, None, Some("stream"), comment)
        .await
        .map(Outcome::Done)
}

/// On a relation, which must be of the kind that is wanted, or on a column of one of any kind.
async fn on_relation(
    session: &Session,
    relation: QualifiedName,
    column: Option<String>,
    wanted: Option<&str>,
    comment: Option<String>,
) -> Result<String> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let catalog = engine.catalog();
    let mut object = Object::clone(catalog.require(&relation)?);
    session.require_owner(crate::access::Target::Relation(&object))?;
    if let Some(wanted) = wanted.filter(|wanted| *wanted != object.kind()) {
        let error = Error::user(
            SqlState::WrongObjectType,
            format!("\"{relation}\" is not a {wanted}"),
        );
        let is = object.kind();
        // PostgreSQL, which has no streams, says no more.
        return Err(match [is, wanted].contains(&"stream") {
            true => error.with_hint(format!(
                "It is a {is}: write COMMENT ON {} {relation} IS '…'.",
                is.to_uppercase()
            )),
            false => error,
        });
    }
    if let Some(column) = &column {
        let columns = columns_of(session, &relation).await?;
        if !columns.contains(column) {
            return Err(Error::user(
                SqlState::UndefinedColumn,
                format!(
                    "column \"{column}\" of relation \"{}\" does not exist",
                    relation.name
                ),
            ));
        }
    }
    let meta = object.meta_mut();
    match (&column, &comment) {
        (None, comment) => meta.comment.clone_from(comment),
        (Some(column), Some(comment)) => {
            meta.column_comments.insert(column.clone(), comment.clone());
        }
        (Some(column), None) => drop(meta.column_comments.remove(column)),
    }
    match object {
        Object::Table(table) if !table.continuous => {
            let target = Target::named(session, relation, Action::Alter)?;
            let _turn = target.table.queue().lock().await;
            if let Some(mut sink) = target.table.sink().await? {
                let mut spec = sink.spec().clone();
                match &column {
                    None => spec.description = comment,
                    Some(column) => spec.schema = described(&spec.schema, column, comment),
                }
                redefine(&target, &mut sink, &spec, "SET DESCRIPTION").await?;
            }
            put(session, table).await?;
        }
        other => {
            engine.files().put(&other).await?;
            engine.change_catalog(|catalog| catalog.put(Arc::new(other)));
        }
    }
    Ok("COMMENT".into())
}

async fn on_schema(session: &Session, name: &str, comment: Option<String>) -> Result<String> {
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let catalog = engine.catalog();
    if RESERVED_SCHEMAS.contains(&name) {
        return Err(Error::user(
            SqlState::InsufficientPrivilege,
            format!("permission denied: \"{name}\" is a system schema"),
        ));
    }
    if !catalog.has_schema(name) {
        return Err(Error::user(
            SqlState::InvalidSchemaName,
            format!("schema \"{name}\" does not exist"),
        ));
    }
    session.require_owner(crate::access::Target::Schema(name))?;
    let access = SchemaAccess {
        comment,
        ..catalog.schema_access(name)
    };
    engine.files().put_schema(name, &access).await?;
    engine.change_catalog(|catalog| catalog.put_schema(name, access));
    Ok("COMMENT".into())
}

async fn on_role(session: &Session, name: &ObjectName, comment: Option<String>) -> Result<String> {
    let [ObjectNamePart::Identifier(name)] = name.0.as_slice() else {
        return Err(Error::user(
            SqlState::InvalidName,
            format!("\"{name}\" is not a name of a role"),
        ));
    };
    let name = fold(name);
    let engine = session.engine();
    let _ddl = engine.begin_ddl().await?;
    let catalog = engine.catalog();
    let roles = catalog.roles();
    let mut role = Role::clone(roles.require(&name)?);
    let actor = session.role();
    let superuser = roles.is_superuser(&actor);
    let creator = roles.get(&actor).is_some_and(|role| role.create_role);
    let refused = match role.superuser {
        true => (!superuser).then_some("must be superuser"),
        false => (!superuser && !creator).then_some("must have CREATEROLE privilege"),
    };
    if let Some(refused) = refused {
        return Err(Error::user(SqlState::InsufficientPrivilege, refused));
    }
    if role.is_predefined() {
        role_name_usable(&name)?;
    }
    role.comment = comment;
    grant_role::put(session, role).await?;
    Ok("COMMENT".into())
}

/// `schema.relation.column`.
fn of_column(name: &ObjectName) -> Result<(QualifiedName, String)> {
    match name.0.split_last() {
        Some((ObjectNamePart::Identifier(column), relation)) if !relation.is_empty() => {
            let relation = QualifiedName::from_sql(&ObjectName(relation.to_vec()))?;
            Ok((relation, column_name(column)))
        }
        _ => Err(
            Error::user(SqlState::SyntaxError, "column name must be qualified")
                .with_hint("Write COMMENT ON COLUMN relation.column IS '…'."),
        ),
    }
}

fn column_name(column: &Ident) -> String {
    fold(column)
}

async fn columns_of(session: &Session, relation: &QualifiedName) -> Result<Vec<String>> {
    let table = session
        .context()
        .table_provider(datafusion::common::TableReference::full(
            "sluice",
            relation.schema.as_str(),
            relation.name.as_str(),
        ))
        .await
        .map_err(super::engine_error)?;
    let schema = table.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    Ok(names.collect())
}

/// The columns with another comment at one of them.
fn described(schema: &Schema, column: &str, comment: Option<String>) -> Arc<Schema> {
    let fields = schema.fields().iter().map(|field| {
        if field.name() != column {
            return Arc::clone(field);
        }
        let mut metadata = field.metadata().clone();
        match &comment {
            Some(text) => drop(metadata.insert("comment".to_owned(), text.clone())),
            None => drop(metadata.remove("comment")),
        }
        let field = Field::new(field.name(), field.data_type().clone(), field.is_nullable());
        Arc::new(field.with_metadata(metadata))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
