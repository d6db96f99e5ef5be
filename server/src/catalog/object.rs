//! One thing that exists, with its statement and what the statement cannot say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use sluice_sql::{CreateStream, CreateTable, CreateView, ast};

use crate::{
    access::{Acl, OWNER},
    error::{Error, Result, SqlState},
    execute::table_path,
};

/// `schema.name`, both given.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QualifiedName {
    /// Schema.
    pub schema: String,
    /// Name in it.
    pub name: String,
}

impl QualifiedName {
    /// From two words.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            name: name.into(),
        }
    }

    /// As a statement has it.
    pub(crate) fn to_sql(&self) -> ast::ObjectName {
        let mut words = vec![self.name.as_str()];
        if self.schema != "public" {
            words.insert(0, &self.schema);
        }
        let idents = words.into_iter().map(|word| match is_plain(word) {
            true => ast::Ident::new(word),
            false => ast::Ident::with_quote('"', word),
        });
        ast::ObjectName::from(idents.collect::<Vec<_>>())
    }

    /// From a name in a statement: unquoted words fold to lower case, no schema means `public`, a catalog must be ours.
    pub fn from_sql(name: &ast::ObjectName) -> Result<Self> {
        let words: Vec<String> = name
            .0
            .iter()
            .map(|part| match part {
                ast::ObjectNamePart::Identifier(ident) => Ok(fold(ident)),
                ast::ObjectNamePart::Function(_) => Err(Error::user(
                    SqlState::InvalidName,
                    format!("\"{name}\" is not a name of a relation"),
                )),
            })
            .collect::<Result<_>>()?;
        match words.as_slice() {
            [relation] => Ok(Self::new("public", relation)),
            [schema, relation] => Ok(Self::new(schema, relation)),
            [catalog, schema, relation] if catalog == "sluice" => Ok(Self::new(schema, relation)),
            _ => Err(Error::user(
                SqlState::InvalidName,
                format!("improper qualified name: \"{name}\""),
            )
            .with_hint("Write schema.name.")),
        }
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.schema == "public" {
            f.write_str(&self.name)
        } else {
            write!(f, "{}.{}", self.schema, self.name)
        }
    }
}

/// Whether a name needs no quotes.
pub(crate) fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// An identifier as PostgreSQL folds it.
pub fn fold(ident: &ast::Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}

/// The word of a function's name in a statement; `None` where it is in a schema that has none.
pub fn function_name(name: &ast::ObjectName) -> Option<&ast::Ident> {
    match name.0.as_slice() {
        [ast::ObjectNamePart::Identifier(ident)] => Some(ident),
        [
            ast::ObjectNamePart::Identifier(schema),
            ast::ObjectNamePart::Identifier(ident),
        ] if fold(schema) == "pg_catalog" => Some(ident),
        _ => None,
    }
}

/// The name of a schema in a statement.
pub fn schema_name(name: &ast::ObjectName) -> Result<String> {
    match name.0.as_slice() {
        [ast::ObjectNamePart::Identifier(ident)] => Ok(fold(ident)),
        _ => Err(Error::user(
            SqlState::InvalidName,
            format!("\"{name}\" is not a name of a schema"),
        )),
    }
}

/// What SQL text cannot say of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectMeta {
    /// Its id: checkpoints and Delta application ids are named by it, so that a new object of an old name shares nothing with it.
    pub id: String,
    /// When it was created, RFC 3339.
    pub created_at: String,
    /// For a table: its query is paused.
    #[serde(default)]
    pub paused: bool,
    /// What COMMENT ON says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// And of its columns, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub column_comments: BTreeMap<String, String>,
    /// For a table: its folder under the root, where that is not the one of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// How often it was renamed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub renames: u32,
    /// Who owns it: whoever made it, or got it since.
    #[serde(default = "first_owner")]
    pub owner: String,
    /// What others may do with it; in its file these are statements.
    #[serde(skip)]
    pub acl: Acl,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Who owns what was made before there were roles.
fn first_owner() -> String {
    OWNER.to_owned()
}

/// A stream.
#[derive(Clone, Debug)]
pub struct StreamObject {
    /// Its name.
    pub name: QualifiedName,
    /// What SQL cannot say.
    pub meta: ObjectMeta,
    /// Its statement.
    pub statement: CreateStream,
}

