//! What exists: schemas, streams, views and tables, kept under the root as canonical SQL text.
//!
//! The text is the truth: `catalog/<schema>/<kind>.<name>.sql` holds one comment line with what SQL cannot say (id, incarnation) and
//! then the statement as SHOW CREATE prints it. In memory the catalog is one immutable value swapped whole, so that a statement plans
//! against one state of it and readers never wait.

mod broken;
mod file;
mod object;

pub use broken::Broken;
pub use file::{CatalogFiles, Dropped, GRACE_DAYS};
pub(crate) use object::is_plain;
pub use object::{
    Object, ObjectMeta, QualifiedName, StreamObject, TableObject, ViewObject, fold, function_name,
    relations, schema_name,
};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    access::{Acl, Functions, OWNER, Rights, Roles},
    error::{Error, Result, SqlState},
};
use sluice_sql::Privilege;

/// Schemas that are there from the start.
pub const READY_MADE_SCHEMAS: [&str; 4] = ["public", "bronze", "silver", "gold"];
/// The schema of a session's temporary tables, which no catalog has.
pub const TEMP_SCHEMA: &str = "pg_temp";
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

/// Whose a schema is, and what others may do in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaAccess {
    /// Who owns it.
    pub owner: String,
    /// What others may.
    pub acl: Acl,
    /// What COMMENT ON says of it.
    pub comment: Option<String>,
}

impl SchemaAccess {
    /// As CREATE SCHEMA makes one: nobody else may anything.
    pub fn made_by(owner: &str) -> Self {
        Self {
            owner: owner.to_owned(),
            acl: Acl::default(),
            comment: None,
        }
    }

    /// One that nobody made, or was made before there were roles: names in it may be used by everybody, and what they stand for is
    /// each object's own business.
    pub fn of_before() -> Self {
        let mut access = Self::made_by(OWNER);
        access
            .acl
            .give(None, Rights::of(&[Privilege::Usage]), false);
        access
    }
}

/// Everything that exists, at one moment.
#[derive(Clone, Debug)]
pub struct Catalog {
    schemas: BTreeMap<String, BTreeMap<String, Arc<Object>>>,
    /// Objects whose files cannot be read, by name.
    broken: BTreeMap<QualifiedName, Arc<Broken>>,
    access: BTreeMap<String, SchemaAccess>,
    database: Acl,
    functions: Functions,
    roles: Roles,
}

impl Default for Catalog {
    fn default() -> Self {
        let mut database = Acl::default();
        let everybody = [Privilege::Connect, Privilege::Temporary];
        database.give(None, Rights::of(&everybody), false);
        Self {
            schemas: BTreeMap::new(),
            broken: BTreeMap::new(),
            access: BTreeMap::new(),
            database,
            functions: Functions::default(),
            roles: Roles::default(),
        }
    }
}

impl Catalog {
    /// The ready-made schemas and nothing in them.
    pub fn new() -> Self {
        let mut catalog = Self::default();
        for name in READY_MADE_SCHEMAS {
            catalog.keep_schema(name);
        }
        catalog
    }

    /// Roles.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Roles, to be changed.
    pub(crate) fn roles_mut(&mut self) -> &mut Roles {
        &mut self.roles
    }

    /// Who owns a schema; those that are not the user's are the server's.
    pub fn schema_owner(&self, schema: &str) -> &str {
        self.access
            .get(schema)
            .map_or(OWNER, |access| access.owner.as_str())
    }

    /// What others may do in a schema.
    pub fn schema_acl(&self, schema: &str) -> Acl {
        let access = self.access.get(schema);
        access.map_or_else(
            || SchemaAccess::of_before().acl,
            |access| access.acl.clone(),
        )
    }

    /// What COMMENT ON says of a schema.
    pub fn schema_comment(&self, schema: &str) -> Option<&str> {
        self.access.get(schema)?.comment.as_deref()
    }

    /// Whose a schema is, and what others may do in it.
    pub fn schema_access(&self, schema: &str) -> SchemaAccess {
        let access = self.access.get(schema).cloned();
        access.unwrap_or_else(SchemaAccess::of_before)
    }

