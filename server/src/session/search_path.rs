//! Where names without a schema are looked for: the schemas of `search_path`.
//!
//! A name is given its schema before anything else is done with a statement, so that whatever plans, checks or keeps it never asks in whose
//! session it was written. One that stands for something in `public`, or for nothing while `public` is searched, stays as it is written:
//! without a schema means `public` everywhere below a session, in the catalog's files as well.
//!
//! long because every statement with a name in it is one arm of the same walk

use std::{ops::ControlFlow, sync::Arc};

use sluice_sql::{
    CopyWhat, GrantOn, ObjectKind, Parsed, Privilege, Show, Statement, SubscribedTo,
    ast::{
        self, CommentObject, Ident, ObjectName, ObjectNamePart, Query, TableFactor, VisitMut,
        VisitorMut, With,
    },
};

use super::{Prepared, Session, temp::TempTables};
use crate::{
    access::Target,
    catalog::{Catalog, QualifiedName, TEMP_SCHEMA, fold, is_plain, relations},
    dialect,
    error::{Error, Result, SqlState},
    system,
};

#[cfg(test)]
mod tests;

/// Where a name that says no more is looked for below a session.
const PUBLIC: &str = "public";

/// The schemas of a search path's text, `$user` by its name.
pub(crate) fn named(path: &str, user: &str) -> Vec<String> {
    let schemas = elements(path).unwrap_or_default().into_iter();
    let schemas = schemas.map(|schema| match schema.as_str() {
        "$user" => user.to_owned(),
        _ => schema,
    });
    schemas.filter(|schema| !schema.is_empty()).collect()
}

/// The names of a list of identifiers, unquoted ones in lower case; `None` where it is no such list.
pub(super) fn elements(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Some(names);
    }
    loop {
        let name = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut name = String::new();
                let mut pieces = quoted.split('"');
                name.push_str(pieces.next()?);
                let mut taken = name.len() + 1;
                // Two quotes within the name are one of it.
                while quoted.get(taken..)?.starts_with('"') {
                    pieces.next()?;
                    let piece = pieces.next()?;
                    name.push('"');
                    name.push_str(piece);
                    taken += piece.len() + 2;
                }
                rest = quoted.get(taken..)?.trim_start();
                name
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                let name = name.trim_end();
                if name.is_empty() || name.contains([' ', '"', '\'']) {
                    return None;
                }
                rest = after;
                name.to_lowercase()
            }
        };
        names.push(name);
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None => return rest.is_empty().then_some(names),
        }
    }
}