/// A view.
#[derive(Clone, Debug)]
pub struct ViewObject {
    /// Its name.
    pub name: QualifiedName,
    /// What SQL cannot say.
    pub meta: ObjectMeta,
    /// Its statement.
    pub statement: CreateView,
}

/// A table, continuous or not.
#[derive(Clone, Debug)]
pub struct TableObject {
    /// Its name.
    pub name: QualifiedName,
    /// What SQL cannot say.
    pub meta: ObjectMeta,
    /// Its statement.
    pub statement: CreateTable,
    /// Whether a query feeds it.
    pub continuous: bool,
}

impl TableObject {
    /// Its Delta folder, under the root.
    pub fn path(&self) -> String {
        let location = self.meta.location.clone();
        location.unwrap_or_else(|| table_path(&self.name))
    }
}

/// One thing that exists.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "objects are few, and shared behind a pointer"
)]
pub enum Object {
    /// A stream.
    Stream(StreamObject),
    /// A view.
    View(ViewObject),
    /// A table.
    Table(TableObject),
}

impl Object {
    /// Its name.
    pub fn name(&self) -> &QualifiedName {
        match self {
            Self::Stream(stream) => &stream.name,
            Self::View(view) => &view.name,
            Self::Table(table) => &table.name,
        }
    }

    /// The same with other facts that SQL cannot say.
    pub fn with_meta(&self, meta: ObjectMeta) -> Self {
        let mut object = self.clone();
        match &mut object {
            Self::Stream(stream) => stream.meta = meta,
            Self::View(view) => view.meta = meta,
            Self::Table(table) => table.meta = meta,
        }
        object
    }

    /// The same under another name; a table's folder stays where it is.
    pub(crate) fn renamed(&self, to: &QualifiedName) -> Self {
        let mut object = self.clone();
        let (name, written) = match &mut object {
            Self::Stream(stream) => (&mut stream.name, &mut stream.statement.name),
            Self::View(view) => (&mut view.name, &mut view.statement.name),
            Self::Table(table) => {
                let path = table.path();
                table.meta.location = (path != table_path(to)).then_some(path);
                (&mut table.name, &mut table.statement.name)
            }
        };
        name.clone_from(to);
        *written = to.to_sql();
        object.meta_mut().renames += 1;
        object
    }

    /// What SQL cannot say of it.
    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Stream(stream) => &stream.meta,
            Self::View(view) => &view.meta,
            Self::Table(table) => &table.meta,
        }
    }

    /// To be changed.
    pub(crate) fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Stream(stream) => &mut stream.meta,
            Self::View(view) => &mut view.meta,
            Self::Table(table) => &mut table.meta,
        }
    }

    /// `stream`, `view` or `table`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stream(_) => "stream",
            Self::View(_) => "view",
            Self::Table(_) => "table",
        }
    }

    /// Its statement in canonical form, secrets included: for the catalog's files only.
    pub fn sql(&self) -> String {
        match self {
            Self::Stream(stream) => stream.statement.to_string(),
            Self::View(view) => view.statement.to_string(),
            Self::Table(table) => table.statement.to_string(),
        }
    }

    /// Its statement as people see it.
    pub fn shown_sql(&self) -> String {
        match self {
            Self::Stream(stream) => stream.statement.redacted().to_string(),
            Self::View(_) | Self::Table(_) => self.sql(),
        }
    }

    /// Relations its definition reads.
    pub fn reads(&self) -> BTreeSet<QualifiedName> {
        match self {
            Self::Stream(_) => BTreeSet::new(),
            Self::View(view) => relations(&view.statement.query),
            Self::Table(table) => table
                .statement
                .query
                .as_deref()
                .map(relations)
                .unwrap_or_default(),
        }
    }
}

/// Names of the relations a query reads (names of its own CTEs may be among them; they resolve to nothing).
pub fn relations(query: &ast::Query) -> BTreeSet<QualifiedName> {
    let mut names = BTreeSet::new();
    let _: std::ops::ControlFlow<()> = ast::visit_relations(query, |name| {
        if let Ok(name) = QualifiedName::from_sql(name) {
            names.insert(name);
        }
        std::ops::ControlFlow::Continue(())
    });
    names
}
