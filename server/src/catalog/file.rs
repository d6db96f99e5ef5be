//! The catalog's files: read once at start, written whole and durably one object at a time.
//!
//! A dropped object's file moves to `catalog/dropped/`, where its folder's week of grace is counted from.

use serde::{Deserialize, Serialize};
use sluice_connectors::store::Root;
use sluice_sql::Statement;

use super::{Catalog, Object, ObjectMeta, QualifiedName, StreamObject, TableObject, ViewObject};
use crate::{
    error::{Error, Result},
    root::storage_error,
};

/// Days a dropped table's folder stays.
pub const GRACE_DAYS: i64 = 7;

const HEADER: &str = "-- sluice ";

/// The first line of a catalog file.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    kind: String,
    name: QualifiedName,
    #[serde(flatten)]
    meta: ObjectMeta,
    #[serde(default)]
    continuous: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dropped_at: Option<String>,
}

/// A dropped table whose folder is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its name.
    pub name: QualifiedName,
    /// Its id.
    pub id: String,
    /// `stream`, `view` or `table`.
    pub kind: String,
    /// When, RFC 3339.
    pub dropped_at: String,
    /// Where its file lies.
    pub path: String,
}

/// The files under `catalog/`.
#[derive(Clone, Debug)]
pub struct CatalogFiles {
    root: Root,
}

impl CatalogFiles {
    /// The files under this root.
    pub fn new(root: Root) -> Self {
        Self { root }
    }

    /// Reads everything.
    pub async fn load(&self) -> Result<Catalog> {
        let mut catalog = Catalog::new();
        for file in self
            .root
            .list("catalog/schemas")
            .await
            .map_err(storage_error)?
        {
            if let Some(name) = file.strip_suffix(".sql") {
                catalog.put_schema(name);
            }
        }
        let schemas = self.root.list_folders("catalog/objects").await;
        for schema in schemas.map_err(storage_error)? {
            let folder = format!("catalog/objects/{schema}");
            for file in self.root.list(&folder).await.map_err(storage_error)? {
                let path = format!("{folder}/{file}");
                let text = self.read(&path).await?;
                catalog.put_schema(&parse_header(&path, &text)?.name.schema);
                catalog.put(std::sync::Arc::new(parse_object(&path, &text)?));
            }
        }
        Ok(catalog)
    }

    /// Writes an object's file.
    pub async fn put(&self, object: &Object) -> Result<()> {
        self.root
            .put_text(&object_path(object), &file_text(object, None)?)
            .await
            .map_err(storage_error)
    }

    /// Moves an object's file among the dropped.
    pub async fn drop_object(&self, object: &Object, now: &str) -> Result<()> {
        let path = format!("catalog/dropped/{}.{}.sql", object.meta().id, object.kind());
        self.root
            .put_text(&path, &file_text(object, Some(now))?)
            .await
            .map_err(storage_error)?;
        self.root
            .delete(&object_path(object))
            .await
            .map_err(storage_error)
    }

    /// Objects that were dropped and not yet swept.
    pub async fn dropped(&self) -> Result<Vec<Dropped>> {
        let mut dropped = Vec::new();
        for file in self
            .root
            .list("catalog/dropped")
            .await
            .map_err(storage_error)?
        {
            let path = format!("catalog/dropped/{file}");
            let header = parse_header(&path, &self.read(&path).await?)?;
            dropped.push(Dropped {
                name: header.name,
                id: header.meta.id,
                kind: header.kind,
                dropped_at: header.dropped_at.unwrap_or_default(),
                path,
            });
        }
        Ok(dropped)
    }

    /// Forgets a dropped object.
    pub async fn forget_dropped(&self, dropped: &Dropped) -> Result<()> {
        self.root.delete(&dropped.path).await.map_err(storage_error)
    }

    /// Writes a schema's file.
    pub async fn put_schema(&self, schema: &str) -> Result<()> {
        self.root
            .put_text(
                &format!("catalog/schemas/{schema}.sql"),
                &format!("CREATE SCHEMA \"{}\";\n", schema.replace('"', "\"\"")),
            )
            .await
            .map_err(storage_error)
    }

    /// Deletes a schema's file.
    pub async fn drop_schema(&self, schema: &str) -> Result<()> {
        self.root
            .delete(&format!("catalog/schemas/{schema}.sql"))
            .await
            .map_err(storage_error)
    }

    async fn read(&self, path: &str) -> Result<String> {
        self.root
            .read_text(path)
            .await
            .map_err(storage_error)?
            .ok_or_else(|| {
                Error::internal(format!("catalog file {path} went away while it was read"))
            })
    }
}

fn object_path(object: &Object) -> String {
    let name = object.name();
    format!(
        "catalog/objects/{}/{}.{}.sql",
        name.schema,
        name.name,
        object.kind()
    )
}

fn file_text(object: &Object, dropped_at: Option<&str>) -> Result<String> {
    let header = Header {
        kind: object.kind().to_owned(),
        name: object.name().clone(),
        meta: object.meta().clone(),
        continuous: matches!(object, Object::Table(table) if table.continuous),
        dropped_at: dropped_at.map(str::to_owned),
    };
    let header = serde_json::to_string(&header)
        .map_err(|error| Error::internal(format!("catalog header: {error}")))?;
    Ok(format!("{HEADER}{header}\n{};\n", object.sql()))
}

fn parse_header(path: &str, text: &str) -> Result<Header> {
    text.lines()
        .next()
        .and_then(|line| line.strip_prefix(HEADER))
        .and_then(|json| serde_json::from_str(json).ok())
        .ok_or_else(|| unreadable(path, "its first line is not a header of ours"))
}

fn parse_object(path: &str, text: &str) -> Result<Object> {
    let Header {
        name,
        meta,
        continuous,
        ..
    } = parse_header(path, text)?;
    let statement = sluice_sql::parse(text)
        .map_err(|error| unreadable(path, &error.to_string()))?
        .into_iter()
        .next()
        .map(|parsed| parsed.statement);
    match statement {
        Some(Statement::CreateStream(statement)) => Ok(Object::Stream(StreamObject {
            name,
            meta,
            statement,
        })),
        Some(Statement::CreateView(statement)) => Ok(Object::View(ViewObject {
            name,
            meta,
            statement,
        })),
        Some(Statement::CreateTable(statement)) => Ok(Object::Table(TableObject {
            name,
            meta,
            statement,
            continuous,
        })),
        _ => Err(unreadable(path, "it holds no CREATE statement")),
    }
}

fn unreadable(path: &str, why: &str) -> Error {
    Error::outside(
        crate::error::SqlState::DataException,
        format!("catalog file {path} cannot be read: {why}"),
    )
    .with_hint(
        "Restore the file from a backup of the root, or move it away to start without that object.",
    )
}