    /// What was given on the database.
    pub fn database_acl(&self) -> &Acl {
        &self.database
    }

    /// Sets what was given on the database.
    pub(crate) fn put_database_acl(&mut self, acl: Acl) {
        self.database = acl;
    }

    /// Who may call which function.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Sets who may call which function.
    pub(crate) fn put_functions(&mut self, functions: Functions) {
        self.functions = functions;
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

    /// The object of this name whose file cannot be read.
    pub fn broken(&self, name: &QualifiedName) -> Option<&Broken> {
        self.broken.get(name).map(AsRef::as_ref)
    }

    /// All objects whose files cannot be read.
    pub fn all_broken(&self) -> impl Iterator<Item = &Broken> {
        self.broken.values().map(AsRef::as_ref)
    }

    /// What an object reads, by way of views too, whose file cannot be read.
    pub(crate) fn broken_below(&self, object: &Object) -> Option<&Broken> {
        let mut seen = BTreeSet::new();
        let mut ahead: Vec<QualifiedName> = object.reads().into_iter().collect();
        while let Some(name) = ahead.pop() {
            if let Some(broken) = self.broken(&name) {
                return Some(broken);
            }
            if let Some(read) = self.get(&name)
                && matches!(read.as_ref(), Object::View(_))
                && seen.insert(name)
            {
                ahead.extend(read.reads());
            }
        }
        None
    }

    /// Notes an object whose file cannot be read.
    pub(super) fn put_broken(&mut self, broken: Broken) {
        self.keep_schema(&broken.name.schema);
        self.broken.insert(broken.name.clone(), Arc::new(broken));
    }

    /// The object whose rights decide who may read a relation of this name: itself, what it is a companion of, or what it was earlier.
    pub fn readable(&self, name: &QualifiedName) -> Option<&Arc<Object>> {
        let base = match sluice_planner::AsOf::of_relation(&name.name) {
            Some((table, _)) => table,
            None => &name.name,
        };
        let of = |base: &str| self.get(&QualifiedName::new(&name.schema, base));
        of(&name.name).or_else(|| of(base)).or_else(|| {
            COMPANION_SUFFIXES
                .iter()
                .find_map(|suffix| of(base.strip_suffix(suffix)?))
        })
    }

    /// One object, or the error with the nearest name.
    pub fn require(&self, name: &QualifiedName) -> Result<&Arc<Object>> {
        self.get(name).ok_or_else(|| self.undefined(name))
    }

    /// `relation "x" does not exist`, with the nearest known name.
    pub fn undefined(&self, name: &QualifiedName) -> Error {
        if let Some(broken) = self.broken(name) {
            return broken.error();
        }
        let error = Error::user(
            SqlState::UndefinedTable,
            format!("relation \"{name}\" does not exist"),
        );
        if name.schema == TEMP_SCHEMA {
            return error.with_hint("Tables of a session take SELECT, INSERT, UPDATE, DELETE, TRUNCATE, COPY and DROP, of that session alone.");
        }
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

    /// Adds a schema, or sets whose it is.
    pub fn put_schema(&mut self, schema: &str, access: SchemaAccess) {
        self.schemas.entry(schema.to_owned()).or_default();
        self.access.insert(schema.to_owned(), access);
    }

    /// Sees to it that a schema is there.
    pub fn keep_schema(&mut self, schema: &str) {
        self.schemas.entry(schema.to_owned()).or_default();
        self.access
            .entry(schema.to_owned())
            .or_insert_with(SchemaAccess::of_before);
    }

    /// Takes a schema away.
    pub fn remove_schema(&mut self, schema: &str) {
        self.schemas.remove(schema);
        self.access.remove(schema);
    }

    /// Objects that need `name` as long as they are there: not a table whose query ran once, which has its rows.
    pub fn dependents(&self, name: &QualifiedName) -> Vec<Arc<Object>> {
        let needs = |object: &Object| match object {
            Object::Table(table) => table.continuous,
            Object::Stream(_) | Object::View(_) => true,
        };
        self.all()
            .filter(|object| needs(object) && object.reads().contains(name))
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
        if let Some(broken) = self.broken(name) {
            return Err(broken.error());
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