/// A name as it stands in such a list.
pub(super) fn quoted(name: &str) -> String {
    match is_plain(name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Of a path, the schemas that are there and whose names may be used.
pub(crate) fn usable(path: Vec<String>, catalog: &Catalog, role: &str) -> Vec<String> {
    let mut schemas = Vec::with_capacity(path.len());
    for schema in path {
        let theirs = crate::catalog::RESERVED_SCHEMAS.contains(&schema.as_str());
        let there = theirs
            || catalog.has_schema(&schema)
                && catalog.may(role, Privilege::Usage, Target::Schema(&schema));
        if there && !schemas.contains(&schema) {
            schemas.push(schema);
        }
    }
    schemas
}

/// The schemas of a session's path that are there, against one state of the catalog.
pub(super) struct SearchPath {
    schemas: Vec<String>,
    catalog: Arc<Catalog>,
    temp: Arc<TempTables>,
}

impl SearchPath {
    /// Whether it changes nothing: names are looked for where they are anyway.
    fn is_plain(&self) -> bool {
        matches!(self.schemas.as_slice(), [only] if only == PUBLIC) && self.temp.is_empty()
    }

    fn has(&self, schema: &str, name: &str) -> bool {
        match schema {
            "system" => system::TABLES.contains(&name),
            "pg_catalog" | "information_schema" => dialect::has_relation(schema, name),
            _ => {
                let name = QualifiedName::new(schema, name);
                // One that cannot be read is there too: nothing else is meant by its name.
                self.catalog.readable(&name).is_some() || self.catalog.broken(&name).is_some()
            }
        }
    }

    /// The schema that a relation of this name is found in.
    fn schema_of(&self, name: &str) -> Option<&str> {
        if self.temp.has(name) {
            return Some(TEMP_SCHEMA);
        }
        // It is searched before all others, unless it has a place of its own.
        let ahead = !self.schemas.iter().any(|schema| schema == "pg_catalog");
        if ahead && self.has("pg_catalog", name) {
            return Some("pg_catalog");
        }
        let mut schemas = self.schemas.iter().map(String::as_str);
        schemas.find(|schema| self.has(schema, name))
    }

    /// The schema that something new is made in.
    fn schema_for_new(&self) -> Result<&str> {
        let mut schemas = self.schemas.iter().map(String::as_str);
        schemas.next().ok_or_else(|| {
            Error::user(
                SqlState::InvalidSchemaName,
                "no schema has been selected to create in",
            )
            .with_hint(
                "Write schema.name, or SET search_path to a schema that is there and that you may use.",
            )
        })
    }

    /// Gives the name of something that is to be there its schema.
    fn find(&self, name: &mut ObjectName) -> Result<()> {
        let Some(ident) = bare(name) else {
            return Ok(());
        };
        let found = fold(ident);
        match self.schema_of(&found) {
            Some(schema) => put(name, schema),
            // Whoever looks for it says that it is not there.
            None if self.schemas.iter().any(|schema| schema == PUBLIC) => {}
            None => return Err(self.undefined(&found)),
        }
        Ok(())
    }

    /// As [`SearchPath::find`], of something that may be missing.
    fn find_if_there(&self, name: &mut ObjectName) {
        let Some(ident) = bare(name) else {
            return;
        };
        let found = fold(ident);
        let searched = self.schemas.iter().any(|schema| schema == PUBLIC);
        match self.schema_of(&found) {
            Some(schema) => put(name, schema),
            None if searched => {}
            None => {
                let somewhere = self.schemas.first().map_or("pg_catalog", String::as_str);
                put(name, somewhere);
            }
        }
    }

    fn find_for(&self, name: &mut ObjectName, if_exists: bool) -> Result<()> {
        if !if_exists {
            return self.find(name);
        }
        self.find_if_there(name);
        Ok(())
    }

    /// Gives the name of something that is to be made its schema.
    fn make(&self, name: &mut ObjectName) -> Result<()> {
        if bare(name).is_some() {
            put(name, self.schema_for_new()?);
        }
        Ok(())
    }

    fn query(&self, query: &mut Query) -> Result<()> {
        self.visit(query)
    }

    fn visit(&self, within: &mut impl VisitMut) -> Result<()> {
        let mut names = Names::new(self);
        match within.visit(&mut names) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(*error),
        }
    }

    /// Gives every relation that a statement names its schema.
    fn statement(&self, statement: &mut Statement) -> Result<()> {
        match statement {
            Statement::CreateStream(create) => self.make(&mut create.name),
            Statement::CreateView(create) => {
                self.query(&mut create.query)?;
                // A view is as temporary as what it reads.
                let read = relations(&create.query);
                let temporary =
                    create.temporary || read.iter().any(|name| name.schema == TEMP_SCHEMA);
                if temporary && bare(&create.name).is_some() {
                    put(&mut create.name, TEMP_SCHEMA);
                }
                self.make(&mut create.name)
            }
            Statement::CreateTable(create) => {
                if let Some(query) = &mut create.query {
                    self.query(query)?;
                }
                for (_, name) in &mut create.like {
                    self.find(name)?;
                }
                if create.temporary && bare(&create.name).is_some() {
                    put(&mut create.name, TEMP_SCHEMA);
                }
                self.make(&mut create.name)
            }
            Statement::Drop(drop) if drop.kind == ObjectKind::Schema => Ok(()),
            Statement::Drop(drop) => {
                let mut names = drop.names.iter_mut();
                names.try_for_each(|name| self.find_for(name, drop.if_exists))
            }
            Statement::Show(Show::Create { kind, name }) if *kind != ObjectKind::Schema => {
                self.find(name)
            }
            Statement::Describe(describe) => self.find(&mut describe.name),
            Statement::Explain(explain) => self.statement(&mut explain.statement),
            Statement::ExplainQuery(explain) => self.find(&mut explain.name),
            Statement::PauseQuery(name)
            | Statement::ResumeQuery(name)
            | Statement::SkipLost(name) => self.find(name),
            Statement::Replay(replay) => self.find(&mut replay.name),
            Statement::Optimize(optimize) => self.find(&mut optimize.name),
            Statement::Vacuum(vacuum) => self.find(&mut vacuum.name),
            Statement::Analyze(analyze) => {
                let mut relations = analyze.relations.iter_mut();
                relations.try_for_each(|(name, _)| self.find(name))
            }
            Statement::RebuildQuery(rebuild) => self.find(&mut rebuild.name),
            Statement::Subscribe(subscribe) => self.subscribed(&mut subscribe.to),
            Statement::Grant(grant) => match &mut grant.on {
                GrantOn::Relations(names) => names.iter_mut().try_for_each(|name| self.find(name)),
                _ => Ok(()),
            },
            Statement::Rename(rename) => self.find_for(&mut rename.name, rename.if_exists),
            Statement::CommentOnStream(comment) => self.find(&mut comment.name),
            Statement::AlterOwner(alter) if alter.kind != ObjectKind::Schema => {
                self.find(&mut alter.name)
            }
            Statement::Copy(copy) => match &mut copy.what {
                CopyWhat::Table { name, .. } => self.find(name),
                CopyWhat::Query(query) => self.query(query),
                CopyWhat::Subscribe(subscribe) => self.subscribed(&mut subscribe.to),
            },
            Statement::Sql(statement) => self.sql(statement),
            _ => Ok(()),
        }
    }

    fn subscribed(&self, to: &mut SubscribedTo) -> Result<()> {
        match to {
            SubscribedTo::Relation(name) => self.find(name),
            SubscribedTo::Query(query) => self.query(query),
        }
    }

    fn sql(&self, statement: &mut ast::Statement) -> Result<()> {
        match statement {
            ast::Statement::Comment {
                object_type: CommentObject::Column,
                object_name,
                ..
            } => {
                let Some(column) = object_name.0.pop() else {
                    return Ok(());
                };
                let found = self.find(object_name);
                object_name.0.push(column);
                found
            }
            ast::Statement::Comment {
                object_type: CommentObject::Schema | CommentObject::Role,
                ..
            } => Ok(()),
            ast::Statement::Comment { object_name, .. } => self.find(object_name),
            ast::Statement::Lock(lock) => {
                let mut tables = lock.tables.iter_mut();
                tables.try_for_each(|table| self.find(&mut table.name))
            }
            ast::Statement::AlterTable(alter) if alter.if_exists => {
                self.find_for(&mut alter.name, true)
            }
            other => self.visit(other),
        }
    }

    fn undefined(&self, name: &str) -> Error {
        let error = Error::user(
            SqlState::UndefinedTable,
            format!("relation \"{name}\" does not exist"),
        );
        let elsewhere = self.catalog.schemas().find(|schema| {
            self.catalog
                .get(&QualifiedName::new(*schema, name))
                .is_some()
        });
        match elsewhere {
            Some(schema) => error.with_hint(format!(
                "There is {}.{name}, in a schema that search_path does not have.",
                quoted(schema)
            )),
            None => error,
        }
    }
}

/// The word of a name without a schema.
fn bare(name: &ObjectName) -> Option<&Ident> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(ident),
        _ => None,
    }
}

