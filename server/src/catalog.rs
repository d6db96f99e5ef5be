//! What exists: schemas, streams, views and tables, kept under the root as canonical SQL text.
//!
//! The text is the truth: `catalog/<schema>/<kind>.<name>.sql` holds one comment line with what SQL cannot say (id, incarnation) and
//! then the statement as SHOW CREATE prints it. In memory the catalog is one immutable value swapped whole, so that a statement plans
//! against one state of it and readers never wait.

mod file;
mod object;

pub use file::{CatalogFiles, Dropped, GRACE_DAYS};
pub use object::{
    Object, ObjectMeta, QualifiedName, StreamObject, TableObject, ViewObject, fold, relations,
    schema_name,
};

use std::{collections::BTreeMap, sync::Arc};

use crate::error::{Error, Result, SqlState};

/// Schemas that are there from the start.
pub const READY_MADE_SCHEMAS: [&str; 4] = ["public", "bronze", "silver", "gold"];
/// Schemas that are ours or PostgreSQL's and take no user objects.
pub const RESERVED_SCHEMAS: [&str; 3] = ["system", "information_schema", "pg_catalog"];
/// Suffixes of companion relations; a name may not end in one.
pub const COMPANION_SUFFIXES: [&str; 6] = [
    "__live",
    "__late",
    "__dead_letter",
    "__files",
    "__history",
    "__checkpoints",
];

/// Everything that exists, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    schemas: BTreeMap<String, BTreeMap<String, Arc<Object>>>,
}

impl Catalog {
    /// The ready-made schemas and nothing in them.
    pub fn new() -> Self {
        Self {
            schemas: READY_MADE_SCHEMAS
                .iter()
                .map(|name| ((*name).to_owned(), BTreeMap::new()))
                .collect(),
        }
    }

    /// Names of all schemas.
    pub fn schemas(&self) -> impl Iterator<Item = &str> {
        self.schemas.keys().map(String::as_str)
    }

    /// Whether a schema is there.
    pub fn has_schema(&self, schema: &str) -> bool {
        self.schemas.contains_key(schema)
    }

    /// Objects of one schema by name.
    pub fn objects(&self, schema: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.schemas
            .get(schema)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// All objects.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.schemas.values().flat_map(BTreeMap::values)
    }

    /// One object.
    pub fn get(&self, name: &QualifiedName) -> Option<&Arc<Object>> {
        self.schemas.get(&name.schema)?.get(&name.name)
    }

    /// One object, or the error with the nearest name.
    pub fn require(&self, name: &QualifiedName) -> Result<&Arc<Object>> {
        self.get(name).ok_or_else(|| self.undefined(name))
    }

    /// `relation "x" does not exist`, with the nearest known name.
    pub fn undefined(&self, name: &QualifiedName) -> Error {
        let error = Error::user(
            SqlState::UndefinedTable,
            format!("relation \"{name}\" does not exist"),
        );
        match self.nearest(&name.to_string()) {
            Some(near) => error.with_hint(format!("Did you mean \"{near}\"?")),
            None => error,
        }
    }

    /// The name most like `wanted`, when it may be a slip of the pen.
    pub fn nearest(&self, wanted: &str) -> Option<String> {
        self.all()
            .map(|object| object.name().to_string())
            .map(|known| (strsim::damerau_levenshtein(&known, wanted), known))
            .filter(|(distance, _)| *distance <= 3)
            .min()
            .map(|(_, known)| known)
    }

    /// Adds or replaces an object.
    pub fn put(&mut self, object: Arc<Object>) {
        let name = object.name().clone();
        self.schemas
            .entry(name.schema)
            .or_default()
            .insert(name.name, object);
    }

    /// Takes an object away.
    pub fn remove(&mut self, name: &QualifiedName) {
        if let Some(objects) = self.schemas.get_mut(&name.schema) {
            objects.remove(&name.name);
        }
    }

    /// Adds a schema.
    pub fn put_schema(&mut self, schema: &str) {
        self.schemas.entry(schema.to_owned()).or_default();
    }

    /// Takes a schema away.
    pub fn remove_schema(&mut self, schema: &str) {
        self.schemas.remove(schema);
    }

    /// Objects whose definition reads `name`.
    pub fn dependents(&self, name: &QualifiedName) -> Vec<Arc<Object>> {
        self.all()
            .filter(|object| object.reads().contains(name))
            .cloned()
            .collect()
    }

    /// Refuses names that are taken, reserved or end like a companion relation.
    pub fn check_new_name(&self, name: &QualifiedName) -> Result<()> {
        if RESERVED_SCHEMAS.contains(&name.schema.as_str()) {
            return Err(Error::user(
                SqlState::ReservedName,
                format!("schema \"{}\" takes no objects of yours", name.schema),
            )
            .with_hint("Create it in public, bronze, silver, gold or a schema of your own."));
        }
        if !self.has_schema(&name.schema) {
            return Err(Error::user(
                SqlState::InvalidSchemaName,
                format!("schema \"{}\" does not exist", name.schema),
            )
            .with_hint(format!("Create it first: CREATE SCHEMA {};", name.schema)));
        }
        if let Some(suffix) = COMPANION_SUFFIXES
            .iter()
            .find(|suffix| name.name.ends_with(**suffix))
        {
            return Err(Error::user(
                SqlState::ReservedName,
                format!("name \"{name}\" ends in {suffix}, which is kept for companion relations"),
            )
            .with_hint("Choose a name without that ending."));
        }
        // The name becomes a folder, on stores whose rules are narrower than SQL's.
        let usable = !name.name.is_empty()
            && name.name.len() <= 63
            && name
                .name
                .chars()
                .all(|c| c.is_alphanumeric() || "_- $".contains(c));
        if !usable {
            return Err(Error::user(
                SqlState::InvalidName,
                format!("name \"{name}\" cannot be the name of a folder"),
            )
            .with_hint("Use up to 63 letters, digits, spaces, _ - or $."));
        }
        Ok(())
    }
}
