//! The catalog's files: read once at start, written whole and durably one object at a time.
//!
//! A dropped object's file moves to `catalog/dropped/`, where its folder's week of grace is counted from.

use serde::{Deserialize, Serialize};
use sluice_connectors::{error::ConnectorError, failpoint, store::Root};
use sluice_sql::{Canonical, Statement, ast};

use super::{
    Broken, Catalog, Object, ObjectMeta, QualifiedName, SchemaAccess, StreamObject, TableObject,
    ViewObject, fold,
};
use crate::{
    access::{Acl, Functions, Target, apply_grants, grant_lines},
    error::{Error, Result, SqlState},
    root::storage_error,
};

/// Days a dropped table's folder stays.
pub const GRACE_DAYS: i64 = 7;

const HEADER: &str = "-- sluice ";
/// What was given on the database.
const DATABASE: &str = "catalog/database.sql";
/// What was given on functions, and taken.
const FUNCTIONS: &str = "catalog/functions.sql";

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
    /// A table's folder, where that is not the one of its name.
    pub location: Option<String>,
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
                let text = self.read(&format!("catalog/schemas/{file}")).await?;
                catalog.put_schema(name, parse_schema(name, &text)?);
            }
        }
        let schemas = self.root.list_folders("catalog/objects").await;
        for schema in schemas.map_err(storage_error)? {
            let folder = format!("catalog/objects/{schema}");
            for file in self.root.list(&folder).await.map_err(storage_error)? {
                let path = format!("{folder}/{file}");
                match self.object(&path).await? {
                    Ok(object) => {
                        catalog.keep_schema(&object.name().schema);
                        self.take(&mut catalog, object).await?;
                    }
                    Err(error) => {
                        catalog.put_broken(Broken::new(&schema, &file, path, error.message));
                    }
                }
            }
        }
        if let Some(text) = self.root.read_text(DATABASE).await.map_err(storage_error)? {
            let mut acl = Acl::default();
            grants(&mut acl, &text, Target::Database, DATABASE)?;
            catalog.put_database_acl(acl);
        }
        let functions = self.root.read_text(FUNCTIONS).await;
        if let Some(text) = functions.map_err(storage_error)? {
            let parsed = sluice_sql::parse(&text)
                .map_err(|error| unreadable(FUNCTIONS, &error.to_string()))?;
            let statements: Vec<Statement> =
                parsed.into_iter().map(|parsed| parsed.statement).collect();
            catalog.put_functions(Functions::of(&statements));
        }
        self.load_roles(&mut catalog).await?;
        Ok(catalog)
    }

    /// The object of a file, or what is wrong with what the file says; an error where the file could not be read at all.
    async fn object(&self, path: &str) -> Result<Result<Object>> {
        match self.root.read_text(path).await {
            Ok(Some(text)) => Ok(parse_object(path, &text)),
            Ok(None) => Err(Error::internal(format!(
                "catalog file {path} went away while it was read"
            ))),
            Err(ConnectorError::Corrupt { message }) => Ok(Err(unreadable(path, &message))),
            Err(error) => Err(storage_error(error)),
        }
    }

    /// Puts an object into the catalog. Two of one id are one that was being renamed when the server died: the file of its last name stays.
    async fn take(&self, catalog: &mut Catalog, object: Object) -> Result<()> {
        let twin = catalog
            .objects(&object.name().schema)
            .find(|known| known.meta().id == object.meta().id)
            .cloned();
        if let Some(twin) = twin {
            let newer = object.meta().renames > twin.meta().renames;
            let old: &Object = if newer { &twin } else { &object };
            let gone = self.root.delete(&object_path(old)).await;
            gone.map_err(storage_error)?;
            if !newer {
                return Ok(());
            }
            catalog.remove(twin.name());
        }
        catalog.put(std::sync::Arc::new(object));
        Ok(())
    }

    /// The root.
    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// Refuses an object whose file would be read as another one, or could not be read at the next start.
    pub(crate) fn check(object: &Object) -> Result<()> {
        let query = |object: &Object| match object {
            Object::Stream(_) => None,
            Object::View(view) => Some(Canonical(view.statement.query.as_ref()).to_string()),
            Object::Table(table) => {
                let query = table.statement.query.as_deref();
                query.map(|query| Canonical(query).to_string())
            }
        };
        match parse_object(&object_path(object), &file_text(object, None)?) {
            Ok(read) if query(&read) == query(object) => Ok(()),
            _ => {
                let (kind, name) = (object.kind(), &object.name().name);
                Err(Error::user(
                    SqlState::FeatureNotSupported,
                    format!("the statement of {kind} \"{name}\" cannot be kept"),
                )
                .with_detail("The text that would be stored of it reads as another statement.")
                .with_hint(
                    "Write its expressions with fewer operators and parentheses in each other.",
                ))
            }
        }
    }

    /// Writes an object's file.
    pub async fn put(&self, object: &Object) -> Result<()> {
        self.root
            .put_text(&object_path(object), &file_text(object, None)?)
            .await
            .map_err(storage_error)
    }

    /// Writes an object's file under its new name and deletes that of the old one.
    pub(crate) async fn rename(&self, old: &Object, new: &Object) -> Result<()> {
        self.put(new).await?;
        failpoint::hit("ddl.rename").map_err(storage_error)?;
        let path = object_path(old);
        self.root.delete(&path).await.map_err(storage_error)
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
            let header = match parse_header(&path, &self.read(&path).await?) {
                Ok(header) => header,
                Err(error) => {
                    tracing::warn!("{}: what was dropped stays", error.message);
                    continue;
                }
            };
            dropped.push(Dropped {
                name: header.name,
                id: header.meta.id,
                location: header.meta.location,
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
    pub async fn put_schema(&self, schema: &str, access: &SchemaAccess) -> Result<()> {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let comment = access.comment.as_ref().map_or_else(String::new, |comment| {
            let comment = comment.replace('\'', "''");
            format!("COMMENT ON SCHEMA {} IS '{comment}';\n", quoted(schema))
        });
        let text = format!(
            "CREATE SCHEMA {};\nALTER SCHEMA {} OWNER TO {};\n{comment}{}",
            quoted(schema),
            quoted(schema),
            quoted(&access.owner),
            grant_lines(&access.acl, &Target::Schema(schema).sql()),
        );
        self.root
            .put_text(&format!("catalog/schemas/{schema}.sql"), &text)
            .await
            .map_err(storage_error)
    }

    /// Writes what was given on the database.
    pub(crate) async fn put_database_acl(&self, acl: &Acl) -> Result<()> {
        self.root
            .put_text(DATABASE, &grant_lines(acl, &Target::Database.sql()))
            .await
            .map_err(storage_error)
    }

    /// Writes who may call which function.
    pub(crate) async fn put_functions(&self, functions: &Functions) -> Result<()> {
        self.root
            .put_text(FUNCTIONS, &functions.text())
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

    pub(crate) async fn read(&self, path: &str) -> Result<String> {
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
    let grants = grant_lines(&object.meta().acl, &Target::Relation(object).sql());
    Ok(format!("{HEADER}{header}\n{};\n{grants}", object.sql()))
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
    let mut statements = sluice_sql::parse(text)
        .map_err(|error| unreadable(path, &error.to_string()))?
        .into_iter()
        .map(|parsed| parsed.statement);
    let statement = statements.next();
    let object = created(path, statement, name, meta, continuous)?;
    let mut meta = object.meta().clone();
    let grants: Vec<Statement> = statements.collect();
    apply_grants(
        &mut meta.acl,
        grants.iter(),
        Target::Relation(&object).all(),
    );
    Ok(object.with_meta(meta))
}

/// Reads a schema's file.
fn parse_schema(name: &str, text: &str) -> Result<SchemaAccess> {
    let path = format!("catalog/schemas/{name}.sql");
    let mut access = SchemaAccess::made_by(crate::access::OWNER);
    let statements =
        sluice_sql::parse(text).map_err(|error| unreadable(&path, &error.to_string()))?;
    // A file of before there were privileges says nothing of them.
    if statements.len() == 1 {
        return Ok(SchemaAccess::of_before());
    }
    for parsed in &statements {
        match &parsed.statement {
            Statement::AlterOwner(alter) => {
                if let Some(owner) = &alter.owner {
                    access.owner = fold(owner);
                }
            }
            Statement::Sql(statement) => {
                if let ast::Statement::Comment { comment, .. } = statement.as_ref() {
                    access.comment.clone_from(comment);
                }
            }
            _ => {}
        }
    }
    let grants = statements.iter().map(|parsed| &parsed.statement);
    apply_grants(&mut access.acl, grants, Target::Schema(name).all());
    Ok(access)
}

fn grants(acl: &mut Acl, text: &str, on: Target<'_>, path: &str) -> Result<()> {
    let statements =
        sluice_sql::parse(text).map_err(|error| unreadable(path, &error.to_string()))?;
    apply_grants(
        acl,
        statements.iter().map(|parsed| &parsed.statement),
        on.all(),
    );
    Ok(())
}

fn created(
    path: &str,
    statement: Option<Statement>,
    name: QualifiedName,
    meta: ObjectMeta,
    continuous: bool,
) -> Result<Object> {
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
        SqlState::DataException,
        format!("catalog file {path} cannot be read: {why}"),
    )
    .with_hint(
        "Restore the file from a backup of the root, or move it away to start without that object.",
    )
}