/// Puts a schema before a name that has none.
fn put(name: &mut ObjectName, schema: &str) {
    if schema == PUBLIC {
        return;
    }
    let schema = match is_plain(schema) {
        true => Ident::new(schema),
        false => Ident::with_quote('"', schema),
    };
    name.0.insert(0, ObjectNamePart::Identifier(schema));
}

/// Goes through a statement and gives relations their schemas, but for those that WITH gives and functions that stand in FROM.
struct Names<'a> {
    path: &'a SearchPath,
    /// What WITH gives, by query.
    given: Vec<Vec<String>>,
    /// WITH of the queries around, which were gone through by themselves: each of its queries sees the ones before it alone.
    with: Vec<Option<With>>,
    /// The next relation is a function.
    function: bool,
}

impl<'a> Names<'a> {
    fn new(path: &'a SearchPath) -> Self {
        Self {
            path,
            given: Vec::new(),
            with: Vec::new(),
            function: false,
        }
    }

    fn give(&mut self, name: &Ident) {
        if let Some(given) = self.given.last_mut() {
            given.push(fold(name));
        }
    }
}

impl VisitorMut for Names<'_> {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        let mut with = query.with.take();
        self.given.push(Vec::new());
        if let Some(with) = &mut with {
            if with.recursive {
                for table in &with.cte_tables {
                    self.give(&table.alias.name);
                }
            }
            for table in &mut with.cte_tables {
                table.query.visit(self)?;
                self.give(&table.alias.name);
            }
        }
        self.with.push(with);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        query.with = self.with.pop().flatten();
        self.given.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        self.function = matches!(factor, TableFactor::Table { args: Some(_), .. });
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<Self::Break> {
        if std::mem::take(&mut self.function) {
            return ControlFlow::Continue(());
        }
        if let Some(name) = bare(relation) {
            let name = fold(name);
            if self.given.iter().flatten().any(|given| *given == name) {
                return ControlFlow::Continue(());
            }
        }
        match self.path.find(relation) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

impl Session {
    fn search_path(&self) -> SearchPath {
        let (catalog, role) = (self.engine.catalog(), self.role());
        let text = self.settings.lock().get("search_path").unwrap_or_default();
        SearchPath {
            schemas: usable(named(&text, &role), &catalog, &role),
            catalog,
            temp: Arc::clone(&self.temp),
        }
    }

    /// The schema that a name without one is made in.
    pub(crate) fn schema_for_new(&self) -> Result<String> {
        self.search_path().schema_for_new().map(str::to_owned)
    }

    /// Where a relation of this name is, or would be made.
    pub(crate) fn relation_named(&self, name: &str) -> Result<QualifiedName> {
        let path = self.search_path();
        let schema = match path.schema_of(name) {
            Some(schema) => schema,
            None => path.schema_for_new()?,
        };
        Ok(QualifiedName::new(schema, name))
    }

    /// The statement with the schema of every relation it names; `None` where it is the same.
    pub(crate) fn in_search_path(&self, statement: &Statement) -> Result<Option<Statement>> {
        let path = self.search_path();
        let temporary = match statement {
            Statement::CreateTable(create) => create.temporary,
            Statement::CreateView(create) => create.temporary,
            _ => false,
        };
        if path.is_plain() && !temporary {
            return Ok(None);
        }
        let mut found = statement.clone();
        path.statement(&mut found)?;
        Ok((found != *statement).then_some(found))
    }

    /// The same, for a door that carries a statement out by itself.
    pub(crate) fn parsed_in_search_path(&self, parsed: &Parsed) -> Result<Option<Parsed>> {
        let found = self.in_search_path(&parsed.statement);
        let found = found.map_err(|error| error.placed(parsed))?;
        Ok(found.map(|statement| Parsed {
            statement,
            text: parsed.text.clone(),
            offset: parsed.offset,
        }))
    }

    /// A prepared statement anew, when its names stand for other relations than they did, or these have other columns; PostgreSQL's error when
    /// it would answer otherwise.
    pub(super) async fn anew(&self, prepared: &Prepared) -> Result<Option<Prepared>> {
        if *prepared.seen.lock() == self.seen() {
            return Ok(None);
        }
        let found = self.in_search_path(&prepared.parsed.statement)?;
        let ((_, temp), ..) = *prepared.seen.lock();
        let same = found.as_ref() == prepared.found.as_deref() && temp == self.temp.changes();
        if same && !self.is_outdated(prepared)? {
            return Ok(None);
        }
        let again = self
            .prepare_here(&prepared.parsed, &prepared.parameters)
            .await?;
        if again.schema != prepared.schema || again.parameters != prepared.parameters {
            return Err(Error::user(
                SqlState::FeatureNotSupported,
                "cached plan must not change result type",
            )
            .with_hint("Names in the statement stand for other relations than when it was prepared, or for other columns; prepare it again."));
        }
        Ok(Some(again))
    }
}
